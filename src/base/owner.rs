//! Who besides root and the caller can change a file: sshd's `StrictModes`, for the file and every folder above it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Bits of a mode by which group and others may write. An access list that lets somebody write shows in them as well.
const OTHERS_WRITE: u32 = 0o022;
/// In such a folder only the owner of a file renames or removes it, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// The users whose files are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners(BTreeSet<u32>);

impl Owners {
    /// Root alone.
    #[must_use]
    pub fn root() -> Self {
        Self(BTreeSet::from([0]))
    }

    /// Root and the user of this process.
    #[must_use]
    pub fn caller() -> Self {
        Self::root().and(Some(rustix::process::geteuid().as_raw()))
    }

    /// These, and one more.
    #[must_use]
    pub fn and(mut self, uid: Option<u32>) -> Self {
        self.0.extend(uid);
        self
    }
}

/// A file or folder that others can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The file or the folder.
    pub path: PathBuf,
    /// Why.
    pub cause: Exposure,
}

/// Why others can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// It belongs to this user.
    Owner(u32),
    /// It has these permission bits.
    Mode(u32),
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.cause {
            Exposure::Owner(uid) => write!(f, "`{path}` belongs to the user {uid}"),
            Exposure::Mode(mode) => {
                write!(f, "`{path}` has mode {mode:04o}: users other than its owner can write to it")
            }
        }
    }
}

/// The first of `path` and all folders above it that others than `owners` can change; `None` where nobody else can.
///
/// Where links are on the way, the folders that they stand in count, and those that they lead to.
///
/// # Errors
/// If one of them cannot be looked at.
pub fn exposed(path: &Path, owners: &Owners) -> io::Result<Option<Exposed>> {
    let mut seen = BTreeSet::new();
    for named in std::path::absolute(path)?.ancestors() {
        for real in fs::canonicalize(named)?.ancestors() {
            if !seen.insert(real.to_owned()) {
                break;
            }
            let found = fs::metadata(real)?;
            if let Some(cause) = exposure(found.uid(), found.mode(), found.is_dir(), owners) {
                return Ok(Some(Exposed { path: real.to_owned(), cause }));
            }
        }
    }
    Ok(None)
}

fn exposure(uid: u32, mode: u32, is_folder: bool, owners: &Owners) -> Option<Exposure> {
    if !owners.0.contains(&uid) {
        return Some(Exposure::Owner(uid));
    }
    let open = mode & OTHERS_WRITE != 0 && !(is_folder && mode & STICKY != 0);
    open.then_some(Exposure::Mode(mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn root_and_the_caller_may_write_and_nobody_else() {
        let owners = Owners(BTreeSet::from([0, 1000]));
        assert_eq!(exposure(0, 0o100_644, false, &owners), None);
        assert_eq!(exposure(1000, 0o100_600, false, &owners), None);
        assert_eq!(exposure(1001, 0o100_600, false, &owners), Some(Exposure::Owner(1001)));
        assert_eq!(exposure(0, 0o100_664, false, &owners), Some(Exposure::Mode(0o664)));
        assert_eq!(exposure(0, 0o100_646, false, &owners), Some(Exposure::Mode(0o646)));
        assert_eq!(exposure(0, 0o040_775, true, &owners), Some(Exposure::Mode(0o775)));
        // As `/tmp`. On a file the bit means nothing.
        assert_eq!(exposure(0, 0o041_777, true, &owners), None);
        assert_eq!(exposure(0, 0o101_777, false, &owners), Some(Exposure::Mode(0o1777)));
    }

    #[test]
    fn folders_above_and_the_folder_of_a_link_count() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str, mode| fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
        let first = |name: &str| exposed(&at(name), &Owners::caller()).unwrap().map(|exposed| exposed.path);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir(at("links")).unwrap();
        fs::write(at("a/b/key"), "").unwrap();
        std::os::unix::fs::symlink(at("a/b/key"), at("links/key")).unwrap();
        for name in ["a", "a/b", "links"] {
            mode(name, 0o755);
        }
        mode("a/b/key", 0o644);
        assert_eq!((first("a/b/key"), first("links/key")), (None, None));
        let root = fs::canonicalize(folder.path()).unwrap();
        mode("a", 0o775);
        assert_eq!((first("a/b/key"), first("links/key")), (Some(root.join("a")), Some(root.join("a"))));
        mode("a", 0o755);
        mode("links", 0o757);
        assert_eq!((first("a/b/key"), first("links/key")), (None, Some(root.join("links"))));
        mode("links", 0o755);
        mode("a/b/key", 0o666);
        assert_eq!(first("links/key"), Some(root.join("a/b/key")));
        assert!(exposed(&at("none"), &Owners::caller()).is_err());
    }
}
