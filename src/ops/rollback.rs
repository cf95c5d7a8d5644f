//! `oct rollback`: the catalog that was replaced last comes back.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::importer::{Holder, Recovered, Report, Store, StoreError};
use crate::model::manifest::VerifiedManifest;
use crate::model::progress::Progress;
use crate::trust::Keyring;

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
}

/// Puts the previous catalog of the folder `dir` back; the one that it replaces becomes the previous one.
///
/// A signed catalog comes back only if it still is what was signed, by a key that is still trusted. One that never had
/// a manifest comes back as it is: nobody else could bring it back.
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
    let mut manifest = None;
    if let Some(version) = locked.previous()?.into_iter().next()
        && let Some(signed) = version.manifest.clone()
    {
        let refuse = |cause| Error::Previous(Box::new(cause));
        let verified = signed.verify(keyring).map_err(|error| refuse(Error::of_manifest(version.path(), error)))?;
        progress.begin("verifying", None);
        let findings = locked.verify_previous(&version, &verified);
        progress.end("verifying");
        super::verify::require_intact(version.path(), &findings).map_err(refuse)?;
        manifest = Some(verified);
    }
    let report = locked.rollback(now)?;
    Ok(RollbackReport { dir: dir.to_owned(), manifest, report, recovered: locked.recovered().to_vec() })
}
