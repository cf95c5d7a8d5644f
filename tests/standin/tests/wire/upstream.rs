//! Slow forms of questions, page sizes, and dates as texts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standin::{Catalog, DateCompare, DateForm, Form, Knobs, Oversized, Profile, Question, SlowEnd, Standin, Treatment};

use crate::client::{Answer, Client, IMAGES, get, server, small};

const BUNDLES: &str = "/api/containers/v1/operators/bundles";

/// The question that is known to be fast.
const FAST: &str = "include=data&filter=isv_pid!=null;certified==true;creation_date<2100-01-01T00:00:00Z\
                    &sort_by=creation_date[desc]";

const STALL: Duration = Duration::from_millis(30);

fn images(params: &str) -> String {
    format!("{IMAGES}?{params}")
}

fn bundles(conditions: &str) -> String {
    format!("{BUNDLES}?filter=organization==certified-operators{conditions}")
}

/// For each form: a question that has it and no other form, and one as like it as can be that has
/// no form at all.
fn questions() -> Vec<(Form, String, String)> {
    let fast = images(FAST);
    let changed = "last_update_date>=2020-01-01T00:00:00Z";
    vec![
        (Form::ImagesUndated, images("include=data&filter=isv_pid!=null"), fast.clone()),
        (Form::ImagesUnpartnered, fast.replace("isv_pid!=null;", ""), fast.replace("isv_pid!=null", "isv_pid==null")),
        (Form::ImagesByUpdate, fast.replace("certified==true", changed), fast.clone()),
        (Form::ImagesSortedOtherwise, fast.replace("=creation", "=last_update"), fast.replace("&sort_by=", "&x=")),
        (Form::ImageCount, fast.replace("include=data", "include=total"), fast.clone()),
        (Form::DeepImages, format!("{fast}&page=2&page_size=60"), format!("{fast}&page=1&page_size=60")),
        (Form::LargePage, format!("{fast}&page_size=101"), format!("{fast}&page_size=100")),
        (Form::DateEquality, fast.replace("_date<", "_date=="), fast.clone()),
        (Form::SortById, bundles("&include=data&sort_by=_id"), bundles("&include=data")),
        (Form::BundlesSorted, bundles("&include=data&sort_by=creation_date"), bundles("&include=data")),
        (
            Form::BundlesDated,
            bundles(";creation_date<2100-01-01T00:00:00Z&include=data"),
            bundles(";csv_name!=null&include=data"),
        ),
        (Form::BundlesByUpdate, bundles(&format!(";{changed}&include=data")), bundles("&include=data")),
        (Form::BundleCount, bundles(""), bundles("&exclude=total")),
    ]
}

fn treated(form: Form, treatment: Treatment) -> Standin {
    let mut knobs = Knobs::default();
    knobs.slow.forms.insert(form, treatment);
    knobs.slow.stall = STALL;
    knobs.slow.offset = 100;
    Standin::start(small(), knobs)
}

/// The answer, and how long it took.
fn timed(client: &mut Client, target: &str) -> (Answer, Duration) {
    let start = Instant::now();
    let answer = client.get(target);
    (answer, start.elapsed())
}

#[test]
fn each_form_stalls_alone() {
    for (form, slow, quick) in questions() {
        let server = treated(form, Treatment::Stall);
        let mut client = Client::to(&server);
        let (answer, took) = timed(&mut client, &slow);
        assert!(answer.status == 504 && answer.is_html() && took >= STALL, "{form:?}");
        assert_eq!(client.get(&quick).status, 200, "{form:?}");
        let requests = server.requests();
        assert_eq!((&requests[0].forms[..], requests[0].treatment), (&[form][..], Treatment::Stall));
        assert_eq!(requests[1].treatment, Treatment::Answer);
        assert!(!requests[1].forms.contains(&form), "{form:?}");
        let stats = server.stats();
        assert_eq!((stats.stalled, stats.declined, stats.forms.get(&form)), (1, 0, Some(&1)), "{form:?}");
        // It stalls every time, and is answered once the knob is back.
        assert!(client.get(&slow).is_html(), "{form:?}");
        server.set(|knobs| knobs.slow.forms.clear());
        assert!(client.get(&slow).json().is_object(), "{form:?}");
    }
}

