//! Keys: making them, trusting them, opening them; and the policy that says which count.

use std::path::{Path, PathBuf};

use crate::base::owner::Owners;
pub use crate::trust::{Caller, KeyPair, Keyring, Password, Policy, SigningKey, TrustError, TrustPlaces, TrustedKey};

use super::{Error, UsageError};

/// The places of trusted keys, and the policy of this host.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The places of trusted keys.
    pub places: TrustPlaces,
    /// The file of the policy.
    pub policy: PathBuf,
}

impl Trust {
    /// Reads the policy and the keys that count by it.
    ///
    /// # Errors
    /// If the policy cannot be applied, or a key is unusable.
    pub fn load(&self) -> Result<Keyring, Error> {
        Ok(Keyring::load(&self.places, self.policy()?)?)
    }

    /// Reads the policy.
    ///
    /// # Errors
    /// If it cannot be applied.
    pub fn policy(&self) -> Result<Policy, Error> {
        Ok(Policy::read(&self.policy).map_err(TrustError::from)?)
    }

    /// Every key in one of the places, whether the policy lets it count or not.
    ///
    /// # Errors
    /// If a key is unusable.
    pub fn all_keys(&self) -> Result<Keyring, Error> {
        Ok(Keyring::load(&self.places, Policy::default())?)
    }

    /// Keeps the public key in `file` among those of the user, or of the `system`.
    ///
    /// # Errors
    /// If it is not a public key, another key with its id is trusted, or the folder cannot be written.
    pub fn add(&self, file: &Path, system: bool) -> Result<(TrustedKey, PathBuf), Error> {
        let owners = if system { Owners::root() } else { Owners::caller() };
        Ok(crate::trust::add(file, self.folder(system)?, &owners, &self.all_keys()?)?)
    }

    /// Removes a key, named by id or fingerprint, from those of the user, or of the `system`; returns the removed files.
    ///
    /// # Errors
    /// If there is no such key, or several have that id.
    pub fn remove(&self, name: &str, system: bool) -> Result<Vec<PathBuf>, Error> {
        Ok(crate::trust::remove(name, self.folder(system)?)?)
    }

    fn folder(&self, system: bool) -> Result<&Path, Error> {
        let folder = if system { &self.places.system } else { &self.places.own };
        folder.as_deref().ok_or_else(|| UsageError::NoHome.into())
    }
}
