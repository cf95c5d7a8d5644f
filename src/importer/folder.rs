//! Where everything lies below the folder, and what can be read there without changing anything.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};
use super::files;
use super::history::{self, HistoryEntry};
use super::verify::{self, Findings};
use crate::base::limits;
use crate::catalog::layout;
use crate::trust::manifest::MANIFEST_FILE;
use crate::trust::signed::SignedManifest;
use crate::trust::signed::VerifiedManifest;

/// The catalog that certsuite reads.
pub(super) const DATA: &str = "data";
/// Everything of `oct`'s own but the manifest.
pub(super) const OCT: &str = ".oct";
/// Previous versions, below [`OCT`].
pub(super) const PREVIOUS: &str = "previous";
pub(super) const STAGING: &str = "staging";
pub(super) const OUTGOING: &str = "outgoing";
pub(super) const TRASH: &str = "trash";
pub(super) const JOURNAL: &str = "journal.json";
pub(super) const JOURNAL_TEMPORARY: &str = "journal.json.new";
pub(super) const LOCK: &str = "lock";
pub(super) const HISTORY: &str = "history.jsonl";

/// Bytes that stay free beside what an installation needs: for the journal, the history, and the other programs on this
/// host.
const RESERVE: u64 = 8 << 20;

/// The folder `<dir>`, for reading.
#[derive(Clone)]
pub struct Folder {
    dir: PathBuf,
    pub(super) hooks: Arc<dyn Checkpoints>,
}

/// What stands in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The manifest as it lies beside `data`, **unverified**; `None` for a `data` of unknown origin, such as the old
    /// container left.
    pub manifest: Option<SignedManifest>,
    /// Whether there is a `data` at all.
    pub data: bool,
}

