//! Making sure that a listing is what the server has: complete, and of one time.
//!
//! Three things are asked once everything was walked. What changed since the fetch began is fetched again, by
//! `last_update_date`: documents that were entered with an old date or changed in place. Then the server counts: if it
//! finds another number of documents than the listing has, the difference is found by counting halves, and the parts
//! that differ are walked again. If the server cannot count, the collection is walked a second time, and both walks
//! have to find the same documents. This is repeated until all agrees, a bounded number of times.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::client::Client;
use super::edge::Interval;
use super::error::SourceError;
use super::listing::Listing;
use super::query::{Collection, Order, Question};
use super::retry::Fault;
use super::walk::{Sink, Task, Walk, Walked};
use crate::base::limits;
use crate::base::progress::Progress;
use crate::catalog::document::Document;

/// Rounds of asking again before the catalog counts as one that does not hold still.
const ROUNDS: u32 = 10;

/// What to bring to agreement with the server.
pub struct Reconcile<'a> {
    /// The client.
    pub client: &'a Arc<Client>,
    /// The collection.
    pub walked: &'a Walked,
    /// Its documents as far as they are known.
    pub listing: &'a Mutex<Listing>,
    /// The interval of the snapshot.
    pub whole: Interval,
    /// Since when changes are asked for again, by the server's clock.
    pub changes_from: Option<Timestamp>,
    /// Walkers at once.
    pub jobs: u32,
    /// Told when something has to be fetched again.
    pub progress: &'a dyn Progress,
}

impl Reconcile<'_> {
    /// Brings the listing to agreement; returns the server's own count, or `None` where it cannot count.
    ///
    /// # Errors
    /// Where no agreement is reached, or a request fails for good.
    pub async fn run(&self) -> Result<Option<u64>, SourceError> {
        let name = self.walked.collection.name();
        let mut difference = String::new();
        for round in 0..ROUNDS {
            let changed = self.fetch_changes().await?;
            if changed > 0 {
                tracing::debug!(collection = name, changed, round, "documents changed during the fetch");
            }
            let Some(total) = self.count(self.whole).await? else { return self.compare_walks().await.map(|()| None) };
            let found = self.listing().len();
            if total == found {
                return Ok(Some(total));
            }
            difference = format!("the server counts {total} documents, {found} were found");
            self.progress.note(&format!("{name}: {difference}; looking for the difference"));
            let differing = self.differing().await?;
            self.walk_again(differing).await?;
        }
        Err(SourceError::Moving { collection: name.to_owned(), cause: difference })
    }

    fn listing(&self) -> std::sync::MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches what changed since the fetch began; returns how many documents those are.
    async fn fetch_changes(&self) -> Result<usize, SourceError> {
        let Some(since) = self.changes_from else { return Ok(0) };
        let found = match self.walk(vec![Task::Span(0, self.whole)], Some(since)).await {
            // A server that cannot filter by this field still has to agree in its count.
            Err(SourceError::Request { fault: Fault::Status { code: 400, .. }, .. }) => return Ok(0),
            found => found?,
        };
        let mut listing = self.listing();
        let mut changed = 0;
        for document in found.into_iter().flat_map(|(_, documents)| documents) {
            changed += 1;
            listing.upsert(document);
        }
        Ok(changed)
    }

    async fn count(&self, interval: Interval) -> Result<Option<u64>, SourceError> {
        count(self.client, &self.walked.collection, interval).await
    }

    /// The smallest parts in which the server's count and the listing differ.
    async fn differing(&self) -> Result<Vec<Interval>, SourceError> {
        let page_size = u64::from(self.walked.page_size.load(std::sync::atomic::Ordering::Relaxed));
        let mut differing = Vec::new();
        let mut suspects = vec![self.whole];
        while !suspects.is_empty() {
            let mut halves = Vec::new();
            for interval in suspects.drain(..) {
                let split =
                    if self.listing().count(interval) <= page_size { None } else { self.listing().halves(interval) };
                match split {
                    Some((low, high)) => halves.extend([low, high]),
                    None => differing.push(interval),
                }
            }
            let counted =
                stream::iter(halves).map(|half| async move { self.count(half).await.map(|total| (half, total)) });
            let counted: Vec<_> = counted.buffered(self.jobs as usize).try_collect().await?;
            let listing = self.listing();
            suspects = counted
                .into_iter()
                .filter(|(half, total)| total.is_none_or(|total| total != listing.count(*half)))
                .map(|(half, _)| half)
                .collect();
        }
        Ok(differing)
    }

    async fn walk_again(&self, intervals: Vec<Interval>) -> Result<(), SourceError> {
        let tasks = intervals.iter().map(|interval| Task::Span(0, *interval)).collect();
        let found = self.walk(tasks, None).await?;
        let mut listing = self.listing();
        for (interval, documents) in found {
            listing.replace(interval, documents);
        }
        Ok(())
    }

    /// Walks everything again until two walks in a row find the same documents.
    async fn compare_walks(&self) -> Result<(), SourceError> {
        let name = self.walked.collection.name();
        self.progress.note(&format!("{name}: the server does not count its documents; listing them a second time"));
        for _ in 0..ROUNDS {
            let before: Vec<_> = self.listing().keys().collect();
            self.walk_again(vec![self.whole]).await?;
            if self.listing().keys().eq(before) {
                return Ok(());
            }
        }
        let cause = "two listings in a row never held the same documents".into();
        Err(SourceError::Moving { collection: name.to_owned(), cause })
    }

    async fn walk(&self, tasks: Vec<Task>, changed_since: Option<Timestamp>) -> Result<Vec<FoundUnit>, SourceError> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let sink = Box::new(Found(Arc::clone(&found)));
        let walk = Walk::new(Arc::clone(self.client), vec![self.walked.clone()], changed_since, sink);
        Arc::new(walk).run(tasks, self.jobs).await?;
        let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(found)
    }
}

/// What was found, interval by interval.
struct Found(Arc<Mutex<Vec<FoundUnit>>>);

/// A complete interval with its documents.
type FoundUnit = (Interval, Vec<Document>);

impl Sink for Found {
    fn top(&self, _: usize, _: Option<Timestamp>) -> Result<(), SourceError> {
        Ok(())
    }

    fn unit(&self, _: usize, interval: Interval, documents: Vec<Document>) -> Result<(), SourceError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((interval, documents));
        Ok(())
    }
}

/// How many documents of `interval` the server has, or `None` where it cannot tell.
///
/// # Errors
/// Where the server is gone.
pub async fn count(client: &Client, collection: &Collection, interval: Interval) -> Result<Option<u64>, SourceError> {
    let question =
        Question { interval, changed_since: None, order: Order::NewestFirst, page: 0, page_size: 1, count: true };
    let url = collection.url(&question);
    let decode = |answer| collection.decode(&question, answer);
    match client.get(&url, None, limits::PAGE_BYTES, &collection.requests, decode).await {
        Ok(page) => Ok(page.total),
        Err(error @ SourceError::Request { fault: Fault::Connect(_), .. }) => Err(error),
        // Counting is known to be slow and to fail.
        Err(SourceError::Request { fault, .. }) => {
            tracing::warn!(collection = collection.name(), %fault, "the server cannot count");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
