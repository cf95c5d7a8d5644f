//! `oct inspect`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::base::text::{age, count, sanitize, size};
use crate::ops::inspect::{self, Trust};

/// Show what a bundle holds, how old it is, from where, and who signed it
///
/// Reads only the header. It tells what the bundle says of itself, and whether a trusted key vouches for that; `oct
/// verify` checks the data as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct inspect catalog-2026112420.tar.zst
  oct inspect offline-db --files")]
pub struct Args {
    /// An archive, or the folder of an installed catalog
    #[arg(value_name = "ARCHIVE|DB-DIR", value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// List every file with its size and SHA-256
    #[arg(long, env = "OCT_FILES", hide_env_values = true)]
    files: bool,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
}

/// Inspects.
pub fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.trust(args.key).load()?;
    let now = context.now();
    let found = inspect::inspect(&args.path, &keyring, now)?;
    let manifest = &found.manifest;
    let counts = manifest.counts;
    let mut text = String::new();
    let _ = writeln!(text, "{}", context.out.bold(&found.path.display().to_string()));
    let _ = writeln!(
        text,
        "  created     {} ({} ago)",
        manifest.created,
        age(now.duration_since(manifest.created).as_secs())
    );
    let _ = writeln!(text, "  made by     {}", sanitize(&manifest.tool));
    let _ = writeln!(text, "  signed by   {}", found.key_ids.join(", "));
    let _ = match &found.trust {
        Trust::Verified { key_id, origin } => writeln!(text, "  trust       {key_id} is trusted ({origin})"),
        Trust::Unproved { cause } => writeln!(text, "  trust       nothing below is proved: {cause}"),
    };
    if let Some(partial) = &manifest.partial {
        let _ = writeln!(text, "  partial     only containers since {}", partial.since);
    }
    let _ = writeln!(text, "  containers  {} images under {} digests", count(counts.containers), count(counts.digests));
    let _ = writeln!(text, "  operators   {}", count(counts.operators));
    let _ = writeln!(text, "  charts      {} versions", count(counts.charts));
    let unpacked = size(manifest.unpacked_size());
    let _ = match found.size {
        Some(bytes) => writeln!(text, "  size        {}, {unpacked} unpacked", size(bytes)),
        None => writeln!(text, "  size        {unpacked}"),
    };
    let _ = writeln!(text, "  content     {}", manifest.content);
    for source in &manifest.sources {
        let (name, url) = (sanitize(&source.name), sanitize(&source.url));
        let total = source.total.map_or_else(|| "not told".into(), count);
        let _ = writeln!(
            text,
            "  source      {name}: {} documents, server's total {total}\n              {url}",
            count(source.documents)
        );
    }
    if args.files {
        text.push('\n');
        for file in &manifest.files {
            let _ = writeln!(text, "{}  {:>11}  {}", file.sha256, file.size, file.path);
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
        "path": found.path.display().to_string(),
        "size": found.size,
        "key_ids": found.key_ids,
        "trust": trust,
        "manifest": shown,
    });
    context.out.answer(&document, &text);
    Ok(Answer::Yes)
}
