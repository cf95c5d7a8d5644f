//! The list that makes a folder of archives a site: what stands in it, when it is written anew, and what is left out.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cli_support::{Desk, Run, server};

/// Bundles as of an instant, in seconds of the epoch.
pub fn bundle_at(desk: &Desk, server: &standin::Standin, out: &str, epoch: i64, more: &[&str]) -> Run {
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let fixed = ["bundle", "--out", out, "--catalog-url", &catalog, "--charts-url", &charts, "--json", "--level", "1"];
    let mut command = desk.command(&[&fixed, more].concat());
    command.env("SOURCE_DATE_EPOCH", epoch.to_string()).output().unwrap().into()
}

/// 2026-01-01T00:00:00Z.
pub const NEW_YEAR: i64 = 1_767_225_600;
pub const DAY: i64 = 86_400;

fn list(desk: &Desk, folder: &str) -> Value {
    serde_json::from_slice(&fs::read(desk.join(folder).join("catalogs.json")).unwrap()).unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list["archives"].as_array().unwrap().iter().map(|archive| archive["name"].as_str().unwrap()).collect()
}

fn change(server: &standin::Standin) {
    let gone = server.truth().certified[0].id.clone();
    assert!(server.remove(&gone));
}

#[test]
fn a_bundle_leaves_a_site_behind() {
    let (desk, server) = (Desk::new(), server(300, 31));
    bundle_at(&desk, &server, "out", NEW_YEAR, &[]).expect(0);
    let first = list(&desk, "out");
    assert_eq!((&first["format"], &first["version"]), (&"oct-catalogs".into(), &1.into()));
    assert_eq!((&first["written"], &first["next"]), (&"2026-01-01T00:00:00Z".into(), &Value::Null));
    assert_eq!(names(&first), ["catalog-2026010100.tar.zst"]);
    let archive = &first["archives"][0];
    let bytes = fs::read(desk.join("out/catalog-2026010100.tar.zst")).unwrap();
    assert_eq!(archive["size"], bytes.len());
    let checksum = fs::read_to_string(desk.join("out/catalog-2026010100.tar.zst.sha256")).unwrap();
    assert!(checksum.starts_with(archive["sha256"].as_str().unwrap()));
    let said = desk.run(&["inspect", "out/catalog-2026010100.tar.zst", "--json"]).expect(0).json();
    for (field, of) in [("created", "created"), ("content", "content"), ("counts", "counts"), ("partial", "partial")] {
        assert_eq!(archive[field], said["manifest"][of], "{field}");
    }
    assert_eq!(archive["signers"], said["key_ids"]);
    if let Ok(found) = Command::new("minisign")
        .args(["-Vm", "catalogs.json", "-p", "../oct.pub"])
        .current_dir(desk.join("out"))
        .output()
    {
        assert!(found.status.success(), "{found:?}");
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        assert!(said.contains("file:catalogs.json written:2026-01-01T00:00:00Z"), "{said}");
    } else {
        eprintln!("skipped: this machine has no `minisign`");
    }

    // Nothing new: nothing is written, later as it may be.
    let modified = || fs::metadata(desk.join("out/catalogs.json.minisig")).unwrap().modified().unwrap();
    let before = modified();
    bundle_at(&desk, &server, "out", NEW_YEAR + DAY, &[]).expect(0);
    assert_eq!(list(&desk, "out"), first);
    assert_eq!(modified(), before);

    // A promise has to be renewed although the catalog is the same.
    for day in [1, 2] {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, &["--next-within", "2d"]).expect(0);
        let promised = list(&desk, "out");
        assert_eq!(promised["written"], format!("2026-01-0{}T00:00:00Z", day + 1));
        assert_eq!(promised["next"], format!("2026-01-0{}T00:00:00Z", day + 3));
        assert_eq!(promised["archives"], first["archives"]);
    }

    change(&server);
    bundle_at(&desk, &server, "out", NEW_YEAR + 3 * DAY, &[]).expect(0);
    let second = list(&desk, "out");
    assert_eq!(names(&second), ["catalog-2026010400.tar.zst", "catalog-2026010100.tar.zst"]);
    change(&server);
    bundle_at(&desk, &server, "out", NEW_YEAR + 4 * DAY, &["--retain", "2"]).expect(0);
    assert_eq!(names(&list(&desk, "out")), ["catalog-2026010500.tar.zst", "catalog-2026010400.tar.zst"]);

    // The clock steps back; the list does not.
    change(&server);
    bundle_at(&desk, &server, "out", NEW_YEAR + 2 * DAY, &["--retain", "9"]).expect(0);
    let back = list(&desk, "out");
    assert_eq!(back["written"], "2026-01-05T00:00:00Z");
    assert_eq!(back["archives"].as_array().unwrap().len(), 3);
}

