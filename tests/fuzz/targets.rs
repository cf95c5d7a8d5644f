//! The fuzz targets: each takes any bytes for what comes from outside, and fails where a law is broken. `cargo fuzz`
//! runs them for long, `cargo test` for a moment (`tests/it/fuzz.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Cursor, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use oct::archive::Archive;
use oct::base::limits;
use oct::catalog::document::{Image, Operator};
use oct::catalog::snapshot::Snapshot;
use oct::catalog::{ChartIndex, ContainerEntry, ContainersBuilder, OperatorPages, Validator, read_containers};
use oct::certify::{constraint, version};
use oct::pyxis::{Body, Document};
use oct::trust::Keyring;
use oct::trust::manifest::Manifest;
use oct::trust::signed::SignedManifest;

use crate::forge::{Forge, compress};

/// A target's name, which is that of its folder of seeds, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("header", header),
    ("archive", archive),
    ("manifest", manifest),
    ("charts", charts),
    ("api", api),
    ("containers", containers),
    ("operators", operators),
];

/// The archive's header, as bytes: one spelling alone is read, and nobody trusted has signed what the fuzzer makes.
pub fn header(data: &[u8]) {
    let Ok(signed) = SignedManifest::decode(data) else { return };
    assert_eq!(signed.encode(), data);
    assert!((1..=limits::SIGNATURES).contains(&signed.signatures().len()));
    let nobody = Keyring::new(vec![FORGE.key.public().clone()]);
    assert!(signed.verify(&nobody).is_err(), "verified without the key");
}

/// An archive: the whole file, or the body below a manifest that is signed for it, or the tar within that body.
pub fn archive(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let bytes = match kind % 3 {
        0 => data.to_vec(),
        1 => FORGE.of_body(&FORGE.layers, data),
        _ => FORGE.of_body(&FORGE.layers, &compress(data)),
    };
    let mut file = FILE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(&bytes).unwrap();
    let Ok(archive) = Archive::open(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))) else { return };
    let Ok(manifest) = archive.signed().clone().verify(&FORGE.keyring()) else { return };
    assert_ne!(kind % 3, 0, "verified without the key");
    let checked = archive.check_body(&manifest, &mut std::io::sink()).expect("the body that was signed");
    let mut members = Vec::new();
    let unpacked = checked.unpack::<oct::ops::Error>(|member, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map(drop).unwrap_or_default();
        assert!(bytes.len() as u64 <= member.size, "{} goes on after its end", member.path);
        members.push((member.path.as_str().to_owned(), bytes));
        Ok(())
    });
    if unpacked.is_ok() {
        assert!(members == FORGE.layers.files, "unpacked what was not signed");
    }
}

/// A manifest's text: what is accepted survives being written, and keeps the limits.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(manifest) = Manifest::parse(text) else { return };
    assert_eq!(Manifest::parse(&manifest.to_text()).unwrap(), manifest);
    assert!(manifest.files.len() <= limits::MEMBERS && manifest.unpacked_size() <= limits::TOTAL_BYTES);
    let paths: BTreeSet<_> = manifest.files.iter().map(|file| &file.path).collect();
    assert_eq!(paths.len(), manifest.files.len());
}

/// A chart index, and the constraints and versions in it.
pub fn charts(data: &[u8]) {
    let Ok(index) = ChartIndex::parse(data) else { return };
    let charts = index.versions();
    assert!(charts.len() <= limits::CHART_VERSIONS);
    assert!(charts.is_sorted_by(|a, b| a.list <= b.list));
    for chart in charts.iter().take(100) {
        let _ = version::Version::parse(&chart.version);
        let _ = constraint::satisfies(&chart.kube_version, "1.29.4");
    }
}

/// A page of the catalog: whatever the decoder takes becomes a catalog that certsuite can read, with every document.
pub fn api(data: &[u8]) {
    for decode in [oct::pyxis::decode_images, oct::pyxis::decode_operators] {
        let Ok(documents) = decode(data.to_vec()) else { continue };
        let kept = serde_json::to_vec(&documents).unwrap();
        assert_eq!(
            serde_json::from_slice::<Vec<Document>>(&kept).unwrap(),
            documents,
            "the work folder loses something"
        );
        let each_once: BTreeMap<_, _> = documents.into_iter().map(|document| (document.id, document.body)).collect();
        let (mut images, mut operators) = (Vec::new(), Vec::new());
        for body in each_once.into_values() {
            match body {
                Body::Image(image) => images.push(*image),
                Body::Operator(operator) => operators.push(*operator),
            }
        }
        read_back(&images, operators);
    }
}

fn read_back(images: &[Image], operators: Vec<Operator>) {
    let snapshot = Snapshot {
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        partial: None,
        images: images.len() as u64,
        operators,
        chart_index: ChartIndex::parse("entries: {}").unwrap(),
        sources: vec![],
    };
    let mut containers = ContainersBuilder::new(Cursor::new(Vec::new()));
    images.iter().for_each(|image| containers.image(image).unwrap());
    let mut layout = snapshot.lay_out(containers, Cursor::new(Vec::new())).unwrap();
    let mut validator = Validator::new(layout.counts());
    let read = layout.read(|file, content| {
        validator.read(&file.path, BufReader::new(content)).unwrap();
        Ok(())
    });
    read.unwrap();
    validator.finish().unwrap();
}

/// A `containers.db`: what is read of it is written so that it reads the same again.
pub fn containers(data: &[u8]) {
    let mut entries: BTreeMap<String, ContainerEntry> = BTreeMap::new();
    let read = read_containers(data, |key, entry| {
        entries.insert(key.to_owned(), entry.cloned().unwrap_or_default());
        Ok(())
    });
    if read.is_err() {
        return;
    }
    let written = written(entries.iter());
    let mut kept = Vec::new();
    read_containers(&written[..], |key, entry| {
        kept.push((key.to_owned(), entry.unwrap().clone()));
        Ok(())
    })
    .expect("what was written is read");
    assert!(entries.keys().eq(kept.iter().map(|(key, _)| key)));
    assert_eq!(written, self::written(kept.iter().rev().map(|(key, entry)| (key, entry))));
}

fn written<'a>(entries: impl Iterator<Item = (&'a String, &'a ContainerEntry)>) -> Vec<u8> {
    let mut containers = ContainersBuilder::new(Cursor::new(Vec::new()));
    entries.for_each(|(key, entry)| containers.entry(key, entry).unwrap());
    let mut file = Vec::new();
    containers.finish(&mut file).unwrap();
    file
}

/// Operator pages, one after another between zero bytes: what one row says never makes a page fail that stands alone.
pub fn operators(data: &[u8]) {
    let (mut pages, mut read) = (OperatorPages::default(), 0);
    for page in data.split(|byte| *byte == 0).take(limits::MEMBERS) {
        let kept = pages.read(page, |_| read += 1);
        assert_eq!(kept.is_ok(), OperatorPages::default().read(page, |_| {}).is_ok());
        assert!(kept.map_or(0, |stated| stated.rows) <= limits::OPERATOR_PAGE_ROWS as u64);
    }
    assert!(read <= limits::OPERATORS);
}

/// Signs what is forged, with a key that exists for this run.
static FORGE: LazyLock<Forge> = LazyLock::new(Forge::new);

/// The file in which archives are put down, in memory where that can be; it has no name, so nothing stays behind.
static FILE: LazyLock<Mutex<File>> = LazyLock::new(|| {
    let folder = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir()).unwrap_or_else(std::env::temp_dir);
    Mutex::new(tempfile::tempfile_in(folder).unwrap())
});
