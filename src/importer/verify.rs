//! Compares a tree with its manifest: every file, byte for byte, and no other file in it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::FileType;

use super::error::StoreError;
use super::files::Dir;
use super::paths::DATA;
use crate::base::digest::{HashingReader, Sha256Digest};
use crate::base::text;
use crate::trust::manifest::{File as Member, Manifest};

/// Differences that are listed one by one. Stops a folder with millions of foreign files from filling the memory.
const LISTED: usize = 1_000;

/// How a tree differs from its manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The differences, in no particular order; at most a thousand.
    pub deviations: Vec<Deviation>,
    /// How many more there are.
    pub more: u64,
    /// Files that are as the manifest says.
    pub intact: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Findings {
    /// Whether the tree is exactly what the manifest says.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.deviations.is_empty() && self.more == 0
    }

    fn add(&mut self, path: impl AsRef<Path>, difference: Difference) {
        if self.deviations.len() < LISTED {
            // A foreign name may contain anything, and people see it.
            let path = text::sanitize(&path.as_ref().to_string_lossy());
            self.deviations.push(Deviation { path, difference });
        } else {
            self.more += 1;
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// Where, below the folder, without control characters for a terminal.
    pub path: String,
    /// What.
    pub difference: Difference,
}

/// How a file or folder differs from what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The manifest names it, but it does not exist.
    Missing,
    /// It has another size.
    Size {
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// It has the right size, but other bytes.
    Changed {
        /// Digest by the manifest.
        expected: Sha256Digest,
        /// Digest found.
        found: Sha256Digest,
    },
    /// It exists, but the manifest does not name it.
    Extra,
    /// A symbolic link, a folder, a pipe or the like is in its place.
    Kind {
        /// What it is, with its article.
        found: &'static str,
    },
    /// It cannot be read, so nothing is known about it.
    Unreadable(String),
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.difference {
            Difference::Missing => write!(f, "`{path}` is missing"),
            Difference::Size { expected, found } => {
                write!(f, "`{path}` has {found} bytes, the manifest says {expected}")
            }
            Difference::Changed { expected, found } => {
                write!(f, "`{path}` has SHA-256 {found}, the manifest says {expected}")
            }
            Difference::Extra => write!(f, "`{path}` is not in the manifest"),
            Difference::Kind { found } => write!(f, "`{path}` is {found}"),
            Difference::Unreadable(cause) => write!(f, "`{path}` cannot be read: {cause}"),
        }
    }
}

/// Compares `data` of the version `at` with the manifest; without `hash`, names, kinds and sizes only. Without `dir`
/// everything is missing.
pub(super) fn compare(dir: Option<&Dir>, at: &Path, manifest: &Manifest, hash: bool) -> Findings {
    let mut findings = Findings::default();
    let Some(dir) = dir else {
        findings.add(DATA, Difference::Missing);
        return findings;
    };
    // Folder by folder, so that each name that is not in the manifest is found in its folder.
    let mut folders = BTreeMap::from([(DATA, BTreeMap::new())]);
    for member in &manifest.files {
        let mut path = member.path.as_str();
        let mut expected = Some(member);
        while let Some((folder, name)) = path.rsplit_once('/') {
            folders.entry(folder).or_default().insert(name, expected.take());
            path = folder;
            expected = None;
        }
    }
    let mut absent: Option<&str> = None;
    for (folder, expected) in &folders {
        // The folder above was reported; its content is not reported again.
        if absent.is_some_and(|above| folder.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))) {
            continue;
        }
        if !(Tree { dir, at, hash }).compare_folder(folder, expected, &mut findings) {
            absent = Some(folder);
        }
    }
    findings
}

/// The version that is compared.
struct Tree<'d> {
    dir: &'d Dir,
    at: &'d Path,
    hash: bool,
}

impl Tree<'_> {
    /// Compares one folder; whether it can be entered. `expected` has `None` for the folders in it.
    fn compare_folder(
        &self,
        folder: &str,
        expected: &BTreeMap<&str, Option<&Member>>,
        findings: &mut Findings,
    ) -> bool {
        let place = self.at.join(folder);
        match self.dir.kind(&place) {
            Ok(Some(FileType::Directory)) => {}
            Ok(Some(found)) => {
                findings.add(folder, Difference::Kind { found: kind(found) });
                return false;
            }
            Ok(None) => {
                findings.add(folder, Difference::Missing);
                return false;
            }
            Err(error) => {
                findings.add(folder, not_looked_at(error));
                return false;
            }
        }
        for (name, member) in expected {
            if let Some(member) = member {
                match self.compare_file(&place.join(name), member) {
                    Ok(None) => {
                        findings.intact += 1;
                        findings.bytes += member.size;
                    }
                    Ok(Some(difference)) => findings.add(member.path.as_str(), difference),
                    Err(error) => findings.add(member.path.as_str(), unreadable(&error)),
                }
            }
        }
        match self.dir.names(&place) {
            Ok(names) => {
                for name in names {
                    match name {
                        Ok(name) if name.to_str().is_some_and(|name| expected.contains_key(name)) => {}
                        Ok(name) => findings.add(Path::new(folder).join(name), Difference::Extra),
                        Err(error) => {
                            findings.add(folder, unreadable(&error));
                            break;
                        }
                    }
                }
            }
            Err(error) => findings.add(folder, unreadable(&error)),
        }
        true
    }

    fn compare_file(&self, place: &Path, member: &Member) -> io::Result<Option<Difference>> {
        let found = match self.dir.stat(place) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Some(Difference::Missing)),
            Err(error) => return Ok(Some(not_looked_at(error))),
        };
        let what = FileType::from_raw_mode(found.st_mode);
        if what != FileType::RegularFile {
            return Ok(Some(Difference::Kind { found: kind(what) }));
        }
        let size = u64::try_from(found.st_size).unwrap_or(0);
        if size != member.size {
            return Ok(Some(Difference::Size { expected: member.size, found: size }));
        }
        if !self.hash {
            return Ok(None);
        }
        let Some(file) = self.dir.open_regular(place)? else {
            return Ok(Some(Difference::Kind { found: "no regular file" }));
        };
        let (found, sha256) = digest(file, member.size)?;
        if found != member.size {
            return Ok(Some(Difference::Size { expected: member.size, found }));
        }
        Ok((sha256 != member.sha256).then_some(Difference::Changed { expected: member.sha256, found: sha256 }))
    }
}

/// Size and digest of a file, of which at most one byte more than `size` is read: it may grow meanwhile.
pub(super) fn digest(file: File, size: u64) -> io::Result<(u64, Sha256Digest)> {
    let mut reader = HashingReader::new(file.take(size.saturating_add(1)));
    let mut buffer = vec![0; 128 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(reader.finish()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreadable(error: &io::Error) -> Difference {
    match error.kind() {
        io::ErrorKind::NotFound => Difference::Missing,
        _ => Difference::Unreadable(error.to_string()),
    }
}

/// The same from an error that names the path, which the deviation does as well.
fn not_looked_at(error: StoreError) -> Difference {
    match error {
        StoreError::Io { source, .. } => unreadable(&source),
        other => Difference::Unreadable(other.to_string()),
    }
}

/// What something is, for a message.
pub(super) fn kind(of: FileType) -> &'static str {
    match of {
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a folder",
        FileType::RegularFile => "a file",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    }
}
