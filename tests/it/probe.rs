//! `oct probe` and `oct doctor`: what they say of a server and of a folder, and whether it is true.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use standin::{Catalog, Knobs, MadeUp, Ping, Profile, SlowEnd, Standin};

use crate::cli_support::{Desk, Run, server};

/// Runs `oct probe` on the server, with little patience.
fn probe(server: &Standin, more: &[&str]) -> Run {
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let fixed = ["probe", "--catalog-url", &catalog, "--charts-url", &charts, "--stall-timeout", "2s"];
    Desk::bare().run(&[&fixed, more].concat())
}

fn trials<'a>(document: &'a Value, source: &str) -> impl Iterator<Item = &'a Value> {
    let source = source.to_owned();
    document["trials"].as_array().unwrap().iter().filter(move |trial| trial["source"] == *source)
}

fn of_profile(profile: Profile) -> Standin {
    let mut knobs = Knobs::of(profile);
    (knobs.slow.stall, knobs.slow.end) = (Duration::from_millis(100), SlowEnd::Alternate);
    let made_up = MadeUp { images: 700, bundles: 620, charts: 12, seed: 3, longest_tie: Some(20), ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), knobs)
}

#[test]
fn a_plain_server_answers_every_form() {
    let server = server(700, 3);
    let document = probe(&server, &["--json"]).expect(0).json();
    assert_eq!(document["lacking"], serde_json::json!([]));
    let images: Vec<_> = trials(&document, "containers").collect();
    assert!(images.iter().all(|trial| trial["accepted"] == true), "{images:#?}");
    let used: Vec<_> = images.iter().filter(|trial| trial["use"] == "listing").collect();
    assert_eq!((used.len(), &used[0]["form"]), (1, &"by date, 500 a page".into()));
    assert_eq!(used[0]["documents"], 500);
    let count = images.iter().find(|trial| trial["form"] == "count").unwrap();
    assert_eq!(count["documents"], server.truth().certified.len());
    assert_eq!(trials(&document, "charts").next().unwrap()["use"], "needed");
}

#[test]
fn slow_paths_are_told_and_the_way_around_them() {
    for profile in [Profile::Upstream, Profile::Proven] {
        let server = of_profile(profile);
        let document = probe(&server, &["--json"]).expect(0).json();
        let form = |form: &str| trials(&document, "containers").find(|trial| trial["form"] == form).unwrap();
        assert_eq!(form("by date, 500 a page")["use"], "listing");
        for slow in ["count", "changes", "sorted by id"] {
            assert_eq!(form(slow)["accepted"], false, "{slow}");
            assert!(form(slow)["cause"].is_string());
        }
        let stalled = form("changes")["status"].as_u64().unwrap();
        assert!([504, 200].contains(&stalled), "{stalled}");
    }
}

#[test]
fn the_table_fits_narrow_terminals_and_holds_no_secret() {
    let server = of_profile(Profile::Upstream);
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let catalog = catalog.replace("http://", "http://user:s3cret@");
    let desk = Desk::bare();
    let arguments = [
        "probe",
        "--catalog-url",
        &catalog,
        "--charts-url",
        &charts,
        "--stall-timeout",
        "2s",
        "--header",
        "X-API-KEY: s3cret",
    ];
    let run = desk.run(&arguments).expect(0);
    assert!(run.out.contains("`oct bundle` can fetch all that it needs from here."), "{}", run.out);
    on_a_terminal(&desk, &arguments);
    let json = desk.run(&[&arguments[..], &["--json", "-vv"]].concat());
    assert!(![&run.out, &run.err, &json.out, &json.err].into_iter().any(|text| text.contains("s3cret")));
}

/// Runs the command on a terminal of 60 columns, where the machine can make one.
fn on_a_terminal(desk: &Desk, arguments: &[&str]) {
    let quoted: Vec<_> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!("stty cols 60; {} {}", crate::OCT, quoted.join(" "));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(desk.path()).env("HOME", desk.path());
    let Ok(output) = script.env("TERM", "dumb").output() else {
        return eprintln!("skipped: `script` is missing");
    };
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(output.status.success() && said.contains("containers\n"), "{said}");
    let longest = said.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(longest <= 60, "{longest}: {said}");
}

/// A server that answers every question with this answer, as often as it is asked.
fn always(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/api")
}

#[test]
fn a_server_of_html_alone_gives_no_bundle() {
    let url = always("200 OK", "<!DOCTYPE html><html>Log in</html>");
    let charts = format!("{url}/index.yaml");
    let run = Desk::bare().run(&["probe", "--catalog-url", &url, "--charts-url", &charts]).expect(3);
    assert!(run.out.contains("HTML instead of JSON"), "{}", run.out);
    assert!(run.out.contains("cannot fetch from here: containers"), "{}", run.out);
}

#[test]
fn the_doctor_tells_who_answers_in_the_catalogs_place() {
    let server = server(200, 4);
    let desk = Desk::new();
    desk.bundle(&server, "out", &[]).expect(0);
    desk.run(&["import", &desk.archive("out"), "--to", "db"]).expect(0);
    let ask = |url: &str, code: i32| desk.run(&["doctor", "db", "--catalog-url", url, "--json"]).expect(code).json();
    // Nobody listens there: only then certsuite opens the folder.
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/api", listener.local_addr().unwrap())
    };
    let well = ask(&closed, 0);
    assert_eq!((&well["well"], &well["ping"]["answer"]), (&true.into(), &"nobody".into()));
    assert_eq!(well["counts"]["operators"], 620);
    let here = ask(&server.catalog_url(), 1);
    assert_eq!((&here["loads"], &here["ping"]["answer"]), (&true.into(), &"catalog".into()));
    server.set(|knobs| knobs.ping = Ping::NotFound);
    assert_eq!(ask(&server.catalog_url(), 0)["ping"]["answer"], "nobody");
    for (status, body) in [("200 OK", "<html>blocked</html>"), ("403 Forbidden", "<html>no</html>"), ("502 Bad", "")] {
        let found = ask(&always(status, body), 1);
        assert_eq!(found["ping"]["answer"], "another", "{status}");
    }
    let text = desk.run(&["doctor", "db", "--catalog-url", &always("200 OK", "<html></html>")]).expect(1);
    assert!(text.out.contains("something else answers in its place"), "{}", text.out);

    std::fs::set_permissions(desk.join("db/data"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let found = ask(&closed, 1);
    let paths: Vec<_> =
        found["closed"].as_array().unwrap().iter().map(|closed| closed["path"].as_str().unwrap()).collect();
    assert!(paths.iter().any(|path| path.ends_with("db/data")), "{paths:?}");
    std::fs::write(desk.join("db/data/helm/helm.db"), "a: 1\na: 2\n").unwrap();
    let broken = ask(&closed, 1);
    assert_eq!(broken["loads"], false);
    assert!(broken["cause"].as_str().unwrap().contains("helm.db"), "{broken:#}");
}
