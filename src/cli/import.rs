//! `oct import`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueHint;
use jiff::SignedDuration;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome, values};
use crate::base::text::{age, count, size};
use crate::ops::import::{self, ImportOptions, Outcome as Imported};

/// Verify an archive and install the folder that certsuite reads
///
/// Nothing is written before the signature and every byte of the archive were checked, and the installed folder is
/// replaced in one step: certsuite finds the old catalog or the new one, whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct import /media/stick/catalog-2026112420.tar.zst
  oct import /media/stick --to /opt/tnf/offline-db    the newest valid archive on the stick
  oct import catalog-2026112420.tar.zst --dry-run")]
pub struct Args {
    /// The archive, or a folder with archives, of which the newest valid one is taken
    #[arg(value_name = "ARCHIVE|DIR", value_hint = ValueHint::AnyPath)]
    source: PathBuf,
    /// The folder to give to certsuite as `--offline-db`
    #[arg(long, value_name = "DIR", default_value = "offline-db", env = "OCT_TO", hide_env_values = true, value_hint = ValueHint::DirPath)]
    to: PathBuf,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
    /// Let an older or a partial bundle replace what is installed
    #[arg(long, env = "OCT_ALLOW_DOWNGRADE", hide_env_values = true)]
    allow_downgrade: bool,
    /// Refuse bundles older than this, such as 30d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", hide_env_values = true, value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    /// Check everything and write nothing
    #[arg(long, env = "OCT_DRY_RUN", hide_env_values = true)]
    dry_run: bool,
    /// How many replaced catalogs to keep for `oct rollback`
    #[arg(long, value_name = "N", default_value_t = 1, env = "OCT_KEEP", hide_env_values = true)]
    keep: usize,
}

/// Imports.
pub fn run(context: &Context, args: Args) -> Outcome {
    let began = Instant::now();
    let keyring = context.trust(args.key).load()?;
    let options = ImportOptions {
        to: args.to,
        allow_downgrade: args.allow_downgrade,
        max_age: args.max_age,
        dry_run: args.dry_run,
        keep: args.keep,
        now: context.now(),
    };
    let report = import::import(&args.source, &options, &keyring, &*context.progress())?;
    context.out.warn_all(&report.recovered, &report.warnings);
    let manifest = &report.manifest;
    let counts = manifest.counts;
    let (word, headline, previous) = match &report.outcome {
        Imported::Installed(done) => ("installed", "Installed", done.entry.previous.clone()),
        Imported::AlreadyInstalled => ("already-installed", "Already installed, and intact:", None),
        Imported::WouldInstall => ("would-install", "Checked, would install", None),
    };
    let to = options.to.display();
    let mut text = String::new();
    let _ = writeln!(text, "{} {} in {to}", context.out.bold(headline), report.archive.display());
    let _ = writeln!(
        text,
        "  created     {} ({} ago)",
        manifest.created,
        age((options.now.duration_since(manifest.created)).as_secs())
    );
    let _ = writeln!(text, "  signed by   {} ({})", manifest.signer().key_id, manifest.signer().origin);
    let _ = writeln!(text, "  containers  {} images under {} digests", count(counts.containers), count(counts.digests));
    let _ = writeln!(text, "  operators   {}", count(counts.operators));
    let _ = writeln!(text, "  charts      {} versions", count(counts.charts));
    let _ = writeln!(text, "  size        {}, {} unpacked", size(report.size), size(manifest.unpacked_size()));
    let _ = writeln!(text, "  time        {:.1} s", began.elapsed().as_secs_f64());
    if let Some(previous) = &previous {
        let _ = writeln!(text, "  previous    kept as .oct/previous/{previous}");
    }
    if let Imported::Installed(_) = report.outcome {
        let _ = writeln!(text, "\nRun certsuite with `--offline-db {to}`.");
    }
    let document = json!({
        "schema": "oct.import.v1",
        "outcome": word,
        "archive": report.archive.display().to_string(),
        "to": to.to_string(),
        "created": manifest.created,
        "partial": manifest.partial,
        "counts": counts,
        "content": manifest.content,
        "key_id": manifest.signer().key_id,
        "previous": previous,
        "recovered": report.recovered.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "warnings": report.warnings,
        "seconds": began.elapsed().as_secs_f64(),
    });
    context.out.summary(&document, &text);
    Ok(Answer::Yes)
}
