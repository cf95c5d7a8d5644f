//! Opening the folder: for changes under an exclusive lock, or for reading under a shared one.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::checkpoint::{Checkpoint, Checkpoints, NoCheckpoints};
use super::error::{Doing, Result, StoreError};
use super::files::Dir;
use super::folder::Folder;
use super::lock::{Holder, Kind, LockFile, POLL};
use super::paths::{DATA, OCT};
use super::recovery::{self, Recovered};
use crate::base::progress::Progress;
use crate::trust::manifest::MANIFEST_FILE;

/// The folder into which catalogs are installed, not locked yet.
pub struct Store {
    dir: PathBuf,
    hooks: Arc<dyn Checkpoints>,
}

impl Store {
    /// The folder `dir`, which need not exist. Nothing is read or written yet.
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self::with_checkpoints(dir, Arc::new(NoCheckpoints))
    }

    /// The same, with steps at which a test can interfere.
    #[must_use]
    pub fn with_checkpoints(dir: impl Into<PathBuf>, hooks: Arc<dyn Checkpoints>) -> Self {
        Self { dir: dir.into(), hooks }
    }

    /// The folder as it was named.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Locks the folder for changes, creating it if need be, and completes or takes back what a crash left there.
    ///
    /// A held lock is waited for as long as `wait`.
    ///
    /// # Errors
    /// If the folder cannot be created or written, the lock is held, or the recovery fails.
    pub fn lock(&self, holder: &Holder, wait: Duration, progress: &dyn Progress) -> Result<Locked> {
        let root = Dir::make_all(&self.dir, &*self.hooks)?;
        if !root.exists(OCT)? {
            self.hooks.before(Checkpoint::MakeFolder).doing("create", &root.at(OCT))?;
        }
        let oct = root.ensure_folder(OCT)?;
        require_own(oct.path(), oct.owner()?)?;
        if !root.is_on_mount_of(&oct)? {
            return Err(Errno::XDEV).doing("work in", oct.path());
        }
        self.hooks.before(Checkpoint::TakeLock).doing("lock", oct.path())?;
        // Another user who could write there could forge the journal.
        oct.keep_others_out();
        let folder = Folder::new(root, Some(oct), Arc::clone(&self.hooks));
        let mut lock = LockFile::create(&folder)?;
        lock.take(Kind::Exclusive, wait, progress)?;
        lock.name(holder);
        let recovered = recovery::recover(&folder)?;
        Ok(Locked { folder, recovered, _lock: lock })
    }

    /// Opens the folder for reading. It is not created.
    ///
    /// It takes a shared lock if it can: then nothing changes as long as the value lives, and recovery runs first if the
    /// permissions allow it. On a read-only filesystem, in a folder whose `.oct` is another user's, or in a folder that
    /// was never locked, it reads without a lock, and changes nothing.
    ///
    /// # Errors
    /// If the folder cannot be read, is being changed by another process for longer than `wait`, or the recovery
    /// fails for another reason than permissions.
    pub fn read(&self, holder: &Holder, wait: Duration, progress: &dyn Progress) -> Result<Reading> {
        let root = match Dir::open(&self.dir) {
            Ok(root) => root,
            Err(error) if error.errno() == Some(Errno::NOENT) => {
                return Ok(Reading::unlocked(Folder::absent(self.dir.clone(), Arc::clone(&self.hooks))));
            }
            Err(error) => return Err(error),
        };
        // A link in its place is not a folder of oct.
        let oct = root.folder(OCT).or_else(|error| match error {
            StoreError::NotAFolder { .. } => Ok(None),
            other => Err(other),
        })?;
        let own = match &oct {
            Some(oct) => require_own(oct.path(), oct.owner()?),
            None => Ok(()),
        };
        let folder = Folder::new(root, oct, Arc::clone(&self.hooks));
        let lock = match folder.oct() {
            Ok(oct) if own.is_ok() => LockFile::open(&folder, oct)?,
            _ => None,
        };
        match lock {
            Some(lock) => self.read_locked(folder, lock, holder, wait, progress),
            None => read_unlocked(folder, own, wait),
        }
    }

    fn read_locked(
        &self,
        folder: Folder,
        mut lock: LockFile,
        holder: &Holder,
        wait: Duration,
        progress: &dyn Progress,
    ) -> Result<Reading> {
        lock.take(Kind::Shared, wait, progress)?;
        let mut recovered = Vec::new();
        if lock.is_writable() && folder.needs_recovery()? {
            match lock.take(Kind::Exclusive, wait, progress) {
                Ok(()) => {
                    lock.name(holder);
                    match recovery::recover(&folder) {
                        Ok(done) => recovered = done,
                        Err(error) if error.is_permission() => {}
                        Err(error) => return Err(error),
                    }
                    lock.unname();
                }
                // Others are reading now. Leftovers can wait; an interrupted swap cannot.
                Err(StoreError::Held { .. }) if !folder.has_journal()? => {}
                Err(error) => return Err(error),
            }
            lock.take(Kind::Shared, wait, progress)?;
        }
        let unfinished = folder.has_journal()?;
        Ok(Reading { recovered, unfinished, lock: Some(lock), ..Reading::unlocked(folder) })
    }
}

