//! `oct prune`: what goes, what stays, and what is only said.

use std::fs;

use serde_json::{Value, json};

use crate::cli_support::{Desk, server};
use crate::publish::{DAY, NEW_YEAR, bundle_at};

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn paths(report: &Value) -> Vec<String> {
    report["removed"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn previous_catalogs_go_and_what_was_adopted_stays_until_it_is_named() {
    let (desk, server) = (Desk::new(), server(300, 71));
    // What the old container left.
    fs::create_dir_all(desk.join("db/data/containers")).unwrap();
    fs::write(desk.join("db/data/containers/containers.db"), "{}").unwrap();
    for day in 0..4 {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, &["--force"]).expect(0);
        desk.run(&["import", "out", "--to", "db", "--keep", "9", "--adopt"]).expect(0);
    }
    let previous = || names(&desk.join("db/.oct/previous"));
    let before = previous();
    assert_eq!(before.len(), 4, "{before:?}");
    let would = desk.run(&["prune", "db", "--dry-run", "--json"]).expect(0).json();
    assert_eq!((paths(&would).len(), &would["dry_run"]), (2, &json!(true)));
    assert!(would["bytes"].as_u64().unwrap() > 10_000);
    assert_eq!(would["adopted"].as_array().unwrap().len(), 1);
    assert_eq!(previous(), before);
    let done = desk.run(&["prune", "db", "--json"]).expect(0).json();
    assert_eq!((paths(&done), &done["bytes"]), (paths(&would), &would["bytes"]));
    assert_eq!(previous().len(), 2);
    // The newest previous one is the one that stayed.
    desk.run(&["rollback", "db"]).expect(0);
    let installed = desk.run(&["status", "db", "--json"]).json();
    assert_eq!(installed["created"], "2026-01-03T00:00:00Z");
    let text = desk.run(&["prune", "db", "--keep", "0"]).expect(0).out;
    assert!(text.contains("which is not a catalog of oct: --adopted removes it"), "{text}");
    assert_eq!(previous().len(), 1);
    desk.run(&["prune", "db", "--adopted"]).expect(0);
    assert_eq!(previous(), Vec::<String>::new());
    assert!(desk.run(&["prune", "db", "--adopted"]).expect(0).out.starts_with("Nothing to remove"));
    desk.run(&["verify", "db"]).expect(0);
    let missing = desk.run(&["prune", "nowhere"]).expect(6);
    assert!(missing.err.contains("`nowhere` does not exist"), "{}", missing.err);
    let missing = desk.run(&["prune"]).expect(6);
    assert!(
        missing.err.contains("does not exist") && missing.err.contains("the last import went to"),
        "{}",
        missing.err
    );
    assert!(desk.run(&["prune", "oct.pub"]).expect(6).err.contains("`oct.pub` is not a folder"));
}

#[test]
fn a_folder_where_nothing_was_installed_stays_as_it_is() {
    let desk = Desk::new();
    fs::create_dir_all(desk.join("dump/data")).unwrap();
    fs::create_dir(desk.join("downloads")).unwrap();
    fs::write(desk.join("downloads").join(format!(".oct-pull-{}", "ab".repeat(32))), "left").unwrap();
    fs::create_dir(desk.join("empty")).unwrap();
    for (folder, removed) in [("empty", 0), ("dump", 0), ("downloads", 1)] {
        let done = desk.run(&["prune", folder, "--json"]).expect(0).json();
        assert_eq!((&done["kind"], paths(&done).len()), (&json!("folder"), removed), "{folder}");
    }
    assert_eq!((names(&desk.join("empty")), names(&desk.join("downloads"))), (vec![], vec![]));
    assert_eq!(names(&desk.join("dump")), ["data"]);
}

#[test]
fn of_archives_only_what_a_trusted_key_signed_goes_and_what_was_left_over() {
    let (desk, stranger, server) = (Desk::new(), Desk::new(), server(300, 72));
    for day in 0..4 {
        bundle_at(&desk, &server, "out", NEW_YEAR + day * DAY, &["--force"]).expect(0);
    }
    bundle_at(&stranger, &server, "out", NEW_YEAR - DAY, &[]).expect(0);
    let foreign = "catalog-2025123100.tar.zst";
    fs::copy(stranger.join("out").join(foreign), desk.join("out").join(foreign)).unwrap();
    let download = format!(".oct-pull-{}", "ab".repeat(32));
    for left in [&download, ".oct-partial-x", "notes", ".oct-pull-mine"] {
        fs::write(desk.join("out").join(left), "left").unwrap();
    }
    let before = names(&desk.join("out"));
    let would = desk.run(&["prune", "out", "--retain", "2", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(names(&desk.join("out")), before);
    assert_eq!(paths(&would).len(), 4, "{would}");
    // Without a number, archives stay.
    desk.run(&["prune", "out"]).expect(0);
    let after = names(&desk.join("out"));
    let gone: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
    assert_eq!(gone, [".oct-partial-x", &download]);
    let run = desk.run(&["prune", "out", "--retain", "2", "--json"]).expect(0);
    assert_eq!(paths(&run.json()).len(), 2);
    assert!(run.err.contains("run `oct publish`"), "{}", run.err);
    let left = names(&desk.join("out"));
    let archives: Vec<_> = left.iter().filter(|name| name.ends_with(".zst")).collect();
    assert_eq!(archives, [foreign, "catalog-2026010300.tar.zst", "catalog-2026010400.tar.zst"]);
    assert!(!left.iter().any(|name| name.starts_with("catalog-20260101")), "sidecars go too: {left:?}");
    assert!(left.contains(&"notes".to_owned()) && left.contains(&".oct-pull-mine".to_owned()));
}
