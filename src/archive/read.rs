//! Reads an archive, in an order that uses nothing before it was checked.

use std::io::{BufRead as _, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use super::frame::{PREFIX_BYTES, ZSTD_MAGIC, header_length};
use super::sniff;
use super::write::{BLOCK, header, padding, tar_size};
use crate::base::digest::{HashingReader, HashingWriter, Sha256Digest};
use crate::base::fs::{self, FileError};
use crate::base::{limits, text};
use crate::trust::manifest::File;
use crate::trust::signed::VerifiedManifest;
use crate::trust::signed::{HeaderError, SignedManifest};

/// An archive of which only the header was read.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: fs_err::File,
    length: u64,
    signed: SignedManifest,
    body_offset: u64,
}

impl Archive {
    /// Opens the file at `path` and reads its header.
    ///
    /// # Errors
    /// Says what the file is where it is not an archive of `oct`.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut file = fs::open(path).map_err(|error| match error {
            FileError::Kind { path, what } => ArchiveError::NotAnArchive { path, what: what.into() },
            other => std::io::Error::from(other).into(),
        })?;
        let length = file.metadata()?.len();
        let mut start = Vec::with_capacity(sniff::SNIFF_BYTES);
        (&mut file).take(sniff::SNIFF_BYTES as u64).read_to_end(&mut start)?;
        let not_an_archive = |what: &str| ArchiveError::NotAnArchive { path: path.into(), what: what.into() };
        let prefix = start.first_chunk::<PREFIX_BYTES>();
        let announced = prefix.and_then(header_length).ok_or_else(|| not_an_archive(sniff::describe(&start)))?;
        let header_bytes = announced
            .map_err(|length| not_an_archive(&format!("a zstd file with a header of {}", text::size(length.into()))))?;
        let mut bytes = vec![0; header_bytes];
        file.seek(SeekFrom::Start(PREFIX_BYTES as u64))?;
        let body_offset = (PREFIX_BYTES + header_bytes) as u64;
        if length < body_offset {
            return Err(not_an_archive("an archive that is cut within its header"));
        }
        file.read_exact(&mut bytes)?;
        let signed = SignedManifest::decode(&bytes)
            .map_err(|cause: HeaderError| ArchiveError::Header { path: path.into(), cause })?;
        Ok(Self { path: path.into(), file, length, signed, body_offset })
    }

    /// The manifest with its signatures, unverified.
    #[must_use]
    pub fn signed(&self) -> &SignedManifest {
        &self.signed
    }

    /// The path of the archive.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Compares the file's length with what was signed.
    ///
    /// # Errors
    /// If the file is cut, or goes on after its end.
    pub fn check_length(&self, manifest: &VerifiedManifest) -> Result<(), ArchiveError> {
        let (path, found) = (self.path.clone(), self.length);
        let expected = self.body_offset.saturating_add(manifest.body.size);
        match found.checked_sub(expected) {
            None => Err(ArchiveError::Truncated { path, found, expected }),
            Some(0) => Ok(()),
            Some(extra) => Err(ArchiveError::Trailing { path, extra }),
        }
    }

    /// Hashes the body against the signed digest, without decompressing anything. Every byte of the file is also shown
    /// to `whole`, for checks against sidecars.
    ///
    /// # Errors
    /// If the file is cut, goes on after its end, or differs in any bit.
    pub fn check_body(
        mut self,
        manifest: &VerifiedManifest,
        whole: &mut dyn Write,
    ) -> Result<CheckedBody, ArchiveError> {
        self.check_length(manifest)?;
        self.file.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut (&mut self.file).take(self.body_offset), whole)?;
        let mut meter = HashingWriter::new(whole);
        let mut buffer = vec![0; 1 << 18];
        let mut body = (&mut self.file).take(manifest.body.size);
        loop {
            match body.read(&mut buffer)? {
                0 => break,
                count => meter.write_all(&buffer[..count])?,
            }
        }
        let (_, size, digest) = meter.finish();
        if (size, digest) != (manifest.body.size, manifest.body.sha256) {
            return Err(ArchiveError::BodyDigest { path: self.path });
        }
        Ok(CheckedBody { archive: self, manifest: manifest.clone() })
    }
}

/// An archive whose body is, bit for bit, the one that was signed.
#[derive(Debug)]
pub struct CheckedBody {
    archive: Archive,
    manifest: VerifiedManifest,
}

impl CheckedBody {
    /// Decompresses the body and hands each member to `sink`, in the manifest's order. Only the manifest's members
    /// pass, each with exactly its size and digest; `sink` sees bytes before the digest of their whole is known, so
    /// what it makes of them counts only when this function returns `Ok`.
    ///
    /// # Errors
    /// If the body is anything but the tar that `oct` writes for this manifest, or `sink` fails.
    pub fn unpack<E: From<ArchiveError>>(
        self,
        mut sink: impl FnMut(&File, &mut dyn Read) -> Result<(), E>,
    ) -> Result<(), E> {
        let path = self.archive.path.clone();
        self.unpack_hashed(|file, content| {
            let mut content = HashingReader::new(content);
            sink(file, &mut content)?;
            // What the sink does not want is hashed all the same.
            std::io::copy(&mut content, &mut std::io::sink()).map_err(|cause| {
                ArchiveError::of_body(&path, &format!("`{}` cannot be unpacked: ", file.path), cause)
            })?;
            Ok(content.finish().1)
        })
    }

