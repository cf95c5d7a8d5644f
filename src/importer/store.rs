//! Opening the folder: for changes under an exclusive lock, or for reading under a shared one.

use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::checkpoint::{Checkpoint, Checkpoints, NoCheckpoints};
use super::error::{Doing, Result, StoreError};
use super::files;
use super::folder::{Folder, JOURNAL};
use super::lock::{Holder, Kind, LockFile};
use super::recovery::{self, Recovered};
use crate::base::progress::Progress;

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
    /// Where the folder cannot be created or written, the lock is held, or the recovery fails.
    pub fn lock(&self, holder: &Holder, wait: Duration, progress: &dyn Progress) -> Result<Locked> {
        files::make_folders(&self.dir, &*self.hooks)?;
        let dir = self.dir.canonicalize().doing("resolve", &self.dir)?;
        if !dir.is_dir() {
            return Err(StoreError::NotAFolder { path: dir });
        }
        let folder = Folder::new(dir, Arc::clone(&self.hooks));
        if !files::exists(&folder.oct())? {
            folder.before(Checkpoint::MakeFolder, "create", &folder.oct())?;
        }
        files::ensure_folder(&folder.oct())?;
        if !files::same_mount(folder.dir(), &folder.oct()).doing("look at", &folder.oct())? {
            return Err(rustix::io::Errno::XDEV).doing("work in", &folder.oct());
        }
        folder.before(Checkpoint::TakeLock, "lock", &folder.oct())?;
        let mut lock = LockFile::create(&folder)?;
        lock.take(Kind::Exclusive, wait, progress)?;
        lock.name(holder);
        let recovered = recovery::recover(&folder)?;
        Ok(Locked { folder, recovered, _lock: lock })
    }

    /// Opens the folder for reading. It is not created.
    ///
    /// Under a shared lock where one can be had: then nothing changes as long as the value lives. What a crash left is
    /// completed or taken back first, where the permissions allow it. On a read-only filesystem, or where the folder
    /// was never locked, it is read without a lock.
    ///
    /// # Errors
    /// Where the folder cannot be read, is being changed by another process for longer than `wait`, or the recovery
    /// fails for another reason than permissions.
    pub fn read(&self, holder: &Holder, wait: Duration, progress: &dyn Progress) -> Result<Reading> {
        let dir = match self.dir.canonicalize() {
            Ok(dir) if dir.is_dir() => dir,
            Ok(dir) => return Err(StoreError::NotAFolder { path: dir }),
            Err(error) if error.kind() == ErrorKind::NotFound => self.dir.clone(),
            Err(error) => return Err(error).doing("resolve", &self.dir),
        };
        let folder = Folder::new(dir, Arc::clone(&self.hooks));
        let lock =
            if folder.oct().symlink_metadata().is_ok_and(|oct| oct.is_dir()) { LockFile::open(&folder)? } else { None };
        let Some(mut lock) = lock else {
            return Reading::new(folder, vec![], None);
        };
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
                // Others read at this moment; what is left over can wait, an interrupted swap cannot.
                Err(StoreError::Held { .. }) if !files::exists(&folder.inner(JOURNAL))? => {}
                Err(error) => return Err(error),
            }
            lock.take(Kind::Shared, wait, progress)?;
        }
        Reading::new(folder, recovered, Some(lock))
    }
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
}

impl Reading {
    fn new(folder: Folder, recovered: Vec<Recovered>, lock: Option<LockFile>) -> Result<Self> {
        let unfinished = match files::exists(&folder.inner(JOURNAL)) {
            Err(error) if error.is_permission() => false,
            found => found?,
        };
        Ok(Self { folder, recovered, unfinished, lock })
    }

    /// What was left by a crash and is settled now.
    #[must_use]
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Whether an interrupted swap is left over that could not be completed for want of permission: `data` and the
    /// manifest beside it may belong to different versions.
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
