//! The work folder: keeps each finished part of a fetch at once, so that memory does not grow with them and an
//! interrupted fetch can continue.
//!
//! One folder for each question (URLs and options), below the cache folder. `state.json` says when the snapshot began,
//! and where and how each collection is walked; `NNNNNN.unit` files hold documents, or what completes an interval, each
//! with a checksum. A file is written under another name and renamed, so a kill leaves no half file that counts; what
//! is damaged, foreign or too old is dropped. After the archive is written, the folder is removed.
//!
//! The folder is not a root of trust: it is used only where nobody else can write ([`Root::open`]), and no link in it is
//! followed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use crate::base::digest::Sha256Digest;
use crate::base::fs::{open_itself, remove_if_there, take_lock};
use crate::pyxis::{Interval, Rung};

/// Older state is not mixed with the present catalog.
pub const RESUME_MAX_AGE: SignedDuration = SignedDuration::from_hours(6);
/// Changes with every incompatible change of the files.
const STATE_VERSION: u32 = 2;
/// The lock file of the folder.
const LOCK: &str = "lock";
const STATE: &str = "state.json";
/// The name under which a file is written.
const NEW: &str = "new";

/// What must be the same so that a fetch can be continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Base URL of the catalog.
    pub catalog_url: String,
    /// URL of the chart index.
    pub charts_url: String,
    /// Names of the collections.
    pub collections: Vec<String>,
    /// `--since`.
    pub since: Option<Timestamp>,
}

/// The state of an interrupted fetch, besides its documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkState {
    version: u32,
    /// When the snapshot began.
    pub created: Timestamp,
    /// What is known of each collection that was begun.
    pub begun: BTreeMap<String, Begun>,
}

/// How a collection was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The interval of the snapshot; later documents do not belong to it.
    pub whole: Interval,
    /// The rung of the ladder that the server managed.
    pub rung: Rung,
    /// The catalog's own clock then.
    pub clock: Option<Timestamp>,
}

impl WorkState {
    /// The state of a fetch that begins now.
    pub fn new(created: Timestamp) -> Self {
        Self { version: STATE_VERSION, created, begun: BTreeMap::new() }
    }
}

/// A folder that belongs to the caller, and in which nobody else can write.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    /// It is temporary, and goes with this.
    temporary: Option<tempfile::TempDir>,
}

impl Root {
    /// `folder` below `cache`, if nobody else can write into either; otherwise, or without a cache, a temporary folder,
    /// and why.
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn open(cache: Option<&Path>, folder: &str) -> io::Result<(Self, Option<String>)> {
        let kept = cache.map(|cache| private(cache).and_then(|()| private(&cache.join(folder))).map(|()| cache));
        let cause = match kept {
            Some(Ok(cache)) => return Ok((Self { path: cache.join(folder), temporary: None }, None)),
            Some(Err(cause)) => Some(format!("the cache is not used: {cause}; an interrupted run cannot be continued")),
            None => None,
        };
        let temporary = tempfile::Builder::new().prefix("oct-").tempdir()?;
        Ok((Self { path: temporary.path().to_owned(), temporary: Some(temporary) }, cause))
    }

    /// Whether the folder stays after this run.
    pub fn outlives(&self) -> bool {
        self.temporary.is_none()
    }
}

/// Checks that `folder` is a folder, belongs to the caller, and that nobody else can write there; creates a missing one.
fn private(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(|error| error.to_string())?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(format!("`{shown}`: {error}")),
        _ => {}
    }
    let found = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err(format!("`{shown}` is not a folder, or is a link"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("`{shown}` belongs to somebody else"));
    }
    if found.mode() & 0o022 != 0 {
        return Err(format!("others can write into `{shown}` (`chmod go-w` corrects that)"));
    }
    Ok(())
}

/// Reads a file of a private folder whole.
pub fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open_itself(path)?, &mut bytes)?;
    Ok(bytes)
}

