//! The history: one line of JSON for each change of what is installed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::error::{Doing, Result};
use super::files::{self, Dir};
use super::folder::{Folder, not_regular};
use super::paths::HISTORY;
use crate::base::digest::Sha256Digest;
use crate::catalog::provenance::Counts;

/// Bytes at the end of the file that are read; a line has about 400.
const TAIL_BYTES: u64 = 1 << 20;

/// What changed the installed catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An archive was installed.
    Install,
    /// The previous version was restored.
    Rollback,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, by this host's clock.
    pub time: Timestamp,
    /// What happened.
    pub action: Action,
    /// The archive's name; absent for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The `created` of the catalog in place after the change; absent if it has no readable manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// How much it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The digest of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Sha256Digest>,
    /// The trusted key that had signed it, at the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The name that the replaced version got in `.oct/previous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// The newest entries, the newest first.
pub(super) fn read(oct: &Dir, newest: usize) -> Result<Vec<HistoryEntry>> {
    let tail = tail(oct, TAIL_BYTES)?;
    let lines = tail.rsplit(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).take(newest).collect())
}

fn tail(oct: &Dir, bytes: u64) -> Result<Vec<u8>> {
    let path = &oct.at(HISTORY);
    let mut tail = Vec::new();
    match oct.open_regular(HISTORY) {
        Ok(Some(mut file)) => {
            let start = file.metadata().doing("look at", path)?.len().saturating_sub(bytes);
            file.seek(SeekFrom::Start(start)).doing("read", path)?;
            file.take(bytes).read_to_end(&mut tail).doing("read", path)?;
        }
        Ok(None) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing("read", path),
    }
    Ok(tail)
}

/// Opens the history for one more line.
pub(super) fn open(oct: &Dir) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let file = oct.open_with(HISTORY, flags, files::FILE_MODE).and_then(|file| file.ok_or_else(not_regular));
    file.doing("open", &oct.at(HISTORY))
}

/// Adds a line, unless an interrupted run has already added it. An incomplete last line gets a line end first.
pub(super) fn append(folder: &Folder, entry: &HistoryEntry) -> Result<()> {
    let oct = folder.oct()?;
    if read(oct, 1)?.first() == Some(entry) {
        return Ok(());
    }
    let mut line = Vec::new();
    if tail(oct, 1)?.last().is_some_and(|last| *last != b'\n') {
        line.push(b'\n');
    }
    // Strings and numbers always serialize.
    line.extend(serde_json::to_vec(entry).unwrap_or_default());
    line.push(b'\n');
    let path = &oct.at(HISTORY);
    folder.before(Checkpoint::WriteHistory, "write", path)?;
    let mut file = open(oct)?;
    files::set_mode(&file, files::FILE_MODE).doing("set the mode of", path)?;
    file.write_all(&line).doing("write", path)?;
    file.sync_all().doing("sync", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importer::folder::tests::scratch;

    fn entry(second: i64) -> HistoryEntry {
        HistoryEntry {
            time: Timestamp::from_second(second).unwrap(),
            action: Action::Rollback,
            archive: None,
            created: None,
            counts: None,
            content: None,
            key_id: None,
            previous: None,
        }
    }

    #[test]
    fn a_line_is_short_and_written_once() {
        let (_parent, folder) = scratch();
        let oct = folder.oct().unwrap();
        for second in [1, 1, 2] {
            append(&folder, &entry(second)).unwrap();
        }
        let text = std::fs::read_to_string(oct.at(HISTORY)).unwrap();
        assert_eq!(text.lines().next(), Some("{\"time\":\"1970-01-01T00:00:01Z\",\"action\":\"rollback\"}"));
        assert_eq!(read(oct, 9).unwrap(), [entry(2), entry(1)]);
        assert_eq!(read(oct, 1).unwrap(), [entry(2)]);
    }

    #[test]
    fn a_line_that_is_torn_at_any_byte_costs_that_line_alone() {
        let (_parent, folder) = scratch();
        let oct = folder.oct().unwrap();
        let path = oct.at(HISTORY);
        append(&folder, &entry(1)).unwrap();
        let first = std::fs::read(&path).unwrap();
        append(&folder, &entry(2)).unwrap();
        let both = std::fs::read(&path).unwrap();
        for end in first.len()..both.len() {
            std::fs::write(&path, &both[..end]).unwrap();
            append(&folder, &entry(2)).unwrap();
            assert_eq!(read(oct, 9).unwrap(), [entry(2), entry(1)], "torn at {end}");
        }
    }
}
