//! Downloads the files of a site: small ones whole, archives with a new request after each break.

use std::fs::{File, Metadata};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::client::{Client, React, Source, is_html, shown_without_query, whole};
use super::error::HttpError;
use super::retry::{Fault, Remedy, http_date};
use super::web::{Http, HttpOptions};
use crate::base::fs::take_lock;
use crate::base::progress::Progress;

/// `source` of the progress of a download.
pub const DOWNLOADING: &str = "downloading";
/// Bytes of an attempt that count as progress: the next attempt follows at once, and the patience starts again. Stops a
/// server that keeps a run busy with a byte for each request; a connection that breaks every second brings more.
const PROGRESS_BYTES: u64 = 64 << 10;

/// The validators of a file, with which the server says later whether it has changed (RFC 9110, 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

impl Validators {
    fn of(response: &Response) -> Self {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let date = text(DATE).and_then(|date| http_date(&date));
        // RFC 9110, 8.8.2.2: the file may still change within the second of its date.
        let is_past = |modified: &String| date.zip(http_date(modified)).is_none_or(|(date, modified)| modified < date);
        Self { etag: text(ETAG), modified: text(LAST_MODIFIED).filter(is_past) }
    }

    /// The value for `If-Range`. RFC 9110, 13.1.5: no weak entity tag.
    fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/")).or(self.modified.as_deref())
    }
}

/// The answer to a request for a small file.
#[derive(Debug)]
pub enum Small {
    /// It is the same as before.
    Same,
    /// The server has no such file.
    Missing,
    /// Its bytes.
    Found(Vec<u8>, Validators),
}

/// The result of a download.
#[derive(Debug, PartialEq, Eq)]
pub enum Downloaded {
    /// All announced bytes are here.
    Complete,
    /// The server has another file than was announced; the text says how it differs.
    Other(String),
    /// The server has no such file.
    Missing,
}

/// One server with a folder of archives.
pub struct Mirror {
    http: Arc<Http>,
    client: Client,
    source: Source,
    base: Url,
    progress: Arc<dyn Progress>,
}

impl Mirror {
    /// The site at `url`: the URL of its folder, or of its list (a path that ends in `.json`). No request is sent yet.
    ///
    /// # Errors
    /// Those of [`Http::new`].
    pub fn open(options: HttpOptions, url: &Url, progress: Arc<dyn Progress>) -> Result<Self, HttpError> {
        let mut base = url.clone();
        if let Ok(mut parts) = base.path_segments_mut() {
            parts.pop_if_empty();
        }
        if base.path().ends_with(".json")
            && let Ok(mut parts) = base.path_segments_mut()
        {
            parts.pop();
        }
        let source = Source::new(base.host_str().unwrap_or("site"));
        let (jobs, retry) = (options.jobs, options.retry);
        let http = Arc::new(Http::new(options, &base)?);
        let client = Client::new(Box::new(Arc::clone(&http)), jobs, retry, Arc::clone(&progress));
        Ok(Self { http, client, source, base, progress })
    }

