//! Keeping the newest archives of a folder.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::folder::archives;
use super::read::Archive;
use crate::model::archive_name::ArchiveName;

/// Removes all archives but the `newest` from `folder`, each with its sidecars; returns the removed archives.
///
/// Only a regular file counts that has the name of an archive and begins as `oct` writes one: whatever else lies there,
/// links and damaged files included, stays and is not counted.
///
/// # Errors
/// Where the folder cannot be listed or a file not be removed.
pub fn retain(folder: &Path, newest: usize) -> io::Result<Vec<PathBuf>> {
    let is_ours = |path: &PathBuf| {
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) && Archive::open(path).is_ok()
    };
    let old: Vec<PathBuf> = archives(folder)?.into_iter().filter(is_ours).skip(newest.max(1)).collect();
    for path in &old {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(ArchiveName::parse);
        // The archive goes first: a sidecar alone says nothing, an archive alone is whole.
        fs::remove_file(path)?;
        for sidecar in name.iter().flat_map(|name| [name.checksum(), name.signature()]) {
            match fs::remove_file(folder.join(sidecar)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(old)
}
