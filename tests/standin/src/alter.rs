//! Documents that are altered on purpose: dates taken away, twins under one `_id`, tags that move.

use serde_json::{Value, json};

use crate::clock::{self, DAY, Micros};
use crate::doc::Doc;
use crate::json_text;
use crate::made_up::bundles::ORGANIZATIONS;
use crate::store::Collection;

/// How much earlier than its elder a twin is dated.
const TWIN_AGE: Micros = 40 * DAY;

/// What stands in place of a `creation_date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Undated {
    /// Nothing: the member is absent
    Absent,
    /// null
    Null,
    /// A text that is no date
    Unreadable,
    /// One after the other
    InTurn,
}

/// Whether a client carries the image.
fn is_certified_image(doc: &Doc) -> bool {
    doc.certified == Some(true) && doc.partner
}

/// Whether a client carries the document, image or bundle, by default.
fn is_carried(doc: &Doc) -> bool {
    is_certified_image(doc) || doc.organization.as_deref().is_some_and(|name| ORGANIZATIONS[..2].contains(&name))
}

/// Up to `count` living documents that a client carries and that have dates, evenly spread.
fn spread(collection: &Collection, count: usize) -> Vec<u32> {
    let carried = |slot: &u32| is_carried(collection.doc(*slot)) && collection.doc(*slot).created.is_some();
    let all: Vec<u32> = collection.living().iter().copied().filter(carried).collect();
    let count = count.min(all.len());
    (0..count).map(|i| all[(2 * i + 1) * all.len() / (2 * count)]).collect()
}

/// Takes the dates from up to `count` documents; returns how many it were. `event` counts on.
pub(crate) fn undate(collection: &mut Collection, count: usize, undated: Undated, event: &mut u64) -> usize {
    let slots = spread(collection, count);
    for (i, slot) in slots.iter().enumerate() {
        let text = &collection.doc(*slot).text;
        let form = match undated {
            Undated::InTurn => [Undated::Absent, Undated::Null, Undated::Unreadable][i % 3],
            other => other,
        };
        let text = match form {
            Undated::Absent => json_text::without_member(text, "creation_date"),
            Undated::Null => json_text::with_member(text, "creation_date", "null"),
            _ => json_text::with_member(text, "creation_date", "\"some time in spring\""),
        };
        *event += 1;
        collection.replace(*slot, text, *event);
    }
    slots.len()
}

/// Adds a twin to up to `count` documents: the same but for an earlier `creation_date`. Returns
/// how many it were.
pub(crate) fn twin(collection: &mut Collection, count: usize, event: &mut u64) -> usize {
    let slots = spread(collection, count);
    for slot in &slots {
        let elder = collection.doc(*slot);
        let date = clock::format(elder.created.unwrap_or_default() - TWIN_AGE);
        let text = json_text::with_member(&elder.text, "creation_date", &json!(date).to_string());
        let twin = Doc { bulk: elder.bulk, ..Doc::from_text(text) };
        *event += 1;
        collection.insert(twin, *event);
    }
    slots.len()
}

/// Moves a tag from the newest certified image with tags to the oldest one; `last_update_date` of
/// both moves to `now`. False if there are no two such images.
pub(crate) fn move_tag(images: &mut Collection, now: Micros, event: &mut u64) -> bool {
    let certified = |slot: &u32| is_certified_image(images.doc(*slot));
    let from = images.living().iter().rev().copied().filter(certified).find(|slot| has_tags(images.doc(*slot)));
    let to = images.living().iter().copied().filter(certified).find(|slot| has_tags(images.doc(*slot)));
    let (Some(from), Some(to)) = (from, to) else {
        return false;
    };
    if from == to {
        return false;
    }
    let mut tag = None;
    change(images, from, now, event, |tags| tag = tags.pop());
    change(images, to, now, event, |tags| tags.extend(tag));
    true
}

fn has_tags(doc: &Doc) -> bool {
    let document: Value = serde_json::from_str(&doc.text).unwrap_or_default();
    document.pointer("/repositories/0/tags").and_then(Value::as_array).is_some_and(|tags| !tags.is_empty())
}