    /// Its URL, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        shown_without_query(&self.base)
    }

    /// The URL of `file`, for people.
    #[must_use]
    pub fn shown_file(&self, file: &str) -> String {
        shown_without_query(&self.url(file))
    }

    /// Its URL without any secret: the site is the same with another key.
    #[must_use]
    pub fn site(&self) -> String {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        whole(&url)
    }

    /// Requests that were sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.source.requests()
    }

    /// Bytes of the answers' bodies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    /// The URL of `file`. A query, such as a key of an object store, stays.
    fn url(&self, file: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push(file);
        }
        url
    }

    /// A file of at most `cap` bytes, unless it has not changed since `known`. With `fresh`, caches on the way must ask
    /// the server.
    ///
    /// # Errors
    /// If the server is not reached, refuses, or sends more.
    pub async fn small(
        &self,
        file: &str,
        known: Option<&Validators>,
        fresh: bool,
        cap: usize,
    ) -> Result<Small, HttpError> {
        let url = self.url(file);
        let mut headers = HeaderMap::new();
        if fresh {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        // RFC 9110, 13.1.3: with an entity tag, the date does not count.
        match known {
            Some(Validators { etag: Some(etag), .. }) => set(&mut headers, IF_NONE_MATCH, etag),
            Some(Validators { modified: Some(modified), .. }) => set(&mut headers, IF_MODIFIED_SINCE, modified),
            _ => {}
        }
        let attempt = async |tries| {
            let (at, response) = self.ask(&url, &headers, tries).await?;
            match response.status() {
                StatusCode::NOT_MODIFIED => Ok(Small::Same),
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Small::Missing),
                _ => {
                    let validators = Validators::of(&response);
                    let body = self.http.read(&at, response, cap).await?.body.unwrap_or_default();
                    self.source.came(body.len() as u64);
                    if is_html(&body) { Err(Fault::Html) } else { Ok(Small::Found(body, validators)) }
                }
            }
        };
        self.client.persist(&self.source, attempt, react, || shown_without_query(&url)).await
    }

    /// Completes `into` with the bytes of `file`, which must have `size` bytes, even if the connection breaks often.
    ///
    /// # Errors
    /// If the server is not reached, refuses, or sends nothing for longer than the patience; those of the disk.
    pub async fn download(&self, file: &str, into: &mut Target, size: u64) -> Result<Downloaded, HttpError> {
        let url = self.url(file);
        self.progress.begin_bytes(DOWNLOADING, size);
        self.progress.resume(DOWNLOADING, into.have);
        let done = loop {
            let step = {
                let attempt = async |tries| self.part(&url, into, size, tries).await;
                self.client.persist(&self.source, attempt, react, || shown_without_query(&url)).await?
            };
            match step {
                Step::Done(done) => break done,
                Step::More => {}
                Step::Disk(error) => return Err(error.into()),
            }
        };
        self.progress.end(DOWNLOADING);
        Ok(done)
    }

    async fn ask(&self, url: &Url, headers: &HeaderMap, tries: u32) -> Result<(Url, Response), Fault> {
        self.source.asked();
        let answer = self.http.open(url, headers).await;
        let status = answer.as_ref().map_or(0, |(_, response)| response.status().as_u16());
        tracing::info!(
            source = self.source.name,
            what = "file",
            status,
            tries,
            url = shown_without_query(url),
            "answer"
        );
        answer
    }

    /// One request, for all that is missing.
    async fn part(&self, url: &Url, into: &mut Target, size: u64, tries: u32) -> Result<Step, Fault> {
        if into.have == size {
            return Ok(Step::Done(Downloaded::Complete));
        }
        let (at, mut response) = self.ask(url, &into.headers(url), tries).await?;
        let start = match begins(&response, into.have, size) {
            Begin::At(start) => start,
            Begin::Done(done) => return Ok(Step::Done(done)),
            // The server cannot continue what is here: start again.
            Begin::Anew if into.have == 0 => return Err(Fault::Disorder("a part that was not asked for".into())),
            Begin::Anew => match into.cut_to(0) {
                Ok(()) => return Ok(Step::More),
                Err(error) => return Ok(Step::Disk(error)),
            },
            Begin::No => {
                // The error, with the server's own explanation.
                let read = self.http.read(&at, response, 0).await;
                return Err(read.err().unwrap_or_else(|| Fault::Disorder("an answer without the file".into())));
            }
        };
        if let Err(error) = into.cut_to(start) {
            return Ok(Step::Disk(error));
        }
        into.validators = Some((url.clone(), Validators::of(&response)));
        let broken = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let bytes = chunk.len() as u64;
                    if bytes > size - into.have {
                        return Ok(Step::Done(Downloaded::Other(format!("it has more than {size} bytes"))));
                    }
                    if let Err(error) = into.append(&chunk) {
                        return Ok(Step::Disk(error));
                    }
                    self.source.came(bytes);
                    self.progress.advance(DOWNLOADING, bytes);
                }
                Ok(None) if into.have == size => return Ok(Step::Done(Downloaded::Complete)),
                Ok(None) => break Fault::Broken("it ended early".into()),
                Err(error) => break self.http.classify(&at, &error),
            }
        };
        // Progress is more bytes than were ever here: a server without ranges starts again each time, and may never get
        // further.
        if into.have >= into.furthest + PROGRESS_BYTES {
            into.furthest = into.have;
            return Ok(Step::More);
        }
        Err(broken)
    }
}

/// The result of a request.
enum Step {
    Done(Downloaded),
    /// Some bytes, and more are missing.
    More,
    Disk(io::Error),
}

/// How an answer continues what is here.
enum Begin {
    /// Its first byte is at this place in the file.
    At(u64),
    /// Not at all.
    Anew,
    /// There is nothing to continue.
    Done(Downloaded),
    /// It is an error.
    No,
}

fn begins(response: &Response, have: u64, size: u64) -> Begin {
    let other = |total: u64| Begin::Done(Downloaded::Other(format!("it has {total} bytes, not {size}")));
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            match range.and_then(content_range) {
                Some((_, Some(total))) if total != size => other(total),
                Some((start, _)) if start == have => Begin::At(have),
                _ => Begin::Anew,
            }
        }
        StatusCode::OK => match response.content_length() {
            Some(length) if length != size => other(length),
            _ => Begin::At(0),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => Begin::Anew,
        StatusCode::NOT_FOUND | StatusCode::GONE => Begin::Done(Downloaded::Missing),
        _ => Begin::No,
    }
}

/// Start and total of a `Content-Range` (RFC 9110, 14.4): `bytes 5-9/10`, or `*` for a total that is not known.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.parse().ok()?, total))
}

