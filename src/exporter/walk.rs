//! The walk of one collection: it has its client, its collection, its source and a channel to its listing. It climbs down
//! its ladder if the server does not manage or accept a question.
//!
//! The best rung is paging by keyset down `creation_date`: each question asks for the newest page below the last second
//! seen, so documents that come and go elsewhere shift nothing, and each page completes an exact interval. Several parts
//! of the time line are walked at once ([`Spans`]). If the server manages no such question, the collection is listed by
//! page number until two passes agree (`passes`).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::crew::Crew;
use super::error::SourceError;
use super::keeper::{Report, Sink};
use super::ladder::{Sizes, other_way};
use super::limits;
use super::spans::Spans;
use super::work_folder::Begun;
use crate::base::text::count;
use crate::http::{Client, Fault, Get, HttpError, React, Remedy, Source, shown};
use crate::pyxis::{
    At, Collection, DateForm, Interval, Only, Order, PAGE_BYTES, Page, Question, Rung, Way, page_sizes,
};

/// How often the smallest page, or a form, may fail until the walk counts as stuck on this rung.
const STUCK_AFTER: u32 = 3;
/// How often a stuck walk takes another way.
const CLIMBS: u32 = 8;

/// The walk of one collection.
pub struct Walk<'a> {
    /// Whom to ask.
    pub client: &'a Client,
    /// The collection.
    pub collection: Arc<Collection>,
    /// What is known of the source.
    pub source: Source,
    /// The channel to the keeper, which has the listing.
    pub sink: Sink,
    /// The other walks.
    pub crew: &'a Crew,
    /// The present rung.
    pub rung: Cell<Rung>,
    /// Passes by page number over the whole collection, the last two of which agreed.
    pub passes: Cell<Option<u32>>,
    /// The server's count at the start, if it can count in time.
    pub counted: Cell<Option<u64>>,
    /// Whether the server sorts by id, as far as that was tried.
    pub sorts_by_id: Cell<Option<bool>>,
    /// Answers with documents so far.
    pages: Cell<u64>,
    documents: Cell<u64>,
    pub(super) sizes: RefCell<Sizes>,
    /// The question that the walk got stuck on.
    stuck_on: RefCell<Option<Question>>,
    /// The form of dates that the server took last.
    form: Cell<DateForm>,
    largest: u32,
}

/// How a walk on one rung ends before it is done.
#[derive(Debug)]
pub enum End {
    /// For good.
    Failed(SourceError),
    /// The server does not manage or accept a question of this rung.
    Stuck(HttpError),
}

impl From<SourceError> for End {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl From<End> for SourceError {
    fn from(end: End) -> Self {
        match end {
            End::Failed(error) => error,
            End::Stuck(error) => error.into(),
        }
    }
}

/// An answer that is under way.
type Flight<'f> = Pin<Box<dyn Future<Output = Result<Landed, End>> + 'f>>;

/// What it brings.
enum Landed {
    /// A page for a part of the time line, asked with this size.
    Page(u32, u32, Page),
    /// A tie is settled.
    Tie,
}

impl<'a> Walk<'a> {
    /// Prepares a walk.
    pub fn new(client: &'a Client, collection: Collection, sink: Sink, crew: &'a Crew, largest: u32) -> Self {
        Self {
            client,
            source: Source::new(&collection.name),
            rung: Cell::new(collection.ladder(largest)[0]),
            collection: Arc::new(collection),
            sink,
            crew,
            passes: Cell::new(None),
            counted: Cell::new(None),
            sorts_by_id: Cell::new(None),
            pages: Cell::new(0),
            documents: Cell::new(0),
            sizes: RefCell::new(Sizes::new(page_sizes(largest))),
            stuck_on: RefCell::new(None),
            form: Cell::new(DateForm::Offset),
            largest,
        }
    }

