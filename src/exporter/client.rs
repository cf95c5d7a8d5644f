//! HTTP: one loop of retries around request and body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Certificate, StatusCode, Url};
use serde::Deserialize;

use super::error::SourceError;
use super::gate::{Gate, Outcome};
use super::retry::{Fault, RetryPolicy, http_date, retry_after};
use crate::base::text;

/// What every request carries.
pub const USER_AGENT: &str = concat!("oct/", env!("CARGO_PKG_VERSION"), " (offline catalog tool for certsuite)");

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How requests are sent.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Requests at once, over all sources.
    pub jobs: u32,
    /// How patiently they are repeated.
    pub retry: RetryPolicy,
    /// How long nothing may come, before the first byte or between two, until a request counts as failed. A total
    /// timeout there is none: a slow but healthy answer may take as long as it takes.
    pub stall: Duration,
    /// PEM files of further certificate authorities, trusted besides those of the system.
    pub ca_certs: Vec<Vec<u8>>,
}

/// A client for all sources of one run.
#[derive(Debug)]
pub struct Client {
    options: HttpOptions,
    http: RwLock<(u64, reqwest::Client)>,
    gate: Gate,
    first_date: Mutex<Option<Timestamp>>,
    refused: AtomicU64,
}

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    /// Its body, decompressed; `None` for 304 Not Modified.
    pub body: Option<Vec<u8>>,
    /// Its `ETag`.
    pub etag: Option<String>,
}

impl Client {
    /// Sets a client up.
    ///
    /// # Errors
    /// Where a CA file holds no certificate, or TLS cannot be set up.
    pub fn new(options: HttpOptions) -> Result<Self, SourceError> {
        // Fails only where a provider was installed before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = build(&options)?;
        let gate = Gate::new(options.jobs);
        let first_date = Mutex::new(None);
        Ok(Self { options, http: RwLock::new((0, http)), gate, first_date, refused: AtomicU64::new(0) })
    }

    /// The server's clock at its first answer, from the `Date` header.
    #[must_use]
    pub fn first_date(&self) -> Option<Timestamp> {
        *self.first_date.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests the server refused with 429 or 503.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sends a GET for `url` until `decode` accepts an answer, or the policy gives up. Each request is counted in
    /// `requests`. A body of more than `cap` bytes is a fault.
    ///
    /// # Errors
    /// The last fault, with the URL.
    pub async fn get<T>(
        &self,
        url: &Url,
        etag: Option<&str>,
        cap: usize,
        requests: &AtomicU64,
        decode: impl Fn(Answer) -> Result<T, Fault>,
    ) -> Result<T, SourceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let pass = self.gate.pass().await;
            requests.fetch_add(1, Ordering::Relaxed);
            let generation = self.http.read().unwrap_or_else(PoisonError::into_inner).0;
            let result = self.once(url, etag, cap).await.and_then(&decode);
            let fault = match result {
                Ok(value) => {
                    pass.end(Outcome::Good);
                    return Ok(value);
                }
                Err(fault) => fault,
            };
            if fault.is_pushback() {
                self.refused.fetch_add(1, Ordering::Relaxed);
                pass.end(Outcome::Refused);
            } else {
                pass.end(Outcome::Failed);
            }
            if fault.wants_new_connection() {
                self.renew(generation)?;
            }
            match self.options.retry.wait(tries, &fault, fastrand::f64()) {
                Some(wait) => {
                    tracing::debug!(url = %shown(url), %fault, tries, ?wait, "trying again");
                    tokio::time::sleep(wait).await;
                }
                None => return Err(SourceError::Request { url: shown(url), fault, tries }),
            }
        }
    }

    async fn once(&self, url: &Url, etag: Option<&str>, cap: usize) -> Result<Answer, Fault> {
        let http = self.http.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        let mut request = http.get(url.clone());
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let classify = |error: reqwest::Error| self.classify(&error);
        let mut response = request.send().await.map_err(classify)?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let date = header(DATE).and_then(|date| http_date(&date));
        if let Some(date) = date {
            self.first_date.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(date);
        }
        let wait = header(RETRY_AFTER).and_then(|value| retry_after(&value, date));
        let etag = header(ETAG);
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { body: None, etag });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > cap {
                return Err(Fault::TooLarge(cap));
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(Fault::Status { code: status.as_u16(), detail: problem(&body), retry_after: wait });
        }
        Ok(Answer { body: Some(body), etag })
    }

    fn classify(&self, error: &reqwest::Error) -> Fault {
        if error.is_timeout() && !error.is_connect() {
            return Fault::Stall(self.options.stall);
        }
        let cause = innermost(error);
        if error.is_connect() { Fault::Connect(cause) } else { Fault::Broken(cause) }
    }

    /// Replaces the pool of connections, unless that happened since `generation`.
    fn renew(&self, generation: u64) -> Result<(), SourceError> {
        let fresh = build(&self.options)?;
        let mut http = self.http.write().unwrap_or_else(PoisonError::into_inner);
        if http.0 == generation {
            *http = (generation + 1, fresh);
        }
        Ok(())
    }
}

fn build(options: &HttpOptions) -> Result<reqwest::Client, SourceError> {
    let mut certificates = Vec::new();
    for pem in &options.ca_certs {
        let bundle = Certificate::from_pem_bundle(pem).map_err(|error| SourceError::Client(error.to_string()))?;
        if bundle.is_empty() {
            return Err(SourceError::Client("a --ca-cert file holds no certificate".into()));
        }
        certificates.extend(bundle);
    }
    let builder = || {
        reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(options.stall)
            .pool_max_idle_per_host(options.jobs as usize)
            .tcp_nodelay(true)
    };
    let merged = if certificates.is_empty() { builder() } else { builder().tls_certs_merge(certificates.clone()) };
    let error = match merged.build() {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    // A host without any authority of its own, an empty container for one, can still speak HTTP, or trust those named.
    if certificates.is_empty() {
        tracing::warn!("no certificate authorities on this host ({}): https needs --ca-cert", innermost(&error));
    }
    builder().tls_certs_only(certificates).build().map_err(|error| SourceError::Client(innermost(&error)))
}

/// The innermost cause of an error, which says what happened; the outer ones repeat the URL or say nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    text::sanitize(&innermost.to_string())
}

/// A URL as it is shown: without user and password.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot have a user, which then have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    text::sanitize(url.as_str())
}

/// What an error's body says: `application/problem+json` has a title, and a detail that is a text or a list of texts.
fn problem(body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Detail {
        One(String),
        Many(Vec<String>),
    }
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<Detail>,
    }
    if is_html(body) {
        return "an HTML page".into();
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else { return String::new() };
    let detail = match problem.detail {
        Some(Detail::One(detail)) => Some(detail),
        Some(Detail::Many(details)) => Some(details.join("; ")),
        None => None,
    };
    let parts: Vec<_> = problem.title.into_iter().chain(detail).collect();
    text::sanitize(&parts.join(": "))
}

/// Whether a body is an HTML page.
pub fn is_html(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    start.first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_are_read_in_all_their_forms() {
        assert_eq!(problem(br#"{"title":"Bad","detail":"x"}"#), "Bad: x");
        assert_eq!(problem(br#"{"status":400,"detail":["a","b"]}"#), "a; b");
        assert_eq!(problem(b"<html>"), "an HTML page");
        assert_eq!(problem(b"\x1b[2J"), "");
    }

    #[test]
    fn credentials_are_not_shown() {
        let url = Url::parse("https://user:secret@host/x?y=1").unwrap();
        assert_eq!(shown(&url), "https://host/x?y=1");
    }
}
