//! The documents in service: found by date, filter and order without a look at those that do not
//! matter, changed while served, and remembered after they are gone.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::clock::{self, DAY, Micros};
use crate::fields::Fields;
use crate::filter::{Expr, Field, Literal, Op, Subject, Test};
use crate::json_text;
use crate::rng::{mix, mix_text};

/// A moment before every date.
const BEFORE_ALL: Micros = Micros::MIN;

/// Date ranges with at most this many documents are filtered anew instead of kept as a list.
const NARROW: usize = 4096;

/// How many lists are kept between two changes of the documents.
const MAX_LISTS: usize = 48;

/// How far unsorted answers stray from the order of creation.
const UNSORTED_JITTER: Micros = 3 * DAY;

/// Marks a document that is still there.
pub(crate) const ALIVE: u64 = u64::MAX;

/// One document: its text, and beside it what is asked of it all the time.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub(crate) id: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Index of the bulky members that complete the text, from the pool of the collection.
    pub(crate) bulk: Option<u16>,
    pub(crate) created: Option<Micros>,
    pub(crate) updated: Option<Micros>,
    pub(crate) certified: Option<bool>,
    pub(crate) partner: bool,
    pub(crate) organization: Option<Arc<str>>,
    /// Number of the event that brought the document.
    pub(crate) born: u64,
    /// Number of the event that removed it, or `ALIVE`.
    pub(crate) died: u64,
}

impl Doc {
    /// `text` must be a JSON object in compact form.
    pub(crate) fn from_text(text: String) -> Self {
        let mut doc = Doc {
            id: "".into(),
            text: text.into(),
            bulk: None,
            created: None,
            updated: None,
            certified: None,
            partner: false,
            organization: None,
            born: 0,
            died: ALIVE,
        };
        doc.read_text();
        doc
    }

    fn read_text(&mut self) {
        let text = Arc::clone(&self.text);
        let bytes = text.as_bytes();
        let mut members = json_text::Members::new(bytes, 0);
        while let Some(member) = members.next() {
            let end = json_text::skip_value(bytes, member.value);
            let value = &text[member.value..end];
            let content = json_text::string(value);
            match member.key {
                b"_id" => self.id = content.unwrap_or_default().as_ref().into(),
                b"creation_date" => self.created = content.and_then(|date| clock::parse(&date)),
                b"last_update_date" => self.updated = content.and_then(|date| clock::parse(&date)),
                b"certified" => self.certified = value.parse().ok(),
                b"isv_pid" => self.partner = value != "null",
                b"organization" => self.organization = content.map(|name| name.as_ref().into()),
                _ => {}
            }
            members.ended(end);
        }
    }

    /// The document without the pool of bulky members.
    #[cfg(test)]
    pub(crate) fn bare(&self) -> View<'_> {
        View { doc: self, bulk: None }
    }

    fn sort_date(&self, order: Order) -> Micros {
        let date = match order {
            Order::Updated => self.updated,
            _ => self.created,
        };
        date.unwrap_or(BEFORE_ALL)
    }

    fn unsorted_place(&self) -> Micros {
        let jitter = (mix_text(&self.id) % (2 * UNSORTED_JITTER as u64)) as Micros;
        self.created.unwrap_or(0) + jitter - UNSORTED_JITTER
    }
}

/// A document with all its members.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) doc: &'a Doc,
    pub(crate) bulk: Option<&'a str>,
}

impl Subject for View<'_> {
    fn id(&self) -> &str {
        &self.doc.id
    }

    fn created(&self) -> Option<Micros> {
        self.doc.created
    }

    fn updated(&self) -> Option<Micros> {
        self.doc.updated
    }

    fn certified(&self) -> Option<bool> {
        self.doc.certified
    }

    fn partner(&self) -> bool {
        self.doc.partner
    }

    fn organization(&self) -> Option<&Arc<str>> {
        self.doc.organization.as_ref()
    }

    fn any_at(&self, path: &[String], mut predicate: &mut dyn FnMut(&str) -> bool) -> bool {
        json_text::any_value(self.doc.text.as_bytes(), 0, path, &mut predicate)
            || self.bulk.is_some_and(|b| json_text::any_value(b.as_bytes(), 0, path, &mut predicate))
    }
}

