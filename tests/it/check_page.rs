//! The page of `oct check --html` in a real browser. Where there is no Chromium, the test says that it was skipped.

use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::check_reports::{pods, rules};
use crate::cli_support::{Desk, text};
use crate::tls_support::Fixed;

/// The page under test.
static PAGE: OnceLock<Vec<u8>> = OnceLock::new();

/// A page that holds the one under test, uses it as a person does, and says what it saw.
const USER: &str = r##"<!doctype html><title>user</title><iframe src="/page.html" width="900" height="700"></iframe><pre id="saw"></pre>
<script>
"use strict";
const frame = document.querySelector("iframe");
frame.onload = async () => {
  const inside = frame.contentDocument, rows = Array.from(inside.querySelectorAll("#rows tbody tr"));
  const filter = inside.getElementById("filter");
  const seen = () => rows.filter(row => row.offsetHeight > 0).length + ": " + inside.getElementById("shown").textContent;
  const type = text => { filter.value = text; filter.dispatchEvent(new Event("input")); return seen(); };
  const saw = { title: inside.title, all: seen(), one: type("OAKLEAF/web"), words: type("late digest"), none: type("no such row") };
  saw.again = type("");
  const box = inside.querySelector("input[name=state][value=no]");
  box.click();
  saw.others = seen();
  box.click();
  saw.back = seen();
  saw.elements = inside.scripts.length + " " + inside.images.length + " " + inside.links.length;
  saw.loaded = frame.contentWindow.performance.getEntriesByType("resource").length;
  const kind = inside.createRange();
  kind.selectNodeContents(rows[0].cells[1]);
  saw.kind = kind.getClientRects().length;
  saw.text = rows.some(row => row.textContent.includes("<script>document.title"));
  const script = inside.createElement("script"), image = inside.createElement("img");
  script.textContent = "document.title = 'owned'";
  image.src = "/beacon";
  inside.body.append(script, image);
  await new Promise(done => setTimeout(done, 500));
  saw.later = inside.title;
  document.getElementById("saw").textContent = JSON.stringify(saw);
};
</script>
"##;

/// Opens `url` in a browser that reaches nothing but this host; `None` where there is none.
fn browse(desk: &Desk, url: &str, more: &[&str]) -> Option<Output> {
    let home = desk.join("browser").display().to_string();
    let run = |program: &str| {
        let mut command = Command::new("timeout");
        command.args([
            "240",
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-sync",
        ]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]);
        command.args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000"]);
        command.arg(format!("--user-data-dir={home}")).args(more).arg(url).env("HOME", &home);
        command.output().ok().filter(|output| output.status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(run)
}

#[test]
fn the_page_is_filtered_in_a_browser_loads_nothing_and_shows_foreign_text_as_text() {
    let desk = Desk::bare();
    std::fs::write(desk.join("pods.json"), pods().to_string()).unwrap();
    let made = desk.output(&["check", "--db", &rules(), "--from", "pods.json", "--html", "page.html"]);
    assert_eq!(made.status.code(), Some(1), "{}", text(&made));
    PAGE.set(std::fs::read(desk.join("page.html")).unwrap()).unwrap();
    let server = Fixed::start(None, |path, _| {
        let body = if path == "/page.html" { PAGE.get().unwrap().clone() } else { USER.as_bytes().to_vec() };
        ("200 OK\r\nContent-Type: text/html; charset=utf-8".into(), body)
    });
    let url = format!("http://127.0.0.1:{}/", server.port);
    let Some(output) = browse(&desk, &url, &["--dump-dom"]) else {
        return eprintln!("skipped: no Chromium runs here");
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let saw = dom.split("<pre id=\"saw\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let saw: Value = serde_json::from_str(saw).unwrap_or_else(|error| panic!("{error}: {dom}"));
    let title = "oct check: 1 of 6 certified, 4 not certified, 1 unclear, 1 not asked by certsuite";
    let due = json!({
        "title": title, "all": "7: 7 of 7 shown",
        "one": "1: 1 of 7 shown", "words": "1: 1 of 7 shown", "none": "0: 0 of 7 shown", "again": "7: 7 of 7 shown",
        "others": "3: 3 of 7 shown", "back": "7: 7 of 7 shown",
        "elements": "1 0 0", "loaded": 0, "kind": 1, "text": true, "later": title,
    });
    assert_eq!(saw, due);
    let asked = server.asked.lock().unwrap().clone();
    let strange =
        asked.iter().find(|head| !["/ ", "/page.html ", "/favicon.ico "].iter().any(|path| head.contains(path)));
    assert_eq!(strange, None, "the page loads nothing");
}
