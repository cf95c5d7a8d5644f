//! `oct trust`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::ops::Error;
use crate::ops::keys::{self, TrustedKey};

/// Say whose bundles this host accepts
///
/// Keys that you add are kept in `$XDG_CONFIG_HOME/oct/trusted.d`. Those in `/etc/oct/trusted.d`, and those built into
/// this binary, count as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct trust add oct.pub
  oct trust list
  oct trust remove 0123456789ABCDEF     a revoked key")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Trust the public key in a file
    Add {
        /// The signer's `oct.pub`
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Show the trusted keys and where they come from
    List,
    /// No longer trust a key
    Remove {
        /// Its id, as `oct trust list` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Adds, lists or removes.
pub fn run(context: &Context, args: Args) -> Outcome {
    let folder =
        || context.trusted_folder().ok_or_else(|| Error::Usage("neither HOME nor XDG_CONFIG_HOME is set".into()));
    match args.action {
        Action::Add { file } => {
            let (key, path) = keys::trust_add(&file, &folder()?)?;
            let text = format!(
                "{} {}\n  fingerprint {}\n  kept in     {}\n\nCompare the fingerprint with the signer by phone; where it \
                 differs, `oct trust remove {}`.",
                context.out.bold("Trusted"),
                key.id,
                key.fingerprint,
                path.display(),
                key.id,
            );
            let document = json!({
                "schema": "oct.trust.v1", "added": describe(&key), "path": path.display().to_string(),
            });
            context.out.answer(&document, &text);
        }
        Action::List => {
            let keyring = context.trust(vec![]).load()?;
            let mut text = String::new();
            for key in keyring.keys() {
                let _ = writeln!(text, "{}  {}  {}  {}", key.id, key.fingerprint, key.origin, key.comment);
            }
            if keyring.keys().is_empty() {
                text.push_str("No key is trusted. `oct trust add oct.pub` adds one.");
            }
            let keys: Vec<_> = keyring.keys().iter().map(describe).collect();
            context.out.answer(&json!({ "schema": "oct.trust.v1", "keys": keys }), &text);
        }
        Action::Remove { id } => {
            let removed = folder().and_then(|folder| keys::trust_remove(&id, &folder));
            // Only the administrator removes the others, so that is said, whatever was found here.
            let still = context.trust(vec![]).load()?;
            for key in still.keys().iter().filter(|key| key.id.to_string().eq_ignore_ascii_case(&id)) {
                context.out.warn(&format!("the key is still trusted by {}", key.origin));
            }
            let paths: Vec<_> = removed?.iter().map(|path| path.display().to_string()).collect();
            let text = format!("{} {}", context.out.bold("Removed"), paths.join(", "));
            context.out.answer(&json!({ "schema": "oct.trust.v1", "removed": paths }), &text);
        }
    }
    Ok(Answer::Yes)
}

fn describe(key: &TrustedKey) -> serde_json::Value {
    json!({
        "key_id": key.id.to_string(), "fingerprint": key.fingerprint, "origin": key.origin, "comment": key.comment,
    })
}
