//! `oct inspect`.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::KeyArgs;
use super::{Answer, Outcome, documents, list};
use crate::base::text::{count, sanitize};
use crate::ops::inspect::{self, Trust};
use crate::ops::list::{Depth, is_folder_of_archives};

/// Show what an archive holds, its age, its sources and its signers
///
/// Reads only the header: what the archive says about itself, and whether a trusted key signed that. `oct verify` checks
/// the data as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct inspect catalog-2026112420.tar.zst
  oct inspect offline-db --files")]
pub(super) struct Args {
    /// An archive, the folder of an installed catalog, or a folder of archives
    #[arg(value_name = "ARCHIVE|DB-DIR", value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// List every file with its size and SHA-256
    #[arg(long, env = "OCT_FILES")]
    files: bool,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    if is_folder_of_archives(&args.path) {
        list::of_folder(context, &args.path, &keyring, Depth::Header)?;
        return Ok(Answer::Yes);
    }
    let now = context.now();
    let found = inspect::inspect(&args.path, &keyring, now)?;
    let manifest = &found.manifest;
    let mut facts = Facts::new(documents::path(&found.path), "");
    facts.created(manifest.created, now).row("made by", sanitize(&manifest.tool));
    facts.row("signed by", found.key_ids.join(", "));
    match &found.trust {
        Trust::Verified { key_id, origin } => facts.row("trust", format!("{key_id} is trusted ({origin})")),
        Trust::Unproved { cause } => facts.row("trust", format!("nothing below is verified: {cause}")),
    };
    facts.partial(manifest.partial.as_ref()).counts(manifest.counts);
    facts.size(found.size, manifest.unpacked_size()).row("content", manifest.content.to_string());
    for source in &manifest.sources {
        let total = source.total.map_or_else(|| "not told".into(), count);
        let documents = count(source.documents);
        facts.row("source", format!("{}: {documents} documents, server's total {total}", sanitize(&source.name)));
        facts.below(sanitize(&source.url));
    }
    facts.checked(&manifest.sources);
    if args.files {
        facts.gap();
        for file in &manifest.files {
            facts.cells(vec![file.sha256.to_string(), file.size.to_string(), file.path.to_string()]);
        }
    }
    let trust = match &found.trust {
        Trust::Verified { key_id, origin } => json!({ "verified": true, "key_id": key_id, "key_origin": origin }),
        Trust::Unproved { .. } => json!({ "verified": false, "key_id": null, "key_origin": null }),
    };
    let mut shown = serde_json::to_value(manifest).unwrap_or_default();
    if !args.files
        && let Some(shown) = shown.as_object_mut()
    {
        shown.remove("files");
    }
    let document = json!({
        "schema": "oct.inspect.v1",
        "path": documents::path(&found.path),
        "size": found.size,
        "key_ids": found.key_ids,
        "trust": trust,
        "manifest": shown,
    });
    context.out.data(&document, &facts);
    Ok(Answer::Yes)
}
