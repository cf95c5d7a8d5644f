//! `cargo bench --bench import`: installing and verifying an archive of 200,000 images, and beside it, in the same
//! rounds, what one would do by hand: `minisign -Vm`, `tar --zstd -xf` and `sync`. Needs minisign, tar and zstd.
//!
//! Every figure is of a process of its own, start included. `import` validates the data; by hand nobody
//! does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod big;

use std::path::Path;
use std::process::{Command, Stdio};

use big::{IMAGES, OPERATORS, RUNS, bundle, oct, run};

/// What one does by hand.
const BY_HAND: &str = "minisign -Vqm \"$1\" -p oct.pub && mkdir by-hand && tar --zstd -xf \"$1\" -C by-hand && sync";

fn main() {
    // In the build's folder, which lies on a disk; the temporary one may be in memory.
    let host = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = host.path();
    run(oct(folder, &["keygen", "--no-password", "--quiet"]), Some(0));
    let archive = bundle(folder);
    let size = std::fs::metadata(folder.join(&archive)).unwrap().len() as f64 / 1e6;
    let tasks = tasks(&archive);
    let mut runs = vec![Vec::with_capacity(RUNS); tasks.len()];
    for _ in 0..RUNS {
        for (task, runs) in tasks.iter().zip(&mut runs) {
            for left in ["by-hand", "new"].iter().filter(|_| task.afresh) {
                let _ = std::fs::remove_dir_all(folder.join(left));
            }
            // What others left to be written is nobody's cost here.
            assert!(Command::new("sync").status().unwrap().success());
            runs.push(run((task.command)(folder), Some(0)));
        }
    }
    let signed = oct::archive::Archive::open(&folder.join(&archive)).unwrap().signed().clone();
    let unpacked =
        oct::trust::manifest::Manifest::parse(signed.unverified_text()).unwrap().unpacked_size() as f64 / 1e6;
    println!("{IMAGES} images, {OPERATORS} operators; archive {size:.1} MB, {unpacked:.1} MB unpacked");
    println!("\n{:<44} {:>10} {:>7} {:>10}", "", "time", "ratio", "peak MiB");
    let mut by_hand = None;
    for (task, mut runs) in tasks.iter().zip(runs) {
        runs.sort();
        let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or(0) as f64 / 1024.0;
        let time = runs[RUNS / 2].0;
        let ratio = time.div_duration_f64(*by_hand.get_or_insert(time));
        // The shell's peak says nothing of what it calls.
        let peak = if task.name == tasks[0].name { String::new() } else { format!("{peak:.1}") };
        println!("{:<44} {:>7.1} ms {ratio:>7.2} {peak:>10}", task.name, time.as_secs_f64() * 1e3);
    }
}

struct Task {
    name: &'static str,
    /// Whether it begins without what the last round left.
    afresh: bool,
    command: Box<dyn Fn(&Path) -> Command>,
}

fn tasks(archive: &str) -> Vec<Task> {
    let task = |name, afresh, arguments: &'static [&'static str]| {
        let archive = archive.to_owned();
        let command = move |folder: &Path| oct(folder, &[arguments, &[&archive, "--key", "oct.pub", "-q"]].concat());
        Task { name, afresh, command: Box::new(command) }
    };
    let by_hand = {
        let archive = archive.to_owned();
        move |folder: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", BY_HAND, "sh", &archive]).current_dir(folder).stdout(Stdio::null());
            command
        }
    };
    vec![
        Task { name: "minisign -Vm, tar --zstd -xf, sync", afresh: true, command: Box::new(by_hand) },
        task("oct import, validation included", true, &["import", "--to", "new"]),
        task("oct import of what is installed already", false, &["import", "--to", "new"]),
        task("oct import --dry-run", true, &["import", "--to", "new", "--dry-run"]),
        task("oct verify of the archive", false, &["verify"]),
    ]
}
