//! `oct verify`.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::base::text::count;
use crate::ops::verify;

/// Prove that an archive or an installed folder is what was signed
///
/// Checks the signature, every checksum, and that the data parse as certsuite parses them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct verify catalog-2026112420.tar.zst --key oct.pub
  oct verify offline-db")]
pub struct Args {
    /// An archive, or the folder of an installed catalog
    #[arg(value_name = "ARCHIVE|DB-DIR", value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
}

/// Verifies.
pub fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.trust(args.key).load()?;
    let report = verify::verify(&args.path, &keyring, context.now(), &*context.progress())?;
    let manifest = &report.manifest;
    let counts = manifest.counts;
    let text = format!(
        "{} {}\n  signed by   {} ({})\n  created     {}\n  content     {} images, {} operators, {} chart versions in {} files",
        context.out.bold("Intact:"),
        report.path.display(),
        manifest.signer().key_id,
        manifest.signer().origin,
        manifest.created,
        count(counts.containers),
        count(counts.operators),
        count(counts.charts),
        manifest.files.len(),
    );
    let document = json!({
        "schema": "oct.verify.v1",
        "path": report.path.display().to_string(),
        "kind": if report.is_archive { "archive" } else { "folder" },
        "created": manifest.created,
        "key_id": manifest.signer().key_id,
        "key_origin": manifest.signer().origin,
        "counts": counts,
        "files": manifest.files.len(),
        "content": manifest.content,
    });
    context.out.summary(&document, &text);
    Ok(Answer::Yes)
}
