//! HTTP itself: one request with its redirects, and what its failure means.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use reqwest::header::{DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Response, StatusCode, Url};
use rustls::CertificateError;
use serde::Deserialize;

use super::client::{Answer, Web, is_html, shown_without_query};
use super::error::HttpError;
use super::limits;
use super::retry::{Fault, RetryPolicy, http_date, retry_after};
use crate::base::text;

/// The default `User-Agent`.
pub const USER_AGENT: &str = concat!("oct/", env!("CARGO_PKG_VERSION"), " (offline catalog tool for certsuite)");

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Time between two renewals of all connections.
const RENEW_EVERY: Duration = Duration::from_millis(200);

/// Variables from which the HTTP client takes its proxies.
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// How requests are sent.
#[derive(Clone)]
pub struct HttpOptions {
    /// Requests at once, over all sources.
    pub jobs: u32,
    /// How patiently they are repeated.
    pub retry: RetryPolicy,
    /// How long nothing may come, before the first byte or between two, until a request counts as failed. There is no
    /// total timeout: a slow but healthy answer may take any time.
    pub stall: Duration,
    /// PEM files of more certificate authorities, trusted in addition to those of the system.
    pub ca_certs: Vec<Vec<u8>>,
    /// The `User-Agent`, if it is not [`USER_AGENT`].
    pub user_agent: Option<String>,
    /// Headers for the origin of `home`, and for no other server. Their values may be secret.
    pub headers: Vec<(String, String)>,
    /// The proxy settings of the environment, by the names of their variables.
    pub proxies: HashMap<String, String>,
}

impl HttpOptions {
    /// The default settings.
    #[must_use]
    pub fn new(jobs: u32, retry: RetryPolicy, stall: Duration) -> Self {
        let (ca_certs, user_agent, headers, proxies) = Default::default();
        Self { jobs, retry, stall, ca_certs, user_agent, headers, proxies }
    }

    /// Adds the proxy settings that `lookup` has.
    #[must_use]
    pub fn with_proxies(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let found = PROXY_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), lookup(name)?)));
        self.proxies = found.filter(|(_, value)| !value.trim().is_empty()).collect();
        self
    }
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers and proxies may hold secrets.
        f.debug_struct("HttpOptions").field("jobs", &self.jobs).field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// HTTP by `reqwest`.
pub struct Http {
    options: HttpOptions,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The URL whose origin gets the headers.
    home: Url,
    /// The client with its connections, and when it was made.
    client: RwLock<(Instant, reqwest::Client)>,
}

