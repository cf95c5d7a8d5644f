//! `oct rollback`: the catalog that was replaced last comes back.

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
    /// The catalog that came back, proved; `None` for one of unknown origin, such as the old container left.
    pub manifest: Option<VerifiedManifest>,
    /// How.
    pub report: Report,
    /// What a crash had left and was settled first.
    pub recovered: Vec<Recovered>,
    /// Newer versions that are not what was signed, and stay where they are.
    pub warnings: Vec<String>,
}

/// Puts the previous catalog of the folder `dir` back; the one that it replaces becomes the previous one.
///
/// A signed catalog comes back only if it still is what was signed, by a key that is still trusted; the newest such one
/// is taken. One that never had a manifest comes back as it is: nobody else could bring it back.
///
/// # Errors
/// Where there is no previous catalog, it is not what was signed, or the folder cannot be changed. The installed
/// catalog stays then.
pub fn rollback(
    dir: &Path,
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<RollbackReport, Error> {
    // A rollback makes no folder: where none is, there is nothing to go back to.
    if !dir.is_dir() {
        return Err(StoreError::NoPrevious { dir: dir.to_owned() }.into());
    }
    let mut locked = Store::open(dir).lock(&Holder::new("oct rollback", now), LOCK_WAIT, progress)?;
    let mut passed_over = Vec::new();
    let mut chosen = None;
    let installed = locked.installed()?.and_then(|installed| installed.manifest);
    // Its date counts whoever signed it, as for an import.
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

/// `manifest`, that of a previous version, where the policy of this host lets it come back.
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

/// The manifest of a previous version, proved; `None` for one of unknown origin.
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
