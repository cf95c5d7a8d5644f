//! What the benchmarks of commands share: a catalog of 200,000 images as a signed archive, and processes measured from
//! their start.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oct::archive::name::ArchiveName;
use oct::catalog::document::{Image, ManifestDigest, ObjectId, Operator, Repository};
use oct::catalog::snapshot::Snapshot;
use oct::catalog::{ChartIndex, ContainersBuilder};

pub const IMAGES: usize = 200_000;
pub const OPERATORS: usize = 30_000;
pub const RUNS: usize = 9;
/// The default of `oct bundle`.
const LEVEL: i32 = 6;

/// `oct` with these arguments, at home in `folder`.
pub fn oct(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oct-under-test"));
    command.args(arguments).current_dir(folder).stdout(Stdio::null());
    command.env("XDG_CONFIG_HOME", folder).env("XDG_CACHE_HOME", folder).arg("--no-progress");
    command
}

/// Wall time and peak memory in KiB.
pub fn run(mut command: Command, code: Option<i32>) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let (status, peak) = wait(&mut child);
    let time = began.elapsed();
    assert_eq!(status.code(), code, "{command:?}");
    (time, peak)
}

/// Follows the child's high-water mark in `/proc` until it has ended.
fn wait(child: &mut Child) -> (std::process::ExitStatus, u64) {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        if let Some(status) = child.try_wait().unwrap() {
            return (status, peak);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// The median time, and the highest peak.
pub fn best(mut once: impl FnMut() -> (Duration, u64)) -> (Duration, u64) {
    let mut runs: Vec<_> = (0..RUNS).map(|_| once()).collect();
    let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or(0);
    runs.sort();
    (runs[RUNS / 2].0, peak)
}

/// The digest of this number.
pub fn digest(number: usize) -> String {
    format!("sha256:{}", oct::base::digest::Sha256Digest::of(&number.to_le_bytes()))
}

/// The made-up image of this number: two share a manifest list.
fn image(number: usize) -> Image {
    Image {
        id: ObjectId::parse(&format!("{number:024x}")).unwrap(),
        creation_date: "2024-01-01T00:00:00.123000+00:00".into(),
        architecture: ["amd64", "arm64", "s390x", "ppc64le"][number % 4].into(),
        certified: true,
        image_id: ManifestDigest::parse(&digest(2 * number)),
        repositories: Box::new([Repository {
            registry: "quay.io".into(),
            repository: format!("maker-{}/product-{}", number % 997, number % 4_999).into(),
            tags: (0..3).map(|tag| format!("1.{}", number % 50 + tag).into()).collect(),
            manifest_list_digest: ManifestDigest::parse(&digest(2 * (number / 2) + 1)),
            manifest_schema2_digest: None,
        }]),
    }
}

/// The snapshot of a catalog with `images` images; the images themselves are added later.
fn snapshot(images: usize, generation: usize) -> Snapshot {
    let operators = (0..OPERATORS).map(|number| Operator {
        csv_name: format!("maker-{}-op.v1.{}.0", number % 700, number % 700).into(),
        ocp_version: format!("4.{}", number % 17).into(),
        channel_name: "stable".into(),
    });
    let mut index = String::from("apiVersion: v1\nentries:\n");
    for chart in 0..150 {
        index += &format!("  chart-{chart}:\n");
        for version in 0..4 {
            index += &format!("  - {{name: chart-{chart}, version: 1.{version}.0, kubeVersion: '>= 1.20.0'}}\n");
        }
    }
    Snapshot {
        created: created(generation),
        partial: None,
        images: images as u64,
        operators: operators.collect(),
        chart_index: ChartIndex::parse(index).unwrap(),
        sources: vec![],
    }
}

/// A signed archive of [`IMAGES`] images, by name.
pub fn bundle(folder: &Path) -> String {
    bundle_of(folder, IMAGES, 0)
}

/// The name of the archive of this generation.
pub fn name(generation: usize) -> String {
    ArchiveName::new(created(generation)).as_str().to_owned()
}

fn created(generation: usize) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_767_225_600 + 3_600 * generation as i64).unwrap()
}

/// A signed archive of images that come one by one, by name; those of another `generation` differ in a tenth.
pub fn bundle_of(folder: &Path, images: usize, generation: usize) -> String {
    use oct::trust::manifest;
    use oct::trust::manifest::Manifest;
    let snapshot = snapshot(images, generation);
    let nameless = || tempfile::tempfile_in(folder).unwrap();
    let mut containers = ContainersBuilder::new(nameless());
    for number in 0..images {
        // Not in the order of their ids, nor of their digests.
        let mut image = image((number * 7_919) % images);
        if generation > 0 && number % 10 == 0 {
            image.architecture = format!("generation-{generation}").into();
        }
        containers.image(&image).unwrap();
    }
    let mut layout = snapshot.lay_out(containers, nameless()).unwrap();
    let mut body = nameless();
    let packed = oct::archive::pack(&mut layout, LEVEL, &mut body).unwrap();
    let files = layout.files().to_vec();
    let manifest = Manifest {
        format: manifest::FORMAT.into(),
        version: manifest::VERSION,
        created: snapshot.created,
        tool: "bench".into(),
        partial: None,
        sources: vec![],
        counts: layout.counts(),
        body: packed,
        content: manifest::content_digest(&files),
        files,
    };
    let key = oct::trust::SigningKey::open(&folder.join("oct.key"), || Ok(None)).unwrap();
    let text = manifest.to_text();
    let comment = manifest.trusted_comment(manifest::MANIFEST_FILE);
    let signature = key.sign(&mut text.as_bytes(), &comment).unwrap();
    let signed = oct::trust::signed::SignedManifest::new(text, vec![signature]);
    let name = ArchiveName::new(manifest.created);
    let comment = manifest.trusted_comment(name.as_str());
    oct::archive::publish::<oct::ops::Error>(folder, &name, &signed, &mut body, |content| {
        Ok(vec![(key.id(), key.sign(content, &comment)?)])
    })
    .unwrap();
    name.as_str().to_owned()
}
