//! How many documents are where on the time line, estimated from the pages so far: to cut it where it is worth a page.

use crate::pyxis::At;

/// Before this, the catalog holds next to nothing (its first images are of 2017). Only a guess to begin with.
const HORIZON: f64 = 1_483_228_800.0;
/// Measured places that are kept.
const PLACES: usize = 256;

/// Documents per second along the time line.
#[derive(Debug, Default)]
pub struct Density {
    /// Time and documents per second, in order of time.
    places: Vec<(f64, f64)>,
    /// Before the oldest place, the rate grows with the time since the horizon, to the power `growth + 1`.
    growth: f64,
}

impl Density {
    /// Learns from `documents` that fill the time from `low` to `high`.
    pub fn learn(&mut self, low: At, high: At, documents: usize) {
        let (low, high) = (low.as_seconds(), high.as_seconds());
        // A page of one instant says nothing about the time around it.
        if high - low < 60.0 || documents < 2 {
            return;
        }
        let place = ((low + high) / 2.0, documents as f64 / (high - low));
        let index = self.places.partition_point(|(time, _)| *time < place.0);
        self.places.insert(index, place);
        if self.places.len() > PLACES {
            let mut is_kept = false;
            self.places.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
    }

    /// Fits the growth before the oldest place so that `total` documents lie before `high`, as the server counts.
    pub fn fit(&mut self, high: At, total: f64) {
        let Some((oldest, rate)) = self.places.first().copied() else { return };
        let below = (total - self.integral(oldest, high.as_seconds())).max(1.0);
        self.growth = (rate * (oldest - HORIZON) / below - 2.0).clamp(-1.0, 7.0);
    }

    /// Documents per second at `time`, which is not before the oldest place: linear between places.
    fn at(&self, time: f64) -> f64 {
        let index = self.places.partition_point(|(place, _)| *place < time);
        let Some(after) = self.places.get(index).or(self.places.last()) else { return 0.0 };
        let before = self.places[index.saturating_sub(1)];
        if after.0 <= before.0 {
            return after.1;
        }
        before.1 + (after.1 - before.1) * ((time - before.0) / (after.0 - before.0)).clamp(0.0, 1.0)
    }

    /// About how many documents are between `low` and `high`.
    pub fn count(&self, low: At, high: At) -> f64 {
        self.integral(start(low), high.as_seconds())
    }

    fn integral(&self, low: f64, high: f64) -> f64 {
        let Some((oldest, rate)) = self.places.first().copied() else { return 0.0 };
        let span = (oldest - HORIZON).max(1.0);
        let grown = |time: f64| ((time - HORIZON) / span).clamp(0.0, 1.0).powf(self.growth + 2.0);
        let mut total = rate * span / (self.growth + 2.0) * (grown(high) - grown(low)).max(0.0);
        let mut from = low.max(oldest);
        let inner = self.places.iter().map(|(time, _)| *time).filter(|time| *time < high);
        for to in inner.chain([high]) {
            if to > from {
                total += (self.at(from) + self.at(to)) / 2.0 * (to - from);
                from = to;
            }
        }
        total
    }

    /// The whole second between which and `high` there are about `documents`; strictly inside, or `None`.
    pub fn cut(&self, low: At, high: At, documents: f64) -> Option<At> {
        let (mut below, mut above) = (start(low), high.as_seconds());
        for _ in 0..40 {
            let middle = (below + above) / 2.0;
            if self.integral(middle, high.as_seconds()) > documents { below = middle } else { above = middle }
        }
        let cut = At::from_seconds(above);
        (low < cut && cut < high).then_some(cut)
    }
}

fn start(low: At) -> f64 {
    if low <= At::BEGINNING { HORIZON } else { low.as_seconds() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: f64) -> At {
        At::from_seconds(HORIZON + day * 86_400.0)
    }

    #[test]
    fn a_growing_catalog_is_foreseen_from_its_newest_page() {
        let mut density = Density::default();
        assert_eq!(density.count(at(0.0), at(100.0)), 0.0);
        // 500 documents in the last 10 of 1,000 days, growing evenly: 25,000 in all, 1,000 times 50 by half.
        density.learn(at(990.0), at(1_000.0), 500);
        let all = density.count(At::BEGINNING, at(1_000.0));
        assert!((24_000.0..26_000.0).contains(&all), "{all}");
        let cut = density.cut(At::BEGINNING, at(1_000.0), all / 2.0).unwrap();
        let above = density.count(cut, at(1_000.0));
        assert!((above - all / 2.0).abs() < 10.0, "{above} of {all}");
        // The server's count corrects it, and so does a page further down.
        density.fit(at(1_000.0), 12_500.0);
        let counted = density.count(At::BEGINNING, at(1_000.0));
        assert!((12_400.0..12_600.0).contains(&counted), "{counted}");
        let half = density.count(At::BEGINNING, at(500.0));
        assert!((700.0..800.0).contains(&half), "denser and denser: {half}");
        density.learn(at(490.0), at(510.0), 200);
        let lower = density.count(At::BEGINNING, at(500.0));
        assert!((1_200.0..1_260.0).contains(&lower), "{lower}");
    }

    #[test]
    fn cuts_lie_strictly_inside_and_at_whole_seconds() {
        let mut density = Density::default();
        density.learn(at(1.0), at(2.0), 500);
        let high = at(1.0);
        assert_eq!(density.cut(high, high, 1.0), None);
        assert_eq!(density.cut(At::from_seconds(high.as_seconds() - 1.0), high, 0.0), None);
        assert_eq!(density.cut(at(0.0), high, 1e9), None);
        let cut = density.cut(at(0.0), high, 30.0).unwrap();
        assert_eq!(cut, cut.second());
    }

    #[test]
    fn no_more_places_are_kept_than_help() {
        let mut density = Density::default();
        for day in 0..2_000 {
            density.learn(at(f64::from(day)), at(f64::from(day + 1)), 100);
        }
        assert!(density.places.len() <= PLACES);
        assert!(density.places.is_sorted_by(|a, b| a.0 < b.0));
        let count = density.count(at(100.0), at(1_900.0));
        assert!((179_000.0..181_000.0).contains(&count), "{count}");
        density.learn(at(5.0), at(5.0), 500);
        density.learn(at(5.0), at(9.0), 1);
        assert!(density.places.iter().all(|(_, rate)| *rate > 0.001));
    }

    #[test]
    fn between_two_places_the_rate_is_linear() {
        let mut density = Density::default();
        // 10 a day around day 905, 30 a day around day 995.
        density.learn(at(990.0), at(1_000.0), 300);
        density.learn(at(900.0), at(910.0), 100);
        for (low, high, documents) in
            [(905.0, 995.0, 1_800.0), (950.0, 995.0, 1_125.0), (905.0, 950.0, 675.0), (995.0, 1_000.0, 150.0)]
        {
            let found = density.count(at(low), at(high));
            assert!((found - documents).abs() < 1e-6, "{low} to {high}: {found}");
        }
        // Only one a day around day 950.
        density.learn(at(945.0), at(955.0), 10);
        let found = density.count(at(905.0), at(995.0));
        assert!((found - (5.5 + 15.5) * 45.0).abs() < 1e-6, "{found}");
    }

    #[test]
    fn a_page_of_one_instant_or_one_document_says_nothing() {
        let second = 1.0 / 86_400.0;
        let learnt = |seconds: f64, documents| {
            let mut density = Density::default();
            density.learn(at(900.0), at(900.0 + seconds * second), documents);
            !density.places.is_empty()
        };
        assert!(learnt(60.0, 2) && learnt(61.0, 3));
        assert!(!learnt(59.0, 2) && !learnt(0.0, 500) && !learnt(60.0, 1));
    }

    #[test]
    fn of_too_many_places_every_second_is_kept() {
        let mut density = Density::default();
        for place in 0..PLACES {
            density.learn(at(place as f64), at(place as f64 + 1.0), 10);
            assert_eq!(density.places.len(), place + 1);
        }
        density.learn(at(-1.0), at(0.0), 10);
        assert_eq!(density.places.len(), PLACES / 2 + 1);
    }

    #[test]
    fn what_is_fitted_is_counted() {
        for total in [8_000.0, 20_000.0, 40_000.0] {
            let mut density = Density::default();
            density.learn(at(990.0), at(1_000.0), 500);
            density.fit(at(1_000.0), total);
            let found = density.count(At::BEGINNING, at(1_000.0));
            assert!((found - total).abs() < 1.0, "{found} of {total}");
        }
    }
}
