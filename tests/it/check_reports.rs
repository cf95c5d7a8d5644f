//! What `oct check` explains, and the reports that it writes.

use serde_json::{Value, json};
use standin::{Catalog, Knobs, MadeUp, Standin};

use crate::check::fixture;
use crate::cli_support::{Desk, text};

pub fn rules() -> String {
    fixture("rules").display().to_string()
}

/// Text that would do something on a page that does not escape it.
pub const EVIL: &str = "</td><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&\u{1b}[31m\u{202e}";

pub fn pods() -> Value {
    let pod = |name: &str, phase: &str, image: &str, id: &str| {
        json!({
            "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"containers": [{"name": "c", "image": image}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "c", "imageID": id}]},
        })
    };
    let id = |digit: &str| format!("quay.io/a/b@sha256:{}", digit.repeat(64));
    json!([
        pod("web-0", "Running", "quay.io/oakleaf/web:1.2", &id("1")),
        pod("web-1", "Running", "quay.io/oakleaf/other:1", &id("9")),
        pod("web-2", "Running", "quay.io/oakleaf/late:1", ""),
        pod("web-3", "Running", "quay.io/oakleaf/other:2", &id("8")),
        pod("job-0", "Succeeded", "quay.io/oakleaf/job:1", &id("1")),
        pod(EVIL, "Running", EVIL, EVIL),
        "odd",
    ])
}

#[test]
fn the_table_says_what_is_not_asked_and_groups_what_is_not_certified() {
    let host = Desk::bare();
    std::fs::write(host.join("pods.json"), pods().to_string()).unwrap();
    let output =
        host.command(&["check", "--db", &rules(), "--from", "pods.json"]).env("COLUMNS", "90").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(!table.contains('\u{1b}') && !table.contains('\u{202e}'));
    insta::assert_snapshot!("not_asked", table);
}

