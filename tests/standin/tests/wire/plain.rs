//! The stand-in as it was asked to be: faults, churn, limits.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standin::{Catalog, Churn, Drip, Fault, Knobs, Oversized, RetryAfter, Scope, Standin};

use crate::client::{Client, End, IMAGES, get, server, settle, with_fault};

/// Walks all certified images by pages and returns their ids.
fn walk(server: &Standin) -> Vec<String> {
    let mut client = Client::to(server);
    let mut ids = Vec::new();
    loop {
        let page = client.get(&format!(
            "{IMAGES}?filter=isv_pid!=null;certified==true&sort_by=creation_date[desc]\
             &page_size=40&page={}&include=data._id,total",
            ids.len().div_ceil(40)
        ));
        let page = page.json();
        let data = page["data"].as_array().expect("data is a list").clone();
        if data.is_empty() {
            return ids;
        }
        let id = |document: &Value| document["_id"].as_str().map(str::to_owned);
        ids.extend(data.iter().filter_map(id));
    }
}

#[test]
fn a_plain_walk_brings_the_truth_over_one_connection() {
    let server = server();
    let mut ids = walk(&server);
    let mut expected: Vec<_> = server.truth().certified.into_iter().map(|d| d.id).collect();
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    settle(&server);
    let stats = server.stats();
    assert_eq!((stats.connections, stats.requests), (1, 9));
    assert_eq!(stats.documents, 300);
    assert_eq!(stats.statuses.get(&200), Some(&9));
    let requests = server.requests();
    assert_eq!(requests[8].param("page"), Some("8"));
    assert_eq!(requests[8].documents, 0);
    assert_eq!(requests[0].path, IMAGES);
    server.clear();
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn a_catalog_of_a_tests_own_is_served_as_it_is() {
    let image = json!({"_id": "a", "creation_date": "2020-01-01T00:00:00+00:00", "odd": [1]});
    let bundle = json!({"_id": "b", "organization": "certified-operators"});
    let catalog = Catalog::new(vec![image.clone()], vec![bundle.clone()], "x: y\n".to_owned());
    let server = Standin::start(catalog, Knobs::default());
    let envelope = |document| json!({"data": [document], "page": 0, "page_size": 100, "total": 1});
    let images = get(&server, &format!("{IMAGES}?filter=odd==1"));
    assert_eq!(images.json(), envelope(image));
    assert_eq!(images.header("content-type"), Some("application/json"));
    let bundles = "/api/containers/v1/operators/bundles?filter=organization==certified-operators";
    assert_eq!(get(&server, bundles).json(), envelope(bundle));
    assert_eq!(get(&server, "/index.yaml").body, b"x: y\n");
    server.insert_image(&json!({"_id": "c"}));
    assert!(server.remove("a"));
    assert!(!server.remove("nobody"));
    assert_eq!(get(&server, IMAGES).json()["data"], json!([{"_id": "c"}]));
}

#[test]
fn errors_are_problems_with_details_of_two_forms() {
    let server = server();
    let mut client = Client::to(&server);
    let details: Vec<Value> = (0..2)
        .map(|_| {
            let answer = client.get(&format!("{IMAGES}?filter=nobody==1"));
            assert_eq!(answer.status, 400);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            let body = answer.json();
            assert_eq!(body["status"], 400);
            assert!(body["trace_id"].is_string() && body["title"].is_string());
            body["detail"].clone()
        })
        .collect();
    assert!(details[0].is_array() && details[1].is_string());
    assert_eq!(client.get("/nothing").status, 404);
    server.set(|knobs| knobs.oversized = Oversized::Refuse);
    assert_eq!(client.get(&format!("{IMAGES}?page_size=501")).status, 400);
}

#[test]
fn the_chart_index_is_sent_once() {
    let server = server();
    let mut client = Client::to(&server);
    let first = client.get("/index.yaml");
    let tag = first.header("etag").expect("the index has a tag").to_owned();
    client.send("/index.yaml", &format!("If-None-Match: {tag}\r\n"));
    let second = client.read().expect("an answer comes");
    assert_eq!((second.status, second.body.len()), (304, 0));
    server.set_charts("apiVersion: v1\nentries: {}\n");
    client.send("/index.yaml", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(client.read().expect("an answer comes").status, 200);
    assert!(server.truth().charts.is_empty());
}

#[test]
fn compression_is_for_those_who_ask_and_can_be_turned_off() {
    let server = server();
    let mut client = Client::to(&server);
    let plain = client.get(IMAGES);
    assert_eq!(plain.header("content-encoding"), None);
    client.send(IMAGES, "Accept-Encoding: gzip\r\n");
    let packed = client.read().expect("an answer comes");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).expect("it is gzip");
    assert_eq!(unpacked, plain.body);
    server.set(|knobs| knobs.compression = false);
    client.send(IMAGES, "Accept-Encoding: gzip\r\n");
    assert_eq!(client.read().expect("an answer comes").body, plain.body);
}

#[test]
fn pages_of_html_come_under_their_statuses() {
    for (fault, status) in [
        (Fault::GatewayTimeout, 504),
        (Fault::Unavailable, 503),
        (Fault::BadGateway, 502),
        (Fault::HtmlOk, 200),
        (Fault::Forbidden, 403),
    ] {
        let server = with_fault(fault);
        let answer = get(&server, IMAGES);
        assert_eq!(answer.status, status);
        assert!(answer.is_html(), "{fault}");
        assert_eq!(server.requests()[0].fault, Some(fault));
    }
}

#[test]
fn refusals_name_a_time_in_two_forms_or_none() {
    let after = |fault| {
        let answer = get(&with_fault(fault), IMAGES);
        assert_eq!(answer.status, 429);
        answer.header("retry-after").map(str::to_owned)
    };
    assert_eq!(after(Fault::TooManySeconds).as_deref(), Some("1"));
    assert_eq!(after(Fault::TooMany), None);
    let date = after(Fault::TooManyDate).expect("a date is named");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[test]
fn bodies_end_early_in_three_ways() {
    let short = get(&with_fault(Fault::ShortBody), IMAGES);
    assert_eq!((short.status, &short.end), (200, &End::Closed));
    assert!(!short.body.is_empty());
    let reset = get(&with_fault(Fault::Reset), IMAGES);
    assert_eq!((reset.status, &reset.end), (200, &End::Reset));
    let cut = get(&with_fault(Fault::CutJson), IMAGES);
    assert_eq!((cut.status, &cut.end), (200, &End::Whole));
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
}

#[test]
fn stalls_last_as_long_as_they_should() {
    for fault in [Fault::Stall, Fault::StallInBody] {
        let server = with_fault(fault);
        let start = Instant::now();
        let answer = get(&server, IMAGES);
        assert!(start.elapsed() >= Duration::from_millis(60), "{fault}");
        assert_eq!(answer.json()["page"], 0);
    }
    let server = server();
    server.set(|knobs| {
        knobs.latency = Duration::from_millis(40);
        knobs.total_latency = Duration::from_millis(40);
    });
    let start = Instant::now();
    get(&server, IMAGES);
    assert!(start.elapsed() >= Duration::from_millis(80));
    server.set(|knobs| {
        knobs.latency = Duration::ZERO;
        knobs.total_latency = Duration::ZERO;
        knobs.drip = Some(Drip { bytes: 30, pause: Duration::from_millis(5) });
    });
    let start = Instant::now();
    let answer = get(&server, &format!("{IMAGES}?include=total,page"));
    assert_eq!(answer.end, End::Whole);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_client_that_gives_up_leaves_nothing_behind() {
    let server = with_fault(Fault::Stall);
    server.set(|knobs| knobs.stall = Duration::from_secs(60));
    let mut client = Client::to(&server);
    client.send(IMAGES, "");
    while server.stats().concurrent == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(client);
    settle(&server);
    assert_eq!(server.requests()[0].status, None);
}

#[test]
fn an_error_sticks_to_its_connection() {
    let server = server();
    server.set(|knobs| knobs.next_faults = [Some(Fault::ErrorUntilReconnect)].into());
    let mut client = Client::to(&server);
    for _ in 0..3 {
        assert_eq!(client.get(IMAGES).status, 500);
    }
    assert_eq!(get(&server, IMAGES).status, 200);
}

#[test]
fn endless_bodies_go_on_and_on() {
    for fault in [Fault::Endless, Fault::GzipBomb] {
        let server = with_fault(fault);
        let mut client = Client::to(&server);
        client.send(IMAGES, "");
        let mut bytes = Vec::new();
        client.0.read_to_end(&mut bytes).expect("it ends at the cap");
        assert!(bytes.len() > 4 << 20, "{fault}");
        let head = String::from_utf8_lossy(&bytes[..300]).into_owned();
        assert!(head.contains("Transfer-Encoding: chunked"));
        assert_eq!(head.contains("gzip"), fault == Fault::GzipBomb);
    }
}

#[test]
fn a_bomb_unpacks_to_far_more_than_it_sends() {
    let server = with_fault(Fault::GzipBomb);
    server.set(|knobs| knobs.endless_cap = 8192);
    let mut client = Client::to(&server);
    client.send(IMAGES, "");
    let mut bytes = Vec::new();
    client.0.read_to_end(&mut bytes).expect("it ends at the cap");
    let start = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let mut rest = &bytes[start.expect("there is a head") + 4..];
    let mut packed = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).expect("sizes are text");
        let size = usize::from_str_radix(size, 16).expect("sizes are hex");
        packed.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + size + 4..];
    }
    let mut unpacked = Vec::new();
    // It never ends properly, so there is an error after all that could be unpacked.
    let _ = flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked);
    assert!(unpacked.len() > 50 * packed.len(), "{}", unpacked.len());
    assert!(unpacked.starts_with(b"{   "));
}

