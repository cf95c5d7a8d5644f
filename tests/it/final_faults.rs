//! What cannot get better ends at once, with one sentence that says why; secrets stay where they belong.

use std::time::{Duration, Instant};

use standin::{Access, Catalog, Knobs, MadeUp, Standin};

use crate::cli_support::{Desk, Run};
use crate::tls_support::{Fixed, pem, tiny};

/// What is due at most for a fault that is final.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Bundles, with the environment and the arguments; how long it took is the second.
fn bundle(desk: &Desk, catalog: &str, charts: &str, environment: &[(&str, &str)], more: &[&str]) -> (Run, Duration) {
    let fixed = ["bundle", "--out", "out", "--catalog-url", catalog, "--charts-url", charts];
    let began = Instant::now();
    let mut command = desk.command(&[&fixed, more].concat());
    let run = command.envs(environment.iter().copied()).output().unwrap().into();
    (run, began.elapsed())
}

/// It ended at once with exit code 3, one sentence that has all of `words`, and a hint that has `hint`.
#[track_caller]
fn assert_final((run, took): (Run, Duration), words: &[&str], hint: &str) {
    let run = run.expect(3);
    let error = run.err.lines().find(|line| line.starts_with("error:")).unwrap_or_default();
    let said = run.err.split_once("error:").map_or("", |(_, said)| said).replace('\n', " ");
    assert!(!error.is_empty() && words.iter().all(|word| said.contains(word)), "{}", run.err);
    assert!(run.err.contains("hint:") && said.contains(hint), "{}", run.err);
    assert!(took < AT_ONCE * slack(), "{took:?}");
}

/// A loaded machine takes longer to start a program, not to decide.
fn slack() -> u32 {
    5
}

fn small() -> Standin {
    let made_up = MadeUp { images: 300, bundles: 20, charts: 3, ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), Knobs::default())
}

#[test]
fn a_certificate_that_is_not_accepted() {
    let desk = Desk::new();
    let ca = pem("ca.pem");
    let ca = ca.to_str().unwrap();
    let trusting = ["--ca-cert", ca];
    for (certificate, key, more, word) in [
        ("server.pem", "server.key", &[][..], "an authority that this host does not know"),
        ("expired.pem", "server.key", &trusting, "has expired"),
        ("other.pem", "other.key", &trusting, "not for the name `localhost`"),
        ("ca.pem", "ca.key", &trusting, "authority"),
    ] {
        let server = Fixed::start(Some((certificate, key)), |path, _| tiny(path));
        let url = format!("https://localhost:{}", server.port);
        let charts = format!("{url}/index.yaml");
        assert_final(bundle(&desk, &url, &charts, &[], more), &["certificate", word], "--ca-cert");
    }
    let server = Fixed::start(Some(("server.pem", "server.key")), |path, _| tiny(path));
    let url = format!("https://localhost:{}", server.port);
    bundle(&desk, &url, &format!("{url}/index.yaml"), &[], &trusting).0.expect(0);
}

#[test]
fn statuses_that_mean_it_and_names_that_do_not_exist() {
    let desk = Desk::new();
    let server = small();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let header = Some(("X-API-KEY".to_owned(), "s3cret".to_owned()));
    server.set(|knobs| knobs.access = Access { user_agent: None, header: header.clone(), header_status: 401 });
    assert_final(bundle(&desk, &catalog, &charts, &[], &[]), &["401"], "--header");
    server.set(|knobs| knobs.access = Access::default());
    let lost = format!("{}/lost", catalog.trim_end_matches("/api/containers/v1"));
    assert_final(bundle(&desk, &lost, &charts, &[], &[]), &["404"], "--catalog-url");
    let nobody = "http://nobody.invalid/api";
    assert_final(bundle(&desk, nobody, &charts, &[], &[]), &["`nobody.invalid` does not exist"], "HTTPS_PROXY");
}

