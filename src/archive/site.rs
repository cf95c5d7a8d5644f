//! A folder of archives as a site: the signed list beside them, which any web server can serve.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::folder::text_file;
use super::name::ArchiveName;
use super::read::open_at_once;
use crate::base::digest::{HashingReader, Sha256Digest};
use crate::base::limits;
use crate::trust::catalogs::{CATALOGS_FILE, SIGNATURE_FILE, SignedCatalogs};

/// Begins the names of downloads that are not complete.
const DOWNLOAD_PREFIX: &str = ".oct-pull-";

/// The list in `folder` with its signatures, unverified; `None` where one of the two is missing.
///
/// # Errors
/// Where one cannot be read, or is no list by its size or its bytes.
pub fn list(folder: &Path) -> io::Result<Option<SignedCatalogs>> {
    let text = text(&folder.join(CATALOGS_FILE), limits::CATALOGS_BYTES as u64)?;
    let signatures = text_of_signatures(folder)?;
    Ok(text.zip(signatures).map(|(text, signatures)| SignedCatalogs::new(text, &signatures)))
}

fn text_of_signatures(folder: &Path) -> io::Result<Option<String>> {
    text(&folder.join(SIGNATURE_FILE), limits::KEY_FILE_BYTES)
}

/// The text of a small file, if it is there.
///
/// # Errors
/// Where it cannot be read, or is no small text.
pub fn small_text(path: &Path) -> io::Result<Option<String>> {
    text(path, limits::CATALOGS_BYTES as u64)
}

/// Writes a small file, whole.
///
/// # Errors
/// Those of the disk.
pub fn write_small(path: &Path, content: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    text_file(folder, content)?.persist(path).map(drop).map_err(|error| error.error)
}

fn text(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is {what}", path.display()));
    let file = match open_at_once(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(odd("no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(odd("too large"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| odd("not text"))
}

/// Puts the list into `folder`, each of the two files whole. Who reads one of the old and one of the new files finds a
/// signature that does not fit, and reads both again.
///
/// # Errors
/// Those of the disk.
pub fn write_list(folder: &Path, list: &SignedCatalogs) -> io::Result<(PathBuf, PathBuf)> {
    let (path, signature_path) = (folder.join(CATALOGS_FILE), folder.join(SIGNATURE_FILE));
    let text = text_file(folder, list.text())?;
    let signatures = text_file(folder, &list.signature_text())?;
    // Nothing but two renames lies between the old pair and the new one.
    text.persist(&path).map_err(|error| error.error)?;
    signatures.persist(&signature_path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok((path, signature_path))
}

/// Where an archive with this digest is downloaded to, until it has been verified.
#[must_use]
pub fn download_path(folder: &Path, sha256: Sha256Digest) -> PathBuf {
    folder.join(format!("{DOWNLOAD_PREFIX}{sha256}"))
}

/// Downloads in `folder` that were not completed.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn downloads(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(digest) = entry.file_name().to_str().and_then(|name| name.strip_prefix(DOWNLOAD_PREFIX))
            && digest.parse::<Sha256Digest>().is_ok()
            && entry.file_type()?.is_file()
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// SHA-256 of the whole file at `path`.
///
/// # Errors
/// Those of reading.
pub fn digest(path: &Path) -> io::Result<Sha256Digest> {
    let mut reader = HashingReader::new(fs::File::open(path)?);
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
    let checksum = text_file(folder, &format!("{sha256}  {name}\n"))?;
    let files = signatures.iter().map(|(file, text)| Ok((folder.join(file), text_file(folder, text)?)));
    let files: Vec<_> = files.collect::<io::Result<_>>()?;
    for old in [name.checksum(), name.signature()] {
        match fs::remove_file(folder.join(old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let path = folder.join(name.as_str());
    fs::rename(from, &path)?;
    checksum.persist(folder.join(name.checksum())).map_err(|error| error.error)?;
    for (path, file) in files {
        file.persist(path).map_err(|error| error.error)?;
    }
    fs::File::open(folder)?.sync_all()?;
    Ok(path)
}