/// A version that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its name in `.oct/previous`.
    pub name: String,
    /// Its manifest, **unverified**; `None` for a `data` of unknown origin.
    pub manifest: Option<SignedManifest>,
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Previous {
    /// The folder with its `data`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
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
pub(super) fn manifest_files() -> impl Iterator<Item = String> {
    std::iter::once(MANIFEST_FILE.to_owned()).chain((1..=limits::SIGNATURES).map(signature_file))
}

/// Reads a manifest with its signatures from a folder.
///
/// Bytes that are no text are replaced, over-long files cut and other things than files taken as empty: the signature
/// then does not fit, and that is for whoever verifies it to say.
fn read_manifest(folder: &Path) -> Result<Option<SignedManifest>> {
    let Some(manifest) = files::read_up_to(&folder.join(MANIFEST_FILE), limits::HEADER_BYTES)? else {
        return Ok(None);
    };
    let mut signatures = Vec::new();
    for number in 1..=limits::SIGNATURES {
        match files::read_up_to(&folder.join(signature_file(number)), limits::KEY_FILE_BYTES)? {
            Some(bytes) => signatures.push(String::from_utf8_lossy(&bytes).into_owned()),
            None => break,
        }
    }
    Ok(Some(SignedManifest::new(String::from_utf8_lossy(&manifest).into_owned(), signatures)))
}

impl Folder {
    pub(super) fn new(dir: PathBuf, hooks: Arc<dyn Checkpoints>) -> Self {
        Self { dir, hooks }
    }

    /// The folder itself, links resolved.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `<dir>/data`.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    pub(super) fn oct(&self) -> PathBuf {
        self.dir.join(OCT)
    }

    pub(super) fn inner(&self, name: &str) -> PathBuf {
        self.dir.join(OCT).join(name)
    }

    /// Lets a test stop here; an error takes the place of the step on `path`.
    pub(super) fn before(&self, checkpoint: Checkpoint, doing: &'static str, path: &Path) -> Result<()> {
        self.hooks.before(checkpoint).doing(doing, path)
    }

    /// What is installed, if anything is.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn installed(&self) -> Result<Option<Installed>> {
        let manifest = read_manifest(&self.dir)?;
        let data = files::exists(&self.data())?;
        Ok((data || manifest.is_some()).then_some(Installed { manifest, data }))
    }

    /// The previous versions, the one that was replaced last first.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn previous(&self) -> Result<Vec<Previous>> {
        let folder = self.inner(PREVIOUS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(vec![]),
            Err(error) => return Err(error).doing("read", &folder),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let entry = entry.doing("read", &folder)?;
            let (path, name) = (entry.path(), entry.file_name());
            let Some((name, number)) = name.to_str().and_then(|name| Some((name, number_of(name)?))) else { continue };
            if files::exists(&path.join(DATA))? {
                let manifest = read_manifest(&path)?;
                versions.push(Previous { name: name.to_owned(), manifest, number, path });
            }
        }
        versions.sort_unstable_by(|a, b| (b.number, &b.name).cmp(&(a.number, &a.name)));
        Ok(versions)
    }

    /// A free name in `.oct/previous` that sorts behind all others, with `label` as a help for people.
    pub(super) fn name_for_previous(&self, label: &str) -> Result<String> {
        let folder = self.inner(PREVIOUS);
        let mut last = 0;
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.doing("read", &folder)?.file_name();
                    last = last.max(name.to_str().and_then(number_of).unwrap_or(0));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing("read", &folder),
        }
        Ok(format!("{:04}-{label}", last.saturating_add(1)))
    }

    /// Compares `data` with a manifest, byte for byte, and stops at nothing.
    #[must_use]
    pub fn verify_files(&self, manifest: &VerifiedManifest) -> Findings {
        verify::compare(&self.dir, manifest, true)
    }

    /// Compares a previous version with its manifest in the same way.
    #[must_use]
    pub fn verify_previous(&self, previous: &Previous, manifest: &VerifiedManifest) -> Findings {
        verify::compare(&previous.path, manifest, true)
    }

    /// The newest entries of the history, the newest first. Damaged lines are passed over.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn history(&self, newest: usize) -> Result<Vec<HistoryEntry>> {
        history::read(&self.inner(HISTORY), newest)
    }

    /// Whether `bytes` in `files` new files fit beside what is there, with a reserve.
    ///
    /// # Errors
    /// Names what is needed and what is free.
    pub fn require_space(&self, bytes: u64, files: usize) -> Result<()> {
        let Some(at) = self.dir.ancestors().find(|dir| dir.is_dir()) else { return Ok(()) };
        let found = rustix::fs::statvfs(at).doing("ask for the free space of", at)?;
        // Each file ends in a block that it fills only in part.
        let blocks = (files as u64).saturating_mul(found.f_bsize.min(64 << 10));
        let needed = bytes.saturating_add(blocks).saturating_add(RESERVE);
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if needed > free {
            return Err(StoreError::Space { dir: self.dir.clone(), needed, reserve: RESERVE, free });
        }
        // Zero in total: the filesystem makes inodes as it needs them.
        let inodes = files as u64 + 16;
        if found.f_files > 0 && found.f_favail < inodes {
            return Err(StoreError::Inodes { dir: self.dir.clone(), needed: inodes, free: found.f_favail });
        }
        Ok(())
    }

    /// Whether a crash or an error left something to do.
    pub(super) fn needs_recovery(&self) -> Result<bool> {
        for name in [JOURNAL, JOURNAL_TEMPORARY, STAGING, OUTGOING, TRASH] {
            if files::exists(&self.inner(name))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn number_of(name: &str) -> Option<u64> {
    let (number, label) = name.split_once('-')?;
    (!label.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.parse().ok())?
}

impl Folder {
    /// The files that certsuite reads, as paths below the folder, in the order in which it reads them: the images, the
    /// charts, and whatever lies in the folder of operators, by name.
    ///
    /// # Errors
    /// Where the folder of operators cannot be listed.
    pub fn data_files(&self) -> Result<Vec<PathBuf>> {
        let mut paths = vec![PathBuf::from(layout::CONTAINERS_DB), PathBuf::from(layout::HELM_DB)];
        let folder = self.dir().join(layout::OPERATORS_DIR);
        let mut pages = Vec::new();
        for entry in fs::read_dir(&folder).doing("read", &folder)? {
            pages.push(Path::new(layout::OPERATORS_DIR).join(entry.doing("read", &folder)?.file_name()));
        }
        pages.sort_unstable();
        paths.append(&mut pages);
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importer::NoCheckpoints;

    #[test]
    fn names_of_versions_go_up() {
        assert_eq!(number_of("0012-foreign"), Some(12));
        for other in ["foreign", "12", "12-", "+2-x", "-x", "99999999999999999999-x"] {
            assert_eq!(number_of(other), None, "{other}");
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned(), Arc::new(NoCheckpoints));
        assert_eq!(folder.name_for_previous("a").unwrap(), "0001-a");
        for name in ["0009-x", "10000-y", "notes"] {
            fs::create_dir_all(folder.inner(PREVIOUS).join(name).join(DATA)).unwrap();
        }
        assert_eq!(folder.name_for_previous("a").unwrap(), "10001-a");
        let names: Vec<_> = folder.previous().unwrap().into_iter().map(|version| version.name).collect();
        assert_eq!(names, ["10000-y", "0009-x"], "the newest first, by number");
    }

    #[test]
    fn the_first_signature_has_the_name_that_minisign_looks_for() {
        let names: Vec<_> = manifest_files().take(3).collect();
        assert_eq!(names, ["manifest.json", "manifest.json.minisig", "manifest.json.minisig.2"]);
    }
}
