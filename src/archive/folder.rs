//! Archives in a folder: finds the newest, and puts a new one there in one step.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::ArchiveError;
use super::frame;
use super::read::Archive;
use crate::archive::name::ArchiveName;
use crate::base::digest::{HashingWriter, Sha256Digest};
use crate::base::fs::{self, FileError};
use crate::base::limits;
use crate::trust::KeyId;
use crate::trust::signed::SignedManifest;

/// Prefix of the names of incomplete files.
pub(super) const PARTIAL_PREFIX: &str = ".oct-partial-";
/// How long a run waits for another that publishes into the same folder. Copying an archive takes seconds.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// How often it checks.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// An archive in its folder, under its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The archive.
    pub archive: PathBuf,
    /// The checksum file.
    pub checksum: PathBuf,
    /// The signature files: the first key's, then those of the others.
    pub signatures: Vec<PathBuf>,
    /// Bytes of the archive.
    pub size: u64,
    /// Digest of the archive.
    pub sha256: Sha256Digest,
}

/// The archives in `folder`, the latest name first. A missing folder holds none.
///
/// # Errors
/// If the folder cannot be listed.
pub fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let named =
        |entry: fs_err::DirEntry| Some((entry.file_name().to_str().and_then(ArchiveName::parse)?, entry.path()));
    let mut found: Vec<_> = fs::list(folder)?.into_iter().filter_map(named).collect();
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Checks that the filesystem of `folder` has `needed` free bytes.
///
/// # Errors
/// Names what is needed and what is free.
pub fn require_space(folder: &Path, needed: u64) -> Result<(), ArchiveError> {
    let found = rustix::fs::statvfs(folder).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("cannot ask for the free space of `{}`: {error}", folder.display()))
    })?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if needed > free {
        return Err(ArchiveError::Space { path: folder.to_owned(), needed, free });
    }
    Ok(())
}

/// Removes what killed runs left in `folder`. A file that a running `oct` still writes is locked and stays; so does
/// anything but a regular file.
///
/// # Errors
/// If the folder cannot be listed, or a file cannot be locked or removed.
pub fn sweep_partial(folder: &Path) -> io::Result<()> {
    leftovers(folder, |name| name.starts_with(PARTIAL_PREFIX), true).map(drop)
}

