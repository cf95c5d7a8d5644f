//! `cargo bench --bench check`: questions to a folder of 200,000 images, with the index, without it, and beside them a
//! plain `serde_json` load of the same folder. Every figure is of a process of its own, start included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oct::model::document::{Image, ManifestDigest, ObjectId, Operator, Repository};
use oct::model::snapshot::Snapshot;

const IMAGES: usize = 200_000;
const OPERATORS: usize = 30_000;
const QUESTIONS: usize = 10_000;
const RUNS: usize = 9;
const ROLE: &str = "OCT_BENCH_ROLE";

fn main() {
    if let Ok(folder) = std::env::var(ROLE) {
        return plain_load(Path::new(&folder));
    }
    let host = tempfile::tempdir().unwrap();
    let folder = host.path();
    run(oct(folder, &["keygen", "--no-password", "--quiet"]), Some(0));
    let archive = bundle(folder);
    let import = run(oct(folder, &["import", &archive, "--key", "oct.pub", "--quiet"]), Some(0));
    let data = folder.join("offline-db/data");
    let index = std::fs::read_dir(folder.join("offline-db/.oct/index")).unwrap().next().unwrap().unwrap().path();
    let size = |path: PathBuf| std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    let containers = size(data.join("containers/containers.db"));
    println!(
        "{IMAGES} images, {OPERATORS} operators; containers.db {containers:.1} MB, index {:.1} MB",
        size(index.clone())
    );
    std::fs::write(folder.join("questions"), questions()).unwrap();

    println!("\n{:<44} {:>10} {:>10}", "", "time", "peak MiB");
    let line = |name: &str, (time, peak): (Duration, u64)| {
        println!("{name:<44} {:>7.1} ms {:>10.1}", time.as_secs_f64() * 1e3, peak as f64 / 1024.0);
    };
    line("import, index included", import);
    let tag = format!("quay.io/maker-{}/product-{}:1.{}", 77_777 % 997, 77_777 % 4_999, 77_777 % 50);
    let by_digest = format!("quay.io/a/b@{}", digest(2 * 77_777));
    let key = ["--key", "oct.pub"];
    let one = |question: &[&str]| best(|| run(oct(folder, &[&["check"], question, &key[..]].concat()), Some(0)));
    line("one image by digest, index", one(&["image", &by_digest]));
    line("one image by tag, index", one(&["image", &tag]));
    line("one operator, index", one(&["operator", "maker-7-op.v1.7.0"]));
    let many = ["check", "--from", "questions", "--key", "oct.pub", "-q"];
    line("10,000 questions, index", best(|| run(oct(folder, &many), Some(1))));
    std::fs::remove_file(index).unwrap();
    line(
        "one image by digest, no index",
        run(oct(folder, &["check", "image", &by_digest, "--key", "oct.pub", "-q"]), Some(0)),
    );
    line("10,000 questions, no index", run(oct(folder, &many), Some(1)));
    let rebuilt = run(oct(folder, &["import", &archive, "--key", "oct.pub", "--quiet"]), Some(0));
    line("import again: verify, make the index anew", rebuilt);
    let mut plain = Command::new(std::env::current_exe().unwrap());
    plain.env(ROLE, folder.join("offline-db")).stdout(Stdio::null());
    line("plain serde_json load of the folder", run(plain, Some(0)));
}

fn oct(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oct"));
    command.args(arguments).current_dir(folder).stdout(Stdio::null());
    command.env("XDG_CONFIG_HOME", folder).env("XDG_CACHE_HOME", folder).arg("--no-progress");
    command
}

/// Wall time and peak memory in KiB.
fn run(mut command: Command, code: Option<i32>) -> (Duration, u64) {
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
fn best(mut once: impl FnMut() -> (Duration, u64)) -> (Duration, u64) {
    let mut runs: Vec<_> = (0..RUNS).map(|_| once()).collect();
    let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or(0);
    runs.sort();
    (runs[RUNS / 2].0, peak)
}

fn digest(number: usize) -> String {
    format!("sha256:{}", oct::model::Sha256Digest::of(&number.to_le_bytes()))
}

fn snapshot() -> Snapshot {
    let images = (0..IMAGES).map(|number| Image {
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
    });
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
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        partial: None,
        images: images.collect(),
        operators: operators.collect(),
        chart_index: index.into_bytes(),
        taken_over: None,
        sources: vec![],
    }
}

/// A signed archive of the snapshot, by name.
fn bundle(folder: &Path) -> String {
    use oct::model::manifest::{self, Manifest};
    let snapshot = snapshot();
    let layout = snapshot.layout().unwrap();
    let mut body = tempfile::tempfile().unwrap();
    let files = oct::archive::measure(&layout).unwrap();
    let packed = oct::archive::pack(&layout, &files, 3, &mut body).unwrap();
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
    let signed = oct::model::SignedManifest::new(text, vec![signature]);
    let name = oct::model::ArchiveName::new(manifest.created);
    let comment = manifest.trusted_comment(name.as_str());
    oct::archive::publish::<oct::ops::Error>(folder, &name, &signed, &mut body, |content| {
        Ok(key.sign(content, &comment)?)
    })
    .unwrap();
    name.as_str().to_owned()
}

/// Of all kinds, half of them certified.
fn questions() -> String {
    (0..QUESTIONS)
        .map(|number| match number % 5 {
            0 => format!("quay.io/a/b@{}\n", digest(2 * number)),
            1 => format!("quay.io/a/b@{}\n", digest(1_000_000 + number)),
            2 => format!("quay.io/maker-{}/product-{}:1.{}\n", number % 997, number % 4_999, number % 50),
            3 => format!("operator maker-{}-op.v1.{}.0 4.{}\n", number % 900, number % 900, number % 17),
            _ => format!("chart chart-{} 1.1.0 v1.29.0\n", number % 200),
        })
        .collect()
}

/// What the least effort costs: everything into `serde_json::Value`, the charts left out.
fn plain_load(folder: &Path) {
    let mut all = Vec::new();
    let load = |path: PathBuf| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap();
    all.push(load(folder.join("data/containers/containers.db")));
    for entry in std::fs::read_dir(folder.join("data/operators")).unwrap() {
        all.push(load(entry.unwrap().path()));
    }
    std::hint::black_box(all.len());
}
