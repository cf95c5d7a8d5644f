//! `oct list`: what each archive of a folder or a site is, and which one an import would take.

use std::fs;

use serde_json::{Value, json};
use standin::Site;

use crate::cli_support::{Desk, server};
use crate::publish::{DAY, NEW_YEAR, bundle_at};

fn states(report: &Value) -> Vec<(&str, &str)> {
    let text = |archive: &'static str, row: &Value| row[archive].as_str().unwrap().to_owned().leak() as &str;
    report["archives"].as_array().unwrap().iter().map(|row| (text("name", row), text("state", row))).collect()
}

#[test]
fn every_state_is_told_and_inspect_and_verify_say_the_same() {
    let (desk, stranger, server) = (Desk::new(), Desk::new(), server(300, 41));
    for day in 0..5 {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, &["--force"]).expect(0);
    }
    let at = |day: u32| desk.join(format!("out/catalog-202601{day:02}00.tar.zst"));
    fs::remove_file(desk.join("out/catalog-2026010500.tar.zst.sha256")).unwrap();
    let bytes = fs::read(at(5)).unwrap();
    fs::write(at(5), &bytes[..bytes.len() / 2]).unwrap();
    let mut bytes = fs::read(at(4)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(at(4), bytes).unwrap();
    bundle_at(&stranger, &server, "out", NEW_YEAR + 9 * DAY, &[]).expect(0);
    fs::copy(stranger.join("out/catalog-2026011000.tar.zst"), at(10)).unwrap();
    fs::write(at(11), "<html>").unwrap();

    let run = desk.run(&["list", "out", "--json"]).expect(0);
    let report = run.json();
    let good = [
        ("catalog-2026010300.tar.zst", "good"),
        ("catalog-2026010200.tar.zst", "good"),
        ("catalog-2026010100.tar.zst", "good"),
    ];
    let upper = |fourth| {
        [
            ("catalog-2026011000.tar.zst", "not-trusted"),
            ("catalog-2026010500.tar.zst", "cut"),
            ("catalog-2026010400.tar.zst", fourth),
        ]
    };
    let odd = [("catalog-2026011100.tar.zst", "altered")];
    assert_eq!(states(&report), [&upper("good")[..], &good, &odd].concat());
    assert_eq!(report["takes"], "catalog-2026010400.tar.zst", "a header does not tell of a damaged body");
    // A second may have passed.
    let ageless = |report: &Value| {
        let mut archives = report["archives"].clone();
        archives.as_array_mut().unwrap().iter_mut().for_each(|row| row["age_seconds"] = Value::Null);
        archives
    };
    assert_eq!(ageless(&desk.run(&["inspect", "out", "--json"]).expect(0).json()), ageless(&report));

    let verified = desk.run(&["verify", "out", "--json"]).expect(4).json();
    assert_eq!(states(&verified), [&upper("altered")[..], &good, &odd].concat());
    assert_eq!(verified["takes"], "catalog-2026010300.tar.zst");
    // The import takes what was said.
    let imported = desk.run(&["import", "out", "--to", "db", "--json"]).expect(0).json();
    assert_eq!(imported["archive"], "out/catalog-2026010300.tar.zst");

    let text = desk.run(&["list", "out"]).expect(0).out;
    assert!(text.contains("`oct import` would take catalog-2026010400.tar.zst."), "{text}");
    assert!(text.contains("It would not take the newer catalog-2026010500.tar.zst, which is cut."), "{text}");
    assert!(
        text.contains("It would not take the newer catalog-2026011000.tar.zst, which is not trusted here."),
        "{text}"
    );

    fs::remove_file(at(4)).unwrap();
    let run = desk.run(&["list", "out"]).expect(0);
    assert!(run.err.contains("the list names `catalog-2026010400.tar.zst`, which is not here"), "{}", run.err);
}

