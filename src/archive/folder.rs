//! Archives in a folder: finding the newest, and putting a new one there whole.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::ArchiveError;
use super::frame;
use super::read::{Archive, open_at_once};
use crate::archive::name::ArchiveName;
use crate::base::digest::{HashingWriter, Sha256Digest};
use crate::trust::signed::SignedManifest;

/// Begins the names of files that are not complete yet.
const PARTIAL_PREFIX: &str = ".oct-partial-";

/// An archive that lies in its folder under its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The archive.
    pub archive: PathBuf,
    /// The checksum file.
    pub checksum: PathBuf,
    /// The signature file.
    pub signature: PathBuf,
    /// Bytes of the archive.
    pub size: u64,
    /// Digest of the archive.
    pub sha256: Sha256Digest,
}

/// The archives in `folder`, the latest name first. A missing folder holds none.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(ArchiveName::parse) {
            found.push((name, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Whether `needed` bytes fit into the filesystem of `folder`.
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

/// Removes what killed runs left in `folder`; a file that a running `oct` still writes is locked and stays.
///
/// # Errors
/// Where the folder cannot be listed or a file not be removed.
pub fn sweep_partial(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PARTIAL_PREFIX) {
            continue;
        }
        if let Ok(file) = fs::File::open(entry.path())
            && lock(file.file()).is_ok()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn lock(file: &std::fs::File) -> io::Result<()> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from)
}

/// Puts an archive with its sidecars into `folder`, each file under its final name only when it is complete and
/// synced: first the archive, then what vouches for it. `sign` makes the text of the `.minisig` from the whole archive.
///
/// # Errors
/// Those of the disk, and of `sign`. Nothing that was in the folder is lost then, but an archive of the same name and
/// hour can already have been replaced.
pub fn publish<E: From<ArchiveError>>(
    folder: &Path,
    name: &ArchiveName,
    signed: &SignedManifest,
    body: &mut std::fs::File,
    sign: impl FnOnce(&mut dyn Read) -> Result<String, E>,
) -> Result<Published, E> {
    let header = signed.encode();
    let Some(prefix) = frame::prefix(header.len()) else {
        return Err(ArchiveError::HeaderTooLarge { size: header.len() as u64 }.into());
    };
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
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("writing into `{}`: {error}", folder.display()));
    let (size, sha256) = write(&mut archive, body).map_err(|error| ArchiveError::Io(named(error)))?;
    let minisig = sign(archive.as_file_mut())?;
    let published = Published {
        archive: folder.join(name.as_str()),
        checksum: folder.join(name.checksum()),
        signature: folder.join(name.signature()),
        size,
        sha256,
    };
    let place = || -> io::Result<()> {
        let checksum = text_file(folder, &format!("{sha256}  {name}\n"))?;
        let signature = text_file(folder, &minisig)?;
        // An older archive of this hour goes with its sidecars: they would accuse the new one.
        for sidecar in [&published.checksum, &published.signature] {
            match fs::remove_file(sidecar) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        archive.persist(&published.archive).map_err(|error| error.error)?;
        checksum.persist(&published.checksum).map_err(|error| error.error)?;
        signature.persist(&published.signature).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    place().map_err(|error| ArchiveError::Io(named(error)))?;
    Ok(published)
}

/// An incomplete file in `folder`, locked for as long as it is being written, readable by everyone when it is done.
fn partial(folder: &Path) -> Result<tempfile::NamedTempFile, ArchiveError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::Builder::new()
        .prefix(PARTIAL_PREFIX)
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", folder.display())))?;
    lock(file.as_file())?;
    Ok(file)
}

fn text_file(folder: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
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
    let file = match open_at_once(&path) {
        // A name that is too long is nobody's.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename) => {
            return Ok(None);
        }
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(ArchiveError::Sidecar { path, cause: "it is no file".into() });
    }
    let mut text = String::new();
    let read = file.take(crate::base::limits::KEY_FILE_BYTES).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(ArchiveError::Sidecar { path, cause: "it is not text".into() })
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(Some((path, text))),
    }
}

impl Archive {
    /// The digest that the `.sha256` file beside the archive states, if there is such a file.
    ///
    /// # Errors
    /// Where the file is not as `sha256sum` writes it.
    pub fn checksum_sidecar(&self) -> Result<Option<(PathBuf, Sha256Digest)>, ArchiveError> {
        let Some((path, text)) = sidecar(self, ".sha256")? else { return Ok(None) };
        let digest = text.split_once(' ').and_then(|(digest, _)| digest.parse().ok());
        let digest = digest.ok_or_else(|| ArchiveError::Sidecar {
            path: path.clone(),
            cause: "it is not a line of `sha256sum`".into(),
        })?;
        Ok(Some((path, digest)))
    }

    /// The text of the `.minisig` file beside the archive, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn signature_sidecar(&self) -> Result<Option<(PathBuf, String)>, ArchiveError> {
        sidecar(self, ".minisig")
    }
}
