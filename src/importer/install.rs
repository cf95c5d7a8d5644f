//! The two possible changes: install the staged version, or go back to a previous version.

use std::path::Path;

use jiff::Timestamp;

use super::checkpoint::Checkpoint;
use super::error::{Result, StoreError};
use super::folder::{Folder, Previous};
use super::history::{Action, HistoryEntry};
use super::journal::Incoming;
use super::paths::{self, PREVIOUS, TRASH};
use super::recovery::{self, Recovered};
use super::store::Locked;
use super::swap::{self, Discarded, Method, Swap};
use super::tree;
use crate::base::digest::Sha256Digest;
use crate::trust::manifest::{Manifest, content_digest};
use crate::trust::signed::VerifiedManifest;

/// How to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallOptions {
    /// How many previous versions stay. Versions of unknown origin always stay and are not counted.
    pub keep: usize,
    /// The time by this host's clock, for the history.
    pub now: Timestamp,
    /// The archive's name, for the history.
    pub archive: String,
}

/// What was done.
#[derive(Debug)]
pub struct Report {
    /// How `data` was replaced.
    pub method: Method,
    /// The line in the history; its `previous` names the replaced version.
    pub entry: HistoryEntry,
    /// The previous versions that were removed, by name.
    pub removed: Vec<String>,
    /// What could not be cleaned up. The next run tries again.
    pub warnings: Vec<StoreError>,
}

/// Installs the version in the staging area.
pub(super) fn install(folder: &Folder, manifest: &VerifiedManifest, options: &InstallOptions) -> Result<Report> {
    let entry = HistoryEntry {
        time: options.now,
        action: Action::Install,
        archive: Some(options.archive.clone()),
        created: Some(manifest.created),
        counts: Some(manifest.counts),
        content: Some(manifest.content),
        key_id: Some(manifest.signer().key_id.clone()),
        previous: None,
    };
    let mut report = run(folder, Incoming::Staging, content_digest(&manifest.files), Some(options.keep), entry)?;
    if let Err(error) = recovery::empty_trash(folder) {
        report.warnings.push(error);
    }
    Ok(report)
}

impl Report {
    /// The name of the version that was replaced, where it is still there.
    #[must_use]
    pub fn kept(&self) -> Option<&str> {
        self.entry.previous.as_deref().filter(|name| !self.removed.iter().any(|removed| removed == name))
    }
}

impl Locked {
    /// Restores the newest previous version: see [`Self::rollback_to`].
    ///
    /// # Errors
    /// [`StoreError::NoPrevious`] if there is none, and those of [`Self::rollback_to`].
    pub fn rollback(&mut self, now: Timestamp) -> Result<Report> {
        match self.previous()?.into_iter().next() {
            Some(version) => self.rollback_to(version, now),
            None => Err(StoreError::NoPrevious { dir: self.dir().to_owned() }),
        }
    }

    /// Restores a previous version. The version that it replaces becomes the newest previous version, so that a second
    /// rollback undoes the first.
    ///
    /// Its manifest and files are not verified here: see [`Folder::previous`] and [`Folder::verify_previous`].
    ///
    /// # Errors
    /// Either nothing has changed, or the error is [`StoreError::Unfinished`].
    pub fn rollback_to(&mut self, version: Previous, now: Timestamp) -> Result<Report> {
        let folder: &Folder = self;
        let manifest = version.manifest.and_then(|signed| Manifest::parse(signed.unverified_text()).ok());
        let entry = HistoryEntry {
            time: now,
            action: Action::Rollback,
            archive: None,
            created: manifest.as_ref().map(|manifest| manifest.created),
            counts: manifest.as_ref().map(|manifest| manifest.counts),
            content: manifest.as_ref().map(|manifest| manifest.content),
            key_id: None,
            previous: None,
        };
        let tree = tree::digest(folder.oct()?, &paths::version(&version.place))?;
        run(folder, Incoming::Previous(version.place), tree, None, entry)
    }
}

/// Makes a swap. After a failure it recovers at once, as far as possible.
fn run(
    folder: &Folder,
    incoming: Incoming,
    tree: Sha256Digest,
    keep: Option<usize>,
    entry: HistoryEntry,
) -> Result<Report> {
    let mut begun = None;
    let outcome = Swap::begin(folder, incoming, tree, keep, entry).and_then(|swap| {
        let swap = begun.insert(swap);
        let method = swap.data()?;
        let Discarded { removed, error } = swap.complete()?;
        Ok(Report { method, entry: swap.journal.entry.clone(), removed, warnings: error.into_iter().collect() })
    });
    let Err(error) = outcome else { return outcome };
    let in_place = begun.is_some_and(|swap| swap.in_place);
    match recovery::recover(folder) {
        Ok(done) if in_place || done.iter().any(|done| matches!(done, Recovered::Completed(_))) => {
            Err(swap::unfinished(folder, true, false, error))
        }
        Ok(_) => Err(error),
        // Without a journal, the next run can find only leftovers.
        Err(_) if !in_place && matches!(folder.has_journal(), Ok(false)) => Err(error),
        Err(_) => Err(swap::unfinished(folder, in_place, true, error)),
    }
}

/// Moves all but the `keep` newest previous catalogs to the trash, which is emptied when the swap is over. A rollback
/// must never choose a version that is half removed. Files that were moved away because they are not a catalog of
/// `oct` stay and are not counted.
pub(super) fn discard(folder: &Folder, keep: usize, removed: &mut Vec<String>) -> Result<()> {
    discard_versions(folder, folder.previous()?.into_iter().filter(Previous::is_catalog).skip(keep), removed)
}

/// Moves versions to the trash; their names are added to `removed`.
pub(super) fn discard_versions(
    folder: &Folder,
    versions: impl Iterator<Item = Previous>,
    removed: &mut Vec<String>,
) -> Result<()> {
    let oct = folder.oct()?;
    for place in versions.map(|version| version.place) {
        oct.ensure_folder(TRASH)?;
        folder.before(Checkpoint::Discard, "move", &oct.at(paths::version(&place)))?;
        oct.rename(paths::version(&place), oct, Path::new(TRASH).join(&place))?;
        removed.push(place.into());
    }
    if !removed.is_empty() {
        oct.sync_below(PREVIOUS)?;
        oct.sync_below(TRASH)?;
    }
    Ok(())
}
