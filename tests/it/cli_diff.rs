//! `oct diff`: what it finds, and that it leaves its inputs alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use crate::cli_support::{Desk, server};

fn modified(folder: &Path) -> BTreeMap<String, SystemTime> {
    let mut times = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        times.insert(path.display().to_string(), path.metadata().unwrap().modified().unwrap());
        if path.is_dir() {
            times.extend(modified(&path));
        }
    }
    times
}

#[test]
fn archives_and_folders_in_any_mixture() {
    let desk = Desk::new();
    let server = server(700, 5);
    desk.bundle(&server, "old", &["--level", "1"]).expect(0);
    let gone = server.truth().certified[3].id.clone();
    assert!(server.remove(&gone));
    server.insert_image(&json!({
        "_id": "65f059f17bed8bd4f99d2010", "creation_date": "2026-01-02T03:04:05+00:00", "certified": true,
        "isv_pid": "made-up", "last_update_date": "2026-01-02T03:04:05+00:00", "architecture": "amd64",
        "image_id": format!("sha256:{}", "ab".repeat(32)),
        "repositories": [{"registry": "registry.example", "repository": "new/image", "published": true,
            "tags": [{"name": "v1"}]}]
    }));
    server.set_charts("apiVersion: v1\nentries:\n  only:\n  - name: only\n    version: 1.0.0\n");
    desk.bundle(&server, "new", &["--level", "1"]).expect(0);
    let (old, new) = (desk.archive("old"), desk.archive("new"));
    desk.run(&["import", &old, "--to", "old-db"]).expect(0);
    desk.run(&["import", &new, "--to", "new-db"]).expect(0);
    // A folder that nobody signed, in another spelling and order.
    let bare = desk.join("bare/data");
    for file in ["containers", "helm", "operators"] {
        fs::create_dir_all(bare.join(file)).unwrap();
        for entry in fs::read_dir(desk.join("new-db/data").join(file)).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            if file == "containers" {
                let images: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
                // The last digest stands there twice, at first without anything in it.
                let last = images.keys().next_back().map(|key| format!("\n \"{key}\": {{}}"));
                let all = images.iter().rev().map(|(key, image)| format!("\n \"{key}\": {image}"));
                bytes = format!("{{{}}}", last.into_iter().chain(all).collect::<Vec<_>>().join(",")).into_bytes();
            }
            fs::write(bare.join(file).join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
    let before = modified(desk.path());
    for right in [new.as_str(), "new-db", "bare", "bare/data"] {
        for left in [old.as_str(), "old-db"] {
            let found = desk.run(&["diff", left, right, "--json"]).expect(1).json();
            assert_eq!(
                (&found["images"]["added"], &found["images"]["removed"]),
                (&json!(1), &json!(1)),
                "{left} {right}"
            );
            let list = found["images"]["list"].as_array().unwrap();
            assert!(list.iter().any(|image| image["names"] == json!(["registry.example/new/image:v1"])));
            assert!(list.iter().any(|image| image["change"] == "removed" && image["id"] == gone.as_str()));
            assert_eq!(found["operators"]["list"], json!([]));
            assert_eq!((&found["charts"]["added"], &found["charts"]["changed"]), (&json!(1), &json!(0)));
        }
        let text = desk.run(&["diff", &new, right]).expect(0).out;
        assert!(text.ends_with("No difference.\n"), "{text}");
    }
    let text = desk.run(&["diff", &old, &new]).expect(1).out;
    assert!(text.contains("1 added, 1 removed, 0 changed\n    + registry.example/new/image:v1 (amd64)"), "{text}");
    assert!(text.contains("--full lists them"), "{text}");
    assert!(!desk.run(&["diff", &old, &new, "--full"]).expect(1).out.contains("--full"));
    assert_eq!(modified(desk.path()), before);
}

#[test]
fn what_cannot_be_read_is_named() {
    let desk = Desk::new();
    fs::create_dir(desk.join("empty")).unwrap();
    let found = desk.run(&["diff", "empty", "empty"]).expect(4);
    assert!(found.err.contains("`empty`: no `data/containers/containers.db` in it"), "{}", found.err);
}