/// Files in `folder` with such a name that no running `oct` writes; they are removed where that is wanted.
///
/// # Errors
/// If the folder cannot be listed, or a file cannot be locked or removed.
pub(super) fn leftovers(folder: &Path, is_called: impl Fn(&str) -> bool, remove: bool) -> io::Result<Vec<PathBuf>> {
    // A run that publishes here may have files that are not locked yet. The next run removes leftovers.
    let Ok(Some(_lock)) = Lock::take_at_once(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::list(folder)? {
        if is_called(&entry.file_name().to_string_lossy())
            && let Ok(file) = fs::open_itself(&entry.path())
            && fs::take_lock(file.file())?
        {
            if remove {
                fs::remove_if_there(&entry.path())?;
            }
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The right to change the archives of a folder: of two runs at once, one publishes after the other, so that an archive
/// and its sidecars are of one run.
#[derive(Debug)]
pub(super) struct Lock(Option<std::fs::File>);

impl Lock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// If another run keeps it for too long, or the folder cannot be opened.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        Self::take_within(folder, LOCK_WAIT)
    }

    fn take_within(folder: &Path, patience: Duration) -> io::Result<Self> {
        let began = Instant::now();
        loop {
            if let Some(lock) = Self::take_at_once(folder)? {
                return Ok(lock);
            }
            if began.elapsed() > patience {
                let what = format!("another run writes into `{}` for too long", folder.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, what));
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    fn take_at_once(folder: &Path) -> io::Result<Option<Self>> {
        let file = fs_err::File::open(folder)?.into_parts().0;
        match fs::take_lock(&file) {
            Ok(true) => Ok(Some(Self(Some(file)))),
            Ok(false) => Ok(None),
            // Some network filesystems have no locks. Everything else works there.
            Err(_) => Ok(Some(Self(None))),
        }
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        self.0.as_ref().map_or_else(|| fs_err::File::open(folder)?.sync_all(), std::fs::File::sync_all)
    }
}

/// Every sidecar of the archive `name` in `folder`.
pub(super) fn sidecars(folder: &Path, name: &ArchiveName) -> io::Result<Vec<PathBuf>> {
    let entries = fs::list(folder)?.into_iter();
    let named = |entry: &fs_err::DirEntry| entry.file_name().to_str().is_some_and(|file| name.is_sidecar(file));
    Ok(entries.filter(named).map(|entry| entry.path()).collect())
}

/// Removes the archive at `path` in `folder` with its sidecars.
pub(super) fn remove_archive(folder: &Path, path: &Path) -> io::Result<()> {
    // Remove the archive first: a sidecar without an archive does no harm, and an archive without sidecars is complete.
    fs::remove_if_there(path)?;
    match path.file_name().and_then(|name| name.to_str()).and_then(ArchiveName::parse) {
        Some(name) => sidecars(folder, &name)?.iter().try_for_each(|path| fs::remove_if_there(path).map(drop)),
        None => Ok(()),
    }
}

/// Puts an archive with its sidecars into `folder`, each file under its final name only when it is complete and
/// synced: first the archive, then what vouches for it. `sign` makes the signatures from the whole archive: the text of
/// a `.minisig` for each key.
///
/// # Errors
/// Those of the disk, and of `sign`. Archives of other hours stay; the archive of this hour can already have been
/// replaced, or have lost its sidecars.
pub fn publish<E: From<ArchiveError>>(
    folder: &Path,
    name: &ArchiveName,
    signed: &SignedManifest,
    body: &mut std::fs::File,
    sign: impl FnOnce(&mut dyn Read) -> Result<Vec<(KeyId, String)>, E>,
) -> Result<Published, E> {
    let header = signed.encode();
    let Some(prefix) = frame::prefix(header.len()) else {
        return Err(ArchiveError::HeaderTooLarge { size: header.len() as u64 }.into());
    };
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", folder.display()));
    let lock = Lock::take(folder).map_err(ArchiveError::Io)?;
    let mut archive = partial(folder)?;
    let write = |archive: &mut tempfile::NamedTempFile, body: &mut std::fs::File| -> io::Result<_> {
        body.seek(SeekFrom::Start(0))?;
        let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 18, archive.as_file_mut()));
        out.write_all(&prefix)?;
        out.write_all(&header)?;
        io::copy(body, &mut out)?;
        out.flush()?;
        let (_, size, sha256) = out.finish();
        archive.as_file().sync_all()?;
        archive.as_file_mut().seek(SeekFrom::Start(0))?;
        Ok((size, sha256))
    };
    let (size, sha256) = write(&mut archive, body).map_err(|error| ArchiveError::Io(named(error)))?;
    let signatures = sign(archive.as_file_mut())?;
    let signature_name = |index: usize, key: KeyId| if index == 0 { name.signature() } else { name.signature_by(key) };
    let place = || -> io::Result<Published> {
        let checksum = text_file(folder, &format!("{sha256}  {name}\n"))?;
        let signatures = signatures
            .iter()
            .enumerate()
            .map(|(index, (key, text))| Ok((text_file(folder, text)?, folder.join(signature_name(index, *key)))));
        let signatures = signatures.collect::<io::Result<Vec<_>>>()?;
        // An older archive of this hour goes with its sidecars: they would accuse the new one.
        for sidecar in sidecars(folder, name)? {
            fs::remove_if_there(&sidecar)?;
        }
        let mut published = Published {
            archive: folder.join(name.as_str()),
            checksum: folder.join(name.checksum()),
            signatures: Vec::new(),
            size,
            sha256,
        };
        archive.persist(&published.archive).map_err(|error| error.error)?;
        checksum.persist(&published.checksum).map_err(|error| error.error)?;
        for (file, path) in signatures {
            file.persist(&path).map_err(|error| error.error)?;
            published.signatures.push(path);
        }
        lock.sync(folder)?;
        Ok(published)
    };
    Ok(place().map_err(|error| ArchiveError::Io(named(error)))?)
}

/// An incomplete file in `folder`, locked for as long as it is being written, readable by everyone when it is done.
fn partial(folder: &Path) -> Result<tempfile::NamedTempFile, ArchiveError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::Builder::new()
        .prefix(PARTIAL_PREFIX)
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", folder.display())))?;
    // Without locks, no other run removes it either.
    let _ = fs::take_lock(file.as_file());
    Ok(file)
}

pub(super) fn text_file(folder: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut file = partial(folder).map_err(io::Error::other)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The text of a sidecar of `archive`, if there is one.
fn sidecar(archive: &Archive, suffix: &str) -> Result<Option<(PathBuf, String)>, ArchiveError> {
    let mut path = archive.path().as_os_str().to_owned();
    path.push(suffix);
    let path = PathBuf::from(path);
    let refuse = |cause: String| Err(ArchiveError::Sidecar { path: path.clone(), cause });
    match fs::if_there(fs::read_text(&path, limits::KEY_FILE_BYTES)) {
        // A file with too long a name does not exist.
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::InvalidFilename => Ok(None),
        Err(FileError::Io(error)) => Err(error.into()),
        Err(FileError::Kind { what, .. }) => refuse(format!("it is {what}")),
        Err(FileError::TooLarge { .. }) => refuse("it is far too large".into()),
        Err(FileError::NotText(_)) => refuse("it is not text".into()),
        Ok(text) => Ok(text.map(|text| (path, text))),
    }
}

impl Archive {
    /// The digest that the `.sha256` file beside the archive states, if there is such a file.
    ///
    /// # Errors
    /// If the file is not as `sha256sum` takes it.
    pub fn checksum_sidecar(&self) -> Result<Option<(PathBuf, Sha256Digest)>, ArchiveError> {
        let Some((path, text)) = sidecar(self, ".sha256")? else { return Ok(None) };
        match checksum_line(&text) {
            Some(digest) => Ok(Some((path, digest))),
            None => Err(ArchiveError::Sidecar { path, cause: "it is not a line of `sha256sum`".into() }),
        }
    }

    /// The signature files beside the archive: the first key's, and those of `signers`.
    ///
    /// # Errors
    /// If one is there and cannot be read.
    pub fn signature_sidecars(&self, signers: &[KeyId]) -> Result<Vec<(PathBuf, String)>, ArchiveError> {
        let suffixes =
            std::iter::once(".minisig".to_owned()).chain(signers.iter().map(|key| format!(".minisig.{key}")));
        suffixes.filter_map(|suffix| sidecar(self, &suffix).transpose()).collect()
    }
}

/// The digest in a line of `sha256sum`, in either case as that program takes it.
fn checksum_line(text: &str) -> Option<Sha256Digest> {
    text.split_once(' ')?.0.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::{Class, Classified as _};

    #[test]
    fn a_checksum_is_taken_as_sha256sum_takes_it() {
        let digest = Sha256Digest::of(b"x");
        for line in [
            format!("{digest}  catalog.tar.zst\n"),
            format!("{digest} *catalog.tar.zst\r\n"),
            format!("{}  catalog.tar.zst", digest.to_string().to_uppercase()),
        ] {
            assert_eq!(checksum_line(&line), Some(digest), "{line:?}");
        }
        assert_eq!(checksum_line(&digest.to_string()[1..]), None);
        assert_eq!(checksum_line("  x"), None);
    }

    #[test]
    fn a_lock_is_waited_for_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        let error = Lock::take_within(folder.path(), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let path = folder.path().to_owned();
        let waiting = std::thread::spawn(move || Lock::take(&path).map(drop));
        std::thread::sleep(2 * LOCK_POLL);
        assert!(!waiting.is_finished());
        drop(held);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn only_regular_files_that_nobody_writes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(format!("{PARTIAL_PREFIX}{name}"));
        std::fs::write(at("left"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("link")).unwrap();
        let written = partial(folder.path()).unwrap();
        sweep_partial(folder.path()).unwrap();
        assert!(!at("left").exists() && at("folder").is_dir() && written.path().exists());
        assert!(at("pipe").exists() && at("link").is_symlink());
        // While a run publishes, nothing is removed.
        std::fs::write(at("left"), "").unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        sweep_partial(folder.path()).unwrap();
        assert!(at("left").exists());
        drop(lock);
        sweep_partial(folder.path()).unwrap();
        assert!(!at("left").exists());
    }

    #[test]
    fn more_than_the_disk_holds_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        require_space(folder.path(), 0).unwrap();
        let error = require_space(folder.path(), u64::MAX).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Host, "no-space"));
        assert!(require_space(&folder.path().join("none"), 0).is_err());
    }
}
