//! `oct bundle --from-db`: makes an archive of the catalog in an existing folder.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use jiff::Timestamp;

use super::Error;
use super::bundle::{self, BundleOptions, BundleReport, Containers};
use crate::archive;
use crate::base::progress::Progress;
use crate::base::text::count;
use crate::base::{self, limits};
use crate::catalog::document::ObjectId;
use crate::catalog::folder::{Contents, FolderError, TnfFolder};
use crate::catalog::provenance::{Counts, Source};
use crate::catalog::snapshot::{LayoutError, Snapshot};
use crate::catalog::{ArchiveJson, ContainerEntry, TnfError, layout};
use crate::exporter::GivenCharts;
use crate::trust::SigningKey;
use crate::trust::manifest::{MANIFEST_FILE, Manifest};

/// `name` of the source of such an archive.
pub const SOURCE: &str = "folder";

/// How often the images lie on the disk while they are packed, at most: in the spill, in the layout, in the body and in
/// the archive.
const COPIES: u64 = 4;

/// What to take over.
#[derive(Debug)]
pub struct FromDb<'a> {
    /// The folder that holds `data`, or `data` itself.
    pub folder: &'a Path,
    /// Whether the folder may hold less than its own `archive.json` says.
    pub allow_partial: bool,
    /// A chart index in place of the folder's own.
    pub charts: Option<GivenCharts>,
}

