//! `oct trust`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::KeyArgs;
use super::{Answer, Outcome, documents};
use crate::ops::Error;
use crate::ops::keys::{Keyring, Trust, TrustedKey};

/// Manage the keys whose archives this host accepts
///
/// `add` keeps a key in `$XDG_CONFIG_HOME/oct/trusted.d`, or with --system in `/etc/oct/trusted.d` for every user of this
/// host. The keys built into this binary are trusted as well. A policy of root in `/etc/oct/policy.toml` can limit which
/// of them count; `oct trust list` shows it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct trust add oct.pub
  oct trust add --system oct.pub        as root, for everybody on this host
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
        /// Keep it in /etc/oct/trusted.d, for every user of this host
        #[arg(long, env = "OCT_SYSTEM")]
        system: bool,
    },
    /// Show the trusted keys, where they come from, and the policy of this host
    List,
    /// Stop trusting a key
    Remove {
        /// Its id, as `oct trust list` shows it, or its fingerprint
        #[arg(value_name = "ID")]
        id: String,
        /// Remove it from /etc/oct/trusted.d
        #[arg(long, env = "OCT_SYSTEM")]
        system: bool,
    },
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let trust = context.trust(&KeyArgs::default());
    match args.action {
        Action::Add { file, system } => add(context, &trust, &file, system)?,
        Action::List => list(context, &trust.load()?),
        Action::Remove { id, system } => remove(context, &trust, &id, system)?,
    }
    Ok(Answer::Yes)
}

fn add(context: &Context, trust: &Trust, file: &Path, system: bool) -> Result<(), Error> {
    let (key, path) = trust.add(file, system)?;
    if !system && trust.policy()?.is_trusted_keys_only() {
        context.out.warn(
            "the policy of this host lets only the administrator's keys count: root adds this one with `oct trust add \
             --system`",
        );
    }
    let mut facts = Facts::new("Trusted", key.id.to_string());
    facts.row("fingerprint", &key.fingerprint).row("kept in", documents::path(&path)).gap();
    facts.text(format!(
        "Compare the fingerprint with the signer by phone; if it differs, `oct trust remove {}{}`.",
        if system { "--system " } else { "" },
        key.id
    ));
    let document = json!({ "schema": "oct.trust.v1", "added": describe(&key), "path": documents::path(&path) });
    context.out.answer(&document, &facts);
    Ok(())
}

fn list(context: &Context, keyring: &Keyring) {
    let policy = keyring.policy();
    let mut facts = Facts::bare();
    for key in keyring.keys() {
        facts.heading(key.id.to_string(), &key.comment);
        facts.row("fingerprint", &key.fingerprint).row("origin", &key.origin);
    }
    if keyring.keys().is_empty() {
        facts.text("No key is trusted. `oct trust add oct.pub` adds one.");
    }
    if let Some(file) = policy.file() {
        facts.gap().heading("Policy", documents::path(file));
        for rule in policy.rules() {
            facts.item(2, rule);
        }
    }
    let keys: Vec<_> = keyring.keys().iter().map(describe).collect();
    context.out.data(&json!({ "schema": "oct.trust.v1", "keys": keys, "policy": policy.rules() }), &facts);
}

fn remove(context: &Context, trust: &Trust, id: &str, system: bool) -> Result<(), Error> {
    let removed = trust.remove(id, system);
    // The key may also be trusted in another place.
    match trust.all_keys() {
        Ok(still) => {
            for key in still.keys().iter().filter(|key| key.is_called(id)) {
                let by = format!("the key is still trusted by {}", key.origin);
                let is_of_host = Path::new(&key.origin).parent() == trust.places.system.as_deref();
                let by_root = format!("; as root, `oct trust remove --system {id}`");
                context.out.warn(&(by + if is_of_host && !system { &by_root } else { "" }));
            }
        }
        Err(error) => context.out.warn(&format!("it is not known whether the key is trusted elsewhere: {error}")),
    }
    let paths: Vec<_> = removed?.iter().map(|path| documents::path(path)).collect();
    let document = json!({ "schema": "oct.trust.v1", "removed": paths });
    context.out.answer(&document, &Facts::new("Removed", paths.join(", ")));
    Ok(())
}

fn describe(key: &TrustedKey) -> serde_json::Value {
    json!({
        "key_id": key.id.to_string(), "fingerprint": key.fingerprint, "origin": key.origin, "comment": key.comment,
    })
}
