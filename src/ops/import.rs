//! `oct import`: verify, unpack into the staging folder, check, swap.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::archive::name::ArchiveName;
use crate::archive::{self, Archive};
use crate::base::digest::HashingWriter;
use crate::base::progress::Progress;
use crate::base::text;
use crate::importer::{Folder, Holder, InstallOptions, Locked, Recovered, Report, Store};
use crate::trust::manifest::Manifest;
use crate::trust::signed::{SignedManifest, VerifiedManifest};
use crate::trust::{Keyring, TrustError};

use super::open::{self, VerifiedArchive};
use super::{Error, LOCK_WAIT, PolicyError};

/// How far an archive may be in the future of this host's clock without a warning.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The folder that certsuite reads.
    pub to: PathBuf,
    /// Whether an older or partial archive may replace the installed catalog.
    pub allow_downgrade: bool,
    /// Whether other files in the place of the catalog may be moved away.
    pub adopt: bool,
    /// How old an archive may be.
    pub max_age: Option<SignedDuration>,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
    /// How many replaced catalogs to keep.
    pub keep: usize,
    /// This host's clock.
    pub now: Timestamp,
}

/// What was done.
#[derive(Debug)]
pub struct ImportReport {
    /// The archive.
    pub archive: PathBuf,
    /// What it holds.
    pub manifest: VerifiedManifest,
    /// Bytes of the archive.
    pub size: u64,
    /// Whether, and how, it was installed.
    pub outcome: Outcome,
    /// What an interrupted run left, and this run cleaned up first.
    pub recovered: Vec<Recovered>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Archives beside this one that were not taken.
    pub passed_over: Vec<PassedOver>,
}

/// An archive in the folder that was named, which was not taken: it is bad, or may not replace what is installed.
#[derive(Debug)]
pub struct PassedOver {
    /// Where it lies.
    pub path: PathBuf,
    /// Whether, by its name or by what it says about itself, it is newer than the one that was taken.
    pub newer: bool,
    /// Why it was not taken.
    pub cause: Error,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.newer { "passed over a newer archive" } else { "passed over" };
        let (path, cause) = (self.path.display().to_string(), text::with_causes(&self.cause));
        // The error of a broken rule is the only one that does not name the archive.
        if cause.contains(&path) { write!(f, "{what}: {cause}") } else { write!(f, "{what}, `{path}`: {cause}") }
    }
}

/// How an import ended well.
#[derive(Debug)]
pub enum Outcome {
    /// The catalog is in place.
    Installed(Box<Report>),
    /// The same catalog was in place already, intact.
    AlreadyInstalled,
    /// A dry run: everything was checked, nothing was written.
    WouldInstall,
}

