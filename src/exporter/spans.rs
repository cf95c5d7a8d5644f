//! How the time line of a collection is divided among questions under way. Pure: what a page completes, what is left,
//! and where a cut is worth a page.

use std::collections::{BTreeMap, HashMap};

use super::density::Density;
use crate::catalog::document::ObjectId;
use crate::pyxis::{At, Document, Interval, Page};

/// A part is divided if its estimate is more pages than this.
const WORTH_DIVIDING: f64 = 1.1;
/// And if it would take this many answers longer than its share.
const BEHIND: f64 = 0.3;
/// Answers for which one division is allowed, beyond one for each place. An estimate can be wrong, as beside a tie; then
/// it costs no more than this.
const ANSWERS_FOR_ONE: u32 = 4;
/// The upper part of a divided one is smaller than whole pages by this factor, so that a small error of the estimate
/// does not cost one more page.
const ROOM: f64 = 0.97;

/// The parts of the time line that are walked, each downwards by one question after another.
#[derive(Debug, Default)]
pub struct Spans {
    spans: BTreeMap<u32, Span>,
    next: u32,
    density: Density,
    longest: HashMap<u32, Longest>,
    answers: u32,
    divided: u32,
    /// How many last documents of pages came again with the next page, and how many did not.
    edges: (u32, u32),
}

/// The length of the longest page so far, of those asked with one size.
#[derive(Debug, Default)]
pub struct Longest(usize);

impl Longest {
    /// Whether `page` is the last one: it is empty, or shorter than the page size that the server states and than the
    /// longest page so far. The size that was asked for does not decide, because a server may give fewer.
    pub fn is_last(&mut self, page: &Page) -> bool {
        let count = page.documents.len();
        let is_short = count < self.0 && page.size.is_some_and(|full| count < full as usize);
        self.0 = count.max(self.0);
        count == 0 || is_short
    }
}

#[derive(Debug)]
struct Span {
    left: Interval,
    /// The last document of the page before, which has to come again.
    edge: Option<ObjectId>,
}

/// The result of a page.
#[derive(Debug, Default)]
pub struct Step {
    /// An interval that is complete now, with its documents.
    pub found: Option<(Interval, Vec<Document>)>,
    /// Documents without a date.
    pub undated: Vec<Document>,
    /// A second with more documents than the page has.
    pub tie: Option<Interval>,
}

impl Spans {
    /// Adds a part; returns its number.
    pub fn begin(&mut self, left: Interval) -> u32 {
        self.next += 1;
        self.spans.insert(self.next, Span { left, edge: None });
        self.next
    }

    /// The rest of a part, if there is any.
    pub fn left(&self, number: u32) -> Option<Interval> {
        self.spans.get(&number).map(|span| span.left)
    }

    /// The estimated pages of `size` that are left in all parts.
    pub fn pages(&self, size: u32) -> f64 {
        self.spans.values().map(|span| self.pages_of(span, size)).sum()
    }

    fn pages_of(&self, span: &Span, size: u32) -> f64 {
        // Each part costs at least one page.
        (self.density.count(span.left.low, span.left.high) / f64::from(size)).max(1.0)
    }

    /// Takes the server's count of all documents before `high` as a hint where they lie.
    pub fn foresee(&mut self, high: At, total: u64) {
        self.density.fit(high, total as f64);
    }

    /// Whether `page`, asked with `size`, is all there is of its question.
    pub fn is_last(&mut self, size: u32, page: &Page) -> bool {
        self.longest.entry(size).or_default().is_last(page)
    }

    /// Whether the server leaves out the documents at the edges of pages, because it compares dates in another way.
    pub fn loses_edges(&self) -> bool {
        self.edges.0 == 0 && self.edges.1 >= 3
    }

