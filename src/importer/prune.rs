//! Removes previous versions.

use std::path::Path;

use super::error::Result;
use super::folder::{Folder, Previous};
use super::install::discard_versions;
use super::recovery;
use super::store::Locked;

/// A previous version to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surplus {
    /// Its name in `.oct/previous`.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Whether it is not a catalog of `oct`, but other files that were in its place.
    pub is_adopted: bool,
    version: Previous,
}

impl Folder {
    /// All previous catalogs but the `keep` newest, and all files that were moved away from the place of a catalog.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn surplus(&self, keep: usize) -> Result<Vec<Surplus>> {
        let mut kept = 0;
        let mut surplus = Vec::new();
        for version in self.previous()? {
            let is_adopted = !version.is_catalog();
            kept += usize::from(!is_adopted);
            if is_adopted || kept > keep {
                let (name, bytes) = (version.name.clone(), bytes_below(version.path()));
                surplus.push(Surplus { name, bytes, is_adopted, version });
            }
        }
        Ok(surplus)
    }
}

impl Locked {
    /// Removes these previous versions.
    ///
    /// # Errors
    /// If one cannot be removed. A version that is half removed is no longer a version, and the next run removes the rest.
    pub fn prune(&mut self, surplus: Vec<Surplus>) -> Result<()> {
        let folder: &Folder = self;
        let mut removed = Vec::new();
        discard_versions(folder, surplus.into_iter().map(|surplus| surplus.version), &mut removed)?;
        recovery::empty_trash(folder).map(drop)
    }
}

/// Bytes of all files below `folder`, as far as they can be seen. Links are not followed.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match fs_err::symlink_metadata(entry.path()) {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    bytes.sum()
}
