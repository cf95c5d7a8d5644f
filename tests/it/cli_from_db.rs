//! `oct bundle --from-db` and `--retain`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::cli_support::{Desk, Run, server};

const ENTRY: &str = r#"{"_id":"5f059f17bed8bd4f99d20100","docker_image_digest":"sha256:aa","architecture":"amd64","certified":true,
  "repositories":[{"registry":"r.example","repository":"a/b","tags":[{"name":"2"},{"name":"1"}]},null]}"#;

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join("data").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn a_folder_of_ours_gives_the_same_content() {
    let desk = Desk::new();
    let server = server(800, 6);
    let first = desk.bundle(&server, "first", &["--level", "1"]).expect(0).json();
    desk.run(&["import", &desk.archive("first"), "--to", "db"]).expect(0);
    let again = desk.run(&["bundle", "--from-db", "db", "--out", "again", "--level", "1", "--json"]).expect(0).json();
    for field in ["content", "counts", "created"] {
        assert_eq!(first[field], again[field], "{field}");
    }
    let inspected = desk.run(&["inspect", &desk.archive("again"), "--json"]).expect(0).json();
    let source = &inspected["manifest"]["sources"][0];
    assert_eq!(source["name"], "folder");
    assert!(source["url"].as_str().unwrap().ends_with("/db"), "{source}");
    desk.run(&["verify", &desk.archive("again")]).expect(0);
}

#[test]
fn how_this_host_fetches_may_be_set_though_nothing_is_fetched() {
    let desk = Desk::new();
    desk.bundle(&server(300, 4), "first", &[]).expect(0);
    desk.run(&["import", &desk.archive("first"), "--to", "db"]).expect(0);
    let run = |out: &str, more: &[&str]| {
        let mut command = desk.command(&[&["bundle", "--from-db", "db", "--out", out], more].concat());
        Run::from(command.env("OCT_JOBS", "2").env("OCT_CATALOG_URL", "https://mirror.example/").output().unwrap())
    };
    run("second", &[]).expect(0);
    let refused = run("third", &["--page-size", "9"]).expect(2);
    assert!(refused.err.contains("--from-db fetches nothing, so --page-size"), "{}", refused.err);
}