    /// Walks the collection, or the part that an earlier run left to do.
    ///
    /// # Errors
    /// If the server does not answer, refuses, or never agrees with itself.
    pub async fn run(&self) -> Result<(), SourceError> {
        let mut first = None;
        let whole = match self.sink.look(|_, begun| begun).await? {
            Some(begun) => {
                self.crew.tell(&self.collection.name, 1.0);
                self.stand_on(begun.rung);
                self.sizes.borrow_mut().begin_with(begun.rung.size);
                begun.whole
            }
            None => self.begin(first.insert(self.open(0).await?)).await?,
        };
        let mut climbs = 0;
        loop {
            let gaps = self.sink.look(move |listing, _| listing.gaps(whole)).await?;
            match self.fetch(&gaps, first.take()).await {
                Err(End::Stuck(error)) if climbs < CLIMBS => {
                    climbs += 1;
                    tracing::info!(collection = self.collection.name, %error, "trying another way to list");
                    let slow = matches!(&error, HttpError::Request { fault, .. } if fault.remedy() == Remedy::Less);
                    let ladder = self.collection.ladder(self.largest);
                    self.open(other_way(&ladder, self.rung.get().way, slow)).await?;
                }
                Err(end) => return Err(end.into()),
                Ok(()) => {
                    self.crew.tell(&self.collection.name, 0.0);
                    return Ok(());
                }
            }
        }
    }

    /// Fetches `intervals`, even if they are known, on the rung that works. `first` is the first page of the only
    /// interval, if it is already here.
    ///
    /// # Errors
    /// If the walk is stuck or fails.
    pub async fn fetch(&self, intervals: &[Interval], first: Option<Page>) -> Result<(), End> {
        if intervals.iter().all(Interval::is_empty) {
            return Ok(());
        }
        match self.rung.get().way {
            Way::Keyset(form) => self.keyset(form, intervals, first).await,
            Way::Numbers => self.all_by_number().await,
        }
    }

    /// The error of a collection that does not agree with itself.
    pub fn moving(&self, cause: String) -> SourceError {
        SourceError::Moving { collection: self.collection.name.clone(), cause }
    }

    /// Finds the first rung, from number `from` on, whose first question the server answers.
    async fn open(&self, from: usize) -> Result<Page, SourceError> {
        let ladder = self.collection.ladder(self.largest);
        let (at, refused) = (Cell::new(from), Cell::new(0));
        let attempt = async |tries| self.once(&self.opening(ladder[at.get()]), tries, true).await;
        let react = |fault: &Fault| {
            let remedy = fault.remedy();
            refused.set(if remedy == Remedy::Other { refused.get() + 1 } else { 0 });
            if refused.get() >= 2 * ladder.len() || remedy == Remedy::Nothing {
                return React::Stop;
            }
            if remedy == Remedy::Later {
                return React::Wait;
            }
            at.set((at.get() + 1) % ladder.len());
            if at.get() == 0 { React::Wait } else { React::Now }
        };
        let shown = || shown(&self.collection.url(&self.opening(ladder[at.get()])));
        let mut page = self.client.persist(&self.source, attempt, react, shown).await?;
        let mut rung = ladder[at.get()];
        // A temporary fault of the server may have led to page numbers: ask for keyset once more, with the question that
        // the walk got stuck on.
        let better = ladder.iter().find(|better| better.size <= rung.size).filter(|_| rung.way == Way::Numbers);
        if let Some(better) = better {
            let stuck_on = self.stuck_on.borrow().clone();
            let was_stuck = stuck_on.is_some();
            let question =
                stuck_on.map_or_else(|| self.opening(*better), |stuck| Question { size: better.size, ..stuck });
            if let Ok(again) = self.once(&question, 1, true).await {
                rung = *better;
                page = if was_stuck { page } else { again };
            }
        }
        self.stand_on(rung);
        let mut sizes = self.sizes.borrow_mut();
        sizes.begin_with(rung.size);
        sizes.good(rung.size, page.size);
        Ok(page)
    }

    /// The first question on a rung.
    fn opening(&self, rung: Rung) -> Question {
        match rung.way {
            Way::Keyset(form) => {
                let whole = Interval::new(self.collection.low, At::HORIZON);
                Question { size: rung.size, ..self.question("newest page", whole, form) }
            }
            Way::Numbers => Question { size: rung.size, ..self.numbered() },
        }
    }

