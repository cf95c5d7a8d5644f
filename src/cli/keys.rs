//! Opening secret keys, and asking for their passwords.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use crate::ops::keys::{Password, SigningKey, TrustError};
use crate::ops::{Error, UsageError};

/// Opens the secret keys in `files`, or the one in its usual place.
pub(super) fn open_secret_keys(context: &Context, files: &[PathBuf]) -> Result<Vec<SigningKey>, Error> {
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
    let file = std::env::var_os("OCT_KEY_PASSWORD_FILE").map(PathBuf::from).or_else(|| credential("oct.password"));
    if let Some(file) = file {
        return Ok(Some(read_password(&file)?));
    }
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let password = rpassword::prompt_password(format!("Password of {}: ", key.display()))?;
    Ok(Some(Password(password)))
}

fn read_password(file: &Path) -> Result<Password, TrustError> {
    let text = fs_err::read_to_string(file)?;
    Ok(Password(text.lines().next().unwrap_or_default().to_owned()))
}

/// A password for a new key, from a file or asked twice.
pub(super) fn new_password() -> Result<Password, Error> {
    let password = match std::env::var_os("OCT_KEY_PASSWORD_FILE") {
        Some(file) => read_password(Path::new(&file))?,
        None => ask_twice()?,
    };
    if password.0.is_empty() {
        return Err(UsageError::EmptyPassword.into());
    }
    Ok(password)
}

fn ask_twice() -> Result<Password, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(TrustError::PasswordNeeded { origin: "oct.key".into() }.into());
    }
    let first = rpassword::prompt_password("Password for the new key: ")?;
    let second = rpassword::prompt_password("The same password again: ")?;
    if first != second {
        return Err(UsageError::PasswordsDiffer.into());
    }
    Ok(Password(first))
}
