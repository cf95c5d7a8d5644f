//! `oct rollback`: restores the catalog that was replaced last.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::base::progress::Progress;
use crate::base::text::with_causes;
use crate::importer::{Folder, Holder, Previous, Recovered, Report, Store, StoreError};
use crate::trust::signed::VerifiedManifest;
use crate::trust::{Keyring, Manifest, Policy, TrustError};

use super::{Error, LOCK_WAIT};

/// What was done.
#[derive(Debug)]
pub struct RollbackReport {
    /// The folder, as it was named.
    pub dir: PathBuf,
    /// The manifest of the restored catalog, verified; `None` for one of unknown origin, such as the old container's.
    pub manifest: Option<VerifiedManifest>,
    /// How.
    pub report: Report,
    /// What an interrupted run left, and this run cleaned up first.
    pub recovered: Vec<Recovered>,
    /// Newer previous catalogs that are not what was signed; they stay where they are.
    pub warnings: Vec<String>,
}

/// Restores the previous catalog of the folder `dir`; the replaced one becomes the previous one.
///
/// A signed catalog is restored only if it still is what was signed, by a key that is still trusted; the newest such
/// one is taken. A catalog that never had a manifest is restored as it is: there is no other way to get it back.
///
/// # Errors
/// If there is no previous catalog, it is not what was signed, or the folder cannot be changed. The installed catalog
/// then stays.
pub fn rollback(
    dir: &Path,
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<RollbackReport, Error> {
    // A rollback makes no folder: without one there is nothing to restore.
    if !dir.is_dir() {
        return Err(StoreError::NoPrevious { dir: dir.to_owned() }.into());
    }
    let mut locked = Store::open(dir).lock(&Holder::new("oct rollback", now), LOCK_WAIT, progress)?;
    let mut passed_over = Vec::new();
    let mut chosen = None;
    let installed = locked.installed()?.and_then(|installed| installed.manifest);
    // Its date counts, even if its key is not trusted, as for an import.
    let installed = installed.and_then(|signed| Manifest::parse(signed.unverified_text()).ok());
    for version in locked.previous()? {
        let proved = prove(&locked, &version, keyring, progress);
        match proved.and_then(|manifest| allowed(manifest, &version, installed.as_ref(), keyring.policy(), now)) {
            Ok(manifest) => {
                chosen = Some((version, manifest));
                break;
            }
            Err(error) => passed_over.push(error),
        }
    }
    let Some((version, manifest)) = chosen else {
        let none = StoreError::NoPrevious { dir: dir.to_owned() };
        let first = passed_over.into_iter().next();
        return Err(first.map_or_else(|| none.into(), |error| Error::Previous(Box::new(error))));
    };
    let warnings = passed_over.iter().map(|error| format!("passed over: {}", with_causes(error))).collect();
    let report = locked.rollback_to(version, now)?;
    Ok(RollbackReport { dir: dir.to_owned(), manifest, report, recovered: locked.recovered().to_vec(), warnings })
}

/// Returns `manifest`, that of a previous catalog, if the policy of this host allows to restore it.
fn allowed(
    manifest: Option<VerifiedManifest>,
    version: &Previous,
    installed: Option<&Manifest>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<VerifiedManifest>, Error> {
    let forbidden = match &manifest {
        Some(manifest) => {
            let older = installed.and_then(|installed| policy.downgrade(manifest, installed));
            older.or_else(|| policy.check(manifest, now).err())
        }
        None => policy.unproved(version.path()),
    };
    forbidden.map_or(Ok(manifest), |forbidden| Err(TrustError::from(forbidden).into()))
}

/// The manifest of a previous catalog, verified; `None` for one of unknown origin.
fn prove(
    folder: &Folder,
    version: &Previous,
    keyring: &Keyring,
    progress: &dyn Progress,
) -> Result<Option<VerifiedManifest>, Error> {
    let Some(signed) = version.manifest.clone() else { return Ok(None) };
    let manifest = signed.verify(keyring).map_err(|error| Error::of_manifest(version.path(), error))?;
    progress.begin("verifying", None);
    let findings = folder.verify_previous(version, &manifest);
    progress.end("verifying");
    super::verify::require_intact(version.path(), &findings)?;
    Ok(Some(manifest))
}
