//! The work folder: finished parts of a fetch, kept as they come, so that an interrupted one can go on.
//!
//! One folder for each question (URLs and options), below the cache folder. `state.json` says when the snapshot began
//! and where each collection ends; `NNNNNN.unit` files hold the documents of one finished interval each, with a
//! checksum. A file is written under another name and renamed, so a kill leaves no half file that counts; anything
//! damaged, foreign or too old is dropped. After a bundle is written the folder is removed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::edge::Interval;
use super::error::SourceError;
use crate::base::digest::Sha256Digest;
use crate::catalog::document::Document;

/// State older than this is not mixed with what the catalog says now.
pub const RESUME_MAX_AGE: SignedDuration = SignedDuration::from_hours(6);
/// Changes with every incompatible change of the files.
const STATE_VERSION: u32 = 1;
/// The file that whoever works in the folder has locked.
const LOCK: &str = "lock";

/// What has to be the same for a fetch to be continued.
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

/// What is known of an interrupted fetch besides its documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkState {
    version: u32,
    /// When the snapshot began.
    pub created: Timestamp,
    /// Changes from this instant on, by the server's clock, are asked for again at the end.
    pub changes_from: Option<Timestamp>,
    /// Date of the newest document of each collection that was begun, `null` for an empty one.
    pub tops: BTreeMap<String, Option<Timestamp>>,
    /// Page sizes that the server was found to allow.
    pub page_sizes: BTreeMap<String, u32>,
}

impl WorkState {
    /// A fetch that begins now.
    #[must_use]
    pub fn new(created: Timestamp) -> Self {
        let (tops, page_sizes) = Default::default();
        Self { version: STATE_VERSION, created, changes_from: None, tops, page_sizes }
    }
}

/// A work folder, locked for this process.
#[derive(Debug)]
pub struct WorkFolder {
    root: PathBuf,
    folder: PathBuf,
    lock: fs::File,
    next: u32,
}

/// A finished interval, as read back.
#[derive(Debug)]
pub struct Unit {
    /// Name of its collection.
    pub collection: String,
    /// What it completes.
    pub interval: Interval,
    /// All documents of the interval.
    pub documents: Vec<Document>,
}

#[derive(Serialize, Deserialize)]
struct UnitHeader {
    collection: String,
    interval: Interval,
    documents: usize,
    sha256: Sha256Digest,
}

impl WorkFolder {
    /// Opens the folder for `asked` below `root`.
    ///
    /// # Errors
    /// Where another process has it open, or it cannot be written.
    pub fn open(root: &Path, asked: &Asked) -> Result<Self, SourceError> {
        let key = serde_json::to_vec(asked).map_err(io::Error::from)?;
        let folder = root.join(&Sha256Digest::of(&key).to_string()[..16]);
        loop {
            fs::create_dir_all(&folder)?;
            let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
            if !try_lock(&lock)? {
                return Err(SourceError::Busy(folder));
            }
            // Another process may have removed the folder between the two steps: then this is the lock of nothing.
            if fs::metadata(folder.join(LOCK)).is_ok_and(|now| lock.metadata().is_ok_and(|own| own.ino() == now.ino()))
            {
                return Ok(Self { root: root.to_owned(), folder, lock, next: 0 });
            }
        }
    }

    /// What an earlier run left, if it can be continued at `now`; otherwise the folder is emptied.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn resume(&mut self, now: Timestamp, fresh: bool) -> Result<Option<(WorkState, Vec<Unit>)>, SourceError> {
        self.sweep(now);
        let state = if fresh { None } else { usable_state(&self.folder, now) };
        let Some(state) = state else {
            self.clear()?;
            return Ok(None);
        };
        let mut units = Vec::new();
        for path in self.unit_files()? {
            match read_unit(&path) {
                Some(unit) => units.push(unit),
                // A part that cannot be read back is fetched again.
                None => fs::remove_file(&path)?,
            }
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
            self.next = self.next.max(number.map_or(0, |number| number + 1));
        }
        Ok(Some((state, units)))
    }

    /// Keeps `state`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save_state(&self, state: &WorkState) -> io::Result<()> {
        self.write("state.json", &serde_json::to_vec(state)?)
    }

    /// Keeps a finished interval.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save_unit(&mut self, collection: &str, interval: Interval, documents: &[Document]) -> io::Result<()> {
        let mut body = Vec::with_capacity(documents.len() * 300);
        for document in documents {
            serde_json::to_writer(&mut body, document)?;
            body.push(b'\n');
        }
        let sha256 = Sha256Digest::of(&body);
        let header = UnitHeader { collection: collection.into(), interval, documents: documents.len(), sha256 };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&body);
        let name = format!("{:06}.unit", self.next);
        self.next += 1;
        self.write(&name, &bytes)
    }

    /// Removes the folder: the fetch is complete, and nothing of it is needed any more.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        drop(self.lock);
        Ok(())
    }

    /// Removes what was left of other questions and cannot be continued any more. That it may fail for one folder or
    /// another does no harm: a later run sweeps again.
    fn sweep(&self, now: Timestamp) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let folder = entry.path();
            let Ok(lock) = fs::File::open(folder.join(LOCK)) else { continue };
            if folder != self.folder && try_lock(&lock).unwrap_or(false) && usable_state(&folder, now).is_none() {
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }

    fn unit_files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "unit") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.next = 0;
        // The state goes first: parts without a state count for nothing.
        for name in ["state.json", "new"] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.unit_files()?.into_iter().try_for_each(fs::remove_file)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.folder.join("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(new, self.folder.join(name))
    }
}

