//! The swap: an incoming version replaces the installed one in steps. The process can die after each of them.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};
use super::files::Dir;
use super::folder::{Folder, has_layout, is_of_oct, read_manifest};
use super::history::{self, HistoryEntry};
use super::install;
use super::journal::{Incoming, Journal};
use super::paths::{DATA, Name, OUTGOING, PREVIOUS, manifest_files, version};
use super::tree;
use crate::base::digest::Sha256Digest;
use crate::trust::manifest::Manifest;

/// A copy that is being made, in the folder of its version.
const COPY: &str = "copy";

/// How `data` was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// There was none before.
    First,
    /// In one step: a reader finds either the old or the new one.
    Exchange,
    /// In two steps, because the filesystem cannot exchange: for an instant a reader finds none.
    TwoSteps,
    /// The old one was copied and removed, because the filesystem cannot move it (a lower layer of an overlay). During
    /// that time a reader finds a part of it, or none.
    Copy,
}

/// A journalled swap, about to be made or to be resumed.
pub(super) struct Swap<'f> {
    folder: &'f Folder,
    root: &'f Dir,
    oct: &'f Dir,
    pub(super) journal: Journal,
    /// Where the incoming version lies below `.oct`.
    incoming: PathBuf,
    /// Where its `data` lies.
    new: PathBuf,
    /// Where the `data` that it replaces goes.
    old: PathBuf,
    /// Whether `data` is the incoming one.
    pub(super) in_place: bool,
}

/// What a swap did with earlier versions at its end.
#[derive(Debug, Default)]
pub(super) struct Discarded {
    /// The names of the removed ones.
    pub(super) removed: Vec<String>,
    /// Why more remain than should.
    pub(super) error: Option<StoreError>,
}

impl<'f> Swap<'f> {
    /// The swap of a journal that was read.
    pub(super) fn of(folder: &'f Folder, journal: Journal) -> Result<Self> {
        let incoming = journal.incoming.path();
        let (new, old) = (incoming.join(DATA), Path::new(OUTGOING).join(DATA));
        Ok(Self { folder, root: folder.root()?, oct: folder.oct()?, journal, incoming, new, old, in_place: false })
    }

    /// Writes the journal of a new swap, after which `keep` previous catalogs stay.
    pub(super) fn begin(
        folder: &'f Folder,
        incoming: Incoming,
        tree: Sha256Digest,
        keep: Option<usize>,
        entry: HistoryEntry,
    ) -> Result<Self> {
        let mut swap = Self::of(folder, Journal::new(incoming, tree, entry))?;
        let (root, oct, journal) = (swap.root, swap.oct, &mut swap.journal);
        for name in manifest_files() {
            if oct.exists(swap.incoming.join(&name))? {
                journal.incoming_files.push(name.clone());
            }
            if root.exists(&name)? {
                journal.outgoing_files.push(name);
            }
        }
        journal.had_data = root.exists(DATA)?;
        journal.keep = keep;
        let ours = read_manifest(root, Path::new(""))?.as_ref().is_some_and(is_of_oct);
        // Without its data a manifest of oct is worth nothing; other files are kept.
        if journal.had_data || (!journal.outgoing_files.is_empty() && !ours) {
            let name = folder.name_for_previous(label(root, Path::new(""))?.as_deref())?;
            journal.entry.previous = Some(name.to_string());
            journal.previous = Some(name);
        }
        for needed in [OUTGOING, PREVIOUS] {
            folder.before(Checkpoint::MakeStaging, "create", &oct.at(needed))?;
            oct.ensure_folder(needed)?;
        }
        // Fail before the swap if the history could not be written after it.
        history::open(oct)?;
        sync(oct, Checkpoint::SyncFolders, &*folder.hooks)?;
        swap.journal.write(folder)?;
        Ok(swap)
    }

    fn data_path(&self) -> PathBuf {
        self.root.at(DATA)
    }

