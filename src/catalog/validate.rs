//! Reads a whole catalog as certsuite does, file by file, and compares it with its manifest.

use std::io::Read;

use crate::base::member::MemberPath;
use crate::catalog::layout::{Kind, OPERATORS_PER_PAGE};
use crate::catalog::provenance::Counts;
use crate::catalog::{ArchiveJson, ChartIndex, OperatorPages, PageStated, TnfError, read_containers};

/// Reads files one after another and adds up what they hold.
#[derive(Debug)]
pub struct Validator {
    expected: Counts,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    digests: u64,
    operators: u64,
    pages: OperatorPages,
    charts: u64,
    archive_json: Option<ArchiveJson>,
}

/// What a complete validation proved. Only [`Validator::finish`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    counts: Counts,
}

impl Validation {
    /// The counts, equal to the manifest's.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }
}

impl Validator {
    /// Expects a catalog with these counts.
    #[must_use]
    pub fn new(expected: Counts) -> Self {
        Self { expected, found: Found::default() }
    }

    /// Reads one file to its end.
    ///
    /// # Errors
    /// If certsuite could not read the file, or would read something else than the manifest says.
    pub fn read(&mut self, path: &MemberPath, content: impl Read) -> Result<(), TnfError> {
        match Kind::of(path) {
            Some(Kind::ArchiveJson) => self.found.archive_json = Some(ArchiveJson::read(content)?),
            Some(Kind::Containers) => {
                let mut previous = String::new();
                self.found.digests = read_containers(content, |key, entry| {
                    if entry.is_none() {
                        let key = crate::base::text::sanitize(key);
                        return Err(TnfError::Mismatch(format!(
                            "the entry of `{key}` is null, at which certsuite crashes"
                        )));
                    }
                    if !previous.is_empty() && *key <= *previous {
                        let key = crate::base::text::sanitize(key);
                        return Err(TnfError::Mismatch(format!("the key `{key}` is a duplicate or out of order")));
                    }
                    previous.clear();
                    previous.push_str(key);
                    Ok(())
                })?;
            }
            Some(Kind::Helm) => {
                self.found.charts = ChartIndex::read(content)?.versions().len() as u64;
            }
            Some(Kind::OperatorPage { number, size }) => {
                let stated = self.found.pages.read(content, |_| {})?;
                let due = PageStated {
                    page: Some(number as u64),
                    page_size: Some(OPERATORS_PER_PAGE as u64),
                    total: Some(self.expected.operators),
                    rows: size as u64,
                    is_complete: true,
                };
                if stated != due {
                    return Err(TnfError::Mismatch(format!("the page states {stated}, not {due}")));
                }
                self.found.operators += size as u64;
            }
            None => return Err(TnfError::Mismatch("not a file of the TNF layout".into())),
        }
        Ok(())
    }

    /// Compares the sums with the manifest, once every file was read.
    ///
    /// # Errors
    /// Names the first count that differs.
    pub fn finish(self) -> Result<Validation, TnfError> {
        let Some(json) = self.found.archive_json else {
            return Err(TnfError::Mismatch("archive.json was not read".into()));
        };
        let expected = self.expected;
        for (what, found, due) in [
            ("keys in containers.db", self.found.digests, expected.digests),
            ("operators", self.found.operators, expected.operators),
            ("chart versions", self.found.charts, expected.charts),
            ("containers in archive.json", json.containers, expected.containers),
            ("operators in archive.json", json.operators, expected.operators),
            ("charts in archive.json", json.charts, expected.charts),
        ] {
            if found != due {
                return Err(TnfError::Mismatch(format!("{found} {what}, where the manifest says {due}")));
            }
        }
        Ok(Validation { counts: expected })
    }
}
