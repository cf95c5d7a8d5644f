//! `oct bundle`: fetch, lay out, pack, sign, publish.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use jiff::{SignedDuration, Timestamp};

pub use crate::exporter::{EVIDENCE_LEAST, FetchOptions, Plan};
pub use crate::http::{HttpOptions, RetryPolicy};

use crate::archive::name::ArchiveName;
use crate::archive::{self, Archive, Published};
use crate::base::digest::Sha256Digest;
use crate::base::progress::Progress;
use crate::base::text::sanitize;
use crate::catalog::provenance::Partial;
use crate::catalog::snapshot::{Layout, LayoutError, Snapshot};
use crate::catalog::{ChartIndex, ContainersBuilder, TooLarge};
use crate::certify::constraint::Constraint;
use crate::exporter::GivenCharts;
use crate::exporter::{self, Fetched};
use crate::trust::manifest;
use crate::trust::manifest::{Manifest, content_digest};
use crate::trust::signed::SignedManifest;
use crate::trust::{Keyring, SigningKey};

use super::publish::{self, Promise, PublishReport, Reading};
use super::{Error, Lacking, PolicyError, from_db};

/// Bytes that an image takes on the disk while it is laid out and packed, at most: under each of its digests in the
/// spill, in the layout, in the body and in the archive.
const BYTES_PER_IMAGE: u64 = 2 << 10;

/// How a bundle is written.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// Folder for the archive.
    pub out: PathBuf,
    /// Compression level, 1 to 19.
    pub level: i32,
    /// Whether to write an archive although nothing changed.
    pub force: bool,
    /// How many archives stay in the folder, the new one included; `None` keeps all.
    pub retain: Option<usize>,
    /// Within what time the list of the folder's archives promises the next list.
    pub next_within: Option<SignedDuration>,
    /// This host's clock.
    pub now: fn() -> Timestamp,
    /// The instant that the manifest states, for reproducible archives; how the fetch went is left out then.
    pub created: Option<Timestamp>,
}

/// The result of a bundle.
#[derive(Debug)]
pub struct BundleReport {
    /// The manifest of the new archive, or of the unchanged one.
    pub manifest: Manifest,
    /// The new archive, or the one that has this content already.
    pub outcome: Outcome,
    /// Ids of the keys that signed.
    pub key_ids: Vec<String>,
    /// Charts at whose `kubeVersion` certsuite's reader crashes.
    pub crashing_charts: Vec<CrashingChart>,
    /// Warnings about the source.
    pub warnings: Vec<String>,
    /// Archives that were removed because there are newer ones.
    pub removed: Vec<PathBuf>,
    /// The list of the folder's archives, as it is now.
    pub listed: PublishReport,
    /// Requests of this run.
    pub requests: u64,
    /// Documents that an earlier, interrupted run had fetched.
    pub resumed: u64,
    /// Requests that the server refused because there were too many.
    pub refused: u64,
}

/// Whether there is a new archive.
#[derive(Debug)]
pub enum Outcome {
    /// There is.
    Written(Published),
    /// The newest archive in the folder has the same content.
    Unchanged(PathBuf),
}

/// A chart version whose `kubeVersion` crashes certsuite's reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashingChart {
    /// The chart.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The constraint.
    pub kube_version: String,
    /// Why it does not parse.
    pub cause: String,
}

/// Fetches the catalog and makes a signed archive of it.
///
/// # Errors
/// If the source, the disk or a key fails. No archive is written then, and the fetched documents are kept for the next
/// run.
pub async fn bundle(
    plan: &Plan,
    fetch: &FetchOptions,
    options: &BundleOptions,
    keys: Arc<Vec<SigningKey>>,
    progress: &Arc<dyn Progress>,
) -> Result<BundleReport, Error> {
    fs::create_dir_all(&options.out)?;
    archive::sweep_partial(&options.out)?;
    let fetched = exporter::fetch(plan, fetch, progress).await?;
    let (options, progress) = (options.clone(), Arc::clone(progress));
    // Packing keeps the processor busy: it must not block the threads that answer signals.
    let packed = tokio::task::spawn_blocking(move || {
        let mut containers = containers(&options.out, fetched.images().saturating_mul(BYTES_PER_IMAGE))?;
        let taken = fetched.each_image(|image| containers.image(&image).map_err(|error| named(&options.out, error)));
        taken.map_err(LayoutError::from)?;
        let mut report = pack(&snapshot(&fetched), containers, &options, &keys, &*progress)?;
        (report.resumed, report.refused) = (fetched.resumed, fetched.refused);
        report.warnings.extend(fetched.notes.iter().cloned());
        fetched.forget_work()?;
        Ok(report)
    });
    packed.await.map_err(|error| std::io::Error::other(error.to_string()))?
}

/// Reads a chart index that is to be bundled in place of the served one.
///
/// # Errors
/// If the file cannot be read, or certsuite could not load it.
pub fn read_charts(path: &Path) -> Result<GivenCharts, Error> {
    let index = ChartIndex::read(crate::base::fs::open(path).map_err(io::Error::from)?)?;
    Ok(GivenCharts { url: format!("file://{}", path.canonicalize()?.display()), index })
}

