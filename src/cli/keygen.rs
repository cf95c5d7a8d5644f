//! `oct keygen`, and opening secret keys.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::ops::Error;
use crate::ops::keys::{KeyPair, Password, SigningKey, TrustError};

/// What the commands that open a secret key say in their help.
pub const ENVIRONMENT: &str = "\
Environment:
  OCT_KEY_PASSWORD_FILE   file with the password of the secret key in its first line (mode 0600); without it, and \
without a systemd credential `oct.password`, a terminal is asked";

/// Make a pair of keys to sign bundles with
///
/// Writes `oct.key`, the secret key, readable by you alone, and `oct.pub`, which every bastion needs. Read the
/// fingerprint to the bastion's keeper by phone: it is what they compare.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("\
Examples:
  oct keygen                            asks for a password
  oct keygen --no-password --out keys   for a service that signs by itself

{ENVIRONMENT}"))]
pub struct Args {
    /// Folder for the two files
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_OUT", hide_env_values = true, value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Leave the secret key unencrypted
    #[arg(long, env = "OCT_NO_PASSWORD", hide_env_values = true)]
    no_password: bool,
    /// What the files say of themselves
    #[arg(long, value_name = "TEXT", default_value = "offline catalog", env = "OCT_COMMENT", hide_env_values = true)]
    comment: String,
}

/// Makes the keys.
pub fn run(context: &Context, args: Args) -> Outcome {
    let password = if args.no_password { None } else { Some(new_password()?) };
    let pair = KeyPair::generate(password, &args.comment)?;
    let (secret, public) = pair.write(&args.out)?;
    let id = pair.public().id;
    let text = format!(
        "{} {id}\n  fingerprint {}\n  secret key  {}  keep it on this host\n  public key  {}  take it to every bastion: oct trust add {}\n\
         \nCompare the fingerprint with the bastion's keeper by phone.",
        context.out.bold("Key id"),
        pair.public().fingerprint,
        secret.display(),
        public.display(),
        public.file_name().unwrap_or_default().to_string_lossy(),
    );
    let document = json!({
        "schema": "oct.keygen.v1",
        "key_id": id.to_string(),
        "fingerprint": pair.public().fingerprint,
        "secret_key": secret.display().to_string(),
        "public_key": public.display().to_string(),
    });
    context.out.answer(&document, &text);
    Ok(Answer::Yes)
}

/// Opens the secret keys in `files`, or the one in its usual place.
pub fn open_secret_keys(context: &Context, files: &[PathBuf]) -> Result<Vec<SigningKey>, Error> {
    if !files.is_empty() {
        return files.iter().map(|file| open(file)).collect();
    }
    if let Some(file) = credential("oct.key") {
        return Ok(vec![SigningKey::open_credential(&file, || password_of(&file))?]);
    }
    let places = [Some(PathBuf::from("oct.key")), context.config.as_ref().map(|config| config.join("oct.key"))];
    match places.into_iter().flatten().find(|place| place.exists()) {
        Some(file) => Ok(vec![open(&file)?]),
        None => Err(TrustError::NoSecretKey.into()),
    }
}

fn open(file: &Path) -> Result<SigningKey, Error> {
    Ok(SigningKey::open(file, || password_of(file))?)
}

/// A systemd credential, see `systemd.exec(5)`, "Credentials".
fn credential(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?).join(name);
    path.exists().then_some(path)
}

/// The password of a secret key: from a file, a credential, or a prompt. Never from an argument.
fn password_of(key: &Path) -> Result<Option<Password>, TrustError> {
    if let Some(password) = password_file()? {
        return Ok(Some(password));
    }
    if let Some(file) = credential("oct.password") {
        return Ok(Some(Password::read_credential(&file)?));
    }
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let password = rpassword::prompt_password(format!("Password of {}: ", key.display()))?;
    Ok(Some(Password(password)))
}

/// The password in the file that `OCT_KEY_PASSWORD_FILE` names.
fn password_file() -> Result<Option<Password>, TrustError> {
    std::env::var_os("OCT_KEY_PASSWORD_FILE").map(|file| Password::read(Path::new(&file))).transpose()
}

/// A password for a new key, from a file or asked twice.
fn new_password() -> Result<Password, Error> {
    let password = match password_file()? {
        Some(password) => password,
        None => ask_twice()?,
    };
    if password.0.is_empty() {
        return Err(Error::Usage("an empty password; for none, say --no-password".into()));
    }
    Ok(password)
}

fn ask_twice() -> Result<Password, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(TrustError::NoTerminal.into());
    }
    let first = rpassword::prompt_password("Password for the new key: ")?;
    let second = rpassword::prompt_password("The same once more: ")?;
    if first != second {
        return Err(Error::Usage("the two passwords differ".into()));
    }
    Ok(Password(first))
}
