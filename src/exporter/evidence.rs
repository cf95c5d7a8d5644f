//! Evidence that a listing is what the server has. The fetch does not need it: what the walk found is complete by
//! construction. Each question gets a small share of the time, and one that fails costs only a note. But a real
//! disagreement is examined, and fails the fetch if it stays.
//!
//! The server's count without a date is asked for during the walk. Afterwards come the documents that changed in the
//! meantime, by `last_update_date`, and those that no condition on dates selects. If the counts differ, the difference is
//! found by counting halves, and what differs is fetched again.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::error::SourceError;
use super::keeper::{DATED, Report};
use super::limits;
use super::listing::Listing;
use super::spans::Longest;
use super::walk::Walk;
use super::work_folder::Begun;
use crate::base::progress::Progress;
use crate::base::text::count;
use crate::catalog::provenance::{Check, Checks};
use crate::http::{Fault, Remedy};
use crate::pyxis::{At, Interval, Only, Order, Page, Question};

/// Changes are asked for from this long before the catalog's first answer, so that its own clocks may differ.
const CHANGES_MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How often a question of evidence is asked if the fault may be temporary.
const TRIES: u32 = 3;
/// Twins that are fetched again: a document that moved during the walk looks like twins.
const TWINS: usize = 50;
/// How much longer than the first count a later count may take.
const AGAIN: u32 = 8;

/// Why something was not checked.
type Cause = String;

/// The evidence for one collection.
pub struct Evidence<'a> {
    /// Its walk.
    pub walk: &'a Walk<'a>,
    /// Gets a note when something has to be fetched again.
    pub progress: &'a dyn Progress,
    /// Time that it may always take.
    pub least: Duration,
}