/// The state in `folder`, if a fetch can be continued from it at `now`.
fn usable_state(folder: &Path, now: Timestamp) -> Option<WorkState> {
    let state: WorkState = serde_json::from_slice(&fs::read(folder.join("state.json")).ok()?).ok()?;
    let age = now.duration_since(state.created);
    let usable = state.version == STATE_VERSION && age <= RESUME_MAX_AGE && age >= SignedDuration::ZERO;
    usable.then_some(state)
}

/// Whether the lock was free, and is taken now.
fn try_lock(file: &fs::File) -> io::Result<bool> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read_unit(path: &Path) -> Option<Unit> {
    let bytes = fs::read(path).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: UnitHeader = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = &bytes[end + 1..];
    if Sha256Digest::of(body) != header.sha256 {
        return None;
    }
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let documents: Vec<Document> = lines.map(serde_json::from_slice).collect::<Result<_, _>>().ok()?;
    (documents.len() == header.documents).then_some(Unit {
        collection: header.collection,
        interval: header.interval,
        documents,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::document::{Body, ObjectId, Operator};

    fn asked(url: &str) -> Asked {
        Asked { catalog_url: url.into(), charts_url: "c".into(), collections: vec![], since: None }
    }

    fn now() -> Timestamp {
        "2026-03-04T05:06:07Z".parse().unwrap()
    }

    fn document() -> Document {
        let operator = Operator { csv_name: "a.v1".into(), ocp_version: "4.16".into(), channel_name: "x".into() };
        let id = ObjectId::parse("5f059f17bed8bd4f99d20100").unwrap();
        Document { id, created: now(), body: Body::Operator(Box::new(operator)) }
    }

    fn interrupted(root: &Path) {
        let mut work = WorkFolder::open(root, &asked("a")).unwrap();
        assert!(work.resume(now(), false).unwrap().is_none());
        work.save_state(&WorkState::new(now())).unwrap();
        work.save_unit("operators:x", Interval::ALL, &[document()]).unwrap();
        work.save_unit("operators:y", Interval::ALL, &[]).unwrap();
    }

    #[test]
    fn an_interrupted_fetch_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        interrupted(root.path());
        let mut work = WorkFolder::open(root.path(), &asked("a")).unwrap();
        let (state, units) = work.resume(now() + SignedDuration::from_mins(5), false).unwrap().unwrap();
        assert_eq!(state, WorkState::new(now()));
        assert_eq!((units.len(), units[0].documents.as_slice()), (2, &[document()][..]));
        work.remove().unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn old_foreign_and_damaged_state_is_dropped() {
        for (url, age, fresh) in [("b", 1, false), ("a", 7 * 60, false), ("a", -1, false), ("a", 1, true)] {
            let root = tempfile::tempdir().unwrap();
            interrupted(root.path());
            let mut work = WorkFolder::open(root.path(), &asked(url)).unwrap();
            let later = now() + SignedDuration::from_mins(age);
            assert!(work.resume(later, fresh).unwrap().is_none(), "{url} {age} {fresh}");
        }
        let root = tempfile::tempdir().unwrap();
        interrupted(root.path());
        let mut work = WorkFolder::open(root.path(), &asked("a")).unwrap();
        let file = &work.unit_files().unwrap()[0];
        let mut bytes = std::fs::read(file).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        std::fs::write(file, bytes).unwrap();
        assert_eq!(work.resume(now(), false).unwrap().unwrap().1.len(), 1);
    }

    #[test]
    fn what_was_left_of_other_questions_goes_by_itself() {
        let root = tempfile::tempdir().unwrap();
        interrupted(root.path());
        let folders = || std::fs::read_dir(root.path()).unwrap().count();
        let mut other = WorkFolder::open(root.path(), &asked("b")).unwrap();
        other.resume(now() + SignedDuration::from_hours(1), false).unwrap();
        assert_eq!(folders(), 2);
        other.resume(now() + SignedDuration::from_hours(7), false).unwrap();
        assert_eq!(folders(), 1);
    }

    #[test]
    fn one_process_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let _first = WorkFolder::open(root.path(), &asked("a")).unwrap();
        assert!(matches!(WorkFolder::open(root.path(), &asked("a")), Err(SourceError::Busy(_))));
        WorkFolder::open(root.path(), &asked("b")).unwrap();
    }
}
