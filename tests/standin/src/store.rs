//! The documents in service: found by date, filter and order without a look at those that do not
//! matter, changed while served, and remembered after they are gone.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::clock;
use crate::doc::{BEFORE_ALL, Doc, View};
use crate::fields::{FieldKind, Fields};
use crate::filter::{Expr, Field, Literal, Op, Subject, Test};
use crate::json_text;
use crate::order::{Order, Sort, SortValue};
use crate::rng::mix;

/// Date ranges with at most this many documents are filtered anew instead of kept as a list.
const NARROW: usize = 4096;

/// How many lists are kept between two changes of the documents.
const MAX_LISTS: usize = 48;

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
    /// Whether every `creation_date` is written as the catalog does, or missing: then texts sort
    /// as instants do.
    uniform_dates: bool,
    lists: HashMap<(Sort, String), Arc<Vec<u32>>>,
}

impl Collection {
    pub(crate) fn new(docs: Vec<Doc>, bulk: Arc<[String]>, fields: Fields) -> Self {
        let mut by_created: Vec<u32> = (0..docs.len() as u32).collect();
        by_created.sort_by_key(|slot| docs[*slot as usize].sort_date(Order::Created));
        let ids = docs.iter().map(|doc| Arc::clone(&doc.id)).collect();
        let uniform_dates = docs.iter().all(|doc| doc.uniform_date);
        Collection { docs, bulk, fields, earlier: Vec::new(), by_created, ids, uniform_dates, lists: HashMap::new() }
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
        self.ids.insert(Arc::clone(&doc.id));
        self.uniform_dates &= doc.uniform_date;
        self.docs.push(doc);
        self.place(slot);
        self.lists.clear();
    }

    /// Puts a document among the living, behind those of its date.
    fn place(&mut self, slot: u32) {
        let date = self.doc(slot).sort_date(Order::Created);
        let place = self.by_created.partition_point(|other| self.doc(*other).sort_date(Order::Created) <= date);
        self.by_created.insert(place, slot);
    }

    pub(crate) fn remove(&mut self, slot: u32, event: u64) {
        self.docs[slot as usize].died = event;
        self.by_created.retain(|other| *other != slot);
        self.lists.clear();
    }

    /// Removes the living document with this `_id`; false if there is none.
    pub(crate) fn remove_id(&mut self, id: &str, event: u64) -> bool {
        self.find(id).inspect(|slot| self.remove(*slot, event)).is_some()
    }

    /// The living document with this `_id`.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.by_created.iter().copied().find(|slot| *self.doc(*slot).id == *id)
    }

    /// Replaces the text of a living document; its `_id` must stay.
    pub(crate) fn replace(&mut self, slot: u32, text: String, event: u64) {
        let old = &self.docs[slot as usize];
        let new = Doc { bulk: old.bulk, born: old.born, died: old.died, ..Doc::from_text(text) };
        let moved = new.created != old.created;
        self.uniform_dates &= new.uniform_date;
        let old = std::mem::replace(&mut self.docs[slot as usize], new);
        if moved {
            self.by_created.retain(|other| *other != slot);
            self.place(slot);
        }
        self.earlier.push(Earlier { slot, until: event, text: old.text });
        self.lists.clear();
    }

    /// Makes the documents as they are those of the start.
    pub(crate) fn forget_changes(&mut self) {
        self.earlier.clear();
        self.docs.iter_mut().for_each(|doc| doc.born = 0);
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
            filter.into_iter().partition(|expr| self.bound_of(expr, sort.order).is_some());
        let bounds: Vec<Test> = bounds.iter().filter_map(|expr| self.bound_of(expr, sort.order).cloned()).collect();
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
            rest.iter().filter_map(|expr| self.bound_of(expr, Order::Created).cloned()).collect()
        };
        let (from, to) = self.range(&self.by_created, Order::Created, &dates);
        let narrow = to - from <= NARROW && to - from < self.by_created.len();
        let candidates =
            if narrow || sort.order != Order::Created { &self.by_created[from..to] } else { &self.by_created };
        let needles: Vec<&str> = rest.iter().filter_map(Expr::needle).collect();
        let mentioned = |text: &str| needles.iter().map(|needle| text.contains(needle)).collect::<Vec<bool>>();
        let in_bulk: Vec<Vec<bool>> = self.bulk.iter().map(|bulk| mentioned(bulk)).collect();
        let mentions = |doc: &Doc, i: usize| {
            let of_bulk = doc.bulk.and_then(|bulk| in_bulk.get(usize::from(bulk)));
            of_bulk.is_some_and(|mentioned| mentioned[i]) || doc.text.contains(needles[i])
        };
        let mut list: Vec<u32> = candidates
            .iter()
            .copied()
            .filter(|slot| {
                let view = self.view(*slot);
                (0..needles.len()).all(|i| mentions(view.doc, i)) && rest.iter().all(|expr| expr.holds(&view))
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

    /// The test, if it bounds the key of the order.
    fn bound_of<'a>(&self, expr: &'a Expr, order: Order) -> Option<&'a Test> {
        let Expr::Test(test) = expr else { return None };
        let on_key = match (order, &test.field) {
            (Order::Created, Field::Created) | (Order::Updated, Field::Updated) | (Order::Id, Field::Id) => true,
            (Order::Created, Field::Path(path, FieldKind::Text)) => self.uniform_dates && *path == ["creation_date"],
            _ => false,
        };
        let bounding =
            matches!(test.op, Op::Eq | Op::Lt | Op::Le | Op::Gt | Op::Ge) && !test.values.contains(&Literal::Null);
        (on_key && bounding).then_some(test)
    }

    fn against(&self, slot: u32, order: Order, literal: &Literal) -> Ordering {
        let doc = self.doc(slot);
        match (order, literal) {
            (Order::Id, Literal::Text(text)) => (*doc.id).cmp(text),
            // Only where texts sort as instants do.
            (_, Literal::Text(text)) => clock::format(doc.sort_date(order)).as_str().cmp(text),
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

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