#[test]
fn a_claim_names_the_release_that_wrote_it() {
    let host = Desk::bare();
    let claim = fixture("claim.json").display().to_string();
    let output = host.output(&["check", "--db", &rules(), "--from", &claim]);
    let table = String::from_utf8(output.stdout).unwrap();
    let said = table.split("\n\n").next().unwrap().replace('\n', " ");
    let versions = "format v0.4.0, OpenShift 4.12.30, Kubernetes v1.25.11";
    assert_eq!(said, format!("certsuite v4.5.0 wrote this claim, {versions}"));
}

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let host = Desk::bare();
    std::fs::write(host.join("pods.json"), pods().to_string()).unwrap();
    let arguments = ["check", "--db", &rules(), "--from", "pods.json", "--html", "page.html", "--junit", "report.xml"];
    assert_eq!(host.output(&arguments).status.code(), Some(1));
    let page = std::fs::read_to_string(host.join("page.html")).unwrap();
    for part in
        ["1 of 6 certified", "sha256:1111", "no entry for digest", "not asked", "nobody who is trusted", "unsigned"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(page.matches("<script").count(), 1, "text from outside is escaped");
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    for loads in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        let own = page.replace("https://", "").matches(loads).count();
        assert_eq!(own, if loads == "src=" { page.matches("&lt;img src=x").count() } else { 0 }, "{loads}");
    }
    let policy = page.split("content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("script-src 'sha256-"));
    // The policy is of the style and the script as they stand there.
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let inside = page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
        let hash = oct::base::digest::Sha256Digest::of(inside.as_bytes()).to_string();
        let stated = policy.split(&format!("{directive} 'sha256-")).nth(1).unwrap().split('\'').next().unwrap();
        assert_eq!(base64_to_hex(stated), hash, "{tag}");
    }
    let report = std::fs::read_to_string(host.join("report.xml")).unwrap();
    assert!(report.contains(r#"tests="7" failures="4" errors="1" skipped="1""#), "{report}");
    assert!(
        report.contains(r#"<failure type="no-digest""#)
            && report.contains(r#"<skipped message="certsuite asks about running"#)
    );
    assert!(!report.contains("<img") && !report.contains('\u{1b}'));
    let rest: Vec<_> = std::fs::read_dir(host.join("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(rest.len(), 3, "no temporary file stays: {rest:?}");
}

fn base64_to_hex(text: &str) -> String {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    let bits: Vec<u8> = digits.iter().flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1)).collect();
    let byte = |bits: &[u8]| bits.iter().fold(0u8, |byte, bit| byte << 1 | bit);
    bits.chunks_exact(8).map(|bits| format!("{:02x}", byte(bits))).collect()
}

#[test]
fn a_report_that_cannot_be_written_is_this_hosts_failure() {
    let host = Desk::bare();
    let error =
        host.fails(6, &["check", "--db", &rules(), "operator", "oak-db.v1.0.0", "--html", "no/such/folder.html"]);
    assert!(error.contains("no/such/folder.html"), "{error}");
}

#[test]
fn images_of_red_hats_registries_are_explained() {
    let made_up = MadeUp { images: 60, bundles: 20, charts: 3, seed: 5, ..MadeUp::default() };
    let server = Standin::start(Catalog::made_up(&made_up), Knobs::default());
    let host = Desk::with_key();
    for (out, flags, note) in [("without", &[][..], true), ("with", &["--redhat-images"], false)] {
        std::fs::create_dir(host.join(out)).unwrap();
        let output = host.fetched(&server, &[&["--out", out], flags].concat());
        assert!(output.status.success(), "{}", text(&output));
        host.ok(&["import", out, "--key", "oct.pub", "--to", &format!("db-{out}")]);
        let db = format!("db-{out}");
        let ask = ["check", "--json", "--key", "oct.pub", "--db", &db, "image", "registry.redhat.io/fir/absent:1"];
        let document: Value = serde_json::from_slice(&host.output(&ask).stdout).unwrap();
        let code = document["rows"][0]["note"]["code"].as_str();
        assert_eq!(code, note.then_some("bundled-without-redhat-images"), "{document:#}");
        let mut files = std::fs::read_dir(host.join(out)).unwrap().map(|entry| entry.unwrap().path());
        let archive = files.find(|path| path.to_string_lossy().ends_with(".tar.zst")).unwrap();
        let ask = ["check", "--json", "--key", "oct.pub", "--db", archive.to_str().unwrap(), ask[6], ask[7]];
        let of_archive: Value = serde_json::from_slice(&host.output(&ask).stdout).unwrap();
        assert_eq!(of_archive["rows"], document["rows"]);
        assert_eq!(of_archive["content"], document["content"]);
    }
    // Without a manifest the data themselves tell.
    let document = host.output(&["check", "--json", "--db", &rules(), "image", "registry.redhat.io/fir/absent:1"]);
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert!(document["rows"][0]["note"].is_null(), "this folder has one: {document:#}");
}

#[test]
fn a_file_that_is_gone_is_not_what_was_signed() {
    let made_up = MadeUp { images: 60, bundles: 600, charts: 3, seed: 6, ..MadeUp::default() };
    let server = Standin::start(Catalog::made_up(&made_up), Knobs::default());
    let host = Desk::with_key();
    assert!(host.fetched(&server, &[]).status.success());
    host.ok(&["import", &host.newest(), "--key", "oct.pub", "--to", "db"]);
    let ask = ["check", "--key", "oct.pub", "--db", "db", "operator", "absent.v1"];
    assert!(!host.fails(1, &ask).contains("differs from what was signed"));
    std::fs::write(host.join("db/data/operators/.keep"), "").unwrap();
    assert!(host.fails(1, &ask).contains("`data/operators/.keep` differs from what was signed"));
    std::fs::remove_file(host.join("db/data/operators/.keep")).unwrap();
    std::fs::remove_file(host.join("db/data/operators/operator_catalog_page_0_500.db")).unwrap();
    assert!(host.fails(1, &ask).contains("operator_catalog_page_0_500.db` differs from what was signed"));
}