#[test]
fn a_front_end_that_refuses_is_not_waited_for_long() {
    let desk = Desk::new();
    let server = small();
    server.set(|knobs| knobs.access = Access { user_agent: Some("curl/".into()), ..Access::default() });
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let (run, took) = bundle(&desk, &catalog, &charts, &[], &["--patience", "16s"]);
    assert!(run.expect(3).err.contains("--user-agent"));
    assert!(took < Duration::from_secs(12), "{took:?}");
    let as_curl = ["--user-agent", "curl/8.0"];
    bundle(&desk, &catalog, &charts, &[], &as_curl).0.expect(0);
}

#[test]
fn a_proxy_setting_that_cannot_be_read() {
    let desk = Desk::new();
    let server = small();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    for (variable, value) in [
        ("HTTPS_PROXY", r"http://DOMAIN\user:s3cret@127.0.0.1:1"),
        ("https_proxy", "http://a user:s3cret@127.0.0.1:1"),
        ("ALL_PROXY", "ftp://127.0.0.1:1"),
        ("HTTP_PROXY", "http://127.0.0.1:1000000"),
    ] {
        let ended = bundle(&desk, &catalog, &charts, &[(variable, value)], &["-vv"]);
        assert!(!ended.0.err.contains("s3cret"), "{}", ended.0.err);
        assert_final(ended, &["proxy", variable], "http://HOST:PORT");
    }
    assert_eq!(server.stats().requests, 0, "nothing went out directly");
}

#[test]
fn a_key_goes_to_the_catalogs_server_alone_and_into_no_log() {
    let desk = Desk::new();
    std::fs::write(desk.join("key"), "s3cret\n").unwrap();
    // The catalog sends on to another port, which is another server.
    static ELSEWHERE: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    let elsewhere = Fixed::start(None, |path, _| tiny(path));
    ELSEWHERE.set(elsewhere.port).unwrap();
    let home = Fixed::start(None, |path, _| {
        let port = ELSEWHERE.get().unwrap();
        (format!("302 Found\r\nLocation: http://127.0.0.1:{port}{path}"), Vec::new())
    });
    let catalog = format!("http://127.0.0.1:{}", home.port);
    let charts = format!("http://127.0.0.1:{}/index.yaml", elsewhere.port);
    let (run, _) = bundle(&desk, &catalog, &charts, &[], &["--header", "X-API-KEY: @key", "-vvv"]);
    let run = run.expect(0);
    assert!(home.asked().to_ascii_lowercase().contains("x-api-key: s3cret"), "{}", home.asked());
    assert!(!elsewhere.asked().contains("s3cret"), "{}", elsewhere.asked());
    assert!(!run.err.contains("s3cret") && !run.out.contains("s3cret"), "{}", run.err);
    assert!(elsewhere.asked().contains("GET /images"));
}

#[test]
fn https_never_leads_to_http_and_the_manifest_names_who_answered() {
    let desk = Desk::new();
    let ca = pem("ca.pem");
    let trusting = ["--ca-cert", ca.to_str().unwrap()];
    let down = Fixed::start(Some(("server.pem", "server.key")), |path, _| {
        (format!("301 Moved\r\nLocation: http://127.0.0.1:9{path}"), Vec::new())
    });
    let url = format!("https://localhost:{}", down.port);
    let charts = format!("{url}/index.yaml");
    assert_final(bundle(&desk, &url, &charts, &[], &trusting), &["no encryption"], "address");
    let same = Fixed::start(Some(("server.pem", "server.key")), |path, port| match path.strip_prefix("/old") {
        Some(rest) => (format!("307 Moved\r\nLocation: https://127.0.0.1:{port}{rest}"), Vec::new()),
        None => tiny(path),
    });
    let url = format!("https://localhost:{}/old", same.port);
    bundle(&desk, &url, &format!("{url}/index.yaml"), &[], &trusting).0.expect(0);
    let inspected = desk.run(&["inspect", &desk.archive("out"), "--json"]).expect(0).json();
    for source in inspected["manifest"]["sources"].as_array().unwrap() {
        assert_eq!(source["fetch"]["host"], "127.0.0.1", "{source}");
    }
}