fn change(images: &mut Collection, slot: u32, now: Micros, event: &mut u64, tags: impl FnOnce(&mut Vec<Value>)) {
    let mut document: Value = serde_json::from_str(&images.doc(slot).text).unwrap_or_default();
    if let Some(Value::Array(list)) = document.pointer_mut("/repositories/0/tags") {
        tags(list);
    }
    document["last_update_date"] = json!(clock::format(now));
    *event += 1;
    images.replace(slot, document.to_string(), *event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::made_up::MadeUp;
    use crate::order::{Order, Sort};

    fn catalog() -> Catalog {
        Catalog::made_up(&MadeUp { images: 300, bundles: 60, ..MadeUp::default() })
    }

    fn texts(collection: &Collection) -> Vec<Value> {
        let text = |slot: &u32| serde_json::from_str(&collection.doc(*slot).text).expect("documents are JSON");
        collection.living().iter().map(text).collect()
    }

    #[test]
    fn dates_go_in_three_forms_and_the_order_holds() {
        let Catalog { mut images, mut bundles, .. } = catalog();
        let mut event = 0;
        assert_eq!(undate(&mut images, 7, Undated::InTurn, &mut event), 7);
        assert_eq!(undate(&mut bundles, 1000, Undated::Null, &mut event), 60);
        assert_eq!(event, 67);
        let images_now = texts(&images);
        let count = |test: &dyn Fn(&Value) -> bool| images_now.iter().filter(|v| test(v)).count();
        assert_eq!(count(&|v| v.get("creation_date").is_none()), 3);
        assert_eq!(count(&|v| v.get("creation_date") == Some(&Value::Null)), 2);
        assert_eq!(count(&|v| v["creation_date"] == "some time in spring"), 2);
        // They stand before all others, and no comparison finds them.
        assert!(images.living()[..7].iter().all(|slot| images.doc(*slot).created.is_none()));
        let dates: Vec<_> = images.living().iter().map(|slot| images.doc(*slot).created).collect();
        assert!(dates.is_sorted());
        let filter = crate::filter::parse("creation_date<2100-01-01T00:00:00Z", &images.fields).expect("right");
        let sort = Sort { order: Order::Created, path: Vec::new(), descending: true };
        let found = images.select(vec![filter], &sort, 0, 1, None);
        assert_eq!(found.total, images_now.len() - 7);
        let of = |text: &str, images: &mut Collection| {
            let filter = crate::filter::parse(text, &images.fields).expect("right");
            images.select(vec![filter], &Sort::unsorted(), 0, 1, None).total
        };
        assert_eq!(of("creation_date==null", &mut images), 5);
        assert_eq!(of("creation_date!=null", &mut images), images_now.len() - 5);
    }

    #[test]
    fn twins_share_their_id_alone() {
        let Catalog { mut images, mut bundles, .. } = catalog();
        let mut event = 0;
        assert_eq!(twin(&mut images, 3, &mut event) + twin(&mut bundles, 2, &mut event), 5);
        let mut dates: std::collections::BTreeMap<String, Vec<Value>> = std::collections::BTreeMap::new();
        for document in texts(&images) {
            let id = document["_id"].as_str().unwrap_or_default().to_owned();
            dates.entry(id).or_default().push(document["creation_date"].clone());
        }
        let twins: Vec<_> = dates.values().filter(|dates| dates.len() > 1).collect();
        assert_eq!(twins.len(), 3);
        assert!(twins.iter().all(|dates| dates.len() == 2 && dates[0] != dates[1]));
    }

    #[test]
    fn a_tag_moves_from_the_newest_to_the_oldest() {
        let Catalog { mut images, .. } = catalog();
        let before = texts(&images);
        let mut event = 0;
        assert!(move_tag(&mut images, clock::now(), &mut event));
        assert_eq!((event, images.earlier.len()), (2, 2));
        let after = texts(&images);
        let tags = |v: &Value| v.pointer("/repositories/0/tags").and_then(Value::as_array).map_or(0, Vec::len);
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert_eq!(changed.len(), 2);
        assert_eq!(tags(changed[0].1), tags(changed[0].0) + 1);
        assert_eq!(tags(changed[1].1), tags(changed[1].0) - 1);
        assert!(changed.iter().all(|(before, after)| before["last_update_date"] != after["last_update_date"]));
        let mut nothing = Catalog::empty().images;
        assert!(!move_tag(&mut nothing, clock::now(), &mut event));
    }
}
