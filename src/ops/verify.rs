//! `oct verify`: checks the signature and every checksum, and parses the data as certsuite parses them.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::base::progress::Progress;
use crate::catalog::Validator;
use crate::importer::{Deviation, Difference, Findings, Folder, Holder, Store};
use crate::trust::manifest::Manifest;
use crate::trust::signed::{VerifiedManifest, VerifyError};
use crate::trust::{Keyring, TrustError};

use super::open;
use super::{Error, LOCK_WAIT};

/// What was proved.
#[derive(Debug)]
pub struct VerifyReport {
    /// Archive or folder.
    pub path: PathBuf,
    /// Whether it is an archive.
    pub is_archive: bool,
    /// What it holds, and who signed it.
    pub manifest: VerifiedManifest,
}

/// Verifies an archive or an installed folder.
///
/// # Errors
/// The first thing that is not as it was signed.
pub fn verify(path: &Path, keyring: &Keyring, now: Timestamp, progress: &dyn Progress) -> Result<VerifyReport, Error> {
    if path.is_dir() {
        let manifest = folder(path, keyring, now, progress)?;
        return Ok(VerifyReport { path: path.to_owned(), is_archive: false, manifest });
    }
    let archive = open::archive(path, keyring)?;
    let manifest = archive.manifest.clone();
    keyring.policy().check(&manifest, now).map_err(TrustError::from)?;
    progress.begin("verifying", None);
    archive.validate(path)?;
    progress.end("verifying");
    Ok(VerifyReport { path: path.to_owned(), is_archive: true, manifest })
}

fn folder(path: &Path, keyring: &Keyring, now: Timestamp, progress: &dyn Progress) -> Result<VerifiedManifest, Error> {
    let folder = Store::open(path).read(&Holder::new("oct verify", now), LOCK_WAIT, progress)?;
    let verified = installed(path, &folder, keyring);
    folder.require_unchanged()?;
    let manifest = verified?;
    keyring.policy().check(&manifest, now).map_err(TrustError::from)?;
    Ok(manifest)
}

fn installed(path: &Path, folder: &Folder, keyring: &Keyring) -> Result<VerifiedManifest, Error> {
    let installed = folder.installed()?;
    let Some(signed) = installed.as_ref().and_then(|installed| installed.manifest.clone()) else {
        return Err(Error::unsigned(path, installed.is_some()));
    };
    if signed.signatures().is_empty() {
        return Err(Error::unsigned(path, true));
    }
    let manifest = match signed.clone().verify(keyring) {
        Ok(manifest) => manifest,
        Err(VerifyError::Signature(cause)) if cause.is_unproved() => {
            // Files that deviate from the manifest are altered, whoever signed it.
            if let Ok(manifest) = Manifest::parse(signed.unverified_text()) {
                require_intact(path, &folder.compare(&manifest))?;
            }
            return Err(Error::NotProvable { path: path.to_owned(), cause });
        }
        Err(error) => return Err(Error::of_manifest(path, error)),
    };
    require_intact(path, &folder.verify_files(&manifest))?;
    let mut validator = Validator::new(manifest.counts);
    for file in &manifest.files {
        let content = BufReader::with_capacity(64 << 10, folder.open_member(&file.path)?);
        validator.read(&file.path, content).map_err(|cause| open::content_error(path, &file.path, cause))?;
    }
    validator.finish().map_err(|cause| Error::Content { path: path.to_owned(), cause })?;
    Ok(manifest)
}

/// Turns deviations into an error. If the only fault is that files cannot be read, nothing is known about them: that is a
/// failure of this host, not of the catalog.
pub(super) fn require_intact(path: &Path, findings: &Findings) -> Result<(), Error> {
    let unreadable = |deviation: &Deviation| matches!(deviation.difference, Difference::Unreadable(_));
    match findings.deviations.first() {
        None => Ok(()),
        Some(first) if findings.more == 0 && findings.deviations.iter().all(unreadable) => {
            Err(std::io::Error::other(format!("`{}`: {first}", path.display())).into())
        }
        Some(first) => Err(Error::Deviates {
            path: path.to_owned(),
            first: Box::new(first.clone()),
            more: findings.deviations.len() as u64 - 1 + findings.more,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Class, Classified as _};

    #[test]
    fn what_cannot_be_read_is_not_called_altered() {
        let of = |differences: Vec<Difference>| {
            let deviation = |difference| Deviation { path: "data/helm/helm.db".into(), difference };
            let deviations = differences.into_iter().map(deviation).collect();
            require_intact(Path::new("db"), &Findings { deviations, ..Findings::default() })
                .map_err(|error| error.class())
        };
        let unreadable = || Difference::Unreadable("Permission denied".into());
        assert_eq!(of(vec![]), Ok(()));
        assert_eq!(of(vec![unreadable(), unreadable()]), Err(Class::Host));
        assert_eq!(of(vec![unreadable(), Difference::Missing]), Err(Class::Verification));
    }
}
