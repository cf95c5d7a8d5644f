//! `oct check`: what certsuite would say, from an installed folder or straight from an archive.
//!
//! An archive is verified completely before it answers. A folder is different: certsuite reads it as it is, signed or
//! not, and `check` answers what certsuite would read. So a folder without a manifest, or one whose key is not trusted
//! here, still answers, with a warning; a signature by a trusted key that does not match is an error. The data
//! are hashed while they are read, and compared with the manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::base::digest::{HashingWriter, Sha256Digest};
use crate::base::progress::Progress;
use crate::base::text;
use crate::catalog::folder::{Reader, TnfFolder, open_regular};
use crate::catalog::{TnfError, layout};
use crate::certify::lookup::Lookup;
use crate::certify::offline::is_red_hat_registry;
pub use crate::certify::online::{Comparison, compare};
pub use crate::certify::questions::{
    ClaimOrigin, Cluster, Question, Questions, Refused, Row, Standing, parse, typed_ocp,
};
pub use crate::certify::reason::Verdict;
pub use crate::certify::reference::ImageReference;
use crate::importer::{Folder, Holder, Store};
use crate::trust::manifest::Manifest;
use crate::trust::signed::VerifiedManifest;
use crate::trust::{Keyring, TrustError};

use super::open::CopyError;
use super::{Error, LOCK_WAIT, open};

/// `name` of the source of Red Hat's own images in a manifest.
const RED_HAT_SOURCE: &str = "redhat-images";

/// The questions and the answers.
#[derive(Debug)]
pub struct CheckReport {
    /// The folder or the archive.
    pub path: PathBuf,
    /// Whether it is an archive.
    pub is_archive: bool,
    /// Its manifest, if a trusted key signed it.
    pub manifest: Option<VerifiedManifest>,
    /// Each row with its verdicts.
    pub rows: Vec<Answered>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// A row with its verdicts.
#[derive(Debug)]
pub struct Answered {
    /// What was asked.
    pub row: Row,
    /// The verdicts; `None` if the row has no question.
    pub comparison: Option<Comparison>,
    /// What explains a verdict beside its reason.
    pub note: Option<Note>,
}

/// What explains a verdict beside its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// The manifest names no source of Red Hat's own images.
    #[error(
        "this catalog was bundled without --redhat-images, so it holds none of Red Hat's own images; online certsuite counts them as certified"
    )]
    BundledWithoutRedHatImages,
    /// No manifest says it, and the data hold no such image.
    #[error("this catalog holds none of Red Hat's own images; online certsuite counts them as certified")]
    NoRedHatImages,
}

impl Note {
    /// A stable word for the note, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BundledWithoutRedHatImages => "bundled-without-redhat-images",
            Self::NoRedHatImages => "no-redhat-images",
        }
    }
}

/// Answers the questions of `rows` from the folder or the archive at `path`.
///
/// # Errors
/// If there is no catalog, certsuite could not read it, or a signature is wrong.
pub fn check(
    path: &Path,
    rows: Vec<Row>,
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<CheckReport, Error> {
    let mut warnings = Vec::new();
    if path.is_file() {
        let archive = open::archive(path, keyring)?;
        let manifest = archive.manifest.clone();
        keyring.policy().check(&manifest, now).map_err(TrustError::from)?;
        warn_of_partial(&manifest, &mut warnings);
        progress.begin("reading", None);
        let (mut catalog, mut reader) = (lookup(&rows), Reader::default());
        archive.unpack(path, |member, content| reader.read(member.as_str(), content, &mut catalog))?;
        catalog.finish();
        progress.end("reading");
        warnings.extend(reader.warnings);
        let rows = answer(&catalog, rows, Some(&manifest));
        let path = path.to_owned();
        return Ok(CheckReport { path, is_archive: true, manifest: Some(manifest), rows, warnings });
    }
    let folder = Store::open(path).read(&Holder::new("oct check", now), LOCK_WAIT, progress)?;
    if folder.is_unfinished() {
        warnings.push("an interrupted import is not completed yet; run `oct import` again".into());
    }
    let manifest = manifest(path, &folder, keyring, now, &mut warnings)?;
    progress.begin("reading", None);
    let catalog = read_folder(&folder, lookup(&rows), manifest.as_ref(), &mut warnings);
    progress.end("reading");
    folder.require_unchanged()?;
    let catalog = catalog?;
    let rows = answer(&catalog, rows, manifest.as_deref());
    Ok(CheckReport { path: path.to_owned(), is_archive: false, manifest, rows, warnings })
}

/// Writes a report under its name when it is complete.
///
/// # Errors
/// If the file cannot be written.
pub fn write_report(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let with_path = |error: std::io::Error| {
        std::io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()))
    };
    let mode = std::fs::Permissions::from_mode(0o666);
    let mut new = tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(with_path)?;
    new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(with_path)?;
    new.persist(path).map_err(|error| with_path(error.error))?;
    Ok(())
}

