//! `cargo bench --bench check`: questions to a folder of 200,000 images, and beside them a plain
//! `serde_json` load of the same folder. Every figure is of a process of its own, start included.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod big;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use big::{IMAGES, OPERATORS, best, bundle, digest, oct, run};

const QUESTIONS: usize = 10_000;
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
    let size = |path: PathBuf| std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    let containers = size(data.join("containers/containers.db"));
    println!("{IMAGES} images, {OPERATORS} operators; containers.db {containers:.1} MB");
    std::fs::write(folder.join("questions"), questions()).unwrap();

    println!("\n{:<44} {:>10} {:>10}", "", "time", "peak MiB");
    let line = |name: &str, (time, peak): (Duration, u64)| {
        println!("{name:<44} {:>7.1} ms {:>10.1}", time.as_secs_f64() * 1e3, peak as f64 / 1024.0);
    };
    line("import", import);
    let tag = format!("quay.io/maker-{}/product-{}:1.{}", 77_777 % 997, 77_777 % 4_999, 77_777 % 50);
    let by_digest = format!("quay.io/a/b@{}", digest(2 * 77_777));
    let key = ["--key", "oct.pub"];
    let one = |question: &[&str]| best(|| run(oct(folder, &[&["check"], question, &key[..]].concat()), Some(0)));
    line("one image by digest", one(&["image", &by_digest]));
    line("one image by tag", one(&["image", &tag]));
    line("one operator", one(&["operator", "maker-7-op.v1.7.0"]));
    let many = ["check", "--from", "questions", "--key", "oct.pub", "-q"];
    line("10,000 questions", best(|| run(oct(folder, &many), Some(1))));
    let mut plain = Command::new(std::env::current_exe().unwrap());
    plain.env(ROLE, folder.join("offline-db")).stdout(Stdio::null());
    line("plain serde_json load of the folder", run(plain, Some(0)));
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
