//! Walking collections: parallel keyset paging over `creation_date`.
//!
//! The time line of each collection is cut into spans. A walker pages down a span from its newest document: each
//! question asks for the newest page below the last date seen, so documents that come and go elsewhere shift nothing. A
//! full page may end in the middle of a date; the documents of its last date are left to the next page, so that each
//! page completes an exact interval. A walker without work takes the lower part of the span with the most left to do.
//!
//! A page on which all documents have one date is a *tie*: that date alone is walked by page number, in the order of
//! ids, until two passes agree. Operators are walked the same way: with plain page numbers over a whole collection, one
//! deletion shifts a document across a page border, where it is lost although the counts agree.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::client::Client;
use super::edge::{Edge, Interval};
use super::error::SourceError;
use super::query::{Collection, Order, Page, Question};
use super::retry::Fault;
use crate::base::limits;
use crate::catalog::document::Document;

/// Before this, the catalog holds next to nothing. Only a hint for cutting the time line into equal parts.
const HORIZON: Timestamp = Timestamp::constant(1_420_070_400, 0);
/// A span is worth dividing when more than this many pages are believed to be left in it.
const WORTH_DIVIDING: f64 = 1.2;
/// Passes over a tie until two in a row have to agree.
const TIE_PASSES: u32 = 8;
/// Pages of one date at most. Stops a server whose pages never end.
const TIE_PAGES: u32 = 10_000;
/// The page size to ask for where the server refuses a larger one: its default.
const SAFE_PAGE_SIZE: u32 = 100;

/// A walk over some collections.
pub struct Walk {
    client: Arc<Client>,
    collections: Vec<Walked>,
    /// Only documents changed at or after this instant.
    changed_since: Option<Timestamp>,
    sink: Box<dyn Sink>,
    state: Mutex<State>,
    wake: Notify,
}

/// A collection that is walked, with the page size that the server allows for it.
#[derive(Clone)]
pub struct Walked {
    /// What it is.
    pub collection: Arc<Collection>,
    /// Documents on a page.
    pub page_size: Arc<AtomicU32>,
}

/// Takes what a walk finds.
pub trait Sink: Send + Sync {
    /// The newest document of collection number `collection` has this date; later ones do not belong to the snapshot.
    ///
    /// # Errors
    /// Ends the walk.
    fn top(&self, collection: usize, top: Option<Timestamp>) -> Result<(), SourceError>;

    /// `documents` are all there are in `interval` of collection number `collection`.
    ///
    /// # Errors
    /// Ends the walk.
    fn unit(&self, collection: usize, interval: Interval, documents: Vec<Document>) -> Result<(), SourceError>;
}

/// A piece of work.
#[derive(Debug, Clone)]
pub enum Task {
    /// The newest page of a collection, which tells where its snapshot ends.
    Probe(usize),
    /// An interval of a collection.
    Span(usize, Interval),
    /// One date with more documents than a page has.
    Tie(usize, Timestamp),
}

struct State {
    queue: Vec<(Task, f64)>,
    /// What each walker has left to do; `None` for one that waits.
    active: Vec<Option<Active>>,
    busy: usize,
    failed: bool,
}

#[derive(Clone, Copy)]
struct Active {
    collection: usize,
    interval: Interval,
    /// Documents per second of the time line, as last seen.
    density: f64,
    divisible: bool,
}

impl Walk {
    /// Prepares a walk.
    pub fn new(
        client: Arc<Client>,
        collections: Vec<Walked>,
        changed_since: Option<Timestamp>,
        sink: Box<dyn Sink>,
    ) -> Self {
        let state = State { queue: Vec::new(), active: Vec::new(), busy: 0, failed: false };
        Self { client, collections, changed_since, sink, state: Mutex::new(state), wake: Notify::new() }
    }

