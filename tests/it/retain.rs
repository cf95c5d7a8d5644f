//! What `oct bundle --retain` removes, and what not.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use standin::Standin;

use super::cli_support::{Desk, Run, server};

/// Midnight, 1 January 2027.
const BASE: i64 = 1_798_761_600;

struct Out {
    desk: Desk,
    server: Standin,
}

impl Out {
    fn new() -> Self {
        Self { desk: Desk::new(), server: server(30, 4) }
    }

    /// Bundles as of the hour, with other content each time.
    fn bundle(&self, hour: i64, more: &[&str]) -> Value {
        let (catalog, charts) = (self.server.catalog_url(), self.server.charts_url());
        let fixed = ["bundle", "--out", "out", "--force", "--json", "--catalog-url", &catalog, "--charts-url", &charts];
        let mut command = self.desk.command(&[&fixed, more].concat());
        command.env("SOURCE_DATE_EPOCH", (BASE + hour * 3_600).to_string());
        Run::from(command.output().unwrap()).expect(0).json()
    }

    /// The hours of the archives that are there. Fails if a sidecar has no archive.
    fn hours(&self) -> Vec<i64> {
        let names = fs::read_dir(self.desk.join("out")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        // The list of the archives stays.
        let names: BTreeSet<_> = names.filter(|name| !name.starts_with("catalogs.json")).collect();
        let archives: Vec<_> = names.iter().filter(|name| name.ends_with(".tar.zst")).collect();
        for name in &names {
            let archive = name.split(".tar.zst").next().unwrap().to_owned() + ".tar.zst";
            assert!(names.contains(&archive), "{name} was left alone: {names:?}");
        }
        archives
            .iter()
            .map(|name| {
                let hour = name.trim_start_matches("catalog-").trim_end_matches(".tar.zst");
                (hour[6..8].parse::<i64>().unwrap() - 1) * 24 + hour[8..].parse::<i64>().unwrap()
            })
            .collect()
    }
}

#[test]
fn an_archive_with_a_date_in_the_future_does_not_make_new_ones_vanish() {
    let out = Out::new();
    out.bundle(500, &[]);
    for hour in [1, 2, 3] {
        let report = out.bundle(hour, &["--retain", "1"]);
        assert!(out.desk.join(report["archive"].as_str().unwrap()).exists(), "what this run wrote stays");
    }
    assert_eq!(out.hours(), [3, 500]);
    // Whatever its name says: the signed instant counts.
    let (wrong, right) = ("out/catalog-2027012120.tar.zst", "out/catalog-2026010100.tar.zst");
    fs::rename(out.desk.join(wrong), out.desk.join(right)).unwrap();
    out.bundle(4, &["--retain", "1"]);
    assert!(out.desk.join(right).exists());
}

#[test]
fn what_our_key_did_not_sign_stays_and_is_not_counted() {
    let out = Out::new();
    out.desk.run(&["keygen", "--no-password", "--out", "other"]).expect(0);
    let other = ["--secret-key", "other/oct.key"];
    out.bundle(9, &other);
    out.bundle(1, &other);
    for hour in [2, 3] {
        out.bundle(hour, &[]);
    }
    // A damaged one of ours, and a link to a good one.
    let damaged = out.bundle(8, &[])["archive"].as_str().unwrap().to_owned();
    let mut bytes = fs::read(out.desk.join(&damaged)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(out.desk.join(&damaged), bytes).unwrap();
    std::os::unix::fs::symlink("catalog-2027010102.tar.zst", out.desk.join("out/catalog-2027010107.tar.zst")).unwrap();
    let report = out.bundle(4, &["--retain", "2"]);
    assert_eq!(report["removed"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(out.hours(), [1, 3, 4, 7, 8, 9]);
    // During a rotation both are ours.
    out.bundle(5, &["--secret-key", "oct.key", "--secret-key", "other/oct.key", "--retain", "2"]);
    assert_eq!(out.hours(), [5, 7, 8, 9]);
}

#[test]
fn the_signatures_of_every_key_go_with_their_archive() {
    let out = Out::new();
    out.desk.run(&["keygen", "--no-password", "--out", "other"]).expect(0);
    let both = ["--secret-key", "oct.key", "--secret-key", "other/oct.key"];
    out.bundle(1, &both);
    // The archive, its checksum, two signatures; and the list with its signatures.
    assert_eq!(fs::read_dir(out.desk.join("out")).unwrap().count(), 6);
    out.bundle(2, &[&both[..], &["--retain", "1"]].concat());
    assert_eq!(fs::read_dir(out.desk.join("out")).unwrap().count(), 6);
    assert_eq!(out.hours(), [2]);
}

#[test]
fn that_nothing_could_be_removed_is_a_warning() {
    let out = Out::new();
    out.bundle(1, &[]);
    // A folder in the place of a sidecar cannot be removed as a file.
    fs::remove_file(out.desk.join("out/catalog-2027010101.tar.zst.sha256")).unwrap();
    fs::create_dir(out.desk.join("out/catalog-2027010101.tar.zst.sha256")).unwrap();
    let report = out.bundle(2, &["--retain", "1"]);
    assert_eq!(report["outcome"], "written");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("not every older archive was removed"), "{warnings}");
    assert!(out.desk.join("out/catalog-2027010102.tar.zst.minisig").exists());
}

#[test]
fn two_bundles_of_one_hour_at_once_leave_one_archive_with_its_own_sidecars() {
    let out = Out::new();
    out.desk.run(&["keygen", "--no-password", "--out", "other"]).expect(0);
    for _ in 0..3 {
        let start = |key: &str| {
            let (catalog, charts) = (out.server.catalog_url(), out.server.charts_url());
            let mut command = out.desk.command(&["bundle", "--out", "out", "--force", "--secret-key", key]);
            command.args(["--catalog-url", &catalog, "--charts-url", &charts]);
            // Each has a cache of its own: the fetches are not what is tried here.
            command.env("XDG_CACHE_HOME", out.desk.join(key.replace('/', "-")).with_extension("cache"));
            command.env("SOURCE_DATE_EPOCH", BASE.to_string()).stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let children = [start("oct.key"), start("other/oct.key")];
        for child in children {
            assert!(child.wait_with_output().unwrap().status.success());
        }
        assert_eq!(fs::read_dir(out.desk.join("out")).unwrap().count(), 5);
        let archive = out.desk.archive("out");
        out.desk.run(&["verify", &archive, "--key", "oct.pub", "--key", "other/oct.pub"]).expect(0);
        let readable = fs::metadata(out.desk.join(&archive)).unwrap().permissions().mode() & 0o777;
        assert_eq!(readable, 0o644);
    }
}
