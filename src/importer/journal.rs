//! The journal: what a swap is about to do, so that a later run can find out what was done.

use std::io::Read;
use std::path::PathBuf;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result, StoreError};
use super::folder::Folder;
use super::history::HistoryEntry;
use super::paths::{JOURNAL, JOURNAL_TEMPORARY, Name, STAGING, version};
use super::store::require_own;
use crate::base::digest::Sha256Digest;

const VERSION: u32 = 1;
/// Bytes of a journal; a real one has less than two thousand.
const BYTES: u64 = 64 << 10;

/// What recovery needs to know of a swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    version: u32,
    /// The place of the incoming version.
    pub(super) incoming: Incoming,
    /// The digest of its `data`, which says on which side of an exchange it is.
    pub(super) tree: Sha256Digest,
    /// The names of its files beside `data`.
    pub(super) incoming_files: Vec<Name>,
    /// Whether there is a `data` to be replaced.
    pub(super) had_data: bool,
    /// Whether the outgoing version has a complete copy of that `data`, so that the original may be removed.
    pub(super) copied: bool,
    /// The names of the files beside it.
    pub(super) outgoing_files: Vec<Name>,
    /// The name of the outgoing version in `.oct/previous`, if it has one.
    pub(super) previous: Option<Name>,
    /// How many previous catalogs stay; `None` where all do.
    #[serde(default)]
    pub(super) keep: Option<usize>,
    /// The entry for the history.
    pub(super) entry: HistoryEntry,
}

/// The place of an incoming version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Incoming {
    /// In the staging area.
    Staging,
    /// Among the previous versions, by this name.
    Previous(Name),
}

impl Incoming {
    /// Its path below `.oct`.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Staging => STAGING.into(),
            Self::Previous(name) => version(name),
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
            keep: None,
            entry,
        }
    }

    /// Reads the journal, if there is one. A journal by another user is refused, because it says what to move and remove.
    pub(super) fn read(folder: &Folder) -> Result<Option<Self>> {
        let oct = folder.oct()?;
        let path = oct.at(JOURNAL);
        let unusable = |reason: String| StoreError::Journal { path: path.clone(), reason };
        let file = match oct.open_regular(JOURNAL) {
            Ok(file) => file.ok_or_else(|| unusable("it is not a regular file".into()))?,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error).doing("open", &path),
        };
        require_own(&path, rustix::fs::fstat(&file).doing("look at", &path)?.st_uid)?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes).doing("read", &path)?;
        // Names are checked as they are read: they become parts of paths.
        let journal: Self = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
        if journal.version != VERSION {
            return Err(unusable(format!("it has version {}, this oct reads version {VERSION}", journal.version)));
        }
        Ok(Some(journal))
    }

    /// Writes the journal and makes it durable, in the place of an earlier one.
    pub(super) fn write(&self, folder: &Folder) -> Result<()> {
        let oct = folder.oct()?;
        // Strings, numbers and lists always serialize.
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        if bytes.len() as u64 > BYTES {
            // Such a journal could not be read back. Only the archive's name comes from outside.
            return Err(StoreError::Journal { path: oct.at(JOURNAL), reason: "it would be too long".into() });
        }
        oct.remove(JOURNAL_TEMPORARY)?;
        folder.before(Checkpoint::WriteJournal, "write", &oct.at(JOURNAL_TEMPORARY))?;
        oct.write_file(JOURNAL_TEMPORARY, &bytes, &*folder.hooks)?;
        folder.before(Checkpoint::CommitJournal, "write", &oct.at(JOURNAL))?;
        oct.replace(JOURNAL_TEMPORARY, oct, JOURNAL)?;
        oct.sync()
    }

    /// Removes the journal, durably: the swap is over.
    pub(super) fn remove(folder: &Folder) -> Result<()> {
        let oct = folder.oct()?;
        folder.before(Checkpoint::RemoveJournal, "remove", &oct.at(JOURNAL))?;
        oct.remove(JOURNAL)?;
        oct.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importer::Action;
    use crate::importer::folder::tests::scratch;

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
        let (_parent, folder) = scratch();
        assert_eq!(Journal::read(&folder).unwrap(), None);
        for incoming in [Incoming::Staging, Incoming::Previous(Name::of_version(1, Some("x")))] {
            let journal = journal(incoming);
            journal.write(&folder).unwrap();
            assert_eq!(Journal::read(&folder).unwrap(), Some(journal));
        }
        Journal::remove(&folder).unwrap();
        assert_eq!(Journal::read(&folder).unwrap(), None);
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let (_parent, folder) = scratch();
        journal(Incoming::Previous(Name::of_version(1, None))).write(&folder).unwrap();
        let path = folder.oct().unwrap().at(JOURNAL);
        let text = std::fs::read_to_string(&path).unwrap();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            Journal::read(&folder).unwrap_err().to_string()
        };
        assert!(refused("\"version\": 1", "\"version\": 2").contains("version 2"));
        for name in ["..", "../x", "/etc/passwd", "a/b", ".oct", ""] {
            assert!(refused("\"0001-foreign\"", &format!("\"{name}\"")).contains("a name"), "{name}");
            let previous = ("\"previous\": null", &format!("\"previous\": \"{name}\""));
            assert!(refused(previous.0, previous.1).contains("a name"), "{name}");
            assert!(refused("\"outgoing_files\": []", &format!("\"outgoing_files\": [\"{name}\"]")).contains("a name"));
        }
    }

    #[test]
    fn the_longest_journal_that_is_written_is_read() {
        let (_parent, folder) = scratch();
        let mut long = journal(Incoming::Staging);
        let rest = BYTES as usize - serde_json::to_vec_pretty(&long).unwrap().len();
        long.entry.archive = Some("x".repeat(1 + rest));
        long.write(&folder).unwrap();
        assert_eq!(Journal::read(&folder).unwrap().as_ref(), Some(&long));
        long.entry.archive = Some("x".repeat(2 + rest));
        assert!(long.write(&folder).is_err());
    }
}
