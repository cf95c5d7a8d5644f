//! `oct inspect`: what an archive or an installed catalog says about itself, from its header only.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::archive::Archive;
use crate::base::progress::Silent;
use crate::importer::{Holder, Store};
use crate::trust::signed::{SignedManifest, Signer, VerifyError};
use crate::trust::{Keyring, Manifest};

use super::{Error, LOCK_WAIT};

/// What the header says.
#[derive(Debug)]
pub struct Inspection {
    /// Archive or folder.
    pub path: PathBuf,
    /// Bytes of the archive; `None` for a folder.
    pub size: Option<u64>,
    /// The manifest.
    pub manifest: Manifest,
    /// Ids of the keys that signed it, by their own account.
    pub key_ids: Vec<String>,
    /// Whether a trusted key signed the manifest.
    pub trust: Trust,
}

/// Whether a trusted key signed a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// This key did.
    Verified {
        /// Its id.
        key_id: String,
        /// Where it was found.
        origin: String,
    },
    /// None of the signing keys is trusted here, or fewer than the policy requires.
    Unproved {
        /// In words.
        cause: String,
    },
}

/// Reads the header of the archive, or the manifest beside the installed catalog, at `path`. Files are not looked at.
///
/// # Errors
/// If there is no catalog, or a signature by a trusted key does not match.
pub fn inspect(path: &Path, keyring: &Keyring, now: Timestamp) -> Result<Inspection, Error> {
    let (signed, size) = if path.is_dir() {
        let folder = Store::open(path).read(&Holder::new("oct inspect", now), LOCK_WAIT, &Silent)?;
        let installed = folder.installed()?;
        let is_there = installed.is_some();
        let manifest = installed.and_then(|installed| installed.manifest);
        (manifest.ok_or_else(|| Error::unsigned(path, is_there))?, None)
    } else {
        let archive = Archive::open(path)?;
        (archive.signed().clone(), Some(archive.length()))
    };
    look(path, size, signed, keyring)
}

fn look(path: &Path, size: Option<u64>, signed: SignedManifest, keyring: &Keyring) -> Result<Inspection, Error> {
    let (manifest, key_ids, trust) = match signed.clone().verify(keyring) {
        Ok(verified) => {
            let Signer { key_id, origin, .. } = verified.signer().clone();
            (Manifest::clone(&verified), verified.key_ids().to_vec(), Trust::Verified { key_id, origin })
        }
        Err(VerifyError::Signature(cause)) if cause.is_unproved() => {
            let at = |cause| Error::Signature { path: path.to_owned(), cause };
            let manifest = Manifest::parse(signed.unverified_text());
            let manifest = manifest.map_err(|cause| Error::Manifest { path: path.to_owned(), cause })?;
            (manifest, signed.unverified_key_ids().map_err(at)?, Trust::Unproved { cause: cause.to_string() })
        }
        Err(error) => return Err(Error::of_manifest(path, error)),
    };
    let key_ids = key_ids.iter().map(ToString::to_string).collect();
    Ok(Inspection { path: path.to_owned(), size, manifest, key_ids, trust })
}
