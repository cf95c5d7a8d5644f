//! Inputs that would take long or much: each gives an answer or an error in little memory, signed or not.
//!
//! The time is bounded by counting work, so that a test can be generous: what once took minutes takes seconds, in a build
//! for debugging on a busy machine too. `OCT_TEST_BOUNDS_MB` sets the size of the inputs.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli_support::Desk;

/// What a run may take, in KiB.
const PEAK_KIB: u64 = 256 << 10;
/// What it may last.
const PATIENCE: Duration = Duration::from_secs(120);

fn size() -> usize {
    std::env::var("OCT_TEST_BOUNDS_MB").map_or(24, |size| size.parse::<usize>().unwrap()) * 1_000_000
}

/// A good folder, in which `path` is replaced by `head`, `piece` as often as fits, and `tail`.
fn lay(folder: &Path, path: &str, (head, piece, tail): (&str, &dyn Fn(usize) -> String, &str)) {
    let data = folder.join("data");
    for (path, text) in [
        ("containers/containers.db", r#"{"sha256:aa":{"_id":"5f059f17bed8bd4f99d20100"}}"#),
        ("helm/helm.db", "entries: {}\n"),
        ("operators/operator_catalog_page_0_500.db", r#"{"data":[]}"#),
    ] {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Entries by the million are sorted and packed one by one: a quarter of them shows how the memory grows.
    let size = if head == "{" { size() / 4 } else { size() };
    let mut file = BufWriter::new(fs::File::create(data.join(path)).unwrap());
    file.write_all(head.as_bytes()).unwrap();
    let (mut written, mut number) = (head.len(), 0);
    while written < size {
        let piece = piece(number);
        file.write_all(piece.as_bytes()).unwrap();
        written += piece.len();
        number += 1;
    }
    file.write_all(tail.as_bytes()).unwrap();
    file.into_inner().unwrap();
}

/// Runs the program; its exit code, what it says and its peak memory in KiB.
fn measure(desk: &Desk, arguments: &[&str]) -> (Option<i32>, String, u64) {
    let mut command = desk.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(fs::File::create(desk.join("err")).unwrap()).spawn().unwrap();
    let (status, began, mut peak) = (format!("/proc/{}/status", child.id()), Instant::now(), 0);
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.code(), fs::read_to_string(desk.join("err")).unwrap(), peak);
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{arguments:?} takes longer than {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// File, its beginning, the piece that is repeated, its end, and what is said of it.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(usize) -> String, &'a str, &'a str);

#[test]
fn an_unsigned_folder_of_any_kind_is_answered_or_refused_in_little_memory() {
    const CONTAINERS: &str = "containers/containers.db";
    const PAGE: &str = "operators/operator_catalog_page_1_500.db";
    const HELM: &str = "helm/helm.db";
    let same = |piece: &'static str| move |_: usize| piece.repeat(4_096);
    let key = |value: &'static str| move |number: usize| format!("\"{number}\":{value},");
    let aliases = format!("x: &x [{}]\nentries:\n", "{name: c},".repeat(1_000));
    let cases: [Case<'_>; 17] = [
        (CONTAINERS, r#"{"a":{"repositories":["#, &same("{},"), "{}]}}", "more than 100000 repositories and tags"),
        (
            CONTAINERS,
            r#"{"a":{"repositories":[{"tags":["#,
            &same("{},"),
            "{}]}]}}",
            "more than 100000 repositories and tags",
        ),
        (CONTAINERS, "{", &key("{}"), "\"z\":{}}", ""),
        (CONTAINERS, "{", &key("null"), "\"z\":{}}", "null"),
        (CONTAINERS, r#"{"a":"#, &same("["), "", "more than 10000 values within values"),
        (CONTAINERS, r#"{"a":{"x":"#, &same(r#"{"x":["#), "", "more than 10000 values within values"),
        (CONTAINERS, r#"{"a":{"_id":""#, &same("xxxxxxxx"), "\"}}", "a text of more than 65536 bytes"),
        (CONTAINERS, r#"{"a":{"x":""#, &same("xxxxxxxx"), "\"}}", ""),
        (CONTAINERS, r#"{"a":{"x":["#, &same("{},"), "{}]}}", ""),
        (PAGE, r#"{"data":["#, &same("{},"), "{}]}", "larger than `oct` reads"),
        (HELM, "x: [", &same("a,"), "]\n", "has more than 16.8 MB"),
        (HELM, "", &same("- "), "", "has more than 16.8 MB"),
        (
            HELM,
            &aliases,
            &|number| if number < 1_000 { format!("  b{number}: *x\n") } else { "# xxxxxxx\n".repeat(1_000) },
            "",
            "16.8 MB",
        ),
        (HELM, "", &same("%TAG !e! tag:x\n"), "---\n", "16.8 MB"),
        (HELM, "x: ", &same("{a: "), "", "16.8 MB"),
        (CONTAINERS, "", &same(" "), "{}", ""),
        (PAGE, "", &same(" "), "", "larger than `oct` reads"),
    ];
    let desk = Desk::new();
    for (path, head, piece, tail, due) in cases {
        lay(&desk.join("db"), path, (head, piece, tail));
        let check: &[&str] = &["check", "image", "quay.io/a/b:1", "--db", "db"];
        for arguments in [check, &["bundle", "--from-db", "db", "--out", "out", "--force"]] {
            let (code, err, peak) = measure(&desk, arguments);
            let shown = format!("{head:.40} in {path}, {arguments:?}: {code:?}, {peak} KiB, {err:.300}");
            assert!(matches!(code, Some(0 | 1 | 3 | 4)), "{shown}");
            assert!(peak < PEAK_KIB, "{shown}");
            assert!(due == "null" || err.contains(due) || matches!(code, Some(0 | 1)) && due.is_empty(), "{shown}");
        }
        fs::remove_dir_all(desk.join("db")).unwrap();
    }
}