    /// Fixes what belongs to the snapshot: no document later than the newest one of the first page.
    async fn begin(&self, page: &Page) -> Result<Interval, SourceError> {
        let low = self.collection.low;
        let newest = page.documents.iter().map(|document| document.at).max().filter(|at| *at != At::UNDATED);
        let whole = match (self.rung.get().way, newest) {
            (Way::Numbers, _) if page.documents.is_empty() => Interval::new(low, low),
            (Way::Numbers, _) => self.numbered().interval,
            (Way::Keyset(_), Some(newest)) => Interval::new(low, newest.next_second()),
            (Way::Keyset(_), None) => Interval::new(low, low),
        };
        let begun = Begun { whole, rung: self.rung.get(), clock: self.source.clock() };
        self.sink.report(Report::Begun(begun)).await?;
        Ok(whole)
    }

    /// A question for documents of `interval`, newest first.
    pub fn question(&self, what: &'static str, interval: Interval, form: DateForm) -> Question {
        let (only, order, page, count) = (Only::All, Order::NewestFirst, 0, false);
        Question { what, interval, only, order, form, page, size: 0, count }
    }

    /// The form in which the server takes dates, as far as that is known.
    pub fn form(&self) -> DateForm {
        self.form.get()
    }

    fn stand_on(&self, rung: Rung) {
        self.rung.set(rung);
        if let Way::Keyset(form) = rung.way {
            self.form.set(form);
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// What came instead.
    pub async fn once(&self, question: &Question, tries: u32, gated: bool) -> Result<Page, Fault> {
        let url = self.collection.url(question);
        let (collection, asked) = (Arc::clone(&self.collection), question.clone());
        let get = Get { what: question.what, url: &url, etag: None, cap: PAGE_BYTES, tries, gated };
        let decode = move |answer| {
            let page = collection.decode(&asked, answer)?;
            let documents = page.documents.len();
            Ok((page, documents))
        };
        self.client.once(&self.source, get, decode).await
    }

    /// Walks `intervals` down the order of dates.
    async fn keyset(&self, form: DateForm, intervals: &[Interval], first: Option<Page>) -> Result<(), End> {
        let mut spans = Spans::default();
        let mut flights: FuturesUnordered<Flight<'_>> = FuturesUnordered::new();
        let mut is_first = first.is_some();
        for interval in intervals {
            let number = spans.begin(*interval);
            if first.is_none() {
                flights.push(self.fly(number, *interval, form));
            }
        }
        if let Some(page) = first {
            let size = self.rung.get().size;
            flights.push(Box::pin(async move { Ok(Landed::Page(1, size, page)) }));
        }
        while let Some(landed) = flights.next().await {
            let Landed::Page(number, size, page) = landed? else { continue };
            let is_last = spans.is_last(size, &page);
            let step = spans.take(number, page, is_last);
            if spans.loses_edges() {
                let fault = Fault::Disorder("the last document of a page is missing on the next".into());
                let url = shown(&self.collection.url(&self.question("page", intervals[0], form)));
                return Err(End::Stuck(HttpError::Request { url, fault, tries: 1 }));
            }
            if let Some((interval, documents)) = step.found {
                self.sink.report(Report::Found(interval, documents)).await?;
            }
            if !step.undated.is_empty() {
                self.sink.report(Report::Seen(step.undated)).await?;
            }
            if let Some(tie) = step.tie {
                flights.push(Box::pin(async move { self.tie(tie, form).await.map(|()| Landed::Tie) }));
            }
            if std::mem::take(&mut is_first) {
                self.crew.tell(&self.collection.name, spans.pages(size));
                self.crew.gather().await;
                if let Some(total) = self.counted.get() {
                    spans.foresee(intervals[0].high, total);
                }
            }
            let going_on = spans.left(number).map(|left| (number, left));
            let places = self.client.gate.spare().saturating_sub(u32::from(going_on.is_some()));
            for (number, left) in going_on.into_iter().chain(self.divide(&mut spans, places)) {
                flights.push(self.fly(number, left, form));
            }
        }
        Ok(())
    }

    /// Divides what is left for up to `places` more questions; returns the new parts.
    fn divide(&self, spans: &mut Spans, places: u32) -> Vec<(u32, Interval)> {
        let size = self.sizes.borrow().proven();
        self.crew.tell(&self.collection.name, spans.pages(size));
        let jobs = self.client.gate.limit();
        let Some(share) = self.crew.share(jobs) else { return Vec::new() };
        let new: Vec<_> = (0..places).map_while(|_| spans.divide(size, share, jobs)).collect();
        // A part may have been divided again in the meantime.
        new.into_iter().filter_map(|number| Some((number, spans.left(number)?))).collect()
    }

    /// Sends the question for the newest page of `left`.
    fn fly<'f>(&'f self, number: u32, left: Interval, form: DateForm) -> Flight<'f> {
        Box::pin(async move {
            let (size, page) = self.page(&self.question("page", left, form)).await?;
            Ok(Landed::Page(number, size, page))
        })
    }

