//! Every exit code, from the program itself.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli_support::{Desk, json_lines, server};

/// One row: what is done, and the code that scripts get.
type Row = (&'static str, &'static [&'static str], i32);

const ROWS: &[Row] = &[
    ("done", &["import", "one", "--to", "db"], 0),
    ("nothing differs", &["diff", "db", "one.tar.zst"], 0),
    ("it is as it was signed", &["status", "db"], 0),
    ("it is too old", &["status", "db", "--max-age", "0s"], 1),
    ("nothing is installed", &["status", "elsewhere"], 1),
    ("not certified", &["check", "image", "quay.io/nobody/nothing:1", "--db", "db"], 1),
    ("put back", &["rollback", "for-rollback"], 0),
    ("something differs", &["diff", "one.tar.zst", "two.tar.zst"], 1),
    ("a flag that there is not", &["import", "--nonsense"], 2),
    ("a value that cannot be", &["bundle", "--jobs", "none"], 2),
    ("flags that make no sense together", &["bundle", "--from-db", "db", "--page-size", "9"], 2),
    ("no image reference", &["check", "image", "redis", "--db", "db"], 2),
    (
        "the source does not answer",
        &[
            "bundle",
            "--out",
            "x",
            "--patience",
            "1s",
            "--catalog-url",
            "http://127.0.0.1:9",
            "--charts-url",
            "http://127.0.0.1:9",
        ],
        3,
    ),
    ("a URL that nothing can be fetched from", &["bundle", "--catalog-url", "ftp://127.0.0.1/"], 2),
    ("a damaged archive", &["import", "damaged.tar.zst", "--to", "db"], 4),
    ("a signature by nobody who is trusted", &["verify", "stranger.tar.zst"], 4),
    ("nothing to ask", &["check", "image", "quay.io/a/b:1", "--db", "elsewhere"], 4),
    ("an altered folder", &["verify", "altered"], 4),
    ("something else", &["inspect", "oct.pub"], 4),
    ("older than what is installed", &["import", "old.tar.zst", "--to", "db"], 5),
    ("too old", &["import", "old.tar.zst", "--to", "elsewhere", "--max-age", "1d"], 5),
    ("no such file", &["verify", "nowhere.tar.zst"], 6),
    ("nothing to put back", &["rollback", "db"], 6),
    ("no key to sign with", &["bundle", "--secret-key", "nowhere.key"], 6),
    ("a folder that cannot be made", &["import", "one.tar.zst", "--to", "oct.pub/db"], 6),
];

#[test]
fn every_exit_code() {
    let desk = Desk::new();
    let server = server(300, 2);
    desk.bundle(&server, "one", &["--level", "1"]).expect(0);
    fs::copy(desk.join(desk.archive("one")), desk.join("one.tar.zst")).unwrap();
    let removed = server.truth().certified[0].id.clone();
    server.remove(&removed);
    desk.bundle(&server, "two", &["--level", "1"]).expect(0);
    fs::copy(desk.join(desk.archive("two")), desk.join("two.tar.zst")).unwrap();
    let mut bytes = fs::read(desk.join("one.tar.zst")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(desk.join("damaged.tar.zst"), bytes).unwrap();
    for folder in ["for-old", "for-rollback", "altered"] {
        desk.run(&["import", "one.tar.zst", "--to", folder]).expect(0);
    }
    desk.run(&["import", "two.tar.zst", "--to", "for-rollback", "--allow-downgrade"]).expect(0);
    fs::write(desk.join("altered/data/archive.json"), "{}").unwrap();
    let mut old = desk.command(&["bundle", "--from-db", "for-old", "--out", "old"]);
    assert!(old.env("SOURCE_DATE_EPOCH", "1600000000").output().unwrap().status.success());
    fs::copy(desk.join(desk.archive("old")), desk.join("old.tar.zst")).unwrap();
    let stranger = Desk::new();
    stranger.bundle(&server, "out", &["--level", "1"]).expect(0);
    fs::copy(stranger.join(stranger.archive("out")), desk.join("stranger.tar.zst")).unwrap();

    // A folder that is not as it was signed is an answer of `status`, on stdout, and no error.
    let status = desk.run(&["status", "altered"]);
    assert_eq!(status.code, Some(4), "{}{}", status.out, status.err);
    assert!(status.out.starts_with("NOT what was signed"), "{}", status.out);

    for (what, arguments, code) in ROWS {
        let run = desk.run(arguments);
        assert_eq!(run.code, Some(*code), "{what}: {arguments:?}\n{}{}", run.out, run.err);
        if *code >= 2 {
            assert_eq!(run.out, "", "{what}: stdout holds data only");
            assert!(run.err.starts_with("error: "), "{what}: {}", run.err);
        }
        if *code >= 2 {
            let document = desk.run(&[*arguments, &["--json"]].concat()).json();
            assert_eq!(document["schema"], "oct.error.v1", "{what}");
            assert_eq!(document["error"]["exit"], *code, "{what}");
            let json = desk.run(&[*arguments, &["--log-format", "json"]].concat());
            let errors: Vec<_> = json_lines(&json.err).into_iter().filter(|line| line["level"] == "ERROR").collect();
            let code = &document["error"]["code"];
            assert!(
                errors.len() == 1 && errors[0]["fields"]["code"] == *code && code.is_string(),
                "{what}: {}",
                json.err
            );
        }
    }
}

#[test]
fn a_signal_ends_a_bundle_with_its_code_and_no_archive() {
    let desk = Desk::new();
    let server = server(2_000, 2);
    server.set(|knobs| knobs.latency = Duration::from_secs(20));
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let arguments = ["bundle", "--out", "out", "--catalog-url", &catalog, "--charts-url", &charts];
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut child = desk.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        server.clear();
        while server.stats().connections == 0 && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(fs::read_dir(desk.join("out")).unwrap().count(), 0);
    }
}