/// Whether to ask again. A site has only one form of a question.
fn react(fault: &Fault) -> React {
    match fault {
        Fault::TooLarge(_) | Fault::Html => React::Stop,
        fault if fault.remedy() == Remedy::Other => React::Stop,
        _ => React::Wait,
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A value from a header is valid in a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// A file that is being downloaded, locked for as long as this value lives.
#[derive(Debug)]
pub struct Target {
    file: File,
    have: u64,
    /// The most bytes that were here after a request that made progress.
    furthest: u64,
    /// The validators of the bytes that are here, and their URL.
    pub validators: Option<(Url, Validators)>,
}

impl Target {
    /// Opens the file at `path`, with what an earlier run downloaded, or makes it. A file of more than `size` bytes is
    /// emptied.
    ///
    /// # Errors
    /// Those of the disk, or if another process downloads into the file.
    pub fn open(path: &Path, size: u64) -> Result<Self, HttpError> {
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644).custom_flags(flags);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()));
        let (file, metadata) = loop {
            let file = options.open(path).map_err(named)?;
            let metadata = file.metadata().map_err(named)?;
            if !metadata.is_file() {
                return Err(named(io::Error::other("it is not a regular file")).into());
            }
            // Some network filesystems have no locks. Everything else works there.
            if matches!(take_lock(&file), Ok(false)) {
                return Err(HttpError::Downloading(path.to_owned()));
            }
            // The process that had the lock may have given the file its final name: then this one must not write into it.
            if std::fs::symlink_metadata(path).is_ok_and(|named| same_file(&named, &metadata)) {
                break (file, metadata);
            }
        };
        let mut target = Self { file, have: metadata.len(), furthest: 0, validators: None };
        if target.have > size {
            target.cut_to(0).map_err(named)?;
        }
        target.furthest = target.have;
        Ok(target)
    }

    /// Bytes that are here.
    #[must_use]
    pub fn have(&self) -> u64 {
        self.have
    }

    /// Waits until all bytes are on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn headers(&self, url: &Url) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // A range counts the bytes of the file itself, not of a compressed form.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.have > 0 {
            set(&mut headers, RANGE, &format!("bytes={}-", self.have));
            let known = self.validators.as_ref().filter(|(at, _)| at == url);
            if let Some(validator) = known.and_then(|(_, validators)| validators.strong()) {
                set(&mut headers, IF_RANGE, validator);
            }
        }
        headers
    }

    fn cut_to(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length))?;
        self.have = length;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.have += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use crate::http::RetryPolicy;
    use std::time::Duration;

    fn mirror(url: &str) -> Mirror {
        let options = HttpOptions::new(1, RetryPolicy::default(), Duration::from_secs(1));
        Mirror::open(options, &url.parse().unwrap(), Arc::new(Silent)).unwrap()
    }

    #[test]
    fn files_lie_beside_the_list_however_the_site_is_named() {
        for url in ["http://h/a", "http://h/a/", "http://h/a/catalogs.json"] {
            assert_eq!(mirror(url).url("x").as_str(), "http://h/a/x");
        }
        assert_eq!(mirror("http://h").url("x").as_str(), "http://h/x");
        assert_eq!(mirror("http://h/a?key=1").url("x").as_str(), "http://h/a/x?key=1");
        assert_eq!(mirror("http://u:p@h/a").shown(), "http://h/a");
        let keyed = mirror("http://u:p@h/a?key=1");
        assert_eq!((keyed.shown(), keyed.site()), ("http://h/a?…".into(), "http://h/a".into()));
        assert_eq!(keyed.shown_file("x"), "http://h/a/x?…");
    }

    #[test]
    fn ranges_of_answers_are_read_or_refused() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for odd in ["bytes */10", "items 5-9/10", "bytes 5/10", "bytes a-9/10", "bytes 5-9/x", ""] {
            assert_eq!(content_range(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_weak_tag_is_no_reason_to_go_on() {
        let of = |etag: Option<&str>, modified: Option<&str>| Validators {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
        };
        assert_eq!(of(Some("\"1\""), Some("date")).strong(), Some("\"1\""));
        assert_eq!(of(Some("W/\"1\""), Some("date")).strong(), Some("date"));
        assert_eq!(of(Some("W/\"1\""), None).strong(), None);
    }

    #[test]
    fn of_two_downloads_one_waits_and_what_is_too_long_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        std::fs::write(&path, "12345").unwrap();
        let first = Target::open(&path, 5).unwrap();
        assert_eq!(first.have(), 5);
        assert!(matches!(Target::open(&path, 5), Err(HttpError::Downloading(_))));
        drop(first);
        assert_eq!(Target::open(&path, 4).unwrap().have(), 0);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(Target::open(&path, 4).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
