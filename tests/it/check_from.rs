//! `oct check --from`: what comes out for pods, Helm releases and a claim, as people see it.

use std::fmt::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::check::fixture;
use crate::cli_support::{Desk, text};

/// Runs `check` on the folder with recorded verdicts; exit code and stdout.
fn run(host: &Desk, arguments: &[&str], columns: &str) -> (i32, String) {
    let db = fixture("rules").display().to_string();
    let mut all = vec!["check", "--db", &db];
    all.extend(arguments);
    let output = host.command(&all).env("COLUMNS", columns).stdin(Stdio::null()).output().unwrap();
    assert!(text(&output).contains("unsigned"), "{}", text(&output));
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// 250 pods with two containers each, of every kind that occurs.
fn pods() -> Value {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let kinds = [
        ("quay.io/oakleaf/web:1.2", format!("quay.io/oakleaf/web@{}", digest("1"))),
        ("quay.io/oakleaf/web:1.3", format!("docker-pullable://quay.io/oakleaf/web@{}", digest("f"))),
        ("registry.redhat.io/ubi-like/base:9", format!("registry.redhat.io/ubi-like/base@{}", digest("3"))),
        ("quay.io/elsewhere/tool:4", format!("quay.io/elsewhere/tool@{}", digest("c"))),
        ("quay.io/oakleaf/web:1.2", String::new()),
        ("busybox", format!("docker.io/library/busybox@{}", digest("d"))),
        ("not an image", String::new()),
    ];
    let pods = (0..250).map(|number| {
        let container = |place: usize, name: &str| {
            let (image, id) = &kinds[(number * 2 + place) % kinds.len()];
            (json!({ "name": name, "image": image }), json!({ "name": name, "image": image, "imageID": id, "ready": true }))
        };
        let (first, second) = (container(0, "main"), container(1, "proxy"));
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": format!("app-{number:03}"), "namespace": format!("team-{}", number % 9), "labels": { "app": "x" } },
            "spec": { "nodeName": "worker-1", "containers": [first.0, second.0] },
            "status": { "phase": "Running", "containerStatuses": [second.1, first.1] },
        })
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": pods.collect::<Vec<_>>(), "metadata": { "resourceVersion": "" } })
}

#[test]
fn five_hundred_images_of_pods() {
    let host = Desk::bare();
    std::fs::write(host.join("pods.json"), pods().to_string()).unwrap();
    let (code, table) = run(&host, &["--from", "pods.json"], "100");
    assert_eq!(code, 1);
    let mut shown: String = table.lines().take(25).fold(String::new(), |mut shown, line| {
        let _ = writeln!(shown, "{line}");
        shown
    });
    let _ = write!(shown, "…\n{}", table.rsplit("\n\n").next().unwrap().trim_end());
    insta::assert_snapshot!("pods", shown);
    let (_, document) = run(&host, &["--from", "pods.json", "--json"], "100");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["rows"].as_array().unwrap().len(), 500);
    insta::assert_snapshot!("pods-summary", format!("{:#}\n{:#}", document["summary"], document["rows"][0]));
}

#[test]
fn helm_releases_and_a_claim() {
    let host = Desk::bare();
    let releases = fixture("releases.json").display().to_string();
    let (code, table) = run(&host, &["--from", &releases, "--kube", "v1.25.11"], "100");
    assert_eq!(code, 1);
    insta::assert_snapshot!("releases", table);
    let claim = fixture("claim.json").display().to_string();
    let (code, table) = run(&host, &["--from", &claim], "100");
    assert_eq!(code, 1);
    insta::assert_snapshot!("claim", table);
}

#[test]
fn sixty_columns_and_the_online_rules() {
    let host = Desk::bare();
    let lines = [
        "quay.io/oakleaf/nolatest",
        "quay.io/oakleaf/draft:0.1",
        &format!("registry.example:5000/deep/er/path@sha256:{}", "4".repeat(64)),
        "operator oak-nodot",
        "operator oak-db.v1.0.0 4.10",
        "evil\u{1b}[31m thing is not this at all",
    ];
    std::fs::write(host.join("list"), lines.join("\n")).unwrap();
    let (code, table) = run(&host, &["--from", "list", "--online-rules"], "60");
    assert_eq!(code, 1);
    assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    assert!(!table.contains('\u{1b}'));
    insta::assert_snapshot!("narrow", table);
}
