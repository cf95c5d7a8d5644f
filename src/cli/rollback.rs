//! `oct rollback`.

use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DbDir, KeyArgs};
use super::{Answer, Outcome, documents};
use crate::ops::rollback;

/// Restore the previous catalog
///
/// Verifies the catalog that the last `oct import` replaced, and restores it in one step. The present catalog is kept,
/// so a second rollback undoes the first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct rollback
  oct rollback /opt/tnf/offline-db")]
pub(super) struct Args {
    #[command(flatten)]
    db: DbDir,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    let now = context.now();
    let done = rollback::rollback(&args.db.dir, &keyring, now, &*context.progress())?;
    context.out.warn_all(&done.recovered, &done.warnings);
    let dir = documents::path(&done.dir);
    let mut facts = match &done.manifest {
        Some(manifest) => {
            let mut facts = Facts::new("Rolled back", format!("to the catalog of {} in {dir}", manifest.created));
            facts.created(manifest.created, now).signer(manifest.signer()).counts(manifest.counts);
            facts.partial(manifest.partial.as_ref());
            facts
        }
        None => {
            context.out.warn("the restored catalog has no signed manifest: nothing proves what it holds");
            Facts::new("Rolled back", format!("to a catalog of unknown origin in {dir}"))
        }
    };
    if let Some(previous) = &done.report.entry.previous {
        facts.row("previous", format!("kept as .oct/previous/{previous}"));
    }
    let manifest = done.manifest.as_ref();
    let document = json!({
        "schema": "oct.rollback.v1",
        "dir": dir,
        "verified": manifest.is_some(),
        "created": manifest.map(|manifest| manifest.created),
        "partial": manifest.and_then(|manifest| manifest.partial.clone()),
        "counts": manifest.map(|manifest| manifest.counts),
        "content": manifest.map(|manifest| manifest.content),
        "key_id": manifest.map(|manifest| manifest.signer().key_id.clone()),
        "previous": done.report.entry.previous,
        "recovered": documents::texts(&done.recovered),
        "warnings": done.warnings,
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
