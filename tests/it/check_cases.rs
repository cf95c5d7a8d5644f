//! `oct check` on inputs and folders as people have them: the cases that lie beside the repository, where they do, and
//! made-up ones of the same kinds.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli_support::{Desk, text};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(SHARED).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Exit code, document and stderr of a check.
fn check(host: &Desk, arguments: &[&str]) -> (i32, Value, String) {
    let output = host.output(&[&["check", "--json"], arguments].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (output.status.code().unwrap(), document, String::from_utf8(output.stderr).unwrap())
}

/// Verdicts of the rows: `yes`, `no`, `unclear` or why a row is not asked.
fn verdicts(document: &Value) -> Vec<String> {
    let verdict = |row: &Value| match (&row["not_asked"]["code"], &row["certified"]) {
        (Value::String(code), _) => code.clone(),
        (_, Value::Bool(true)) => "yes".into(),
        (_, Value::Bool(false)) => "no".into(),
        _ => "unclear".into(),
    };
    document["rows"].as_array().unwrap().iter().map(verdict).collect()
}

fn question(document: &Value, row: usize) -> String {
    let question = &document["rows"][row]["question"];
    let part = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}:{}@{}", part("registry"), part("repository"), part("tag"), part("digest"))
}

#[test]
fn the_cases_beside_the_repository() {
    let Some(cases) = shared("cases") else { return };
    let host = Desk::bare();
    let db = cases.join("db").display().to_string();
    let run = |file: &str| check(&host, &["--db", &db, "--from", &cases.join(file).display().to_string()]);
    let b = format!("sha256:{}", "b".repeat(64));

    let (code, document, _) = run("claim-tag-and-digest/claim.json");
    assert_eq!((code, verdicts(&document)), (1, vec!["yes".into(), "no".into()]));
    for row in 0..2 {
        assert_eq!(question(&document, row), format!("quay.io/oakleaf/side:1@{b}"));
    }
    assert_eq!(document["rows"][1]["offline"]["code"], "missing-digest");
    assert_eq!(document["claim"]["suite"], "v5.5.0");

    let (code, document, _) = run("claimjson-js/claimjson.js");
    assert_eq!((code, verdicts(&document)), (0, vec!["yes".into()]));

    let (code, document, _) = run("csv-list-json/csvs.json");
    assert_eq!((code, verdicts(&document)), (0, vec!["yes".into()]));
    assert_eq!(document["rows"][0]["question"]["csv"], "oak-db.v1.0.0");

    let (code, document, _) = run("json-array-of-pods/pods.json");
    assert_eq!((code, verdicts(&document)), (0, vec!["init-container".into(), "yes".into()]));

    let (code, document, _) = run("pods-docker-short-image-id/pods.json");
    assert_eq!((code, verdicts(&document)), (0, vec!["yes".into(), "yes".into()]));

    let (code, document, _) = run("pods-init-and-completed/pods.json");
    assert_eq!(code, 0);
    assert_eq!(verdicts(&document), ["init-container", "yes", "yes", "istio-proxy", "pod-not-running"]);
    let summary = &document["summary"];
    assert_eq!((&summary["questions"], &summary["not_asked"]), (&json!(2), &json!(3)));
    let (code, document, _) = check(
        &host,
        &[
            "--db",
            &db,
            "--all-containers",
            "--from",
            &cases.join("pods-init-and-completed/pods.json").display().to_string(),
        ],
    );
    assert_eq!((code, &document["summary"]["not_certified"]), (1, &json!(3)));
}

/// Writes the files of a folder; a text, `{"base64": …}`, or `{"link": …}`; a path that ends in a slash is an empty folder.
fn write_folder(folder: &Path, files: &Value) {
    for (name, content) in files.as_object().unwrap() {
        let path = folder.join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content {
            Value::String(text) => std::fs::write(path, text).unwrap(),
            _ => std::os::unix::fs::symlink(content["link"].as_str().unwrap(), path).unwrap(),
        }
    }
}

