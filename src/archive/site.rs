//! A folder of archives as a site: the signed list beside them, which any web server can serve.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::folder::{Lock, PARTIAL_PREFIX, sidecars, text_file};
use super::name::ArchiveName;
use crate::base::digest::{HashingReader, Sha256Digest};
use crate::base::fs::{self, FileError};
use crate::base::limits;
use crate::trust::catalogs::{CATALOGS_FILE, SIGNATURE_FILE, SignedCatalogs};

/// Prefix of the names of incomplete downloads.
const DOWNLOAD_PREFIX: &str = ".oct-pull-";

/// The right to change the list of a folder: of two runs at once, the second one lists what the first one published.
#[derive(Debug)]
pub struct ListLock {
    folder: PathBuf,
    _lock: Lock,
}

/// Takes the right to change the list of `folder`.
///
/// # Errors
/// If another run keeps it for too long, or the folder cannot be opened.
pub fn lock(folder: &Path) -> io::Result<ListLock> {
    Ok(ListLock { folder: folder.to_owned(), _lock: Lock::take(folder)? })
}

/// The list in `folder` with its signatures, unverified; `None` where one of the two is missing.
///
/// # Errors
/// If one cannot be read, or is no list by its size or its bytes.
pub fn list(folder: &Path) -> Result<Option<SignedCatalogs>, FileError> {
    let text = |name: &str, limit: u64| fs::if_there(fs::read_text(&folder.join(name), limit));
    let (list, signatures) =
        (text(CATALOGS_FILE, limits::CATALOGS_BYTES as u64)?, text(SIGNATURE_FILE, limits::KEY_FILE_BYTES)?);
    Ok(list.zip(signatures).map(|(list, signatures)| SignedCatalogs::new(list, &signatures)))
}

/// Puts the list into its folder, each of the two files in one step. A reader of one old and one new file finds a
/// signature that does not match, and reads both again.
///
/// # Errors
/// Those of the disk.
pub fn write_list(lock: &ListLock, list: &SignedCatalogs) -> io::Result<()> {
    let folder = &lock.folder;
    let text = text_file(folder, list.text())?;
    let signatures = text_file(folder, &list.signature_text())?;
    // Only two renames are between the old pair and the new one.
    text.persist(folder.join(CATALOGS_FILE)).map_err(|error| error.error)?;
    signatures.persist(folder.join(SIGNATURE_FILE)).map_err(|error| error.error)?;
    fs_err::File::open(folder)?.sync_all()
}

/// Where an archive with this digest is downloaded to, until it has been verified.
#[must_use]
pub fn download_path(folder: &Path, sha256: Sha256Digest) -> PathBuf {
    folder.join(format!("{DOWNLOAD_PREFIX}{sha256}"))
}

/// What ended runs left in `folder`: files that are not complete, downloads too. They are removed where that is wanted.
///
/// # Errors
/// If the folder cannot be listed, or a file cannot be locked or removed.
pub fn leftovers(folder: &Path, remove: bool) -> io::Result<Vec<PathBuf>> {
    let is_digest = |text: &str| text.parse::<Sha256Digest>().is_ok();
    let is_called =
        |name: &str| name.starts_with(PARTIAL_PREFIX) || name.strip_prefix(DOWNLOAD_PREFIX).is_some_and(is_digest);
    super::folder::leftovers(folder, is_called, remove)
}

/// SHA-256 of the whole file at `path`.
///
/// # Errors
/// Those of reading.
pub fn digest(path: &Path) -> io::Result<Sha256Digest> {
    let mut reader = HashingReader::new(fs::open(path).map_err(io::Error::from)?);
    let mut buffer = vec![0; 1 << 18];
    while reader.read(&mut buffer)? > 0 {}
    Ok(reader.finish().1)
}

/// Gives the verified archive in the file `from` its `name` in `folder`, and writes its sidecars: the checksum, and
/// these signature files. Sidecars of an archive that it replaces go first.
///
/// # Errors
/// Those of the disk.
pub fn adopt(
    folder: &Path,
    name: &ArchiveName,
    from: &Path,
    sha256: Sha256Digest,
    signatures: &[(String, String)],
) -> io::Result<PathBuf> {
    let _lock = Lock::take(folder)?;
    let checksum = text_file(folder, &format!("{sha256}  {name}\n"))?;
    let files = signatures.iter().map(|(file, text)| Ok((folder.join(file), text_file(folder, text)?)));
    let files: Vec<_> = files.collect::<io::Result<_>>()?;
    for old in sidecars(folder, name)? {
        fs::remove_if_there(&old)?;
    }
    let path = folder.join(name.as_str());
    fs_err::rename(from, &path)?;
    checksum.persist(folder.join(name.checksum())).map_err(|error| error.error)?;
    for (path, file) in files {
        file.persist(path).map_err(|error| error.error)?;
    }
    fs_err::File::open(folder)?.sync_all()?;
    Ok(path)
}