/// Verifies `source`, an archive or a folder with archives, and installs it.
///
/// # Errors
/// If the archive, the policy or the host does not allow it. The installed catalog then stays, unless the error says
/// that the swap was already done.
pub fn import(
    source: &Path,
    options: &ImportOptions,
    keyring: &Keyring,
    progress: &dyn Progress,
) -> Result<ImportReport, Error> {
    let (mut warnings, mut recovered) = (Vec::new(), Vec::new());
    let (store, holder) = (Store::open(&options.to), Holder::new("oct import", options.now));
    let (path, archive, passed_over) = if source.is_dir() {
        // Only a choice: the chosen one is compared again under the lock.
        let folder = store.read(&holder, LOCK_WAIT, progress)?;
        recovered.extend_from_slice(folder.recovered());
        let installed = folder.installed()?.and_then(|found| found.manifest);
        newest_valid(source, &installed, options, keyring)?
    } else {
        let archive = open::archive(source, keyring)?;
        keyring.policy().check(&archive.manifest, options.now).map_err(TrustError::from)?;
        (source.to_owned(), archive, vec![])
    };
    let manifest = archive.manifest.clone();
    let size = archive.size;
    check_age(&manifest, options, &mut warnings)?;
    if let Some(partial) = &manifest.partial {
        warnings.push(format!("the archive is partial: it holds only images since {}", partial.since));
    }
    let report = |outcome, recovered, warnings| ImportReport {
        archive: path.clone(),
        manifest: manifest.clone(),
        size,
        outcome,
        recovered,
        warnings,
        passed_over,
    };
    if options.dry_run {
        let folder = store.read(&holder, LOCK_WAIT, progress)?;
        recovered.extend_from_slice(folder.recovered());
        let same = check_installed(
            &folder.installed()?.and_then(|found| found.manifest),
            &manifest,
            options,
            keyring,
            &mut warnings,
        )?;
        if same && folder.verify_files(&manifest).is_intact() {
            return Ok(report(Outcome::AlreadyInstalled, recovered, warnings));
        }
        check_unrelated(&folder, options)?;
        folder.require_space(manifest.unpacked_size(), manifest.files.len())?;
        progress.begin_bytes("checking", manifest.unpacked_size());
        archive.validate_into(
            &path,
            |_| Ok(Metered(HashingWriter::new(std::io::sink()), "checking", progress)),
            |Metered(copy, ..)| Ok(copy.finish().2),
        )?;
        progress.end("checking");
        return Ok(report(Outcome::WouldInstall, recovered, warnings));
    }
    let mut locked = store.lock(&holder, LOCK_WAIT, progress)?;
    recovered.extend_from_slice(locked.recovered());
    let installed = locked.installed()?;
    let same =
        check_installed(&installed.and_then(|found| found.manifest), &manifest, options, keyring, &mut warnings)?;
    if same && locked.verify_files(&manifest).is_intact() {
        return Ok(report(Outcome::AlreadyInstalled, recovered, warnings));
    }
    check_unrelated(&locked, options)?;
    // An altered catalog must not take the place of a good one among the previous catalogs. An equal catalog gets
    // here only if the installed one was altered.
    let altered = options.keep > 0 && (same || is_altered(&locked, keyring)?);
    let keep = options.keep + usize::from(altered);
    let installed = install(&mut locked, archive, &path, keep, options, progress)?;
    warnings.extend(installed.warnings.iter().map(|warning| text::with_causes(warning)));
    Ok(report(Outcome::Installed(Box::new(installed)), recovered, warnings))
}

fn install(
    locked: &mut Locked,
    archive: VerifiedArchive,
    path: &Path,
    keep: usize,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    let staging = locked.stage(&archive.manifest)?;
    progress.begin_bytes("unpacking", archive.manifest.unpacked_size());
    let validation = archive.validate_into(
        path,
        |file| Ok(Metered(staging.file(&file.path)?, "unpacking", progress)),
        |Metered(writer, ..)| Ok(writer.finish()?),
    )?;
    progress.end("unpacking");
    let checked = staging.finish(validation)?;
    let name = path.file_name().map(|name| text::sanitize(&name.to_string_lossy())).unwrap_or_default();
    Ok(checked.install(&InstallOptions { keep, now: options.now, archive: name })?)
}

/// Whether the installed catalog has a manifest, and a rollback would skip it.
fn is_altered(locked: &Locked, keyring: &Keyring) -> Result<bool, Error> {
    let Some(signed) = locked.installed()?.and_then(|installed| installed.manifest) else { return Ok(false) };
    Ok(signed.verify(keyring).map_or(true, |manifest| !locked.verify_files(&manifest).is_intact()))
}