#[test]
fn faults_repeat_by_seed_and_spare_what_is_out_of_scope() {
    let faults = |seed| {
        let server = server();
        server.set(|knobs| {
            knobs.fault_share = 0.3;
            knobs.fault_seed = seed;
            knobs.faults = vec![Fault::HtmlOk, Fault::BadGateway, Fault::TooMany];
            knobs.fault_scope = Scope { charts: false, ..Scope::default() };
        });
        let mut client = Client::to(&server);
        for _ in 0..30 {
            client.get(&format!("{IMAGES}?include=total"));
            client.get("/index.yaml");
        }
        let requests = server.requests();
        assert!(requests.iter().all(|r| r.fault.is_none() || r.path == IMAGES));
        requests.into_iter().map(|request| request.fault).collect::<Vec<_>>()
    };
    let first = faults(1);
    assert_eq!(first, faults(1));
    assert_ne!(first, faults(2));
    let met: Vec<_> = first.into_iter().flatten().collect();
    assert!((3..20).contains(&met.len()), "{}", met.len());
    assert_eq!(met[..3], [Fault::HtmlOk, Fault::BadGateway, Fault::TooMany]);
}

#[test]
fn too_many_at_once_are_refused() {
    let server = server();
    server.set(|knobs| {
        knobs.max_concurrent = Some(2);
        knobs.retry_after = RetryAfter::Absent;
        knobs.latency = Duration::from_millis(200);
    });
    let mut clients: Vec<Client> = (0..4).map(|_| Client::to(&server)).collect();
    for client in &mut clients {
        client.send(&format!("{IMAGES}?include=total"), "");
    }
    let mut statuses: Vec<u16> =
        clients.iter_mut().map(|client| client.read().expect("an answer comes").status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429]);
    let stats = server.stats();
    assert_eq!(stats.refused, 2);
    // A refusal is over at once, so the two need not have met.
    assert!((3..=4).contains(&stats.max_concurrent));
    assert_eq!(clients[0].get(IMAGES).status, 200);
}

