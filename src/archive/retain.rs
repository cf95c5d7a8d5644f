//! Keeps the newest archives of a folder.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::folder::{Lock, archives, remove_archive};
use super::read::Archive;
use crate::base::fs;
use crate::trust::{Keyring, VerifiedManifest};

/// The result.
#[derive(Debug, Default)]
pub struct Retained {
    /// Archives that were removed.
    pub removed: Vec<PathBuf>,
    /// Why the rest stayed, if something failed.
    pub failure: Option<io::Error>,
}

/// An archive that one of our keys signed.
struct Own {
    created: Timestamp,
    path: PathBuf,
    is_partial: bool,
}

/// The archives that [`retain`] would remove.
///
/// # Errors
/// If the folder cannot be listed.
pub fn surplus(folder: &Path, newest: usize, own: &Keyring) -> io::Result<Vec<PathBuf>> {
    too_many(folder, newest, own, Path::new(""))
}

/// Removes all archives but the `newest` from `folder`, each with its sidecars. `written` always stays: the archive that
/// this run wrote, or found unchanged.
///
/// A regular file counts if it has the name of an archive and a key in `own` signed it; those that stay must also be
/// whole. Other files stay and do not count. The signed `created` decides which is newest. Where all that stay are
/// partial, the newest one that is not stays too: nothing else could be imported anew.
#[must_use]
pub fn retain(folder: &Path, newest: usize, own: &Keyring, written: &Path) -> Retained {
    let mut retained = Retained::default();
    let old = Lock::take(folder).and_then(|lock| Ok((lock, too_many(folder, newest, own, written)?)));
    let removed = old.and_then(|(_lock, old)| {
        old.into_iter().try_for_each(|path| {
            remove_archive(folder, &path)?;
            retained.removed.push(path);
            Ok(())
        })
    });
    retained.failure = removed.err();
    retained
}

fn too_many(folder: &Path, newest: usize, own: &Keyring, written: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<Own> = archives(folder)?.into_iter().filter_map(|path| signed(path, own)).collect();
    found.sort_by(|one, other| (other.created, &other.path).cmp(&(one.created, &one.path)));
    let (mut kept, mut full, mut old) = (0, false, Vec::new());
    for archive in found {
        let is_written = archive.path.file_name() == written.file_name();
        if !is_written && kept >= newest.max(1) && (full || archive.is_partial) {
            old.push(archive.path);
        } else if is_written || is_whole(&archive.path, own) {
            kept += 1;
            full |= !archive.is_partial;
        }
    }
    Ok(old)
}

fn verified(path: &Path, own: &Keyring) -> Option<(Archive, VerifiedManifest)> {
    // oct makes no links, so a link stays.
    fs::open_itself(path).ok()?;
    let archive = Archive::open(path).ok()?;
    let manifest = archive.signed().clone().verify(own).ok()?;
    Some((archive, manifest))
}

fn signed(path: PathBuf, own: &Keyring) -> Option<Own> {
    let (_, manifest) = verified(&path, own)?;
    Some(Own { created: manifest.created, path, is_partial: manifest.partial.is_some() })
}

/// Whether the body is what was signed: a damaged archive must not count as one that can be imported.
fn is_whole(path: &Path, own: &Keyring) -> bool {
    verified(path, own).is_some_and(|(archive, manifest)| archive.check_body(&manifest, &mut io::sink()).is_ok())
}
