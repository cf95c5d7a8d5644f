//! `oct bundle`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueHint;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome, keygen, values};
use crate::model::text::{count, size};
use crate::ops::bundle::{
    self, BundleOptions, BundleReport, FetchOptions, HttpOptions, Outcome as Written, Plan, RetryPolicy,
};
use crate::ops::{Error, keys::SigningKey};

/// Fetch the whole catalog into one signed archive
///
/// Containers, operators and the chart index are fetched at once, reconciled with the server's own counts, and written
/// to `catalog-YYYYMMDDHH.tar.zst` together with a checksum and a signature file. An interrupted run is continued by
/// the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct keygen                        make a key once
  oct bundle --out /srv/catalogs    then bundle, daily
  oct bundle --since 2026-01-01     a partial bundle, marked as such")]
pub struct Args {
    /// Folder for the archive
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_OUT", hide_env_values = true, value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Secret key to sign with; twice while a key is being replaced [default: oct.key here or in the configuration]
    #[arg(long, value_name = "FILE", env = "OCT_SECRET_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    secret_key: Vec<PathBuf>,
    /// Base URL of the catalog's API
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://catalog.redhat.com/api/containers/v1",
        env = "OCT_CATALOG_URL",
        hide_env_values = true
    )]
    catalog_url: reqwest::Url,
    /// URL of the chart index
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://charts.openshift.io/index.yaml",
        env = "OCT_CHARTS_URL",
        hide_env_values = true
    )]
    charts_url: reqwest::Url,
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 8, env = "OCT_JOBS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// Documents to ask for at once; the server may allow fewer
    #[arg(long, value_name = "N", default_value_t = 500, env = "OCT_PAGE_SIZE", hide_env_values = true, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    page_size: u32,
    /// Organizations whose operators are taken
    #[arg(
        long,
        value_name = "ORG,…",
        value_delimiter = ',',
        default_value = "certified-operators,redhat-operators",
        env = "OCT_OPERATORS",
        hide_env_values = true,
        value_parser = values::organization
    )]
    operators: Vec<String>,
    /// Take Red Hat's own images too; several times as many requests and bytes
    #[arg(long, env = "OCT_REDHAT_IMAGES", hide_env_values = true)]
    redhat_images: bool,
    /// Only containers entered since then; the bundle is marked as partial
    #[arg(long, value_name = "WHEN", env = "OCT_SINCE", hide_env_values = true, value_parser = values::instant)]
    since: Option<Timestamp>,
    /// Write an archive although nothing changed since the newest one
    #[arg(long, env = "OCT_FORCE", hide_env_values = true)]
    force: bool,
    /// Begin anew, whatever an interrupted run left
    #[arg(long, env = "OCT_FRESH", hide_env_values = true)]
    fresh: bool,
    /// Compression level
    #[arg(long, value_name = "N", default_value_t = 9, env = "OCT_LEVEL", hide_env_values = true, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// PEM file of a certificate authority to trust besides those of the system
    #[arg(long, value_name = "FILE", env = "OCT_CA_CERT", hide_env_values = true, value_hint = ValueHint::FilePath)]
    ca_cert: Vec<PathBuf>,
    /// How often a request is tried before the run fails
    #[arg(long, value_name = "N", default_value_t = 8, env = "OCT_TRIES", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// How long nothing may come from the server until a request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "75s", env = "OCT_STALL_TIMEOUT", hide_env_values = true, value_parser = values::duration)]
    stall_timeout: SignedDuration,
}

/// Bundles.
pub fn run(context: &Context, args: Args) -> Outcome {
    let began = Instant::now();
    // The key comes first: nobody waits for a fetch that cannot be signed.
    let keys = Arc::new(keygen::open_secret_keys(context, &args.secret_key)?);
    let ca_certs = args.ca_cert.iter().map(fs_err::read).collect::<Result<_, _>>()?;
    let plan = Plan {
        catalog_url: args.catalog_url,
        charts_url: args.charts_url,
        operators: unique(args.operators),
        redhat_images: args.redhat_images,
        since: args.since,
        page_size: args.page_size,
    };
    let stall = Duration::try_from(args.stall_timeout).unwrap_or_default().max(Duration::from_millis(100));
    let retry = RetryPolicy { tries: args.tries, ..RetryPolicy::default() };
    let http = HttpOptions { jobs: args.jobs, retry, stall, ca_certs };
    let fetch = FetchOptions { http, cache: context.cache.clone(), fresh: args.fresh, now: Timestamp::now };
    let options = BundleOptions { out: args.out, level: args.level, force: args.force, created: source_date_epoch()? };
    let report = block_on(context, &plan, &fetch, &options, &keys)?;
    tell(context, &report, began.elapsed());
    Ok(Answer::Yes)
}

