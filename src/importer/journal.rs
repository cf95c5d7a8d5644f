//! The journal: what a swap is about to do, so that a later run can tell what was done.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result, StoreError};
use super::files;
use super::folder::{Folder, JOURNAL, JOURNAL_TEMPORARY, PREVIOUS, STAGING};
use super::history::HistoryEntry;
use crate::base::digest::Sha256Digest;

const VERSION: u32 = 1;
/// Bytes of a journal; a real one has less than two thousand.
const BYTES: u64 = 64 << 10;

/// A swap, as far as it has to be known to complete it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    version: u32,
    /// Where the incoming version lies.
    pub(super) incoming: Incoming,
    /// The digest of its `data`, by which it is recognised on either side of an exchange.
    pub(super) tree: Sha256Digest,
    /// The names of its files beside `data`.
    pub(super) incoming_files: Vec<String>,
    /// Whether there is a `data` to be replaced.
    pub(super) had_data: bool,
    /// Whether that `data` lies, copied, in the outgoing version, so that the original may be removed.
    pub(super) copied: bool,
    /// The names of the files beside it.
    pub(super) outgoing_files: Vec<String>,
    /// The name of the outgoing version in `.oct/previous`, where it has one.
    pub(super) previous: Option<String>,
    /// What goes into the history.
    pub(super) entry: HistoryEntry,
}

/// Where an incoming version lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Incoming {
    /// In the staging area.
    Staging,
    /// Among the previous versions, by this name.
    Previous(String),
}

impl Incoming {
    pub(super) fn path(&self, folder: &Folder) -> PathBuf {
        match self {
            Self::Staging => folder.inner(STAGING),
            Self::Previous(name) => folder.inner(PREVIOUS).join(name),
        }
    }
}

impl Journal {
    pub(super) fn new(incoming: Incoming, tree: Sha256Digest, entry: HistoryEntry) -> Self {
        Self {
            version: VERSION,
            incoming,
            tree,
            incoming_files: vec![],
            had_data: false,
            copied: false,
            outgoing_files: vec![],
            previous: None,
            entry,
        }
    }

    /// Reads the journal, if there is one.
    pub(super) fn read(folder: &Folder) -> Result<Option<Self>> {
        let path = folder.inner(JOURNAL);
        let Some(bytes) = files::read_up_to(&path, BYTES)? else { return Ok(None) };
        let unusable = |reason: String| StoreError::Journal { path: path.clone(), reason };
        let journal: Self = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if journal.version != VERSION {
            return Err(unusable(format!("it has version {}, this oct reads version {VERSION}", journal.version)));
        }
        // Names from a file become parts of paths.
        let previous = match &journal.incoming {
            Incoming::Previous(name) => Some(name),
            Incoming::Staging => None,
        };
        let names = journal.incoming_files.iter().chain(&journal.outgoing_files);
        for name in names.chain(&journal.previous).chain(previous) {
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
                return Err(unusable("it holds a name that is none".into()));
            }
        }
        Ok(Some(journal))
    }

    /// Writes the journal and makes it durable, in the place of an earlier one.
    pub(super) fn write(&self, folder: &Folder) -> Result<()> {
        let (path, temporary) = (folder.inner(JOURNAL), folder.inner(JOURNAL_TEMPORARY));
        // Strings, numbers and lists always serialize.
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        if bytes.len() as u64 > BYTES {
            // It could not be read back. Only the archive's name comes from outside.
            return Err(StoreError::Journal { path, reason: "it would be too long".into() });
        }
        files::remove(&temporary)?;
        folder.before(Checkpoint::WriteJournal, "write", &temporary)?;
        files::write_file(&temporary, &bytes, &*folder.hooks)?;
        folder.before(Checkpoint::CommitJournal, "write", &path)?;
        std::fs::rename(&temporary, &path).doing("write", &path)?;
        files::sync_folder(&folder.oct())
    }

    /// Removes the journal, durably: the swap is over.
    pub(super) fn remove(folder: &Folder) -> Result<()> {
        let path: &Path = &folder.inner(JOURNAL);
        folder.before(Checkpoint::RemoveJournal, "remove", path)?;
        std::fs::remove_file(path).doing("remove", path)?;
        files::sync_folder(&folder.oct())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importer::{Action, NoCheckpoints};
    use std::sync::Arc;

    fn journal(incoming: Incoming) -> Journal {
        let entry = HistoryEntry {
            time: jiff::Timestamp::UNIX_EPOCH,
            action: Action::Install,
            archive: Some("x".into()),
            created: None,
            counts: None,
            content: None,
            key_id: None,
            previous: None,
        };
        Journal::new(incoming, Sha256Digest::of(b""), entry)
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned(), Arc::new(NoCheckpoints));
        std::fs::create_dir(folder.oct()).unwrap();
        assert_eq!(Journal::read(&folder).unwrap(), None);
        for incoming in [Incoming::Staging, Incoming::Previous("0001-x".into())] {
            let journal = journal(incoming);
            journal.write(&folder).unwrap();
            assert_eq!(Journal::read(&folder).unwrap(), Some(journal));
        }
        Journal::remove(&folder).unwrap();
        assert_eq!(Journal::read(&folder).unwrap(), None);
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned(), Arc::new(NoCheckpoints));
        std::fs::create_dir(folder.oct()).unwrap();
        let refused = |change: &dyn Fn(&mut Journal)| {
            let mut journal = journal(Incoming::Staging);
            change(&mut journal);
            journal.write(&folder).unwrap();
            Journal::read(&folder).unwrap_err().to_string()
        };
        assert!(refused(&|journal| journal.version = 2).contains("version 2"));
        assert!(refused(&|journal| journal.incoming = Incoming::Previous("../x".into())).contains("a name"));
        assert!(refused(&|journal| journal.previous = Some("..".into())).contains("a name"));
        assert!(refused(&|journal| journal.incoming_files = vec!["/etc/passwd".into()]).contains("a name"));
        let mut long = journal(Incoming::Staging);
        long.entry.archive = Some("x".repeat(70_000));
        assert!(long.write(&folder).is_err());
    }
}