/// The snapshot that was fetched.
fn snapshot(fetched: &Fetched) -> Snapshot {
    Snapshot {
        created: fetched.created,
        partial: fetched.partial.clone(),
        images: fetched.images(),
        operators: fetched.operators.clone(),
        chart_index: fetched.chart_index.clone(),
        sources: fetched.sources.clone(),
    }
}

/// Where images go on their way into the layout.
pub(super) type Containers = ContainersBuilder<File>;

/// A place for images in a file without a name in `folder`, so that a killed run leaves nothing. The bundle needs
/// `needed` bytes on that disk until the archive is complete.
pub(super) fn containers(folder: &Path, needed: u64) -> Result<Containers, Error> {
    archive::require_space(folder, needed)?;
    Ok(ContainersBuilder::new(nameless(folder)?))
}

fn nameless(folder: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder).map_err(|error| named(folder, error))
}

/// An error of a file without a name, with the name of its folder.
fn named(folder: &Path, error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|cause| cause.is::<TooLarge>()) {
        return error;
    }
    io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", folder.display()))
}

/// Lays out, packs, signs and publishes a snapshot with the images in `containers`.
pub(super) fn pack(
    snapshot: &Snapshot,
    containers: Containers,
    options: &BundleOptions,
    keys: &[SigningKey],
    progress: &dyn Progress,
) -> Result<BundleReport, Error> {
    progress.begin("packing", None);
    let layout = snapshot.lay_out(containers, nameless(&options.out)?).map_err(|error| match error {
        LayoutError::Io(error) => LayoutError::Io(named(&options.out, error)),
        error => error,
    })?;
    let content = content_digest(layout.files());
    let standing = if options.force { None } else { unchanged(&options.out, content, &snapshot.partial, keys)? };
    let (manifest, outcome) = match standing {
        Some((archive, manifest)) => (manifest, Outcome::Unchanged(archive)),
        None => {
            let (manifest, published) = write(snapshot, layout, content, options, keys)?;
            (manifest, Outcome::Written(published))
        }
    };
    progress.end("packing");
    let folder = &options.out;
    let mut warnings: Vec<_> = without_operators(snapshot).into_iter().chain(no_charts(snapshot)).collect();
    let removed = match options.retain {
        Some(newest) => retain(&outcome, folder, newest, keys, &mut warnings),
        None => Vec::new(),
    };
    let now = options.created.unwrap_or_else(options.now);
    let promise = Promise { now, next_within: options.next_within };
    let listed = publish::refresh(folder, keys, promise, Reading::New)?;
    Ok(BundleReport {
        manifest,
        outcome,
        key_ids: keys.iter().map(|key| key.id().to_string()).collect(),
        crashing_charts: crashing_charts(&snapshot.chart_index),
        warnings,
        removed,
        listed,
        requests: snapshot.sources.iter().filter_map(|source| source.fetch.as_ref()).map(|fetch| fetch.requests).sum(),
        resumed: 0,
        refused: 0,
    })
}

/// Removes the archives beyond the limit. The new archive is complete, so a failure is only a warning.
fn retain(
    outcome: &Outcome,
    folder: &Path,
    newest: usize,
    keys: &[SigningKey],
    warnings: &mut Vec<String>,
) -> Vec<PathBuf> {
    let (Outcome::Written(Published { archive: stays, .. }) | Outcome::Unchanged(stays)) = outcome;
    let retained = archive::retain(folder, newest, &own(keys), stays);
    warnings.extend(retained.failure.map(|error| format!("not every older archive was removed: {error}")));
    retained.removed
}

/// The keys that sign, as trusted keys.
fn own(keys: &[SigningKey]) -> Keyring {
    Keyring::new(keys.iter().map(|key| key.public().clone()).collect())
}

/// Packs, signs and publishes.
fn write(
    snapshot: &Snapshot,
    mut layout: Layout<File>,
    content: Sha256Digest,
    options: &BundleOptions,
    keys: &[SigningKey],
) -> Result<(Manifest, Published), Error> {
    let folder = &options.out;
    let created = options.created.unwrap_or(snapshot.created);
    let name = ArchiveName::new(created);
    if !options.force {
        refuse_less(&folder.join(name.as_str()), snapshot)?;
    }
    let mut body = nameless(folder)?;
    let packed = archive::pack(&mut layout, options.level, &mut body).map_err(|error| named(folder, error))?;
    let mut sources = snapshot.sources.clone();
    if options.created.is_some() {
        sources.iter_mut().for_each(|source| source.fetch = None);
    }
    let manifest = Manifest {
        format: manifest::FORMAT.into(),
        version: manifest::VERSION,
        created,
        tool: concat!("oct ", env!("CARGO_PKG_VERSION")).into(),
        partial: snapshot.partial.clone(),
        sources,
        counts: layout.counts(),
        body: packed,
        content,
        files: layout.files().to_vec(),
    };
    drop(layout);
    // Never publish what readers would refuse.
    Manifest::parse(&manifest.to_text()).map_err(Error::Unreadable)?;
    let signed = sign(&manifest, keys)?;
    let comment = manifest.trusted_comment(name.as_str());
    let published = archive::publish::<Error>(folder, &name, &signed, &mut body, |content| {
        Ok(SigningKey::sign_with_each(keys, content, &comment)?)
    })?;
    Ok((manifest, published))
}

