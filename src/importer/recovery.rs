//! Completes or undoes what an interrupted run left, before anything else is done in the folder.

use std::fmt;
use std::path::Path;

use rustix::fs::FileType;

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result, StoreError};
use super::folder::Folder;
use super::history::{Action, HistoryEntry};
use super::journal::Journal;
use super::paths::{DATA, JOURNAL_TEMPORARY, OUTGOING, PREVIOUS, STAGING, TRASH, manifest_files, version};
use super::swap::{self, Swap};
use crate::base::text;

/// What an earlier run left, and recovery did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// A swap had begun and is complete now.
    Completed(Box<HistoryEntry>),
    /// A swap had been prepared, and nothing changed.
    TakenBack(Box<HistoryEntry>),
    /// A half-unpacked catalog was removed.
    RemovedStaging,
    /// A misplaced version became a previous one, with this name.
    Kept(String),
    /// Remains of a version that was being removed are gone.
    EmptiedTrash,
    /// What an interrupted run left cannot be removed, for this cause. The catalog is not affected.
    Remains(String),
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = |entry: &HistoryEntry| {
            let action = match entry.action {
                Action::Install => "installation",
                Action::Rollback => "rollback",
            };
            match (&entry.archive, entry.created) {
                (Some(archive), _) => format!("{action} of {}", text::sanitize(archive)),
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
            Self::Remains(cause) => write!(f, "{cause}; the catalog is not affected; remove that folder by hand"),
        }
    }
}

/// Recovers everything. The caller holds the exclusive lock.
pub(super) fn recover(folder: &Folder) -> Result<Vec<Recovered>> {
    let mut done = Vec::new();
    if let Some(journal) = Journal::read(folder)? {
        let mut swap = Swap::of(folder, journal)?;
        if swap.resume()? {
            swap.complete()?;
            done.push(Recovered::Completed(Box::new(swap.journal.entry)));
        } else {
            swap.take_back()?;
            done.push(Recovered::TakenBack(Box::new(swap.journal.entry)));
        }
    }
    let oct = folder.oct()?;
    oct.remove(JOURNAL_TEMPORARY)?;
    if oct.exists(STAGING)? {
        let removed = folder.before(Checkpoint::RemoveStaging, "remove", &oct.at(STAGING));
        done.push(match removed.and_then(|()| oct.remove(STAGING)) {
            Ok(_) => Recovered::RemovedStaging,
            Err(error) => remains(&error),
        });
    }
    if let Some(name) = keep_outgoing(folder)? {
        done.push(Recovered::Kept(name));
    }
    match empty_trash(folder) {
        Ok(false) => {}
        Ok(true) => done.push(Recovered::EmptiedTrash),
        Err(error) => done.push(remains(&error)),
    }
    remove_empty_versions(folder)?;
    Ok(done)
}

/// A leftover that cannot be removed takes space, but does not affect the catalog.
fn remains(error: &StoreError) -> Recovered {
    Recovered::Remains(text::with_causes(error))
}

/// Keeps an outgoing version that has no journal, as a previous version.
fn keep_outgoing(folder: &Folder) -> Result<Option<String>> {
    let oct = folder.oct()?;
    let outgoing = Path::new(OUTGOING);
    let mut parts = vec![outgoing.join(DATA)];
    parts.extend(manifest_files().map(|name| outgoing.join(name)));
    let mut holds = false;
    for part in &parts {
        holds = holds || oct.exists(part)?;
    }
    if !holds {
        oct.remove(outgoing)?;
        return Ok(None);
    }
    let name = folder.name_for_previous(swap::label(oct, outgoing)?.as_deref())?;
    let previous = oct.ensure_folder(PREVIOUS)?;
    oct.rename(outgoing, oct, version(&name))?;
    previous.sync()?;
    Ok(Some(name.into()))
}

/// Empties the trash; returns whether there was something.
pub(super) fn empty_trash(folder: &Folder) -> Result<bool> {
    let oct = folder.oct()?;
    if !oct.exists(TRASH)? {
        return Ok(false);
    }
    folder.before(Checkpoint::EmptyTrash, "remove", &oct.at(TRASH))?;
    oct.remove(TRASH)
}

/// A version is moved into or out of its folder; a crash can leave the folder empty.
fn remove_empty_versions(folder: &Folder) -> Result<()> {
    let oct = folder.oct()?;
    if oct.kind(PREVIOUS)? != Some(FileType::Directory) {
        return Ok(());
    }
    let path = oct.at(PREVIOUS);
    for name in oct.names(PREVIOUS).doing("read", &path)? {
        let version = Path::new(PREVIOUS).join(name.doing("read", &path)?);
        if oct.kind(&version)? == Some(FileType::Directory) {
            oct.remove_if_empty(version)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recovered_is_said() {
        let entry = |action, archive: Option<&str>, created: Option<&str>| {
            Box::new(HistoryEntry {
                time: jiff::Timestamp::UNIX_EPOCH,
                action,
                archive: archive.map(str::to_owned),
                created: created.map(|created| created.parse().unwrap()),
                counts: None,
                content: None,
                key_id: None,
                previous: None,
            })
        };
        let date = Some("2026-02-04T19:40:00Z");
        let said = [
            Recovered::Completed(entry(Action::Install, Some("a.tar\u{1b}.zst"), date)).to_string(),
            Recovered::TakenBack(entry(Action::Rollback, None, date)).to_string(),
            Recovered::Completed(entry(Action::Rollback, None, None)).to_string(),
            Recovered::RemovedStaging.to_string(),
            Recovered::Kept("0001-x".into()).to_string(),
            Recovered::EmptiedTrash.to_string(),
            Recovered::Remains("cannot remove `x`".into()).to_string(),
        ];
        assert!(said[0].starts_with("completed an interrupted installation of a.tar") && !said[0].contains('\u{1b}'));
        assert_eq!(said[1], "took back an interrupted rollback to the catalog of 2026-02-04T19:40:00Z");
        assert_eq!(said[2], "completed an interrupted rollback");
        let distinct: std::collections::BTreeSet<_> = said.iter().collect();
        assert!(distinct.len() == said.len() && said[4].contains("0001-x"), "{said:?}");
    }
}
