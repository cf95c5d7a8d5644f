//! `oct bundle`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueHint};
use jiff::Timestamp;
use serde_json::json;

use super::context::Context;
use super::fetch::{FetchArgs, until_signal};
use super::keygen::{self, ENVIRONMENT};
use super::{Answer, Outcome, values};
use crate::base::text::{count, sanitize, sanitize_long, size};
use crate::ops::bundle::{self, BundleOptions, BundleReport, Outcome as Written};
use crate::ops::{Error, from_db};

/// Fetch the whole catalog into one signed archive
///
/// Containers, operators and the chart index are fetched at once, reconciled with the server's own counts, and written
/// to `catalog-YYYYMMDDHH.tar.zst` together with a checksum and a signature file. An interrupted run is continued by
/// the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  oct keygen                        make a key once
  oct bundle --out /srv/catalogs    then bundle, daily
  oct bundle --since 2026-01-01     a partial bundle, marked as such
  oct bundle --from-db offline-db   sign a folder that exists, such as an old container's dump

{ENVIRONMENT}"))]
pub struct Args {
    /// Folder for the archive
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_OUT", hide_env_values = true, value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Secret key to sign with; twice while a key is being replaced [default: oct.key here or in the configuration]
    #[arg(long, value_name = "FILE", env = "OCT_SECRET_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    secret_key: Vec<PathBuf>,
    /// Take the catalog over from a folder in the TNF layout; fetch nothing
    #[arg(long, value_name = "DIR", env = "OCT_FROM_DB", hide_env_values = true, value_hint = ValueHint::DirPath)]
    from_db: Option<PathBuf>,
    /// Keep the newest N archives in the folder, and remove older ones with their sidecars
    #[arg(long, value_name = "N", env = "OCT_RETAIN", hide_env_values = true, value_parser = values::at_least_one)]
    retain: Option<usize>,
    /// Write an archive although nothing changed since the newest one
    #[arg(long, env = "OCT_FORCE", hide_env_values = true)]
    force: bool,
    /// Compression level
    #[arg(long, value_name = "N", default_value_t = 6, env = "OCT_LEVEL", hide_env_values = true, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    #[command(flatten)]
    fetch: FetchArgs,
}

/// What cannot go together on the command line: `--from-db` fetches nothing. How this host fetches, by environment or
/// configuration, may be known all the same.
pub fn conflict(matches: &ArgMatches) -> Option<String> {
    matches.value_source("from_db").filter(|source| *source != ValueSource::DefaultValue)?;
    let given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let flag = FetchArgs::NAMES.into_iter().find(|name| given(name))?.replace('_', "-");
    Some(format!("--from-db fetches nothing, so that --{flag} has no meaning beside it"))
}

/// Bundles.
pub fn run(context: &Context, args: Args) -> Outcome {
    let began = Instant::now();
    // The key comes first: nobody waits for a fetch that cannot be signed.
    let keys = Arc::new(keygen::open_secret_keys(context, &args.secret_key)?);
    let options = BundleOptions {
        out: args.out,
        level: args.level,
        force: args.force,
        created: source_date_epoch()?,
        retain: args.retain,
    };
    let progress = context.progress();
    let report = match &args.from_db {
        Some(folder) => from_db::bundle(folder, &options, &keys, context.now(), &*progress)?,
        None => {
            let (plan, fetch) = args.fetch.resolve(context)?;
            until_signal(bundle::bundle(&plan, &fetch, &options, Arc::clone(&keys), &progress))?
        }
    };
    tell(context, &report, began.elapsed());
    Ok(Answer::Yes)
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>) makes a bundle whose bytes follow
/// from its content.
fn source_date_epoch() -> Result<Option<Timestamp>, Error> {
    let Some(value) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let second = value.to_str().and_then(|value| value.parse().ok());
    let instant = second.and_then(|second| Timestamp::from_second(second).ok());
    instant.map(Some).ok_or_else(|| Error::Usage("SOURCE_DATE_EPOCH is not a number of seconds".into()))
}

/// Warns of what is odd about the source.
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
    let manifest = &report.manifest;
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
    let _ = write!(text, "  time        {:.1} s", took.as_secs_f64());
    if report.requests > 0 {
        let _ = write!(text, ", {} requests", count(report.requests));
    }
    if report.refused > 0 {
        let _ = write!(text, ", {} refused by the server as too many", count(report.refused));
    }
    if report.resumed > 0 {
        let _ = write!(text, ", {} documents from an earlier run", count(report.resumed));
    }
    let _ = writeln!(text, "\n  signed by   {}", report.key_ids.join(", "));
    for removed in &report.removed {
        let _ = writeln!(text, "  removed     {}", removed.display());
    }
    match written {
        Some(published) => {
            let _ = writeln!(text, "\nCarry this file to the bastion, and there run `oct import` on it:");
            let _ = writeln!(text, "  {}", published.archive.display());
            let _ = writeln!(text, "Without oct on the bastion, carry these as well:");
            for sidecar in std::iter::once(&published.checksum).chain(&published.signatures) {
                let _ = writeln!(text, "  {}", sidecar.display());
            }
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
        "signature": written.and_then(|published| Some(published.signatures.first()?.display().to_string())),
        "size": written.map(|published| published.size),
        "sha256": written.map(|published| published.sha256),
        "created": manifest.created,
        "partial": manifest.partial,
        "counts": counts,
        "content": manifest.content,
        "key_ids": report.key_ids,
        "requests": report.requests,
        "refused": report.refused,
        "resumed": report.resumed,
        "removed": report.removed.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "warnings": report.warnings,
        "seconds": took.as_secs_f64(),
        "crashing_charts": report.crashing_charts.iter().map(|chart| json!({
            "name": chart.name, "version": chart.version, "kube_version": chart.kube_version, "cause": chart.cause,
        })).collect::<Vec<_>>(),
    });
    context.out.summary(&document, &text);
}
