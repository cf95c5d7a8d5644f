//! `oct bundle --from-db`: a catalog taken over from a folder that exists.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use jiff::Timestamp;

use super::Error;
use super::bundle::{self, BundleOptions, BundleReport, Containers};
use crate::archive;
use crate::base::progress::Progress;
use crate::base::text::{count, sanitize};
use crate::base::{self, limits};
use crate::catalog::document::{ObjectId, Operator};
use crate::catalog::folder::{TnfFolder, Visitor};
use crate::catalog::provenance::{Counts, Source};
use crate::catalog::snapshot::Snapshot;
use crate::catalog::{ArchiveJson, ChartIndex, ContainerEntry, TnfError};
use crate::exporter::GivenCharts;
use crate::trust::SigningKey;
use crate::trust::manifest::{MANIFEST_FILE, Manifest};

/// `name` of the source of such a bundle.
pub const SOURCE: &str = "folder";

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

/// Makes a signed bundle of a folder. Every file is read as certsuite reads it and written anew.
///
/// # Errors
/// Where certsuite could not read the folder, it has no images or less than it says, nothing in it tells how old it is,
/// or the archive cannot be written.
pub fn bundle(
    from: FromDb<'_>,
    options: &BundleOptions,
    keys: &Arc<Vec<SigningKey>>,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<BundleReport, Error> {
    progress.begin("reading", None);
    let folder = TnfFolder::open(from.folder)?;
    let survey = survey(&folder)?;
    progress.end("reading");
    let replaced = survey.replaced();
    let (snapshot, remarks) = snapshot(&from, &folder, survey, options.created, now)?;
    fs::create_dir_all(&options.out)?;
    archive::sweep_partial(&options.out)?;
    let images = |containers: &mut Containers| hand_over(&folder, replaced, containers);
    let mut report = bundle::pack(&snapshot, images, options, keys, progress)?;
    report.warnings.splice(0..0, remarks);
    Ok(report)
}

/// What the manifest beside the data says, **unverified**, if there is one.
pub(super) fn manifest_beside(folder: &TnfFolder) -> Option<Manifest> {
    let text = base::fs::read_text(&folder.root().join(MANIFEST_FILE), limits::HEADER_BYTES).ok()?;
    Manifest::parse(&text).ok()
}

/// What a folder holds, but for the entries themselves: of these only what has to be known beforehand.
#[derive(Default)]
struct Survey {
    hasher: [RandomState; 2],
    digests: HashSet<Print>,
    /// Keys that stand there more than once, with how often they do.
    repeated: HashMap<String, u64>,
    /// Entries that a later one of the same key replaces, by how many are still to come.
    replaced: HashMap<String, u64>,
    ids: HashSet<Print>,
    /// Entries without an id, each of which is taken for a document of its own.
    nameless: u64,
    newest: Option<Timestamp>,
    operators: Vec<Operator>,
    charts: ChartIndex,
    remarks: Vec<String>,
}

/// What stands for a text: two of a million texts have the same one with a chance below 10^-26.
type Print = [u64; 2];

impl Survey {
    fn print(&self, text: &str) -> Print {
        [self.hasher[0].hash_one(text), self.hasher[1].hash_one(text)]
    }

    /// How many entries of each repeated key go before the one that counts.
    fn replaced(&self) -> HashMap<String, u64> {
        self.repeated.iter().map(|(digest, times)| (digest.clone(), times - 1)).collect()
    }
}

impl Visitor for Survey {
    fn container(&mut self, digest: &str, entry: Option<&ContainerEntry>) -> Result<(), TnfError> {
        if is_replaced(&mut self.replaced, digest) {
            return Ok(());
        }
        let print = self.print(digest);
        if !self.digests.insert(print) {
            *self.repeated.entry(digest.to_owned()).or_insert(1) += 1;
            if self.repeated.len() > limits::REPEATED {
                return Err(TnfError::Limit(format!("more than {} keys stand twice", limits::REPEATED)));
            }
        }
        let Some(entry) = entry else {
            self.nameless += 1;
            if self.remarks.len() < limits::REMARKS {
                let digest = sanitize(digest);
                self.remarks.push(format!(
                    "the entry of `{digest}` is null, at which certsuite crashes when a tag is asked for; it is bundled empty"
                ));
            }
            return Ok(());
        };
        if entry.id.is_empty() {
            self.nameless += 1;
        } else {
            let id = self.print(&entry.id);
            self.ids.insert(id);
        }
        self.newest = self.newest.max(entered(entry));
        Ok(())
    }

    fn operator(&mut self, operator: &Operator) {
        self.operators.push(operator.clone());
    }

    fn charts(&mut self, index: ChartIndex) {
        self.charts = index;
    }
}

/// Whether the entry is one that a later one replaces; counts it.
fn is_replaced(replaced: &mut HashMap<String, u64>, digest: &str) -> bool {
    let Some(left) = replaced.get_mut(digest).filter(|left| **left > 0) else { return false };
    *left -= 1;
    true
}

/// When a document was entered: its creation date or, without one, the instant in its id. A catalog is no older than its
/// newest document, whenever its files were written.
fn entered(entry: &ContainerEntry) -> Option<Timestamp> {
    let stated = entry.creation_date.parse().ok();
    stated.or_else(|| ObjectId::parse(&entry.id).and_then(ObjectId::instant))
}

/// Reads the folder once; once more where a key stands twice, to look at the last entry of each alone.
fn survey(folder: &TnfFolder) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    let mut reader = folder.read(&mut survey)?;
    if !survey.repeated.is_empty() {
        let repeated = std::mem::take(&mut survey.repeated);
        survey = Survey {
            replaced: repeated.iter().map(|(key, times)| (key.clone(), times - 1)).collect(),
            ..Survey::default()
        };
        reader = folder.read(&mut survey)?;
        let what = format!(
            "{} keys stand more than once in containers.db; the last entry of each counts",
            count(repeated.len() as u64)
        );
        survey.remarks.push(what);
        survey.repeated = repeated;
    }
    survey.remarks.append(&mut reader.warnings);
    survey.remarks.extend(folder.reconcile(&mut survey.operators, &reader));
    Ok(survey)
}

