//! Keeping the newest archives of a folder.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::folder::archives;
use super::read::Archive;
use crate::archive::name::ArchiveName;
use crate::trust::manifest::Manifest;

/// Removes all archives but the `newest` from `folder`, each with its sidecars; returns the removed archives.
///
/// Where all of these are partial, the newest one that is not stays too: nothing else could be imported anew.
///
/// Only a regular file counts that has the name of an archive and begins as `oct` writes one: whatever else lies there,
/// links and damaged files included, stays and is not counted.
///
/// # Errors
/// Where the folder cannot be listed or a file not be removed.
pub fn retain(folder: &Path, newest: usize) -> io::Result<Vec<PathBuf>> {
    let ours = |path: PathBuf| {
        fs::symlink_metadata(&path).ok().filter(|metadata| metadata.is_file())?;
        let archive = Archive::open(&path).ok()?;
        let manifest = Manifest::parse(archive.signed().unverified_text());
        Some((path, manifest.is_ok_and(|manifest| manifest.partial.is_none())))
    };
    let mut kept: Vec<(PathBuf, bool)> = archives(folder)?.into_iter().filter_map(ours).collect();
    let mut old = kept.split_off(newest.max(1).min(kept.len()));
    if !kept.iter().any(|(_, full)| *full)
        && let Some(newest_full) = old.iter().position(|(_, full)| *full)
    {
        old.remove(newest_full);
    }
    let old: Vec<PathBuf> = old.into_iter().map(|(path, _)| path).collect();
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