    /// Takes the answer for part `number`. Another part may have taken its lower end in the meantime; documents there
    /// belong to that other part.
    pub fn take(&mut self, number: u32, page: Page, is_last: bool) -> Step {
        self.answers += 1;
        let Some(span) = self.spans.get_mut(&number) else { return Step::default() };
        if let Some(edge) = span.edge.take() {
            let came = page.documents.iter().any(|document| document.id == edge);
            if came { self.edges.0 += 1 } else { self.edges.1 += 1 }
        }
        let mine = span.left;
        let (undated, dated): (Vec<_>, Vec<_>) =
            page.documents.into_iter().partition(|document| document.at == At::UNDATED);
        let count = dated.len();
        let seconds = dated.chunk_by(|a, b| a.at.second() == b.at.second()).count();
        let ends = dated.first().zip(dated.last()).map(|(first, last)| (first.at, last.at, last.id));
        let mut documents: Vec<_> = dated.into_iter().filter(|document| mine.contains(document.at)).collect();
        let Some((first, last, edge)) = ends.filter(|(_, last, _)| !is_last && *last >= mine.low) else {
            self.spans.remove(&number);
            return Step { found: Some((mine, documents)), undated, tie: None };
        };
        // A page of a tie and little else tells nothing of its surroundings.
        if seconds * 2 > count {
            self.density.learn(last, first, count);
        }
        // The last second may have more documents on the next page.
        let border = last.next_second();
        if border < mine.high {
            documents.retain(|document| document.at >= border);
            (span.left, span.edge) = (Interval::new(mine.low, border), Some(edge));
            return Step { found: Some((Interval::new(border, mine.high), documents)), undated, tie: None };
        }
        let low = last.second().max(mine.low);
        span.left = Interval::new(mine.low, low);
        if span.left.is_empty() {
            self.spans.remove(&number);
        }
        Step { found: None, undated, tie: Some(Interval::new(low, mine.high)) }
    }

