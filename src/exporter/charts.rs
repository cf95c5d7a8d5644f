//! The chart index, fetched again only when it has changed.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use fs_err as fs;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::client::{Answer, Client, is_html};
use super::error::SourceError;
use super::retry::Fault;
use crate::base::digest::Sha256Digest;
use crate::base::limits;
use crate::base::text::sanitize;
use crate::catalog::ChartIndex;

/// What was served before, and under which `ETag`.
#[derive(Serialize, Deserialize)]
struct Kept {
    etag: String,
    sha256: Sha256Digest,
}

/// The chart index as served, and how many versions it has. `cache` is a folder in which the last one is kept.
///
/// # Errors
/// Where the server gives no chart index.
pub async fn fetch(
    client: &Client,
    url: &Url,
    cache: Option<&Path>,
    requests: &AtomicU64,
) -> Result<(Vec<u8>, u64), SourceError> {
    let file = cache
        .map(|cache| cache.join(format!("charts-{}", &Sha256Digest::of(url.as_str().as_bytes()).to_string()[..16])));
    let kept = file.as_deref().and_then(read);
    let etag = kept.as_ref().map(|(etag, _)| etag.as_str());
    let decode = |answer: Answer| {
        let Some(body) = answer.body else { return Ok(None) };
        if is_html(&body) {
            return Err(Fault::Html);
        }
        let index = ChartIndex::parse(body).map_err(|error| Fault::Decode(sanitize(&error.to_string())))?;
        let versions = index.versions().len() as u64;
        Ok(Some((index.into_yaml(), versions, answer.etag)))
    };
    let mut answer = client.get(url, etag, limits::CHART_INDEX_BYTES, requests, decode).await?;
    if answer.is_none() {
        // 304: what was kept is what would be served.
        if let Some((_, body)) = kept
            && let Ok(index) = ChartIndex::parse(body)
        {
            let versions = index.versions().len() as u64;
            return Ok((index.into_yaml(), versions));
        }
        answer = client.get(url, None, limits::CHART_INDEX_BYTES, requests, decode).await?;
    }
    let Some((body, versions, etag)) = answer else {
        let fault = Fault::Disorder("\"not modified\", of nothing".into());
        return Err(SourceError::Request { url: super::client::shown(url), fault, tries: 2 });
    };
    if let (Some(file), Some(etag)) = (&file, etag) {
        // Keeping it only saves the next run a download.
        if let Err(error) = keep(file, etag, &body) {
            tracing::warn!(%error, "the chart index cannot be kept");
        }
    }
    Ok((body, versions))
}

fn read(file: &Path) -> Option<(String, Vec<u8>)> {
    let bytes = fs::read(file).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let kept: Kept = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = bytes[end + 1..].to_vec();
    (Sha256Digest::of(&body) == kept.sha256).then_some((kept.etag, body))
}

fn keep(file: &Path, etag: String, body: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&serde_json::to_vec(&Kept { etag, sha256: Sha256Digest::of(body) })?)?;
    new.write_all(b"\n")?;
    new.write_all(body)?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
