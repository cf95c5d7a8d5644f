//! From a path to a verified archive: the way in for every command that reads the body of one.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::archive::name::ArchiveName;
use crate::archive::{Archive, ArchiveError, CheckedBody};
use crate::base::digest::{HashingWriter, Sha256Digest};
use crate::base::member::MemberPath;
use crate::catalog::{TnfError, Validation, Validator};
use crate::trust::manifest::File;
use crate::trust::{Keyring, Sidecar, SidecarCheck, VerifiedManifest};

use super::Error;

/// Bytes of a chunk on its way from the decompressor to the validator.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait there.
const CHUNKS: usize = 16;

/// An archive whose signature, body and sidecars were checked, in this order.
#[derive(Debug)]
pub struct VerifiedArchive {
    /// What it holds.
    pub manifest: VerifiedManifest,
    /// Its body, not decompressed yet.
    pub body: CheckedBody,
    /// Bytes of the file.
    pub size: u64,
}

/// The manifest of the archive at `path`, verified; its body is not looked at.
///
/// # Errors
/// If the file is not an archive, or no trusted key signed it.
pub fn manifest(path: &Path, keyring: &Keyring) -> Result<VerifiedManifest, Error> {
    verified(&Archive::open(path)?, keyring)
}

/// The manifest of an archive of which the header was read, verified.
pub(super) fn verified(archive: &Archive, keyring: &Keyring) -> Result<VerifiedManifest, Error> {
    archive.signed().clone().verify(keyring).map_err(|error| Error::of_manifest(archive.path(), error))
}

/// Opens the archive at `path` and checks everything that can be checked without decompressing it.
///
/// # Errors
/// The first check that fails.
pub fn archive(path: &Path, keyring: &Keyring) -> Result<VerifiedArchive, Error> {
    let archive = Archive::open(path)?;
    let manifest = verified(&archive, keyring)?;
    let checksum = archive.checksum_sidecar()?;
    let name = ArchiveName::new(manifest.created);
    let sidecars = archive.signature_sidecars(manifest.key_ids())?;
    let sidecars: Vec<_> = sidecars.iter().map(|(path, text)| Sidecar::parse(path, text)).collect::<Result<_, _>>()?;
    let checks = sidecars.iter().map(|sidecar| sidecar.check(keyring, &manifest, name.as_str()));
    let checks = checks.collect::<Result<_, _>>()?;
    let size = archive.length();
    let mut whole = Whole { hash: checksum.is_some().then(|| HashingWriter::new(io::sink())), checks };
    let body = archive.check_body(&manifest, &mut whole)?;
    if let (Some((path, stated)), Some(hash)) = (checksum, whole.hash)
        && hash.finish().2 != stated
    {
        let cause = "its SHA-256 belongs to another file".into();
        return Err(ArchiveError::Sidecar { path, cause }.into());
    }
    whole.checks.into_iter().try_for_each(SidecarCheck::finish)?;
    Ok(VerifiedArchive { manifest, body, size })
}

/// Passes every byte of an archive to the checks against its sidecars.
struct Whole<'a> {
    hash: Option<HashingWriter<io::Sink>>,
    checks: Vec<SidecarCheck<'a>>,
}

