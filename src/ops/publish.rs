//! `oct publish`: the signed list of a folder's archives, with which the folder is a site.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};

use super::{Error, open};
use crate::archive::{self, Archive, site};
use crate::base::progress::Progress;
use crate::trust::catalogs::{CATALOGS_FILE, SIGNATURE_FILE};
use crate::trust::{Catalogs, Keyring, Listed, SigningKey, VerifiedCatalogs};

/// How the list is written.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// When it is written; if the last list has a later instant, that instant counts.
    pub now: Timestamp,
    /// Within what time after that the publisher promises the next list.
    pub next_within: Option<SignedDuration>,
}

/// What was written.
#[derive(Debug)]
pub struct PublishReport {
    /// The list's file.
    pub list: PathBuf,
    /// The file with its signatures.
    pub signature: PathBuf,
    /// What the list says.
    pub catalogs: Catalogs,
    /// Archives that are not in the list, and why.
    pub left_out: Vec<(PathBuf, Error)>,
    /// Ids of the keys that signed it.
    pub key_ids: Vec<String>,
}

/// How much of an archive is read before it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of it.
    Whole,
    /// Its header and its size, if the last list names it; otherwise all of it.
    New,
}

/// Verifies every archive in `folder` completely, and lists those that one of `keys` signed.
///
/// # Errors
/// If the folder cannot be read or written, or there is no key. An archive that is not good is left out, not an
/// error.
pub fn publish(
    folder: &Path,
    keys: &[SigningKey],
    promise: Promise,
    progress: &dyn Progress,
) -> Result<PublishReport, Error> {
    if !folder.is_dir() {
        return Err(Error::not_a_folder(folder));
    }
    progress.begin("verifying", None);
    let report = refresh(folder, keys, promise, Reading::Whole)?;
    progress.end("verifying");
    Ok(report)
}

/// Writes the list of `folder`, if it would differ from the present one.
pub(super) fn refresh(
    folder: &Path,
    keys: &[SigningKey],
    promise: Promise,
    reading: Reading,
) -> Result<PublishReport, Error> {
    let lock = site::lock(folder)?;
    let own = Keyring::new(keys.iter().map(|key| key.public().clone()).collect());
    // A damaged list, or a list by another key, is replaced.
    let old = site::list(folder).unwrap_or_default().and_then(|signed| signed.verify(&own).ok());
    let (mut archives, mut left_out) = (Vec::new(), Vec::new());
    for path in archive::archives(folder)? {
        let known = old.as_ref().filter(|_| reading == Reading::New).and_then(|old| known(old, &path, &own));
        match known.map_or_else(|| measure(&path, &own), Ok) {
            Ok(listed) => archives.push(listed),
            Err(error) => left_out.push((path, error)),
        }
    }
    let now = Timestamp::from_second(promise.now.as_second()).unwrap_or(promise.now);
    let written = old.as_ref().map_or(now, |old| old.written.max(now));
    let next = promise.next_within.map(|within| written.checked_add(within)).transpose();
    let next = next.map_err(|error| io::Error::other(format!("cannot compute the time of the next list: {error}")))?;
    let catalogs = Catalogs::new(written, next, archives);
    let is_same = |old: &VerifiedCatalogs| next.is_none() && old.next.is_none() && old.archives == catalogs.archives;
    let catalogs = match old.filter(is_same) {
        // The files stay, so that a web server answers "not modified".
        Some(old) if reading == Reading::New && is_signed_by_all(&old, keys) => Catalogs::clone(&old),
        _ => {
            let named = |error: io::Error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot write the list of the archives in `{}`: {error}", folder.display()),
                )
            };
            site::write_list(&lock, &catalogs.sign(keys)?).map_err(named)?;
            catalogs
        }
    };
    let (list, signature) = (folder.join(CATALOGS_FILE), folder.join(SIGNATURE_FILE));
    let key_ids = keys.iter().map(|key| key.id().to_string()).collect();
    Ok(PublishReport { list, signature, catalogs, left_out, key_ids })
}

fn is_signed_by_all(list: &VerifiedCatalogs, keys: &[SigningKey]) -> bool {
    keys.iter().all(|key| list.publishers().contains(&key.id().to_string()))
}

/// What the last list says about the archive at `path`, if its header and size still match.
fn known(old: &VerifiedCatalogs, path: &Path, own: &Keyring) -> Option<Listed> {
    let listed = old.archives.iter().find(|listed| path.ends_with(listed.name.as_str()))?;
    let archive = Archive::open(path).ok().filter(|archive| archive.length() == listed.size)?;
    let manifest = archive.signed().clone().verify(own).ok()?;
    (listed.is_of(&manifest) && listed.signers == manifest.key_ids()).then(|| listed.clone())
}

/// Verifies an archive completely, sidecars included.
fn measure(path: &Path, own: &Keyring) -> Result<Listed, Error> {
    if fs::symlink_metadata(path)?.is_symlink() {
        // A web server may not follow the link.
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{}` is a link", path.display())).into());
    }
    let archive = open::archive(path, own)?;
    let signers = archive.manifest.key_ids().to_vec();
    let listed = Listed::new(&archive.manifest, signers, archive.size, site::digest(path)?);
    if path.ends_with(listed.name.as_str()) {
        return Ok(listed);
    }
    let renamed = format!("`{}` was made as `{}`, and has another name now", path.display(), listed.name);
    Err(io::Error::new(io::ErrorKind::InvalidInput, renamed).into())
}