#[test]
fn each_form_is_refused_alone() {
    for (form, slow, quick) in questions() {
        let server = treated(form, Treatment::Refuse);
        let mut client = Client::to(&server);
        let answer = client.get(&slow);
        assert_eq!(answer.status, 400, "{form:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(client.get(&quick).status, 200, "{form:?}");
        assert_eq!((server.stats().stalled, server.stats().declined), (0, 1));
    }
}

#[test]
fn a_stall_ends_in_three_ways() {
    for (end, expected) in
        [(SlowEnd::Html504, [504, 504, 504]), (SlowEnd::Html200, [200; 3]), (SlowEnd::Alternate, [504, 200, 504])]
    {
        let server = treated(Form::ImageCount, Treatment::Stall);
        server.set(|knobs| knobs.slow.end = end);
        let mut client = Client::to(&server);
        let statuses = expected.map(|_| {
            let answer = client.get(IMAGES);
            assert!(answer.is_html());
            answer.status
        });
        assert_eq!(statuses, expected);
    }
}

#[test]
fn refusing_comes_before_stalling() {
    let server = treated(Form::ImagesSortedOtherwise, Treatment::Stall);
    server.set(|knobs| _ = knobs.slow.forms.insert(Form::SortById, Treatment::Refuse));
    let answer = get(&server, &images(&FAST.replace("creation_date[desc]", "_id")));
    assert_eq!(answer.status, 400);
}

#[test]
fn the_upstream_profile_lets_the_proven_questions_pass() {
    for profile in [Profile::Upstream, Profile::Proven] {
        let mut knobs = Knobs::of(profile);
        knobs.slow.stall = STALL;
        let server = Standin::start(small(), knobs);
        let mut client = Client::to(&server);
        let page = client.get(&images(&format!("{FAST}&page_size=500"))).json();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(300), "{profile:?}");
        let page = client.get(&bundles("&exclude=total&page_size=500")).json();
        assert_eq!(page["data"].as_array().map(Vec::len), Some(36), "{profile:?}");
        assert_eq!(client.get("/api/containers/v1/ping").status, 200);
        assert_eq!(server.stats().stalled, 0);
    }
}

#[test]
fn profiles_treat_what_they_say() {
    let statuses = |profile: Profile| {
        let mut knobs = Knobs::of(profile);
        knobs.slow.stall = STALL;
        knobs.slow.end = SlowEnd::Html504;
        knobs.slow.offset = 100;
        let server = Standin::start(small(), knobs);
        let mut client = Client::to(&server);
        questions().into_iter().map(|(_, slow, _)| client.get(&slow).status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(Profile::Plain), [200; 13]);
    let upstream = [504, 504, 504, 504, 504, 504, 200, 200, 400, 200, 200, 200, 200];
    assert_eq!(statuses(Profile::Upstream), upstream);
    let proven = [504, 504, 504, 504, 400, 504, 200, 400, 400, 504, 504, 504, 400];
    assert_eq!(statuses(Profile::Proven), proven);
}

#[test]
fn page_sizes_have_a_ceiling_that_shows() {
    for ceiling in [250, 100, 50] {
        let server = server();
        server.set(|knobs| knobs.max_page_size = ceiling);
        let mut client = Client::to(&server);
        let page = client.get(&images("page_size=500&include=page_size,data._id&filter=isv_pid!=null")).json();
        assert_eq!(page["page_size"], ceiling);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(ceiling));
        server.set(|knobs| knobs.oversized = Oversized::Refuse);
        assert_eq!(client.get(&images("page_size=500")).status, 400);
        assert_eq!(client.get(&images(&format!("page_size={ceiling}"))).status, 200);
        let requests = server.requests();
        assert!(requests.iter().all(|request| request.question == Question::Images));
    }
}

