//! Whole trees: their digest, which recognises a tree in any place, and their copies.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::error::{Doing, Result};
use super::files::Dir;
use super::folder::not_regular;
use super::paths::DATA;
use super::verify;
use crate::base::digest::Sha256Digest;

/// The digest of `data` of the version `at`: that of [`content_digest`](crate::trust::manifest::content_digest) where
/// there are regular files only, so that a manifest tells the digest of its tree without reading it.
pub(super) fn digest(dir: &Dir, at: &Path) -> Result<Sha256Digest> {
    let mut lines = Vec::new();
    let mut pending = vec![PathBuf::from(DATA)];
    while let Some(relative) = pending.pop() {
        let place = at.join(&relative);
        let path = &dir.at(&place);
        let what = match dir.kind(&place)? {
            Some(FileType::Directory) => {
                for name in dir.names(&place).doing("read", path)? {
                    pending.push(relative.join(name.doing("read", path)?));
                }
                continue;
            }
            Some(FileType::RegularFile) => {
                let file =
                    dir.open_regular(&place).and_then(|file| file.ok_or_else(not_regular)).doing("open", path)?;
                verify::digest(file, u64::MAX).doing("read", path)?.1.to_string().into_bytes()
            }
            Some(FileType::Symlink) => [b"a symbolic link to ", dir.link(&place)?.as_bytes()].concat(),
            Some(other) => verify::kind(other).as_bytes().to_vec(),
            None => return Err(Errno::NOENT).doing("look at", path),
        };
        lines.push((relative, what));
    }
    lines.sort_unstable_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
    let mut listing = Vec::new();
    for (path, what) in lines {
        listing.extend_from_slice(&what);
        listing.extend_from_slice(b"  ");
        listing.extend_from_slice(path.as_os_str().as_bytes());
        listing.push(b'\n');
    }
    Ok(Sha256Digest::of(&listing))
}

/// Whether `data` of the version `at` has this digest. The answer is no for a tree whose paths are too long for the
/// system.
pub(super) fn has_digest(dir: &Dir, at: &Path, expected: Sha256Digest) -> Result<bool> {
    match digest(dir, at) {
        Err(error) if error.errno() == Some(Errno::NAMETOOLONG) => Ok(false),
        found => Ok(found? == expected),
    }
}

/// Copies the tree `path` of `from` and syncs the copy, `name` in `to`, which must not exist.
pub(super) fn copy(from: &Dir, path: &Path, to: &Dir, name: &Path) -> Result<()> {
    let (source, target) = (from.at(path), to.at(name));
    let found = from.stat(path)?.ok_or(Errno::NOENT).doing("look at", &source)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => {
            let folder = to.make_folder(name)?;
            for entry in from.names(path).doing("read", &source)? {
                let entry = entry.doing("read", &source)?;
                copy(from, &path.join(&entry), &folder, Path::new(&entry))?;
            }
            folder.set_mode(found.st_mode & 0o7777)?;
            folder.sync()
        }
        FileType::Symlink => to.make_link(&from.link(path)?, name),
        _ => {
            let opened = from
                .open_regular(path)
                .and_then(|file| file.ok_or_else(|| std::io::Error::other("neither a file nor a folder nor a link")));
            let mut original = opened.doing("copy", &source)?;
            let mut file = to.create_file(name)?;
            std::io::copy(&mut original, &mut file).doing("write", &target)?;
            let mode = Permissions::from_mode(found.st_mode & 0o7777);
            file.set_permissions(mode).doing("set the mode of", &target)?;
            file.sync_all().doing("sync", &target)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::member::MemberPath;
    use crate::trust::manifest::{File, content_digest};
    use std::fs;

    fn sample(root: &Path) -> Vec<File> {
        // In the order of their paths as text, which is not that of their components.
        let paths = ["data/a", "data/b-c", "data/b/x", "data/b/y", "data/b0"];
        let file = |path: &str| File {
            path: MemberPath::new(path).unwrap(),
            size: path.len() as u64,
            sha256: Sha256Digest::of(path.as_bytes()),
        };
        fs::create_dir_all(root.join("data/b")).unwrap();
        for path in paths {
            fs::write(root.join(path), path).unwrap();
        }
        paths.into_iter().map(file).collect()
    }

    fn scratch() -> (tempfile::TempDir, Dir) {
        let parent = tempfile::tempdir().unwrap();
        let dir = Dir::open(parent.path()).unwrap();
        (parent, dir)
    }

    #[test]
    fn the_digest_is_that_of_the_manifest() {
        let (parent, dir) = scratch();
        let files = sample(parent.path());
        assert_eq!(digest(&dir, Path::new("")).unwrap(), content_digest(&files));
        fs::write(parent.path().join("data/b/x"), "data/b/X").unwrap();
        assert_ne!(digest(&dir, Path::new("")).unwrap(), content_digest(&files));
    }

    #[test]
    fn a_copy_has_the_same_digest() {
        let ((from, source), (to, target)) = (scratch(), scratch());
        sample(from.path());
        std::os::unix::fs::symlink("b/x", from.path().join("data/link")).unwrap();
        fs::set_permissions(from.path().join("data/a"), fs::Permissions::from_mode(0o600)).unwrap();
        copy(&source, Path::new("data"), &target, Path::new("data")).unwrap();
        let digest = |dir| digest(dir, Path::new("")).unwrap();
        assert_eq!(digest(&source), digest(&target));
        assert_eq!(fs::metadata(to.path().join("data/a")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(to.path().join("data/link")).unwrap();
        std::os::unix::fs::symlink("b/y", to.path().join("data/link")).unwrap();
        assert_ne!(digest(&source), digest(&target));
    }
}