    /// Divides the part with the most left, if that is worth it where each place among the questions under way has
    /// `share` pages to do; returns the number of the new part.
    pub fn divide(&mut self, size: u32, share: f64, jobs: u32) -> Option<u32> {
        if self.divided >= jobs + self.answers / ANSWERS_FOR_ONE {
            return None;
        }
        let pages = |span: &Span| self.pages_of(span, size);
        let most = self.spans.iter().max_by(|(_, a), (_, b)| pages(a).total_cmp(&pages(b)));
        let (number, left) = most.map(|(number, span)| (*number, pages(span)))?;
        if left < WORTH_DIVIDING || left < share + BEHIND {
            return None;
        }
        let upper = (left / 2.0).round().max(1.0) * f64::from(size) * ROOM;
        let span = self.spans.get_mut(&number)?;
        let cut = self.density.cut(span.left.low, span.left.high, upper)?;
        let lower = Interval::new(span.left.low, cut);
        span.left.low = cut;
        self.divided += 1;
        Some(self.begin(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::document::Operator;
    use crate::pyxis::Body;

    fn at(seconds: f64) -> At {
        At::from_seconds(1_600_000_000.0 + seconds)
    }

    fn document(seconds: f64, id: u32) -> Document {
        let operator = Operator { csv_name: "".into(), ocp_version: "".into(), channel_name: "".into() };
        let id = ObjectId::parse(&format!("{id:024x}")).unwrap();
        Document { id, at: at(seconds), body: Body::Operator(Box::new(operator)), odd: None }
    }

    fn page(size: u32, documents: &[(f64, u32)]) -> Page {
        let documents = documents.iter().map(|(seconds, id)| document(*seconds, *id)).collect();
        Page { documents, size: Some(size), total: None }
    }

    fn found(step: &Step) -> Option<(Interval, usize)> {
        step.found.as_ref().map(|(interval, documents)| (*interval, documents.len()))
    }

    #[test]
    fn a_page_completes_what_lies_above_its_last_second() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(At::BEGINNING, at(100.0)));
        let step = spans.take(number, page(3, &[(90.0, 1), (80.0, 2), (80.0, 3)]), false);
        assert_eq!(found(&step), Some((Interval::new(at(81.0), at(100.0)), 1)));
        assert_eq!(spans.left(number), Some(Interval::new(At::BEGINNING, at(81.0))));
        let step = spans.take(number, page(3, &[(80.0, 2), (80.0, 3), (80.0, 4)]), false);
        assert_eq!((found(&step), step.tie), (None, Some(Interval::new(at(80.0), at(81.0)))));
        let step = spans.take(number, page(3, &[(7.0, 5)]), true);
        assert_eq!(found(&step), Some((Interval::new(At::BEGINNING, at(80.0)), 1)));
        assert_eq!(spans.left(number), None);
        assert!(!spans.loses_edges());
    }

    #[test]
    fn what_another_part_took_is_left_to_it() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(at(0.0), at(100_000.0)));
        spans.density.learn(at(0.0), at(100_000.0), 1_000);
        let lower = spans.divide(100, 1.0, 8).unwrap();
        let (upper, below) = (spans.left(number).unwrap(), spans.left(lower).unwrap());
        assert_eq!((below.low, below.high, upper.high), (at(0.0), upper.low, at(100_000.0)));
        // The answer to the question that was under way reaches below the cut.
        let step = spans.take(number, page(3, &[(99_000.0, 1), (60_000.0, 2), (10.0, 3)]), false);
        assert_eq!(found(&step), Some((upper, 2)));
        assert_eq!(spans.left(number), None);
    }

    #[test]
    fn the_servers_page_size_or_an_empty_page_tells_the_end() {
        let mut spans = Spans::default();
        assert!(!spans.is_last(500, &page(500, &[(2.0, 1), (1.0, 2)])), "nothing longer was seen yet");
        assert!(spans.is_last(500, &page(500, &[(1.0, 2)])));
        assert!(!spans.is_last(500, &page(1, &[(1.0, 2)])), "full by the server's account");
        assert!(!spans.is_last(500, &Page { size: None, ..page(1, &[(1.0, 2)]) }), "the server does not tell");
        assert!(spans.is_last(500, &Page { size: None, ..page(1, &[]) }));
        assert!(!spans.is_last(500, &page(500, &[(2.0, 1), (1.0, 2)])), "as long as the longest: it may give no more");
    }

    #[test]
    fn a_server_that_loses_what_lies_at_the_edges_is_noticed() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(at(0.0), at(1_000.0)));
        for lost in 0..4 {
            assert!(!spans.loses_edges());
            let newest = 900.0 - f64::from(lost) * 100.0;
            spans.take(number, page(2, &[(newest, lost * 2), (newest - 50.0, lost * 2 + 1)]), false);
        }
        assert!(spans.loses_edges());

        // If one edge came again, a document may as well be gone.
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(at(0.0), at(1_000.0)));
        spans.take(number, page(2, &[(900.0, 90), (880.0, 91)]), false);
        spans.take(number, page(2, &[(880.0, 91), (870.0, 92)]), false);
        for lost in 0..5 {
            let newest = 800.0 - f64::from(lost) * 100.0;
            spans.take(number, page(2, &[(newest, lost * 2), (newest - 50.0, lost * 2 + 1)]), false);
        }
        assert!(!spans.loses_edges());
    }

    #[test]
    fn only_what_is_behind_its_share_is_divided() {
        let mut spans = Spans::default();
        spans.begin(Interval::new(at(0.0), at(100_000.0)));
        spans.density.learn(at(0.0), at(100_000.0), 1_000);
        assert_eq!(spans.pages(100).round(), 10.0);
        assert_eq!(spans.divide(100, 10.0, 8), None);
        assert_eq!(spans.divide(1_000, 0.5, 8), None);
        assert!(spans.divide(100, 6.0, 8).is_some());
        assert_eq!(spans.divide(100, 6.0, 8), None);
    }

    #[test]
    fn a_tie_on_a_page_does_not_make_its_surroundings_look_dense() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(at(0.0), at(10_000_000.0)));
        let tie: Vec<_> = (0..100).map(|id| (if id < 99 { 9_000_000.0 } else { 8_999_900.0 }, id)).collect();
        spans.take(number, page(100, &tie), false);
        assert_eq!(spans.pages(100), 1.0);
        assert_eq!(spans.divide(100, 0.0, 8), None);
    }

    #[test]
    fn a_page_with_more_seconds_than_half_its_documents_tells_the_density() {
        for (seconds, is_told) in [(50, false), (51, true), (60, true), (100, true)] {
            let mut spans = Spans::default();
            let number = spans.begin(Interval::new(at(0.0), at(10_000_000.0)));
            let documents: Vec<_> =
                (0..100).map(|id| (9_000_000.0 - f64::from(id.min(seconds - 1)) * 100.0, id)).collect();
            spans.take(number, page(100, &documents), false);
            assert_eq!(spans.pages(100) > 1.0, is_told, "{seconds}");
        }
    }

    #[test]
    fn the_count_of_all_tells_how_much_lies_before_the_first_page() {
        let mut spans = Spans::default();
        spans.begin(Interval::new(At::BEGINNING, at(0.0)));
        spans.density.learn(at(-1_000_000.0), at(0.0), 1_000);
        spans.foresee(at(0.0), 20_000);
        assert_eq!(spans.pages(100).round(), 200.0);
    }

    #[test]
    fn a_part_is_cut_in_halves_of_whole_pages() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(at(0.0), at(100_000.0)));
        spans.density.learn(at(0.0), at(100_000.0), 1_000);
        let lower = spans.divide(100, 1.0, 8).unwrap();
        let pages = |number: u32| spans.pages_of(&spans.spans[&number], 100);
        assert!((4.7..5.0).contains(&pages(number)), "{}", pages(number));
        assert!((5.0..5.3).contains(&pages(lower)), "{}", pages(lower));
        // Each job is allowed one cut, and each four answers one more.
        let mut spans = Spans { answers: 11, ..Spans::default() };
        spans.begin(Interval::new(at(0.0), at(100_000.0)));
        spans.density.learn(at(0.0), at(100_000.0), 100_000);
        let cuts = std::iter::from_fn(|| spans.divide(100, 0.0, 3)).count();
        assert_eq!(cuts, 5);
        spans.take(1, page(100, &[]), true);
        assert!(spans.divide(100, 0.0, 3).is_some() && spans.divide(100, 0.0, 3).is_none());
    }

    #[test]
    fn a_wrong_estimate_does_not_divide_without_end() {
        let mut spans = Spans::default();
        spans.begin(Interval::new(at(0.0), at(100_000_000.0)));
        spans.density.learn(at(0.0), at(100.0), 100);
        assert!(spans.pages(100) > 100_000.0);
        let mut divided = 0;
        // All parts are in truth empty.
        while let Some(number) = spans.spans.keys().next().copied() {
            while spans.divide(100, 0.0, 8).is_some() {
                divided += 1;
            }
            spans.take(number, page(100, &[]), true);
        }
        assert!((8..20).contains(&divided), "{divided}");
    }

    #[test]
    fn documents_without_a_date_do_not_move_the_border() {
        let mut spans = Spans::default();
        let number = spans.begin(Interval::new(At::BEGINNING, at(100.0)));
        let mut with = page(3, &[(90.0, 1), (80.0, 2)]);
        with.documents.push(Document { at: At::UNDATED, ..document(0.0, 3) });
        let step = spans.take(number, with, false);
        assert_eq!((found(&step).map(|(_, count)| count), step.undated.len()), (Some(1), 1));
        assert_eq!(spans.left(number), Some(Interval::new(At::BEGINNING, at(81.0))));
    }
}
