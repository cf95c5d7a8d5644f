//! A fetch that is stopped at any moment leaves nothing half done, and the next run goes on where it was.

use std::process::Stdio;
use std::time::Duration;

use standin::{Catalog, Knobs, MadeUp, Standin, Undated};

use crate::cli_support::{Desk, text, tree};

fn server() -> Standin {
    let made_up = MadeUp { images: 8_000, bundles: 2_000, longest_tie: Some(250), ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), Knobs::default())
}

/// `content` of the manifest that a bundle of everything has.
fn content(host: &Desk, server: &Standin, out: &str, arguments: &[&str]) -> String {
    let all = [&["--out", out, "--json", "--page-size", "100"], arguments].concat();
    let output = host.fetched(server, &all);
    assert!(output.status.success(), "{}", text(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    document["content"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_that_dies_half_way() {
    let (server, host) = (server(), Desk::with_key());
    let undisturbed = content(&host, &server, "undisturbed", &[]);
    let (documents, half) = (server.stats().documents, server.stats().requests / 2);
    server.die_after(half);
    let output = host.fetched(&server, &["--out", "out", "--page-size", "100", "--patience", "1s"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("hint: run the same command again") || text(&output).contains("check the address"));
    assert_eq!(tree(&host.join("out")).len(), 0, "neither an archive nor a part of one");
    server.revive();
    server.clear();
    assert_eq!(content(&host, &server, "out", &[]), undisturbed);
    let again = server.stats().documents;
    assert!(again * 10 < documents * 6, "{again} of {documents} documents were asked for again");
    eprintln!("after a death half-way, {again} of {documents} documents were asked for again");
}

/// systemd's cache folder of a service with `DynamicUser=` is a link.
#[test]
fn a_service_whose_cache_folder_is_a_link_is_continued() {
    let (server, host) = (server(), Desk::with_key());
    std::fs::create_dir_all(host.join("private/oct")).unwrap();
    std::os::unix::fs::symlink("private/oct", host.join("oct-cache")).unwrap();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let bundle = ["bundle", "--catalog-url", &catalog, "--charts-url", &charts, "--out", "out", "--page-size", "100"];
    let run = || {
        let mut command = host.command(&[&bundle[..], &["--patience", "1s"]].concat());
        command.env("CACHE_DIRECTORY", host.join("oct-cache")).output().unwrap()
    };
    server.die_after(40);
    let output = run();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(!text(&output).contains("the cache is not used"), "{}", text(&output));
    server.revive();
    let output = run();
    assert!(output.status.success() && text(&output).contains("continuing an earlier run"), "{}", text(&output));
}

/// The walk was over, so the second run asks for nothing but evidence, and does not know how slow the server is.
#[test]
fn what_the_walk_cannot_have_is_asked_for_after_it_too() {
    let made_up = MadeUp { images: 800, bundles: 200, ..MadeUp::default() };
    let catalog = Catalog::made_up(&made_up).with_undated(30, 20, Undated::Null);
    let (server, host) = (Standin::start(catalog, Knobs::default()), Desk::with_key());
    let undisturbed = content(&host, &server, "undisturbed", &[]);
    server.set(|knobs| knobs.latency = Duration::from_millis(400));
    server.clear();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let arguments =
        ["bundle", "--catalog-url", &catalog, "--charts-url", &charts, "--page-size", "100", "--out", "out"];
    let mut child = host.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let is_evidence = |request: &standin::Request| request.query.iter().any(|(_, value)| value.contains("==null and"));
    while !server.requests().iter().any(is_evidence) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(content(&host, &server, "out", &[]), undisturbed);
}

#[test]
fn killed_at_random_moments() {
    let rounds = std::env::var("OCT_TEST_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    let (server, host) = (server(), Desk::with_key());
    let undisturbed = content(&host, &server, "undisturbed", &[]);
    let whole = server.stats().requests;
    server.set(|knobs| knobs.latency = Duration::from_millis(10));
    for round in 0..rounds {
        server.clear();
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let out = format!("out-{round}");
        let arguments =
            [["bundle", "--catalog-url", &catalog, "--charts-url"], [&charts, "--page-size", "100", "--out"]];
        let mut command = host.command(&[&arguments.concat()[..], &[&out]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let stop_at = 3 + whole * (2 * round + 1) / (2 * rounds);
        while server.stats().requests < stop_at && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Either the archive is there, whole, or nothing that looks like one.
        for path in tree(&host.join(&out)).keys().filter(|path| path.to_string_lossy().ends_with(".zst")) {
            host.ok(&["verify", path.to_str().unwrap(), "--key", "oct.pub"]);
        }
        assert_eq!(content(&host, &server, &out, &[]), undisturbed, "round {round}");
        assert_eq!(tree(&host.join(&out)).len(), 5, "no litter: an archive, its sidecars, the list and its signature");
    }
}

#[test]
fn a_signal_ends_it_at_once_even_while_it_reads() {
    let (server, host) = (server(), Desk::with_key());
    let versions: String = (0..30_000).map(|i| format!("  - version: 1.0.{i}\n    kubeVersion: '>= 1.20'\n")).collect();
    server.set_charts(&format!("apiVersion: v1\nentries:\n  a:\n{versions}"));
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        server.clear();
        let arguments = ["bundle", "--fresh", "--catalog-url", &catalog, "--charts-url", &charts, "--out", "out"];
        let mut child = host.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
        let is_read = || server.requests().iter().any(|it| it.path.ends_with("index.yaml") && it.status.is_some());
        while !is_read() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let told = std::time::Instant::now();
        let status = child.wait().unwrap();
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
        assert!(matches!(status.code(), Some(130 | 143)), "{status}");
        assert!(tree(&host.join("out")).is_empty());
    }
}
