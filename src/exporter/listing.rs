//! The documents of one collection, as far as they were fetched: the place of each on disk, and which intervals are
//! complete. Only date, id and place of a document are in memory, so that a million of them take 50 MB.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::document::ObjectId;
use crate::pyxis::{At, Interval};

/// The key of a document: date and id. Two documents may share an id, in a broken catalog.
pub type Key = (At, ObjectId);

/// The place of a document on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the file.
    pub unit: u32,
    /// Zero-based line in it.
    pub line: u32,
}

/// The documents of one collection.
#[derive(Debug, Default)]
pub struct Listing {
    documents: BTreeMap<Key, Place>,
    covered: Vec<Interval>,
}

impl Listing {
    /// Records that `interval` has exactly `documents`; they replace what was known of it.
    pub fn replace(&mut self, interval: Interval, documents: impl IntoIterator<Item = (Key, Place)>) {
        self.keep_only(interval, |_| false);
        self.documents.extend(documents);
        self.cover(interval);
    }

    /// Adds documents, or replaces their earlier state.
    pub fn add(&mut self, documents: impl IntoIterator<Item = (Key, Place)>) {
        self.documents.extend(documents);
    }

    /// Records that `interval` has exactly the known documents of `keys`.
    pub fn settle(&mut self, interval: Interval, keys: &BTreeSet<Key>) {
        self.keep_only(interval, |key| keys.contains(key));
        self.cover(interval);
    }

    /// Forgets the other dates of the documents of `keys`: they moved.
    pub fn moved(&mut self, keys: &[Key]) {
        let now: BTreeMap<_, _> = keys.iter().map(|(at, id)| (*id, *at)).collect();
        self.documents.retain(|(at, id), _| now.get(id).is_none_or(|date| date == at));
    }

    /// The place of the document of `key`.
    pub fn place(&self, key: &Key) -> Option<Place> {
        self.documents.get(key).copied()
    }

    /// How many documents are in `interval`.
    pub fn count(&self, interval: Interval) -> u64 {
        if interval == Interval::ALL { self.documents.len() as u64 } else { self.keys(interval).count() as u64 }
    }

    /// The documents of `interval`, in order.
    pub fn keys(&self, interval: Interval) -> impl DoubleEndedIterator<Item = &Key> {
        let high = interval.high.max(interval.low);
        self.documents.range((interval.low, ObjectId::MIN)..(high, ObjectId::MIN)).map(|(key, _)| key)
    }

    /// The keys of documents that share their id with another one.
    pub fn twins(&self) -> Vec<Key> {
        let mut keys: Vec<&Key> = self.documents.keys().collect();
        keys.sort_unstable_by_key(|(_, id)| *id);
        let pairs = keys.chunk_by(|a, b| a.1 == b.1).filter(|same| same.len() > 1);
        pairs.flatten().map(|key| **key).collect()
    }

    /// The parts of `whole` that were not fetched yet.
    pub fn gaps(&self, whole: Interval) -> Vec<Interval> {
        whole.minus(&self.covered)
    }

    /// Two halves of `interval` with about as many documents each, cut at a whole second, or `None` if all of them are in
    /// one second.
    pub fn halves(&self, interval: Interval) -> Option<(Interval, Interval)> {
        let (first, _) = self.keys(interval).next()?;
        let (last, _) = self.keys(interval).next_back()?;
        let (middle, _) = self.keys(interval).nth(self.keys(interval).count() / 2)?;
        if first.second() == last.second() {
            return None;
        }
        let cut = if middle.second() > first.second() { middle.second() } else { first.next_second() };
        Some((Interval::new(interval.low, cut), Interval::new(cut, interval.high)))
    }

    fn keep_only(&mut self, interval: Interval, keep: impl Fn(&Key) -> bool) {
        let stale: Vec<_> = self.keys(interval).filter(|key| !keep(key)).copied().collect();
        for key in stale {
            self.documents.remove(&key);
        }
    }

