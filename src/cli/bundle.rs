//! `oct bundle`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueHint};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::FetchArgs;
use super::runtime::until_signal;
use super::{Answer, Outcome, documents, keys, values};
use crate::base::text::{count, sanitize, sanitize_long, with_causes};
use crate::ops::bundle::{self, BundleOptions, BundleReport, Outcome as Written};
use crate::ops::from_db::{self, FromDb};
use crate::ops::publish::PublishReport;
use crate::ops::{Error, UsageError};

/// Fetch the whole catalog into one signed archive
///
/// Fetches images, operators and the chart index, compares them with the server's own counts where it gives any, and
/// writes `catalog-YYYYMMDDHH.tar.zst` with a checksum file and a signature file. After an interruption, the next run
/// continues where the last one stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  oct keygen                        once: make a key
  oct bundle --out /srv/catalogs    then daily: write an archive
  oct bundle --since 2026-01-01     write a partial archive, marked as such
  oct bundle --from-db offline-db   make an archive from an existing folder

{}", keys::ENVIRONMENT))]
pub(super) struct Args {
    /// Folder for the archive
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_OUT", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Secret key to sign with; give two during a key rotation [default: oct.key here or in the configuration folder]
    #[arg(long, value_name = "FILE", env = "OCT_SECRET_KEY", value_hint = ValueHint::FilePath)]
    secret_key: Vec<PathBuf>,
    /// Make the archive from a folder in the TNF layout, such as an old container's dump; fetch nothing
    #[arg(long, value_name = "DIR", env = "OCT_FROM_DB", value_hint = ValueHint::DirPath)]
    from_db: Option<PathBuf>,
    /// With --from-db: accept a folder that holds less than its archive.json says
    #[arg(long, requires = "from_db", env = "OCT_ALLOW_PARTIAL")]
    allow_partial: bool,
    /// Use this chart index, such as a corrected or an older one, instead of the served one
    #[arg(long, value_name = "FILE", env = "OCT_CHARTS_FILE", value_hint = ValueHint::FilePath)]
    charts_file: Option<PathBuf>,
    /// Keep the newest N archives in the folder; remove older ones with their side files
    #[arg(long, value_name = "N", env = "OCT_RETAIN", value_parser = values::at_least_one)]
    retain: Option<usize>,
    /// Promise in `catalogs.json` that the next list comes within this time; `oct pull` warns if it is late
    #[arg(long, value_name = "DURATION", env = "OCT_NEXT_WITHIN", value_parser = values::duration)]
    next_within: Option<SignedDuration>,
    /// Write an archive even if the catalog has not changed since the newest one
    #[arg(long, env = "OCT_FORCE")]
    force: bool,
    /// Compression level, from 1 (fast) to 19 (small)
    #[arg(long, value_name = "N", default_value_t = 6, env = "OCT_LEVEL", value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// Flags that contradict each other: `--from-db` fetches nothing. Variables and configuration files may still say how
/// this host fetches.
pub(super) fn conflict(matches: &ArgMatches) -> Option<String> {
    matches.value_source("from_db").filter(|source| *source != ValueSource::DefaultValue)?;
    let given = |name: &String| matches.value_source(name) == Some(ValueSource::CommandLine);
    let flag = FetchArgs::names().into_iter().find(given)?.replace('_', "-");
    Some(format!("--from-db fetches nothing, so --{flag} has no effect"))
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let began = Instant::now();
    // The key is opened first, so that a bad key fails before the long fetch.
    let keys = Arc::new(keys::open_secret_keys(context, &args.secret_key)?);
    let options = BundleOptions {
        out: args.out,
        level: args.level,
        force: args.force,
        created: source_date_epoch()?,
        retain: args.retain,
        next_within: args.next_within,
        now: Timestamp::now,
    };
    let charts = args.charts_file.as_deref().map(bundle::read_charts).transpose()?;
    let progress = context.progress();
    let report = match &args.from_db {
        Some(folder) => {
            let from = FromDb { folder, allow_partial: args.allow_partial, charts };
            from_db::bundle(from, &options, &keys, context.now(), &*progress)?
        }
        None => {
            let (mut plan, fetch) = args.fetch.resolve(context)?;
            plan.charts = charts;
            until_signal(bundle::bundle(&plan, &fetch, &options, Arc::clone(&keys), &progress))?
        }
    };
    tell(context, &report, began.elapsed());
    Ok(Answer::Yes)
}

/// The instant in `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), for a reproducible
/// bundle: the same content gives the same bytes.
fn source_date_epoch() -> Result<Option<Timestamp>, Error> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let second = value.to_str().and_then(|value| value.parse().ok());
    let instant = second.and_then(|second| Timestamp::from_second(second).ok());
    instant.map(Some).ok_or_else(|| UsageError::SourceDateEpoch.into())
}

