//! Small files that the user names, that are in a folder, or that an earlier run left.
//!
//! Such a name can be anything: a pipe that nobody writes to, a device, a disk image. So a file is opened without
//! waiting, must be a regular file, and is read up to a limit. Every error names the path.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

use super::text;

/// Mode of a folder that is made here, whatever the umask.
const FOLDER_MODE: u32 = 0o755;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A folder, a pipe, a device or a socket.
    #[error("`{}` is {what}, not a regular file", path.display())]
    Kind {
        /// Where it stands.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// More bytes than such a file ever has.
    #[error("`{}` is too large: it has more than {}", path.display(), text::size(*limit))]
    TooLarge {
        /// Where it stands.
        path: PathBuf,
        /// Bytes that are accepted.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("`{}` is not text", .0.display())]
    NotText(
        /// Where it stands.
        PathBuf,
    ),
}

impl FileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidInput, other.to_string()),
        }
    }
}

/// Opens a regular file for reading, without waiting. A link is followed.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<fs::File, FileError> {
    open_with(path, OFlags::NONBLOCK)
}

/// The same, but a link is not followed.
///
/// # Errors
/// As [`open`].
pub fn open_itself(path: &Path) -> Result<fs::File, FileError> {
    open_with(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)
}

fn open_with(path: &Path, flags: OFlags) -> Result<fs::File, FileError> {
    let refuse = |found: std::fs::FileType| match kind(found) {
        None => Ok(()),
        Some(what) => Err(FileError::Kind { path: path.to_owned(), what }),
    };
    match fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => refuse(file.metadata()?.file_type()).map(|()| file),
        // A socket, or a link that is not followed: the system's own message does not help.
        Err(error) => {
            let follow = !flags.contains(OFlags::NOFOLLOW);
            let found = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
            found.map_or(Ok(()), |found| refuse(found.file_type()))?;
            Err(error.into())
        }
    }
}

/// What stands in the place of a regular file, with its article.
fn kind(found: std::fs::FileType) -> Option<&'static str> {
    match () {
        () if found.is_file() => None,
        () if found.is_dir() => Some("a folder"),
        () if found.is_symlink() => Some("a link"),
        () if found.is_fifo() => Some("a pipe"),
        () if found.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
}

/// The bytes of a regular file that has at most `limit` of them.
///
/// # Errors
/// As [`open`], and where the file is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    bounded(&mut open(path)?, path, limit)
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and where the bytes are not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    text_of(read(path, limit)?, path)
}

/// All bytes of the open `file`, at most `limit`; `path` is for the error.
///
/// # Errors
/// If it is larger, or cannot be read.
pub fn bounded(file: &mut impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(FileError::TooLarge { path: path.to_owned(), limit }) } else { Ok(bytes) }
}

/// `bytes` as text; `path` is for the error.
///
/// # Errors
/// If they are not UTF-8.
pub fn text_of(bytes: Vec<u8>, path: &Path) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_owned()))
}

/// What was read, or `None` if there is no such file.
///
/// # Errors
/// Every other one.
pub fn if_there<T>(read: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match read {
        Err(error) if error.is_missing() => Ok(None),
        read => read.map(Some),
    }
}

/// The entries of `folder`, in no order; none if there is no such folder.
///
/// # Errors
/// If it cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.collect(),
    }
}

/// Removes a file; returns whether there was one.
///
/// # Errors
/// If it exists and cannot be removed.
pub fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Takes the exclusive lock of `file`; whether it was free.
///
/// # Errors
/// If the filesystem has no locks.
pub fn take_lock(file: &std::fs::File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Makes `folder` and what is missing above it, each with mode 0755 whatever the umask.
///
/// # Errors
/// If one cannot be made.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            // Another process created it first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                fs::set_permissions(folder, std::fs::Permissions::from_mode(FOLDER_MODE))?;
            }
        }
    }
    Ok(())
}

/// Writes `bytes` to a file beside `path`, syncs it and gives it that name: readers find the old file or the new one,
/// whole. It has exactly `mode`, whatever the umask.
///
/// # Errors
/// If the file cannot be written or synced. The old file stays, unless only the sync of the folder failed: then the new
/// file is in place.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()));
    let place = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    place().map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn odd_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        fs::write(at("file"), "text").unwrap();
        fs::write(at("bytes"), [0xff]).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        for (name, what) in [("pipe", "a pipe"), ("socket", "a socket"), (".", "a folder")] {
            let error = read(&at(name), 9).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains(at(name).to_str().unwrap()), "{error}");
        }
        assert!(read(Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("a device"));
        assert_eq!(read_text(&at("file"), 4).unwrap(), "text");
        assert_eq!(read_text(&at("link"), 4).unwrap(), "text");
        assert!(open_itself(&at("link")).unwrap_err().to_string().contains("a link"));
        assert!(matches!(read(&at("file"), 3), Err(FileError::TooLarge { .. })));
        assert!(matches!(read_text(&at("bytes"), 3), Err(FileError::NotText(_))));
        assert!(if_there(read(&at("none"), 3)).unwrap().is_none());
        assert!(if_there(read(&at("pipe"), 3)).is_err());
        let error = io::Error::from(read(&at("none"), 3).unwrap_err()).to_string();
        assert!(error.contains("none"), "{error}");
    }

    #[test]
    fn what_is_missing_is_an_empty_list_and_no_removal() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(list(&at("none")).unwrap().is_empty());
        assert!(!remove_if_there(&at("none")).unwrap());
        write(&at("one"), b"1", 0o640).unwrap();
        write(&at("one"), b"2", 0o644).unwrap();
        assert_eq!((fs::read(at("one")).unwrap(), mode(&at("one"))), (b"2".to_vec(), 0o644));
        assert_eq!(list(folder.path()).unwrap().len(), 1);
        assert!(list(&at("one")).is_err());
        assert!(remove_if_there(&at("one")).unwrap());
        make_folders(&at("a/b/c")).unwrap();
        make_folders(&at("a/b/c")).unwrap();
        assert_eq!(mode(&at("a/b")), 0o755);
        let error = write(&at("none/x"), b"", 0o644).unwrap_err().to_string();
        assert!(error.contains("none/x"), "{error}");
    }
}
