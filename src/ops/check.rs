//! `oct check`: what certsuite would say, from an installed folder or straight from an archive.
//!
//! An archive is verified whole before it answers. A folder is different: certsuite reads it as it lies there, signed or
//! not, and `check` answers what certsuite would read. So a folder without a manifest, or one whose key is not trusted
//! here, still answers, with a warning; a signature by a trusted key that does not fit is an error. The data
//! are hashed while they are read, and compared with the manifest.

use std::convert::Infallible;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::Timestamp;

use crate::base::digest::HashingReader;
use crate::base::progress::Progress;
use crate::certify::lookup::Catalog;
pub use crate::certify::questions::{Cluster, Note, Question, Questions, Row, minor_ocp, parse};
pub use crate::certify::reference::ImageReference;
pub use crate::certify::verdict::{Comparison, Verdict};
use crate::certify::verdict::{Lookup, compare};
use crate::importer::{Folder, Holder, Store};
use crate::trust::manifest::Manifest;
use crate::trust::signed::VerifiedManifest;
use crate::trust::{Keyring, TrustError};

use super::{Error, LOCK_WAIT, open};

/// What was asked, and the answers.
#[derive(Debug)]
pub struct CheckReport {
    /// The folder or the archive.
    pub path: PathBuf,
    /// Whether it is an archive.
    pub is_archive: bool,
    /// Its manifest, where a trusted key vouches for it.
    pub manifest: Option<VerifiedManifest>,
    /// Each row with its verdicts; none where the row has no question.
    pub rows: Vec<(Row, Option<Comparison>)>,
    /// What is worth knowing and no error.
    pub warnings: Vec<String>,
}

/// Answers the questions of `rows` from the folder or the archive at `path`.
///
/// # Errors
/// Where there is no catalog, it cannot be read as certsuite reads it, or a signature is wrong.
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
        warn_of_partial(&manifest, &mut warnings);
        progress.begin("reading", None);
        let mut catalog = Catalog::default();
        archive.unpack(
            path,
            |member, content| catalog.read(member.as_str(), content),
            |_| Ok(std::io::sink()),
            |_| Ok(()),
        )?;
        progress.end("reading");
        catalog.finish();
        let rows = infallible(answer(&catalog, rows));
        let path = path.to_owned();
        return Ok(CheckReport { path, is_archive: true, manifest: Some(manifest), rows, warnings });
    }
    let folder = Store::open(path).read(&Holder::new("oct check", now), LOCK_WAIT, progress)?;
    if folder.is_unfinished() {
        warnings.push("an interrupted import is not completed yet; run `oct import` again".into());
    }
    let manifest = manifest(path, &folder, keyring, &mut warnings)?;
    let mut report =
        CheckReport { path: path.to_owned(), is_archive: false, manifest: manifest.clone(), rows: vec![], warnings };
    progress.begin("reading", None);
    let catalog = read_folder(&folder, manifest.as_ref(), &mut report.warnings);
    progress.end("reading");
    folder.require_unchanged()?;
    let catalog = catalog?;
    report.rows = infallible(answer(&catalog, rows));
    Ok(report)
}

/// The manifest beside the data, verified where that is possible.
fn manifest(
    path: &Path,
    folder: &Folder,
    keyring: &Keyring,
    warnings: &mut Vec<String>,
) -> Result<Option<VerifiedManifest>, Error> {
    let installed = folder.installed()?;
    let Some(installed) = installed.filter(|installed| installed.data) else {
        return Err(Error::NoCatalog(path.to_owned()));
    };
    let Some(signed) = installed.manifest else {
        warnings.push(format!("`{}` is unsigned: nothing proves where its data come from", path.display()));
        return Ok(None);
    };
    match signed.verify(keyring).map_err(|error| Error::of_manifest(path, error)) {
        Ok(manifest) => {
            warn_of_partial(&manifest, warnings);
            Ok(Some(manifest))
        }
        Err(Error::Signature { cause: cause @ (TrustError::NoKeys | TrustError::Untrusted(_)), .. }) => {
            warnings.push(format!("`{}` is not proved: {cause}; name the signer's key with --key", path.display()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn warn_of_partial(manifest: &Manifest, warnings: &mut Vec<String>) {
    if let Some(partial) = &manifest.partial {
        warnings.push(format!("the catalog is partial: it holds only containers since {}", partial.since));
    }
}

type Answered = Vec<(Row, Option<Comparison>)>;

fn answer<L: Lookup>(catalog: &L, rows: Vec<Row>) -> Result<Answered, L::Error> {
    rows.into_iter()
        .map(|row| {
            let compared = row.question.as_ref().ok().map(|question| compare(catalog, question)).transpose()?;
            Ok((row, compared))
        })
        .collect()
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// Reads the data of a folder as certsuite does. Files that are not what the manifest says are named in `warnings`.
///
/// # Errors
/// Where certsuite could not read them either.
pub fn read_folder(
    folder: &Folder,
    manifest: Option<&VerifiedManifest>,
    warnings: &mut Vec<String>,
) -> Result<Catalog, Error> {
    let mut catalog = Catalog::default();
    let mut altered = Vec::new();
    for relative in folder.data_files()? {
        let path = folder.dir().join(&relative);
        let mut content = BufReader::with_capacity(128 << 10, HashingReader::new(fs::File::open(&path)?));
        let read = catalog.read(&relative.to_string_lossy(), &mut content);
        read.and_then(|()| Ok(std::io::copy(&mut content, &mut std::io::sink())?))
            .map_err(|cause| Error::Content { path, cause })?;
        let (_, digest) = content.into_inner().finish();
        if let Some(manifest) = manifest
            && !manifest.files.iter().any(|file| relative.as_os_str() == file.path.as_str() && file.sha256 == digest)
        {
            altered.push(crate::base::text::sanitize(&relative.to_string_lossy()));
        }
    }
    if let Some(first) = altered.first() {
        let more = if altered.len() > 1 { format!(", nor are {} more", altered.len() - 1) } else { String::new() };
        warnings.push(format!("`{first}` is not what was signed{more}: the answers are of the data as they lie there"));
    }
    catalog.finish();
    Ok(catalog)
}