#[test]
fn deep_pages_and_totals_fail_on_demand() {
    let server = server();
    server.set(|knobs| {
        knobs.deep_limit = Some(200);
        knobs.fail_total = true;
    });
    let mut client = Client::to(&server);
    assert_eq!(client.get(IMAGES).status, 504);
    assert_eq!(client.get(&format!("{IMAGES}?exclude=total&page=2")).status, 200);
    let deep = client.get(&format!("{IMAGES}?exclude=total&page=3"));
    assert!(deep.status == 504 && deep.is_html());
}

#[test]
fn it_dies_and_comes_back() {
    let server = server();
    server.die_after(2);
    let mut client = Client::to(&server);
    assert_eq!(client.get(IMAGES).status, 200);
    assert_eq!(client.get(IMAGES).status, 200);
    client.send(IMAGES, "");
    assert!(client.read().is_none());
    assert!(server.is_dead());
    while TcpStream::connect(server.address()).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.revive();
    assert_eq!(get(&server, IMAGES).status, 200);
    let mut idle = Client::to(&server);
    assert_eq!(idle.get(IMAGES).status, 200);
    server.die();
    assert_eq!(idle.0.read(&mut [0; 8]).ok(), Some(0));
    server.revive();
    assert_eq!(get(&server, IMAGES).status, 200);
}