/// What `oct check` answers where certsuite's reader answers `true`, `false`, `panic` or `load-error`.
fn answer(host: &Desk, db: &str, asked: &Value) -> String {
    let part = |name: &str| asked[name].as_str().unwrap_or_default();
    let mut arguments = vec!["check", "--json", "--db", db];
    let mut reference = format!("{}/{}", part("registry"), part("repository"));
    match part("kind") {
        "container" => {
            if !part("tag").is_empty() {
                reference.push_str(&format!(":{}", part("tag")));
            }
            if !part("digest").is_empty() {
                reference.push_str(&format!("@{}", part("digest")));
            }
            arguments.extend(["image", &reference]);
        }
        "operator" => arguments.extend(["operator", part("csv"), "--ocp", part("ocp")]),
        _ => arguments.extend(["chart", part("name"), part("version"), "--kube", part("kube")]),
    }
    let output = host.output(&arguments);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    match (output.status.code(), document["rows"][0]["offline"]["code"].as_str()) {
        (Some(0), Some(_)) => "true".into(),
        (Some(1), Some("reader-crash")) => "panic".into(),
        (Some(1), Some(_)) => "false".into(),
        (Some(4), None) => "load-error".into(),
        other => format!("{other:?}: {}", text(&output)),
    }
}

fn answers(cases: &[Value]) {
    let host = Desk::bare();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let db = format!("db-{number}");
        write_folder(&host.join(&db), &case["files"]);
        let answer = answer(&host, &db, &case["question"]);
        if case["certsuite"] != answer.as_str() {
            wrong.push(format!("{}: {answer}, certsuite {}", case["name"], case["certsuite"]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn folders_beside_the_repository_give_the_answers_of_certsuites_reader() {
    let Some(path) = shared("data/reader-cases.jsonl") else { return };
    let lines = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= 26);
    answers(&cases);
}

#[test]
fn odd_folders_give_the_answers_of_certsuites_reader() {
    let digest = format!("sha256:{}", "c".repeat(64));
    let image = |tag: &str| {
        json!({"certified": true, "repositories": [{"registry": "quay.io", "repository": "fir/web", "tags": [{"name": tag}]}]}).to_string()
    };
    let containers = format!("{{\"{digest}\":{}}}", image("1"));
    let page = r#"{"data":[{"csv_name":"fir.v1.0.0","ocp_version":"4.12","channel_name":"s"}]}"#;
    let charts = "entries:\n  fir:\n  - {name: fir, version: 1.0.0}\n";
    let tag = |tag: &str| json!({"kind": "container", "registry": "quay.io", "repository": "fir/web", "tag": tag});
    let by_digest = json!({"kind": "container", "registry": "quay.io", "repository": "fir/web", "digest": digest});
    let operator = json!({"kind": "operator", "csv": "fir.v1.0.0", "ocp": "4.12"});
    let chart = json!({"kind": "chart", "name": "fir", "version": "1.0.0", "kube": "v1.28.0"});
    let case = |name: &str, question: &Value, certsuite: &str, changed: Value| {
        let mut files = json!({
            "data/containers/containers.db": containers,
            "data/operators/operator_catalog_page_0_500.db": page,
            "data/helm/helm.db": charts,
        });
        files.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        json!({"name": name, "question": question, "certsuite": certsuite, "files": files})
    };
    let images = |text: String| json!({"data/containers/containers.db": text});
    answers(&[
        case("as it should be", &tag("1"), "true", json!({})),
        case("a null entry by digest", &by_digest, "true", images(format!("{{\"{digest}\":null}}"))),
        case(
            "a null entry before a tag",
            &tag("1"),
            "panic",
            images(format!("{{\"x\":null,\"{digest}\":{}}}", image("1"))),
        ),
        case(
            "one key twice",
            &tag("1"),
            "false",
            images(format!("{{\"{digest}\":{},\"{digest}\":{}}}", image("1"), image("2"))),
        ),
        case(
            "a null that is replaced",
            &tag("1"),
            "true",
            images(format!("{{\"{digest}\":null,\"{digest}\":{}}}", image("1"))),
        ),
        case(
            "names in capitals",
            &tag("1"),
            "true",
            images(format!(
                "{{\"{digest}\":{}}}",
                image("1").replace("tags", "TAGS").replace("repository", "Repository")
            )),
        ),
        case("indented", &tag("1"), "true", images(format!("{{\n\n  \"{digest}\" :\n\t{} }}\n", image("1")))),
        case("images cut off", &operator, "load-error", images(containers[..60].to_owned())),
        case(
            "a desktop's leftovers",
            &operator,
            "true",
            json!({"data/operators/Thumbs.db": "\u{0}", "data/operators/.keep": ""}),
        ),
        case("a page of HTML", &operator, "true", json!({"data/operators/a.html": "<!doctype html>"})),
        case(
            "a subfolder and a link to nothing",
            &operator,
            "true",
            json!({"data/operators/old/": "", "data/operators/zz": {"link": "gone"}}),
        ),
        case(
            "a mistyped field",
            &operator,
            "false",
            json!({"data/operators/operator_catalog_page_0_500.db": page.replace("\"s\"", "7")}),
        ),
        case("a chart twice", &tag("1"), "load-error", json!({"data/helm/helm.db": format!("{charts}  fir: []\n")})),
        case("no charts at all", &tag("1"), "true", json!({"data/helm/helm.db": ""})),
        case("charts", &chart, "true", json!({})),
    ]);
    let host = Desk::bare();
    write_folder(&host.join("db"), &case("", &operator, "", json!({"data/operators/.keep": "x"}))["files"]);
    let warning = check(&host, &["--db", "db", "operator", "fir.v1.0.0"]).2;
    assert!(warning.contains("`data/operators/.keep` is not an operator page; certsuite skips it"), "{warning}");
}

/// A folder with one image in a registry without a dot.
fn small(host: &Desk) {
    let containers = json!({
        format!("sha256:{}", "d".repeat(64)): {"certified": true, "repositories": [
            {"registry": "non_registry", "repository": "fir/web", "tags": [{"name": "1"}, {"name": "latest"}]},
        ]},
    });
    write_folder(
        &host.join("db"),
        &json!({
            "data/containers/containers.db": containers.to_string(),
            "data/operators/operator_catalog_page_0_500.db": r#"{"data":[{"csv_name":"fir.v1.0.0","ocp_version":"4.12","channel_name":"s"}]}"#,
            "data/helm/helm.db": "entries: {}\n",
        }),
    );
}

#[test]
fn a_digest_alone_and_a_registry_without_a_dot_are_questions() {
    let host = Desk::bare();
    small(&host);
    let digest = format!("sha256:{}", "d".repeat(64));
    let db = ["--db", "db"];
    let ask = |arguments: &[&str]| check(&host, &[&db, arguments].concat());
    for arguments in [&["image", &digest][..], &["image", "--digest", &digest], &["image", &format!("redis@{digest}")]]
    {
        let (code, document, _) = ask(arguments);
        assert_eq!((code, &document["rows"][0]["offline"]["code"]), (0, &json!("digest-listed")), "{arguments:?}");
    }
    let (code, document, _) = ask(&["image", &digest.replace('d', "e")]);
    assert_eq!((code, &document["rows"][0]["offline"]["code"]), (1, &json!("no-digest")));
    for (reference, code) in [("non_registry/fir/web:1", 0), ("non_registry/fir/web", 0), ("non_registry/fir/web:2", 1)]
    {
        assert_eq!(ask(&["image", reference]).0, code, "{reference}");
    }
    for reference in ["fir/web:1", "redis", "redis:7", "sha256:abc", "dddd"] {
        let error = host.fails(2, &["check", "--db", "db", "image", reference]);
        assert!(!error.contains("docker.io"), "no hint makes up a registry: {error}");
        assert!(error.contains("names no registry") || error.contains("is not a digest"), "{error}");
    }
    std::fs::write(host.join("list"), "non_registry/fir/web:1\nfir/web:1\n").unwrap();
    let (code, document, _) = ask(&["--from", "list"]);
    assert_eq!((code, verdicts(&document)), (1, vec!["yes".into(), "unclear".into()]));
}

#[test]
fn what_is_no_list_of_questions_is_refused_once_with_what_to_do() {
    let host = Desk::bare();
    small(&host);
    for (input, part) in [
        (&b"NAMESPACE   NAME   IMAGE\nshop   web-0   quay.io/fir/web:1\n"[..], "oc get pods -A -o json"),
        (b"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n", "(but Deployment)"),
        (b"\x1f\x8b\x08\x00\x00", "gunzip"),
        (b"<html><body>blocked</body></html>", "HTML"),
        (b"web 1.0.0\ndb 2.0.0\n", "none of the 2 lines"),
        (b"pod/web-0\npod/web-1\n", "oc get pods -A -o json"),
        (b"", "is empty"),
    ] {
        std::fs::write(host.join("input"), input).unwrap();
        let error = host.fails(2, &["check", "--db", "db", "--from", "input"]);
        assert!(error.contains(part), "{error}");
    }
    for empty in ["[]", "{\"kind\":\"List\",\"items\":[]}", "apiVersion: v1\nitems: []\nkind: List\n"] {
        std::fs::write(host.join("input"), empty).unwrap();
        let answer = host.ok(&["check", "--db", "db", "--from", "input"]);
        assert!(answer.contains("0 of 0 certified"), "{answer}");
    }
    let utf_16: Vec<u8> = "\u{feff}operator fir.v1.0.0 4.12\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(host.join("input"), utf_16).unwrap();
    assert!(host.ok(&["check", "--db", "db", "--from", "input"]).contains("1 of 1 certified"));
}
