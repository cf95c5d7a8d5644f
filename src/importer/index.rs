//! The file from which `oct check` answers: a cache beside the catalog, outside of what certsuite reads.
//!
//! It takes no part in the swap. It is written after the swap, under the same lock, under a temporary name, and renamed;
//! it is not synced, as its reader finds damage by itself. Its name is the digest of the manifest that it was made for,
//! so a rollback finds that of the version that it puts back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{Doing as _, Result};
use super::files;
use super::folder::Folder;
use super::store::Locked;
use crate::model::Sha256Digest;
use crate::model::index::Binding;
use crate::model::{SignedManifest, VerifiedManifest, layout};

/// Indexes, below `.oct`.
const INDEX: &str = "index";

fn file_name(manifest: &SignedManifest) -> String {
    format!("{}.idx", Sha256Digest::of(manifest.unverified_text().as_bytes()))
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

    /// To what an index of `data` as it lies here now, with this manifest, is bound.
    ///
    /// # Errors
    /// Where a file cannot be looked at.
    pub fn index_binding(&self, manifest: &VerifiedManifest) -> Result<Binding> {
        let mut listing = Vec::new();
        for relative in self.data_files()? {
            let path = self.dir().join(&relative);
            let found = fs::metadata(&path).doing("look at", &path)?;
            let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
            // Nobody sets the time of the last change of an inode but the kernel.
            listing.push(format!("{relative:?} {} {modified:?} {changed:?}\n", found.len()));
        }
        Ok(Binding {
            manifest: Sha256Digest::of(manifest.signed().unverified_text().as_bytes()),
            content: manifest.content,
            files: Sha256Digest::of(listing.concat().as_bytes()),
        })
    }

    /// Opens the index for a manifest, if there is one. What it says of itself is for the reader to check.
    ///
    /// # Errors
    /// Where it is there and cannot be opened.
    pub fn open_index(&self, manifest: &VerifiedManifest) -> Result<Option<File>> {
        let path = self.inner(INDEX).join(file_name(manifest.signed()));
        match files::open_regular(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            opened => opened.doing("open", &path),
        }
    }
}

impl Locked {
    /// Puts an index beside the installed catalog, and removes those of versions that are gone.
    ///
    /// # Errors
    /// Where it cannot be written. Nothing else is harmed then.
    pub fn write_index(
        &self,
        manifest: &VerifiedManifest,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let folder = self.inner(INDEX);
        files::ensure_folder(&folder)?;
        let mut kept = vec![file_name(manifest.signed())];
        kept.extend(self.previous()?.iter().filter_map(|version| version.manifest.as_ref()).map(file_name));
        for entry in fs::read_dir(&folder).doing("read", &folder)? {
            let entry = entry.doing("read", &folder)?;
            if !entry.file_name().to_str().is_some_and(|name| kept.iter().any(|kept| kept == name)) {
                files::remove(&entry.path())?;
            }
        }
        let path = folder.join(&kept[0]);
        let temporary = folder.join("new");
        let written = files::create_file(&temporary).and_then(|file| {
            let mut out = io::BufWriter::with_capacity(128 << 10, file);
            write(&mut out).and_then(|()| out.flush()).doing("write", &temporary)?;
            fs::rename(&temporary, &path).doing("move", &temporary)
        });
        if written.is_err() {
            // What remains is removed by the next run.
            let _ = files::remove(&temporary);
        }
        written
    }
}