/// Writes a file of a private folder whole, in one step.
pub fn write_own(folder: &Path, name: &str, bytes: &[&[u8]]) -> io::Result<()> {
    let mut new = tempfile::Builder::new().prefix(NEW).tempfile_in(folder)?;
    bytes.iter().try_for_each(|part| new.write_all(part))?;
    new.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

/// A work folder, locked for this process.
#[derive(Debug)]
pub struct WorkFolder {
    root: Root,
    folder: PathBuf,
    _lock: fs::File,
    next: u32,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// All documents of an interval.
    All(Interval),
    /// Some documents.
    Some,
    /// No documents, but the keys of all that there are in an interval; they lie in other files.
    Keys(Interval),
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    collection: String,
    content: Content,
    lines: usize,
    sha256: Sha256Digest,
}

/// A file, as read back.
#[derive(Debug)]
pub struct Unit {
    /// Its number.
    pub number: u32,
    /// Name of its collection.
    pub collection: String,
    /// What it holds.
    pub content: Content,
    body: Vec<u8>,
}

impl Unit {
    /// What its lines hold: documents, or keys.
    ///
    /// # Errors
    /// If a line cannot be read.
    pub fn lines<'a, T: Deserialize<'a>>(&'a self) -> impl Iterator<Item = io::Result<T>> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from))
    }
}

impl WorkFolder {
    /// Opens the folder for `asked` below `root`.
    ///
    /// # Errors
    /// If another process has it open, or it cannot be written.
    pub fn open(root: Root, asked: &Asked) -> Result<Self, SourceError> {
        let key = serde_json::to_vec(asked).map_err(io::Error::from)?;
        let folder = root.path.join(&Sha256Digest::of(&key).to_string()[..16]);
        loop {
            private(&folder).map_err(io::Error::other)?;
            let path = folder.join(LOCK);
            let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
            let mut options = fs::OpenOptions::new();
            let lock = options.create(true).truncate(false).write(true).mode(0o600).custom_flags(flags).open(&path)?;
            if !take_lock(lock.file())? {
                return Err(SourceError::Busy(folder));
            }
            // Another process may have removed the folder between the two steps: then this lock protects nothing.
            if fs::metadata(&path).is_ok_and(|now| lock.metadata().is_ok_and(|own| own.ino() == now.ino())) {
                return Ok(Self { root, folder, _lock: lock, next: 0 });
            }
        }
    }

    /// What an earlier run left, if it can be continued at `now`; otherwise the folder is emptied. `visit` gets each
    /// file, in the order in which they were written.
    pub fn resume(
        &mut self,
        now: Timestamp,
        fresh: bool,
        mut visit: impl FnMut(&Unit) -> io::Result<()>,
    ) -> Result<Option<WorkState>, SourceError> {
        self.sweep(now);
        let state = if fresh { None } else { usable_state(&self.folder, now) };
        let Some(state) = state else {
            // Remove the state first: parts without a state do not count.
            remove_if_there(&self.folder.join(STATE))?;
            numbers(&self.folder)?.into_iter().try_for_each(|number| fs::remove_file(self.unit(number)))?;
            return Ok(None);
        };
        for number in numbers(&self.folder)? {
            self.next = number + 1;
            // A part that cannot be read back is fetched again.
            if self.read(number).and_then(|unit| visit(&unit)).is_err() {
                fs::remove_file(self.unit(number))?;
            }
        }
        Ok(Some(state))
    }

    /// Keeps `state`.
    pub fn save_state(&self, state: &WorkState) -> io::Result<()> {
        write_own(&self.folder, STATE, &[&serde_json::to_vec(state)?])
    }

    /// Keeps `lines`: documents, or for [`Content::Keys`] keys; returns the number of their file.
    pub fn save(&mut self, collection: &str, content: Content, lines: &[impl Serialize]) -> io::Result<u32> {
        let mut body = Vec::with_capacity(lines.len() * 300);
        for line in lines {
            serde_json::to_writer(&mut body, line)?;
            body.push(b'\n');
        }
        let sha256 = Sha256Digest::of(&body);
        let header = Header { collection: collection.into(), content, lines: lines.len(), sha256 };
        let number = self.next;
        self.next += 1;
        write_own(&self.folder, &name(number), &[&serde_json::to_vec(&header)?, b"\n", &body])?;
        Ok(number)
    }

    /// Calls `visit` with each file, in the order in which they were written; the memory holds one at a time.
    pub fn each(&self, mut visit: impl FnMut(&Unit) -> io::Result<()>) -> io::Result<()> {
        numbers(&self.folder)?.into_iter().try_for_each(|number| visit(&self.read(number)?))
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// Those of the disk; `InvalidData` where it is not what was written.
    pub fn read(&self, number: u32) -> io::Result<Unit> {
        let damaged = || {
            let path = self.unit(number);
            io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is damaged", path.display()))
        };
        let bytes = read_own(&self.unit(number))?;
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|_| damaged())?;
        let body = bytes[end + 1..].to_vec();
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        if Sha256Digest::of(&body) != header.sha256 || lines != header.lines {
            return Err(damaged());
        }
        Ok(Unit { number, collection: header.collection, content: header.content, body })
    }

    /// Removes the folder: the fetch is complete, and no longer needs it.
    pub fn remove(self) -> io::Result<()> {
        remove_made(&self.folder)
    }

    fn unit(&self, number: u32) -> PathBuf {
        self.folder.join(name(number))
    }

    /// Removes the folders of other fetches that can no longer be continued. A failure does no harm: a later run tries
    /// again.
    fn sweep(&self, now: Timestamp) {
        for entry in fs::read_dir(&self.root.path).into_iter().flatten().flatten() {
            let (folder, name) = (entry.path(), entry.file_name());
            let ours =
                name.to_str().is_some_and(|name| name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit()));
            if !ours || folder == self.folder || private(&folder).is_err() {
                continue;
            }
            let Ok(lock) = open_itself(&folder.join(LOCK)) else { continue };
            if take_lock(lock.file()).unwrap_or(false) && usable_state(&folder, now).is_none() {
                let _ = remove_made(&folder);
            }
        }
    }
}

fn name(number: u32) -> String {
    format!("{number:06}.unit")
}

/// The numbers of all files in `folder`, in order.
fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let number = file.to_str().and_then(|file| file.strip_suffix(".unit")?.parse().ok());
        found.extend(number.filter(|number| name(*number).as_str() == file));
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes a work folder and the files that belong there. With other files in it, the folder stays.
fn remove_made(folder: &Path) -> io::Result<()> {
    remove_if_there(&folder.join(STATE))?;
    for number in numbers(folder)? {
        fs::remove_file(folder.join(name(number)))?;
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name == LOCK || name.starts_with(NEW)) {
            remove_if_there(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

/// The state in `folder`, if a fetch can be continued from it at `now`.
fn usable_state(folder: &Path, now: Timestamp) -> Option<WorkState> {
    let state: WorkState = serde_json::from_slice(&read_own(&folder.join(STATE)).ok()?).ok()?;
    let age = now.duration_since(state.created);
    let usable = state.version == STATE_VERSION && age <= RESUME_MAX_AGE && age >= SignedDuration::ZERO;
    usable.then_some(state)
}

#[cfg(test)]
mod tests;