    /// Does all `tasks`, and whatever follows from them, with `jobs` walkers.
    ///
    /// # Errors
    /// The first failure; what was found until then is with the sink.
    pub async fn run(self: Arc<Self>, tasks: Vec<Task>, jobs: u32) -> Result<(), SourceError> {
        {
            let mut state = self.state();
            state.active = vec![None; jobs as usize];
            state.queue = tasks.into_iter().rev().map(|task| (task, 0.0)).collect();
        }
        let mut walkers = JoinSet::new();
        for walker in 0..jobs as usize {
            walkers.spawn(Arc::clone(&self).walker(walker));
        }
        let mut result = Ok(());
        while let Some(ended) = walkers.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(SourceError::Client(error.to_string())));
            if result.is_ok() && ended.is_err() {
                result = ended;
                // The others end at their next step, so that what they have under way is not lost.
                self.state().failed = true;
                self.wake.notify_waiters();
            }
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn walker(self: Arc<Self>, walker: usize) -> Result<(), SourceError> {
        while let Some((task, density)) = self.next(walker).await {
            let result = match task {
                Task::Probe(collection) => self.probe(collection).await,
                Task::Span(_, _) => self.span(walker, density).await,
                Task::Tie(collection, at) => self.tie(collection, at).await,
            };
            {
                let mut state = self.state();
                state.active[walker] = None;
                state.busy -= 1;
                state.failed |= result.is_err();
            }
            self.wake.notify_waiters();
            result?;
        }
        Ok(())
    }

    /// The next piece of work for `walker`, or `None` once there is none and will be none.
    async fn next(&self, walker: usize) -> Option<(Task, f64)> {
        loop {
            let wake = self.wake.notified();
            let mut wake = std::pin::pin!(wake);
            wake.as_mut().enable();
            {
                let mut state = self.state();
                if state.failed {
                    return None;
                }
                let work = state.queue.pop().or_else(|| self.divide(&mut state));
                if let Some((task, density)) = work {
                    let active = match task {
                        Task::Probe(collection) => (collection, Interval::ALL, false),
                        Task::Span(collection, interval) => (collection, interval, true),
                        Task::Tie(collection, at) => (collection, Interval::instant(at), false),
                    };
                    let (collection, interval, divisible) = active;
                    state.active[walker] = Some(Active { collection, interval, density, divisible });
                    state.busy += 1;
                    return Some((task, density));
                }
                if state.busy == 0 {
                    drop(state);
                    self.wake.notify_waiters();
                    return None;
                }
            }
            wake.await;
        }
    }

    /// Takes the lower part of the span that has the most left to do, if one is worth it.
    fn divide(&self, state: &mut State) -> Option<(Task, f64)> {
        let left = |active: &Active| {
            let page = f64::from(self.collections[active.collection].page_size.load(Ordering::Relaxed));
            active.density * active.interval.seconds(HORIZON) / page
        };
        let candidates = state.active.iter_mut().flatten().filter(|active| active.divisible);
        let most = candidates.max_by(|a, b| left(a).total_cmp(&left(b)))?;
        if left(most) < WORTH_DIVIDING {
            return None;
        }
        let cut = Edge::after(middle(most.interval)?);
        let lower = Interval::new(most.interval.low, cut);
        most.interval.low = cut;
        Some((Task::Span(most.collection, lower), most.density))
    }

    fn enqueue(&self, task: Task, density: f64) {
        self.state().queue.push((task, density));
        self.wake.notify_waiters();
    }

    async fn page(&self, collection: usize, question: &Question) -> Result<Page, SourceError> {
        let Walked { collection, page_size } = &self.collections[collection];
        let url = collection.url(question);
        let decode = |answer| collection.decode(question, answer);
        let page = self.client.get(&url, None, limits::PAGE_BYTES, &collection.requests, decode).await?;
        // A server that allows less than was asked for says so, or gives a shorter page.
        if let Some(allowed) = page.page_size
            && allowed > 0
            && allowed < question.page_size
        {
            page_size.fetch_min(allowed, Ordering::Relaxed);
        }
        Ok(page)
    }

    fn question(&self, collection: usize, interval: Interval) -> Question {
        let page_size = self.collections[collection].page_size.load(Ordering::Relaxed);
        let order = Order::NewestFirst;
        Question { interval, changed_since: self.changed_since, order, page: 0, page_size, count: false }
    }

    /// Documents on a full page of `question`, by the page size that the server went by.
    fn full_page(&self, collection: usize, question: &Question) -> u32 {
        self.collections[collection].page_size.load(Ordering::Relaxed).min(question.page_size)
    }

    /// Whether `documents` are all that there are: they do not fill a page.
    fn is_last(&self, collection: usize, question: &Question, documents: &[Document]) -> bool {
        documents.len() < self.full_page(collection, question) as usize
    }