#[test]
fn in_the_place_of_a_full_catalog_a_newer_partial_archive_is_passed_over() {
    let (desk, server) = (Desk::new(), server(300, 43));
    for (day, more) in [(0, &[][..]), (1, &["--force"]), (2, &["--force", "--since", "2020-01-01"])] {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, more).expect(0);
    }
    let (full, partial) = ("catalog-2026010200.tar.zst", "catalog-2026010300.tar.zst");
    let report = desk.run(&["list", "out", "--json"]).expect(0).json();
    assert_eq!((&report["takes"], &report["takes_over_full"]), (&json!(partial), &json!(full)));
    let text = desk.run(&["list", "out"]).expect(0).out;
    assert!(text.contains(&format!("If a full catalog is installed, it would take {full}.")), "{text}");
    let import = |to: &str, more: &[&str]| desk.run(&[&["import", "out", "--to", to, "--json"], more].concat());
    assert_eq!(import("new", &[]).expect(0).json()["archive"], format!("out/{partial}"));
    desk.run(&["import", "out/catalog-2026010100.tar.zst", "--to", "db"]).expect(0);
    for (more, outcome) in [(&["--dry-run"][..], "would-install"), (&["-q"], "installed"), (&[], "already-installed")] {
        let run = import("db", more).expect(0);
        let said = format!("passed over a newer archive, `out/{partial}`: the archive is partial");
        assert!(run.err.contains(&said), "{}", run.err);
        let done = run.json();
        assert_eq!((&done["archive"], &done["outcome"]), (&json!(format!("out/{full}")), &json!(outcome)));
    }
    // Only the older one and the partial one are left: nothing may come, unless the user allows it.
    fs::remove_file(desk.join("out").join(full)).unwrap();
    fs::write(desk.join("out/catalog-2026010900.tar.zst"), "rubbish").unwrap();
    let refused = import("db", &[]).expect(5);
    assert!(
        refused.json()["error"]["code"] == "partial" && refused.err.contains("--allow-downgrade"),
        "{}",
        refused.err
    );
    assert_eq!(import("db", &["--allow-downgrade"]).expect(0).json()["archive"], format!("out/{partial}"));
    fs::remove_file(desk.join("out/catalog-2026010100.tar.zst")).unwrap();
    let text = desk.run(&["list", "out"]).expect(0).out;
    assert!(text.contains("If a full catalog is installed, it would take none."), "{text}");
}

#[test]
fn a_folder_without_an_archive_and_one_that_is_none() {
    let desk = Desk::new();
    fs::create_dir(desk.join("empty")).unwrap();
    let report = desk.run(&["list", "empty", "--json"]).expect(0).json();
    assert_eq!((&report["archives"], &report["takes"]), (&json!([]), &Value::Null));
    desk.run(&["list", "empty", "--max-age", "9000d"]).expect(1);
    desk.run(&["list", "nowhere"]).expect(6);
}

#[test]
fn monitoring_and_sites() {
    let (desk, server) = (Desk::new(), server(300, 42));
    desk.bundle(&server, "out", &["--since", "2020-01-01", "--next-within", "1d"]).expect(0);
    let site = Site::start("127.0.0.1", desk.join("out"));
    for place in ["out", &site.url()] {
        let report = desk.run(&["list", place, "--max-age", "1h", "--json"]).expect(0).json();
        assert_eq!((&report["fresh"], &report["site"]["overdue"]), (&json!(true), &json!(false)), "{place}");
        let archive = &report["archives"][0];
        assert_eq!((&archive["state"], &archive["partial"]["since"]), (&json!("good"), &json!("2020-01-01T00:00:00Z")));
        assert!(desk.run(&["list", place, "--max-age", "0s"]).expect(1).out.contains("That one is older than"));
        let report = desk.run(&["list", place, "--max-age", "0s", "--json"]).expect(1).json();
        assert_eq!(report["fresh"], false, "{place}");
        assert!(desk.run(&["list", place]).expect(0).out.contains("partial"), "{place}");
    }
    let stranger = Desk::new();
    let place = desk.join("out").display().to_string();
    let report = stranger.run(&["list", &place, "--json"]).expect(0).json();
    assert_eq!((&report["archives"][0]["state"], &report["takes"]), (&json!("not-trusted"), &Value::Null));
    assert_eq!(report["site"], Value::Null);
    stranger.run(&["list", &place, "--max-age", "9000d"]).expect(1);
    let refused = stranger.run(&["list", &site.url()]).expect(4);
    assert!(refused.err.contains("not trusted here"), "{}", refused.err);
    // Two requests, and nothing of the archive.
    site.asked();
    desk.run(&["list", &site.url()]).expect(0);
    let asked: Vec<_> = site.asked().into_iter().map(|asked| asked.file).collect();
    assert_eq!(asked, ["catalogs.json", "catalogs.json.minisig"]);
}
