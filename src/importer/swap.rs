//! The swap: an incoming version takes the place of the installed one, step by step, each of which can be the last.

use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result, StoreError};
use super::files;
use super::folder::{DATA, Folder, OUTGOING, PREVIOUS, manifest_files};
use super::history::{self, HistoryEntry};
use super::journal::{Incoming, Journal};
use super::tree;
use crate::base::digest::Sha256Digest;
use crate::trust::manifest::Manifest;
use crate::trust::signed::SignedManifest;

/// A copy that is being made, in the folder of its version.
const COPY: &str = "copy";

/// How `data` was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// There was none before.
    First,
    /// In one step: a reader finds the one or the other.
    Exchange,
    /// In two steps, as the filesystem cannot exchange: for an instant a reader finds none.
    TwoSteps,
    /// The old one was copied and removed, as the filesystem cannot move it (a lower layer of an overlay). For as long
    /// as that takes a reader finds a part of it, or none.
    Copy,
}

/// A journalled swap, about to be made or to be resumed.
pub(super) struct Swap<'f> {
    folder: &'f Folder,
    pub(super) journal: Journal,
    incoming: PathBuf,
    outgoing: PathBuf,
    /// Whether `data` is the incoming one.
    pub(super) in_place: bool,
}

impl<'f> Swap<'f> {
    /// The swap of a journal that was read.
    pub(super) fn of(folder: &'f Folder, journal: Journal) -> Self {
        let (incoming, outgoing) = (journal.incoming.path(folder), folder.inner(OUTGOING));
        Self { folder, journal, incoming, outgoing, in_place: false }
    }

    /// Writes the journal of a new swap.
    pub(super) fn begin(
        folder: &'f Folder,
        incoming: Incoming,
        tree: Sha256Digest,
        entry: HistoryEntry,
    ) -> Result<Self> {
        let mut swap = Self::of(folder, Journal::new(incoming, tree, entry));
        let journal = &mut swap.journal;
        for name in manifest_files() {
            if files::exists(&swap.incoming.join(&name))? {
                journal.incoming_files.push(name.clone());
            }
            if files::exists(&folder.dir().join(&name))? {
                journal.outgoing_files.push(name);
            }
        }
        let installed = folder.installed()?;
        journal.had_data = installed.as_ref().is_some_and(|installed| installed.data);
        if journal.had_data {
            let label = label(installed.and_then(|installed| installed.manifest).as_ref());
            journal.previous = Some(folder.name_for_previous(&label)?);
            journal.entry.previous.clone_from(&journal.previous);
        }
        for needed in [&swap.outgoing, &folder.inner(PREVIOUS)] {
            folder.before(Checkpoint::MakeStaging, "create", needed)?;
            files::ensure_folder(needed)?;
        }
        files::sync_folders(&[folder.oct()], Checkpoint::SyncFolders, &*folder.hooks)?;
        swap.journal.write(folder)?;
        Ok(swap)
    }

