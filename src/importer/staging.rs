//! The staging area: a new version is written beside the installed one, checked and synced.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};
use super::files::Dir;
use super::folder::not_regular;
use super::install::{InstallOptions, Report};
use super::paths::{STAGING, signature_file};
use super::store::Locked;
use super::{swap, verify};
use crate::base::digest::{HashingWriter, Sha256Digest};
use crate::base::member::MemberPath;
use crate::catalog::Validation;
use crate::trust::manifest::{File as Member, MANIFEST_FILE};
use crate::trust::signed::VerifiedManifest;

/// Open files that wait to be synced.
const UNSYNCED: usize = 64;

/// A version that is being written in `<dir>/.oct/staging`. Drop removes it.
///
/// Its methods take it shared, so that several threads can write files and read back finished ones.
pub struct Staging<'l> {
    inner: Inner,
    area: Area<'l>,
}

/// The area itself, removed when it is dropped without having been installed.
struct Area<'l> {
    locked: &'l Locked,
    keep: bool,
}

struct Inner {
    manifest: VerifiedManifest,
    root: Dir,
    hooks: Arc<dyn Checkpoints>,
    /// By position in the manifest's list of files.
    progress: Mutex<Vec<State>>,
    syncer: Syncer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Open,
    Complete,
}

/// A version that is complete, checked and durable. Nothing else can be installed.
pub struct CheckedStaging<'l> {
    area: Area<'l>,
    manifest: VerifiedManifest,
}

impl Locked {
    /// Checks the free space, and starts a version.
    ///
    /// # Errors
    /// If the space does not suffice or the folders cannot be made.
    pub fn stage(&mut self, manifest: &VerifiedManifest) -> Result<Staging<'_>> {
        let locked = &*self;
        locked.require_space(manifest.unpacked_size(), manifest.files.len())?;
        let oct = locked.oct()?;
        // An abandoned area that could not be removed.
        oct.remove(STAGING)?;
        let area = Area { locked, keep: false };
        locked.before(Checkpoint::MakeStaging, "create", &oct.at(STAGING))?;
        let root = oct.make_folder(STAGING)?;
        for folder in folders(manifest) {
            locked.before(Checkpoint::MakeStaging, "create", &root.at(&folder))?;
            root.make_folder(folder)?;
        }
        let syncer = Syncer::start(Arc::clone(&locked.hooks)).doing("start a thread for", root.path())?;
        let inner = Inner {
            manifest: manifest.clone(),
            root,
            hooks: Arc::clone(&locked.hooks),
            progress: Mutex::new(vec![State::Absent; manifest.files.len()]),
            syncer,
        };
        Ok(Staging { inner, area })
    }
}

/// Every folder of the manifest's files, each after its parent.
fn folders(manifest: &VerifiedManifest) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for member in &manifest.files {
        let mut path = member.path.as_str();
        while let Some((folder, _)) = path.rsplit_once('/') {
            folders.insert(folder.to_owned());
            path = folder;
        }
    }
    folders
}

/// A thread that syncs files while others are still being written. After a drop it ends with its present file.
struct Syncer {
    unsynced: Option<SyncSender<(PathBuf, File)>>,
    thread: Option<JoinHandle<Result<()>>>,
    abandoned: Arc<AtomicBool>,
}

impl Syncer {
    fn start(hooks: Arc<dyn Checkpoints>) -> io::Result<Self> {
        let (unsynced, queue) = mpsc::sync_channel(UNSYNCED);
        let abandoned = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&abandoned);
        let thread = Builder::new().spawn(move || sync_all(&queue, &stop, &*hooks))?;
        Ok(Self { unsynced: Some(unsynced), thread: Some(thread), abandoned })
    }

    fn sync(&self, path: PathBuf, file: File) {
        // If this fails, the queue has no reader because a sync failed; `finish` returns that error.
        if let Some(unsynced) = &self.unsynced {
            let _ = unsynced.send((path, file));
        }
    }

    /// Waits until everything is synced.
    fn finish(&mut self) -> Result<()> {
        drop(self.unsynced.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            None | Some(Err(_)) => {
                Err(io::Error::other("the thread that does it ended early")).doing("sync", Path::new(STAGING))
            }
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
        let _ = self.finish();
    }
}

fn sync_all(queue: &Receiver<(PathBuf, File)>, abandoned: &AtomicBool, hooks: &dyn Checkpoints) -> Result<()> {
    for (path, file) in queue {
        if abandoned.load(Ordering::Relaxed) {
            break;
        }
        hooks.before(Checkpoint::SyncFile).and_then(|()| file.sync_all()).doing("sync", &path)?;
    }
    Ok(())
}