/// The newest archive in `folder` that passes every check, that the policy allows, and that may replace what is
/// `installed`; with those that may not.
fn newest_valid(
    folder: &Path,
    installed: &Option<SignedManifest>,
    options: &ImportOptions,
    keyring: &Keyring,
) -> Result<(PathBuf, VerifiedArchive, Vec<PassedOver>), Error> {
    // By the signed instant: anybody can rename a file.
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    for path in archive::archives(folder)? {
        match Archive::open(&path) {
            Ok(archive) => match open::verified(&archive, keyring) {
                Ok(manifest) => match keyring.policy().check(&manifest, options.now) {
                    Ok(()) => found.push((manifest, path)),
                    Err(forbidden) => bad.push((Some(manifest.created), path, TrustError::from(forbidden).into())),
                },
                Err(error) => {
                    let claimed = Manifest::parse(archive.signed().unverified_text()).ok();
                    bad.push((claimed.map(|manifest| manifest.created), path, error));
                }
            },
            Err(error) => bad.push((None, path, error.into())),
        }
    }
    found.sort_by_key(|(manifest, _)| std::cmp::Reverse(manifest.created));
    // If only the installed catalog keeps the newest good archive out, that error is more useful than the error of a
    // bad archive.
    let mut kept_out = None;
    for (manifest, path) in found {
        let created = manifest.created;
        if let Err(error) = check_installed(installed, &manifest, options, keyring, &mut Vec::new()) {
            kept_out.get_or_insert(bad.len());
            bad.push((Some(created), path, error));
            continue;
        }
        match open::archive(&path, keyring) {
            Ok(archive) => {
                let name = ArchiveName::new(created);
                let bad = bad.into_iter().map(|(claimed, path, cause)| PassedOver {
                    newer: claimed.is_some_and(|claimed| claimed > created)
                        || path.file_name().is_some_and(|file| file > OsStr::new(name.as_str())),
                    path,
                    cause,
                });
                return Ok((path, archive, bad.collect()));
            }
            Err(error) => bad.push((Some(created), path, error)),
        }
    }
    Err(bad
        .into_iter()
        .nth(kept_out.unwrap_or(0))
        .map_or_else(|| Error::NoArchive(folder.to_owned()), |(.., error)| error))
}

/// Refuses to move other files away, unless the options allow it.
fn check_unrelated(folder: &Folder, options: &ImportOptions) -> Result<(), Error> {
    let what = if options.adopt { vec![] } else { folder.unrelated()? };
    if what.is_empty() { Ok(()) } else { Err(PolicyError::Unrelated { what }.into()) }
}

/// A warning if a catalog is from the future by this host's clock.
pub(super) fn future_warning(manifest: &Manifest, now: Timestamp) -> Option<String> {
    let age = now.duration_since(manifest.created);
    (age < -CLOCK_TOLERANCE).then(|| {
        format!(
            "the archive of {} is {} in the future of this host's clock ({now}); one of the clocks is wrong",
            manifest.created,
            text::age(-age.as_secs()),
        )
    })
}

/// Checks the age by this host's clock, which decides only on `--max-age`: the clocks of bastions drift.
fn check_age(manifest: &Manifest, options: &ImportOptions, warnings: &mut Vec<String>) -> Result<(), Error> {
    let age = options.now.duration_since(manifest.created);
    warnings.extend(future_warning(manifest, options.now));
    match options.max_age {
        Some(max) if age > max => {
            Err(PolicyError::TooOld { created: manifest.created, age: age.as_secs(), max: max.as_secs() }.into())
        }
        _ => Ok(()),
    }
}

/// Compares with the installed catalog, only by the signed instants; returns whether it is the same catalog.
///
/// The key of the installed manifest may no longer be trusted: its date still keeps an older archive out.
fn check_installed(
    installed: &Option<SignedManifest>,
    manifest: &VerifiedManifest,
    options: &ImportOptions,
    keyring: &Keyring,
    warnings: &mut Vec<String>,
) -> Result<bool, Error> {
    let Some(signed) = installed else { return Ok(false) };
    let installed = match Manifest::parse(signed.unverified_text()) {
        Ok(installed) => installed,
        Err(error) => {
            warnings.push(format!("the age of the installed catalog is unknown: {error}"));
            return Ok(false);
        }
    };
    // The policy may forbid what the caller allows. It comes first: the hint of the other rules names a flag.
    let forbidden = keyring.policy().downgrade(manifest, &installed);
    forbidden.map_or(Ok(()), |forbidden| Err(TrustError::from(forbidden)))?;
    if !options.allow_downgrade {
        if manifest.created < installed.created {
            let (created, installed) = (manifest.created, installed.created);
            return Err(PolicyError::Older { created, installed }.into());
        }
        if let (Some(partial), None) = (&manifest.partial, &installed.partial) {
            return Err(PolicyError::Partial { since: partial.since }.into());
        }
    }
    Ok(signed == manifest.signed())
}

/// Reports every byte that is written as progress.
struct Metered<'a, W>(W, &'static str, &'a dyn Progress);

impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.0.write(bytes)?;
        self.2.advance(self.1, count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