    /// Puts the incoming `data` in place.
    pub(super) fn data(&mut self) -> Result<Method> {
        let (folder, data) = (self.folder, self.folder.data());
        if !self.journal.had_data {
            self.move_in()?;
            return Ok(Method::First);
        }
        let new = self.incoming.join(DATA);
        let exchanged =
            folder.before(Checkpoint::Exchange, "exchange", &data).and_then(|()| files::exchange(&data, &new));
        match exchanged {
            Ok(()) => {
                self.in_place = true;
                self.collect()?;
                return Ok(Method::Exchange);
            }
            Err(error) => match error.errno() {
                Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::XDEV) => {}
                _ => return Err(error),
            },
        }
        let old = self.outgoing.join(DATA);
        let moved = folder.before(Checkpoint::MoveOldAway, "move", &data).and_then(|()| files::rename(&data, &old));
        match moved {
            Ok(()) => {
                self.move_in()?;
                Ok(Method::TwoSteps)
            }
            Err(error) if error.errno() == Some(Errno::XDEV) => {
                self.copy_away()?;
                self.move_in()?;
                Ok(Method::Copy)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies `data` to the outgoing version, then removes it.
    fn copy_away(&mut self) -> Result<()> {
        let (folder, data) = (self.folder, self.folder.data());
        let copy = self.outgoing.join(COPY);
        files::remove(&copy)?;
        folder.before(Checkpoint::CopyOldAway, "copy", &data)?;
        tree::copy(&data, &copy)?;
        // Said before it is true: without `outgoing/data`, it means nothing.
        self.journal.copied = true;
        self.journal.write(folder)?;
        files::rename(&copy, &self.outgoing.join(DATA))?;
        files::sync_folder(&self.outgoing)?;
        folder.before(Checkpoint::RemoveOld, "remove", &data)?;
        files::remove(&data)?;
        Ok(())
    }

    /// Moves the incoming `data` to a place that is free; where that fails, moves the old one back there.
    fn move_in(&mut self) -> Result<()> {
        let (folder, data) = (self.folder, self.folder.data());
        let new = self.incoming.join(DATA);
        let moved = folder
            .before(Checkpoint::MoveNewIn, "move something to", &data)
            .and_then(|()| files::rename(&new, &data))
            .or_else(|error| if error.errno() == Some(Errno::XDEV) { self.copy_in() } else { Err(error) });
        match moved {
            Ok(()) => self.in_place = true,
            Err(error) => {
                let old = self.outgoing.join(DATA);
                if files::exists(&old)? && !files::exists(&data)? {
                    files::rename(&old, &data)?;
                }
                return Err(error);
            }
        }
        // Only a copy leaves something behind.
        self.remove_incoming()
    }

    /// Puts a copy of the incoming `data` in place, as a previous version may lie where it cannot be moved from.
    fn copy_in(&self) -> Result<()> {
        let (new, copy) = (self.incoming.join(DATA), self.incoming.join(COPY));
        self.folder.before(Checkpoint::CopyNewIn, "copy", &new)?;
        files::remove(&copy)?;
        tree::copy(&new, &copy)?;
        files::rename(&copy, &self.folder.data())?;
        files::sync_folder(self.folder.dir())
    }

    /// Removes the incoming `data` after it was copied into place.
    fn remove_incoming(&self) -> Result<()> {
        let new = self.incoming.join(DATA);
        if files::exists(&new)? {
            self.folder.before(Checkpoint::RemoveNew, "remove", &new)?;
            files::remove(&new)?;
        }
        Ok(())
    }

    /// After an exchange: the old `data` joins the outgoing version.
    fn collect(&self) -> Result<()> {
        let new = self.incoming.join(DATA);
        self.folder.before(Checkpoint::CollectOld, "move", &new)?;
        files::rename(&new, &self.outgoing.join(DATA))
    }

    /// Goes on where a swap of `data` was interrupted; `false` if it had not begun.
    pub(super) fn resume(&mut self) -> Result<bool> {
        let data = self.folder.data();
        let [installed, incoming, outgoing] = [
            files::exists(&data)?,
            files::exists(&self.incoming.join(DATA))?,
            files::exists(&self.outgoing.join(DATA))?,
        ];
        if !incoming {
            self.in_place = true;
        } else if outgoing || (self.journal.had_data && !installed) {
            // The old one is away; the new one is not in, or it is a copy.
            if installed && tree::digest(self.folder.dir())? == self.journal.tree {
                self.in_place = true;
                return self.remove_incoming().map(|()| true);
            }
            if installed && self.journal.copied {
                files::remove(&data)?;
            } else if installed {
                // Somebody else made it in the meantime.
                set_aside(self.folder, &data)?;
            }
            self.move_in()?;
        } else if installed && tree::digest(self.folder.dir())? == self.journal.tree {
            self.in_place = true;
            if self.journal.had_data {
                self.collect()?;
            } else {
                self.remove_incoming()?;
            }
        }
        Ok(self.in_place)
    }

    /// Everything after the swap of `data`. Each step finds out by itself whether it is done.
    pub(super) fn complete(&self) -> Result<()> {
        let folder = self.folder;
        files::remove(&self.incoming.join(COPY))?;
        let touched = [folder.dir().to_owned(), self.incoming.clone(), self.outgoing.clone()];
        files::sync_folders(&touched, Checkpoint::SyncSwap, &*folder.hooks)?;
        for name in manifest_files() {
            self.swap_file(&name)?;
        }
        files::sync_folders(&touched, Checkpoint::SyncManifest, &*folder.hooks)?;
        if files::exists(&self.outgoing)? {
            folder.before(Checkpoint::KeepOld, "move", &self.outgoing)?;
            match &self.journal.previous {
                Some(name) => files::rename(&self.outgoing, &folder.inner(PREVIOUS).join(name))?,
                None => {
                    files::remove(&self.outgoing)?;
                }
            }
        }
        files::sync_folder(&folder.inner(PREVIOUS))?;
        files::sync_folder(&folder.oct())?;
        history::append(folder, &self.journal.entry)?;
        files::remove_if_empty(&self.incoming)?;
        Journal::remove(folder)
    }

    /// Swaps one file beside `data`.
    fn swap_file(&self, name: &String) -> Result<()> {
        let (installed, incoming, outgoing) =
            (self.folder.dir().join(name), self.incoming.join(name), self.outgoing.join(name));
        let comes = self.journal.incoming_files.contains(name);
        let goes = self.journal.outgoing_files.contains(name);
        let moved_in = comes && !files::exists(&incoming)?;
        if goes && !moved_in && !files::exists(&outgoing)? && files::exists(&installed)? {
            self.folder.before(Checkpoint::MoveManifestAway, "move", &installed)?;
            files::rename(&installed, &outgoing)?;
        }
        if comes && !moved_in {
            self.folder.before(Checkpoint::MoveManifestIn, "move", &incoming)?;
            fs::rename(&incoming, &installed).doing("move", &incoming)?;
        }
        Ok(())
    }

    /// Forgets a swap that had not begun.
    pub(super) fn take_back(&self) -> Result<()> {
        files::remove(&self.incoming.join(COPY))?;
        let staged = self.incoming.join(DATA);
        if self.journal.incoming == Incoming::Staging
            && files::exists(&staged)?
            && tree::digest(&self.incoming)? != self.journal.tree
        {
            // Neither this nor `data` is what was staged, so it cannot be told which of them is the old one.
            set_aside(self.folder, &staged)?;
        }
        Journal::remove(self.folder)
    }
}

/// Makes a `data` of unknown origin a previous version.
fn set_aside(folder: &Folder, data: &std::path::Path) -> Result<()> {
    let previous = folder.inner(PREVIOUS);
    files::ensure_folder(&previous)?;
    let version = previous.join(folder.name_for_previous(&label(None))?);
    files::make_folder(&version)?;
    files::rename(data, &version.join(DATA))?;
    files::sync_folder(&version)?;
    files::sync_folder(&previous)
}

/// What a version is called behind its number.
pub(super) fn label(manifest: Option<&SignedManifest>) -> String {
    match manifest {
        None => "foreign".into(),
        Some(signed) => match Manifest::parse(signed.unverified_text()) {
            Ok(manifest) => manifest.created.strftime("%Y%m%dT%H%M%SZ").to_string(),
            Err(_) => "unreadable".into(),
        },
    }
}

/// The error of a swap that failed underway.
pub(super) fn unfinished(folder: &Folder, in_place: bool, pending: bool, source: StoreError) -> StoreError {
    StoreError::Unfinished { dir: folder.dir().to_owned(), in_place, pending, source: Box::new(source) }
}