/// Reads without a lock, and waits for a swap that is under way. An interrupted swap in the folder of another user,
/// `own`'s error, can be neither recovered nor read.
fn read_unlocked(folder: Folder, own: Result<()>, wait: Duration) -> Result<Reading> {
    let mut waited = Duration::ZERO;
    let unfinished = loop {
        match folder.has_journal() {
            Ok(true) if waited < wait => {
                std::thread::sleep(POLL.min(wait));
                waited += POLL;
            }
            Err(error) if error.is_permission() => break false,
            found => break found?,
        }
    };
    if unfinished {
        own?;
    }
    Ok(Reading { unfinished, ..Reading::unlocked(folder) })
}

/// Refuses an `.oct` or a journal that belongs neither to the caller nor to root: it says what to move and to remove,
/// and its owner can write anything into it.
pub(super) fn require_own(path: &Path, owner: u32) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    if owner == user || owner == 0 {
        return Ok(());
    }
    Err(StoreError::Owner { path: path.to_owned(), owner, user })
}

/// The folder under an exclusive lock, which ends with this value.
pub struct Locked {
    folder: Folder,
    recovered: Vec<Recovered>,
    _lock: LockFile,
}

impl Locked {
    /// What was left by a crash and is settled now.
    #[must_use]
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }
}

impl Deref for Locked {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// The folder for reading.
pub struct Reading {
    folder: Folder,
    recovered: Vec<Recovered>,
    unfinished: bool,
    lock: Option<LockFile>,
    /// What was there when the read began.
    seen: Seen,
}

/// The device and the inode of each path that a swap exchanges, if it exists.
type Seen = [Option<(u64, u64)>; 2];

fn seen(folder: &Folder) -> Seen {
    let identity = |name| {
        let found = folder.root().and_then(|root| root.stat(name)).ok().flatten();
        found.map(|found| (found.st_dev, found.st_ino))
    };
    [identity(DATA), identity(MANIFEST_FILE)]
}

impl Reading {
    fn unlocked(folder: Folder) -> Self {
        let seen = seen(&folder);
        Self { folder, recovered: vec![], unfinished: false, lock: None, seen }
    }

    /// Checks that everything read so far is of one catalog: without a lock, another process may have swapped it meanwhile.
    ///
    /// # Errors
    /// If it was swapped, or is being swapped.
    pub fn require_unchanged(&self) -> Result<()> {
        if self.is_locked() || (seen(&self.folder) == self.seen && self.folder.has_journal()? == self.unfinished) {
            return Ok(());
        }
        Err(StoreError::Changed { dir: self.folder.dir().to_owned() })
    }

    /// What was left by a crash and is settled now.
    #[must_use]
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Whether there is an interrupted swap that this user may not complete: `data` and the manifest beside it may belong
    /// to different versions.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Whether a lock keeps the folder from changing meanwhile.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

impl Deref for Reading {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}
