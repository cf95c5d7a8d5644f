//! The whole trip with the real program: keygen, bundle, carry, import, verify, and everything that can be wrong on the
//! way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use standin::{Catalog, Knobs, MadeUp, Standin};

use crate::cli_support::{Desk, text, tree};

fn small(seed: u64) -> Standin {
    let made_up = MadeUp { images: 1_200, bundles: 700, seed, longest_tie: Some(600), ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), Knobs::default())
}

/// The outcome of an ordinary program, or `None` where this machine lacks it.
fn plain(host: &Desk, program: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program).args(arguments).current_dir(host.path()).output();
    if output.is_err() {
        eprintln!("skipped: this machine has no `{program}`");
    }
    output.ok()
}

#[test]
fn fetch_sign_carry_verify_install() {
    let (server, host) = (small(1), Desk::with_key());
    let output = host.fetched(&server, &[]);
    let said = text(&output);
    assert!(output.status.success() && !said.contains("continuing an earlier run"), "{said}");
    assert!(!said.contains("the collection is empty"), "{said}");
    let archive = host.newest();
    for (program, arguments) in [
        ("zstd", vec!["-t", archive.as_str()]),
        ("tar", vec!["--zstd", "-tf", &archive]),
        ("tar", vec!["-tf", &archive]),
        ("sha256sum", vec!["-c", &format!("{archive}.sha256")]),
        ("minisign", vec!["-Vm", &archive, "-p", "oct.pub"]),
    ] {
        // `tar` needs the program `zstd`.
        if program == "tar" && plain(&host, "zstd", &["--version"]).is_none() {
            continue;
        }
        if let Some(output) = plain(&host, program, &arguments) {
            assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output));
        }
    }
    host.ok(&["import", &archive, "--key", "oct.pub", "--to", "db"]);
    host.ok(&["verify", "db", "--key", "oct.pub"]);
    host.ok(&["verify", &archive, "--key", "oct.pub"]);
    if plain(&host, "zstd", &["--version"]).is_some() {
        std::fs::create_dir(host.join("by-hand")).unwrap();
        plain(&host, "tar", &["--zstd", "-xf", &archive, "-C", "by-hand"]);
        let strip = |root: &str| -> Vec<_> {
            let root = host.join(root).join("data");
            tree(&root).into_iter().map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes)).collect()
        };
        assert!(!strip("db").is_empty());
        assert!(strip("db") == strip("by-hand"), "unpacking by hand gives the same tree");
    }
    let truth = server.truth();
    let operators: usize = ["certified-operators", "redhat-operators"].iter().map(|o| truth.bundles[*o].len()).sum();
    let json = std::fs::read_to_string(host.join("db/data/archive.json")).unwrap();
    let expected = format!(
        r#"{{"containers":{},"operators":{operators},"charts":{}}}"#,
        truth.certified.len(),
        truth.charts.len()
    );
    assert_eq!(json, expected);
    let again = host.ok(&["import", &archive, "--key", "oct.pub", "--to", "db"]);
    assert!(again.starts_with("Already installed, and intact"), "{again}");
}

#[test]
fn an_unchanged_catalog_is_recognised_and_reproducible() {
    let (server, host) = (small(2), Desk::with_key());
    let first = host.fetched(&server, &[]);
    assert!(first.status.success(), "{}", text(&first));
    let before = tree(host.path());
    let second = host.fetched(&server, &[]);
    assert!(text(&second).contains("Unchanged"), "{}", text(&second));
    let archives = |tree: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<_, _> {
        tree.into_iter().filter(|(path, _)| !path.starts_with(host.join(".cache"))).collect()
    };
    assert_eq!(archives(before), archives(tree(host.path())));

    let made = |out: &str| {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let arguments = ["bundle", "--catalog-url", &catalog, "--charts-url", &charts, "--out", out];
        let output = host.command(&arguments).env("SOURCE_DATE_EPOCH", "1767225600").output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let root = host.join(out);
        tree(&root).into_iter().map(|(p, bytes)| (p.strip_prefix(&root).unwrap().to_owned(), bytes)).collect::<Vec<_>>()
    };
    let one = made("one");
    // For an unchanged catalog, `oct bundle` reports the manifest of the existing archive, not that of the new fetch.
    let again = host.fetched(&server, &["--out", "one", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&document["outcome"], &document["created"]), (&"unchanged".into(), &"2026-01-01T00:00:00Z".into()));
    assert!(document["requests"].as_u64().unwrap() > 0, "this run's requests");
    assert_eq!(one.len(), 5, "an archive, its two sidecars, the list and its signature");
    assert!(one == made("two"), "equal content and equal `created` give equal bytes");

    server.remove(&server.truth().certified[0].id);
    let third = host.fetched(&server, &[]);
    assert!(text(&third).contains("Bundled"), "{}", text(&third));
}