/// What answers are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// No order was asked for.
    Unsorted,
    Created,
    Updated,
    Id,
    /// By the values of some other field.
    Field,
}

/// An order with its direction; `path` matters for `Order::Field` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sort {
    pub(crate) order: Order,
    pub(crate) path: Vec<String>,
    pub(crate) descending: bool,
}

impl Sort {
    pub(crate) fn unsorted() -> Self {
        Sort { order: Order::Unsorted, path: Vec::new(), descending: false }
    }
}

/// In which order documents stand that are equal under the sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TieOrder {
    /// In the order in which they came into the catalog, as an index would give them.
    #[default]
    Stable,
    /// In another order on each request.
    Shuffled,
}

/// The documents that answer a request.
pub(crate) struct Selection {
    /// Positions in `Collection::docs`.
    pub(crate) slots: Vec<u32>,
    /// How many documents satisfy the filter, over all pages.
    pub(crate) total: usize,
}

/// The text of a document before a change in place.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    pub(crate) slot: u32,
    /// Number of the event that replaced it.
    pub(crate) until: u64,
    pub(crate) text: Arc<str>,
}

/// All documents of one kind, living and dead.
#[derive(Debug, Clone)]
pub(crate) struct Collection {
    pub(crate) docs: Vec<Doc>,
    pub(crate) bulk: Arc<[String]>,
    pub(crate) fields: Fields,
    pub(crate) earlier: Vec<Earlier>,
    /// The living by creation date, ties in order of arrival.
    by_created: Vec<u32>,
    ids: HashSet<Arc<str>>,
    lists: HashMap<(Sort, String), Arc<Vec<u32>>>,
}

impl Collection {
    pub(crate) fn new(docs: Vec<Doc>, bulk: Arc<[String]>, fields: Fields) -> Self {
        let mut by_created: Vec<u32> = (0..docs.len() as u32).collect();
        by_created.sort_by_key(|slot| docs[*slot as usize].sort_date(Order::Created));
        let ids = docs.iter().map(|doc| Arc::clone(&doc.id)).collect();
        Collection { docs, bulk, fields, earlier: Vec::new(), by_created, ids, lists: HashMap::new() }
    }

    pub(crate) fn doc(&self, slot: u32) -> &Doc {
        &self.docs[slot as usize]
    }

    pub(crate) fn bulk_of(&self, doc: &Doc) -> Option<&str> {
        doc.bulk.and_then(|index| self.bulk.get(usize::from(index))).map(String::as_str)
    }