/// Gives every entry that counts to `containers`.
fn hand_over(folder: &TnfFolder, mut replaced: HashMap<String, u64>, containers: &mut Containers) -> io::Result<()> {
    let nothing = ContainerEntry::default();
    let handed = folder.containers(|digest, entry| {
        if is_replaced(&mut replaced, digest) {
            return Ok(());
        }
        Ok(containers.entry(digest, entry.unwrap_or(&nothing))?)
    });
    handed.map(drop).map_err(|error| match error.cause {
        TnfError::Io(cause) => cause,
        _ => io::Error::other(error.to_string()),
    })
}

/// The folder as a snapshot, with what is odd about it.
fn snapshot(
    from: &FromDb<'_>,
    folder: &TnfFolder,
    survey: Survey,
    stated_date: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Snapshot, Vec<String>), Error> {
    let stated = folder.archive_json()?;
    let given = from.charts.as_ref();
    let Survey { digests, ids, nameless, newest, operators, charts, mut remarks, .. } = survey;
    let mut counts = Counts {
        containers: ids.len() as u64 + nameless,
        digests: digests.len() as u64,
        operators: operators.len() as u64,
        charts: charts.versions().len() as u64,
    };
    let beside = manifest_beside(folder);
    let known = beside
        .filter(|manifest| (manifest.counts.digests, manifest.counts.operators) == (counts.digests, counts.operators));
    // Documents that share all their digests with others do not show in the file: only its maker could count them.
    counts.containers = known.as_ref().map_or(0, |manifest| manifest.counts.containers).max(counts.containers);
    if let Some(lack) = lack(counts, stated) {
        if !from.allow_partial {
            return Err(Error::Lacks { path: from.folder.to_owned(), lack });
        }
        remarks.push(format!("`{}` {lack}", from.folder.display()));
    }
    if counts.containers == 0 {
        return Err(Error::NoImages(from.folder.to_owned()));
    }
    let newest = newest.or(stated_date).ok_or_else(|| Error::NoDate(from.folder.to_owned()))?;
    let created = known.as_ref().map_or(newest, |manifest| manifest.created.max(newest)).min(now);
    let source = Source {
        name: SOURCE.into(),
        url: format!("file://{}", folder.root().canonicalize()?.display()),
        documents: counts.containers + counts.operators + counts.charts,
        total: stated.map(|stated| stated.containers + stated.operators + stated.charts),
        fetch: None,
    };
    let snapshot = Snapshot {
        created: Timestamp::from_second(created.as_second()).unwrap_or(created),
        partial: known.and_then(|manifest| manifest.partial.clone()),
        images: counts.containers,
        sources: std::iter::once(source).chain(given.map(GivenCharts::source)).collect(),
        operators,
        chart_index: given.map_or(charts, |given| given.index.clone()),
    };
    Ok((snapshot, remarks))
}

/// What the folder holds less of than its `archive.json` says.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_document_dates_the_folder() {
        let date = |entries: &[(&str, &str)]| {
            let mut survey = Survey::default();
            for (id, created) in entries {
                let entry = ContainerEntry { id: (*id).into(), creation_date: (*created).into(), ..Default::default() };
                survey.container("sha256:a", Some(&entry)).unwrap();
            }
            survey.newest.map(|date| date.to_string())
        };
        let old = ("5f059f17bed8bd4f99d20100", "2020-10-20T18:17:55.675000+00:00");
        assert_eq!(date(&[old]).unwrap(), "2020-10-20T18:17:55.675Z");
        assert_eq!(date(&[old, ("61cf9980bed8bd4f99d20100", "")]).unwrap(), "2022-01-01T00:00:00Z");
        assert_eq!(date(&[("61cf9980bed8bd4f99d20100", "yesterday"), old]).unwrap(), "2022-01-01T00:00:00Z");
        assert_eq!(date(&[("x", "")]), None);
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
