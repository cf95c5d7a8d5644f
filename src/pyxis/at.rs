//! Instants on the time line of a collection, and intervals of it.
//!
//! How finely the server compares dates is unknown: as instants of microseconds or milliseconds, or as texts. Intervals
//! are therefore cut at whole seconds and written in the catalog's own form, `2020-10-20T18:17:55+00:00`. Among texts of
//! one second, `…55+00:00`, `…55.675000+00:00` and `…55Z`, that one is the lowest, as bytes sort `+` < `.` < `Z`; so `<`
//! and `>=` of it mean the same in every one of these comparisons. The documents of a page's last second may continue on
//! the next page. So the next page asks for that second again, and must bring the page's last document once more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A place on the time line, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct At(i64);

/// How a date is written in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateForm {
    /// As the catalog writes dates: `…:55+00:00`.
    Offset,
    /// `…:55Z`.
    Zulu,
    /// `…:55.000000+00:00`.
    Fraction,
}

impl At {
    /// The place of documents without a readable date: before all others.
    pub const UNDATED: Self = Self(i64::MIN);
    /// Before every date.
    pub const BEGINNING: Self = Self(i64::MIN + 1);
    /// After every date that counts as one, and yet an instant that a question can name: the year 9999.
    pub const HORIZON: Self = Self(253_370_764_800 * SECOND);
    /// After everything.
    pub const END: Self = Self(i64::MAX);

    /// The instant, cut to microseconds.
    pub fn of(instant: Timestamp) -> Self {
        Self(instant.as_microsecond())
    }

    /// The start of its second.
    pub fn second(self) -> Self {
        Self(self.0.div_euclid(SECOND) * SECOND)
    }

    /// The start of the next second.
    pub fn next_second(self) -> Self {
        Self((self.0.div_euclid(SECOND) + 1) * SECOND)
    }

    /// Seconds since 1970.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// The start of the second in which `seconds` since 1970 lies.
    pub fn from_seconds(seconds: f64) -> Self {
        Self(seconds.floor() as i64 * SECOND)
    }

    /// The instant, if it is one.
    pub fn instant(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }

    /// Its text.
    fn text(self, form: DateForm) -> String {
        let Some(instant) = self.instant() else { return String::new() };
        let fraction = self.0.rem_euclid(SECOND);
        let whole = instant.strftime("%Y-%m-%dT%H:%M:%S");
        match form {
            DateForm::Zulu if fraction == 0 => format!("{whole}Z"),
            DateForm::Zulu => format!("{whole}.{fraction:06}Z"),
            DateForm::Offset if fraction == 0 => format!("{whole}+00:00"),
            DateForm::Offset | DateForm::Fraction => format!("{whole}.{fraction:06}+00:00"),
        }
    }
}

/// What is at or after `low` and before `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end, which belongs to it.
    pub low: At,
    /// Its upper end, which does not.
    pub high: At,
}

impl Interval {
    /// Everything, documents without a date too.
    pub const ALL: Self = Self { low: At::UNDATED, high: At::END };

    /// From `low` to `high`.
    pub const fn new(low: At, high: At) -> Self {
        Self { low, high }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.low >= self.high
    }

    /// Whether `at` lies in it.
    pub fn contains(&self, at: At) -> bool {
        self.low <= at && at < self.high
    }

    /// The conditions of a filter that selects it.
    pub fn conditions(&self, form: DateForm) -> String {
        let mut conditions = String::new();
        if self.high != At::END {
            conditions.push_str(&format!(" and creation_date<{}", self.high.text(form)));
        }
        if self.low > At::BEGINNING {
            conditions.push_str(&format!(" and creation_date>={}", self.low.text(form)));
        }
        conditions
    }

    /// The parts of `self` that none of `covered` covers, in ascending order.
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

    fn at(text: &str) -> At {
        At::of(text.parse().unwrap())
    }

    #[test]
    fn conditions_say_exactly_the_interval() {
        let (a, b) = (at("2020-10-20T18:17:55Z"), at("2020-10-20T18:17:56.675Z"));
        let text = |interval: Interval, form| interval.conditions(form);
        assert_eq!(text(Interval::ALL, DateForm::Offset), "");
        assert_eq!(
            text(Interval::new(a, b), DateForm::Offset),
            " and creation_date<2020-10-20T18:17:56.675000+00:00 and creation_date>=2020-10-20T18:17:55+00:00"
        );
        assert_eq!(
            text(Interval::new(At::BEGINNING, a), DateForm::Fraction),
            " and creation_date<2020-10-20T18:17:55.000000+00:00"
        );
        assert_eq!(
            text(Interval::new(At::BEGINNING, b), DateForm::Zulu),
            " and creation_date<2020-10-20T18:17:56.675000Z"
        );
        assert_eq!(text(Interval::new(At::BEGINNING, a), DateForm::Zulu), " and creation_date<2020-10-20T18:17:55Z");
    }

    proptest! {
        /// Whichever way the server compares, a whole second in the catalog's form is the same border.
        #[test]
        fn a_border_is_one_for_instants_milliseconds_and_texts(micros in 0i64..4_000_000, border in 0i64..4) {
            let (document, border) = (At(micros), At(border * SECOND));
            let literal = border.text(DateForm::Offset);
            let below = document < border;
            prop_assert_eq!(document.text(DateForm::Offset) < literal, below);
            prop_assert_eq!(document.text(DateForm::Zulu) < literal, below);
            prop_assert_eq!(document.0 / 1_000 < border.0 / 1_000, below);
        }

        #[test]
        fn gaps_and_cover_make_the_whole(ends in prop::collection::vec((0i64..20, 0i64..20), 0..6), whole in (0i64..20, 0i64..20)) {
            let interval = |a: i64, b: i64| Interval::new(At(a.min(b)), At(a.max(b)));
            let whole = interval(whole.0, whole.1);
            let covered: Vec<_> = ends.iter().map(|(a, b)| interval(*a, *b)).collect();
            let gaps = whole.minus(&covered);
            for place in 0..20 {
                let inside = whole.contains(At(place));
                let is_covered = covered.iter().any(|interval| interval.contains(At(place)));
                let in_gaps = gaps.iter().filter(|gap| gap.contains(At(place))).count();
                prop_assert_eq!(in_gaps, usize::from(inside && !is_covered));
            }
        }

        #[test]
        fn seconds_hold_their_instants(micros in any::<i32>()) {
            let at = At(i64::from(micros));
            prop_assert!(at.second() <= at && at < at.next_second());
            prop_assert_eq!(at.next_second().0 - at.second().0, SECOND);
            prop_assert_eq!(At::from_seconds(at.second().as_seconds()), at.second());
        }
    }
}