    fn cover(&mut self, interval: Interval) {
        self.covered.push(interval);
        if self.covered.len() > 64 {
            let all = Interval::ALL;
            // Everything outside the gaps is covered.
            let gaps = all.minus(&self.covered);
            self.covered = all.minus(&gaps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> At {
        At::of(jiff::Timestamp::from_second(seconds).unwrap())
    }

    fn key(seconds: i64, id: u8) -> Key {
        (at(seconds), ObjectId::parse(&format!("{id:024x}")).unwrap())
    }

    fn some(keys: &[(i64, u8)]) -> Vec<(Key, Place)> {
        keys.iter().map(|(seconds, id)| (key(*seconds, *id), Place { unit: 0, line: 0 })).collect()
    }

    fn ids(listing: &Listing) -> Vec<Key> {
        listing.keys(Interval::ALL).copied().collect()
    }

    const DATED: Interval = Interval::new(At::BEGINNING, At::END);

    #[test]
    fn replacing_an_interval_keeps_its_neighbours() {
        let mut listing = Listing::default();
        listing.replace(Interval::ALL, some(&[(1, 1), (2, 2), (2, 3), (3, 4)]));
        listing.replace(Interval::new(at(2), at(3)), some(&[(2, 3), (2, 9)]));
        assert_eq!(ids(&listing), [key(1, 1), key(2, 3), key(2, 9), key(3, 4)]);
        assert_eq!(listing.count(Interval::new(at(2), at(3))), 2);
        assert_eq!(listing.count(Interval::new(at(3), at(3))), 0);
        assert_eq!(listing.count(Interval::new(at(4), At::END)), 0);
    }

    #[test]
    fn what_was_not_seen_again_goes_when_an_interval_is_settled() {
        let mut listing = Listing::default();
        listing.add(some(&[(1, 1), (2, 2), (2, 3)]));
        assert_eq!(listing.gaps(DATED), [DATED]);
        listing.settle(Interval::new(at(2), At::END), &[key(2, 3)].into());
        assert_eq!(ids(&listing), [key(1, 1), key(2, 3)]);
        assert_eq!(listing.gaps(DATED), [Interval::new(At::BEGINNING, at(2))]);
    }

    #[test]
    fn documents_without_a_date_and_twins_are_there() {
        let mut listing = Listing::default();
        listing.replace(DATED, some(&[(1, 1), (9, 1), (5, 2)]));
        let undated = (At::UNDATED, key(0, 7).1);
        listing.add([(undated, Place { unit: 1, line: 0 })]);
        assert_eq!((listing.count(Interval::ALL), listing.count(DATED)), (4, 3));
        assert_eq!(listing.twins(), [key(1, 1), key(9, 1)]);
        assert_eq!(listing.place(&undated), Some(Place { unit: 1, line: 0 }));
        listing.moved(&[key(9, 1)]);
        assert_eq!(listing.twins(), []);
        assert_eq!(listing.count(DATED), 2);
    }

    #[test]
    fn many_covered_intervals_stay_what_they_cover() {
        let mut listing = Listing::default();
        for second in (0..400).filter(|second| second % 4 != 0) {
            listing.replace(Interval::new(at(second), at(second + 1)), []);
        }
        let gaps = listing.gaps(Interval::new(at(0), at(400)));
        assert_eq!(gaps.len(), 100);
        assert_eq!(gaps[1], Interval::new(at(4), at(5)));
    }

    #[test]
    fn halves_never_cut_a_second() {
        let mut listing = Listing::default();
        listing.replace(Interval::ALL, some(&[(1, 1), (1, 2), (1, 3), (2, 4)]));
        let (low, high) = listing.halves(DATED).unwrap();
        assert_eq!((listing.count(low), listing.count(high)), (3, 1));
        assert_eq!(listing.halves(low), None);
        assert_eq!(listing.halves(Interval::new(at(9), At::END)), None);
        listing.replace(Interval::ALL, some(&(1..=10).map(|n| (i64::from(n), n)).collect::<Vec<_>>()));
        let (low, high) = listing.halves(DATED).unwrap();
        assert_eq!((listing.count(low), listing.count(high)), (5, 5));
        assert_eq!((low.low, low.high, high.high), (DATED.low, high.low, DATED.high));
    }
}
