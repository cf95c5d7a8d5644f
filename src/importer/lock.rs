//! The lock: an advisory `flock` on `<dir>/.oct/lock`, which the kernel drops when its holder dies.
//!
//! The file is never removed, so that all processes lock the same one. Its content tells others who holds it; nothing
//! is decided by it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::{Doing, Result, StoreError};
use super::files;
use super::folder::Folder;
use crate::base::progress::Progress;
use crate::base::text;

/// Bytes of the lock file that are read for a message.
const CONTENT_BYTES: u64 = 4 << 10;
/// How often a held lock is asked for again.
const POLL: Duration = Duration::from_millis(50);

/// Who asks for the lock. Others read it in their messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The command as people know it, such as `oct import`.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

impl Holder {
    /// This process, running `command`, at `now`.
    #[must_use]
    pub fn new(command: &str, now: Timestamp) -> Self {
        Self { pid: std::process::id(), command: command.to_owned(), since: now }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Shared,
    Exclusive,
}

/// The open lock file. Dropping it unlocks; so does the death of the process.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
    dir: PathBuf,
    writable: bool,
    named: bool,
}

impl LockFile {
    /// Opens the file for an exclusive lock, creating it if need be.
    pub(super) fn create(folder: &Folder) -> Result<Self> {
        let path = folder.inner(super::folder::LOCK);
        let file = open(&path, true, true).doing("open", &path)?;
        Ok(Self { file, path, dir: folder.dir().to_owned(), writable: true, named: false })
    }

    /// Opens the file for a shared lock, as far as the permissions go; `None` where nothing can be locked.
    pub(super) fn open(folder: &Folder) -> Result<Option<Self>> {
        let path = folder.inner(super::folder::LOCK);
        for (writable, create) in [(true, true), (false, false)] {
            match open(&path, writable, create) {
                Ok(file) => return Ok(Some(Self { file, path, dir: folder.dir().to_owned(), writable, named: false })),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                    Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {}
                    _ => return Err(error).doing("open", &path),
                },
            }
        }
        Ok(None)
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Takes the lock, or waits for it as long as `wait`. A lock that is held already is exchanged for this one.
    pub(super) fn take(&mut self, kind: Kind, wait: Duration, progress: &dyn Progress) -> Result<()> {
        let operation = match kind {
            Kind::Shared => FlockOperation::NonBlockingLockShared,
            Kind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let mut waited = Duration::ZERO;
        loop {
            match rustix::fs::flock(&self.file, operation) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if waited >= wait => {
                    return Err(StoreError::Held { dir: self.dir.clone(), holder: self.holder() });
                }
                Err(Errno::WOULDBLOCK) => {
                    if waited.is_zero() {
                        progress.note(&format!("waiting for {} to finish", self.holder()));
                    }
                    std::thread::sleep(POLL.min(wait));
                    waited += POLL;
                }
                Err(error) => return Err(error).doing("lock", &self.path),
            }
        }
    }

    /// Leaves word of who has the exclusive lock. It is for messages only, so a full disk is no reason to give up.
    pub(super) fn name(&mut self, holder: &Holder) {
        self.named = true;
        let mut line = serde_json::to_vec(holder).unwrap_or_default();
        line.push(b'\n');
        self.unname();
        let _ = self.file.write_all(&line);
    }

    /// Takes the word back.
    pub(super) fn unname(&mut self) {
        if self.writable {
            let _ = self.file.set_len(0);
            let _ = self.file.seek(SeekFrom::Start(0));
        }
    }

    /// Who holds the lock, in words.
    fn holder(&self) -> String {
        let content = files::read_up_to(&self.path, CONTENT_BYTES).ok().flatten().unwrap_or_default();
        match serde_json::from_slice::<Holder>(&content) {
            Ok(Holder { pid, command, since }) => {
                format!("`{}` (process {pid}, since {since})", text::sanitize(&command))
            }
            Err(_) => "another oct process that reads it".into(),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.named {
            self.unname();
        }
        // Closing alone would leave the lock to a child process that was just being started by another thread.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(path: &Path, writable: bool, create: bool) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(writable)
        .create(create)
        .truncate(false)
        .mode(files::FILE_MODE)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    if create {
        // It may be another user's file; what counts is that it could be opened.
        let _ = files::set_mode(&file, files::FILE_MODE);
    }
    Ok(file)
}