#[test]
fn an_odd_dump_becomes_a_valid_bundle() {
    let desk = Desk::new();
    let entry = ENTRY.replace(",null]", "]");
    let containers = format!(r#"{{"sha256:bb":{entry},"sha256:aa":{entry},"id-less":{{"certified":true}}}}"#);
    let row = |csv: &str| format!(r#"{{"csv_name":"{csv}","ocp_version":"4.12"}}"#);
    write(
        &desk.join("dump"),
        &[
            ("containers/containers.db", &containers),
            ("helm/helm.db", "apiVersion: v1\nentries: {}\n"),
            (
                "operators/operator_catalog_page_0_500.db",
                &format!(r#"{{"data":[{},{}],"total":3}}"#, row("a.v1"), row("b.v1")),
            ),
            (
                "operators/operator_catalog_page_0_2.db",
                &format!(r#"{{"data":[{},{}],"total":2}}"#, row("b.v1"), row("c.v1")),
            ),
        ],
    );
    let run = desk.run(&["bundle", "--from-db", "dump", "--out", "out", "--json"]).expect(0);
    let report = run.json();
    assert_eq!(report["counts"], json!({"containers": 2, "digests": 3, "operators": 3, "charts": 0}));
    assert!(run.err.contains("each distinct one is taken once, 3 in all"), "{}", run.err);
    desk.run(&["import", &desk.archive("out"), "--to", "db"]).expect(0);
    let db: serde_json::Value =
        serde_json::from_slice(&fs::read(desk.join("db/data/containers/containers.db")).unwrap()).unwrap();
    assert_eq!(db["sha256:bb"]["image_id"], "sha256:aa");
    assert_eq!(db["sha256:bb"]["repositories"][0]["tags"], json!([{"name": "1"}, {"name": "2"}]));
    assert_eq!(db["id-less"]["certified"], true);
    desk.run(&["diff", "dump", "db"]).expect(0);
}

const CHARTS: &str = "apiVersion: v1\nentries:\n  c:\n  - name: c\n    version: 1.0.0\n";
const PAGE: &str = r#"{"data":[{"csv_name":"op.v1","ocp_version":"4.12","channel_name":"stable"}],"total":1}"#;

/// A folder with one image, one operator and one chart version.
fn small(folder: &Path) {
    let containers = format!(r#"{{"sha256:aa":{}}}"#, ENTRY.replace(",null]", "]"));
    write(
        folder,
        &[
            ("containers/containers.db", &containers),
            ("helm/helm.db", CHARTS),
            ("operators/operator_catalog_page_0_500.db", PAGE),
        ],
    );
}

#[test]
fn a_folder_that_certsuite_cannot_read_is_refused() {
    let desk = Desk::new();
    for (path, text, due) in [
        ("containers/containers.db", r#"{"a":{"_id":1}}"#, "line 1, column 13: a number instead of a text"),
        ("containers/containers.db", "{\n\"a\": {},\n}", "line 3, column 1: `}` instead of a name in quotes"),
        ("helm/helm.db", "entries: 7", "`entries` is `7`, but must be a mapping"),
        ("helm/helm.db", "entries: {}\nx: {a: 1, a: 2}\n", "line 2: the key `a` occurs twice"),
    ] {
        small(&desk.join("bad"));
        write(&desk.join("bad"), &[(path, text)]);
        let run = desk.run(&["bundle", "--from-db", "bad", "--out", "out"]).expect(4);
        assert!(run.err.contains(path) && run.err.contains(due), "{}", run.err);
    }
    desk.run(&["bundle", "--from-db", "bad", "--jobs", "3"]).expect(2);
}

#[test]
fn what_certsuite_passes_over_is_left_out_with_a_remark() {
    let desk = Desk::new();
    small(&desk.join("db"));
    let operators = desk.join("db/data/operators");
    for (name, text) in [
        ("._operator_catalog_page_0_500.db", &b"\0\x05\x16\x07\0"[..]),
        (".keep", b""),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("page.html", b"<html></html>"),
        ("operator_catalog_page_2_500.db", br#"{"data":[{"csv_name":"op.v9","ocp_version":4.9}]}"#),
        ("operator_catalog_page_3_500.db", br#"{"data":[{"csv_name":"op.v8"}]}x"#),
    ] {
        fs::write(operators.join(name), text).unwrap();
    }
    fs::create_dir(operators.join("old")).unwrap();
    std::os::unix::fs::symlink("nowhere", operators.join("dangling")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, operators.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let run = desk.run(&["bundle", "--from-db", "db", "--out", "out", "--json"]).expect(0);
    assert_eq!(run.json()["counts"]["operators"], 1);
    let remarks = run.err.matches("certsuite skips it").count();
    assert_eq!(remarks, 9, "{}", run.err);
    assert!(run.err.contains("`data/operators/old` is not an operator page"), "{}", run.err);
    desk.run(&["import", &desk.archive("out"), "--to", "clean"]).expect(0);
    desk.run(&["check", "operator", "op.v1", "--ocp", "4.12", "--db", "db"]).expect(0);
    desk.run(&["diff", "db", "clean"]).expect(0);
}

#[test]
fn fields_that_go_keeps_are_bundled() {
    let desk = Desk::new();
    small(&desk.join("db"));
    let bb = format!("sha256:{}", "b".repeat(64));
    let twice = format!(r#"{{"sha256:aa":{ENTRY},"sha256:aa":{{"_id":"5f059f17bed8bd4f99d20101"}},"{bb}":null}}"#);
    let twice = twice.replace(",null]", "]");
    let kept = r#"{"data":[{"CSV_Name":"op.v2"}]}"#;
    write(
        &desk.join("db"),
        &[("containers/containers.db", &twice), ("operators/operator_catalog_page_1_500.db", kept)],
    );
    let run = desk.run(&["bundle", "--from-db", "db", "--out", "out", "--json"]).expect(0);
    assert_eq!(run.json()["counts"], json!({"containers": 2, "digests": 2, "operators": 2, "charts": 1}));
    assert!(run.err.contains("bbb` is null"), "{}", run.err);
    desk.run(&["import", &desk.archive("out"), "--to", "clean"]).expect(0);
    for db in ["db", "clean"] {
        let check = |arguments: &[&str]| desk.run(&[&["check"], arguments, &["--db", db]].concat());
        check(&["operator", "op.v2", "--ocp", "4.12"]).expect(0);
        check(&["image", "r.example/a/b:1"]).expect(1);
        check(&["image", &format!("r.example/a/b@{bb}")]).expect(0);
    }
}

#[test]
fn the_newest_document_dates_the_bundle_whenever_files_were_written() {
    let desk = Desk::new();
    small(&desk.join("db"));
    let bundle = |out: &str| desk.run(&["bundle", "--from-db", "db", "--out", out, "--json"]);
    // The first four bytes of the id.
    assert_eq!(bundle("by-id").expect(0).json()["created"], "2020-07-08T10:25:27Z");
    let dated = format!(
        r#"{{"sha256:aa":{},"sha256:bb":{{"_id":"x","creation_date":"2022-06-01T00:00:00.5+00:00"}}}}"#,
        ENTRY.replace(",null]", "]")
    );
    write(&desk.join("db"), &[("containers/containers.db", &dated)]);
    assert_eq!(bundle("by-date").expect(0).json()["created"], "2022-06-01T00:00:00Z");
    desk.run(&["import", &desk.archive("by-date"), "--to", "clean", "--max-age", "1d"]).expect(5);
    write(&desk.join("db"), &[("containers/containers.db", r#"{"sha256:aa":{"_id":"x"}}"#)]);
    let undated = bundle("undated").expect(3);
    assert!(undated.err.contains("SOURCE_DATE_EPOCH"), "{}", undated.err);
    let mut command = desk.command(&["bundle", "--from-db", "db", "--out", "undated"]);
    Run::from(command.env("SOURCE_DATE_EPOCH", "1600000000").output().unwrap()).expect(0);
}

#[test]
fn a_folder_that_lacks_what_it_says_is_refused_unless_that_is_meant() {
    let desk = Desk::new();
    small(&desk.join("db"));
    write(&desk.join("db"), &[("archive.json", r#"{"containers":2,"operators":90,"charts":1}"#)]);
    let run = |more: &[&str]| desk.run(&[&["bundle", "--from-db", "db", "--out", "out"], more].concat());
    let refused = run(&[]).expect(3);
    assert!(refused.err.contains("1 of 2 images and 1 of 90 operators"), "{}", refused.err);
    assert!(refused.err.contains("--allow-partial"), "{}", refused.err);
    let meant = run(&["--allow-partial"]).expect(0);
    assert!(meant.err.contains("1 of 2 images"), "{}", meant.err);
    desk.run(&["bundle", "--allow-partial"]).expect(2);
    write(
        &desk.join("db"),
        &[("archive.json", r#"{"containers":0,"operators":1,"charts":1}"#), ("containers/containers.db", "{}")],
    );
    let empty = run(&[]).expect(3);
    assert!(empty.err.contains("holds no images"), "{}", empty.err);
}

#[test]
fn a_given_chart_index_takes_the_place_of_the_served_one() {
    let (desk, server) = (Desk::new(), server(300, 4));
    small(&desk.join("db"));
    fs::write(desk.join("charts.yaml"), "entries:\n  c:\n  - name: c\n  - null\n  - name: c\n    version: 2.0.0\n")
        .unwrap();
    for (out, arguments) in [("fetched", vec![]), ("taken", vec!["--from-db", "db"])] {
        let given = [&arguments[..], &["--charts-file", "charts.yaml"]].concat();
        let run = if out == "fetched" {
            desk.bundle(&server, out, &given)
        } else {
            desk.run(&[&["bundle", "--out", out, "--json"], &given[..]].concat())
        };
        assert_eq!(run.expect(0).json()["counts"]["charts"], 2);
        let inspected = desk.run(&["inspect", &desk.archive(out), "--json"]).expect(0).json();
        let sources = inspected["manifest"]["sources"].as_array().unwrap();
        let charts = sources.iter().find(|source| source["name"] == "charts").unwrap();
        assert!(charts["url"].as_str().unwrap().ends_with("/charts.yaml"), "{charts}");
        desk.run(&["verify", &desk.archive(out)]).expect(0);
    }
    fs::write(desk.join("charts.yaml"), "entries: {}\nx: {a: 1, a: 2}\n").unwrap();
    let refused = desk.bundle(&server, "bad", &["--charts-file", "charts.yaml"]).expect(3);
    assert!(refused.err.contains("line 2: the key `a` occurs twice"), "{}", refused.err);
    fs::write(desk.join("charts.yaml"), "entries: {}\n").unwrap();
    let empty = desk.bundle(&server, "empty", &["--charts-file", "charts.yaml"]).expect(0);
    assert!(empty.err.contains("the chart index has no charts"), "{}", empty.err);
}

#[test]
fn the_public_dump_of_2022_answers_as_before() {
    let archive = Path::new(crate::ROOT).join("../shared/data/tnf-db.tar.zst");
    if !archive.is_file() {
        return;
    }
    let desk = Desk::new();
    fs::create_dir(desk.join("tnf")).unwrap();
    let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(desk.join("tnf")).status();
    assert!(unpacked.unwrap().success());
    let report = desk.run(&["bundle", "--from-db", "tnf", "--out", "out", "--json"]).expect(0).json();
    assert_eq!(report["counts"], json!({"containers": 4637, "digests": 4637, "operators": 5300, "charts": 622}));
    let archive = desk.archive("out");
    desk.run(&["import", &archive, "--to", "db"]).expect(0);
    desk.run(&["diff", "tnf", &archive]).expect(0);
}

#[test]
fn retain_keeps_the_newest_and_whatever_is_not_an_archive() {
    let desk = Desk::new();
    write(
        &desk.join("db"),
        &[
            ("containers/containers.db", r#"{"sha256:aa":{}}"#),
            ("helm/helm.db", "apiVersion: v1\nentries: {}\n"),
            ("operators/operator_catalog_page_0_0.db", r#"{"data":[],"total":0}"#),
        ],
    );
    let bundle = |hour: i64, more: &[&str]| {
        let base = ["bundle", "--from-db", "db", "--out", "out", "--force", "--json"];
        let mut command = desk.command(&[&base, more].concat());
        let run: crate::cli_support::Run =
            command.env("SOURCE_DATE_EPOCH", (1_800_000_000 + hour * 3_600).to_string()).output().unwrap().into();
        run.expect(0).json()
    };
    (0..4).for_each(|hour| drop(bundle(hour, &[])));
    for strange in ["catalog-2020010100.tar.zst", "catalog-2020010100.tar.zst.sha256", "notes.txt", "catalog-1.tar.zst"]
    {
        fs::write(desk.join("out").join(strange), "not ours").unwrap();
    }
    let before = fs::read_dir(desk.join("out")).unwrap().count();
    let report = bundle(4, &["--retain", "2"]);
    assert_eq!(report["removed"].as_array().unwrap().len(), 3, "{report}");
    let names: Vec<_> =
        fs::read_dir(desk.join("out")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), before + 3 - 9, "{names:?}");
    assert!(names.iter().any(|name| name == "catalog-2020010100.tar.zst"));
    desk.run(&["bundle", "--retain", "0"]).expect(2);
}

#[test]
fn a_bundle_that_holds_less_takes_no_full_ones_place() {
    let (desk, server) = (Desk::new(), server(300, 4));
    let files = || {
        let mut names: Vec<_> = fs::read_dir(desk.join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names.into_iter().map(|name| (name.clone(), fs::read(desk.join("out").join(name)).unwrap())).collect::<Vec<_>>()
    };
    let bundle = |epoch: &str, more: &[&str]| {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let fixed = ["bundle", "--out", "out", "--catalog-url", &catalog, "--charts-url", &charts];
        let mut command = desk.command(&[&fixed, more].concat());
        Run::from(command.env("SOURCE_DATE_EPOCH", epoch).output().unwrap())
    };
    bundle("1700000000", &[]).expect(0);
    let full = files();
    for less in [&["--since", "2020-01-01"][..], &["--operators", "certified-operators"]] {
        let refused = bundle("1700000000", less).expect(5);
        assert!(refused.err.contains("of the same hour and holds more"), "{}", refused.err);
        assert!(files() == full);
    }
    // Later ones have names of their own, but the full one stays whatever is to be kept.
    bundle("1700010000", &["--since", "2020-01-01", "--retain", "1"]).expect(0);
    bundle("1700020000", &["--since", "2020-01-01", "--retain", "1", "--force"]).expect(0);
    let names: Vec<_> = files().into_iter().map(|(name, _)| name.into_string().unwrap()).collect();
    let archives: Vec<_> = names.iter().filter(|name| name.ends_with(".zst")).collect();
    assert_eq!(archives.len(), 2, "{names:?}");
    assert_eq!(archives[0].as_str(), full[0].0.to_str().unwrap());
    bundle("1700000000", &["--since", "2020-01-01", "--force"]).expect(0);
    assert!(files()[0] != full[0]);
}

#[test]
fn an_organization_that_nobody_has_is_named() {
    let (desk, server) = (Desk::new(), server(300, 4));
    let run = desk.bundle(&server, "out", &["--operators", "certified-operator"]).expect(0);
    assert!(run.err.contains("`certified-operator` has no operators in the catalog"), "{}", run.err);
}