/// Warns of organizations without any bundle: the name may be wrong.
fn without_operators(snapshot: &Snapshot) -> Vec<String> {
    let organizations = snapshot.sources.iter().filter(|source| source.documents == 0);
    let names = organizations.filter_map(|source| source.name.strip_prefix("operators:"));
    names.map(|name| format!("`{}` has no operators in the catalog; is the name right?", sanitize(name))).collect()
}

/// Warns of a chart index without any chart.
fn no_charts(snapshot: &Snapshot) -> Option<String> {
    let what = "the chart index has no charts: certsuite would accept no chart as certified";
    snapshot.chart_index.versions().is_empty().then(|| what.to_owned())
}

/// Refuses to put the archive of `snapshot` in the place of one of the same hour that holds more.
fn refuse_less(standing: &Path, snapshot: &Snapshot) -> Result<(), Error> {
    let Ok(archive) = Archive::open(standing) else { return Ok(()) };
    let Ok(old) = Manifest::parse(archive.signed().unverified_text()) else { return Ok(()) };
    let sources: Vec<_> = snapshot.sources.iter().map(|source| source.name.clone()).collect();
    match lacking(&old, &snapshot.partial, &sources) {
        Some(more) => Err(PolicyError::HoldsMore { path: standing.to_owned(), more }.into()),
        None => Ok(()),
    }
}

/// What the archive of `old` holds, and one with this limit and these sources lacks.
pub(super) fn lacking(old: &Manifest, partial: &Option<Partial>, sources: &[String]) -> Option<Lacking> {
    let mut of_old = old.sources.iter().map(|source| &source.name);
    // A bundle of a folder has one source, which does not say what the folder holds.
    let is_folder = of_old.clone().chain(sources).any(|name| name == from_db::SOURCE);
    let lacking = of_old.find(|name| !sources.contains(name)).filter(|_| !is_folder);
    match (&old.partial, partial, lacking) {
        (None, Some(_), _) => Some(Lacking::Everything),
        (Some(old), Some(new), _) if old.since < new.since => Some(Lacking::Since(old.since)),
        (_, _, Some(source)) => Some(Lacking::Source(source.clone())),
        _ => None,
    }
}

fn sign(manifest: &Manifest, keys: &[SigningKey]) -> Result<SignedManifest, Error> {
    let text = manifest.to_text();
    let comment = manifest.trusted_comment(manifest::MANIFEST_FILE);
    let signatures = keys.iter().map(|key| key.sign(&mut text.as_bytes(), &comment)).collect::<Result<_, _>>()?;
    Ok(SignedManifest::new(text, signatures))
}

/// The newest archive in `folder` that one of `keys` signed, with its manifest, if it is whole, signed by exactly `keys`,
/// and has this content. During a key rotation, an archive that only the old key signed does not count.
fn unchanged(
    folder: &Path,
    content: Sha256Digest,
    partial: &Option<Partial>,
    keys: &[SigningKey],
) -> Result<Option<(PathBuf, Manifest)>, Error> {
    let keyring = own(keys);
    // By the signed instant: anybody can rename a file. An archive that cannot be read, or that somebody else signed,
    // does not keep oct from writing a new one.
    let newest = archive::archives(folder)?.into_iter().filter_map(|path| {
        let manifest = super::open::manifest(&path, &keyring).ok()?;
        Some((manifest.created, path, manifest))
    });
    let Some((_, path, manifest)) = newest.max_by_key(|(created, ..)| *created) else { return Ok(None) };
    let same_keys = manifest.key_ids().iter().copied().eq(keys.iter().map(SigningKey::id));
    if !same_keys || manifest.content != content || manifest.partial != *partial {
        return Ok(None);
    }
    let whole = super::open::archive(&path, &keyring).is_ok();
    Ok(whole.then(|| (path, Manifest::clone(&manifest))))
}

/// Charts whose `kubeVersion` does not parse.
fn crashing_charts(index: &ChartIndex) -> Vec<CrashingChart> {
    let versions = index.versions().iter().filter(|version| !version.kube_version.is_empty());
    let crashing = versions.filter_map(|chart| {
        let cause = Constraint::parse(&chart.kube_version).err()?.to_string();
        let (name, version) = (chart.shown_name().to_owned(), chart.version.clone());
        Some(CrashingChart { name, version, kube_version: chart.kube_version.clone(), cause })
    });
    crashing.collect()
}
