//! The chart index, fetched again only when it has changed.

use std::path::Path;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::work_folder::{read_own, write_own};
use crate::base::digest::Sha256Digest;
use crate::base::limits;
use crate::base::text::sanitize;
use crate::catalog::ChartIndex;
use crate::http::{Answer, Client, Fault, Get, HttpError, React, Remedy, Source, is_html, shown};

/// The index that was served before, and its `ETag`.
#[derive(Serialize, Deserialize)]
struct Kept {
    etag: String,
    sha256: Sha256Digest,
}

/// The chart index as served. `cache` is a folder in which the last one is kept.
///
/// # Errors
/// If the server gives no chart index.
pub async fn fetch(client: &Client, source: &Source, url: &Url, cache: Option<&Path>) -> Result<ChartIndex, HttpError> {
    let name = format!("charts-{}", &Sha256Digest::of(url.as_str().as_bytes()).to_string()[..16]);
    let kept = cache.and_then(|cache| read(&cache.join(&name)));
    let etag = kept.as_ref().map(|(etag, _)| etag.as_str());
    let mut answer = ask(client, source, url, etag).await?;
    if answer.is_none() {
        // 304: the kept index is the one that the server has.
        if let Some((_, body)) = kept
            && let Ok(index) = ChartIndex::parse(body)
        {
            return Ok(index);
        }
        answer = ask(client, source, url, None).await?;
    }
    let Some((index, etag)) = answer else {
        let fault = Fault::Disorder("\"not modified\", but no copy was named".into());
        return Err(HttpError::Request { url: shown(url), fault, tries: 2 });
    };
    if let (Some(cache), Some(etag)) = (cache, etag) {
        // The kept index only saves the next run a download.
        if let Err(error) = keep(cache, &name, etag, index.yaml()) {
            tracing::warn!(%error, "cannot keep the chart index for the next run");
        }
    }
    Ok(index)
}

/// The index and its `ETag`; `None` if `etag` is still its tag.
type Index = Option<(ChartIndex, Option<String>)>;

async fn ask(client: &Client, source: &Source, url: &Url, etag: Option<&str>) -> Result<Index, HttpError> {
    let decode = |answer: Answer| {
        let Some(body) = answer.body else { return Ok((None, 0)) };
        if is_html(&body) {
            return Err(Fault::Html);
        }
        let index = ChartIndex::parse(body).map_err(|error| Fault::Decode(sanitize(&error.to_string())))?;
        let versions = index.versions().len();
        Ok((Some((index, answer.etag)), versions))
    };
    let attempt = async |tries| {
        let get = Get { what: "chart index", url, etag, cap: limits::CHART_INDEX_BYTES, tries, gated: true };
        client.once(source, get, decode).await
    };
    let react = |fault: &Fault| match fault.remedy() {
        // A retry does not help an index that is too large or not an index; it helps one that was cut or stalled.
        Remedy::Nothing | Remedy::Other => React::Stop,
        Remedy::Less if matches!(fault, Fault::TooLarge(_)) => React::Stop,
        Remedy::Later | Remedy::Less => React::Wait,
    };
    client.persist(source, attempt, react, || shown(url)).await
}

fn read(file: &Path) -> Option<(String, Vec<u8>)> {
    let bytes = read_own(file).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let kept: Kept = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = bytes[end + 1..].to_vec();
    (Sha256Digest::of(&body) == kept.sha256).then_some((kept.etag, body))
}

fn keep(cache: &Path, name: &str, etag: String, body: &[u8]) -> std::io::Result<()> {
    let header = serde_json::to_vec(&Kept { etag, sha256: Sha256Digest::of(body) })?;
    write_own(cache, name, &[&header, b"\n", body])
}
