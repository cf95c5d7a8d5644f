//! `oct bundle --from-db`: a catalog taken over from a folder that exists.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use jiff::Timestamp;

use super::Error;
use super::bundle::{self, BundleOptions, BundleReport, Containers};
use crate::archive;
use crate::base::progress::Progress;
use crate::catalog::provenance::Source;
use crate::catalog::snapshot::Snapshot;
use crate::catalog::{ContainerEntry, chart};
use crate::importer::Foreign;
use crate::trust::SigningKey;

/// `name` of the source of such a bundle.
pub const SOURCE: &str = "folder";

/// Makes a signed bundle of the folder `from`. Every file is read as certsuite reads it and written anew.
///
/// # Errors
/// Where certsuite could not read the folder, or the archive cannot be written.
pub fn bundle(
    from: &Path,
    options: &BundleOptions,
    keys: &Arc<Vec<SigningKey>>,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<BundleReport, Error> {
    progress.begin("reading", None);
    let (snapshot, entries, remarks) = read(from, now)?;
    progress.end("reading");
    fs::create_dir_all(&options.out)?;
    archive::sweep_partial(&options.out)?;
    let images = |containers: &mut Containers| entries.iter().try_for_each(|(key, entry)| containers.entry(key, entry));
    let mut report = bundle::pack(&snapshot, images, options, keys, progress)?;
    report.warnings.splice(0..0, remarks);
    Ok(report)
}

/// Keys with their entries. A key need not be one of the digests that its entry tells of, hence no documents are made
/// of them.
type Entries = Vec<(String, ContainerEntry)>;

/// The folder as a snapshot, with its entries and what is odd about it.
fn read(from: &Path, now: Timestamp) -> Result<(Snapshot, Entries, Vec<String>), Error> {
    let folder = Foreign::open(from)?;
    let mut remarks = Vec::new();
    let entries = folder.containers()?;
    let (operators, remark) = folder.operators()?;
    remarks.extend(remark);
    let chart_index = folder.charts()?;
    let charts = chart::parse_index(&chart_index)?.len() as u64;
    let beside = folder.manifest();
    let mut ids: HashSet<&str> = entries.iter().map(|(_, entry)| entry.id.as_str()).collect();
    let nameless = if ids.remove("") { entries.iter().filter(|(_, entry)| entry.id.is_empty()).count() } else { 0 };
    let distinct = (ids.len() + nameless) as u64;
    // Documents that share all their digests with others do not show in the file: only its maker could count them.
    let known = beside.as_ref().filter(|manifest| {
        manifest.counts.digests == entries.len() as u64 && manifest.counts.operators == operators.len() as u64
    });
    let documents = known.map_or(distinct, |manifest| manifest.counts.containers.max(distinct));
    let written = folder.modified().and_then(|time| Timestamp::try_from(time).ok());
    let created = known.map(|manifest| manifest.created).or(written).unwrap_or(now).min(now);
    let created = Timestamp::from_second(created.as_second()).unwrap_or(created);
    let root = folder.root().canonicalize()?;
    let snapshot = Snapshot {
        created,
        partial: known.and_then(|manifest| manifest.partial.clone()),
        images: documents,
        sources: vec![Source {
            name: SOURCE.into(),
            url: format!("file://{}", root.display()),
            documents: documents + operators.len() as u64 + charts,
            total: None,
            fetch: None,
        }],
        operators,
        chart_index,
    };
    Ok((snapshot, entries, remarks))
}