/// Makes a signed archive of a folder. Every file is read as certsuite reads it and written anew.
///
/// # Errors
/// If certsuite could not read the folder, the folder has no images or less than it says, its age is unknown, or the
/// archive cannot be written.
pub fn bundle(
    from: FromDb<'_>,
    options: &BundleOptions,
    keys: &Arc<Vec<SigningKey>>,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<BundleReport, Error> {
    progress.begin("reading", None);
    fs::create_dir_all(&options.out)?;
    archive::sweep_partial(&options.out)?;
    let folder = TnfFolder::open(from.folder)?;
    let size = fs::metadata(folder.root().join(layout::CONTAINERS_DB))?.len();
    let mut containers = bundle::containers(&options.out, size.saturating_mul(COPIES))?;
    let (snapshot, remarks) = read(&from, &folder, &mut containers, options.created, now)?;
    progress.end("reading");
    let mut report = bundle::pack(&snapshot, containers, options, keys, progress)?;
    report.warnings.splice(0..0, remarks);
    Ok(report)
}

/// What the manifest beside the data says, **unverified**, if there is one.
pub(super) fn manifest_beside(folder: &TnfFolder) -> Option<Manifest> {
    let text = base::fs::read_text(&folder.root().join(MANIFEST_FILE), limits::HEADER_BYTES).ok()?;
    Manifest::parse(&text).ok()
}

/// What is recorded of the images while they are read.
#[derive(Default)]
struct Seen {
    /// Hashes the keys.
    hasher: RandomState,
    /// A hash of each key.
    hashes: HashSet<u64>,
    /// Keys whose hash was there before.
    repeated: BTreeSet<String>,
    digests: u64,
    ids: HashSet<ObjectId>,
    nameless: u64,
    newest: Option<Timestamp>,
}

impl Seen {
    fn add(&mut self, key: &str, entry: &ContainerEntry) {
        if !self.hashes.insert(self.hasher.hash_one(key)) && self.repeated.len() < limits::REPEATED {
            self.repeated.insert(key.to_owned());
        }
        self.count(entry);
    }

    fn count(&mut self, entry: &ContainerEntry) {
        self.digests += 1;
        if entry.id.is_empty() {
            self.nameless += 1;
        } else {
            self.ids.insert(ObjectId::standing_for(&entry.id));
        }
        self.newest = self.newest.max(entered(entry));
    }

    /// Reads the images once more if a key is a duplicate, to count only the last entry of each key.
    fn recounted(self, folder: &TnfFolder) -> Result<Self, Error> {
        if self.repeated.is_empty() {
            return Ok(self);
        }
        if self.repeated.len() == limits::REPEATED {
            let cause = TnfError::Limit(format!("{} keys or more are duplicates", limits::REPEATED));
            let path = folder.root().join(layout::CONTAINERS_DB);
            return Err(FolderError { path, cause }.into());
        }
        let mut left: BTreeMap<String, u64> = self.repeated.into_iter().map(|key| (key, 0)).collect();
        folder.containers(|key, _| {
            if let Some(times) = left.get_mut(key) {
                *times += 1;
            }
            Ok(())
        })?;
        let mut seen = Self::default();
        folder.containers(|key, entry| {
            let times = left.get_mut(key).map_or(0, |times| {
                *times = times.saturating_sub(1);
                *times
            });
            if times == 0 {
                seen.count(entry.unwrap_or(&ContainerEntry::default()));
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// How many documents the entries come from: an image stands under several digests.
    fn documents(&self) -> u64 {
        self.ids.len() as u64 + self.nameless
    }
}

/// Reads `folder`, each of its images into `containers` and `seen`.
pub(super) fn read_images(
    folder: &TnfFolder,
    containers: &mut Containers,
    mut seen: impl FnMut(&str, &ContainerEntry),
) -> Result<Contents, Error> {
    let mut failed = None;
    let contents = folder.contents(|key, entry| {
        seen(key, entry);
        containers.entry(key, entry).map_err(|error| {
            failed = Some(error);
            TnfError::Limit("the spill".into())
        })
    });
    // The folder is not to blame if the images cannot be kept.
    failed.map_or(Ok(()), |error| Err(LayoutError::from(error)))?;
    Ok(contents?)
}

/// The folder as a snapshot, with warnings about it. Its images go into `containers`.
fn read(
    asked: &FromDb<'_>,
    folder: &TnfFolder,
    containers: &mut Containers,
    stated_date: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Snapshot, Vec<String>), Error> {
    let stated = folder.archive_json()?;
    let mut seen = Seen::default();
    let Contents { operators, charts, mut remarks } =
        read_images(folder, containers, |key, entry| seen.add(key, entry))?;
    let seen = seen.recounted(folder)?;
    let beside = manifest_beside(folder);
    let from = folder.root();
    // The file does not show documents that share all their digests with others: only its maker could count them.
    let known = beside.as_ref().filter(|manifest| {
        manifest.counts.digests == seen.digests && manifest.counts.operators == operators.len() as u64
    });
    let distinct = seen.documents();
    let documents = known.map_or(distinct, |manifest| manifest.counts.containers.max(distinct));
    let counts = Counts {
        containers: documents,
        digests: seen.digests,
        operators: operators.len() as u64,
        charts: charts.versions().len() as u64,
    };
    if let Some(lack) = lack(counts, stated) {
        if !asked.allow_partial {
            return Err(Error::Lacks { path: from.to_owned(), lack });
        }
        remarks.push(format!("`{}` {lack}", from.display()));
    }
    if documents == 0 {
        return Err(Error::NoImages(from.to_owned()));
    }
    let newest = seen.newest.or(stated_date).ok_or_else(|| Error::NoDate(from.to_owned()))?;
    let created = known.map_or(newest, |manifest| manifest.created.max(newest)).min(now);
    let created = Timestamp::from_second(created.as_second()).unwrap_or(created);
    let source = Source {
        name: SOURCE.into(),
        url: format!("file://{}", from.canonicalize()?.display()),
        documents: documents + counts.operators + counts.charts,
        total: stated.map(|stated| stated.containers + stated.operators + stated.charts),
        fetch: None,
    };
    let given = asked.charts.as_ref();
    let snapshot = Snapshot {
        created,
        partial: known.and_then(|manifest| manifest.partial.clone()),
        images: documents,
        sources: std::iter::once(source).chain(given.map(GivenCharts::source)).collect(),
        operators,
        chart_index: given.map_or(charts, |given| given.index.clone()),
    };
    Ok((snapshot, remarks))
}

/// What the folder lacks, compared with its `archive.json`.
fn lack(found: Counts, stated: Option<ArchiveJson>) -> Option<String> {
    let stated = stated?;
    let pairs = [
        ("images", found.containers, stated.containers),
        ("operators", found.operators, stated.operators),
        ("chart versions", found.charts, stated.charts),
    ];
    let lacking = pairs.into_iter().filter(|(_, found, stated)| found < stated);
    let texts: Vec<_> =
        lacking.map(|(what, found, stated)| format!("{} of {} {what}", count(found), count(stated))).collect();
    (!texts.is_empty()).then(|| format!("holds {} that its archive.json states", texts.join(" and ")))
}

/// When the document was entered: its creation date or, without one, the instant in its id. The newest of them dates the
/// catalog; the times of its files say nothing.
fn entered(entry: &ContainerEntry) -> Option<Timestamp> {
    let stated = entry.creation_date.parse().ok();
    stated.or_else(|| ObjectId::parse(&entry.id).and_then(ObjectId::instant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_document_dates_the_folder() {
        let entry = |id: &str, created: &str| ContainerEntry {
            id: id.into(),
            creation_date: created.into(),
            ..Default::default()
        };
        let date = |entries: &[ContainerEntry]| {
            let mut seen = Seen::default();
            entries.iter().for_each(|entry| seen.count(entry));
            seen.newest.map(|date| date.to_string())
        };
        let old = entry("5f059f17bed8bd4f99d20100", "2020-10-20T18:17:55.675000+00:00");
        assert_eq!(date(std::slice::from_ref(&old)).unwrap(), "2020-10-20T18:17:55.675Z");
        assert_eq!(date(&[old.clone(), entry("61cf9980bed8bd4f99d20100", "")]).unwrap(), "2022-01-01T00:00:00Z");
        assert_eq!(date(&[entry("61cf9980bed8bd4f99d20100", "yesterday"), old]).unwrap(), "2022-01-01T00:00:00Z");
        assert_eq!(date(&[entry("x", "")]), None);
    }

    #[test]
    fn an_image_counts_once_under_all_its_digests() {
        let mut seen = Seen::default();
        for id in ["5f059f17bed8bd4f99d20100", "x", "5F059F17BED8BD4F99D20100", "", "x", ""] {
            seen.count(&ContainerEntry { id: id.into(), ..Default::default() });
        }
        assert_eq!((seen.digests, seen.documents()), (6, 4));
    }

    #[test]
    fn what_a_folder_lacks_is_named() {
        let found = Counts { containers: 2, digests: 3, operators: 1_000, charts: 0 };
        let stated = |containers, operators, charts| Some(ArchiveJson { containers, operators, charts });
        assert_eq!(lack(found, None), None);
        assert_eq!(lack(found, stated(2, 1_000, 0)), None);
        assert_eq!(lack(found, stated(1, 900, 0)), None);
        assert_eq!(
            lack(found, stated(3, 1_090, 0)).unwrap(),
            "holds 2 of 3 images and 1,000 of 1,090 operators that its archive.json states"
        );
    }
}
