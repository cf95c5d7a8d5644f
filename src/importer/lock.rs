//! The lock: an advisory lock on `<dir>/.oct/lock`, which the kernel drops when its holder dies.
//!
//! The file is never removed, so that all processes lock the same one. Only its owner and root can open it: otherwise
//! any user could block it. Its content says who holds it, only for messages.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::{Doing, Result, StoreError};
use super::files::{self, Dir};
use super::folder::{Folder, not_regular};
use super::paths::LOCK;
use crate::base::progress::Progress;
use crate::base::text;

/// Bytes of the lock file that are read for a message.
const CONTENT_BYTES: u64 = 4 << 10;
/// Mode of the lock file.
const MODE: u32 = 0o600;
/// How often a held lock is asked for again.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Who asks for the lock. Others read it in their messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The command, such as `oct import`.
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
    /// Opens the file for an exclusive lock; creates a missing one.
    pub(super) fn create(folder: &Folder) -> Result<Self> {
        let oct = folder.oct()?;
        Ok(Self::of(folder, oct, open(oct, true).doing("open", &oct.at(LOCK))?, true))
    }

    /// Opens the file for a shared lock, as far as the permissions go; `None` where nothing can be locked.
    pub(super) fn open(folder: &Folder, oct: &Dir) -> Result<Option<Self>> {
        for writable in [true, false] {
            match open(oct, writable) {
                Ok(file) => return Ok(Some(Self::of(folder, oct, file, writable))),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                    Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {}
                    _ => return Err(error).doing("open", &oct.at(LOCK)),
                },
            }
        }
        Ok(None)
    }

    fn of(folder: &Folder, oct: &Dir, file: File, writable: bool) -> Self {
        Self { file, path: oct.at(LOCK), dir: folder.dir().to_owned(), writable, named: false }
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Takes the lock, or waits for it up to `wait`. It replaces a lock that this process already holds.
    pub(super) fn take(&mut self, kind: Kind, wait: Duration, progress: &dyn Progress) -> Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let taken = match kind {
                Kind::Shared => self.file.try_lock_shared(),
                Kind::Exclusive => self.file.try_lock(),
            };
            match taken {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if waited >= wait => {
                    return Err(StoreError::Held { dir: self.dir.clone(), holder: self.holder() });
                }
                Err(TryLockError::WouldBlock) => {
                    if waited.is_zero() {
                        progress.note(&format!("waiting for {} to finish", self.holder()));
                    }
                    std::thread::sleep(POLL.min(wait));
                    waited += POLL;
                }
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => return Err(error).doing("lock", &self.path),
            }
        }
    }

    /// Writes who has the exclusive lock. It is only for messages, so a full disk is not an error.
    pub(super) fn name(&mut self, holder: &Holder) {
        self.named = true;
        let mut line = serde_json::to_vec(holder).unwrap_or_default();
        line.push(b'\n');
        self.unname();
        let _ = self.file.write_all(&line);
    }

    /// Removes that text.
    pub(super) fn unname(&mut self) {
        if self.writable {
            let _ = self.file.set_len(0);
            let _ = self.file.seek(SeekFrom::Start(0));
        }
    }

    /// Who holds the lock, in words.
    fn holder(&self) -> String {
        let mut content = Vec::new();
        let mut file = &self.file;
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(CONTENT_BYTES).read_to_end(&mut content));
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
        let _ = self.file.unlock();
    }
}

fn open(oct: &Dir, writable: bool) -> std::io::Result<File> {
    let flags = if writable { OFlags::RDWR | OFlags::CREATE } else { OFlags::RDONLY };
    let file = oct.open_with(LOCK, flags, MODE)?.ok_or_else(not_regular)?;
    if writable {
        // The file may belong to another user; it is enough that it could be opened.
        let _ = files::set_mode(&file, MODE);
    }
    Ok(file)
}