    async fn probe(&self, number: usize) -> Result<(), SourceError> {
        let Walked { collection, page_size } = &self.collections[number];
        let whole = Interval::new(collection.low(), Edge::END);
        let mut question = self.question(number, whole);
        let page = match self.page(number, &question).await {
            Err(SourceError::Request { fault: Fault::Status { code: 400 | 413 | 422, .. }, .. })
                if question.page_size > SAFE_PAGE_SIZE =>
            {
                page_size.store(SAFE_PAGE_SIZE, Ordering::Relaxed);
                question = self.question(number, whole);
                self.page(number, &question).await?
            }
            page => page?,
        };
        let Some(newest) = page.documents.first().map(|document| document.created) else {
            return self.sink.top(number, None);
        };
        self.sink.top(number, Some(newest))?;
        let whole = Interval::new(whole.low, Edge::after(newest));
        if self.is_last(number, &question, &page.documents) {
            return self.sink.unit(number, whole, page.documents);
        }
        let density = density(&page.documents);
        let Step { unit, tie, rest } = step(whole, page.documents);
        if let Some((interval, documents)) = unit {
            self.sink.unit(number, interval, documents)?;
        }
        if let Some(at) = tie {
            self.enqueue(Task::Tie(number, at), 0.0);
        }
        // One part for each walker to begin with, as far as there are pages for them; the rest divides itself.
        let pages = density * rest.seconds(HORIZON) / f64::from(question.page_size);
        let walkers = self.state().active.len();
        let parts = walkers.min(pages.ceil() as usize).max(1);
        for part in slices(rest, parts) {
            self.enqueue(Task::Span(number, part), density);
        }
        Ok(())
    }

    async fn span(&self, walker: usize, mut seen: f64) -> Result<(), SourceError> {
        loop {
            let Some(Active { collection, interval: asked, .. }) = self.state().active[walker] else { return Ok(()) };
            let question = self.question(collection, asked);
            let page = self.page(collection, &question).await?;
            if page.documents.len() > 1 {
                seen = density(&page.documents);
            }
            let step = {
                let mut state = self.state();
                let Some(active) = &mut state.active[walker] else { return Ok(()) };
                // Another walker may have taken the lower part meanwhile; what was found of it is that one's to find.
                let mine = active.interval;
                let documents: Vec<_> =
                    page.documents.into_iter().filter(|document| mine.contains(document.created)).collect();
                let step = if self.is_last(collection, &question, &documents) {
                    Step { unit: Some((mine, documents)), tie: None, rest: Interval::new(mine.low, mine.low) }
                } else {
                    step(mine, documents)
                };
                active.interval = step.rest;
                active.density = seen;
                step
            };
            if let Some((interval, documents)) = step.unit {
                self.sink.unit(collection, interval, documents)?;
            }
            if let Some(at) = step.tie {
                self.enqueue(Task::Tie(collection, at), 0.0);
            }
            if step.rest.is_empty() || self.state().failed {
                return Ok(());
            }
            self.wake.notify_waiters();
        }
    }

    /// Walks one date by page number, again and again until two passes find the same documents: a document that comes
    /// or goes between two pages of a pass shifts others across the border.
    async fn tie(&self, number: usize, at: Timestamp) -> Result<(), SourceError> {
        let moving = |cause: String| SourceError::Moving {
            collection: self.collections[number].collection.name().to_owned(),
            cause,
        };
        let mut previous: Option<BTreeMap<_, _>> = None;
        for _ in 0..TIE_PASSES {
            let (total, documents) = self.tie_pass(number, at).await?;
            let found: BTreeMap<_, _> = documents.into_iter().map(|document| (document.id, document)).collect();
            let same = previous.as_ref().is_some_and(|previous| previous.keys().eq(found.keys()));
            if same && total.is_none_or(|total| total == found.len() as u64) {
                return self.sink.unit(number, Interval::instant(at), found.into_values().collect());
            }
            previous = Some(found);
        }
        Err(moving(format!("the documents of {at} were never the same twice")))
    }

