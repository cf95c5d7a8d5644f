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
    assert!(refused.err.contains("--from-db fetches nothing, so that --page-size"), "{}", refused.err);
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

#[test]
fn a_folder_that_certsuite_cannot_read_is_refused() {
    let desk = Desk::new();
    let image = format!(r#"{{"sha256:aa":{}}}"#, ENTRY.replace(",null]", "]"));
    let good = [
        ("containers/containers.db", image.as_str()),
        ("helm/helm.db", "apiVersion: v1\nentries: {}\n"),
        ("operators/operator_catalog_page_0_0.db", r#"{"data":[],"total":0}"#),
    ];
    for (path, text) in [("containers/containers.db", r#"{"a":{"_id":1}}"#), ("helm/helm.db", "entries: 7")] {
        let name = path.replace('/', "-");
        write(&desk.join(&name), &good);
        write(&desk.join(&name), &[(path, text)]);
        let run = desk.run(&["bundle", "--from-db", &name, "--out", "out"]).expect(4);
        assert!(run.err.contains(path), "{}", run.err);
    }
    desk.run(&["bundle", "--from-db", "helm-helm.db", "--jobs", "3"]).expect(2);
    // certsuite passes over a file that is no page.
    write(&desk.join("stray"), &good);
    write(&desk.join("stray"), &[("operators/notes.txt", "not a page")]);
    let run = desk.run(&["bundle", "--from-db", "stray", "--out", "out"]).expect(0);
    assert!(run.err.contains("notes.txt"), "{}", run.err);
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
    let image = format!(r#"{{"sha256:aa":{}}}"#, ENTRY.replace(",null]", "]"));
    write(
        &desk.join("db"),
        &[
            ("containers/containers.db", &image),
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