#[test]
fn publishing_anew_verifies_each_archive_and_names_what_it_leaves_out() {
    let (desk, stranger, server) = (Desk::new(), Desk::new(), server(300, 32));
    for day in 0..4 {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, &["--force"]).expect(0);
    }
    let made = list(&desk, "out");
    for file in ["catalogs.json", "catalogs.json.minisig"] {
        fs::remove_file(desk.join("out").join(file)).unwrap();
    }
    let report = desk.run(&["publish", "out", "--json"]).expect(0).json();
    assert_eq!(report["archives"], made["archives"]);
    assert_eq!(report["left_out"], serde_json::json!([]));

    let at = |hour: &str| desk.join(format!("out/catalog-20260{hour}.tar.zst"));
    bundle_at(&stranger, &server, "out", NEW_YEAR + 9 * DAY, &[]).expect(0);
    fs::copy(stranger.join("out/catalog-2026011000.tar.zst"), at("11000")).unwrap();
    let bytes = fs::read(at("10200")).unwrap();
    fs::write(at("10200"), &bytes[..bytes.len() - 1]).unwrap();
    let mut bytes = fs::read(at("10300")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(at("10300"), bytes).unwrap();
    fs::copy(at("10100"), at("12000")).unwrap();
    std::os::unix::fs::symlink(at("10100"), at("12100")).unwrap();
    let run = desk.run(&["publish", "out", "--json"]).expect(0);
    let report = run.json();
    assert_eq!(names(&report), ["catalog-2026010400.tar.zst", "catalog-2026010100.tar.zst"]);
    let left_out = report["left_out"].as_array().unwrap();
    for (name, cause) in [
        ("catalog-2026012100", "is a link"),
        ("catalog-2026012000", "was made as `catalog-2026010100.tar.zst`"),
        ("catalog-2026011000", "not trusted here"),
        ("catalog-2026010300", "damaged or altered"),
        ("catalog-2026010200", "is incomplete: it has"),
    ] {
        let found = left_out.iter().find(|left| left["path"].as_str().unwrap().contains(name)).unwrap();
        assert!(found["cause"].as_str().unwrap().contains(cause), "{found}");
        assert!(run.err.contains(name), "{}", run.err);
    }
    assert_eq!(left_out.len(), 5);

    let refused = Desk::bare().run(&["publish", "."]).expect(6);
    assert!(refused.err.contains("no secret key"), "{}", refused.err);
    desk.run(&["publish", "nowhere"]).expect(6);
}

#[test]
fn a_list_that_another_key_signed_or_that_was_damaged_is_replaced() {
    let (desk, stranger, server) = (Desk::new(), Desk::new(), server(300, 33));
    bundle_at(&desk, &server, "out", NEW_YEAR, &[]).expect(0);
    bundle_at(&stranger, &server, "out", NEW_YEAR, &[]).expect(0);
    let good = list(&desk, "out");
    for file in ["catalogs.json", "catalogs.json.minisig"] {
        fs::copy(stranger.join("out").join(file), desk.join("out").join(file)).unwrap();
    }
    bundle_at(&desk, &server, "out", NEW_YEAR, &[]).expect(0);
    assert_eq!(list(&desk, "out"), good);
    fs::write(desk.join("out/catalogs.json"), "{}").unwrap();
    bundle_at(&desk, &server, "out", NEW_YEAR, &[]).expect(0);
    assert_eq!(list(&desk, "out"), good);
    // While keys are being replaced, both sign.
    let other = stranger.join("oct.key");
    let both = ["--secret-key", "oct.key", "--secret-key", other.to_str().unwrap()];
    bundle_at(&desk, &server, "out", NEW_YEAR, &both).expect(0);
    let signatures = fs::read_to_string(desk.join("out/catalogs.json.minisig")).unwrap();
    assert_eq!(signatures.lines().count(), 8);
    for key in [desk.join("oct.pub"), stranger.join("oct.pub")] {
        let found =
            Desk::bare().run(&["list", desk.join("out").to_str().unwrap(), "--key", key.to_str().unwrap(), "--json"]);
        assert_eq!(found.expect(0).json()["site"]["publishers"].as_array().unwrap().len(), 1);
    }
}
