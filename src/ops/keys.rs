//! Keys: making them, trusting them, opening them.

use std::path::{Path, PathBuf};

pub use crate::trust::{KeyPair, Keyring, Password, SigningKey, TrustError, TrustedKey};

use super::Error;

/// Where trusted keys are looked for.
#[derive(Debug, Clone, Default)]
pub struct TrustPlaces {
    /// Files named on the command line.
    pub files: Vec<PathBuf>,
    /// Folders with `*.pub` files, such as `/etc/oct/trusted.d`.
    pub folders: Vec<PathBuf>,
}

impl TrustPlaces {
    /// Reads the keys.
    ///
    /// # Errors
    /// Where one of them is unusable.
    pub fn load(&self) -> Result<Keyring, Error> {
        Ok(Keyring::load(&self.files, &self.folders)?)
    }
}

/// Keeps a public key among the trusted ones in `folder`.
///
/// # Errors
/// Where it is no public key, or the folder cannot be written.
pub fn trust_add(file: &Path, folder: &Path) -> Result<(TrustedKey, PathBuf), Error> {
    Ok(crate::trust::add(file, folder)?)
}

/// Removes a key from the trusted ones in `folder`; returns the removed files.
///
/// # Errors
/// Where there is no such key.
pub fn trust_remove(key_id: &str, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    Ok(crate::trust::remove(key_id, folder)?)
}