    /// Puts the incoming `data` in place.
    pub(super) fn data(&mut self) -> Result<Method> {
        let (folder, data) = (self.folder, self.data_path());
        if !self.journal.had_data {
            self.move_in()?;
            return Ok(Method::First);
        }
        let exchanged = folder
            .before(Checkpoint::Exchange, "exchange", &data)
            .and_then(|()| self.root.exchange(DATA, self.oct, &self.new));
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
        let moved = folder
            .before(Checkpoint::MoveOldAway, "move", &data)
            .and_then(|()| self.root.rename(DATA, self.oct, &self.old));
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
        let (folder, data) = (self.folder, self.data_path());
        let copy = Path::new(OUTGOING).join(COPY);
        self.oct.remove(&copy)?;
        folder.before(Checkpoint::CopyOldAway, "copy", &data)?;
        tree::copy(self.root, Path::new(DATA), self.oct, &copy)?;
        // Written before it is true: without `outgoing/data` it has no effect.
        self.journal.copied = true;
        self.journal.write(folder)?;
        self.oct.rename(&copy, self.oct, &self.old)?;
        self.oct.sync_below(OUTGOING)?;
        folder.before(Checkpoint::RemoveOld, "remove", &data)?;
        self.root.remove(DATA)?;
        Ok(())
    }

    /// Moves the incoming `data` to a free place; if that fails, moves the old one back there.
    fn move_in(&mut self) -> Result<()> {
        let moved = self
            .folder
            .before(Checkpoint::MoveNewIn, "move something to", &self.data_path())
            .and_then(|()| self.oct.rename(&self.new, self.root, DATA))
            .or_else(|error| if error.errno() == Some(Errno::XDEV) { self.copy_in() } else { Err(error) });
        match moved {
            Ok(()) => self.in_place = true,
            Err(error) => {
                if self.oct.exists(&self.old)? && !self.root.exists(DATA)? {
                    self.oct.rename(&self.old, self.root, DATA)?;
                }
                return Err(error);
            }
        }
        // Only a copy leaves something behind.
        self.remove_incoming()
    }

    /// Puts a copy of the incoming `data` in place, because some filesystems cannot move a previous version.
    fn copy_in(&self) -> Result<()> {
        let copy = self.incoming.join(COPY);
        self.folder.before(Checkpoint::CopyNewIn, "copy", &self.oct.at(&self.new))?;
        self.oct.remove(&copy)?;
        tree::copy(self.oct, &self.new, self.oct, &copy)?;
        self.oct.rename(&copy, self.root, DATA)?;
        self.root.sync()
    }

    /// Removes the incoming `data` after it was copied into place.
    fn remove_incoming(&self) -> Result<()> {
        if self.oct.exists(&self.new)? {
            self.folder.before(Checkpoint::RemoveNew, "remove", &self.oct.at(&self.new))?;
            self.oct.remove(&self.new)?;
        }
        Ok(())
    }

    /// After an exchange: the old `data` joins the outgoing version.
    fn collect(&self) -> Result<()> {
        self.folder.before(Checkpoint::CollectOld, "move", &self.oct.at(&self.new))?;
        self.oct.rename(&self.new, self.oct, &self.old)
    }

    /// Whether `data` is the tree that the journal announces.
    fn is_installed(&self) -> Result<bool> {
        tree::has_digest(self.root, Path::new(""), self.journal.tree)
    }

    /// Continues an interrupted swap of `data`; `false` if it had not begun.
    pub(super) fn resume(&mut self) -> Result<bool> {
        let [installed, incoming, outgoing] =
            [self.root.exists(DATA)?, self.oct.exists(&self.new)?, self.oct.exists(&self.old)?];
        if !incoming {
            self.in_place = true;
        } else if outgoing || (self.journal.had_data && !installed) {
            // The old one was moved away; the new one is not in place yet, or it is a copy.
            if installed && self.is_installed()? {
                self.in_place = true;
                return self.remove_incoming().map(|()| true);
            }
            if installed && self.journal.copied {
                self.root.remove(DATA)?;
            } else if installed {
                // Somebody else made it in the meantime.
                set_aside(self.folder, self.root, Path::new(DATA))?;
            }
            self.move_in()?;
        } else if installed && self.is_installed()? {
            self.in_place = true;
            if self.journal.had_data {
                self.collect()?;
            } else {
                self.remove_incoming()?;
            }
        }
        Ok(self.in_place)
    }

