//! Reads the folder, and changes nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};
use super::files::{self, Dir};
use super::history::{self, HistoryEntry};
use super::paths::{
    DATA, JOURNAL, JOURNAL_TEMPORARY, Name, OCT, OUTGOING, PREVIOUS, STAGING, TRASH, manifest_files, signature_file,
    version,
};
use super::verify::{self, Findings};
use crate::base::limits;
use crate::base::member::MemberPath;
use crate::catalog::layout::{self, Kind};
use crate::trust::manifest::{MANIFEST_FILE, Manifest};
use crate::trust::signed::SignedManifest;
use crate::trust::signed::VerifiedManifest;

/// Bytes that stay free in addition to what an installation needs: for the journal, the history, and other programs on this
/// host.
const RESERVE: u64 = 8 << 20;

/// The folders of certsuite's layout.
const LAYOUT: [&str; 4] = [DATA, "data/containers", "data/helm", layout::OPERATORS_DIR];

/// The folder `<dir>`, for reading. All that is read in it is reached from the handle of `<dir>` or of `.oct` in it.
#[derive(Clone)]
pub struct Folder {
    path: PathBuf,
    root: Option<Arc<Dir>>,
    oct: Option<Arc<Dir>>,
    pub(super) hooks: Arc<dyn Checkpoints>,
}

/// What stands in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The manifest beside `data`, **unverified**; `None` for a `data` of unknown origin, such as one by the old
    /// container.
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
    pub(super) place: Name,
    path: PathBuf,
}

impl Previous {
    /// The folder with its `data`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a catalog that `oct` installed, and that `--keep` counts; not other files that were moved away.
    pub(super) fn is_catalog(&self) -> bool {
        !self.place.is_foreign() && self.manifest.as_ref().is_some_and(is_of_oct)
    }
}

/// Whether a text is a manifest of `oct`, signed by any key.
pub(super) fn is_of_oct(signed: &SignedManifest) -> bool {
    Manifest::parse(signed.unverified_text()).is_ok()
}

/// Reads the manifest of the version `at` with its signatures.
///
/// Bytes that are not text are replaced, over-long files are cut, and anything but a file counts as empty. The
/// signature then does not match, and the verification reports that.
pub(super) fn read_manifest(dir: &Dir, at: &Path) -> Result<Option<SignedManifest>> {
    let Some(manifest) = dir.read_up_to(at.join(MANIFEST_FILE), limits::HEADER_BYTES)? else {
        return Ok(None);
    };
    let mut signatures = Vec::new();
    for number in 1..=limits::SIGNATURES {
        match dir.read_up_to(at.join(signature_file(number)), limits::KEY_FILE_BYTES)? {
            Some(bytes) => signatures.push(String::from_utf8_lossy(&bytes).into_owned()),
            None => break,
        }
    }
    Ok(Some(SignedManifest::new(String::from_utf8_lossy(&manifest).into_owned(), signatures)))
}

/// Whether `data` of the version `at`, if it is there, has the folders and files of certsuite's layout and nothing else.
/// What else lies there belongs to somebody, at whatever depth.
pub(super) fn has_layout(dir: &Dir, at: &Path) -> Result<bool> {
    let mut pending = vec![PathBuf::from(DATA)];
    while let Some(path) = pending.pop() {
        let (place, name) = (at.join(&path), path.to_str().unwrap_or_default());
        match dir.kind(&place)? {
            None => {}
            Some(FileType::Directory) if LAYOUT.contains(&name) => {
                for entry in dir.names(&place).doing("read", &dir.at(&place))? {
                    pending.push(path.join(entry.doing("read", &dir.at(&place))?));
                    if pending.len() > limits::MEMBERS {
                        return Ok(false);
                    }
                }
            }
            Some(FileType::RegularFile) if MemberPath::new(name).is_ok_and(|path| Kind::of(&path).is_some()) => {}
            Some(_) => return Ok(false),
        }
    }
    Ok(true)
}

