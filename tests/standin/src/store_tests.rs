use super::*;
use crate::filter;

/// Documents 0 to 99: dates ten to a second, every third certified.
fn collection() -> Collection {
    let docs = (0..100)
        .map(|i| {
            let date = clock::format(clock::midnight(2020, 1, 1) + i / 10 * clock::SECOND);
            Doc::from_text(format!(
                r#"{{"_id":"{:024x}","creation_date":"{date}","certified":{},"size":{}}}"#,
                i * 7919 % 1000,
                i % 3 == 0,
                99 - i,
            ))
        })
        .collect();
    let mut fields = Fields::of_images();
    fields.learn(&serde_json::json!({"size": 1}));
    Collection::new(docs, Arc::new([]), fields)
}

fn sort(order: Order, descending: bool) -> Sort {
    Sort { order, path: vec!["size".to_owned()], descending }
}

fn select(all: &mut Collection, text: &str, sort: &Sort, page: (usize, usize)) -> Selection {
    let filter = match text {
        "" => Vec::new(),
        text => filter::parse(text, &all.fields).expect("the tests' filters are right").into_conjunction(),
    };
    all.select(filter, sort, page.0, page.1, None)
}

const RANGE: &str = "creation_date>=2020-01-01T00:00:02Z and creation_date<2020-01-01T00:00:05Z";

#[test]
fn ranges_of_dates_are_exact_in_both_directions() {
    let mut all = collection();
    let up = select(&mut all, RANGE, &sort(Order::Created, false), (0, 1000));
    assert_eq!(up.slots, (20..50).collect::<Vec<_>>());
    assert_eq!(up.total, 30);
    let down = select(&mut all, RANGE, &sort(Order::Created, true), (25, 500));
    assert_eq!(down.slots, [24, 23, 22, 21, 20]);
    let mixed = format!("{RANGE};certified==true");
    let some = select(&mut all, &mixed, &sort(Order::Created, false), (1, 2));
    assert_eq!((some.slots, some.total), (vec![24, 27], 10));
    let none = select(&mut all, RANGE, &sort(Order::Created, true), (30, 10));
    assert_eq!((none.slots.len(), none.total), (0, 30));
    let empty = select(
        &mut all,
        "creation_date>2020-01-01T00:00:05Z and creation_date<2020-01-01T00:00:02Z",
        &sort(Order::Created, true),
        (0, 10),
    );
    assert_eq!(empty.total, 0);
}

#[test]
fn every_order_gives_each_document_once() {
    let mut all = collection();
    for order in [Order::Unsorted, Order::Updated, Order::Id, Order::Field] {
        let mut seen = Vec::new();
        for page in 0..15 {
            seen.extend(select(&mut all, "", &sort(order, page < 0), (page as usize * 7, 7)).slots);
        }
        let mut unique = seen.clone();
        unique.sort_unstable();
        assert_eq!(unique, (0..100).collect::<Vec<_>>(), "{order:?}");
        if order == Order::Field {
            assert_eq!(seen, (0..100).rev().collect::<Vec<_>>());
        }
    }
    let after = select(
        &mut all,
        "_id>000000000000000000000010;_id<=000000000000000000000020",
        &sort(Order::Id, false),
        (0, 100),
    );
    let expected = (0..100u32).filter(|i| (0x11..=0x20).contains(&(i * 7919 % 1000)));
    assert_eq!(after.total, expected.count());
}

#[test]
fn missing_dates_come_first_and_satisfy_no_bound() {
    let mut all = collection();
    all.insert(Doc::from_text(r#"{"_id":"x"}"#.to_owned()), 1);
    let order = sort(Order::Created, false);
    assert_eq!(select(&mut all, "", &order, (0, 1)).slots, [100]);
    let early = select(&mut all, "creation_date<2020-01-01T00:00:01Z", &order, (0, 50));
    assert_eq!(early.total, 10);
}

#[test]
fn shuffled_ties_change_order_within_the_tie_only() {
    let mut all = collection();
    let order = sort(Order::Created, false);
    let page = |all: &mut Collection, offset, nonce| all.select(Vec::new(), &order, offset, 20, Some(nonce)).slots;
    let (one, other) = (page(&mut all, 0, 1), page(&mut all, 0, 2));
    assert_ne!(one, other);
    for slots in [&one, &other] {
        assert!(slots[..10].iter().all(|slot| *slot < 10));
        assert!(slots[10..].iter().all(|slot| (10..20).contains(slot)));
    }
    let (left, right) = (page(&mut all, 5, 3), page(&mut all, 25, 3));
    let mut both = [left, right].concat();
    both.sort_unstable();
    both.dedup();
    assert_eq!(both.len(), 40);
}

#[test]
fn changes_are_seen_at_once_and_remembered() {
    let mut all = collection();
    let order = sort(Order::Created, false);
    assert_eq!(select(&mut all, "certified==true", &order, (0, 9)).total, 34);
    all.remove(0, 1);
    all.replace(3, r#"{"_id":"3","creation_date":"2020-01-01T00:00:00Z"}"#.to_owned(), 2);
    let date = r#"{"_id":"new","creation_date":"2020-01-01T00:00:03Z","certified":true}"#;
    all.insert(Doc::from_text(date.to_owned()), 3);
    let now = select(&mut all, "certified==true", &order, (0, 99));
    assert_eq!(now.total, 33);
    assert!(now.slots.contains(&100));
    assert_eq!((all.doc(0).died, all.doc(100).born), (1, 3));
    assert_eq!((all.earlier[0].slot, all.earlier[0].until), (3, 2));
    assert!(all.has_id("new"));
}

#[test]
fn texts_are_found_however_json_writes_them() {
    let docs = [
        r#"{"_id":"1","name":"a/b\"c é-1"}"#,
        r#"{"_id":"2","name":"a\/b\"c \u00e9-1"}"#,
        r#"{"_id":"3","name":"a/b"}"#,
        r#"{"_id":"4","other":"a/b\"c é-1"}"#,
    ];
    let docs = docs.map(|text| Doc::from_text(text.to_owned())).to_vec();
    let mut fields = Fields::of_images();
    fields.learn(&serde_json::json!({"name": ""}));
    let bulk: Arc<[String]> = Arc::new([r#"{"name":"a/b\"c é-1"}"#.to_owned()]);
    let mut all = Collection::new(docs, bulk, fields);
    let found = |all: &mut Collection| {
        let mut slots = select(all, r#"name=='a/b"c é-1'"#, &Sort::unsorted(), (0, 9)).slots;
        slots.sort_unstable();
        slots
    };
    assert_eq!(found(&mut all), [0, 1]);
    let bulky = Doc { bulk: Some(0), ..Doc::from_text(r#"{"_id":"5"}"#.to_owned()) };
    all.insert(bulky, 1);
    assert_eq!(found(&mut all), [0, 1, 4]);
}
