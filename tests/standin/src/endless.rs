//! Documents behind the last one, for a catalog that never ends.

use serde_json::json;

use crate::clock::{self, Micros, SECOND};
use crate::filter::{Expr, Field, Literal, Op};
use crate::json_text;
use crate::made_up::first_day;
use crate::order::{Order, Sort};
use crate::rng::mix;
use crate::store::Collection;

/// Time between two made-up documents, as long as there is room for it.
const STEP: Micros = 1000;

/// Made-up documents that follow behind the last one that satisfies the filter: `count` of them,
/// after the first `skipped`. They look like an existing document of the same kind but for
/// `_id`, `image_id` and `creation_date`; if there is none to imitate, none is made.
///
/// Dates go on from the last document in steps of a millisecond, downwards unless the order
/// is ascending. They stay within what the filter demands: at its end, all have one date.
pub(crate) fn documents(
    collection: &mut Collection,
    filter: &[Expr],
    sort: &Sort,
    total: usize,
    skipped: usize,
    count: usize,
) -> Vec<String> {
    let Some(model) = model(collection, filter, sort, total) else {
        return Vec::new();
    };
    let (low, high) = bounds(filter);
    let upwards = sort.order == Order::Created && !sort.descending;
    let last = (total > 0).then(|| collection.doc(model).created).flatten();
    let start = match (last, upwards) {
        (Some(date), true) => date + STEP,
        (Some(date), false) => date - STEP,
        (None, true) => low.max(first_day()),
        (None, false) => high.min(clock::now()),
    };
    let text = collection.doc(model).text.to_string();
    (skipped..skipped.saturating_add(count))
        .map(|place| {
            let way = STEP.saturating_mul(place as Micros);
            let free = if upwards { start.saturating_add(way) } else { start.saturating_sub(way) };
            let date = free.min(high).max(low);
            // Documents of one date differ by their place.
            let unique = mix(date as u64) ^ if date == free { 0 } else { mix(place as u64) };
            let id = format!("{:08x}{unique:016x}", date.div_euclid(SECOND) as u32);
            let text = json_text::with_member(&text, "_id", &json!(id).to_string());
            let digest = format!("sha256:{:016x}{:048x}", mix(unique), unique);
            let text = match json_text::member(&text, "image_id") {
                Some(_) => json_text::with_member(&text, "image_id", &json!(digest).to_string()),
                None => text,
            };
            json_text::with_member(&text, "creation_date", &json!(clock::format(date)).to_string())
        })
        .collect()
}

/// The last document that satisfies the filter, or one that satisfies it but for its date.
fn model(collection: &mut Collection, filter: &[Expr], sort: &Sort, total: usize) -> Option<u32> {
    if total > 0 {
        return collection.select(filter.to_vec(), sort, total - 1, 1, None).slots.first().copied();
    }
    let undated: Vec<Expr> = filter.iter().filter(|expr| bound(expr).is_none()).cloned().collect();
    let found = collection.select(undated, sort, 0, 1, None);
    found.slots.first().copied()
}

/// The operator and the date of a condition on `creation_date`.
fn bound(expr: &Expr) -> Option<(Op, Micros)> {
    let Expr::Test(test) = expr else { return None };
    let date = match (&test.field, test.values.first()?) {
        (Field::Created, Literal::Date(date)) => *date,
        (Field::Path(path, _), Literal::Text(text)) if *path == ["creation_date"] => clock::parse(text)?,
        _ => return None,
    };
    Some((test.op, date))
}

/// The earliest and the latest date that the filter allows.
fn bounds(filter: &[Expr]) -> (Micros, Micros) {
    // Far from the ends of the type, so that a step beyond them is still a number.
    let (mut low, mut high) = (clock::midnight(1970, 1, 1), clock::midnight(2100, 1, 1));
    for (op, date) in filter.iter().filter_map(bound) {
        match op {
            Op::Eq => (low, high) = (low.max(date), high.min(date)),
            Op::Lt => high = high.min(date - 1),
            Op::Le => high = high.min(date),
            Op::Gt => low = low.max(date + 1),
            Op::Ge => low = low.max(date),
            Op::Ne | Op::In | Op::Out => {}
        }
    }
    (low, high)
}
