//! `oct trust`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::KeyArgs;
use super::{Answer, Outcome, documents};
use crate::ops::keys::{self, TrustedKey};
use crate::ops::{Error, UsageError};

/// Manage the keys whose archives this host accepts
///
/// `add` keeps a key in `$XDG_CONFIG_HOME/oct/trusted.d`. The keys in `/etc/oct/trusted.d` and those built into this
/// binary are trusted as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct trust add oct.pub
  oct trust list
  oct trust remove 0123456789ABCDEF     a revoked key")]
pub(super) struct Args {
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
    /// Stop trusting a key
    Remove {
        /// Its id, as `oct trust list` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Adds, lists or removes.
pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let folder = || context.trusted_folder().ok_or_else(|| Error::from(UsageError::NoHome));
    match args.action {
        Action::Add { file } => {
            let (key, path) = keys::trust_add(&file, &folder()?)?;
            let mut facts = Facts::new("Trusted", key.id.to_string());
            facts.row("fingerprint", &key.fingerprint).row("kept in", documents::path(&path)).gap();
            facts.text(format!(
                "Compare the fingerprint with the signer by phone; where it differs, `oct trust remove {}`.",
                key.id
            ));
            let document = json!({
                "schema": "oct.trust.v1", "added": describe(&key), "path": documents::path(&path),
            });
            context.out.answer(&document, &facts);
        }
        Action::List => {
            let keyring = context.keyring(&KeyArgs::default())?;
            let mut facts = Facts::bare();
            for key in keyring.keys() {
                facts.heading(key.id.to_string(), &key.comment);
                facts.row("fingerprint", &key.fingerprint).row("origin", &key.origin);
            }
            if keyring.keys().is_empty() {
                facts.text("No key is trusted. `oct trust add oct.pub` adds one.");
            }
            let keys: Vec<_> = keyring.keys().iter().map(describe).collect();
            context.out.data(&json!({ "schema": "oct.trust.v1", "keys": keys }), &facts);
        }
        Action::Remove { id } => {
            let removed = folder().and_then(|folder| keys::trust_remove(&id, &folder));
            // Only the administrator removes the others, so that is said, whatever was found here.
            let still = context.keyring(&KeyArgs::default())?;
            for key in still.keys().iter().filter(|key| key.id.to_string().eq_ignore_ascii_case(&id)) {
                context.out.warn(&format!("the key is still trusted by {}", key.origin));
            }
            let paths: Vec<_> = removed?.iter().map(|path| documents::path(path)).collect();
            let document = json!({ "schema": "oct.trust.v1", "removed": paths });
            context.out.answer(&document, &Facts::new("Removed", paths.join(", ")));
        }
    }
    Ok(Answer::Yes)
}

fn describe(key: &TrustedKey) -> serde_json::Value {
    json!({
        "key_id": key.id.to_string(), "fingerprint": key.fingerprint, "origin": key.origin, "comment": key.comment,
    })
}