impl Write for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.iter_mut().try_for_each(|hash| hash.write_all(bytes))?;
        self.checks.iter_mut().try_for_each(|check| check.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl VerifiedArchive {
    /// Reads every member as certsuite does, and keeps none.
    ///
    /// # Errors
    /// If the body is not what the manifest says, or certsuite could not read it.
    pub fn validate(self, path: &Path) -> Result<Validation, Error> {
        self.validate_into(path, |_| Ok(HashingWriter::new(io::sink())), |copy| Ok(copy.finish().2))
    }

    /// As [`Self::validate`]; `tee` makes a writer for each member that gets the same bytes, and `complete` finishes it
    /// and returns the SHA-256 of what it wrote.
    ///
    /// # Errors
    /// Those of [`Self::validate`], and those of the writers.
    pub fn validate_into<W: Write>(
        self,
        path: &Path,
        tee: impl FnMut(&File) -> Result<W, Error>,
        complete: impl FnMut(W) -> Result<Sha256Digest, Error>,
    ) -> Result<Validation, Error> {
        let mut validator = Validator::new(self.manifest.counts);
        self.unpack_into(path, |member, content| validator.read(member, content), tee, complete)?;
        validator.finish().map_err(|cause| Error::Content { path: path.to_owned(), cause })
    }

    /// Hands every member to `read`.
    ///
    /// # Errors
    /// If the body is not what the manifest says, or `read` fails.
    pub fn unpack(
        self,
        path: &Path,
        read: impl FnMut(&MemberPath, &mut dyn BufRead) -> Result<(), TnfError> + Send,
    ) -> Result<(), Error> {
        self.unpack_into(path, read, |_| Ok(HashingWriter::new(io::sink())), |copy| Ok(copy.finish().2))
    }

    fn unpack_into<W: Write>(
        self,
        path: &Path,
        mut read: impl FnMut(&MemberPath, &mut dyn BufRead) -> Result<(), TnfError> + Send,
        mut tee: impl FnMut(&File) -> Result<W, Error>,
        mut complete: impl FnMut(W) -> Result<Sha256Digest, Error>,
    ) -> Result<(), Error> {
        self.body.unpack_hashed(|file, content| {
            let mut copy = tee(file)?;
            let (copied, done) =
                beside(|mut chunks| read(&file.path, &mut chunks), |chunks| pass_on(content, &mut copy, &chunks))?;
            match copied {
                Err(CopyError::Write(cause)) => return Err(write_error(cause)),
                // A damaged stream explains a parse error, not the other way round.
                Err(CopyError::Read(cause)) => return Err(ArchiveError::of_body(path, "", cause).into()),
                Ok(()) => done.map_err(|cause| content_error(path, &file.path, cause))?,
            }
            complete(copy)
        })
    }
}

/// The error for data in `member` of `path` that certsuite could not read.
pub(super) fn content_error(path: &Path, member: &crate::base::member::MemberPath, cause: TnfError) -> Error {
    Error::Content { path: path.join(member.as_str()), cause }
}

fn write_error(failure: io::Error) -> Error {
    match crate::importer::StoreError::from_io(failure) {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

/// Runs `read` in a thread beside `feed`, with a bounded queue of chunks between the two. Fails where no thread can be
/// made.
pub(super) fn beside<T: Send, U>(
    read: impl FnOnce(Chunks) -> T + Send,
    feed: impl FnOnce(SyncSender<Vec<u8>>) -> U,
) -> io::Result<(U, T)> {
    let (sender, receiver) = mpsc::sync_channel(CHUNKS);
    thread::scope(|scope| {
        let chunks = Chunks { receiver, chunk: Vec::new(), position: 0 };
        let reader = thread::Builder::new().spawn_scoped(scope, move || read(chunks))?;
        let fed = feed(sender);
        match reader.join() {
            Ok(read) => Ok((fed, read)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The side at which a copy failed.
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies all of `content` to `copy` and, as long as the reader takes them, to `chunks`.
pub(super) fn pass_on(
    content: &mut dyn Read,
    copy: &mut dyn Write,
    chunks: &SyncSender<Vec<u8>>,
) -> Result<(), CopyError> {
    let mut taken = true;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        Read::take(&mut *content, CHUNK_BYTES as u64).read_to_end(&mut chunk).map_err(CopyError::Read)?;
        if chunk.is_empty() {
            return Ok(());
        }
        copy.write_all(&chunk).map_err(CopyError::Write)?;
        // After an error the reader takes no more chunks, and returns its error itself.
        taken = taken && chunks.send(chunk).is_ok();
    }
}

/// The chunks of a queue, as one stream.
pub(super) struct Chunks {
    receiver: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() {
            // A closed queue is the end of the member, or of the part of it that could be read.
            self.chunk = self.receiver.recv().unwrap_or_default();
            self.position = 0;
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}
