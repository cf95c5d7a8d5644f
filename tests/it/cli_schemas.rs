//! Every `--json` document against its published schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli_support::{Desk, server};

fn folder() -> PathBuf {
    Path::new(crate::ROOT).join("packaging/schemas")
}

/// Checks a document, and notes its schema.
#[track_caller]
fn check(document: &Value, seen: &mut BTreeSet<String>) {
    // The list of a folder's archives is a file of its own, and named by its format.
    let named = document["schema"].as_str().map(str::to_owned);
    let name = named.unwrap_or_else(|| format!("{}.v{}", document["format"].as_str().unwrap(), document["version"]));
    let path = folder().join(format!("{name}.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(&path).expect("a published schema")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{name}: {document:#}");
    seen.insert(name);
}

#[test]
fn every_document_is_as_published() {
    let mut seen = BTreeSet::new();
    let desk = Desk::bare();
    let server = server(300, 2);
    let mut run = |arguments: &[&str], code: i32| {
        let document = desk.run(&[arguments, &["--json"]].concat()).expect(code).json();
        check(&document, &mut seen);
    };
    run(&["keygen", "--no-password"], 0);
    run(&["trust", "add", "oct.pub"], 0);
    run(&["trust", "list"], 0);
    run(&["verify", "nowhere"], 6);
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let bundle = ["bundle", "--out", "out", "--catalog-url", &catalog, "--charts-url", &charts];
    run(&bundle, 0);
    run(&bundle, 0);
    let archive = desk.archive("out");
    run(&["probe", "--catalog-url", &catalog, "--charts-url", &charts], 0);
    run(&["doctor", "nowhere", "--catalog-url", &catalog], 1);
    run(&["inspect", &archive], 0);
    run(&["inspect", &archive, "--files"], 0);
    run(&["verify", &archive], 0);
    run(&["import", &archive, "--to", "db"], 0);
    run(&["import", &archive, "--to", "db", "--dry-run"], 0);
    run(&["verify", "db"], 0);
    run(&["bundle", "--from-db", "db", "--out", "again"], 0);
    run(&["diff", "db", &archive], 0);
    let truth = server.truth();
    let with_digest = truth.certified.iter().find_map(|image| {
        let digest = image.reduced()["image_id"].as_str().filter(|digest| !digest.is_empty())?.to_owned();
        Some((image.id.clone(), digest))
    });
    let (gone, gone_digest) = with_digest.unwrap();
    server.remove(&gone);
    server.set_charts("apiVersion: v1\nentries:\n  only:\n  - version: 1.0.0\n");
    run(&["bundle", "--out", "new", "--since", "2020-01-01", "--catalog-url", &catalog, "--charts-url", &charts], 0);
    run(&["diff", "db", &desk.archive("new")], 1);
    run(&["list", "out"], 0);
    run(&["list", "out", "--max-age", "0s"], 1);
    run(&["list", "new"], 0);
    run(&["verify", "out"], 0);
    run(&["publish", "out", "--next-within", "2d"], 0);
    let site = standin::Site::start("127.0.0.1", desk.join("out"));
    run(&["pull", "--check", &site.url(), "--out", "in"], 1);
    run(&["pull", &site.url(), "--out", "in"], 0);
    run(&["pull", &site.url(), "--out", "in"], 0);
    run(&["prune", "db", "--dry-run"], 0);
    run(&["prune", "in", "--retain", "1"], 0);
    let chart = server.truth().charts.first().map(|chart| format!("chart {} {}\n", chart.name, chart.version));
    fs::write(desk.join("mine"), chart.unwrap_or_default() + "chart nothing 1.0.0\n").unwrap();
    run(&["diff", "db", &desk.archive("new"), "--only", "mine"], 0);
    fs::write(desk.join("mine"), format!("image quay.io/mine/a@{gone_digest}\n")).unwrap();
    run(&["diff", "db", &desk.archive("new"), "--only", "mine"], 1);
    fs::copy(desk.join("oct.pub"), desk.join("out/oct.pub")).unwrap();
    run(&["dump", "--target", "dump", "--bundle", "out", "--dump-only"], 0);
    run(&["man", "pages"], 0);
    run(&["version"], 0);
    run(&["config", "show"], 0);

    run(&["status", "nowhere"], 1);
    run(&["status", "db"], 0);
    run(&["status", "db", "--max-age", "0s"], 1);
    run(&["import", &desk.archive("new"), "--to", "db", "--allow-downgrade"], 0);
    run(&["rollback", "db"], 0);
    run(&["status", "db"], 0);
    for answer in ["image quay.io/nobody/nothing:1", "operator nothing.v1", "operator nothing", "chart nothing 1.0.0"] {
        let words: Vec<_> = answer.split(' ').collect();
        run(&[&["check", "--db", "db"], &words[..]].concat(), 1);
        run(&[&["check", "--db", &archive, "--online-rules"], &words[..]].concat(), 1);
    }
    let listed =
        server.truth().certified.iter().find_map(|image| image.reduced()["image_id"].as_str().map(str::to_owned));
    let listed = format!("quay.io/any/name@{}", listed.unwrap());
    run(&["check", "image", &listed, "--db", "db", "--online-rules"], 0);
    let pods = r#"{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod","metadata":{"name":"p","namespace":"n"},
        "spec":{"containers":[{"name":"c","image":"redis"}]},"status":{"containerStatuses":[]}}]}"#;
    fs::write(desk.join("pods.json"), pods).unwrap();
    run(&["check", "--from", "pods.json", "--db", "db"], 1);
    fs::write(desk.join("db/data/archive.json"), "{}").unwrap();
    run(&["status", "db"], 4);
    fs::remove_file(desk.join("db/manifest.json")).unwrap();
    run(&["status", "db"], 4);
    run(&["check", "image", &listed, "--db", "db"], 0);

    let id = desk.run(&["trust", "list", "--json"]).json()["keys"][0]["key_id"].as_str().unwrap().to_owned();
    run(&["trust", "remove", &id], 0);

    let list: Value = serde_json::from_slice(&fs::read(desk.join("out/catalogs.json")).unwrap()).unwrap();
    check(&list, &mut seen);
    let manifest = fs::read(desk.join("dump/manifest.json")).unwrap();
    check(&serde_json::from_slice(&manifest).unwrap(), &mut seen);

    let published: BTreeSet<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", ""))
        .collect();
    let unseen: Vec<_> = published.difference(&seen).collect();
    assert_eq!(unseen, Vec::<&String>::new());
}

/// Every schema with its name.
fn published() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), serde_json::from_slice(&fs::read(path).unwrap()).unwrap())).collect()
}

/// Calls `visit` with each property below `schema`, by its path.
fn properties(path: &str, schema: &Value, visit: &mut impl FnMut(String, &Value)) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let (true, Some(properties)) = (key == "properties", value.as_object()) {
                    for (name, property) in properties {
                        visit(format!("{path}.{name}"), property);
                        self::properties(&format!("{path}.{name}"), property, visit);
                    }
                } else {
                    properties(path, value, visit);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| properties(path, value, visit)),
        _ => {}
    }
}

#[test]
fn every_property_of_a_schema_has_a_description() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (name, schema) in published() {
        properties(&name, &schema, &mut |path, property| {
            seen += 1;
            if property["description"].as_str().is_none_or(|text| text.len() < 3) {
                missing.push(path);
            }
        });
    }
    assert!(seen > 400, "{seen}");
    assert_eq!(missing, Vec::<String>::new());
}
