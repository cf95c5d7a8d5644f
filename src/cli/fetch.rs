//! The flags of every command that fetches.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as _, ValueHint};
use jiff::{SignedDuration, Timestamp};

use super::context::Context;
use super::values;
use crate::ops::Error;
use crate::ops::bundle::{FetchOptions, HttpOptions, Plan, RetryPolicy};

/// What to fetch, and how.
#[derive(Debug, clap::Args)]
pub(super) struct FetchArgs {
    /// Base URL of the catalog's API
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://catalog.redhat.com/api/containers/v1",
        env = "OCT_CATALOG_URL",
        value_parser = values::url
    )]
    catalog_url: reqwest::Url,
    /// URL of the chart index
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://charts.openshift.io/index.yaml",
        env = "OCT_CHARTS_URL",
        value_parser = values::url
    )]
    charts_url: reqwest::Url,
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 8, env = "OCT_JOBS", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// Documents to ask for at once; the server may allow fewer
    #[arg(long, value_name = "N", default_value_t = 500, env = "OCT_PAGE_SIZE", value_parser = clap::value_parser!(u32).range(2..=10_000))]
    page_size: u32,
    /// Organizations whose operators are taken
    #[arg(
        long,
        value_name = "ORG,…",
        value_delimiter = ',',
        default_value = "certified-operators,redhat-operators",
        env = "OCT_OPERATORS",
        value_parser = values::organization
    )]
    operators: Vec<String>,
    /// Take Red Hat's own images too: one more collection to fetch and to carry, as large as the catalog has it
    #[arg(long, env = "OCT_REDHAT_IMAGES")]
    redhat_images: bool,
    /// Only containers entered since then; the bundle is marked as partial
    #[arg(long, value_name = "WHEN", env = "OCT_SINCE", value_parser = values::instant)]
    since: Option<Timestamp>,
    /// Begin anew, whatever an interrupted run left
    #[arg(long, env = "OCT_FRESH")]
    fresh: bool,
    /// PEM file of a certificate authority to trust besides those of the system
    #[arg(long, value_name = "FILE", env = "OCT_CA_CERT", value_hint = ValueHint::FilePath)]
    ca_cert: Vec<PathBuf>,
    /// How often a request is tried before the run fails
    #[arg(long, value_name = "N", default_value_t = 8, env = "OCT_TRIES", value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// How long nothing may come from the server until a request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "75s", env = "OCT_STALL_TIMEOUT", value_parser = values::duration)]
    stall_timeout: SignedDuration,
}

impl FetchArgs {
    /// The flags, by their names in clap.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("fetch"));
        command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
    }

    /// The flags as the fetch wants them.
    pub(super) fn resolve(self, context: &Context) -> Result<(Plan, FetchOptions), Error> {
        let ca_certs = self.ca_cert.iter().map(fs_err::read).collect::<Result<_, _>>()?;
        let plan = Plan {
            catalog_url: self.catalog_url,
            charts_url: self.charts_url,
            operators: unique(self.operators),
            redhat_images: self.redhat_images,
            since: self.since,
            page_size: self.page_size,
        };
        let stall = Duration::try_from(self.stall_timeout).unwrap_or_default().max(Duration::from_millis(100));
        let retry = RetryPolicy { tries: self.tries, ..RetryPolicy::default() };
        let http = HttpOptions { jobs: self.jobs, retry, stall, ca_certs };
        let fetch = FetchOptions { http, cache: context.cache.clone(), fresh: self.fresh, now: Timestamp::now };
        Ok((plan, fetch))
    }
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
