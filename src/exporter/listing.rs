//! The documents of one collection, as far as they were fetched.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use jiff::Timestamp;

use super::edge::{Edge, Interval};
use crate::catalog::document::{Body, Document, ObjectId};

/// Documents by date, and the intervals that are complete.
#[derive(Debug, Default)]
pub struct Listing {
    documents: BTreeMap<(Timestamp, ObjectId), Body>,
    dates: HashMap<ObjectId, Timestamp>,
    covered: Vec<Interval>,
}

impl Listing {
    /// Takes `documents` as all there are in `interval`, instead of whatever was known of it.
    pub fn replace(&mut self, interval: Interval, documents: Vec<Document>) {
        let stale: Vec<_> = self.range(interval).map(|(key, _)| *key).collect();
        for key in stale {
            self.documents.remove(&key);
            self.dates.remove(&key.1);
        }
        documents.into_iter().for_each(|document| self.upsert(document));
        self.covered.push(interval);
        if self.covered.len() > 64 {
            self.merge_covered();
        }
    }

    /// Adds `document`, or replaces what was known of it.
    pub fn upsert(&mut self, document: Document) {
        let key = (document.created, document.id);
        if let Some(date) = self.dates.insert(document.id, document.created)
            && date != document.created
        {
            self.documents.remove(&(date, document.id));
        }
        self.documents.insert(key, document.body);
    }

    /// How many documents lie in `interval`.
    pub fn count(&self, interval: Interval) -> u64 {
        if interval == Interval::ALL { self.documents.len() as u64 } else { self.range(interval).count() as u64 }
    }

    /// How many documents there are.
    pub fn len(&self) -> u64 {
        self.documents.len() as u64
    }

    /// What of `whole` was not fetched yet.
    pub fn gaps(&self, whole: Interval) -> Vec<Interval> {
        whole.minus(&self.covered)
    }

    /// Two halves of `interval` with about as many documents each, or `None` where its documents have one date.
    pub fn halves(&self, interval: Interval) -> Option<(Interval, Interval)> {
        let count = self.range(interval).count();
        let (first, _) = self.range(interval).next()?;
        let (last, _) = self.range(interval).next_back()?;
        if first.0 == last.0 {
            return None;
        }
        let (middle, _) = self.range(interval).nth(count / 2)?;
        let cut = if middle.0 == first.0 { Edge::after(middle.0) } else { Edge::before(middle.0) };
        Some((Interval::new(interval.low, cut), Interval::new(cut, interval.high)))
    }

    /// The documents, by date and id.
    pub fn into_bodies(self) -> impl Iterator<Item = Body> {
        self.documents.into_values()
    }

    /// The ids with their dates, in order.
    pub fn keys(&self) -> impl Iterator<Item = (Timestamp, ObjectId)> {
        self.documents.keys().copied()
    }

    fn range(&self, interval: Interval) -> std::collections::btree_map::Range<'_, (Timestamp, ObjectId), Body> {
        let key = |edge: Edge| (edge.at(), if edge == Edge::after(edge.at()) { ObjectId::MAX } else { ObjectId::MIN });
        let (low, high) = (key(interval.low), key(interval.high));
        if low >= high {
            return self.documents.range((Bound::Included(low), Bound::Excluded(low)));
        }
        // The extreme ids do not occur in practice, and would be counted with the documents beyond the edge.
        self.documents.range((Bound::Included(low), Bound::Excluded(high)))
    }

    fn merge_covered(&mut self) {
        self.covered.sort_by_key(|interval| interval.low);
        let mut merged: Vec<Interval> = Vec::new();
        for interval in self.covered.drain(..) {
            match merged.last_mut() {
                Some(last) if interval.low <= last.high => last.high = last.high.max(interval.high),
                _ => merged.push(interval),
            }
        }
        self.covered = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::document::Operator;

    fn document(seconds: i64, id: u8) -> Document {
        let operator = Operator { csv_name: "".into(), ocp_version: "".into(), channel_name: "".into() };
        Document {
            id: ObjectId::parse(&format!("{id:024x}")).unwrap(),
            created: at(seconds),
            body: Body::Operator(Box::new(operator)),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn replacing_an_interval_keeps_its_neighbours() {
        let mut listing = Listing::default();
        listing.replace(Interval::ALL, vec![document(1, 1), document(2, 2), document(2, 3), document(3, 4)]);
        listing.replace(Interval::instant(at(2)), vec![document(2, 3), document(2, 9)]);
        let ids: Vec<_> = listing.keys().map(|(_, id)| id.to_string()[22..].to_owned()).collect();
        assert_eq!(ids, ["01", "03", "09", "04"]);
        assert_eq!(listing.count(Interval::new(Edge::after(at(1)), Edge::before(at(3)))), 2);
        assert_eq!(listing.count(Interval::new(Edge::after(at(3)), Edge::END)), 0);
    }

    #[test]
    fn a_document_that_moved_is_there_once() {
        let mut listing = Listing::default();
        listing.replace(Interval::ALL, vec![document(1, 1)]);
        listing.upsert(document(5, 1));
        assert_eq!(listing.keys().collect::<Vec<_>>().len(), 1);
    }

    #[test]
    fn halves_never_cut_a_date() {
        let mut listing = Listing::default();
        listing.replace(Interval::ALL, vec![document(1, 1), document(1, 2), document(1, 3), document(2, 4)]);
        let (low, high) = listing.halves(Interval::ALL).unwrap();
        assert_eq!((listing.count(low), listing.count(high)), (3, 1));
        assert_eq!(listing.halves(low), None);
        assert_eq!(listing.halves(Interval::new(Edge::after(at(9)), Edge::END)), None);
    }
}