impl Http {
    /// Sets HTTP up; `home` is where the headers of the options go.
    ///
    /// # Errors
    /// If a CA file holds no certificate, a header or a proxy setting cannot be read, or TLS cannot be set up.
    pub fn new(options: HttpOptions, home: &Url) -> Result<Self, HttpError> {
        // Fails only if a provider was installed before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        options.proxies.iter().try_for_each(|(variable, value)| readable_proxy(variable, value))?;
        let mut headers = Vec::new();
        for (name, value) in &options.headers {
            let wrong = |_| HttpError::Client(format!("`{}` is not a header", text::sanitize(name)));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(()))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong(()))?;
            value.set_sensitive(true);
            headers.push((header, value));
        }
        let client = RwLock::new((Instant::now(), build(&options)?));
        Ok(Self { options, headers, home: home.clone(), client })
    }

    /// Asks once, and waits for the whole answer no longer than the stall timeout: for a question whose answer is short.
    ///
    /// # Errors
    /// What came instead.
    pub async fn get_once(&self, url: &Url, cap: usize) -> Result<Answer, Fault> {
        let stall = self.options.stall;
        tokio::time::timeout(stall, self.follow(url, None, cap)).await.unwrap_or(Err(Fault::Stall(stall)))
    }

    async fn follow(&self, url: &Url, etag: Option<&str>, cap: usize) -> Result<Answer, Fault> {
        let etag = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
        let headers = etag.into_iter().map(|etag| (IF_NONE_MATCH, etag)).collect();
        let (at, response) = self.open(url, &headers).await?;
        self.read(&at, response, cap).await
    }

    /// Sends a GET with these headers; returns the head of the answer, with its body still to read, and the final URL
    /// after all redirects.
    pub async fn open(&self, url: &Url, headers: &HeaderMap) -> Result<(Url, Response), Fault> {
        let mut at = url.clone();
        for _ in 0..=limits::REDIRECTS {
            let response = self.send(&at, headers).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok((at, response));
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| at.join(location).ok()) else {
                return Err(Fault::Redirect("nowhere".into()));
            };
            let weaker = at.scheme() == "https" && next.scheme() != "https";
            if weaker || !matches!(next.scheme(), "http" | "https") {
                return Err(Fault::Redirect(format!("{}, which has no encryption", shown_without_query(&next))));
            }
            at = next;
        }
        Err(Fault::Redirect(format!("{} after too many redirects", shown_without_query(&at))))
    }

    async fn send(&self, url: &Url, headers: &HeaderMap) -> Result<Response, Fault> {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        let mut request = client.get(url.clone()).headers(headers.clone());
        if url.origin() == self.home.origin() {
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
        }
        request.send().await.map_err(|error| self.classify(url, &error))
    }

    /// Reads the body of an answer, of at most `cap` bytes; a status that is no success is a fault.
    pub async fn read(&self, url: &Url, mut response: Response, cap: usize) -> Result<Answer, Fault> {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let date = header(DATE).and_then(|date| http_date(&date));
        let retry_after = header(RETRY_AFTER).and_then(|value| retry_after(&value, date));
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut answer = Answer { body: None, etag: header(ETAG), date, host, status: status.as_u16() };
        if status == StatusCode::NOT_MODIFIED {
            return Ok(answer);
        }
        let good = status.is_success();
        let cap = if good { cap } else { limits::ERROR_BYTES };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.classify(url, &error))? {
            if body.len() + chunk.len() > cap {
                if good {
                    return Err(Fault::TooLarge(cap));
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if !good {
            let (detail, html) = (problem(&body), is_html(&body));
            return Err(Fault::Status { code: status.as_u16(), detail, html, retry_after });
        }
        answer.body = Some(body);
        Ok(answer)
    }

    /// What the failure of a request means.
    pub fn classify(&self, url: &Url, error: &reqwest::Error) -> Fault {
        let host = text::sanitize(url.host_str().unwrap_or_default());
        let mut cause: &(dyn Error + 'static) = error;
        loop {
            if let Some(rustls::Error::InvalidCertificate(why)) = cause.downcast_ref() {
                return Fault::Certificate(certificate(why, &host));
            }
            // An I/O error may wrap another error, but not return it as its source.
            let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let inner = inner.map(|inner| inner as &(dyn Error + 'static));
            match inner.or_else(|| cause.source()) {
                Some(next) => cause = next,
                None => break,
            }
        }
        if error.is_timeout() && !error.is_connect() {
            return Fault::Stall(self.options.stall);
        }
        let said = text::sanitize(&cause.to_string());
        // Only the text of the resolver's error tells "there is no such name" from "no answer". RFC 6761, 6.4: a name
        // below `invalid` never exists, even if a resolver says so.
        let unknown = said.contains("no records found") || host.ends_with(".invalid");
        match (error.is_connect(), unknown) {
            (true, true) => Fault::NoName(host),
            (true, false) => Fault::Connect(said),
            (false, _) => Fault::Broken(said),
        }
    }
}

impl Web for std::sync::Arc<Http> {
    fn get<'a>(&'a self, url: &'a Url, etag: Option<&'a str>, cap: usize) -> BoxFuture<'a, Result<Answer, Fault>> {
        (**self).get(url, etag, cap)
    }

    fn renew(&self) {
        (**self).renew();
    }
}

impl Web for Http {
    fn get<'a>(&'a self, url: &'a Url, etag: Option<&'a str>, cap: usize) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(self.follow(url, etag, cap))
    }

    fn renew(&self) {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        // If one connection fails, several requests fail at once. A client that was built once can be built again; if
        // not, the old connections stay in use.
        if client.0.elapsed() >= RENEW_EVERY
            && let Ok(fresh) = build(&self.options)
        {
            *client = (Instant::now(), fresh);
        }
    }
}