/// Runs the bundling until it is done or a signal ends it.
fn block_on(
    context: &Context,
    plan: &Plan,
    fetch: &FetchOptions,
    options: &BundleOptions,
    keys: &Arc<Vec<SigningKey>>,
) -> Result<BundleReport, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let progress = context.progress();
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            report = bundle::bundle(plan, fetch, options, Arc::clone(keys), &progress) => report,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
            _ = terminate.recv() => Err(Error::Interrupted),
        }
    });
    // What still computes must not hold up the end.
    runtime.shutdown_background();
    result
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>) makes a bundle whose bytes follow
/// from its content.
fn source_date_epoch() -> Result<Option<Timestamp>, Error> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let second = value.to_str().and_then(|value| value.parse().ok());
    let instant = second.and_then(|second| Timestamp::from_second(second).ok());
    instant.map(Some).ok_or_else(|| Error::Usage("SOURCE_DATE_EPOCH is not a number of seconds".into()))
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn tell(context: &Context, report: &BundleReport, took: Duration) {
    let manifest = &report.manifest;
    for chart in &report.crashing_charts {
        context.out.warn(&format!(
            "certsuite will crash on chart {} {}: kubeVersion {}",
            crate::model::text::sanitize(&chart.name),
            crate::model::text::sanitize(&chart.version),
            crate::model::text::sanitize(&chart.cause)
        ));
    }
    let counts = manifest.counts;
    let mut text = String::new();
    let (written, archive) = match &report.outcome {
        Written::Written(published) => (Some(published), &published.archive),
        Written::Unchanged(archive) => (None, archive),
    };
    let headline = if written.is_some() { "Bundled" } else { "Unchanged:" };
    let out = &context.out;
    let _ = writeln!(text, "{} {}", out.bold(headline), archive.display());
    let _ = writeln!(text, "  containers  {} images under {} digests", count(counts.containers), count(counts.digests));
    let _ = writeln!(text, "  operators   {}", count(counts.operators));
    let _ = writeln!(text, "  charts      {} versions", count(counts.charts));
    if let Some(partial) = &manifest.partial {
        let _ = writeln!(text, "  partial     only containers since {}", partial.since);
    }
    if let Some(published) = written {
        let _ = writeln!(text, "  size        {}, {} unpacked", size(published.size), size(manifest.unpacked_size()));
    }
    let requests: u64 = manifest.sources.iter().filter_map(|source| source.fetch.as_ref()).map(|f| f.requests).sum();
    let _ = write!(text, "  time        {:.1} s", took.as_secs_f64());
    if requests > 0 {
        let _ = write!(text, ", {} requests", count(requests));
    }
    if report.refused > 0 {
        let _ = write!(text, ", {} refused by the server as too many", count(report.refused));
    }
    if report.resumed > 0 {
        let _ = write!(text, ", {} documents from an earlier run", count(report.resumed));
    }
    let _ = writeln!(text, "\n  signed by   {}", report.key_ids.join(", "));
    match written {
        Some(published) => {
            let _ = writeln!(text, "\nCarry this file to the bastion, and there run `oct import` on it:");
            let _ = writeln!(text, "  {}", published.archive.display());
            let _ = writeln!(text, "Without oct on the bastion, carry these two as well:");
            let _ = writeln!(text, "  {}\n  {}", published.checksum.display(), published.signature.display());
        }
        None => {
            let _ = writeln!(text, "\nThe newest archive has this very content; nothing was written.");
        }
    }
    let document = json!({
        "schema": "oct.bundle.v1",
        "outcome": if written.is_some() { "written" } else { "unchanged" },
        "archive": archive.display().to_string(),
        "checksum": written.map(|published| published.checksum.display().to_string()),
        "signature": written.map(|published| published.signature.display().to_string()),
        "size": written.map(|published| published.size),
        "sha256": written.map(|published| published.sha256),
        "created": manifest.created,
        "partial": manifest.partial,
        "counts": counts,
        "content": manifest.content,
        "key_ids": report.key_ids,
        "requests": requests,
        "refused": report.refused,
        "resumed": report.resumed,
        "seconds": took.as_secs_f64(),
        "crashing_charts": report.crashing_charts.iter().map(|chart| json!({
            "name": chart.name, "version": chart.version, "kube_version": chart.kube_version, "cause": chart.cause,
        })).collect::<Vec<_>>(),
    });
    context.out.summary(&document, &text);
}