    fn view(&self, slot: u32) -> View<'_> {
        let doc = self.doc(slot);
        View { doc, bulk: self.bulk_of(doc) }
    }

    /// The living by creation date.
    pub(crate) fn living(&self) -> &[u32] {
        &self.by_created
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(crate) fn insert(&mut self, mut doc: Doc, event: u64) {
        let slot = self.docs.len() as u32;
        doc.born = event;
        let date = doc.sort_date(Order::Created);
        let place = self.by_created.partition_point(|other| self.doc(*other).sort_date(Order::Created) <= date);
        self.ids.insert(Arc::clone(&doc.id));
        self.docs.push(doc);
        self.by_created.insert(place, slot);
        self.lists.clear();
    }

    pub(crate) fn remove(&mut self, slot: u32, event: u64) {
        self.docs[slot as usize].died = event;
        self.by_created.retain(|other| *other != slot);
        self.lists.clear();
    }

    /// Removes the living document with this `_id`; false if there is none.
    pub(crate) fn remove_id(&mut self, id: &str, event: u64) -> bool {
        let found = self.by_created.iter().copied().find(|slot| *self.doc(*slot).id == *id);
        found.inspect(|slot| self.remove(*slot, event)).is_some()
    }

    /// Replaces the text of a document; its date of creation must stay.
    pub(crate) fn replace(&mut self, slot: u32, text: String, event: u64) {
        let old = &self.docs[slot as usize];
        let new = Doc { bulk: old.bulk, born: old.born, died: old.died, ..Doc::from_text(text) };
        let old = std::mem::replace(&mut self.docs[slot as usize], new);
        self.earlier.push(Earlier { slot, until: event, text: old.text });
        self.lists.clear();
    }

    /// Finds the documents of a page. `offset` counts from the first in the asked direction.
    pub(crate) fn select(
        &mut self,
        filter: Vec<Expr>,
        sort: &Sort,
        offset: usize,
        count: usize,
        shuffle: Option<u64>,
    ) -> Selection {
        let (bounds, rest): (Vec<Expr>, Vec<Expr>) =
            filter.into_iter().partition(|expr| bound_of(expr, sort.order).is_some());
        let bounds: Vec<Test> = bounds.iter().filter_map(|expr| bound_of(expr, sort.order).cloned()).collect();
        let list = self.list(rest, sort, &bounds);
        let (first, last) = self.range(&list, sort.order, &bounds);
        let total = last - first;
        let start = offset.min(total);
        let end = offset.saturating_add(count).min(total);
        let page = if sort.descending { (last - end, last - start) } else { (first + start, first + end) };
        let mut slots = match shuffle.filter(|_| sort.order != Order::Id && start < end) {
            None => list[page.0..page.1].to_vec(),
            Some(nonce) => self.shuffled(&list[first..last], page.0 - first, page.1 - first, sort, nonce),
        };
        if sort.descending {
            slots.reverse();
        }
        Selection { slots, total }
    }

    /// The documents that satisfy the conditions, in ascending order.
    fn list(&mut self, rest: Vec<Expr>, sort: &Sort, bounds: &[Test]) -> Arc<Vec<u32>> {
        let key = (Sort { descending: false, ..sort.clone() }, format!("{rest:?}"));
        if let Some(list) = self.lists.get(&key) {
            return Arc::clone(list);
        }
        let dates: Vec<Test> = if sort.order == Order::Created {
            bounds.to_vec()
        } else {
            rest.iter().filter_map(|expr| bound_of(expr, Order::Created).cloned()).collect()
        };
        let (from, to) = self.range(&self.by_created, Order::Created, &dates);
        let narrow = to - from <= NARROW && to - from < self.by_created.len();
        let candidates =
            if narrow || sort.order != Order::Created { &self.by_created[from..to] } else { &self.by_created };
        let mut list: Vec<u32> = candidates
            .iter()
            .copied()
            .filter(|slot| {
                let view = self.view(*slot);
                rest.iter().all(|expr| expr.holds(&view))
            })
            .collect();
        self.arrange(&mut list, sort);
        let list = Arc::new(list);
        if !narrow {
            if self.lists.len() >= MAX_LISTS {
                self.lists.clear();
            }
            self.lists.insert(key, Arc::clone(&list));
        }
        list
    }

    /// Puts documents that stand in order of creation into the asked order.
    fn arrange(&self, list: &mut Vec<u32>, sort: &Sort) {
        match sort.order {
            Order::Created => {}
            Order::Unsorted => list.sort_by_cached_key(|slot| self.doc(*slot).unsorted_place()),
            Order::Updated => list.sort_by_key(|slot| self.doc(*slot).sort_date(Order::Updated)),
            Order::Id => list.sort_by(|a, b| self.doc(*a).id.cmp(&self.doc(*b).id)),
            Order::Field => {
                let mut keyed: Vec<(SortValue, u32)> =
                    list.iter().map(|slot| (self.sort_value(*slot, &sort.path), *slot)).collect();
                keyed.sort_by(|a, b| a.0.compare(&b.0));
                *list = keyed.into_iter().map(|(_, slot)| slot).collect();
            }
        }
    }

    fn sort_value(&self, slot: u32, path: &[String]) -> SortValue {
        let mut value = SortValue::Null;
        self.view(slot).any_at(path, &mut |json| {
            value = match json_text::string(json) {
                Some(text) => clock::parse(&text).map_or_else(|| SortValue::Text(text.into_owned()), SortValue::Date),
                None => json.parse().map_or_else(|_| SortValue::Text(json.to_owned()), SortValue::Number),
            };
            json != "null"
        });
        value
    }

    /// The part of a sorted list that lies within the bounds, as positions.
    fn range(&self, list: &[u32], order: Order, bounds: &[Test]) -> (usize, usize) {
        let (mut first, mut last) = (0, list.len());
        for bound in bounds {
            let Some(literal) = bound.values.first() else {
                continue;
            };
            let place = |or_equal: bool| {
                list.partition_point(|slot| match self.against(*slot, order, literal) {
                    Ordering::Less => true,
                    Ordering::Equal => or_equal,
                    Ordering::Greater => false,
                })
            };
            // Missing dates come first in the order but satisfy no bound.
            let dated =
                list.partition_point(|slot| order != Order::Id && self.doc(*slot).sort_date(order) == BEFORE_ALL);
            first = first.max(dated);
            match bound.op {
                Op::Eq => {
                    first = first.max(place(false));
                    last = last.min(place(true));
                }
                Op::Lt => last = last.min(place(false)),
                Op::Le => last = last.min(place(true)),
                Op::Gt => first = first.max(place(true)),
                Op::Ge => first = first.max(place(false)),
                Op::Ne | Op::In | Op::Out => {}
            }
        }
        (first.min(last), last)
    }

    fn against(&self, slot: u32, order: Order, literal: &Literal) -> Ordering {
        let doc = self.doc(slot);
        match (order, literal) {
            (Order::Id, Literal::Text(text)) => (*doc.id).cmp(text),
            (_, Literal::Date(date)) => doc.sort_date(order).cmp(date),
            _ => Ordering::Less,
        }
    }

    /// A page with each run of equal keys in an order of its own, which `nonce` decides.
    fn shuffled(&self, list: &[u32], from: usize, to: usize, sort: &Sort, nonce: u64) -> Vec<u32> {
        let key = |slot: u32| match sort.order {
            Order::Field => self.sort_value(slot, &sort.path),
            order => SortValue::Date(self.doc(slot).sort_date(order)),
        };
        let equal = |a: u32, b: u32| sort.order != Order::Unsorted && key(a).compare(&key(b)) == Ordering::Equal;
        let (mut start, mut end) = (from, to);
        while start > 0 && equal(list[start - 1], list[from]) {
            start -= 1;
        }
        while end < list.len() && equal(list[end], list[to - 1]) {
            end += 1;
        }
        let mut slots = list[start..end].to_vec();
        for run in slots.chunk_by_mut(|a, b| equal(*a, *b)) {
            run.sort_by_key(|slot| mix(nonce ^ u64::from(*slot)));
        }
        slots[from - start..to - start].to_vec()
    }
}

/// The test, if it bounds the key of the order.
fn bound_of(expr: &Expr, order: Order) -> Option<&Test> {
    let Expr::Test(test) = expr else { return None };
    let on_key = matches!(
        (order, &test.field),
        (Order::Created, Field::Created) | (Order::Updated, Field::Updated) | (Order::Id, Field::Id)
    );
    let bounding =
        matches!(test.op, Op::Eq | Op::Lt | Op::Le | Op::Gt | Op::Ge) && !test.values.contains(&Literal::Null);
    (on_key && bounding).then_some(test)
}

/// The value of a document under some sort key.
enum SortValue {
    Null,
    Number(f64),
    Date(Micros),
    Text(String),
}

impl SortValue {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (SortValue::Number(a), SortValue::Number(b)) => a.total_cmp(b),
            (SortValue::Date(a), SortValue::Date(b)) => a.cmp(b),
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            SortValue::Null => 0,
            SortValue::Number(_) => 1,
            SortValue::Text(_) => 2,
            SortValue::Date(_) => 3,
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
