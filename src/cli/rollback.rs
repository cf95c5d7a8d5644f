//! `oct rollback`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::base::text::{age, count};
use crate::ops::rollback;

/// Put the previous catalog back
///
/// The catalog that the last `oct import` replaced is proved again and comes back in one step; the one that it replaces
/// is kept, so that a second rollback undoes the first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct rollback
  oct rollback /opt/tnf/offline-db")]
pub struct Args {
    /// The folder of the installed catalog
    #[arg(value_name = "DIR", default_value = "offline-db", env = "OCT_TO", hide_env_values = true, value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
}

/// Rolls back.
pub fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.trust(args.key).load()?;
    let now = context.now();
    let done = rollback::rollback(&args.dir, &keyring, now, &*context.progress())?;
    context.out.warn_all(&done.recovered, &done.warnings);
    let dir = done.dir.display();
    let mut text = String::new();
    match &done.manifest {
        Some(manifest) => {
            let counts = manifest.counts;
            let old = age(now.duration_since(manifest.created).as_secs());
            let _ = writeln!(text, "{} of {} in {dir}", context.out.bold("Back is the catalog"), manifest.created);
            let _ = writeln!(text, "  created     {} ({old} ago)", manifest.created);
            let _ = writeln!(text, "  signed by   {} ({})", manifest.signer().key_id, manifest.signer().origin);
            let (images, digests) = (count(counts.containers), count(counts.digests));
            let _ = writeln!(text, "  containers  {images} images under {digests} digests");
            let _ = writeln!(text, "  operators   {}", count(counts.operators));
            let _ = writeln!(text, "  charts      {} versions", count(counts.charts));
        }
        None => {
            context.out.warn("the catalog that came back has no signed manifest: nothing proves what it holds");
            let _ = writeln!(text, "{} of unknown origin in {dir}", context.out.bold("Back is the catalog"));
        }
    }
    if let Some(previous) = &done.report.entry.previous {
        let _ = writeln!(text, "  previous    kept as .oct/previous/{previous}");
    }
    let manifest = done.manifest.as_ref();
    let document = json!({
        "schema": "oct.rollback.v1",
        "dir": dir.to_string(),
        "verified": manifest.is_some(),
        "created": manifest.map(|manifest| manifest.created),
        "partial": manifest.and_then(|manifest| manifest.partial.clone()),
        "counts": manifest.map(|manifest| manifest.counts),
        "content": manifest.map(|manifest| manifest.content),
        "key_id": manifest.map(|manifest| manifest.signer().key_id.clone()),
        "previous": done.report.entry.previous,
        "recovered": done.recovered.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "warnings": done.warnings,
    });
    context.out.answer(&document, &text);
    Ok(Answer::Yes)
}