    /// As [`Self::unpack`], but `sink` reads each member to its end and returns the SHA-256 of what became of it, such as
    /// the bytes that it wrote. So nothing is hashed twice, and the check covers what lies behind the sink.
    ///
    /// # Errors
    /// Those of [`Self::unpack`].
    pub fn unpack_hashed<E: From<ArchiveError>>(
        mut self,
        mut sink: impl FnMut(&File, &mut dyn Read) -> Result<Sha256Digest, E>,
    ) -> Result<(), E> {
        let files = &self.manifest.files;
        let path = self.archive.path.clone();
        let odd = |cause: String| ArchiveError::Body { path: path.clone(), cause };
        let failed = |what: &str, cause| ArchiveError::of_body(&path, what, cause);
        self.archive.file.seek(SeekFrom::Start(self.archive.body_offset)).map_err(ArchiveError::from)?;
        let mut body = BufReader::with_capacity(1 << 17, self.archive.file.take(self.manifest.body.size));
        // The decoder would skip a skippable frame silently.
        if !body.fill_buf().map_err(ArchiveError::from)?.starts_with(&ZSTD_MAGIC) {
            return Err(odd("the body does not begin with a zstd frame".into()).into());
        }
        let mut decoder = zstd::Decoder::with_buffer(body).map_err(ArchiveError::from)?.single_frame();
        decoder.window_log_max(limits::WINDOW_LOG).map_err(ArchiveError::from)?;
        let limit = tar_size(files);
        let mut tar = decoder.take(limit);
        let mut block = [0; BLOCK as usize];
        for file in files {
            tar.read_exact(&mut block).map_err(|cause| failed("the tar is damaged: ", cause))?;
            if block != *header(&file.path, file.size).as_bytes() {
                let due = format!("the file `{}` of {} bytes", file.path, file.size);
                let found = member(&block, &due);
                return Err(odd(format!("{found} is in the place of {due}")).into());
            }
            let mut content = (&mut tar).take(file.size);
            let digest = sink(file, &mut content)?;
            if content.limit() > 0 {
                let found = file.size - content.limit();
                return Err(odd(format!("`{}` has {found} bytes, not {}", file.path, file.size)).into());
            }
            if digest != file.sha256 {
                return Err(odd(format!("the SHA-256 of `{}` is not the signed one", file.path)).into());
            }
            let padding = block.get_mut(..padding(file.size)).unwrap_or_default();
            tar.read_exact(padding).map_err(|cause| failed("the tar is damaged: ", cause))?;
            if padding.iter().any(|byte| *byte != 0) {
                return Err(odd(format!("the padding behind `{}` is not all zeros", file.path)).into());
            }
        }
        let mut end = Vec::new();
        tar.read_to_end(&mut end).map_err(|cause| failed("", cause))?;
        if end.len() as u64 != 2 * BLOCK || end.iter().any(|byte| *byte != 0) {
            return Err(odd("the tar does not end with its two blocks of zeros".into()).into());
        }
        let mut decoder = tar.into_inner();
        if decoder.read(&mut [0]).map_err(|cause| failed("the compressed frame is damaged: ", cause))? != 0 {
            return Err(odd("something follows the end of the tar".into()).into());
        }
        if decoder.finish().read(&mut [0]).map_err(ArchiveError::from)? != 0 {
            return Err(odd("something follows the compressed frame".into()).into());
        }
        Ok(())
    }
}

/// What a member's header says, as a person would; where that is just what is `due`, what else must be wrong with it.
fn member(block: &[u8; BLOCK as usize], due: &str) -> String {
    use tar::EntryType as T;
    if block.iter().all(|byte| *byte == 0) {
        return "the end of the tar".into();
    }
    let header = tar::Header::from_byte_slice(block);
    let kind = match header.entry_type() {
        T::Regular | T::Continuous => "the file",
        T::Link => "the hard link",
        T::Symlink => "the symbolic link",
        T::Char | T::Block => "the device",
        T::Directory => "the folder",
        T::Fifo => "the fifo",
        T::GNULongName | T::GNULongLink => "a GNU long name",
        T::GNUSparse => "the sparse file",
        T::XGlobalHeader | T::XHeader => "a PAX extension",
        _ => "an unknown member",
    };
    let size = header.entry_size().map_or_else(|_| "unreadable size".into(), |size| format!("{size} bytes"));
    let path = text::sanitize(&String::from_utf8_lossy(&header.path_bytes()));
    let found = format!("{kind} `{path}` of {size}");
    if found == due { format!("{found}, but with another mode, owner, time or spelling,") } else { found }
}
