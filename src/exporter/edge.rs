//! Intervals of the time line, exact at their ends.
//!
//! `creation_date` is not unique, and how finely the server compares instants is unknown. So an end is never moved by
//! "one tick": it lies just before or just after all documents of one instant that some document really has.

use jiff::Timestamp;

/// A place between the documents on the time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Edge {
    at: Timestamp,
    after: bool,
}

impl Edge {
    /// Before every document.
    pub const BEGINNING: Self = Self { at: Timestamp::MIN, after: false };
    /// After every document.
    pub const END: Self = Self { at: Timestamp::MAX, after: true };

    /// Just before the documents of `at`.
    pub const fn before(at: Timestamp) -> Self {
        Self { at, after: false }
    }

    /// Just after the documents of `at`.
    pub const fn after(at: Timestamp) -> Self {
        Self { at, after: true }
    }

    /// The instant at which it lies.
    pub const fn at(self) -> Timestamp {
        self.at
    }

    /// Whether a document of `created` lies above it.
    pub fn is_below(self, created: Timestamp) -> bool {
        if self.after { created > self.at } else { created >= self.at }
    }
}

/// Everything between two edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: Edge,
    /// Its upper end.
    pub high: Edge,
}

impl Interval {
    /// The whole time line.
    pub const ALL: Self = Self { low: Edge::BEGINNING, high: Edge::END };

    /// From `low` to `high`.
    pub const fn new(low: Edge, high: Edge) -> Self {
        Self { low, high }
    }

    /// All documents of one instant.
    pub const fn instant(at: Timestamp) -> Self {
        Self { low: Edge::before(at), high: Edge::after(at) }
    }

    /// Whether nothing fits between the ends.
    pub fn is_empty(&self) -> bool {
        self.low >= self.high
    }

    /// Whether a document of `created` lies in it.
    pub fn contains(&self, created: Timestamp) -> bool {
        self.low.is_below(created) && !self.high.is_below(created)
    }

    /// The conditions of a filter that selects it.
    pub fn conditions(&self, field: &str) -> Vec<String> {
        if self.low.at == self.high.at {
            return vec![format!("{field}=={}", self.low.at)];
        }
        let mut conditions = Vec::new();
        if self.low != Edge::BEGINNING {
            conditions.push(format!("{field}{}{}", if self.low.after { ">" } else { ">=" }, self.low.at));
        }
        if self.high != Edge::END {
            conditions.push(format!("{field}{}{}", if self.high.after { "<=" } else { "<" }, self.high.at));
        }
        conditions
    }

    /// Its length in seconds, with open ends cut at `horizon`.
    pub fn seconds(&self, horizon: Timestamp) -> f64 {
        let low = if self.low == Edge::BEGINNING { horizon } else { self.low.at };
        self.high.at.duration_since(low).as_secs_f64().max(0.0)
    }

    /// What of `self` none of `covered` covers, in ascending order.
    pub fn minus(&self, covered: &[Self]) -> Vec<Self> {
        let mut covered: Vec<_> = covered.iter().filter(|interval| !interval.is_empty()).copied().collect();
        covered.sort_by_key(|interval| interval.low);
        let mut gaps = Vec::new();
        let mut low = self.low;
        for interval in covered {
            if interval.low > low {
                gaps.push(Self::new(low, interval.low.min(self.high)));
            }
            low = low.max(interval.high);
        }
        gaps.push(Self::new(low, self.high));
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn edge() -> impl Strategy<Value = Edge> {
        (0i64..20, any::<bool>()).prop_map(|(seconds, after)| Edge { at: at(seconds), after })
    }

    #[test]
    fn conditions_say_exactly_the_interval() {
        let (a, b) = (at(0), at(60));
        let text = |interval: Interval| interval.conditions("d").join(" and ");
        assert_eq!(text(Interval::ALL), "");
        assert_eq!(text(Interval::instant(a)), "d==1970-01-01T00:00:00Z");
        assert_eq!(
            text(Interval::new(Edge::after(a), Edge::before(b))),
            "d>1970-01-01T00:00:00Z and d<1970-01-01T00:01:00Z"
        );
        assert_eq!(text(Interval::new(Edge::BEGINNING, Edge::after(b))), "d<=1970-01-01T00:01:00Z");
    }

    proptest! {
        #[test]
        fn gaps_and_cover_make_the_whole(ends in prop::collection::vec((edge(), edge()), 0..6), whole in (edge(), edge())) {
            let whole = Interval::new(whole.0.min(whole.1), whole.0.max(whole.1));
            let covered: Vec<_> = ends.iter().map(|(a, b)| Interval::new(*a.min(b), *a.max(b))).collect();
            let gaps = whole.minus(&covered);
            for seconds in 0..20 {
                let inside = whole.contains(at(seconds));
                let is_covered = covered.iter().any(|interval| interval.contains(at(seconds)));
                let in_gaps = gaps.iter().filter(|gap| gap.contains(at(seconds))).count();
                prop_assert_eq!(in_gaps, usize::from(inside && !is_covered));
            }
        }
    }
}
