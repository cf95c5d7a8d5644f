//! `oct status`: verifies the installed catalog again, and says how old it is.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

pub use crate::importer::Action;

use crate::base::failure::{Class, Classified as _};
use crate::base::progress::Progress;
use crate::importer::{Folder, HistoryEntry, Holder, Recovered, Store};
use crate::trust::Keyring;
use crate::trust::manifest::Manifest;
use crate::trust::policy::Violation;
use crate::trust::signed::{SignedManifest, VerifiedManifest, VerifyError};

use super::import::future_warning;
use super::{Error, LOCK_WAIT};

/// Lines of the history that are shown.
const HISTORY_LINES: usize = 5;

/// What was found.
#[derive(Debug)]
pub struct Status {
    /// The folder, as it was named.
    pub dir: PathBuf,
    /// What stands in it.
    pub state: State,
    /// The replaced versions that are kept, the newest first.
    pub previous: Vec<PreviousVersion>,
    /// The last changes, the newest first.
    pub history: Vec<HistoryEntry>,
    /// When a catalog was last installed, and when last rolled back, as far as the end of the history says.
    pub last: Vec<(Action, Timestamp)>,
    /// What an interrupted run left, and this run cleaned up first.
    pub recovered: Vec<Recovered>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// The age above which a catalog is stale.
    pub max_age: Option<SignedDuration>,
    /// The rules of the policy of this host.
    pub policy: Vec<String>,
}

/// What stands in a folder.
#[derive(Debug)]
pub enum State {
    /// Neither a catalog nor a manifest.
    Nothing,
    /// Every file is, byte for byte, as a trusted key signed it, and there is no other file.
    Intact {
        /// What is installed.
        manifest: Box<VerifiedManifest>,
        /// Seconds since its `created` by this host's clock.
        age: i64,
        /// Whether that is more than was allowed, by the caller or by the policy of this host.
        stale: bool,
        /// What else the policy of this host forbids.
        forbidden: Option<String>,
    },
    /// A catalog without a signed manifest.
    Unsigned(Error),
    /// Nothing is known to be altered, but no key that is trusted here signed it: it is from another site, or `oct dump`
    /// signed it with a temporary key. The files match the manifest, but nothing proves the manifest.
    NotProvable {
        /// Why.
        cause: Error,
    },
    /// The signature does not match, or the files are not what was signed. If no file deviates, the signature may also be
    /// by a key that has copied the id of a trusted one.
    NotAsSigned {
        /// Why.
        cause: Error,
        /// Every difference between the files and the manifest, at most a thousand; empty if they were not compared.
        deviations: Vec<String>,
        /// How many more there are.
        more: u64,
        /// Whether a key that is trusted here signed the manifest.
        is_signed: bool,
    },
}

/// A replaced version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousVersion {
    /// Its name in `.oct/previous`.
    pub name: String,
    /// The `created` that its manifest states, unverified; `None` for a catalog of unknown origin.
    pub created: Option<Timestamp>,
}

/// Reads the folder `dir` and verifies what is in it.
///
/// # Errors
/// If the folder cannot be read, or another process changes it for too long. A catalog that is not what was signed
/// is not an error here, but a [`State`].
pub fn status(
    dir: &Path,
    max_age: Option<SignedDuration>,
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Status, Error> {
    let max_age = keyring.policy().max_age(max_age);
    let folder = Store::open(dir).read(&Holder::new("oct status", now), LOCK_WAIT, progress)?;
    let mut warnings = Vec::new();
    if folder.is_unfinished() {
        warnings.push("an interrupted change is not complete; run oct as a user who may write into the folder".into());
    }
    let state = match folder.installed()? {
        None => State::Nothing,
        Some(installed) => match installed.manifest {
            None => State::Unsigned(Error::Unsigned(dir.to_owned())),
            Some(signed) => proved(dir, &folder, signed, max_age, keyring, now, progress)?,
        },
    };
    folder.require_unchanged()?;
    if let State::Intact { manifest, .. } = &state {
        warnings.extend(future_warning(manifest, now));
    }
    let previous = folder.previous()?.into_iter().map(|version| {
        let manifest = version.manifest.and_then(|signed| Manifest::parse(signed.unverified_text()).ok());
        PreviousVersion { name: version.name, created: manifest.map(|manifest| manifest.created) }
    });
    let mut history = folder.history(usize::MAX)?;
    let last = [Action::Install, Action::Rollback].into_iter().filter_map(|action| {
        let entry = history.iter().find(|entry| entry.action == action)?;
        Some((action, entry.time))
    });
    let last = last.collect();
    history.truncate(HISTORY_LINES);
    Ok(Status {
        dir: dir.to_owned(),
        state,
        previous: previous.collect(),
        history,
        last,
        recovered: folder.recovered().to_vec(),
        warnings,
        max_age,
        policy: keyring.policy().rules(),
    })
}

/// The state of a folder with a manifest.
fn proved(
    dir: &Path,
    folder: &Folder,
    signed: SignedManifest,
    max_age: Option<SignedDuration>,
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<State, Error> {
    if signed.signatures().is_empty() {
        return Ok(State::Unsigned(Error::Unsigned(dir.to_owned())));
    }
    let compared = |manifest: &Manifest, is_signed| {
        progress.begin("verifying", None);
        let findings = folder.compare(manifest);
        progress.end("verifying");
        match super::verify::require_intact(dir, &findings) {
            Err(cause) if cause.class() == Class::Verification => {
                let deviations = findings.deviations.iter().map(ToString::to_string).collect();
                Ok(Some(State::NotAsSigned { cause, deviations, more: findings.more, is_signed }))
            }
            other => other.map(|()| None),
        }
    };
    let unproved = |cause| State::NotProvable { cause: Error::NotProvable { path: dir.to_owned(), cause } };
    match signed.clone().verify(keyring) {
        Ok(manifest) => Ok(compared(&manifest, true)?.unwrap_or_else(|| {
            let age = now.duration_since(manifest.created);
            let stale = max_age.is_some_and(|max| age > max);
            let forbidden = match keyring.policy().check(&manifest, now) {
                Ok(()) | Err(Violation::TooOld { .. }) => None,
                Err(forbidden) => Some(forbidden.to_string()),
            };
            State::Intact { manifest: Box::new(manifest), age: age.as_secs(), stale, forbidden }
        })),
        Err(VerifyError::Signature(cause)) if cause.is_unproved() => match Manifest::parse(signed.unverified_text()) {
            // Files that deviate from the manifest are altered, whoever signed it.
            Ok(manifest) => Ok(compared(&manifest, false)?.unwrap_or_else(|| unproved(cause))),
            Err(_) => Ok(unproved(cause)),
        },
        Err(error) => {
            let manifest = Manifest::parse(signed.unverified_text()).ok();
            let deviates = manifest.map(|manifest| compared(&manifest, false)).transpose()?.flatten();
            let cause = Error::of_manifest(dir, error);
            Ok(deviates.unwrap_or(State::NotAsSigned { cause, deviations: vec![], more: 0, is_signed: false }))
        }
    }
}