/// The manifest beside the data, verified if that is possible.
fn manifest(
    path: &Path,
    folder: &Folder,
    keyring: &Keyring,
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<Option<VerifiedManifest>, Error> {
    let policy = keyring.policy();
    let installed = folder.installed()?;
    let Some(installed) = installed.filter(|installed| installed.data) else {
        return Err(Error::NoCatalog(path.to_owned()));
    };
    let Some(signed) = installed.manifest else {
        policy.unproved(path).map_or(Ok(()), |forbidden| Err(TrustError::from(forbidden)))?;
        warnings.push(format!("`{}` is unsigned: nothing proves where its data come from", path.display()));
        return Ok(None);
    };
    match signed.verify(keyring).map_err(|error| Error::of_manifest(path, error)) {
        Ok(manifest) => {
            policy.check(&manifest, now).map_err(TrustError::from)?;
            warn_of_partial(&manifest, warnings);
            Ok(Some(manifest))
        }
        Err(Error::Signature { cause, .. }) if cause.is_unproved() && policy.file().is_none() => {
            warnings.push(format!("`{}` is not proved: {cause}; name the signer's key with --key", path.display()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn warn_of_partial(manifest: &Manifest, warnings: &mut Vec<String>) {
    if let Some(partial) = &manifest.partial {
        warnings.push(format!("the catalog is partial: it holds only images since {}", partial.since));
    }
}

fn lookup(rows: &[Row]) -> Lookup {
    Lookup::new(rows.iter().filter_map(|row| row.question.as_ref().ok()))
}

fn answer(catalog: &Lookup, rows: Vec<Row>, manifest: Option<&Manifest>) -> Vec<Answered> {
    rows.into_iter()
        .map(|mut row| {
            if let Ok(Question::Image(image)) = &row.question
                && row.standing == Standing::Asked
                && image.has_doubtful_registry()
                && !catalog.knows_registry(&image.registry)
            {
                row.question = Err(image.short_name().into());
            }
            let comparison = compare(catalog, &row);
            let note = comparison.as_ref().and_then(|both| note(catalog, &row, both, manifest));
            Answered { row, comparison, note }
        })
        .collect()
}

fn note(catalog: &Lookup, row: &Row, both: &Comparison, manifest: Option<&Manifest>) -> Option<Note> {
    let Ok(Question::Image(image)) = &row.question else { return None };
    if both.online.certified() || !is_red_hat_registry(&image.registry) || matches!(row.standing, Standing::Fails(_)) {
        return None;
    }
    match manifest {
        Some(manifest) if manifest.sources.iter().any(|source| source.name == RED_HAT_SOURCE) => None,
        Some(manifest) if manifest.sources.iter().any(|source| source.name == "containers") => {
            Some(Note::BundledWithoutRedHatImages)
        }
        _ => (!catalog.has_red_hat_images()).then_some(Note::NoRedHatImages),
    }
}

/// Reads the data of a folder as certsuite does. `warnings` gets what certsuite skips, and what differs from the
/// manifest.
///
/// # Errors
/// If certsuite could not read them either.
fn read_folder(
    folder: &Folder,
    mut catalog: Lookup,
    manifest: Option<&VerifiedManifest>,
    warnings: &mut Vec<String>,
) -> Result<Lookup, Error> {
    let tree = TnfFolder::open(folder.dir())?;
    let mut reader = Reader::default();
    let mut unread: BTreeMap<&str, &Sha256Digest> =
        manifest.iter().flat_map(|manifest| &manifest.files).map(|file| (file.path.as_str(), &file.sha256)).collect();
    unread.remove(layout::ARCHIVE_JSON);
    let mut altered = Vec::new();
    for relative in tree.files()? {
        let path = tree.root().join(&relative);
        let read = match open_regular(&path) {
            Ok(file) if manifest.is_some() => read_and_hash(file, &relative, &mut reader, &mut catalog).map(Some),
            Ok(file) => reader.read(&relative, file, &mut catalog).map(|()| None),
            Err(error) => reader.pass_over(&relative, error.into()).map(|()| None),
        };
        let digest = read.map_err(|cause| Error::Content { path, cause })?;
        if unread.remove(relative.as_str()) != digest.as_ref() {
            altered.push(text::sanitize(&relative));
        }
    }
    altered.extend(unread.into_keys().map(str::to_owned));
    warnings.append(&mut reader.warnings);
    if let Some(first) = altered.first() {
        let more = if altered.len() > 1 { format!(", and so do {} more", altered.len() - 1) } else { String::new() };
        warnings.push(format!("`{first}` differs from what was signed{more}: the answers come from the altered files"));
    }
    catalog.finish();
    Ok(catalog)
}

/// Reads a file, and hashes all of it at the same time.
fn read_and_hash(
    mut file: File,
    relative: &str,
    reader: &mut Reader,
    catalog: &mut Lookup,
) -> Result<Sha256Digest, TnfError> {
    let mut hash = HashingWriter::new(io::sink());
    let (hashed, read) = open::beside(
        |mut chunks| reader.read(relative, &mut chunks, catalog),
        |chunks| open::pass_on(&mut file, &mut hash, &chunks),
    )?;
    match hashed {
        Ok(()) => read.map(|()| hash.finish().2),
        Err(CopyError::Read(error) | CopyError::Write(error)) => Err(error.into()),
    }
}