impl Folder {
    pub(super) fn new(root: Dir, oct: Option<Dir>, hooks: Arc<dyn Checkpoints>) -> Self {
        Self { path: root.path().to_owned(), root: Some(Arc::new(root)), oct: oct.map(Arc::new), hooks }
    }

    /// One that does not exist.
    pub(super) fn absent(path: PathBuf, hooks: Arc<dyn Checkpoints>) -> Self {
        Self { path, root: None, oct: None, hooks }
    }

    /// The folder itself, links resolved.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// `<dir>/data`.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// The handle of `<dir>`.
    pub(super) fn root(&self) -> Result<&Dir> {
        self.root.as_deref().ok_or(Errno::NOENT).doing("open", &self.path)
    }

    /// The handle of `<dir>/.oct`.
    pub(super) fn oct(&self) -> Result<&Dir> {
        self.oct.as_deref().ok_or(Errno::NOENT).doing("open", &self.path.join(OCT))
    }

    /// Lets a test stop here; an error takes the place of the step on `path`.
    pub(super) fn before(&self, checkpoint: Checkpoint, doing: &'static str, path: &Path) -> Result<()> {
        self.hooks.before(checkpoint).doing(doing, path)
    }

    /// What is installed, if anything is.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn installed(&self) -> Result<Option<Installed>> {
        let Some(root) = &self.root else { return Ok(None) };
        let manifest = read_manifest(root, Path::new(""))?;
        let data = root.exists(DATA)?;
        Ok((data || manifest.is_some()).then_some(Installed { manifest, data }))
    }

    /// Files in the place of a catalog that are not one: a `data` that has another layout than certsuite's and no
    /// manifest of `oct`, and files with the manifest's names that `oct` did not write. An import refuses them; with
    /// `--adopt`, it moves them away.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn unrelated(&self) -> Result<Vec<PathBuf>> {
        let Some(root) = &self.root else { return Ok(vec![]) };
        let manifest = read_manifest(root, Path::new(""))?;
        let mut found = Vec::new();
        if !manifest.as_ref().is_some_and(is_of_oct) {
            if !has_layout(root, Path::new(""))? {
                found.push(self.data());
            }
            // A catalog that was damaged after its installation is still a catalog.
            if self.history(1)?.is_empty() {
                for name in manifest_files() {
                    if root.exists(&name)? {
                        found.push(root.at(&name));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The previous versions, the one that was replaced last first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn previous(&self) -> Result<Vec<Previous>> {
        let Some(oct) = &self.oct else { return Ok(vec![]) };
        let mut versions = Vec::new();
        for place in self.versions()? {
            let at = version(&place);
            if oct.exists(at.join(DATA))? {
                let manifest = read_manifest(oct, &at)?;
                versions.push(Previous { name: place.to_string(), manifest, path: oct.at(at), place });
            }
        }
        versions.sort_unstable_by(|a, b| (b.place.number(), &b.name).cmp(&(a.place.number(), &a.name)));
        Ok(versions)
    }

    /// The names in `.oct/previous` that are names of versions.
    fn versions(&self) -> Result<Vec<Name>> {
        let oct = self.oct()?;
        let names = match oct.names(PREVIOUS) {
            Ok(names) => names,
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
                return Ok(vec![]);
            }
            Err(error) => return Err(error).doing("read", &oct.at(PREVIOUS)),
        };
        let mut versions = Vec::new();
        for name in names {
            let name = name.doing("read", &oct.at(PREVIOUS))?.into_string().map(Name::try_from);
            if let Ok(Ok(name)) = name
                && name.number().is_some()
            {
                versions.push(name);
            }
        }
        Ok(versions)
    }

    /// A free name in `.oct/previous` that sorts after all others, with a label for people: the date of a catalog, or
    /// that it is not a catalog.
    pub(super) fn name_for_previous(&self, label: Option<&str>) -> Result<Name> {
        let last = self.versions()?.iter().filter_map(Name::number).max().unwrap_or(0);
        Ok(Name::of_version(last.saturating_add(1), label))
    }

    /// Compares `data` with a manifest, byte for byte, and continues after a difference.
    #[must_use]
    pub fn verify_files(&self, manifest: &VerifiedManifest) -> Findings {
        self.compare(manifest)
    }

    /// The same with the manifest as it is, which no trusted key signed. A file that differs from it was altered; a
    /// file that agrees with it is not proved.
    #[must_use]
    pub fn compare(&self, manifest: &Manifest) -> Findings {
        verify::compare(self.root.as_deref(), Path::new(""), manifest, true)
    }

    /// Compares a previous version with its manifest in the same way.
    #[must_use]
    pub fn verify_previous(&self, previous: &Previous, manifest: &VerifiedManifest) -> Findings {
        verify::compare(self.oct.as_deref(), &version(&previous.place), manifest, true)
    }

    /// Opens an installed file for reading. Nothing but a regular file is opened, and no link followed.
    ///
    /// # Errors
    /// If it is something else, or cannot be opened.
    pub fn open_member(&self, member: &MemberPath) -> Result<File> {
        let root = self.root()?;
        let file = root.open_regular(member.as_str()).and_then(|file| file.ok_or_else(not_regular));
        file.doing("open", &root.at(member.as_str()))
    }

    /// The newest entries of the history, the newest first. Damaged lines are passed over.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn history(&self, newest: usize) -> Result<Vec<HistoryEntry>> {
        self.oct.as_deref().map_or_else(|| Ok(vec![]), |oct| history::read(oct, newest))
    }

    /// Checks that there is space for `bytes` in `files` new files, with a reserve.
    ///
    /// # Errors
    /// If there is not enough; the error names what is needed and what is free.
    pub fn require_space(&self, bytes: u64, files: usize) -> Result<()> {
        let found = files::filesystem_of(&self.path)?;
        // Each file fills its last block only in part.
        let blocks = (files as u64).saturating_mul(found.f_bsize.min(64 << 10));
        let needed = bytes.saturating_add(blocks).saturating_add(RESERVE);
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if needed > free {
            return Err(StoreError::Space { dir: self.path.clone(), needed, reserve: RESERVE, free });
        }
        // Zero in total: the filesystem makes inodes as it needs them.
        let inodes = files as u64 + 16;
        if found.f_files > 0 && found.f_favail < inodes {
            return Err(StoreError::Inodes { dir: self.path.clone(), needed: inodes, free: found.f_favail });
        }
        Ok(())
    }

    /// Whether an interrupted run left something to recover.
    pub(super) fn needs_recovery(&self) -> Result<bool> {
        for name in [JOURNAL, JOURNAL_TEMPORARY, STAGING, OUTGOING, TRASH] {
            if self.oct()?.exists(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether there is the journal of a swap, either running or interrupted.
    pub(super) fn has_journal(&self) -> Result<bool> {
        self.oct.as_deref().map_or(Ok(false), |oct| oct.exists(JOURNAL))
    }
}

/// The error for a name that is not a file.
pub(super) fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::importer::NoCheckpoints;

    /// An empty folder with an `.oct`.
    pub(in crate::importer) fn scratch() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let root = Dir::open(parent.path()).unwrap();
        let oct = root.make_folder(OCT).unwrap();
        (parent, Folder::new(root, Some(oct), Arc::new(NoCheckpoints)))
    }

    #[test]
    fn names_of_versions_go_up() {
        let (parent, folder) = scratch();
        assert_eq!(folder.name_for_previous(Some("a")).unwrap().to_string(), "0001-a");
        for name in ["0009-x", "10000-y", "notes"] {
            std::fs::create_dir_all(parent.path().join(OCT).join(PREVIOUS).join(name).join(DATA)).unwrap();
        }
        assert_eq!(folder.name_for_previous(None).unwrap().to_string(), "10001-foreign");
        let names: Vec<_> = folder.previous().unwrap().into_iter().map(|version| version.name).collect();
        assert_eq!(names, ["10000-y", "0009-x"], "the newest first, by number");
    }
}
