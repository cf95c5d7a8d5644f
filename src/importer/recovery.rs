//! What a crash left is completed or taken back, before anything else is done in the folder.

use std::fmt;
use std::fs;

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result};
use super::files;
use super::folder::{DATA, Folder, JOURNAL_TEMPORARY, OUTGOING, PREVIOUS, STAGING, TRASH};
use super::history::{Action, HistoryEntry};
use super::journal::Journal;
use super::swap::{self, Swap};

/// Something that an earlier run had left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// A swap had begun and is complete now.
    Completed(Box<HistoryEntry>),
    /// A swap had been prepared, and nothing changed.
    TakenBack(Box<HistoryEntry>),
    /// A half-unpacked catalog was removed.
    RemovedStaging,
    /// A version outside its place was made a previous one, by this name.
    Kept(String),
    /// Remains of a version that was being removed are gone.
    EmptiedTrash,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = |entry: &HistoryEntry| {
            let action = match entry.action {
                Action::Install => "installation",
                Action::Rollback => "rollback",
            };
            match (&entry.archive, entry.created) {
                (Some(archive), _) => format!("{action} of {}", crate::base::text::sanitize(archive)),
                (None, Some(created)) => format!("{action} to the catalog of {created}"),
                (None, None) => action.to_owned(),
            }
        };
        match self {
            Self::Completed(entry) => write!(f, "completed an interrupted {}", what(entry)),
            Self::TakenBack(entry) => write!(f, "took back an interrupted {}", what(entry)),
            Self::RemovedStaging => f.write_str("removed what an interrupted import had unpacked"),
            Self::Kept(name) => write!(f, "kept a catalog of an interrupted run as previous version {name}"),
            Self::EmptiedTrash => f.write_str("removed the rest of an old version"),
        }
    }
}

/// Settles everything. The caller holds the exclusive lock.
pub(super) fn recover(folder: &Folder) -> Result<Vec<Recovered>> {
    let mut done = Vec::new();
    if let Some(journal) = Journal::read(folder)? {
        let mut swap = Swap::of(folder, journal);
        if swap.resume()? {
            swap.complete()?;
            done.push(Recovered::Completed(Box::new(swap.journal.entry)));
        } else {
            swap.take_back()?;
            done.push(Recovered::TakenBack(Box::new(swap.journal.entry)));
        }
    }
    files::remove(&folder.inner(JOURNAL_TEMPORARY))?;
    let staging = folder.inner(STAGING);
    if files::exists(&staging)? {
        folder.before(Checkpoint::RemoveStaging, "remove", &staging)?;
        files::remove(&staging)?;
        done.push(Recovered::RemovedStaging);
    }
    if let Some(name) = keep_outgoing(folder)? {
        done.push(Recovered::Kept(name));
    }
    if empty_trash(folder)? {
        done.push(Recovered::EmptiedTrash);
    }
    remove_empty_versions(folder)?;
    Ok(done)
}

/// An outgoing version without a journal: never thrown away.
fn keep_outgoing(folder: &Folder) -> Result<Option<String>> {
    let outgoing = folder.inner(OUTGOING);
    if !files::exists(&outgoing)? {
        return Ok(None);
    }
    if !files::exists(&outgoing.join(DATA))? {
        files::remove(&outgoing)?;
        return Ok(None);
    }
    let manifest = Folder::new(outgoing.clone(), folder.hooks.clone()).installed()?.and_then(|found| found.manifest);
    let name = folder.name_for_previous(&swap::label(manifest.as_ref()))?;
    let previous = folder.inner(PREVIOUS);
    files::ensure_folder(&previous)?;
    files::rename(&outgoing, &previous.join(&name))?;
    files::sync_folder(&previous)?;
    Ok(Some(name))
}

/// Removes what was moved to the trash; whether there was something.
pub(super) fn empty_trash(folder: &Folder) -> Result<bool> {
    let trash = folder.inner(TRASH);
    if !files::exists(&trash)? {
        return Ok(false);
    }
    folder.before(Checkpoint::EmptyTrash, "remove", &trash)?;
    files::remove(&trash)
}

/// A version is moved into or out of its folder; a crash can leave the folder empty.
fn remove_empty_versions(folder: &Folder) -> Result<()> {
    let previous = folder.inner(PREVIOUS);
    if files::exists(&previous)? {
        for entry in fs::read_dir(&previous).doing("read", &previous)? {
            let entry = entry.doing("read", &previous)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                files::remove_if_empty(&entry.path())?;
            }
        }
    }
    Ok(())
}