impl<'l> Staging<'l> {
    /// Opens a file of the manifest for writing, once.
    ///
    /// # Errors
    /// If the manifest has no such file, it was opened before, or it cannot be created.
    pub fn file(&self, member: &MemberPath) -> Result<MemberWriter<'_>> {
        let inner = &self.inner;
        let position = inner.position(member)?;
        {
            let mut progress = inner.progress();
            match progress.get_mut(position) {
                Some(state @ State::Absent) => *state = State::Open,
                _ => return Err(StoreError::Twice { member: member.clone() }),
            }
        }
        let path = inner.root.at(member.as_str());
        inner.hooks.before(Checkpoint::CreateFile).doing("create", &path)?;
        let file = inner.root.create_file(member.as_str())?;
        let out = HashingWriter::new(Raw { file, hooks: Arc::clone(&inner.hooks) });
        Ok(MemberWriter { inner, position, path, out })
    }

    /// Reads a file back that was written completely.
    ///
    /// # Errors
    /// If it was not, or cannot be read.
    pub fn read(&self, member: &MemberPath) -> Result<impl Read + use<>> {
        let position = self.inner.position(member)?;
        if self.inner.progress().get(position) != Some(&State::Complete) {
            return Err(StoreError::Missing { first: member.clone(), missing: 1 });
        }
        let root = &self.inner.root;
        let file = root.open_regular(member.as_str()).and_then(|file| file.ok_or_else(not_regular));
        file.doing("open", &root.at(member.as_str()))
    }

    /// Completes the version: checks that exactly the files of the manifest are there, with their sizes and digests, and
    /// makes everything durable. The proof of validation must match the manifest.
    ///
    /// # Errors
    /// Names what is missing or wrong, or what could not be synced.
    pub fn finish(self, validation: Validation) -> Result<CheckedStaging<'l>> {
        let Self { area, inner: Inner { manifest, root, hooks, progress, mut syncer } } = self;
        if validation.counts() != manifest.counts {
            return Err(StoreError::OtherValidation);
        }
        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut missing =
            manifest.files.iter().zip(&progress).filter(|(_, state)| **state != State::Complete).map(|(file, _)| file);
        if let Some(first) = missing.next() {
            return Err(StoreError::Missing { first: first.path.clone(), missing: 1 + missing.count() });
        }
        syncer.finish()?;
        root.write_file(MANIFEST_FILE, manifest.signed().unverified_text().as_bytes(), &*hooks)?;
        for (number, signature) in (1..).zip(manifest.signed().signatures()) {
            root.write_file(signature_file(number), signature.as_bytes(), &*hooks)?;
        }
        // The files were written correctly. Check that the folder still holds them, and nothing else.
        let findings = verify::compare(Some(&root), Path::new(""), &manifest, false);
        if let Some(deviation) = findings.deviations.first() {
            return Err(StoreError::Disturbed { deviation: deviation.to_string() });
        }
        for folder in folders(&manifest).into_iter().rev() {
            hooks.before(Checkpoint::SyncFolders).doing("sync", &root.at(&folder))?;
            root.sync_below(folder)?;
        }
        for folder in [&root, area.locked.oct()?, area.locked.root()?] {
            swap::sync(folder, Checkpoint::SyncFolders, &*hooks)?;
        }
        Ok(CheckedStaging { area, manifest })
    }
}

impl Inner {
    fn position(&self, member: &MemberPath) -> Result<usize> {
        let found = self.manifest.files.binary_search_by(|file| file.path.cmp(member));
        found.map_err(|_| StoreError::NotAMember { member: member.clone() })
    }

    fn progress(&self) -> MutexGuard<'_, Vec<State>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file of the staging area that is being written, without a buffer. It is complete only after
/// [`MemberWriter::finish`].
///
/// Its [`Write`] fails with a [`StoreError`] inside the [`io::Error`]: see [`StoreError::from_io`].
pub struct MemberWriter<'s> {
    inner: &'s Inner,
    position: usize,
    path: PathBuf,
    out: HashingWriter<Raw>,
}

impl MemberWriter<'_> {
    fn member(&self) -> &Member {
        &self.inner.manifest.files[self.position]
    }

    /// Compares size and digest with the manifest; returns the digest.
    ///
    /// # Errors
    /// If they differ.
    pub fn finish(self) -> Result<Sha256Digest> {
        let Member { path: member, size, sha256 } = self.member().clone();
        let Self { inner, position, path, out } = self;
        let (raw, written, found) = out.finish();
        if written != size {
            return Err(StoreError::Size { member, expected: size, found: written });
        }
        if found != sha256 {
            return Err(StoreError::Digest { member, expected: sha256, found });
        }
        if let Some(state) = inner.progress().get_mut(position) {
            *state = State::Complete;
        }
        inner.syncer.sync(path, raw.file);
        Ok(found)
    }
}

impl Write for MemberWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let expected = self.member().size;
        let found = self.out.written().saturating_add(bytes.len() as u64);
        if found > expected {
            let member = self.member().path.clone();
            return Err(StoreError::Size { member, expected, found }.into_io());
        }
        self.out.write(bytes).doing("write", &self.path).map_err(StoreError::into_io)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().doing("write", &self.path).map_err(StoreError::into_io)
    }
}

/// The file, with a checkpoint before each write.
struct Raw {
    file: File,
    hooks: Arc<dyn Checkpoints>,
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hooks.before(Checkpoint::WriteFile)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CheckedStaging<'_> {
    /// The manifest of what is staged.
    #[must_use]
    pub fn manifest(&self) -> &VerifiedManifest {
        &self.manifest
    }

    /// Puts the staged version in the place of the installed one, which becomes a previous version.
    ///
    /// # Errors
    /// Either nothing has changed, or the error is [`StoreError::Unfinished`].
    pub fn install(mut self, options: &InstallOptions) -> Result<Report> {
        // From here on the journal decides what becomes of the area.
        self.area.keep = true;
        super::install::install(self.area.locked, &self.manifest, options)
    }
}

impl Drop for Area<'_> {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is removed by the next run.
            let _ = self.locked.oct().and_then(|oct| oct.remove(STAGING));
        }
    }
}
