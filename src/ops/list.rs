//! `oct list`: the archives of a folder or of a site, what each is, and which one an import would take.

use std::path::{Path, PathBuf};

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};

use super::{Error, import, open};
use crate::archive::{self, Archive, ArchiveError, site};
use crate::base::failure::{Class, Classified as _};
use crate::base::progress::Progress;
use crate::base::text;
use crate::catalog::provenance::{Counts, Partial};
use crate::trust::{KeyId, Keyring, Manifest, VerifiedCatalogs};

/// What an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Signed by a key that is trusted here, and whole as far as it was read.
    Good,
    /// Signed, but by no key that is trusted here.
    NotTrusted,
    /// Signed by a key that is trusted here, but the policy of this host forbids it.
    Forbidden,
    /// Too short, like an interrupted copy.
    Cut,
    /// Not what was signed, or not an archive.
    Altered,
    /// This host cannot read it.
    Unreadable,
}

impl State {
    /// The state in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotTrusted => "not trusted here",
            Self::Forbidden => "forbidden",
            Self::Cut => "cut",
            Self::Altered => "altered",
            Self::Unreadable => "unreadable",
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Signature { cause, .. } if cause.is_unproved() => Self::NotTrusted,
            Error::Archive(ArchiveError::Truncated { .. }) => Self::Cut,
            other if other.class() == Class::Host => Self::Unreadable,
            _ => Self::Altered,
        }
    }
}

/// One archive.
#[derive(Debug)]
pub struct Row {
    /// File name.
    pub name: String,
    /// Bytes of the file.
    pub size: u64,
    /// What it is.
    pub state: State,
    /// What is wrong with it, if something is.
    pub cause: Option<String>,
    /// What it says about itself, proved only if it is good or forbidden; `None` if that cannot be read.
    pub said: Option<Said>,
}

/// What an archive says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When its snapshot began.
    pub created: Timestamp,
    /// How much it holds.
    pub counts: Counts,
    /// What limits it.
    pub partial: Option<Partial>,
    /// Ids of the keys that signed it.
    pub signers: Vec<String>,
}

/// The list that a publisher signed.
#[derive(Debug)]
pub struct Site {
    /// When it was written.
    pub written: Timestamp,
    /// Until when the next one is promised.
    pub next: Option<Timestamp>,
    /// Whether that is past.
    pub is_overdue: bool,
    /// Ids of the trusted keys that signed it.
    pub publishers: Vec<String>,
}

/// The archives of a place.
#[derive(Debug)]
pub struct ListReport {
    /// Folder or URL.
    pub place: String,
    /// The archives, the newest first.
    pub rows: Vec<Row>,
    /// The row that an import would take.
    pub takes: Option<usize>,
    /// The row that it would take where a full catalog is installed.
    pub takes_over_full: Option<usize>,
    /// The signed list beside them, if there is one.
    pub site: Option<Site>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl ListReport {
    /// Whether an import would take one that is not older than `max_age` at the instant `now`.
    #[must_use]
    pub fn is_fresh(&self, max_age: SignedDuration, now: Timestamp) -> bool {
        let newest = self.takes.and_then(|row| self.rows.get(row)).and_then(|row| row.said.as_ref());
        newest.is_some_and(|said| now.duration_since(said.created) <= max_age)
    }

    /// Whether each archive is good, and there is one.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.state == State::Good)
    }
}

/// How much of each archive is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Its header, with the signature, and its size.
    Header,
    /// All of it, as `oct verify` does.
    Whole,
}

/// Whether `path` is a folder that holds archives and no installed catalog.
#[must_use]
pub fn is_folder_of_archives(path: &Path) -> bool {
    path.is_dir() && !path.join("data").exists() && archive::archives(path).is_ok_and(|archives| !archives.is_empty())
}

