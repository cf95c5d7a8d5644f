//! `oct pull`: the newest archive of a site, verified before it gets its name.

mod memory;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use memory::{Known, Memories};

use super::bundle::lacking;
use super::list::Site;
use super::{Error, Lacking, PolicyError, open};
use crate::archive::{self, Retained, site};
use crate::base::digest::Sha256Digest;
use crate::base::failure::{Class, Classified as _};
use crate::base::limits;
use crate::base::progress::Progress;
use crate::base::text;
use crate::http::{Downloaded, HttpOptions, Mirror, RetryPolicy, Small, Target, Validators};
use crate::trust::catalogs::{CATALOGS_FILE, SIGNATURE_FILE, SignedCatalogs};
use crate::trust::name::ArchiveName;
use crate::trust::{Keyring, Listed, Sidecar, VerifiedCatalogs, VerifiedManifest};

/// How far a list may be in the future of this host's clock without a warning.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// How long to wait before a list that does not match its signature is read again: the publisher may be replacing both.
const REPLACING: Duration = Duration::from_millis(500);
/// The longest time that a mirror may fail without progress, if another mirror follows.
const MIRROR_PATIENCE: Duration = Duration::from_secs(60);

/// How to pull.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Sites with the same archives, in the order in which they are asked.
    pub mirrors: Vec<Url>,
    /// Folder for the archive.
    pub out: PathBuf,
    /// Whether only to say that there is a newer archive.
    pub check: bool,
    /// How many archives stay in the folder; `None` keeps all.
    pub retain: Option<usize>,
    /// How requests are sent.
    pub http: HttpOptions,
    /// The user's folder for what has to be remembered.
    pub state: Option<PathBuf>,
    /// This host's clock.
    pub now: Timestamp,
}

/// The result of a pull.
#[derive(Debug)]
pub struct PullReport {
    /// The site that was asked, for people.
    pub site: String,
    /// Whether there is a new archive.
    pub outcome: Outcome,
    /// The list; `None` if the server says that it has not changed.
    pub list: Option<Site>,
    /// The manifest of the newest archive here.
    pub manifest: Option<VerifiedManifest>,
    /// Archives that were removed because there are newer ones.
    pub removed: Vec<PathBuf>,
    /// Requests that were sent, to all mirrors.
    pub requests: u64,
    /// Bytes of the answers' bodies.
    pub bytes: u64,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Whether there is a new archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was downloaded, and is here.
    Pulled {
        /// The archive.
        archive: PathBuf,
        /// Its bytes.
        size: u64,
        /// Bytes of it that an earlier run had downloaded.
        resumed: u64,
    },
    /// The newest one that may be taken is here.
    Unchanged(PathBuf),
    /// There is a newer one, which was not downloaded.
    Newer(Box<Listed>),
}

/// Downloads the newest acceptable archive from the first mirror that has one.
///
/// # Errors
/// If no mirror is reached, or what it has is not accepted: the first error that is not about the network. No file gets
/// the name of an archive then.
pub async fn pull(
    options: &PullOptions,
    keyring: &Arc<Keyring>,
    progress: &Arc<dyn Progress>,
) -> Result<PullReport, Error> {
    let mut warnings = Vec::new();
    if !options.check {
        fs::create_dir_all(&options.out)?;
        archive::sweep_partial(&options.out)?;
    }
    let mut memories = Memories::read(&options.out, options.state.as_deref(), &mut warnings);
    let (mut requests, mut bytes, mut failed) = (0, 0, None::<Error>);
    for (index, url) in options.mirrors.iter().enumerate() {
        let is_last = index + 1 == options.mirrors.len();
        let mirror = Mirror::open(borne(&options.http, is_last), url, Arc::clone(progress))?;
        let mut visit =
            Visit { mirror: &mirror, options, keyring, progress, memories: &mut memories, warnings: Vec::new() };
        let result = visit.take().await;
        let noticed = std::mem::take(&mut visit.warnings);
        (requests, bytes) = (requests + mirror.requests(), bytes + mirror.bytes());
        let forgotten = memories.write(!options.check);
        match result {
            Ok(report) => {
                warnings.extend(noticed.into_iter().chain(forgotten));
                let removed = retain(options, keyring, &report.outcome, &mut warnings);
                return Ok(PullReport { removed, requests, bytes, warnings, ..report });
            }
            Err(error) => {
                if !is_last {
                    warnings.push(format!("{}: {}", mirror.shown(), text::with_causes(&error)));
                }
                // If one mirror does not answer, another one may still have a good archive.
                let says_more = |known: &Error| known.class() == Class::Source && error.class() != Class::Source;
                if failed.as_ref().is_none_or(says_more) {
                    failed = Some(error);
                }
            }
        }
    }
    Err(failed.unwrap_or_else(|| Error::NoArchive(options.out.clone())))
}

