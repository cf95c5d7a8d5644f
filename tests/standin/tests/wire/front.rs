//! The front end, outages, and `/ping`.

use std::time::{Duration, Instant};

use serde_json::json;
use standin::{Fault, Knobs, OutageForm, Ping, Question, Standin};

use crate::client::{Client, IMAGES, get, server, settle, small};

const PING: &str = "/api/containers/v1/ping";

#[test]
fn ping_answers_in_four_ways() {
    let server = server();
    let mut client = Client::to(&server);
    let answer = client.get(PING);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.json().is_object());
    for (ping, status, html) in [
        (Ping::NotFound, 404, false),
        (Ping::BlockPage, 200, true),
        (Ping::Forbidden, 403, true),
        (Ping::Ok, 200, false),
    ] {
        server.set(|knobs| knobs.ping = ping);
        let answer = client.get(PING);
        assert_eq!((answer.status, answer.is_html()), (status, html), "{ping:?}");
        // Nothing else is touched.
        assert_eq!(client.get(IMAGES).status, 200);
    }
    assert_eq!(server.stats().questions.get(&Question::Ping), Some(&5));
}

#[test]
fn drawn_faults_spare_the_ping() {
    let server = server();
    server.set(|knobs| knobs.next_faults = [Some(Fault::BadGateway)].into());
    assert_eq!(get(&server, PING).status, 200);
    assert_eq!(get(&server, IMAGES).status, 502);
}

#[test]
fn an_unknown_user_agent_is_refused() {
    let server = server();
    server.set(|knobs| knobs.access.user_agent = Some("oct/".to_owned()));
    let mut client = Client::to(&server);
    for headers in ["", "User-Agent: curl/8\r\n", "User-Agent: my oct/1\r\n"] {
        client.send(IMAGES, headers);
        let answer = client.read().expect("an answer comes");
        assert!(answer.status == 403 && answer.is_html(), "{headers}");
    }
    client.send(IMAGES, "user-agent: oct/0.1\r\n");
    assert_eq!(client.read().expect("an answer comes").status, 200);
    // The ping is behind the same front end, the chart index is elsewhere.
    assert_eq!(client.get(PING).status, 403);
    assert_eq!(client.get("/index.yaml").status, 200);
    assert_eq!((server.stats().denied, server.stats().questions[&Question::Images]), (4, 4));
    let requests = server.requests();
    assert_eq!(
        (requests[1].user_agent.as_deref(), requests[3].header("User-Agent")),
        (Some("curl/8"), Some("oct/0.1"))
    );
}

#[test]
fn a_missing_or_wrong_header_is_refused() {
    let server = server();
    let mut client = Client::to(&server);
    assert_eq!(client.get("/_standin/set?required-header=X-Api-Key:%20abc&required-header-status=401").status, 200);
    for (headers, status) in [
        ("", 401),
        ("X-API-KEY: abd\r\n", 401),
        ("Other: abc\r\n", 401),
        ("x-api-key: abc\r\n", 200),
        ("Other: abc\r\nX-API-KEY: abc\r\n", 200),
    ] {
        client.send(IMAGES, headers);
        let answer = client.read().expect("an answer comes");
        assert_eq!((answer.status, answer.is_html()), (status, status == 401), "{headers}");
    }
    server.set(|knobs| knobs.access.header_status = 403);
    assert_eq!(client.get(IMAGES).status, 403);
    client.get("/_standin/set?required-header=");
    assert_eq!(client.get(IMAGES).status, 200);
}

#[test]
fn an_outage_begins_after_some_requests_and_ends_after_some_time() {
    const LENGTH: Duration = Duration::from_millis(150);
    let mut knobs = Knobs::default();
    knobs.outage.after = Some(2);
    knobs.outage.length = LENGTH;
    let server = Standin::start(small(), knobs);
    let mut client = Client::to(&server);
    assert_eq!(client.get(IMAGES).status, 200);
    assert_eq!(client.get(IMAGES).status, 200);
    let start = Instant::now();
    for target in [IMAGES, "/index.yaml", PING] {
        let answer = client.get(target);
        assert!(answer.status == 503 && answer.is_html(), "{target}");
    }
    while client.get(IMAGES).status == 503 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= LENGTH);
    // It comes once.
    assert_eq!(client.get(IMAGES).status, 200);
    assert!(server.stats().outage >= 4);
}

#[test]
fn an_outage_has_three_forms_and_begins_at_once() {
    let server = server();
    let long = Duration::from_secs(600);
    server.outage(long, OutageForm::HtmlOk);
    let answer = get(&server, IMAGES);
    assert!(answer.status == 200 && answer.is_html());
    server.outage(long, OutageForm::Reset);
    let mut client = Client::to(&server);
    client.send(IMAGES, "");
    assert!(client.read().is_none());
    settle(&server);
    assert_eq!(server.requests()[1].status, None);
    assert_eq!(server.stats().concurrent, 0);
    let mut control = Client::to(&server);
    assert_eq!(control.get("/_standin/outage?ms=600000&form=unavailable").status, 200);
    assert_eq!(get(&server, IMAGES).status, 503);
    assert_eq!(control.get("/_standin/outage?ms=0").status, 200);
    assert_eq!(get(&server, IMAGES).status, 200);
    for wrong in ["outage?ms=x", "outage?form=nobody", "outage?nobody=1"] {
        assert_eq!(control.get(&format!("/_standin/{wrong}")).status, 400, "{wrong}");
    }
    let stats = control.get("/_standin/stats").json();
    assert_eq!((&stats["outage"], &stats["denied"]), (&json!(3), &json!(0)));
}

#[test]
fn an_outage_can_be_planned_while_serving() {
    let server = server();
    let mut client = Client::to(&server);
    client.get(IMAGES);
    server.outage_after(1, Duration::from_secs(600), OutageForm::Unavailable);
    assert_eq!(client.get(IMAGES).status, 200);
    assert_eq!(client.get(IMAGES).status, 503);
}
