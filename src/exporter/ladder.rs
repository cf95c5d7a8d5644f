//! The steps of a collection's ladder during its walk: the page size goes down when the server does not manage a page,
//! and up again after successes.

use crate::pyxis::{Rung, Way};

/// Good pages before a larger one is tried again.
const GROW_AFTER: u32 = 16;

/// The page size of a collection.
#[derive(Debug)]
pub struct Sizes {
    /// Largest first.
    sizes: Vec<u32>,
    at: usize,
    good: u32,
    needed: u32,
    /// A single larger page is under way, to see whether the server manages it now.
    trial: bool,
}

impl Sizes {
    /// Begins with the largest of `sizes`, which are in descending order.
    pub fn new(sizes: Vec<u32>) -> Self {
        Self { sizes, at: 0, good: 0, needed: GROW_AFTER, trial: false }
    }

    /// The size that works.
    pub fn proven(&self) -> u32 {
        self.sizes.get(self.at).copied().unwrap_or(1)
    }

    /// The size for the next question: the one that works, or once in a while the next larger one.
    pub fn next(&mut self) -> u32 {
        if self.at > 0 && self.good >= self.needed && !self.trial {
            self.trial = true;
            return self.sizes[self.at - 1];
        }
        self.proven()
    }

    /// A page of `size` came; the server says that it used `echoed`.
    pub fn good(&mut self, size: u32, echoed: Option<u32>) {
        if let Some(allowed) = echoed.filter(|allowed| *allowed < size) {
            self.limit(allowed);
        } else if self.trial && size > self.proven() {
            (self.trial, self.good) = (false, 0);
            self.at -= 1;
        } else {
            self.good += 1;
        }
    }

    /// The server did not manage a page of `size`; returns whether a smaller one is left to ask for.
    pub fn failed(&mut self, size: u32) -> bool {
        if size > self.proven() {
            // A larger one was tried too early, or another question has already made it smaller.
            if self.trial {
                (self.trial, self.good) = (false, 0);
                self.needed = self.needed.saturating_mul(4);
            }
            return true;
        }
        let smaller = self.sizes.iter().position(|other| *other < size);
        self.at = smaller.unwrap_or(self.at).max(self.at);
        self.good = 0;
        smaller.is_some()
    }

    /// The server never gives more than `allowed`.
    fn limit(&mut self, allowed: u32) {
        self.sizes.retain(|size| *size < allowed);
        self.sizes.insert(0, allowed);
        (self.at, self.good, self.trial) = (0, 0, false);
    }

    /// Begins with `size`.
    pub fn begin_with(&mut self, size: u32) {
        self.at = self.sizes.iter().position(|other| *other <= size).unwrap_or(self.sizes.len() - 1);
        (self.good, self.trial) = (0, false);
    }
}

/// The number of the next rung of `ladder` that has another way than `way`. If a question was too `slow`, another form of
/// its date is too slow too.
pub fn other_way(ladder: &[Rung], way: Way, slow: bool) -> usize {
    let other = |rung: &Rung| if slow && way != Way::Numbers { rung.way == Way::Numbers } else { rung.way != way };
    let after = ladder.iter().position(|rung| rung.way == way).unwrap_or(0);
    ladder.iter().skip(after).position(other).map_or(0, |steps| after + steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pyxis::DateForm;
    use crate::pyxis::Way::Keyset;

    #[test]
    fn another_way_is_the_next_one_and_after_the_last_the_first() {
        let ways =
            [Keyset(DateForm::Offset), Keyset(DateForm::Offset), Keyset(DateForm::Zulu), Way::Numbers, Way::Numbers];
        let ladder = ways.map(|way| Rung { way, size: 100 });
        assert_eq!(other_way(&ladder, Keyset(DateForm::Offset), false), 2);
        assert_eq!(other_way(&ladder, Keyset(DateForm::Offset), true), 3);
        assert_eq!(other_way(&ladder, Keyset(DateForm::Zulu), false), 3);
        assert_eq!(other_way(&ladder, Way::Numbers, false), 0);
        let ladder = [ways[0], ways[3], ways[0], ways[3], ways[2]].map(|way| Rung { way, size: 100 });
        assert_eq!(other_way(&ladder, Way::Numbers, false), 2);
        assert_eq!(other_way(&ladder, Way::Numbers, true), 2);
    }

    #[test]
    fn pages_shrink_and_grow_again_one_question_at_a_time() {
        let mut sizes = Sizes::new(vec![500, 250, 100]);
        assert!(sizes.failed(500));
        assert!(sizes.failed(500), "another question of that size had failed as well");
        assert_eq!(sizes.proven(), 250);
        (0..GROW_AFTER).for_each(|_| sizes.good(250, Some(250)));
        assert_eq!((sizes.next(), sizes.next()), (500, 250));
        assert!(sizes.failed(500));
        (0..4 * GROW_AFTER - 1).for_each(|_| sizes.good(250, Some(250)));
        assert_eq!(sizes.next(), 250);
        sizes.good(250, None);
        assert_eq!(sizes.next(), 500);
        sizes.good(500, Some(500));
        assert_eq!((sizes.next(), sizes.proven()), (500, 500));
        assert!(sizes.failed(500) && sizes.failed(250) && !sizes.failed(100));
        assert_eq!(sizes.next(), 100);
    }

    #[test]
    fn only_the_page_that_was_tried_makes_pages_grow() {
        let mut sizes = Sizes::new(vec![500, 250, 100]);
        sizes.failed(500);
        sizes.good(500, None);
        assert_eq!(sizes.proven(), 250, "an answer that came late");
        (0..GROW_AFTER).for_each(|_| sizes.good(250, None));
        assert_eq!(sizes.next(), 500);
        sizes.good(250, None);
        assert_eq!(sizes.proven(), 250, "another answer came first");
        sizes.good(500, None);
        assert_eq!(sizes.proven(), 500);
    }

    #[test]
    fn what_the_server_says_it_gives_is_believed() {
        let mut sizes = Sizes::new(vec![500, 250, 100]);
        sizes.good(500, Some(250));
        assert_eq!(sizes.sizes, [250, 100]);
        let mut sizes = Sizes::new(vec![500, 250, 100]);
        sizes.good(500, Some(200));
        assert_eq!(sizes.next(), 200);
        assert!(sizes.failed(200));
        assert_eq!(sizes.next(), 100);
        sizes.begin_with(500);
        assert_eq!(sizes.next(), 200);
        sizes.begin_with(7);
        assert_eq!(sizes.next(), 100);
    }
}
