//! Whole trees: their digest, by which a tree is recognised wherever it lies, and copies of them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::{Doing, Result};
use super::files;
use super::folder::DATA;
use super::verify;
use crate::base::digest::Sha256Digest;

/// The digest of `data` below `root`: that of [`content_digest`](crate::trust::manifest::content_digest) where there
/// are regular files only, so that a manifest tells the digest of its tree without reading it.
pub(super) fn digest(root: &Path) -> Result<Sha256Digest> {
    let mut lines = Vec::new();
    let mut pending = vec![PathBuf::from(DATA)];
    while let Some(relative) = pending.pop() {
        let path = root.join(&relative);
        let found = path.symlink_metadata().doing("look at", &path)?;
        let what = if found.is_dir() {
            for entry in fs::read_dir(&path).doing("read", &path)? {
                pending.push(relative.join(entry.doing("read", &path)?.file_name()));
            }
            continue;
        } else if found.is_file() {
            let file = fs::File::open(&path).doing("open", &path)?;
            verify::digest(file, u64::MAX).doing("read", &path)?.1.to_string().into_bytes()
        } else if found.is_symlink() {
            let target = fs::read_link(&path).doing("read", &path)?;
            [b"a symbolic link to ", target.as_os_str().as_bytes()].concat()
        } else {
            verify::kind(found.file_type()).as_bytes().to_vec()
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

/// Copies a tree and syncs the copy. `to` must not exist.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let found = from.symlink_metadata().doing("look at", from)?;
    if found.is_dir() {
        files::make_folder(to)?;
        for entry in fs::read_dir(from).doing("read", from)? {
            let name = entry.doing("read", from)?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        fs::set_permissions(to, fs::Permissions::from_mode(found.permissions().mode())).doing("set the mode of", to)?;
        files::sync_folder(to)
    } else if found.is_symlink() {
        let target = fs::read_link(from).doing("read", from)?;
        std::os::unix::fs::symlink(target, to).doing("create", to)
    } else {
        let mut source = files::open_regular(from)
            .and_then(|file| file.ok_or_else(|| std::io::Error::other("neither a file nor a folder nor a link")))
            .doing("copy", from)?;
        let mut copy = files::create_file(to)?;
        std::io::copy(&mut source, &mut copy).doing("write", to)?;
        copy.set_permissions(found.permissions()).doing("set the mode of", to)?;
        copy.sync_all().doing("sync", to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::member::MemberPath;
    use crate::trust::manifest::{File, content_digest};

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

    #[test]
    fn the_digest_is_that_of_the_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let files = sample(dir.path());
        assert_eq!(digest(dir.path()).unwrap(), content_digest(&files));
        fs::write(dir.path().join("data/b/x"), "data/b/X").unwrap();
        assert_ne!(digest(dir.path()).unwrap(), content_digest(&files));
    }

    #[test]
    fn a_copy_has_the_same_digest() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        sample(from.path());
        std::os::unix::fs::symlink("b/x", from.path().join("data/link")).unwrap();
        fs::set_permissions(from.path().join("data/a"), fs::Permissions::from_mode(0o600)).unwrap();
        copy(&from.path().join("data"), &to.path().join("data")).unwrap();
        assert_eq!(digest(from.path()).unwrap(), digest(to.path()).unwrap());
        assert_eq!(fs::metadata(to.path().join("data/a")).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(to.path().join("data/link")).unwrap();
        std::os::unix::fs::symlink("b/y", to.path().join("data/link")).unwrap();
        assert_ne!(digest(from.path()).unwrap(), digest(to.path()).unwrap());
    }
}