/// Why a certificate is not accepted, for a person.
fn certificate(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::UnknownIssuer => "it is signed by an authority that this host does not know".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is this host's clock right?".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is not for the name `{host}`")
        }
        CertificateError::Revoked => "it was revoked".into(),
        CertificateError::BadSignature => "its signature is wrong".into(),
        other => {
            let said = text::sanitize(&format!("{other:?}"));
            if said.contains("CaUsedAsEndEntity") {
                "it is the certificate of an authority, not of a server".into()
            } else {
                said
            }
        }
    }
}

/// Checks that a proxy setting can be read; `reqwest` ignores one that it cannot read, and connects directly.
fn readable_proxy(variable: &str, value: &str) -> Result<(), HttpError> {
    let wrong = |cause: &str| Err(HttpError::Proxy { variable: variable.to_owned(), cause: cause.to_owned() });
    let value = value.trim();
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let rest = full.split_once("://").map_or("", |(_, rest)| rest);
    if rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(['#', '?', '/'])) {
        return wrong("in a user or password, write %23 for `#`, %3F for `?` and %2F for `/`");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '"' | '<' | '>')) {
        return wrong("a space, a backslash or another character that no address can have");
    }
    let Ok(url) = Url::parse(&full) else { return wrong("it is not an address") };
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(()),
        "http" | "https" => wrong("it names no host"),
        scheme => wrong(&format!("`{}` proxies are not supported, only http and https", text::sanitize(scheme))),
    }
}

fn build(options: &HttpOptions) -> Result<reqwest::Client, HttpError> {
    let mut certificates = Vec::new();
    for pem in &options.ca_certs {
        let bundle = Certificate::from_pem_bundle(pem).map_err(|error| HttpError::Client(error.to_string()))?;
        if bundle.is_empty() {
            return Err(HttpError::Client("a --ca-cert file holds no PEM certificate".into()));
        }
        certificates.extend(bundle);
    }
    let builder = || {
        reqwest::Client::builder()
            .user_agent(options.user_agent.as_deref().unwrap_or(USER_AGENT))
            .redirect(reqwest::redirect::Policy::none())
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
    // A host without certificate authorities, such as an empty container, can still use HTTP, or trust those of
    // `--ca-cert`.
    if certificates.is_empty() {
        tracing::warn!("no certificate authorities on this host ({}): https needs --ca-cert FILE", innermost(&error));
    }
    builder().tls_certs_only(certificates).build().map_err(|error| HttpError::Client(innermost(&error)))
}

/// The innermost cause of an error: it says what happened, while the outer ones repeat the URL or say nothing.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    text::sanitize(&innermost.to_string())
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
    fn a_proxy_setting_is_read_or_refused_and_never_ignored() {
        for good in [
            "http://proxy:3128",
            "proxy:3128",
            "proxy",
            "http://user:pa%20ss@proxy:3128/",
            "https://DOMAIN%5Cuser:p@h",
            "http://[::1]:8080",
        ] {
            assert!(readable_proxy("HTTPS_PROXY", good).is_ok(), "{good}");
        }
        for bad in [
            "ftp://proxy:21",
            "socks5://proxy:1080",
            r"http://DOMAIN\user:s3cret@proxy:1",
            "http://us er:s3cret@proxy:1",
            "http://",
            "http://proxy:99999",
            "http://proxy:port",
            "us\u{1}er@proxy",
            "http://user:s3cret#3@proxy:3128",
            "http://user:s3cret?3@proxy:3128",
            "user:s3cret/3@proxy:3128",
            "http://user:s3@cret#s3cret@proxy:3128",
        ] {
            let error = readable_proxy("all_proxy", bad).unwrap_err().to_string();
            assert!(error.contains("all_proxy") && !error.contains("s3cret"), "{bad}: {error}");
        }
    }

    #[test]
    fn settings_in_the_environment_are_found_and_secrets_are_not_shown() {
        let lookup = |name: &str| (name == "all_proxy").then(|| "http://u:secret@p".to_owned());
        let options = HttpOptions::new(1, RetryPolicy::default(), Duration::from_secs(1)).with_proxies(lookup);
        assert_eq!(options.proxies.len(), 1);
        assert!(!format!("{options:?}").contains("secret"));
        assert!(options.with_proxies(|_| Some(" ".into())).proxies.is_empty());
    }
}