    /// All steps after the swap of `data`. Each step checks first whether it is done.
    pub(super) fn complete(&self) -> Result<Discarded> {
        let (folder, oct) = (self.folder, self.oct);
        oct.remove(self.incoming.join(COPY))?;
        self.sync_touched(Checkpoint::SyncSwap)?;
        for name in manifest_files() {
            self.swap_file(&name)?;
        }
        self.sync_touched(Checkpoint::SyncManifest)?;
        if oct.exists(OUTGOING)? {
            folder.before(Checkpoint::KeepOld, "move", &oct.at(OUTGOING))?;
            match &self.journal.previous {
                Some(name) => oct.rename(OUTGOING, oct, version(name))?,
                None => {
                    oct.remove(OUTGOING)?;
                }
            }
        }
        oct.sync_below(PREVIOUS)?;
        oct.sync()?;
        history::append(folder, &self.journal.entry)?;
        let mut discarded = Discarded::default();
        if let Some(keep) = self.journal.keep {
            let mut discard = || install::discard(folder, keep, &mut discarded.removed);
            // No later run does this step, and the failure may be temporary.
            discarded.error = discard().or_else(|_| discard()).err();
        }
        oct.remove_if_empty(&self.incoming)?;
        Journal::remove(folder)?;
        Ok(discarded)
    }

    /// Syncs the three folders that took part in moves.
    fn sync_touched(&self, checkpoint: Checkpoint) -> Result<()> {
        let hooks = &*self.folder.hooks;
        sync(self.root, checkpoint, hooks)?;
        for path in [self.incoming.as_path(), Path::new(OUTGOING)] {
            hooks.before(checkpoint).doing("sync", &self.oct.at(path))?;
            self.oct.sync_below(path)?;
        }
        Ok(())
    }

    /// Swaps one file beside `data`.
    fn swap_file(&self, name: &Name) -> Result<()> {
        let (incoming, outgoing) = (self.incoming.join(name), Path::new(OUTGOING).join(name));
        let comes = self.journal.incoming_files.contains(name);
        let goes = self.journal.outgoing_files.contains(name);
        let moved_in = comes && !self.oct.exists(&incoming)?;
        if goes && !moved_in && !self.oct.exists(&outgoing)? && self.root.exists(name)? {
            self.folder.before(Checkpoint::MoveManifestAway, "move", &self.root.at(name))?;
            self.root.rename(name, self.oct, &outgoing)?;
        }
        if comes && !moved_in {
            self.folder.before(Checkpoint::MoveManifestIn, "move", &self.oct.at(&incoming))?;
            self.oct.replace(&incoming, self.root, name)?;
        }
        Ok(())
    }

    /// Forgets a swap that had not begun: the incoming data are still there.
    pub(super) fn take_back(&self) -> Result<()> {
        self.oct.remove(self.incoming.join(COPY))?;
        let is_staged = self.journal.incoming == Incoming::Staging;
        if is_staged && !tree::has_digest(self.oct, &self.incoming, self.journal.tree)? {
            // Neither this nor `data` is the staged version, so it is unknown which of them is the old one.
            set_aside(self.folder, self.oct, &self.new)?;
        }
        Journal::remove(self.folder)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Dir, checkpoint: Checkpoint, hooks: &dyn Checkpoints) -> Result<()> {
    hooks.before(checkpoint).doing("sync", folder.path())?;
    folder.sync()
}

/// Makes a `data` of unknown origin a previous version.
fn set_aside(folder: &Folder, from: &Dir, data: &Path) -> Result<()> {
    let oct = folder.oct()?;
    let previous = oct.ensure_folder(PREVIOUS)?;
    let version = previous.make_folder(folder.name_for_previous(None)?)?;
    from.rename(data, &version, DATA)?;
    version.sync()?;
    previous.sync()
}

/// The label of the version `at` after its number: the date of its catalog, `None` if it is not a catalog or not only
/// one.
pub(super) fn label(dir: &Dir, at: &Path) -> Result<Option<String>> {
    let Some(signed) = read_manifest(dir, at)? else { return Ok(None) };
    if !has_layout(dir, at)? {
        return Ok(None);
    }
    Ok(Some(match Manifest::parse(signed.unverified_text()) {
        Ok(manifest) => manifest.created.strftime("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => "unreadable".into(),
    }))
}

/// The error of a swap that failed after its start.
pub(super) fn unfinished(folder: &Folder, in_place: bool, pending: bool, source: StoreError) -> StoreError {
    StoreError::Unfinished { dir: folder.dir().to_owned(), in_place, pending, source: Box::new(source) }
}