#[test]
fn what_is_wrong_is_refused_and_leaves_the_folder_as_it_is() {
    let (server, host) = (small(3), Desk::with_key());
    let epoch = |out: &str, seconds: &str| {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let arguments = ["bundle", "--catalog-url", &catalog, "--charts-url", &charts, "--out", out];
        let output = host.command(&arguments).env("SOURCE_DATE_EPOCH", seconds).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    epoch("old", "1767225600");
    server.remove(&server.truth().certified[0].id);
    epoch("new", "1767312000");
    let (old, new) = ("old/catalog-2026010100.tar.zst", "new/catalog-2026010200.tar.zst");
    host.ok(&["import", new, "--key", "oct.pub", "--to", "db"]);
    let installed = tree(&host.join("db"));
    let refused = |code, arguments: &[&str]| {
        let all = [&["import"], arguments, &["--to", "db"]].concat();
        let stderr = host.fails(code, &all);
        assert!(installed == tree(&host.join("db")), "{arguments:?} changed the folder");
        stderr
    };
    // No key, another key.
    assert!(refused(4, &[new]).contains("no key is trusted"));
    let stranger = Desk::with_key();
    let other = stranger.join("oct.pub");
    assert!(refused(4, &[new, "--key", other.to_str().unwrap()]).contains("not trusted here"));
    // Older.
    assert!(refused(5, &[old, "--key", "oct.pub"]).contains("is older than the installed one"));
    // A truncated archive, at several places, and one with something behind it.
    let bytes = std::fs::read(host.join(new)).unwrap();
    for length in [0, 5, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(host.join("cut.tar.zst"), &bytes[..length]).unwrap();
        let stderr = refused(4, &["cut.tar.zst", "--key", "oct.pub"]);
        assert!(["empty file", "cut", "damaged"].iter().any(|word| stderr.contains(word)), "{length}: {stderr}");
    }
    std::fs::write(host.join("long.tar.zst"), [&bytes[..], b"x"].concat()).unwrap();
    assert!(refused(4, &["long.tar.zst", "--key", "oct.pub"]).contains("extra bytes after its end"));
    // Flipped bits, spread over the file.
    for position in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        std::fs::write(host.join("flip.tar.zst"), flipped).unwrap();
        refused(4, &["flip.tar.zst", "--key", "oct.pub"]);
    }
    // Sidecars of another archive.
    for suffix in ["sha256", "minisig"] {
        std::fs::copy(host.join(new), host.join("swap.tar.zst")).unwrap();
        std::fs::copy(host.join(format!("{old}.{suffix}")), host.join(format!("swap.tar.zst.{suffix}"))).unwrap();
        let stderr = refused(4, &["swap.tar.zst", "--key", "oct.pub"]);
        assert!(stderr.contains(&format!("swap.tar.zst.{suffix}")), "{stderr}");
        std::fs::remove_file(host.join(format!("swap.tar.zst.{suffix}"))).unwrap();
    }
    // Too old, and a dry run of what would be allowed.
    assert!(refused(5, &[new, "--key", "oct.pub", "--max-age", "1d"]).contains("old, and at most"));
    host.ok(&["import", old, "--key", "oct.pub", "--to", "db", "--allow-downgrade", "--dry-run"]);
    assert!(installed == tree(&host.join("db")));
    host.ok(&["import", old, "--key", "oct.pub", "--to", "db", "--allow-downgrade"]);
    assert!(installed != tree(&host.join("db")));
}