/// The list of the site at `url`, verified.
///
/// # Errors
/// If it is not reached, or the list is not accepted.
pub async fn list(
    url: &Url,
    http: HttpOptions,
    keyring: &Keyring,
    progress: &Arc<dyn Progress>,
) -> Result<(String, VerifiedCatalogs), Error> {
    let mirror = Mirror::open(http, url, Arc::clone(progress))?;
    match fetch(&mirror, None, keyring).await? {
        Fetched::List(list, _) => Ok((mirror.shown(), *list)),
        Fetched::Same => Err(missing(&mirror, CATALOGS_FILE)),
    }
}

/// Removes the archives beyond the limit. A failure is only a warning: the newest archive is here.
fn retain(options: &PullOptions, keyring: &Keyring, outcome: &Outcome, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let (Outcome::Pulled { archive, .. } | Outcome::Unchanged(archive)) = outcome else { return Vec::new() };
    let Some(newest) = options.retain.filter(|_| !options.check) else { return Vec::new() };
    let Retained { removed, failure } = archive::retain(&options.out, newest, keyring, archive);
    warnings.extend(failure.map(|failure| format!("older archives stay: {failure}")));
    removed
}

/// The options of requests to a mirror: less patience if another mirror follows.
fn borne(http: &HttpOptions, is_last: bool) -> HttpOptions {
    let mut http = http.clone();
    if !is_last {
        http.retry = RetryPolicy { patience: http.retry.patience.min(MIRROR_PATIENCE) };
    }
    http
}

enum Fetched {
    /// The list that was seen before.
    Same,
    List(Box<VerifiedCatalogs>, Validators),
}

/// The list of a site, unless it is the one that is `known`.
async fn fetch(mirror: &Mirror, known: Option<&Validators>, keyring: &Keyring) -> Result<Fetched, Error> {
    let refuse = |cause| Error::Catalogs { place: mirror.shown_file(CATALOGS_FILE), cause };
    let mut is_again = false;
    loop {
        let known = known.filter(|_| !is_again);
        let (text, validators) = match mirror.small(CATALOGS_FILE, known, is_again, limits::CATALOGS_BYTES).await? {
            Small::Same => return Ok(Fetched::Same),
            Small::Missing => return Err(missing(mirror, CATALOGS_FILE)),
            Small::Found(text, validators) => (text, validators),
        };
        let cap = limits::KEY_FILE_BYTES as usize;
        let signatures = match mirror.small(SIGNATURE_FILE, None, is_again, cap).await? {
            Small::Found(signatures, _) => signatures,
            Small::Same | Small::Missing => return Err(missing(mirror, SIGNATURE_FILE)),
        };
        // A file that is not text is not what was signed.
        let (text, signatures) = (String::from_utf8_lossy(&text), String::from_utf8_lossy(&signatures));
        match SignedCatalogs::new(text.into_owned(), &signatures).verify(keyring) {
            Ok(list) => return Ok(Fetched::List(Box::new(list), validators)),
            Err(cause) if is_again || cause.is_unproved() => return Err(refuse(cause)),
            // The list and its signature may be of different versions: the publisher is replacing them, or a cache on
            // the way holds an old one.
            Err(_) => tokio::time::sleep(REPLACING).await,
        }
        is_again = true;
    }
}

