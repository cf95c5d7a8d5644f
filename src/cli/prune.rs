//! `oct prune`.

use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DbDir, KeyArgs};
use super::{Answer, Outcome, documents, values};
use crate::base::text::size;
use crate::ops::prune::{self, PruneOptions};

/// Remove earlier catalogs, older archives and leftovers of interrupted runs
///
/// In the folder of an installed catalog, it removes all but the newest earlier catalogs; with --adopted, also the files
/// that `oct import --adopt` moved away. In a folder of archives, it removes interrupted downloads and, with --retain,
/// older archives that a trusted key signed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct prune --dry-run
  oct prune /opt/tnf/offline-db --keep 0
  oct prune /srv/catalogs --retain 3")]
pub(super) struct Args {
    #[command(flatten)]
    db: DbDir,
    /// How many earlier catalogs to keep
    #[arg(long, value_name = "N", default_value_t = 1, env = "OCT_KEEP")]
    keep: usize,
    /// Also remove the files that `oct import --adopt` moved away
    #[arg(long, env = "OCT_ADOPTED")]
    adopted: bool,
    /// How many archives to keep, in a folder of archives [default: all]
    #[arg(long, value_name = "N", env = "OCT_RETAIN", value_parser = values::at_least_one)]
    retain: Option<usize>,
    /// Only say what would be removed
    #[arg(long, env = "OCT_DRY_RUN")]
    dry_run: bool,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    let Args { db, keep, adopted, retain, dry_run, .. } = args;
    let options = PruneOptions { dir: db.dir, keep, adopted, retain, dry_run, now: context.now() };
    let report = prune::prune(&options, &keyring, &*context.progress())?;
    context.out.warn_all(&report.recovered, &report.warnings);
    let bytes: u64 = report.removed.iter().map(|(_, bytes)| bytes).sum();
    let dir = documents::path(&options.dir);
    let mut facts = match (report.removed.is_empty(), dry_run) {
        (true, _) => Facts::new("Nothing to remove", format!("in {dir}")),
        (false, true) => Facts::new("Would remove", format!("{} from {dir}", size(bytes))),
        (false, false) => Facts::new("Removed", format!("{} from {dir}", size(bytes))),
    };
    for (path, bytes) in &report.removed {
        facts.item(2, format!("{} ({})", documents::path(path), size(*bytes)));
    }
    for name in &report.adopted {
        facts.text(format!("Kept .oct/previous/{name}, which is not a catalog of oct: --adopted removes it."));
    }
    let document = json!({
        "schema": "oct.prune.v1",
        "dir": dir,
        "kind": if report.is_archives { "archives" } else { "folder" },
        "dry_run": dry_run,
        "removed": report.removed.iter().map(|(path, bytes)| json!({
            "path": documents::path(path), "bytes": bytes,
        })).collect::<Vec<_>>(),
        "bytes": bytes,
        "adopted": report.adopted,
        "recovered": documents::texts(&report.recovered),
        "warnings": report.warnings,
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
