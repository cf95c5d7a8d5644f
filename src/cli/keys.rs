//! Opening secret keys, and asking for their passwords.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::values;
use crate::ops::keys::{Password, SigningKey, TrustError};
use crate::ops::{Error, UsageError};

/// The variable that names the file with the password of a secret key.
const PASSWORD_FILE: &str = "OCT_KEY_PASSWORD_FILE";
/// The credentials of a service that are secret keys: its own, and while that is replaced the one that comes next.
const KEY_CREDENTIALS: [&str; 2] = ["oct.key", "oct.next.key"];
/// The paragraph on the password, in the help of the commands that open a secret key.
pub(super) const ENVIRONMENT: &str = "\
Environment:
  OCT_KEY_PASSWORD_FILE             file with the key's password in its first line (mode 0600); without it, oct \
reads the systemd credential `oct.password` or asks on the terminal";

/// Opens the secret keys in `files`, or the one in its usual place.
pub(super) fn open_secret_keys(context: &Context, files: &[PathBuf]) -> Result<Vec<SigningKey>, Error> {
    if !files.is_empty() {
        return files.iter().map(|file| open(file)).collect();
    }
    let credentials: Vec<_> = KEY_CREDENTIALS.iter().filter_map(|name| credential(name)).collect();
    if !credentials.is_empty() {
        let open = |file: &PathBuf| Ok(SigningKey::open_credential(file, || password_of(file))?);
        return credentials.iter().map(open).collect();
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

/// The password in the file that [`PASSWORD_FILE`] names.
fn password_file() -> Result<Option<Password>, TrustError> {
    let file = std::env::var_os(PASSWORD_FILE).filter(|file| !file.is_empty());
    file.map(|file| Password::read(&values::expanded(file.into()))).transpose()
}

/// A password for a new key, from a file or asked twice.
pub(super) fn new_password() -> Result<Password, Error> {
    let password = match password_file()? {
        Some(password) => password,
        None => ask_twice()?,
    };
    if password.0.is_empty() {
        return Err(UsageError::EmptyPassword.into());
    }
    Ok(password)
}

fn ask_twice() -> Result<Password, Error> {
    if !std::io::stdin().is_terminal() {
        return Err(TrustError::NoTerminal.into());
    }
    let first = rpassword::prompt_password("Password for the new key: ")?;
    let second = rpassword::prompt_password("The same password again: ")?;
    if first != second {
        return Err(UsageError::PasswordsDiffer.into());
    }
    Ok(Password(first))
}