impl Evidence<'_> {
    /// Runs the walk, and asks for the count at the same time; then checks what was found.
    ///
    /// # Errors
    /// If the walk fails, or the server's count still differs.
    pub async fn run(&self) -> Result<Checks, SourceError> {
        let began = Instant::now();
        let resumed = self.look(|_, begun| begun.is_some()).await?;
        let mut counting = std::pin::pin!(self.count_at_start());
        let mut walking = std::pin::pin!(self.walk.run());
        let mut counted = None;
        loop {
            tokio::select! {
                walked = &mut walking => break walked?,
                first = &mut counting, if counted.is_none() => counted = Some(first),
            }
        }
        let slowest = self.walk.source.slowest().mul_f64(limits::EVIDENCE_ANSWERS);
        // A walk that an earlier run ended tells nothing of how quick the server is.
        let least = if resumed { limits::EVIDENCE_PATIENCE } else { self.least };
        let allowance = began.elapsed().mul_f64(limits::EVIDENCE_SHARE).max(slowest).max(least);
        let deadline = Instant::now() + allowance;
        self.look_again_at_twins().await?;
        let listed = self.look(|listing, _| listing.count(Interval::ALL)).await?;
        let counts_all = |first: &Result<Counted, Cause>, listed| {
            first.as_ref().is_ok_and(|first| first.all && first.total == listed)
        };
        let is_complete = counted.as_ref().is_some_and(|first| counts_all(first, listed));
        let count = async {
            match counted {
                Some(first) => first,
                None => tokio::time::timeout_at(deadline, &mut counting).await.unwrap_or_else(|_| too_slow(allowance)),
            }
        };
        let undated = async { if is_complete { self.undated_found().await } else { self.undated(allowance).await } };
        let (first, changes, undated) = tokio::join!(count, self.changes(allowance), undated);
        let (changes, undated) = (changes?, undated?);
        let listed = self.look(|listing, _| listing.count(Interval::ALL)).await?;
        if listed == 0 && self.walk.collection.must_have_documents {
            return Err(SourceError::Empty { collection: self.walk.collection.name.clone() });
        }
        let settled = changes == Ok(0) && counts_all(&first, listed);
        let count = match first {
            Ok(first) if settled => Ok(first.total),
            Ok(first) => self.agree(first, changes.is_ok(), allowance).await?,
            Err(cause) => Err(cause),
        };
        Ok(Checks {
            walked: self.walk.rung.get().shown(),
            passes: self.walk.passes.get(),
            count: check(count),
            changes: check(changes),
            undated: check(undated),
        })
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Listing, Option<Begun>) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        self.walk.sink.look(look).await
    }

    /// The interval of the snapshot, as far as it has dates.
    async fn whole(&self) -> Result<Interval, SourceError> {
        let low = self.walk.collection.low;
        let whole = self.look(|_, begun| begun.map(|begun| begun.whole)).await?.unwrap_or(DATED);
        Ok(Interval::new(whole.low.max(low).max(At::BEGINNING), whole.high))
    }

    /// The server's count at the start: of everything, or otherwise of the documents with a date.
    async fn count_at_start(&self) -> Result<Counted, Cause> {
        let (walk, low) = (self.walk, self.walk.collection.low);
        let everything = if low == At::BEGINNING { Interval::ALL } else { Interval::new(low, At::END) };
        let dated = Interval::new(low, At::HORIZON);
        let mut cause = String::new();
        for (interval, all) in [(everything, true), (dated, false)] {
            let began = Instant::now();
            match tokio::time::timeout(limits::EVIDENCE_TRY, self.count(interval)).await {
                Ok(Ok(total)) => {
                    walk.counted.set(Some(total));
                    self.progress.begin(&walk.collection.name, Some(total));
                    return Ok(Counted { total, all, interval, took: began.elapsed() });
                }
                Ok(Err(fault)) => cause = fault,
                Err(_) => cause = format!("no answer within {} s", limits::EVIDENCE_TRY.as_secs()),
            }
        }
        Err(cause)
    }

    /// How many documents of `interval` the server has.
    async fn count(&self, interval: Interval) -> Result<u64, Cause> {
        if interval.is_empty() {
            return Ok(0);
        }
        let form = self.walk.form();
        let question = Question { order: Order::Own, count: true, ..self.walk.question("count", interval, form) };
        let page = self.try_to_ask(&question).await?;
        page.total.ok_or_else(|| "the server gives no total".into())
    }

    /// Asks a question of evidence, for as long as `allowance`. It takes no place from the questions for documents.
    async fn ask(&self, question: &Question, allowance: Duration) -> Result<Page, Cause> {
        tokio::time::timeout(allowance, self.try_to_ask(question)).await.unwrap_or_else(|_| too_slow(allowance))
    }

    async fn try_to_ask(&self, question: &Question) -> Result<Page, Cause> {
        let mut last = String::new();
        for tries in 1..=TRIES {
            match self.walk.once(question, tries, false).await {
                Ok(page) => return Ok(page),
                Err(fault) => {
                    last = fault.to_string();
                    let slow = matches!(fault, Fault::Stall(_) | Fault::Status { code: 504, .. });
                    if slow || matches!(fault.remedy(), Remedy::Nothing | Remedy::Other) {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// Fetches what changed since the catalog's first answer; returns how many documents those are.
    async fn changes(&self, allowance: Duration) -> Result<Result<u64, Cause>, SourceError> {
        let clock = self.look(|_, begun| begun.and_then(|begun| begun.clock)).await?;
        let Some(since) = clock.and_then(|clock| clock.checked_sub(CHANGES_MARGIN).ok()) else {
            return Ok(Err("the server does not tell its time".into()));
        };
        let whole = self.whole().await?;
        if whole.is_empty() {
            return Ok(Ok(0));
        }
        let (only, size) = (Only::ChangedSince(At::of(since)), self.walk.sizes.borrow().proven());
        let mut question = Question { only, size, ..self.walk.question("changes", whole, self.walk.form()) };
        let (mut keys, mut longest) = (BTreeSet::new(), Longest::default());
        for _ in 0..limits::CHANGES_PAGES {
            let page = match self.ask(&question, allowance).await {
                Ok(page) => page,
                Err(cause) => return Ok(Err(cause)),
            };
            let last = page.documents.last().map_or(At::UNDATED, |document| document.at);
            let is_one_second = last.next_second() >= question.interval.high;
            let is_full = page.size.is_none_or(|full| page.documents.len() >= full as usize);
            let is_last = longest.is_last(&page) || is_one_second && !is_full;
            keys.extend(page.documents.iter().map(|document| (document.at, document.id)));
            if !page.documents.is_empty() {
                self.walk.sink.report(Report::Seen(page.documents)).await?;
            }
            if is_last || last == At::UNDATED {
                let found = keys.len() as u64;
                self.walk.sink.report(Report::Moved(keys.into_iter().collect())).await?;
                return Ok(Ok(found));
            }
            question.interval.high = last.next_second();
            if is_one_second {
                // More documents of one second changed than a page has: that second is listed anew.
                self.walk.fetch(&[Interval::new(last.second(), last.next_second())], None).await?;
                question.interval.high = last.second();
            }
        }
        Ok(Err(format!("more than {} pages changed", limits::CHANGES_PAGES)))
    }

    /// How many documents without a date were found.
    async fn undated_found(&self) -> Result<Result<u64, Cause>, SourceError> {
        self.look(|listing, _| Ok(listing.count(UNDATED))).await
    }

    /// Fetches the documents that no condition on dates selects. The walk cannot have them, so there is always some time.
    async fn undated(&self, allowance: Duration) -> Result<Result<u64, Cause>, SourceError> {
        if self.walk.collection.low != At::BEGINNING {
            return Ok(Err("only documents since a date were asked for".into()));
        }
        if self.walk.passes.get().is_some() && self.walk.collection.numbered_whole() {
            return self.undated_found().await;
        }
        let allowance = allowance.max(limits::EVIDENCE_PATIENCE);
        let form = self.walk.form();
        let absent = Question { only: Only::Undated, ..self.walk.question("undated", Interval::ALL, form) };
        // A value that is not a date sorts before all dates, and a filter for `null` does not select it.
        let oldest = Question { order: Order::OldestFirst, ..self.walk.question("oldest", Interval::ALL, form) };
        let (absent, oldest) =
            tokio::join!(self.undated_pages(absent, allowance), self.undated_pages(oldest, allowance));
        match absent?.and(oldest?) {
            Err(cause) => Ok(Err(cause)),
            Ok(()) => self.undated_found().await,
        }
    }

    /// Fetches the pages of `question` that begin with documents without a date. After the first one it is known that
    /// there are such documents, so a page that does not come fails the fetch.
    async fn undated_pages(
        &self,
        mut question: Question,
        allowance: Duration,
    ) -> Result<Result<(), Cause>, SourceError> {
        question.size = self.walk.sizes.borrow().proven();
        let mut page = match self.ask(&question, allowance).await {
            Ok(page) => page,
            Err(cause) => return Ok(Err(cause)),
        };
        loop {
            let length = page.documents.len();
            let undated: Vec<_> = page.documents.into_iter().filter(|it| it.at == At::UNDATED).collect();
            // A page with a date, or an empty one, is the last one needed.
            let more = !undated.is_empty() && undated.len() == length;
            if !undated.is_empty() {
                self.walk.sink.report(Report::Seen(undated)).await?;
            }
            if !more {
                return Ok(Ok(()));
            }
            question.page += 1;
            page = self.walk.numbered_page(&question, question.page).await?;
        }
    }

    /// Fetches documents that share an id with another one again: a document that moved is then there once.
    async fn look_again_at_twins(&self) -> Result<(), SourceError> {
        let twins = self.look(|listing, _| listing.twins()).await?;
        let dated = twins.iter().map(|(at, _)| *at).filter(|at| *at != At::UNDATED);
        let seconds: BTreeSet<At> = dated.take(TWINS).map(At::second).collect();
        let cells: Vec<_> = seconds.into_iter().map(|second| Interval::new(second, second.next_second())).collect();
        Ok(self.walk.fetch(&cells, None).await?)
    }

    /// Makes the listing agree with the server's count, of which `first` is the latest; returns the count, or why there is
    /// no count any more.
    async fn agree(
        &self,
        first: Counted,
        changes_work: bool,
        allowance: Duration,
    ) -> Result<Result<u64, Cause>, SourceError> {
        let name = &self.walk.collection.name;
        let patience = allowance.max(first.took * AGAIN);
        let mut difference = String::new();
        for round in 0..limits::ROUNDS {
            if round > 0 && changes_work {
                let _ = self.changes(patience).await?;
            }
            if first.all {
                let _ = self.undated(patience).await?;
            }
            let whole = self.whole().await?;
            let counted = if first.all { first.interval } else { whole };
            let in_time = async |interval| {
                let count = tokio::time::timeout(patience, self.count(interval));
                count.await.unwrap_or_else(|_| too_slow(patience))
            };
            let total = match in_time(counted).await {
                Ok(total) => total,
                Err(_) if !difference.is_empty() => break,
                Err(cause) => return Ok(Err(cause)),
            };
            let listed = self.look(move |listing, _| listing.count(counted)).await?;
            if total == listed {
                return Ok(Ok(total));
            }
            let dated = in_time(whole).await;
            let listed_dated = self.look(move |listing, _| listing.count(whole)).await?;
            if first.all && dated == Ok(listed_dated) {
                // What was entered after the snapshot began does not belong to it.
                let newer = in_time(Interval::new(whole.high, At::END)).await.unwrap_or(0);
                if listed + newer == total {
                    return Ok(Ok(listed));
                }
            }
            difference = format!("the server counts {} documents, {} were found", count(total), count(listed));
            self.progress.note(&format!("{name}: {difference}; looking for the difference"));
            let differing = if dated.is_ok() { self.differing(whole, patience).await? } else { vec![whole] };
            self.walk.fetch(&differing, None).await?;
        }
        Err(self.walk.moving(difference))
    }

    /// The smallest parts of `whole` in which the server's count and the listing differ.
    async fn differing(&self, whole: Interval, patience: Duration) -> Result<Vec<Interval>, SourceError> {
        let page_size = u64::from(self.walk.sizes.borrow().proven());
        let mut differing = Vec::new();
        let mut suspects = vec![whole];
        while !suspects.is_empty() {
            let mut halves = Vec::new();
            for interval in std::mem::take(&mut suspects) {
                let split = move |listing: &Listing, _| {
                    if listing.count(interval) <= page_size { None } else { listing.halves(interval) }
                };
                match self.look(split).await? {
                    Some((low, high)) => halves.extend([low, high]),
                    None => differing.push(interval),
                }
            }
            let counted = stream::iter(halves).map(|half| async move {
                let total = tokio::time::timeout(patience, self.count(half)).await.ok().and_then(Result::ok);
                let listed = self.look(move |listing, _| listing.count(half)).await?;
                Ok::<_, SourceError>((total != Some(listed)).then_some(half))
            });
            let side_by_side = self.walk.client.gate.limit() as usize;
            let differ: Vec<Option<Interval>> = counted.buffered(side_by_side).try_collect().await?;
            suspects = differ.into_iter().flatten().collect();
        }
        Ok(differing)
    }
}

/// The server's count at the start.
struct Counted {
    total: u64,
    /// Whether it also counts documents without a date.
    all: bool,
    interval: Interval,
    took: Duration,
}

/// The place of documents without a date.
const UNDATED: Interval = Interval::new(At::UNDATED, At::BEGINNING);

fn too_slow<T>(allowance: Duration) -> Result<T, Cause> {
    Err(format!("no answer within {:.1} s", allowance.as_secs_f64()))
}

fn check(result: Result<u64, Cause>) -> Check {
    match result {
        Ok(figure) => Check::Agrees(figure),
        Err(cause) => Check::NotChecked(cause),
    }
}
