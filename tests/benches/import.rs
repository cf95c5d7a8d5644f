//! `cargo bench --bench import [-- IMAGES…]`: making, installing, verifying and comparing archives of so many images
//! (200,000 where nothing is said, once only where there are more), and beside it, in the same
//! rounds, what one would do by hand: `minisign -Vm`, `tar --zstd -xf` and `sync`. Needs minisign, tar and zstd.
//!
//! Every figure is of a process of its own, start included. `import` validates the data; by hand nobody
//! does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod big;

use std::path::Path;
use std::process::{Command, Stdio};

use big::{IMAGES, OPERATORS, RUNS, bundle_of, name, oct, run};

/// What one does by hand.
const BY_HAND: &str = "minisign -Vqm \"$1\" -p oct.pub && mkdir by-hand && tar --zstd -xf \"$1\" -C by-hand && sync";

/// In the environment of a child: what it does.
const ROLE: &str = "OCT_BENCH_ROLE";

fn main() {
    if let Ok(work) = std::env::var(ROLE) {
        let [images, generation] = work.split(' ').map(|number| number.parse().unwrap()).collect::<Vec<_>>()[..] else {
            panic!("{ROLE} is two numbers")
        };
        bundle_of(Path::new("."), images, generation);
        return;
    }
    let wanted: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for images in if wanted.is_empty() { vec![IMAGES] } else { wanted } {
        table(images);
    }
}

/// Every task with a catalog of so many images.
fn table(images: usize) {
    // In the build's folder, which lies on a disk; the temporary one may be in memory.
    let host = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let folder = host.path();
    run(oct(folder, &["keygen", "--no-password", "--quiet"]), Some(0));
    let [(archive, packed), (next, _)] = [0, 1].map(|generation| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, format!("{images} {generation}")).current_dir(folder);
        let cost = run(command, Some(0));
        (name(generation), cost)
    });
    let size = std::fs::metadata(folder.join(&archive)).unwrap().len() as f64 / 1e6;
    let tasks = tasks(&archive, &next);
    let mut runs = vec![Vec::with_capacity(RUNS); tasks.len()];
    for _ in 0..if images > IMAGES { 1 } else { RUNS } {
        for (task, runs) in tasks.iter().zip(&mut runs) {
            for left in ["by-hand", "new"].iter().filter(|_| task.afresh) {
                let _ = std::fs::remove_dir_all(folder.join(left));
            }
            // What others left to be written is nobody's cost here.
            assert!(Command::new("sync").status().unwrap().success());
            runs.push(run((task.command)(folder), Some(task.code)));
        }
    }
    let signed = oct::archive::Archive::open(&folder.join(&archive)).unwrap().signed().clone();
    let unpacked =
        oct::trust::manifest::Manifest::parse(signed.unverified_text()).unwrap().unpacked_size() as f64 / 1e6;
    println!("\n{images} images, {OPERATORS} operators; archive {size:.1} MB, {unpacked:.1} MB unpacked");
    println!("\n{:<44} {:>10} {:>7} {:>10}", "", "time", "ratio", "peak MiB");
    let (time, peak) = packed;
    println!(
        "{:<44} {:>7.1} ms {:>7} {:>10.1}",
        "layout and archive",
        time.as_secs_f64() * 1e3,
        "",
        peak as f64 / 1024.0
    );
    let mut by_hand = None;
    for (task, mut runs) in tasks.iter().zip(runs) {
        runs.sort();
        let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or(0) as f64 / 1024.0;
        let time = runs[runs.len() / 2].0;
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
    /// Its exit code.
    code: i32,
    command: Box<dyn Fn(&Path) -> Command>,
}

fn tasks(archive: &str, next: &str) -> Vec<Task> {
    let task = |name, afresh, code, arguments: &[&str]| {
        let arguments: Vec<String> =
            arguments.iter().chain(&["--key", "oct.pub", "-q"]).map(|argument| (*argument).to_owned()).collect();
        let command = move |folder: &Path| oct(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        Task { name, afresh, code, command: Box::new(command) }
    };
    let by_hand = {
        let archive = archive.to_owned();
        move |folder: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", BY_HAND, "sh", &archive]).current_dir(folder).stdout(Stdio::null());
            command
        }
    };
    let from_db = |folder: &Path| {
        oct(folder, &["bundle", "--from-db", "new", "--out", "again", "--secret-key", "oct.key", "--force", "-q"])
    };
    vec![
        Task { name: "minisign -Vm, tar --zstd -xf, sync", afresh: true, code: 0, command: Box::new(by_hand) },
        task("oct import, validation included", true, 0, &["import", "--to", "new", archive]),
        task("oct import of what is installed already", false, 0, &["import", "--to", "new", archive]),
        task("oct verify of the folder", false, 0, &["verify", "new"]),
        Task { name: "oct bundle --from-db", afresh: false, code: 0, command: Box::new(from_db) },
        task("oct import --dry-run", true, 0, &["import", "--to", "new", "--dry-run", archive]),
        task("oct verify of the archive", false, 0, &["verify", archive]),
        task("oct check image by tag", false, 1, &["check", "image", "quay.io/none/such:1", "--db", archive]),
        task("oct diff, a tenth differs", false, 1, &["diff", archive, next]),
        task("oct diff of all, listed", false, 1, &["diff", archive, next, "--full"]),
    ]
}