    async fn tie_pass(&self, number: usize, at: Timestamp) -> Result<(Option<u64>, Vec<Document>), SourceError> {
        let mut question = self.question(number, Interval::instant(at));
        question.order = Order::ById;
        question.count = true;
        let first = match self.page(number, &question).await {
            Ok(page) => page,
            Err(_) => {
                // Counting may fail; then the pages are asked for until one is not full.
                question.count = false;
                self.page(number, &question).await?
            }
        };
        let page_size = u64::from(self.full_page(number, &question));
        question.count = false;
        question.page_size = page_size as u32;
        let total = first.total;
        let pages = total.map_or(1, |total| total.div_ceil(page_size).max(1)) as u32;
        let ask = |page: u32| {
            let question = Question { page, ..question.clone() };
            async move { self.page(number, &question).await }
        };
        let mut last = first.documents.len();
        let mut documents = first.documents;
        let side_by_side = self.state().active.len().max(1);
        let mut more = stream::iter(1..pages).map(ask).buffered(side_by_side);
        while let Some(page) = more.try_next().await? {
            last = page.documents.len();
            documents.extend(page.documents);
        }
        for page in pages.max(1).. {
            if (last as u64) < page_size || page > TIE_PAGES {
                break;
            }
            let page = ask(page).await?;
            last = page.documents.len();
            documents.extend(page.documents);
        }
        Ok((total, documents))
    }
}

/// What follows from a full page of an interval.
struct Step {
    /// A part that is complete now, with its documents.
    unit: Option<(Interval, Vec<Document>)>,
    /// A date with more documents than a page has.
    tie: Option<Timestamp>,
    /// What is left.
    rest: Interval,
}

/// Divides `interval` by the full page `documents` of its newest documents.
fn step(interval: Interval, mut documents: Vec<Document>) -> Step {
    let (Some(first), Some(last)) = (documents.first(), documents.last()) else {
        return Step { unit: None, tie: None, rest: interval };
    };
    let (first, last) = (first.created, last.created);
    // The documents of the last date may go on behind the page.
    documents.retain(|document| document.created > last);
    let complete = Interval::new(Edge::after(last), interval.high);
    let unit = (!complete.is_empty()).then_some((complete, documents));
    let (tie, high) = if first == last { (Some(last), Edge::before(last)) } else { (None, Edge::after(last)) };
    Step { unit, tie, rest: Interval::new(interval.low, high.max(interval.low)) }
}

/// Documents per second on a page.
fn density(documents: &[Document]) -> f64 {
    let (Some(first), Some(last)) = (documents.first(), documents.last()) else { return 0.0 };
    documents.len() as f64 / first.created.duration_since(last.created).as_secs_f64().max(1.0)
}

/// An instant in the middle of an interval, to the second, if one lies strictly inside.
fn middle(interval: Interval) -> Option<Timestamp> {
    let low = if interval.low == Edge::BEGINNING { HORIZON } else { interval.low.at() };
    let middle = low.as_second() + (interval.high.at().as_second() - low.as_second()) / 2;
    let middle = Timestamp::from_second(middle).ok()?;
    (interval.low < Edge::after(middle) && Edge::after(middle) < interval.high && middle > low).then_some(middle)
}

/// `interval` in `parts` of equal length, the newest last.
fn slices(interval: Interval, parts: usize) -> Vec<Interval> {
    let start = if interval.low == Edge::BEGINNING { HORIZON } else { interval.low.at() };
    let seconds = interval.seconds(HORIZON) / parts as f64;
    let mut slices = Vec::with_capacity(parts);
    let mut low = interval.low;
    for part in 1..parts {
        let offset = (seconds * part as f64) as i64;
        let Ok(at) = Timestamp::from_second(start.as_second() + offset) else { continue };
        let cut = Edge::after(at);
        if cut > low && cut < interval.high {
            slices.push(Interval::new(low, cut));
            low = cut;
        }
    }
    slices.push(Interval::new(low, interval.high));
    slices.retain(|slice| !slice.is_empty());
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_cover_the_interval_once(low in 0i64..2_000_000_000, length in 0i64..1_000_000_000, parts in 1usize..20) {
            let at = |seconds| Timestamp::from_second(seconds).unwrap();
            let whole = Interval::new(Edge::after(at(low)), Edge::after(at(low + length)));
            let slices = slices(whole, parts);
            prop_assert!(slices.len() <= parts);
            prop_assert_eq!(whole.minus(&slices), vec![]);
            prop_assert!(slices.windows(2).all(|pair| pair[0].high == pair[1].low));
        }

        #[test]
        fn a_middle_lies_strictly_inside(low in 0i64..2_000_000_000, length in 0i64..1_000) {
            let at = |seconds| Timestamp::from_second(seconds).unwrap();
            let whole = Interval::new(Edge::after(at(low)), Edge::before(at(low + length)));
            if let Some(middle) = middle(whole) {
                prop_assert!(whole.contains(middle));
            }
        }
    }
}
