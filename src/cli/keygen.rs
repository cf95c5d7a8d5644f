//! `oct keygen`.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::{Answer, Outcome, documents, keys};
use crate::ops::keys::KeyPair;

/// Make a key pair that signs archives
///
/// Writes the secret key `oct.key`, which only you can read, and the public key `oct.pub`, which every bastion needs. The
/// administrator of the bastion compares the fingerprint with you by phone.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  oct keygen                            asks for a password
  oct keygen --no-password --out keys   for a service that signs unattended

{}", keys::ENVIRONMENT))]
pub(super) struct Args {
    /// Folder for the two files
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_KEYGEN_OUT", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Do not encrypt the secret key
    #[arg(long, env = "OCT_NO_PASSWORD")]
    no_password: bool,
    /// Comment in both files
    #[arg(long, value_name = "TEXT", default_value = "offline catalog", env = "OCT_COMMENT")]
    comment: String,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let password = if args.no_password { None } else { Some(keys::new_password()?) };
    let pair = KeyPair::generate(password, &args.comment)?;
    let (secret, public) = pair.write(&args.out)?;
    let id = pair.public().id;
    let mut facts = Facts::new("Key id", id.to_string());
    facts.row("fingerprint", &pair.public().fingerprint);
    facts.row("secret key", documents::path(&secret)).below("keep it on this host");
    let name = public.file_name().unwrap_or_default().to_string_lossy();
    facts.row("public key", documents::path(&public)).below(format!("take it to every bastion: oct trust add {name}"));
    facts.gap().text("Compare the fingerprint with the administrator of the bastion by phone.");
    let document = json!({
        "schema": "oct.keygen.v1",
        "key_id": id.to_string(),
        "fingerprint": pair.public().fingerprint,
        "secret_key": documents::path(&secret),
        "public_key": documents::path(&public),
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
