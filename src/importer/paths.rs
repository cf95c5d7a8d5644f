//! The names of everything below the folder.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::limits;
use crate::trust::manifest::MANIFEST_FILE;

/// The catalog that certsuite reads.
pub(super) const DATA: &str = "data";
/// The folder for all files of `oct` but the manifest.
pub(crate) const OCT: &str = ".oct";
/// Previous versions, in [`OCT`] like all that follow.
pub(super) const PREVIOUS: &str = "previous";
pub(super) const STAGING: &str = "staging";
pub(super) const OUTGOING: &str = "outgoing";
pub(super) const TRASH: &str = "trash";
pub(super) const JOURNAL: &str = "journal.json";
pub(super) const JOURNAL_TEMPORARY: &str = "journal.json.new";
pub(super) const LOCK: &str = "lock";
pub(super) const HISTORY: &str = "history.jsonl";

/// The label of a previous version that is not a catalog of `oct`: it is never counted and never removed.
const FOREIGN: &str = "foreign";

/// A plain name: one component of a path, without `..` or a separator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Name(String);

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name.is_empty() || name.starts_with('.') || name.contains(|c: char| c == '/' || c.is_control()) {
            return Err("it holds a name that is none");
        }
        Ok(Self(name))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl AsRef<Path> for Name {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Name {
    /// The name of a previous version: the number by which versions are sorted, and a label for people.
    pub(super) fn of_version(number: u64, label: Option<&str>) -> Self {
        Self(format!("{number:04}-{}", label.unwrap_or(FOREIGN)))
    }

    /// The number of a previous version; `None` for any other name.
    pub(super) fn number(&self) -> Option<u64> {
        let (number, label) = self.0.split_once('-')?;
        (!label.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.parse().ok())?
    }

    /// Whether a previous version of this name is not a catalog of `oct`.
    pub(super) fn is_foreign(&self) -> bool {
        self.0.split_once('-').is_some_and(|(_, label)| label == FOREIGN)
    }
}

/// A previous version, below [`OCT`].
pub(super) fn version(name: &Name) -> PathBuf {
    Path::new(PREVIOUS).join(name)
}

/// The name of the signature file `number`, counted from one, beside a manifest. `minisign -Vm manifest.json` reads the
/// first.
#[must_use]
pub(super) fn signature_file(number: usize) -> String {
    match number {
        1 => format!("{MANIFEST_FILE}.minisig"),
        more => format!("{MANIFEST_FILE}.minisig.{more}"),
    }
}

/// The names of all files beside `data` that belong to a version.
pub(super) fn manifest_files() -> impl Iterator<Item = Name> {
    std::iter::once(MANIFEST_FILE.to_owned()).chain((1..=limits::SIGNATURES).map(signature_file)).map(Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<Name, &'static str> {
        Name::try_from(text.to_owned())
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for text in ["", ".", "..", "../x", "/etc", "a/b", ".oct", "a\0b", "a\nb", "\u{1b}[2J"] {
            assert!(name(text).is_err(), "{text:?}");
            assert!(serde_json::from_value::<Name>(text.into()).is_err(), "{text:?}");
        }
        assert_eq!(name("0001-x").unwrap().to_string(), "0001-x");
    }

    #[test]
    fn names_of_versions_have_a_number() {
        assert_eq!(name("0012-foreign").unwrap().number(), Some(12));
        for other in ["foreign", "12", "12-", "+2-x", "-x", "99999999999999999999-x"] {
            assert_eq!(name(other).unwrap().number(), None, "{other}");
        }
        assert!(Name::of_version(1, None).is_foreign());
        assert!(!Name::of_version(1, Some("20260204T194000Z")).is_foreign());
    }

    #[test]
    fn the_first_signature_has_the_name_that_minisign_looks_for() {
        let names: Vec<_> = manifest_files().take(3).map(String::from).collect();
        assert_eq!(names, ["manifest.json", "manifest.json.minisig", "manifest.json.minisig.2"]);
    }
}