    /// Asks `question`, with pages as large as the server manages; returns the size with which it did.
    async fn page(&self, question: &Question) -> Result<(u32, Page), End> {
        let size = Cell::new(0);
        let (strikes, refusals, stuck) = (Cell::new(0), Cell::new(0), Cell::new(false));
        let attempt = async |tries| {
            size.set(self.sizes.borrow_mut().next());
            self.once(&Question { size: size.get(), ..question.clone() }, tries, true).await
        };
        let react = |fault: &Fault| {
            let counter = match fault.remedy() {
                Remedy::Later => return React::Wait,
                Remedy::Nothing => return React::Stop,
                Remedy::Less => &strikes,
                Remedy::Other => &refusals,
            };
            counter.set(counter.get() + 1);
            // One HTML page or one wrong answer may be temporary; the question itself causes a stall or too many bytes.
            let at_once = matches!(fault, Fault::Stall(_) | Fault::TooLarge(_) | Fault::TooMany(..));
            if counter.get() == 1 && !at_once {
                return React::Wait;
            }
            if self.sizes.borrow_mut().failed(size.get()) {
                counter.set(0);
                return React::Now;
            }
            if counter.get() < STUCK_AFTER {
                return React::Wait;
            }
            stuck.set(true);
            React::Stop
        };
        let shown = || shown(&self.collection.url(&Question { size: size.get(), ..question.clone() }));
        match self.client.persist(&self.source, attempt, react, shown).await {
            Ok(page) => {
                self.sizes.borrow_mut().good(size.get(), page.size);
                self.within_bounds(&page)?;
                Ok((size.get(), page))
            }
            Err(error) if stuck.get() => {
                self.stuck_on.replace(Some(question.clone()));
                Err(End::Stuck(error))
            }
            Err(error) => Err(End::Failed(error.into())),
        }
    }

    /// Counts a page, and checks the limits, so that an endless collection fails.
    pub fn within_bounds(&self, page: &Page) -> Result<(), SourceError> {
        self.pages.set(self.pages.get() + 1);
        self.documents.set(self.documents.get() + page.documents.len() as u64);
        let counted = self.counted.get().map(|counted| {
            counted.saturating_mul(limits::DOCUMENTS_PER_COUNTED).saturating_add(limits::DOCUMENTS_BEYOND_COUNT)
        });
        let documents = limits::COLLECTION_DOCUMENTS.min(counted.unwrap_or(u64::MAX));
        for (what, figure, limit) in [
            ("documents", self.documents.get(), documents),
            ("answers", self.pages.get(), limits::COLLECTION_PAGES),
            ("bytes", self.source.bytes(), limits::COLLECTION_BYTES),
        ] {
            if figure > limit {
                return Err(self.endless(what, figure, limit));
            }
        }
        Ok(())
    }

    /// The error of more than a catalog can have.
    pub fn endless(&self, what: &str, figure: u64, limit: u64) -> SourceError {
        SourceError::Endless {
            collection: self.collection.name.clone(),
            what: format!("{} {what}", count(figure)),
            limit: format!("at most {}", count(limit)),
        }
    }
}