/// Prints the warnings about the source, and the charts that crash certsuite.
pub(super) fn warn_of(context: &Context, report: &BundleReport) {
    for warning in &report.warnings {
        context.out.warn(&sanitize_long(warning));
    }
    for chart in &report.crashing_charts {
        context.out.warn(&format!(
            "certsuite will crash on chart {} {}: kubeVersion {}",
            sanitize(&chart.name),
            sanitize(&chart.version),
            sanitize(&chart.cause)
        ));
    }
}

fn tell(context: &Context, report: &BundleReport, took: Duration) {
    warn_of(context, report);
    for (path, error) in &report.listed.left_out {
        context.out.warn(&format!("not listed: `{}`: {}", path.display(), with_causes(error)));
    }
    let manifest = &report.manifest;
    let counts = manifest.counts;
    let (written, archive) = match &report.outcome {
        Written::Written(published) => (Some(published), &published.archive),
        Written::Unchanged(archive) => (None, archive),
    };
    let headline = if written.is_some() { "Bundled" } else { "Unchanged:" };
    let mut facts = Facts::new(headline, documents::path(archive));
    facts.counts(counts).partial(manifest.partial.as_ref());
    if let Some(published) = written {
        facts.size(Some(published.size), manifest.unpacked_size());
    }
    facts.checked(&manifest.sources).row("time", spent(report, took)).row("signed by", report.key_ids.join(", "));
    for removed in &report.removed {
        facts.row("removed", documents::path(removed));
    }
    facts.row("listed in", listed(&report.listed));
    facts.gap();
    match written {
        Some(published) => {
            facts.text("Carry this file to the bastion, and run `oct import` there:");
            facts.item(2, documents::path(&published.archive));
            facts.text("For a bastion without oct, carry these as well:");
            for sidecar in std::iter::once(&published.checksum).chain(&published.signatures) {
                facts.item(2, documents::path(sidecar));
            }
        }
        None => {
            facts.text("The newest archive has the same content; no archive was written.");
        }
    }
    let document = json!({
        "schema": "oct.bundle.v1",
        "outcome": if written.is_some() { "written" } else { "unchanged" },
        "archive": documents::path(archive),
        "checksum": written.map(|published| documents::path(&published.checksum)),
        "signature": written.and_then(|published| published.signatures.first()).map(|path| documents::path(path)),
        "size": written.map(|published| published.size),
        "sha256": written.map(|published| published.sha256),
        "created": manifest.created,
        "partial": manifest.partial,
        "counts": counts,
        "content": manifest.content,
        "sources": manifest.sources,
        "key_ids": report.key_ids,
        "requests": report.requests,
        "refused": report.refused,
        "resumed": report.resumed,
        "list": documents::path(&report.listed.list),
        "listed": report.listed.catalogs.archives.len(),
        "next": report.listed.catalogs.next,
        "removed": report.removed.iter().map(|path| documents::path(path)).collect::<Vec<_>>(),
        "warnings": report.warnings,
        "seconds": took.as_secs_f64(),
        "crashing_charts": report.crashing_charts.iter().map(|chart| json!({
            "name": chart.name, "version": chart.version, "kube_version": chart.kube_version, "cause": chart.cause,
        })).collect::<Vec<_>>(),
    });
    context.out.answer(&document, &facts);
}

/// The list of the folder's archives, and when it promises the next one.
fn listed(report: &PublishReport) -> String {
    let archives = report.catalogs.archives.len() as u64;
    let next = report.catalogs.next.map(|next| format!(", the next one by {next}")).unwrap_or_default();
    let archives = if archives == 1 { "1 archive".to_owned() } else { format!("{} archives", count(archives)) };
    format!("{}: {archives}{next}", documents::path(&report.list))
}

/// The time and the number of requests.
fn spent(report: &BundleReport, took: Duration) -> String {
    let mut spent = vec![format!("{:.1} s", took.as_secs_f64())];
    let amounts = [
        (report.requests, "requests"),
        (report.refused, "refused by the server as too many"),
        (report.resumed, "documents from an earlier run"),
    ];
    spent.extend(
        amounts.iter().filter(|(amount, _)| *amount > 0).map(|(amount, of)| format!("{} {of}", count(*amount))),
    );
    spent.join(", ")
}
