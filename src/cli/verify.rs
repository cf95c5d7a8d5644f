//! `oct verify`.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::KeyArgs;
use super::{Answer, Outcome, documents, list};
use crate::base::text::count;
use crate::ops::list::{Depth, is_folder_of_archives};
use crate::ops::verify;

/// Verify an archive or an installed folder
///
/// Checks the signature and every checksum, and reads the data with the rules of certsuite's reader.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct verify catalog-2026112420.tar.zst --key oct.pub
  oct verify offline-db")]
pub(super) struct Args {
    /// An archive, the folder of an installed catalog, or a folder of archives
    #[arg(value_name = "ARCHIVE|DB-DIR", value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    if is_folder_of_archives(&args.path) {
        let is_good = list::of_folder(context, &args.path, &keyring, Depth::Whole)?;
        return Ok(if is_good { Answer::Yes } else { Answer::NotAsSigned });
    }
    let now = context.now();
    let report = verify::verify(&args.path, &keyring, now, &*context.progress())?;
    let manifest = &report.manifest;
    let mut facts = Facts::new("Intact:", documents::path(&report.path));
    facts.created(manifest.created, now).signer(manifest.signer()).partial(manifest.partial.as_ref());
    facts.counts(manifest.counts).row("files", count(manifest.files.len() as u64));
    let document = json!({
        "schema": "oct.verify.v1",
        "path": documents::path(&report.path),
        "kind": if report.is_archive { "archive" } else { "folder" },
        "created": manifest.created,
        "key_id": manifest.signer().key_id,
        "key_origin": manifest.signer().origin,
        "counts": manifest.counts,
        "files": manifest.files.len(),
        "content": manifest.content,
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