/// Looks at the archives in `folder`.
///
/// # Errors
/// If the folder cannot be listed. An archive that is not good is a row.
pub fn folder(
    folder: &Path,
    keyring: &Keyring,
    depth: Depth,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<ListReport, Error> {
    if !folder.is_dir() {
        return Err(Error::not_a_folder(folder));
    }
    let what = if depth == Depth::Whole { "verifying" } else { "reading" };
    progress.begin(what, None);
    let mut warnings = Vec::new();
    let mut rows = Vec::new();
    for path in archive::archives(folder)? {
        let (row, manifest) = look(&path, keyring, depth, now);
        warnings.extend(manifest.and_then(|manifest| import::future_warning(&manifest, now)));
        rows.push(row);
    }
    progress.end(what);
    let site = match site::list(folder).map(|list| list.map(|list| list.verify(keyring))) {
        Ok(None) => None,
        Ok(Some(Ok(list))) => {
            warnings.extend(missing(&list, &rows));
            Some(Site::of(&list, now))
        }
        Ok(Some(Err(error))) => {
            warnings.push(format!("the list of the archives is not accepted: {}", text::with_causes(&error)));
            None
        }
        Err(error) => {
            warnings.push(format!("the list of the archives cannot be read: {error}"));
            None
        }
    };
    let place = folder.display().to_string();
    Ok(ListReport::new(place, rows, site, warnings))
}

/// What a verified list says of the archives at `place`, which were not looked at.
#[must_use]
pub fn listed(place: String, list: &VerifiedCatalogs, keyring: &Keyring, now: Timestamp) -> ListReport {
    let rows = list.archives.iter().map(|listed| {
        let refused = keyring.check_listed(listed, now).err();
        let state = match &refused {
            None => State::Good,
            Some(error) if error.is_unproved() => State::NotTrusted,
            Some(_) => State::Forbidden,
        };
        Row {
            name: listed.name.to_string(),
            size: listed.size,
            state,
            cause: refused.map(|error| error.to_string()),
            said: Some(Said {
                created: listed.created,
                counts: listed.counts,
                partial: listed.partial.clone(),
                signers: listed.signers.iter().map(ToString::to_string).collect(),
            }),
        }
    });
    ListReport::new(place, rows.collect(), Some(Site::of(list, now)), Vec::new())
}

impl ListReport {
    fn new(place: String, mut rows: Vec<Row>, site: Option<Site>, mut warnings: Vec<String>) -> Self {
        // By the signed instant: anybody can rename a file. An archive that cannot be read has only its name.
        let instant = |row: &Row| row.said.as_ref().map(|said| said.created);
        rows.sort_by(|one, other| (instant(other), &other.name).cmp(&(instant(one), &one.name)));
        let is_full = |row: &Row| row.said.as_ref().is_some_and(|said| said.partial.is_none());
        let takes = rows.iter().position(|row| row.state == State::Good);
        let takes_over_full = rows.iter().position(|row| row.state == State::Good && is_full(row));
        if let Some(site) = site.as_ref().filter(|site| site.is_overdue) {
            warnings.push(site.overdue());
        }
        Self { place, rows, takes, takes_over_full, site, warnings }
    }
}

impl Site {
    /// The facts of a list at the instant `now`.
    #[must_use]
    pub fn of(list: &VerifiedCatalogs, now: Timestamp) -> Self {
        Self {
            written: list.written,
            next: list.next,
            is_overdue: list.next.is_some_and(|next| next < now),
            publishers: list.publishers().to_vec(),
        }
    }

    /// The warning that the promise was not kept.
    #[must_use]
    pub fn overdue(&self) -> String {
        let next = self.next.unwrap_or(self.written);
        format!(
            "the list was written {}, and the next one promised by {next}: the publisher is late, or this is an old copy",
            self.written
        )
    }
}

/// Archives that the list names and the folder lacks, or has with another size.
fn missing(list: &VerifiedCatalogs, rows: &[Row]) -> Vec<String> {
    let lacks = list.archives.iter().filter_map(|listed| {
        let found = rows.iter().find(|row| row.name == listed.name.as_str());
        match found {
            None => Some(format!("the list names `{}`, which is not here", listed.name)),
            Some(row) if row.size != listed.size && row.state == State::Good => {
                Some(format!("`{}` differs from the archive in the list: publish again", listed.name))
            }
            Some(_) => None,
        }
    });
    lacks.collect()
}

/// One archive, with its manifest if that is proved.
fn look(path: &Path, keyring: &Keyring, depth: Depth, now: Timestamp) -> (Row, Option<Manifest>) {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let proved = match depth {
        Depth::Header => header(path, keyring),
        Depth::Whole => whole(path, keyring),
    };
    let row = |state, cause, said| Row { name, size, state, cause, said };
    match proved {
        Ok((manifest, signers)) => {
            let forbidden = keyring.policy().check(&manifest, now).err().map(|rule| rule.to_string());
            let state = if forbidden.is_none() { State::Good } else { State::Forbidden };
            (row(state, forbidden, Some(Said::of(&manifest, signers))), Some(manifest))
        }
        Err(error) => (row(State::of(&error), Some(text::with_causes(&error)), said(path)), None),
    }
}

/// The manifest of an archive whose signature and size are right.
fn header(path: &Path, keyring: &Keyring) -> Result<(Manifest, Vec<String>), Error> {
    let archive = Archive::open(path)?;
    let manifest = open::verified(&archive, keyring)?;
    archive.check_length(&manifest)?;
    Ok((Manifest::clone(&manifest), texts(manifest.key_ids())))
}

/// The manifest of an archive that is whole, sidecars included, and that certsuite can read.
fn whole(path: &Path, keyring: &Keyring) -> Result<(Manifest, Vec<String>), Error> {
    let archive = open::archive(path, keyring)?;
    let manifest = Manifest::clone(&archive.manifest);
    let signers = texts(archive.manifest.key_ids());
    archive.validate(path)?;
    Ok((manifest, signers))
}

/// What the archive at `path` says about itself, as far as that can be read.
fn said(path: &Path) -> Option<Said> {
    let archive = Archive::open(path).ok()?;
    let manifest = Manifest::parse(archive.signed().unverified_text()).ok()?;
    Some(Said::of(&manifest, texts(&archive.signed().unverified_key_ids().ok()?)))
}

fn texts(keys: &[KeyId]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

impl Said {
    fn of(manifest: &Manifest, signers: Vec<String>) -> Self {
        Self { created: manifest.created, counts: manifest.counts, partial: manifest.partial.clone(), signers }
    }
}

/// The folder or the address whose archives are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder, be it on a stick.
    Folder(PathBuf),
    /// A site.
    Site(reqwest::Url),
}