fn missing(mirror: &Mirror, file: &str) -> Error {
    Error::NoSite { site: mirror.shown(), file: file.to_owned() }
}

/// An archive in the folder: whole, and allowed by the policy.
struct Here {
    path: PathBuf,
    manifest: VerifiedManifest,
    sha256: Sha256Digest,
}

impl Here {
    /// The newest one in `folder`.
    fn newest(folder: &Path, keyring: &Keyring, now: Timestamp) -> io::Result<Option<Self>> {
        let allowed = archive::archives(folder)?.into_iter().filter_map(|path| {
            let manifest = open::manifest(&path, keyring).ok()?;
            keyring.policy().check(&manifest, now).ok()?;
            Some((manifest.created, path))
        });
        let mut allowed: Vec<_> = allowed.collect();
        allowed.sort();
        Ok(allowed.into_iter().rev().find_map(|(_, path)| {
            let manifest = open::archive(&path, keyring).ok()?.manifest;
            let sha256 = site::digest(&path).ok()?;
            Some(Self { path, manifest, sha256 })
        }))
    }

    /// Whether `listed` is not worth a download: it is this very file, it is older, or it holds less.
    fn replaces(&self, listed: &Listed) -> bool {
        self.sha256 == listed.sha256 || self.manifest.created > listed.created || self.holds_more(listed).is_some()
    }

    /// What `listed`, of the same hour and so of the same name, lacks.
    fn holds_more(&self, listed: &Listed) -> Option<Lacking> {
        let is_of_hour = ArchiveName::new(self.manifest.created) == listed.name;
        is_of_hour.then(|| lacking(&self.manifest, &listed.partial, &listed.sources))?
    }
}

/// One mirror that is asked.
struct Visit<'a> {
    mirror: &'a Mirror,
    options: &'a PullOptions,
    keyring: &'a Arc<Keyring>,
    progress: &'a Arc<dyn Progress>,
    memories: &'a mut Memories,
    warnings: Vec<String>,
}