#[test]
fn documents_come_and_go_under_the_clients_eyes() {
    let server = server();
    let mark = server.mark();
    server.set(|knobs| knobs.churn = Churn { insert_new: 1, change: 2, ..Churn::balanced(3, 4) });
    let seen = walk(&server);
    server.set(|knobs| knobs.churn.every = 0);
    let since = server.since(mark);
    let rounds = server.stats().churn.rounds;
    assert_eq!(rounds, server.stats().requests / 3);
    let ids = |list: &[standin::Document]| -> std::collections::BTreeSet<String> {
        list.iter().map(|document| document.id.clone()).collect()
    };
    let (throughout, ever) = (ids(&since.throughout.certified), ids(&since.ever.certified));
    assert!(throughout.is_subset(&ever) && throughout.len() < ever.len());
    assert!(seen.iter().all(|id| ever.contains(id)));
    assert!(since.ever.certified.iter().any(standin::Document::changed));
    let now = ids(&server.truth().certified);
    assert!(throughout.is_subset(&now));
    // A walk over what holds still is complete again.
    assert_eq!(walk(&server).into_iter().collect::<std::collections::BTreeSet<_>>(), now);
}

#[test]
fn another_process_can_turn_the_knobs() {
    let server = server();
    let mut client = Client::to(&server);
    let set = client.get("/_standin/set?latency=30&max-page-size=7&compression=false");
    assert_eq!(set.status, 200);
    assert_eq!(server.knobs().latency, Duration::from_millis(30));
    assert_eq!(client.get("/_standin/set?nobody=1").status, 400);
    assert_eq!(client.get(IMAGES).json()["page_size"], 7);
    let stats = client.get("/_standin/stats").json();
    assert_eq!((&stats["requests"], &stats["documents"]), (&json!(1), &json!(7)));
    let truth = client.get("/_standin/truth").json();
    assert_eq!(truth["certified"], 300);
    assert_eq!(client.get("/_standin/clear").status, 200);
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn the_binary_prints_urls_that_answer() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_standin"))
        .args(["--port", "0", "--images", "50", "--bundles", "10", "--exit-with-stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("its output is piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let mut url = |name: &str| {
        let line = lines.next().expect("a line comes").expect("it is text");
        line.strip_prefix(name).expect("the name comes first").trim().to_owned()
    };
    let (catalog, charts) = (url("catalog-url"), url("charts-url"));
    let address = catalog
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/api/containers/v1"))
        .expect("the base path is known");
    assert_eq!(charts, format!("http://{address}/index.yaml"));
    let mut client = Client(TcpStream::connect(address).expect("it listens"));
    assert_eq!(client.get(IMAGES).json()["total"], 50 + 5 + 4);
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
}