#[test]
fn a_partial_bundle_says_so_and_does_not_replace_a_full_one() {
    let (server, host) = (small(4), Desk::with_key());
    let output = host.fetched(&server, &["--since", "2021-06-01", "--out", "partial"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = host.output(&["import", "partial", "--key", "oct.pub", "--to", "db"]);
    assert!(output.status.success() && text(&output).contains("the archive is partial"), "{}", text(&output));
    let output = host.fetched(&server, &["--out", "full"]);
    assert!(output.status.success(), "{}", text(&output));
    host.ok(&["import", "full", "--key", "oct.pub", "--to", "full-db"]);
    let output = host.fetched(&server, &["--since", "2021-06-01", "--out", "later", "--force"]);
    assert!(output.status.success(), "{}", text(&output));
    let stderr = host.fails(5, &["import", "later", "--key", "oct.pub", "--to", "full-db"]);
    assert!(stderr.contains("partial"), "{stderr}");
}

#[test]
fn no_archive_when_the_source_fails() {
    let (server, host) = (small(5), Desk::with_key());
    server.die_after(4);
    let output = host.fetched(&server, &["--patience", "1s", "--out", "out"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert_eq!(tree(&host.join("out")).len(), 0);
    assert!(text(&output).contains("no connection"), "{}", text(&output));
    server.revive();
    let output = host.fetched(&server, &["--out", "out"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(tree(&host.join("out")).len(), 5);
}

#[test]
fn keys_are_checked_before_anything_is_fetched() {
    let (server, host) = (small(6), Desk::bare());
    let output = host.fetched(&server, &[]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert!(text(&output).contains("oct keygen"), "{}", text(&output));
    host.ok(&["keygen", "--no-password"]);
    std::fs::set_permissions(host.join("oct.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let output = host.fetched(&server, &[]);
    assert!(output.status.code() == Some(6) && text(&output).contains("mode 0644"), "{}", text(&output));
    let output = host.fetched(&server, &["--secret-key", "oct.pub"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output));
    assert_eq!(server.stats().requests, 0);
    // A key with a password, from a file and wrong.
    let host = Desk::bare();
    let private = |name: &str, text: &str| {
        std::fs::write(host.join(name), text).unwrap();
        std::fs::set_permissions(host.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    private("password", "open sesame\n");
    let keygen = host.command(&["keygen"]).env("OCT_KEY_PASSWORD_FILE", host.join("password")).output().unwrap();
    assert!(keygen.status.success(), "{}", text(&keygen));
    let bundle = |password: Option<&str>| {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let mut command = host.command(&["bundle", "--catalog-url", &catalog, "--charts-url", &charts]);
        if let Some(password) = password {
            private("given", password);
            command.env("OCT_KEY_PASSWORD_FILE", host.join("given"));
        }
        command.stdin(std::process::Stdio::null()).output().unwrap()
    };
    let output = bundle(None);
    assert!(output.status.code() == Some(6) && text(&output).contains("needs its password"), "{}", text(&output));
    let output = bundle(Some("wrong"));
    assert!(output.status.code() == Some(6) && text(&output).contains("not the password"), "{}", text(&output));
    let output = bundle(Some("open sesame"));
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn interrupted_by_a_signal_and_resumed() {
    let (server, host) = (small(7), Desk::with_key());
    server.set(|knobs| knobs.latency = std::time::Duration::from_millis(400));
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let arguments = ["bundle", "--catalog-url", &catalog, "--charts-url", &charts, "--page-size", "50", "--jobs", "2"];
    let mut child = host.command(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
    while server.stats().requests < 8 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    server.set(|knobs| knobs.latency = std::time::Duration::ZERO);
    let output = host.output(&arguments);
    assert!(output.status.success() && text(&output).contains("continuing an earlier run"), "{}", text(&output));
}

#[test]
fn the_real_documents_make_the_folder_that_is_known_to_be_right() {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !data.is_dir() {
        eprintln!("skipped: the recorded documents are not here");
        return;
    }
    let catalog = Catalog::empty()
        .with_recorded_images(&data.join("containers-20220714.db.zst"))
        .and_then(|c| c.with_recorded_bundles(&data.join("operator-bundles-20221012.jsonl.zst")))
        .and_then(|c| c.with_recorded_charts(&data.join("helm-index-20260820.yaml.zst")))
        .unwrap();
    let (server, host) = (Standin::start(catalog, Knobs::default()), Desk::with_key());
    let output = host.fetched(&server, &[]);
    assert!(output.status.success(), "{}", text(&output));
    host.ok(&["import", ".", "--key", "oct.pub", "--to", "db"]);
    std::fs::create_dir(host.join("known")).unwrap();
    let known = std::fs::File::open(data.join("tnf-db.tar.zst")).unwrap();
    tar::Archive::new(zstd::Decoder::new(known).unwrap()).unpack(host.join("known")).unwrap();
    let (found, due) = (catalog_of(&host.join("db")), catalog_of(&host.join("known")));
    assert_eq!((found.tags.len(), found.triples.len()), (4_637, 5_300));
    assert!(found.tags == due.tags, "every digest and every tag");
    assert!(found.triples == due.triples, "every operator triple");
    assert!(found.helm == due.helm);
    assert_eq!(found.archive_json, due.archive_json);
}

/// What a folder in the TNF layout holds.
#[derive(Debug, PartialEq)]
struct Contents {
    archive_json: serde_json::Value,
    /// Registry, repository and tag by digest.
    tags: BTreeMap<String, Vec<[String; 3]>>,
    triples: Vec<[String; 3]>,
    helm: Vec<u8>,
}

fn catalog_of(folder: &Path) -> Contents {
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join("data").join(path)).unwrap()).unwrap()
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut tags = BTreeMap::new();
    for (digest, entry) in json("containers/containers.db").as_object().unwrap() {
        let mut all = Vec::new();
        for repository in entry["repositories"].as_array().into_iter().flatten() {
            for tag in repository["tags"].as_array().into_iter().flatten() {
                all.push([text(&repository["registry"]), text(&repository["repository"]), text(&tag["name"])]);
            }
        }
        all.sort();
        all.dedup();
        tags.insert(digest.clone(), all);
    }
    let mut triples = Vec::new();
    for entry in std::fs::read_dir(folder.join("data/operators")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for row in json(&format!("operators/{name}"))["data"].as_array().unwrap() {
            triples.push(["csv_name", "ocp_version", "channel_name"].map(|field| text(&row[field])));
        }
    }
    triples.sort();
    Contents {
        archive_json: json("archive.json"),
        tags,
        triples,
        helm: std::fs::read(folder.join("data/helm/helm.db")).unwrap(),
    }
}