const FULL: &str = "2020-10-20T18:17:55+00:00";
const FRACTION: &str = "2020-10-20T18:17:55.675000+00:00";

/// Two documents of one second: `a` dated `FULL`, `b` dated `FRACTION`.
fn one_second(compare: DateCompare) -> Standin {
    let image = |id: &str, date: &str| json!({"_id": id, "creation_date": date, "last_update_date": date});
    let images = vec![image("a", FULL), image("b", FRACTION)];
    let knobs = Knobs { date_compare: compare, ..Knobs::default() };
    Standin::start(Catalog::new(images, Vec::new(), String::new()), knobs)
}

fn ids(server: &Standin, condition: &str) -> Vec<String> {
    let condition = condition.replace('+', "%2B");
    let page = get(server, &images(&format!("filter={condition}&sort_by=creation_date"))).json();
    let documents = page["data"].as_array().expect("data is a list").clone();
    let found: Vec<String> =
        documents.iter().map(|document| document["_id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(page["total"], found.len());
    found
}

#[test]
fn equal_dates_can_be_equal_texts() {
    for field in ["creation_date", "last_update_date"] {
        for (compare, other_forms) in
            [(DateCompare::Instant, vec!["b"]), (DateCompare::EqualityText, vec![]), (DateCompare::Text, vec![])]
        {
            let server = one_second(compare);
            let found = |condition: &str| ids(&server, &format!("{field}{condition}"));
            assert_eq!(found(&format!("=={FRACTION}")), ["b"]);
            assert_eq!(found("==2020-10-20T18:17:55.675000Z"), other_forms, "{compare:?}");
            assert_eq!(found("=in=(2020-10-20T18:17:55.675+00:00)"), other_forms, "{compare:?}");
            assert_eq!(found("!=null"), ["a", "b"]);
        }
    }
}

#[test]
fn order_is_that_of_instants_or_of_texts() {
    // Each condition, what is true of instants, and what of texts.
    let conditions = [
        ("<2020-10-20T18:17:55Z", vec![], vec!["a", "b"]),
        (">=2020-10-20T18:17:55Z", vec!["a", "b"], vec![]),
        ("<2020-10-20T18:17:55.675Z", vec!["a"], vec!["a", "b"]),
        (">=2020-10-20T18:17:55.675Z", vec!["b"], vec![]),
        ("<2020-10-20T18:17:55.675+00:00", vec!["a"], vec!["a"]),
        (">2020-10-20T18:17:55.675+00:00", vec![], vec!["b"]),
        ("<2020-10-20T18:17:55.000000+00:00", vec![], vec!["a"]),
        (">=2020-10-20T18:17:55.000000+00:00", vec!["a", "b"], vec!["b"]),
        ("<2020-10-20T18:17:55.675000+00:00", vec!["a"], vec!["a"]),
        (">=2020-10-20T18:17:55.675000+00:00", vec!["b"], vec!["b"]),
        ("<=2020-10-20T20:17:55+02:00", vec!["a"], vec!["a", "b"]),
    ];
    for field in ["creation_date", "last_update_date"] {
        for compare in [DateCompare::Instant, DateCompare::EqualityText, DateCompare::Text] {
            let server = one_second(compare);
            for (condition, instants, texts) in &conditions {
                let expected = if compare == DateCompare::Text { texts } else { instants };
                assert_eq!(ids(&server, &format!("{field}{condition}")), *expected, "{compare:?} {condition}");
            }
        }
    }
}

#[test]
fn texts_are_compared_the_same_way_whether_they_are_uniform_or_not() {
    // A third document in another form, far away, keeps the others from being found by range.
    let server = one_second(DateCompare::Text);
    let conditions = ["<2020-10-20T18:17:55Z", ">2020-10-20T18:17:55.675+00:00", &format!("=={FULL}")];
    let uniform = conditions.map(|condition| ids(&server, &format!("creation_date{condition}")));
    server.insert_image(&json!({"_id": "c", "creation_date": "2019-01-01T00:00:00Z"}));
    let others = conditions.map(|condition| ids(&server, &format!("creation_date{condition}")));
    assert_eq!(others[0], ["c", "a", "b"]);
    assert_eq!((&others[1..], &others[0][1..]), (&uniform[1..], &uniform[0][..]));
}

#[test]
fn dates_of_one_form_only_are_taken() {
    let server = server();
    let mut client = Client::to(&server);
    let mut statuses = |form: DateForm| {
        server.set(|knobs| knobs.date_form = form);
        ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00%2B00:00", "null"]
            .map(|date| client.get(&images(&format!("filter=creation_date!={date}"))).status)
    };
    assert_eq!(statuses(DateForm::Any), [200, 200, 200]);
    assert_eq!(statuses(DateForm::Zulu), [200, 400, 200]);
    assert_eq!(statuses(DateForm::Offset), [400, 200, 200]);
}

#[test]
fn requests_are_counted_by_what_they_ask() {
    let server = server();
    let mut client = Client::to(&server);
    let digest = "sha256:0";
    for target in [
        "/api/containers/v1/ping".to_owned(),
        "/index.yaml".to_owned(),
        images(FAST),
        images(&format!("{FAST}&page=1")),
        images(&FAST.replace("=data", "=total")),
        images("filter=last_update_date>2024-01-01T00:00:00Z"),
        images(&format!("filter=image_id=={digest}")),
        images("filter=nobody==1"),
        bundles(""),
        bundles("&include=total"),
        bundles(";last_update_date>2024-01-01T00:00:00Z"),
        bundles(";csv_name==a.v1"),
        "/api/containers/v1/nothing".to_owned(),
    ] {
        client.get(&target);
    }
    let expected = [
        (Question::Ping, 1),
        (Question::Charts, 1),
        (Question::Images, 2),
        (Question::ImageCount, 1),
        (Question::ImageChanges, 1),
        (Question::ImageLookup, 1),
        (Question::Bundles, 1),
        (Question::BundleCount, 1),
        (Question::BundleChanges, 1),
        (Question::BundleLookup, 1),
        (Question::Unclear, 1),
        (Question::Nothing, 1),
    ];
    assert_eq!(server.stats().questions, expected.into_iter().collect());
    let stats = client.get("/_standin/stats").json();
    assert_eq!((&stats["questions"]["images"], &stats["questions"]["image-count"]), (&json!(2), &json!(1)));
    assert_eq!(stats["forms"]["images-by-update"], json!(1));
    server.clear();
    assert!(server.stats().questions.is_empty() && server.stats().forms.is_empty());
}

#[test]
fn another_process_can_take_a_profile() {
    let server = server();
    let mut client = Client::to(&server);
    let set = client.get("/_standin/set?image-count=refuse&slow-stall=30&slow-end=html200&profile=upstream");
    assert_eq!(set.status, 200, "{}", String::from_utf8_lossy(&set.body));
    let mut expected = Knobs::of(Profile::Upstream);
    expected.slow.forms.insert(Form::ImageCount, Treatment::Refuse);
    expected.slow.stall = STALL;
    expected.slow.end = SlowEnd::Html200;
    assert_eq!(server.knobs(), expected);
    assert_eq!(client.get(IMAGES).status, 400);
    let (answer, took) = timed(&mut client, &images("include=data"));
    assert!(answer.status == 200 && answer.is_html() && took >= STALL);
    let stats: Value = client.get("/_standin/stats").json();
    assert_eq!((&stats["stalled"], &stats["declined"]), (&json!(1), &json!(1)));
    client.get("/_standin/set?profile=plain");
    assert_eq!(server.knobs(), Knobs::default());
}