impl Visit<'_> {
    async fn take(&mut self) -> Result<PullReport, Error> {
        let site = self.mirror.site();
        let here = self.newest_here().await?;
        // The answer "not modified" counts only if that list is not older than one that was seen, and has nothing
        // better than what is here.
        let known = self.memories.site(&site).zip(here.as_ref()).filter(|(known, here)| {
            self.memories.seen(&known.publishers).is_none_or(|seen| seen <= known.written)
                && here.replaces(&known.archive)
        });
        let known = known.map(|(known, here)| (known.clone(), here));
        let fetched = fetch(self.mirror, known.as_ref().map(|(known, _)| &known.validators), self.keyring).await?;
        let (list, validators) = match (fetched, known) {
            (Fetched::List(list, validators), _) => (list, validators),
            (Fetched::Same, Some((known, here))) => return Ok(self.same(known, here)),
            (Fetched::Same, None) => return Err(missing(self.mirror, CATALOGS_FILE)),
        };
        self.remember(&list)?;
        let mut was_refused = false;
        let mut list = list;
        let (report, taken) = loop {
            let wanted = self.choose(&list)?;
            let newest = list.archives.first() == Some(&wanted);
            match self.bring(wanted.clone(), &list, here.as_ref()).await {
                Ok(report) => break (report, newest.then_some(wanted)),
                // The publisher may be replacing archive and list at this moment. Then a new list follows soon.
                Err(error @ Error::NotListed { .. }) if !was_refused => {
                    tokio::time::sleep(REPLACING).await;
                    if let Fetched::List(again, _) = fetch(self.mirror, None, self.keyring).await? {
                        self.remember(&again)?;
                        list = again;
                    }
                    if list.archives.contains(&wanted) {
                        return Err(error);
                    }
                    was_refused = true;
                }
                Err(error) => return Err(error),
            }
        };
        // If a newer archive was skipped, read the list again each time: what is allowed can change.
        let known =
            taken.filter(|_| !was_refused && !matches!(report.outcome, Outcome::Newer(_))).map(|archive| Known {
                validators,
                archive,
                written: list.written,
                next: list.next,
                publishers: list.publishers().to_vec(),
            });
        if !self.options.check {
            self.memories.know(&site, known);
        }
        Ok(report)
    }

    fn report(&self, outcome: Outcome, list: Option<Site>, manifest: Option<VerifiedManifest>) -> PullReport {
        let (removed, warnings) = (Vec::new(), Vec::new());
        PullReport { site: self.mirror.shown(), outcome, list, manifest, removed, requests: 0, bytes: 0, warnings }
    }

    /// The report if the server says that the list has not changed.
    fn same(&mut self, known: Known, here: &Here) -> PullReport {
        let Known { archive, written, next, publishers, .. } = known;
        let is_overdue = next.is_some_and(|next| next < self.options.now);
        self.warn_of_time(&Site { written, next, is_overdue, publishers });
        self.unchanged(here, &archive, None)
    }

    /// The report if nothing of the list is better than what is `here`.
    fn unchanged(&mut self, here: &Here, listed: &Listed, list: Option<Site>) -> PullReport {
        if let Some(more) = here.holds_more(listed) {
            let stays = PolicyError::HoldsMore { path: here.path.clone(), more };
            self.warn(format!("passed over `{}` of the site: {stays}", listed.name));
        }
        self.report(Outcome::Unchanged(here.path.clone()), list, Some(here.manifest.clone()))
    }

    /// Refuses a list older than one that was seen; otherwise remembers it.
    fn remember(&mut self, list: &VerifiedCatalogs) -> Result<(), Error> {
        if let Some(seen) = self.memories.seen(list.publishers()).filter(|seen| list.written < *seen) {
            let place = self.mirror.shown_file(CATALOGS_FILE);
            return Err(PolicyError::OldList { place, written: list.written, seen }.into());
        }
        self.memories.see(list.publishers(), list.written);
        self.warn_of_time(&Site::of(list, self.options.now));
        Ok(())
    }

    fn warn_of_time(&mut self, site: &Site) {
        let ahead = site.written.duration_since(self.options.now);
        if ahead > CLOCK_TOLERANCE {
            let ahead = text::age(ahead.as_secs());
            self.warn(format!(
                "the list was written {ahead} in the future of this host's clock; one of the clocks is wrong"
            ));
        }
        if site.is_overdue {
            self.warn(site.overdue());
        }
    }

    fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    /// The newest acceptable archive of the list; a warning names each skipped one.
    fn choose(&mut self, list: &VerifiedCatalogs) -> Result<Listed, Error> {
        let mut first = None;
        for listed in &list.archives {
            match self.keyring.check_listed(listed, self.options.now) {
                Ok(()) => return Ok(listed.clone()),
                Err(error) => {
                    self.warn(format!("passed over `{}`: {}", listed.name, text::with_causes(&error)));
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.map_or_else(|| Error::NoneListed { site: self.mirror.shown() }, Error::from))
    }

    /// The newest archive in the folder that is whole and that the policy allows.
    async fn newest_here(&self) -> Result<Option<Here>, Error> {
        let (folder, keyring, now) = (self.options.out.clone(), Arc::clone(self.keyring), self.options.now);
        // Hashing keeps the processor busy: it must not block the threads that answer signals.
        let found = tokio::task::spawn_blocking(move || Here::newest(&folder, &keyring, now));
        Ok(found.await.map_err(|error| io::Error::other(error.to_string()))??)
    }

    /// Downloads the wanted archive, unless what is `here` replaces it.
    async fn bring(
        &mut self,
        wanted: Listed,
        list: &VerifiedCatalogs,
        here: Option<&Here>,
    ) -> Result<PullReport, Error> {
        let site = Some(Site::of(list, self.options.now));
        if let Some(here) = here.filter(|here| here.replaces(&wanted)) {
            return Ok(self.unchanged(here, &wanted, site));
        }
        if self.options.check {
            return Ok(self.report(Outcome::Newer(Box::new(wanted)), site, None));
        }
        let (path, target, resumed) = self.download(&wanted).await?;
        let signatures = self.signatures(&wanted).await?;
        let (keyring, progress) = (Arc::clone(self.keyring), Arc::clone(self.progress));
        let (listed, out, at) = (wanted.clone(), self.options.out.clone(), self.file(&wanted));
        // Verification keeps the processor busy: it must not block the threads that answer signals.
        let verified = tokio::task::spawn_blocking(move || {
            let manifest = verify(&path, &at, &listed, &signatures, &keyring, &*progress)?;
            let archive = site::adopt(&out, &listed.name, &path, listed.sha256, &signatures)?;
            // The lock is held until here, so that nobody else writes there.
            drop(target);
            Ok::<_, Error>((archive, manifest))
        });
        let (archive, manifest) = verified.await.map_err(|error| io::Error::other(error.to_string()))??;
        Ok(self.report(Outcome::Pulled { archive, size: wanted.size, resumed }, site, Some(manifest)))
    }

    /// The URL of an archive, for people.
    fn file(&self, listed: &Listed) -> String {
        self.mirror.shown_file(listed.name.as_str())
    }

    /// Downloads the archive to a name of its own; returns that, the file with its lock, and how much an earlier run had downloaded.
    async fn download(&self, wanted: &Listed) -> Result<(PathBuf, Target, u64), Error> {
        let path = site::download_path(&self.options.out, wanted.sha256);
        let mut target = Target::open(&path, wanted.size)?;
        let mut resumed = target.have();
        archive::require_space(&self.options.out, wanted.size - resumed)?;
        let other = |cause: String| Error::NotListed { place: self.file(wanted), cause };
        let cause = loop {
            match self.mirror.download(wanted.name.as_str(), &mut target, wanted.size).await? {
                Downloaded::Complete => {
                    target.sync()?;
                    if site::digest(&path)? == wanted.sha256 {
                        return Ok((path, target, resumed));
                    }
                    if resumed == 0 {
                        break "its SHA-256 differs".to_owned();
                    }
                    // What an earlier run downloaded may be of another file.
                    fs::remove_file(&path)?;
                    target = Target::open(&path, wanted.size)?;
                    resumed = 0;
                }
                Downloaded::Other(cause) => break cause,
                Downloaded::Missing => return Err(other("there is no such file".into())),
            }
        };
        // The file is bad, so a later run must not continue it.
        fs::remove_file(&path)?;
        Err(other(cause))
    }

    /// The names and contents of the publisher's signature files of the archive, if there are any.
    async fn signatures(&self, wanted: &Listed) -> Result<Vec<(String, String)>, Error> {
        let mut found = Vec::new();
        let of_others = wanted.signers.iter().skip(1).map(|key| wanted.name.signature_by(*key));
        for name in std::iter::once(wanted.name.signature()).chain(of_others) {
            if let Small::Found(text, _) = self.mirror.small(&name, None, true, limits::KEY_FILE_BYTES as usize).await?
            {
                found.push((name, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        Ok(found)
    }
}

/// Verifies the download as an import would, and compares it with the list and the signature files. A bad file is
/// removed.
fn verify(
    path: &Path,
    at: &str,
    listed: &Listed,
    signatures: &[(String, String)],
    keyring: &Keyring,
    progress: &dyn Progress,
) -> Result<VerifiedManifest, Error> {
    progress.begin("verifying", None);
    let verified = (|| {
        let archive = open::archive(path, keyring)?;
        let manifest = archive.manifest.clone();
        if !listed.is_of(&manifest) {
            let cause = format!("it was made {}, and its content digest is {}", manifest.created, manifest.content);
            return Err(Error::NotListed { place: at.to_owned(), cause });
        }
        for (name, text) in signatures {
            let sidecar = Sidecar::parse(Path::new(name), text)?;
            let mut check = sidecar.check(keyring, &manifest, listed.name.as_str())?;
            io::copy(&mut fs::File::open(path)?, &mut check)?;
            check.finish()?;
        }
        archive.validate(path)?;
        Ok(manifest)
    })();
    progress.end("verifying");
    if verified.is_err() {
        fs::remove_file(path)?;
    }
    verified
}
