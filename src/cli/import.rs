//! `oct import`.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueHint;
use jiff::SignedDuration;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DB_VARIABLE, DEFAULT_DB, KeyArgs};
use super::{Answer, Outcome, documents, last_import, values};
use crate::ops::import::{self, ImportOptions, Outcome as Imported};

/// Verify an archive and install the folder that certsuite reads
///
/// Checks the signature and every byte of the archive before it writes anything, and replaces the installed folder in
/// one step: certsuite always finds one complete catalog, the old one or the new one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct import /media/stick/catalog-2026112420.tar.zst
  oct import /media/stick --to /opt/tnf/offline-db    the newest on the stick
  oct import catalog-2026112420.tar.zst --dry-run")]
pub(super) struct Args {
    /// The archive, or a folder with archives: then the newest valid one is imported
    #[arg(value_name = "ARCHIVE|DIR", value_hint = ValueHint::AnyPath)]
    source: PathBuf,
    /// The folder that certsuite reads with `--offline-db`
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DB, env = DB_VARIABLE, value_hint = ValueHint::DirPath)]
    to: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
    /// Allow an older or a partial archive to replace the installed catalog
    #[arg(long, env = "OCT_ALLOW_DOWNGRADE")]
    allow_downgrade: bool,
    /// If other files are where the catalog goes, move them to .oct/previous
    #[arg(long, env = "OCT_ADOPT")]
    adopt: bool,
    /// Refuse archives older than this, such as 30d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    /// Check everything and write nothing
    #[arg(long, env = "OCT_DRY_RUN")]
    dry_run: bool,
    /// How many earlier catalogs to keep for `oct rollback`
    #[arg(long, value_name = "N", default_value_t = 1, env = "OCT_KEEP")]
    keep: usize,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let began = Instant::now();
    let keyring = context.keyring(&args.keys)?;
    let options = ImportOptions {
        to: args.to,
        allow_downgrade: args.allow_downgrade,
        adopt: args.adopt,
        max_age: args.max_age,
        dry_run: args.dry_run,
        keep: args.keep,
        now: context.now(),
    };
    let report = import::import(&args.source, &options, &keyring, &*context.progress())?;
    if !options.dry_run {
        last_import::note(&options.to);
    }
    context.out.warn_all(&report.recovered, &report.warnings);
    for passed_over in &report.passed_over {
        // A user who carried a newer archive must learn that certsuite does not read it.
        if passed_over.newer {
            context.out.insist(&passed_over.to_string());
        } else {
            context.out.warn(&passed_over.to_string());
        }
    }
    let manifest = &report.manifest;
    let (word, headline) = match &report.outcome {
        Imported::Installed(_) => ("installed", "Installed"),
        Imported::AlreadyInstalled => ("already-installed", "Already installed, and intact:"),
        Imported::WouldInstall => ("would-install", "Checked, would install"),
    };
    let (mut previous, mut removed) = (None, &[][..]);
    if let Imported::Installed(done) = &report.outcome {
        (previous, removed) = (done.kept(), &done.removed);
    }
    let to = documents::path(&options.to);
    let mut facts = Facts::new(headline, format!("{} in {to}", documents::path(&report.archive)));
    facts.created(manifest.created, options.now).signer(manifest.signer()).counts(manifest.counts);
    facts.size(Some(report.size), manifest.unpacked_size());
    facts.row("time", format!("{:.1} s", began.elapsed().as_secs_f64()));
    if let Some(previous) = previous {
        facts.row("previous", format!("kept as .oct/previous/{previous}"));
    }
    if !removed.is_empty() {
        facts.row("removed", format!("{} (--keep {})", removed.join(", "), options.keep));
    }
    if let Imported::Installed(_) = report.outcome {
        facts.gap().text(format!("Run certsuite with `--offline-db {to}`."));
    }
    let warnings = [&report.warnings[..], &documents::texts(&report.passed_over)].concat();
    let document = json!({
        "schema": "oct.import.v1",
        "outcome": word,
        "archive": documents::path(&report.archive),
        "to": to,
        "created": manifest.created,
        "partial": manifest.partial,
        "counts": manifest.counts,
        "content": manifest.content,
        "key_id": manifest.signer().key_id,
        "previous": previous,
        "removed": removed,
        "recovered": documents::texts(&report.recovered),
        "warnings": warnings,
        "seconds": began.elapsed().as_secs_f64(),
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
