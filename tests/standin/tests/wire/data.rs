//! Documents and counts that are not as they should be.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use standin::{Churn, Document, Knobs, Mark, Standin, Undated};

use crate::client::{BASE, Client, IMAGES, get, server, small};

const CERTIFIED: &str = "filter=isv_pid!=null;certified==true";

fn data(client: &mut Client, params: &str) -> Vec<Value> {
    let page = client.get(&format!("{IMAGES}?{params}")).json();
    page["data"].as_array().expect("data is a list").clone()
}

fn text<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().expect("the member is a text")
}

#[test]
fn dates_are_taken_away_on_demand() {
    let catalog = small().with_undated(3, 2, Undated::InTurn);
    let server = Standin::start(catalog, Knobs::default());
    let mut client = Client::to(&server);
    let dated = format!("{IMAGES}?{CERTIFIED};creation_date<2100-01-01T00:00:00Z");
    assert_eq!(client.get(&dated).json()["total"], 297);
    assert_eq!(client.get(&format!("{IMAGES}?{CERTIFIED}")).json()["total"], 300);
    let first = data(&mut client, &format!("{CERTIFIED}&sort_by=creation_date&page_size=3"));
    let mut forms: Vec<String> =
        first.iter().map(|d| d.get("creation_date").map_or("absent".into(), Value::to_string)).collect();
    forms.sort();
    assert_eq!(forms, ["\"some time in spring\"", "absent", "null"]);
    let undated = |list: &[Document]| list.iter().filter(|d| !d.creation_date.starts_with("20")).count();
    let truth = server.truth();
    assert_eq!((undated(&truth.certified), truth.certified.len()), (3, 300));
    assert_eq!(truth.bundles.values().map(|list| undated(list)).sum::<usize>(), 2);
    // All of it was so when serving began.
    assert!(server.since(Mark::START).ever.certified.iter().all(|document| !document.changed()));
    let mark = server.mark();
    assert_eq!(client.get("/_standin/undate?images=5&as=absent").status, 200);
    assert_eq!(client.get(&dated).json()["total"], 292);
    let changed = server.since(mark).ever.certified.iter().filter(|document| document.changed()).count();
    assert_eq!(changed, 5);
    for wrong in ["undate?images=x", "undate?as=nobody", "undate?nobody=1"] {
        assert_eq!(client.get(&format!("/_standin/{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn two_documents_share_one_id() {
    let server = Standin::start(small().with_twins(2, 1), Knobs::default());
    let mut client = Client::to(&server);
    let repeated = |client: &mut Client| {
        let all = data(client, &format!("{CERTIFIED}&page_size=500&sort_by=creation_date"));
        let ids: BTreeSet<&str> = all.iter().map(|d| text(d, "_id")).collect();
        let dates: BTreeSet<(&str, &str)> = all.iter().map(|d| (text(d, "_id"), text(d, "creation_date"))).collect();
        (all.len(), ids.len(), dates.len())
    };
    assert_eq!(repeated(&mut client), (302, 300, 302));
    assert_eq!(server.truth().certified.len(), 302);
    let bundles = client.get(&format!("{BASE}/operators/bundles?include=total"));
    assert_eq!(bundles.json()["total"], 60 + 10 + 1);
    assert_eq!(client.get("/_standin/twin?images=1").status, 200);
    assert_eq!(repeated(&mut client), (303, 300, 303));
}

#[test]
fn totals_are_what_they_are_told_to_be() {
    let server = server();
    let mut client = Client::to(&server);
    for (set, expected) in
        [("1000000000", json!(1_000_000_000)), ("null", Value::Null), ("-1", json!(-1)), ("%22many%22", json!("many"))]
    {
        assert_eq!(client.get(&format!("/_standin/set?total-is={set}")).status, 200);
        assert_eq!(client.get(&format!("{IMAGES}?{CERTIFIED}")).json()["total"], expected);
        assert_eq!(client.get(&format!("{BASE}/operators/bundles")).json()["total"], expected);
    }
    client.get("/_standin/set?total-is=");
    assert_eq!(client.get(&format!("{IMAGES}?{CERTIFIED}")).json()["total"], 300);
}

#[test]
fn an_endless_catalog_goes_on_below_its_last_document() {
    let server = server();
    server.set(|knobs| knobs.endless_catalog = true);
    let mut client = Client::to(&server);
    let mut bound = "2100-01-01T00:00:00Z".to_owned();
    let mut seen = BTreeSet::new();
    for page in 0..8 {
        let filter = format!("{CERTIFIED};creation_date<{bound}").replace('+', "%2B");
        let params = format!("{filter}&sort_by=creation_date[desc]&page_size=100&include=data");
        let documents = data(&mut client, &params);
        assert_eq!(documents.len(), 100, "{page}");
        let dates: Vec<&str> = documents.iter().map(|d| text(d, "creation_date")).collect();
        // Texts as the catalog writes them sort as instants do.
        assert!(dates.iter().rev().is_sorted(), "{page}");
        assert!(page == 0 || dates[0] < bound.as_str());
        seen.extend(documents.iter().map(|d| text(d, "_id").to_owned()));
        bound = dates[99].to_owned();
    }
    // The real documents came as they are, ties at the borders apart.
    let real: BTreeSet<String> = server.truth().certified.into_iter().map(|d| d.id).collect();
    let missing = real.difference(&seen).count();
    assert!(missing < 60, "{missing}");
    assert!(seen.len() > real.len() + 400, "{}", seen.len());
}

#[test]
fn an_endless_catalog_stays_within_bounds_and_fills_every_page() {
    let server = server();
    server.set(|knobs| knobs.endless_catalog = true);
    let mut client = Client::to(&server);
    let date = "2018-01-01T00:00:00.000001%2B00:00";
    // A range of one microsecond without a document of its own.
    let tie = format!("{CERTIFIED};creation_date>={date};creation_date<2018-01-01T00:00:00.000002Z&page_size=50");
    let mut ids = BTreeSet::new();
    for page in [0, 1, 1000] {
        let documents = data(&mut client, &format!("{tie}&page={page}"));
        assert_eq!(documents.len(), 50);
        assert!(documents.iter().all(|d| text(d, "creation_date") == date.replace("%2B", "+")));
        ids.extend(documents.iter().map(|d| text(d, "_id").to_owned()));
    }
    assert_eq!(ids.len(), 150);
    assert!(ids.iter().all(|id| id.len() == 24));
    let up =
        data(&mut client, &format!("{CERTIFIED};creation_date>2026-06-30T00:00:00Z&sort_by=creation_date&page_size=9"));
    assert_eq!(up.len(), 9);
    assert!(up.iter().map(|d| text(d, "creation_date")).is_sorted());
    assert!(text(&up[0], "creation_date") > "2026-06-30T00:00:00");
    // Pages by number never end either, for bundles as well.
    let bundles = client.get(&format!("{BASE}/operators/bundles?filter=organization==certified-operators&page=77"));
    assert_eq!(bundles.json()["data"].as_array().map(Vec::len), Some(100));
    server.set(|knobs| knobs.endless_catalog = false);
    assert!(data(&mut client, &tie).is_empty());
}

#[test]
fn a_tag_moves_before_the_requests_that_are_named() {
    let server = server();
    let mark = server.mark();
    server.set(|knobs| knobs.move_tag_at = vec![2, 4]);
    let mut client = Client::to(&server);
    let changed = |server: &Standin| {
        let since = server.since(mark);
        since.ever.certified.into_iter().filter(Document::changed).collect::<Vec<_>>()
    };
    client.get(IMAGES);
    assert!(changed(&server).is_empty());
    let before = data(&mut client, "filter=last_update_date>2026-07-01T00:00:00Z");
    let first = changed(&server);
    assert_eq!((before.len(), first.len()), (2, 2));
    let tags = |version: &Value| version.pointer("/repositories/0/tags").and_then(Value::as_array).map_or(0, Vec::len);
    // The oldest gains what the newest loses.
    let versions: Vec<Vec<Value>> = first.iter().map(Document::versions).collect();
    assert_eq!(tags(&versions[0][1]), tags(&versions[0][0]) + 1);
    assert_eq!(tags(&versions[1][1]), tags(&versions[1][0]) - 1);
    client.get(IMAGES);
    let third = changed(&server);
    client.get(IMAGES);
    assert_eq!(third, first);
    assert_ne!(changed(&server), first);
    assert_eq!(server.stats().churn.changed, 4);
    assert_eq!(client.get("/_standin/move-tag").json(), json!({"moved": true}));
    assert_eq!(server.stats().churn.changed, 6);
}

#[test]
fn a_test_changes_an_image_of_its_choice() {
    let server = server();
    let mark = server.mark();
    let id = server.truth().certified[7].id.clone();
    let changed = server.change_image(&id, |document| {
        document["repositories"][0]["tags"] = json!([{"name": "moved"}]);
        document["last_update_date"] = json!("2026-08-01T00:00:00+00:00");
    });
    assert!(changed);
    assert!(!server.change_image("nobody", |_| ()));
    let found = get(&server, &format!("{IMAGES}?filter=repositories.tags.name==moved")).json();
    assert_eq!((&found["total"], &found["data"][0]["_id"]), (&json!(1), &json!(id)));
    let since = server.since(mark);
    let document = since.throughout.certified.iter().find(|d| d.id == id).expect("it stays");
    assert!(document.changed());
}

#[test]
fn churn_and_moves_leave_a_dated_change_at_its_place() {
    // A document whose date changes moves within the order.
    let server = server();
    let id = server.truth().certified[0].id.clone();
    server.change_image(&id, |document| document["creation_date"] = json!("2026-07-15T00:00:00+00:00"));
    let mut client = Client::to(&server);
    let newest = data(&mut client, &format!("{CERTIFIED}&sort_by=creation_date[desc]&page_size=1"));
    assert_eq!(text(&newest[0], "_id"), id);
    server.churn_now(Churn { change: 1, ..Churn::default() });
    assert_eq!(client.get(&format!("{IMAGES}?{CERTIFIED}")).json()["total"], 300);
}
