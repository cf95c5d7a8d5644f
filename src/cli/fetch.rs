//! The flags of every command that fetches.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as _, ValueHint};
use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::values;
use crate::base::{fs, limits};
use crate::ops::bundle::{EVIDENCE_LEAST, FetchOptions, HttpOptions, Plan, RetryPolicy};
use crate::ops::{Error, UsageError};

/// What to fetch, and how.
#[derive(Debug, clap::Args)]
pub(super) struct FetchArgs {
    #[command(flatten)]
    catalog: CatalogUrl,
    /// URL of the chart index
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://charts.openshift.io/index.yaml",
        env = "OCT_CHARTS_URL",
        value_parser = values::url
    )]
    charts_url: reqwest::Url,
    /// Number of requests at the same time
    #[arg(long, value_name = "N", default_value_t = 8, env = "OCT_JOBS", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// Documents per page; the server may allow fewer
    #[arg(long, value_name = "N", default_value_t = 500, env = "OCT_PAGE_SIZE", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    page_size: u32,
    /// Organizations whose operators are fetched
    #[arg(
        long,
        value_name = "ORG,…",
        value_delimiter = ',',
        default_value = "certified-operators,redhat-operators",
        env = "OCT_OPERATORS",
        value_parser = values::organization
    )]
    operators: Vec<String>,
    /// Fetch Red Hat's own images too; this makes the archive larger
    #[arg(long, env = "OCT_REDHAT_IMAGES")]
    redhat_images: bool,
    /// Fetch only images that entered the catalog since then; the archive is marked as partial
    #[arg(long, value_name = "WHEN", env = "OCT_SINCE", value_parser = values::instant)]
    since: Option<Timestamp>,
    /// Start again; ignore what an interrupted run has fetched
    #[arg(long, env = "OCT_FRESH")]
    fresh: bool,
    #[command(flatten)]
    http: HttpArgs,
}

/// Where the catalog is.
#[derive(Debug, clap::Args)]
pub(super) struct CatalogUrl {
    /// Base URL of the catalog's API
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://catalog.redhat.com/api/containers/v1",
        env = "OCT_CATALOG_URL",
        value_parser = values::url
    )]
    pub(super) catalog_url: reqwest::Url,
}

/// How requests are sent.
#[derive(Debug, clap::Args)]
pub(super) struct HttpArgs {
    /// PEM file of a certificate authority to trust, in addition to those of the system
    #[arg(long, value_name = "FILE", env = "OCT_CA_CERT", value_hint = ValueHint::FilePath)]
    ca_cert: Vec<PathBuf>,
    /// How long one source may fail without any progress before the run fails
    #[arg(long, value_name = "DURATION", default_value = "15m", env = "OCT_PATIENCE", value_parser = values::duration)]
    patience: SignedDuration,
    /// How long the server may send nothing before a request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "75s", env = "OCT_STALL_TIMEOUT", value_parser = values::duration)]
    stall_timeout: SignedDuration,
    /// Value of the User-Agent header, for servers that refuse the usual one
    #[arg(long, value_name = "TEXT", env = "OCT_USER_AGENT")]
    user_agent: Option<String>,
    /// Header to send to the server, such as an API key; with `@FILE` as the value, oct reads it from that file
    ///
    /// The header is sent only to the host that you named, not to a host that it redirects to, and never logged.
    #[arg(long, value_name = "NAME: VALUE", env = "OCT_HEADER")]
    header: Vec<String>,
}

impl FetchArgs {
    /// The flags, by their names in clap.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("fetch"));
        command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
    }

    /// The options of the fetch that the flags set.
    pub(super) fn resolve(self, context: &Context) -> Result<(Plan, FetchOptions), Error> {
        let plan = Plan {
            catalog_url: self.catalog.catalog_url,
            charts_url: self.charts_url,
            operators: unique(self.operators),
            redhat_images: self.redhat_images,
            since: self.since,
            page_size: self.page_size,
            charts: None,
        };
        let http = self.http.resolve(self.jobs)?;
        let (cache, fresh, evidence) = (context.cache.clone(), self.fresh, EVIDENCE_LEAST);
        let fetch = FetchOptions { http, cache, fresh, evidence, now: Timestamp::now };
        Ok((plan, fetch))
    }
}

impl HttpArgs {
    /// The options of the HTTP client that the flags set, for `jobs` requests at once.
    pub(super) fn resolve(self, jobs: u32) -> Result<HttpOptions, Error> {
        let ca_certs = self.ca_cert.iter().map(|file| fs::read(file, limits::CA_FILE_BYTES));
        let ca_certs = ca_certs.collect::<Result<_, _>>().map_err(io::Error::from)?;
        let stall = Duration::try_from(self.stall_timeout).unwrap_or_default().max(Duration::from_millis(100));
        let patience = Duration::try_from(self.patience).unwrap_or_default();
        let mut http = HttpOptions::new(jobs, RetryPolicy { patience }, stall);
        http = http.with_proxies(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()));
        if self.user_agent.as_ref().is_some_and(|text| text.trim().is_empty() || !is_line(text)) {
            return Err(UsageError::Header { flag: "--user-agent", cause: "expected one line of text".into() }.into());
        }
        (http.ca_certs, http.user_agent) = (ca_certs, self.user_agent);
        http.headers = self.header.into_iter().map(header).collect::<Result<_, _>>()?;
        Ok(http)
    }
}

/// A header `NAME: VALUE`, with its value read from the file that `@FILE` names. An error never shows the value, which
/// may be a secret.
fn header(text: String) -> Result<(String, String), Error> {
    let wrong = |cause: String| Err(UsageError::Header { flag: "--header", cause }.into());
    let Some((name, value)) = text.split_once(':') else { return wrong("expected 'NAME: VALUE'".into()) };
    let (name, mut value) = (name.trim().to_owned(), value.trim().to_owned());
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return wrong("a name has letters, digits, `-` and `_`".into());
    }
    if let Some(file) = value.strip_prefix('@') {
        let found =
            fs::read_text(&values::expanded(file.into()), limits::HEADER_FILE_BYTES).map_err(io::Error::from)?;
        value = found.trim().to_owned();
    }
    if value.is_empty() || !is_line(&value) {
        return wrong(format!("the value of {name} is not one line of text"));
    }
    Ok((name, value))
}

/// Whether `text` can stand in a header.
fn is_line(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_their_secrets_are_not_told() {
        assert_eq!(header("X-API-KEY: a b".into()).unwrap(), ("X-API-KEY".into(), "a b".into()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "s3cret\n").unwrap();
        let of_file = || header(format!("X-API-KEY: @{}", file.display()));
        assert_eq!(of_file().unwrap().1, "s3cret");
        std::fs::write(&file, "s3cret\nsecond").unwrap();
        for bad in [of_file(), header("s3cret".into()), header("X Y: s3cret".into()), header("X: s3cret\u{e9}".into())]
        {
            let said = bad.unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
        assert!(header("X:".into()).is_err());
    }
}
