//! What a pull remembers of sites and publishers. It is used for two things only: to know which list an answer "not
//! modified" is about, and to refuse a list older than one that was seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::base::{fs, limits};
use crate::http::Validators;
use crate::trust::Listed;

/// The memory in the folder of the archives.
const IN_FOLDER: &str = ".oct-pull.json";
/// The memory of the user.
const OF_USER: &str = "pull.json";

/// Mode of both files: the folder may be one that is served.
const MODE: u32 = 0o600;

/// What is remembered, in one file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// For each publisher's key, when the newest list that it signed was written.
    seen: BTreeMap<String, Timestamp>,
    /// For each site, by its URL without secrets, the list that was taken from it last.
    #[serde(deserialize_with = "readable")]
    sites: BTreeMap<String, Known>,
}

/// A list that was taken from a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The validators that the server sent with the list's file.
    pub validators: Validators,
    /// The newest archive of the list.
    pub archive: Listed,
    /// When the list was written.
    pub written: Timestamp,
    /// Until when the next one was promised.
    pub next: Option<Timestamp>,
    /// Ids of the trusted keys that signed the list.
    pub publishers: Vec<String>,
}

/// The sites that can be read: another version of oct may have written them in another form. They are only asked again.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Known>, D::Error> {
    let sites = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    let read = |(url, known)| Some((url, serde_json::from_value(known).ok()?));
    Ok(sites.into_iter().filter_map(read).collect())
}

/// The two files: one that goes with the folder, and one that stays with the user when the folder goes.
#[derive(Debug)]
pub struct Memories {
    folder: (PathBuf, Memory),
    user: Option<(PathBuf, Memory)>,
}

impl Memories {
    /// Reads the memory in the folder `out`, and that of the user in `state`. A memory that cannot be read counts as
    /// empty, with a warning.
    pub fn read(out: &Path, state: Option<&Path>, warnings: &mut Vec<String>) -> Self {
        let mut read = |path: PathBuf| {
            let text = fs::if_there(fs::read_text(&path, limits::CONFIG_FILE_BYTES)).map_err(std::io::Error::from);
            let parse = |text: String| serde_json::from_str(&text).map_err(std::io::Error::other);
            let memory = text.and_then(|text| text.map(parse).transpose());
            let memory = memory.unwrap_or_else(|error| {
                warnings
                    .push(format!("the record of the lists seen before cannot be read: `{}`: {error}", path.display()));
                None
            });
            (path, memory.unwrap_or_default())
        };
        Self { folder: read(out.join(IN_FOLDER)), user: state.map(|state| read(state.join(OF_USER))) }
    }

    /// When the newest list seen that one of `publishers` signed was written.
    pub fn seen(&self, publishers: &[String]) -> Option<Timestamp> {
        let memories = [Some(&self.folder), self.user.as_ref()].into_iter().flatten();
        memories.flat_map(|(_, memory)| publishers.iter().filter_map(|key| memory.seen.get(key))).max().copied()
    }

    /// What is known of the site at `url`.
    pub fn site(&self, url: &str) -> Option<&Known> {
        self.folder.1.sites.get(url)
    }

    /// Remembers a list by `publishers`.
    pub fn see(&mut self, publishers: &[String], written: Timestamp) {
        for (_, memory) in [Some(&mut self.folder), self.user.as_mut()].into_iter().flatten() {
            for key in publishers {
                let seen = memory.seen.entry(key.clone()).or_insert(written);
                *seen = (*seen).max(written);
            }
        }
    }

    /// Remembers the list of the site at `url`; `None` forgets it.
    pub fn know(&mut self, url: &str, known: Option<Known>) {
        match known {
            Some(known) => drop(self.folder.1.sites.insert(url.to_owned(), known)),
            None => drop(self.folder.1.sites.remove(url)),
        }
    }

    /// Writes the user's memory, and that of the folder if that `is_there`. Returns a warning for each that cannot be
    /// written.
    pub fn write(&self, is_there: bool) -> Vec<String> {
        let folder = Some(&self.folder).filter(|_| is_there);
        let failed = [folder, self.user.as_ref()].into_iter().flatten().filter_map(|(path, memory)| {
            // Maps of strings always serialize.
            let text = serde_json::to_string_pretty(memory).unwrap_or_default();
            let made = path.parent().map_or(Ok(()), fs::make_folders);
            let error = made.and_then(|()| fs::write(path, format!("{text}\n").as_bytes(), MODE)).err()?;
            Some(format!("the list is not remembered, so an older one may be accepted later: {error}"))
        });
        failed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_list_of_a_key_stays_in_both_memories() {
        let (out, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (one, two, both) = (vec!["1".to_owned()], vec!["2".to_owned()], vec!["1".to_owned(), "2".to_owned()]);
        let mut warnings = Vec::new();
        let mut memories = Memories::read(out.path(), Some(state.path()), &mut warnings);
        assert_eq!(memories.seen(&both), None);
        memories.see(&one, at("2026-01-02T00:00:00Z"));
        memories.see(&both, at("2026-01-01T00:00:00Z"));
        assert_eq!(memories.write(true), Vec::<String>::new());
        for gone in [out.path().join(IN_FOLDER), state.path().join(OF_USER)] {
            let text = std::fs::read(&gone).unwrap();
            std::fs::remove_file(&gone).unwrap();
            let read = Memories::read(out.path(), Some(state.path()), &mut warnings);
            assert_eq!(read.seen(&one), Some(at("2026-01-02T00:00:00Z")));
            assert_eq!(read.seen(&two), Some(at("2026-01-01T00:00:00Z")));
            std::fs::write(&gone, text).unwrap();
        }
        assert_eq!(warnings, Vec::<String>::new());
        std::fs::write(out.path().join(IN_FOLDER), "{").unwrap();
        Memories::read(out.path(), None, &mut warnings);
        assert_eq!(warnings.len(), 1);
    }
}
