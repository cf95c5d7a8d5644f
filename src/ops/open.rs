//! From a path to a verified archive: the one way in for every command that reads one.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crate::archive::{Archive, ArchiveError, CheckedBody};
use crate::model::catalog::Catalog;
use crate::model::digest::HashingWriter;
use crate::model::manifest::VerifiedManifest;
use crate::model::tnf::{TnfError, Validation, Validator};
use crate::trust::Keyring;

use super::Error;

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

/// Opens the archive at `path` and checks everything that can be checked without decompressing it.
///
/// # Errors
/// The first thing that is not as it has to be.
pub fn archive(path: &Path, keyring: &Keyring) -> Result<VerifiedArchive, Error> {
    let archive = Archive::open(path)?;
    let manifest = archive.signed().clone().verify(keyring).map_err(|error| Error::of_manifest(path, error))?;
    let checksum = archive.checksum_sidecar()?;
    let signature = archive.signature_sidecar()?;
    let size = archive.length();
    let mut whole = checksum.is_some().then(|| HashingWriter::new(io::sink()));
    let mut nowhere = io::sink();
    let observer: &mut dyn Write = match &mut whole {
        Some(whole) => whole,
        None => &mut nowhere,
    };
    let body = archive.check_body(&manifest, observer)?;
    if let (Some((path, stated)), Some(whole)) = (checksum, whole)
        && whole.finish().2 != stated
    {
        let cause = "its SHA-256 is of another file".into();
        return Err(ArchiveError::Sidecar { path, cause }.into());
    }
    if let Some((sidecar, text)) = signature {
        let name = crate::model::archive_name::ArchiveName::new(manifest.created);
        let comment = manifest.trusted_comment(name.as_str());
        let signers = Keyring::signers(manifest.signed().signatures())?;
        let mut content = BufReader::with_capacity(1 << 18, fs_err::File::open(path)?);
        keyring.check_sidecar(&sidecar, &text, &comment, &signers, &mut content)?;
    }
    Ok(VerifiedArchive { manifest, body, size })
}

impl VerifiedArchive {
    /// Unpacks every member through the validator, which reads it as certsuite does; `tee` makes a writer for each
    /// member that gets the same bytes, and is told when the member is complete.
    ///
    /// # Errors
    /// Where the body is not what the manifest says, certsuite could not read it, or a writer fails.
    pub fn unpack<W: Write>(
        self,
        path: &Path,
        tee: impl FnMut(&crate::model::manifest::File) -> Result<W, Error>,
        complete: impl FnMut(W) -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        let mut validator = Validator::new(self.manifest.counts);
        self.unpack_through(path, &mut validator, tee, complete)?;
        validator.finish().map_err(|cause| Error::Content { path: path.to_owned(), cause })
    }

    /// The same, and gives what can be looked up in the catalog as well.
    ///
    /// # Errors
    /// Those of [`Self::unpack`].
    pub fn unpack_collecting<W: Write>(
        self,
        path: &Path,
        tee: impl FnMut(&crate::model::manifest::File) -> Result<W, Error>,
        complete: impl FnMut(W) -> Result<(), Error>,
    ) -> Result<(Validation, Catalog), Error> {
        let mut validator = Validator::collecting(self.manifest.counts);
        self.unpack_through(path, &mut validator, tee, complete)?;
        let catalog = validator.take_catalog().unwrap_or_default();
        let validation = validator.finish().map_err(|cause| Error::Content { path: path.to_owned(), cause })?;
        Ok((validation, catalog))
    }

    fn unpack_through<W: Write>(
        self,
        path: &Path,
        validator: &mut Validator,
        mut tee: impl FnMut(&crate::model::manifest::File) -> Result<W, Error>,
        mut complete: impl FnMut(W) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.body.unpack::<Error>(|file, content| {
            let mut tee = Tee { content, copy: tee(file)?, failure: None };
            let read = validator.read(&file.path, &mut tee);
            // What the validator left unread is copied as well.
            let rest = io::copy(&mut tee, &mut io::sink());
            if let Some(failure) = tee.failure {
                return Err(write_error(failure));
            }
            // A damaged stream explains a parse error, not the other way round.
            rest.map_err(|cause| ArchiveError::Body { path: path.to_owned(), cause: cause.to_string() })?;
            read.map_err(|cause| content_error(path, &file.path, cause))?;
            complete(tee.copy)
        })
    }
}

/// The error for data in `member` of `path` that certsuite could not read.
pub(super) fn content_error(path: &Path, member: &crate::model::MemberPath, cause: TnfError) -> Error {
    Error::Content { path: path.join(member.as_str()), cause }
}

fn write_error(failure: io::Error) -> Error {
    match crate::importer::StoreError::from_io(failure) {
        Ok(error) => error.into(),
        Err(error) => error.into(),
    }
}

/// Copies what is read.
struct Tee<'a, W> {
    content: &'a mut dyn Read,
    copy: W,
    failure: Option<io::Error>,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        if let Err(error) = self.copy.write_all(&buffer[..count]) {
            self.failure = Some(error);
            return Err(io::Error::other("the copy failed"));
        }
        Ok(count)
    }
}
