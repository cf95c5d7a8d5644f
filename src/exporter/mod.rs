//! The exporter: the whole catalog from its API, complete and of one time. (The layer `source`.)
//!
//! [`fetch`] walks every collection with a bounded number of requests at once (`walk`), keeps finished parts on disk
//! as they come (`work`), and then makes sure that what it has is what the server has (`reconcile`).

mod charts;
mod client;
mod edge;
mod error;
mod gate;
mod listing;
mod query;
mod reconcile;
mod retry;
mod walk;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use tokio::task::JoinSet;

pub use client::{HttpOptions, USER_AGENT};
pub use error::SourceError;
pub use query::{decode_images, decode_operators};
pub use retry::{Fault, RetryPolicy};
pub use work::RESUME_MAX_AGE;

use crate::base::progress::Progress;
use crate::catalog::document::{Body, Document, Image};
use crate::catalog::provenance::{Fetch, Partial, Source};
use crate::catalog::snapshot::Snapshot;
use client::{Client, shown};
use edge::{Edge, Interval};
use listing::Listing;
use query::Collection;
use reconcile::Reconcile;
use walk::{Sink, Task, Walk, Walked};
use work::{Asked, WorkFolder, WorkState};

/// Changes are asked for from this long before the server's first answer, so that its own clocks may differ.
const CHANGES_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Base URL of the catalog's API.
    pub catalog_url: Url,
    /// URL of the chart index.
    pub charts_url: Url,
    /// Organizations whose operator bundles are taken.
    pub operators: Vec<String>,
    /// Whether Red Hat's own images are taken.
    pub redhat_images: bool,
    /// Only images entered at or after this instant.
    pub since: Option<Timestamp>,
    /// Documents to ask for at once; the server may allow fewer.
    pub page_size: u32,
}

/// How to fetch it.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// How requests are sent.
    pub http: HttpOptions,
    /// Folder for what has to survive this run, if anything may.
    pub cache: Option<PathBuf>,
    /// Whether to begin anew, whatever an earlier run left.
    pub fresh: bool,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// A fetched catalog, and how the fetch went.
#[derive(Debug)]
pub struct Fetched {
    /// The catalog.
    pub snapshot: Snapshot,
    images: Vec<Image>,
    /// Documents that an earlier, interrupted run had fetched.
    pub resumed: u64,
    /// Requests that the server refused because there were too many.
    pub refused: u64,
    work: Option<WorkFolder>,
}

impl Fetched {
    /// Hands each image to `visit`.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn each_image(&self, visit: impl FnMut(Image) -> std::io::Result<()>) -> std::io::Result<()> {
        self.images.iter().cloned().try_for_each(visit)
    }

    /// Forgets what was kept for continuing: the bundle is written.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn forget_work(&mut self) -> std::io::Result<()> {
        self.work.take().map_or(Ok(()), WorkFolder::remove)
    }
}

/// Fetches the whole catalog.
///
/// Cancelled or failed, it leaves what it has in the work folder, and the next call with the same plan goes on there.
///
/// # Errors
/// Where a source is unreachable, refuses, or never agrees with itself; where the work folder cannot be used.
pub async fn fetch(plan: &Plan, options: &FetchOptions, progress: &Arc<dyn Progress>) -> Result<Fetched, SourceError> {
    let client = Arc::new(Client::new(options.http.clone())?);
    let collections: Vec<Walked> = collections(plan).into_iter().map(|c| walked(c, plan.page_size)).collect();
    let started = (options.now)();
    let (work, state, units) = open_work(plan, options, &collections, started)?;
    let resumed = units.iter().map(|unit| unit.documents.len() as u64).sum();
    if resumed > 0 {
        progress.note(&format!(
            "going on where an earlier run stopped: {} documents are here already",
            crate::base::text::count(resumed)
        ));
    }
    let keeper = Arc::new(Keeper::new(&collections, state, work, units, Arc::clone(progress), Arc::clone(&client)));
    let chart_requests = AtomicU64::new(0);
    let documents = async {
        for Walked { collection, .. } in &collections {
            progress.begin(collection.name(), None);
        }
        let mut counting = JoinSet::new();
        for walked in &collections {
            counting.spawn(foretell(Arc::clone(&client), walked.clone(), Arc::clone(progress)));
        }
        let walk = Walk::new(Arc::clone(&client), collections.clone(), None, Box::new(Keeping(Arc::clone(&keeper))));
        Arc::new(walk).run(keeper.tasks(), options.http.jobs).await?;
        counting.abort_all();
        try_join_all(
            collections
                .iter()
                .enumerate()
                .map(|(number, walked)| reconcile(number, walked, &keeper, &client, options.http.jobs, &**progress)),
        )
        .await
    };
    let charts = async {
        progress.begin("charts", None);
        let fetched = charts::fetch(&client, &plan.charts_url, options.cache.as_deref(), &chart_requests).await?;
        progress.advance("charts", fetched.1);
        progress.end("charts");
        Ok((fetched, (options.now)()))
    };
    let (totals, ((chart_index, versions), charts_finished)) = tokio::try_join!(documents, charts)?;
    let finished = (options.now)();
    let created = keeper.state().created;
    let fetch = |finished, requests: &AtomicU64| {
        Some(Fetch {
            started: whole_second(started),
            finished: whole_second(finished),
            requests: requests.load(Ordering::Relaxed),
        })
    };
    let mut snapshot = Snapshot {
        created,
        partial: plan.since.map(|since| Partial { since }),
        images: 0,
        operators: Vec::new(),
        chart_index,
        sources: Vec::new(),
    };
    let mut images = Vec::new();
    for ((Walked { collection, .. }, listing), total) in collections.iter().zip(keeper.take_listings()).zip(totals) {
        snapshot.sources.push(Source {
            name: collection.name().to_owned(),
            url: shown(&collection.endpoint()),
            documents: listing.len(),
            total,
            fetch: fetch(finished, &collection.requests),
        });
        for body in listing.into_bodies() {
            match body {
                Body::Image(image) => images.push(*image),
                Body::Operator(operator) => snapshot.operators.push(*operator),
            }
        }
    }
    snapshot.sources.push(Source {
        name: "charts".into(),
        url: shown(&plan.charts_url),
        documents: versions,
        total: None,
        fetch: fetch(charts_finished, &chart_requests),
    });
    snapshot.images = images.len() as u64;
    let refused = client.refused();
    Ok(Fetched { snapshot, images, resumed, refused, work: keeper.take_work() })
}

/// Tells how many documents are to be expected, if the server can count them in time. Nothing depends on it.
async fn foretell(client: Arc<Client>, walked: Walked, progress: Arc<dyn Progress>) {
    let collection = &walked.collection;
    let whole = Interval::new(collection.low(), Edge::END);
    if let Ok(Some(total)) = reconcile::count(&client, collection, whole).await {
        progress.begin(collection.name(), Some(total));
    }
}

fn collections(plan: &Plan) -> Vec<Collection> {
    let mut collections = vec![Collection::partner_images(&plan.catalog_url, plan.since)];
    if plan.redhat_images {
        collections.push(Collection::redhat_images(&plan.catalog_url, plan.since));
    }
    collections
        .extend(plan.operators.iter().map(|organization| Collection::operators(&plan.catalog_url, organization)));
    collections
}

fn walked(collection: Collection, page_size: u32) -> Walked {
    Walked { collection: Arc::new(collection), page_size: Arc::new(AtomicU32::new(page_size)) }
}

fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

fn open_work(
    plan: &Plan,
    options: &FetchOptions,
    collections: &[Walked],
    now: Timestamp,
) -> Result<(Option<WorkFolder>, WorkState, Vec<work::Unit>), SourceError> {
    let begin = WorkState::new(whole_second(now));
    let Some(cache) = &options.cache else { return Ok((None, begin, Vec::new())) };
    let asked = Asked {
        catalog_url: plan.catalog_url.to_string(),
        charts_url: plan.charts_url.to_string(),
        collections: collections.iter().map(|walked| walked.collection.name().to_owned()).collect(),
        since: plan.since,
    };
    let mut work = WorkFolder::open(&cache.join("work"), &asked)?;
    let (state, units) = work.resume(now, options.fresh)?.unwrap_or((begin, Vec::new()));
    work.save_state(&state)?;
    Ok((Some(work), state, units))
}

async fn reconcile(
    number: usize,
    walked: &Walked,
    keeper: &Keeper,
    client: &Arc<Client>,
    jobs: u32,
    progress: &dyn Progress,
) -> Result<Option<u64>, SourceError> {
    let collection = &walked.collection;
    let (top, changes_from) = {
        let state = keeper.state();
        (state.tops.get(collection.name()).copied().flatten(), state.changes_from)
    };
    let total = match top {
        None if collection.must_have_documents() => {
            return Err(SourceError::Empty { collection: collection.name().to_owned() });
        }
        None => {
            progress.note(&format!("{}: the server says that there is none", collection.name()));
            Some(0)
        }
        Some(top) => {
            let whole = Interval::new(collection.low(), Edge::after(top));
            let listing = &keeper.listings[number];
            Reconcile { client, walked, listing, whole, changes_from, jobs, progress }.run().await?
        }
    };
    progress.end(collection.name());
    Ok(total)
}

/// Keeps what is found: in memory, and on disk for a later run.
struct Keeper {
    collections: Vec<Walked>,
    listings: Vec<Mutex<Listing>>,
    state: Mutex<WorkState>,
    work: Mutex<Option<WorkFolder>>,
    progress: Arc<dyn Progress>,
    client: Arc<Client>,
}

impl Keeper {
    fn new(
        collections: &[Walked],
        state: WorkState,
        work: Option<WorkFolder>,
        units: Vec<work::Unit>,
        progress: Arc<dyn Progress>,
        client: Arc<Client>,
    ) -> Self {
        let listings: Vec<_> = collections.iter().map(|_| Mutex::new(Listing::default())).collect();
        let keeper = Self {
            collections: collections.to_vec(),
            listings,
            state: Mutex::new(state),
            work: Mutex::new(work),
            progress,
            client,
        };
        for unit in units {
            let number = collections.iter().position(|walked| walked.collection.name() == unit.collection);
            if let Some(number) = number {
                lock(&keeper.listings[number]).replace(unit.interval, unit.documents);
            }
        }
        for walked in collections {
            if let Some(page_size) = keeper.state().page_sizes.get(walked.collection.name()) {
                walked.page_size.fetch_min(*page_size, Ordering::Relaxed);
            }
        }
        keeper
    }

    fn state(&self) -> MutexGuard<'_, WorkState> {
        lock(&self.state)
    }

    /// What is left to do: collections that were not begun, and gaps in those that were.
    fn tasks(&self) -> Vec<Task> {
        let state = self.state();
        let mut tasks = Vec::new();
        for (number, Walked { collection, .. }) in self.collections.iter().enumerate() {
            match state.tops.get(collection.name()) {
                None => tasks.push(Task::Probe(number)),
                Some(None) => {}
                Some(Some(top)) => {
                    let whole = Interval::new(collection.low(), Edge::after(*top));
                    let gaps = lock(&self.listings[number]).gaps(whole);
                    tasks.extend(gaps.into_iter().map(|gap| Task::Span(number, gap)));
                }
            }
        }
        tasks
    }

    fn take_listings(&self) -> Vec<Listing> {
        self.listings.iter().map(|listing| std::mem::take(&mut *lock(listing))).collect()
    }

    fn take_work(&self) -> Option<WorkFolder> {
        lock(&self.work).take()
    }

    fn begun(&self, number: usize, top: Option<Timestamp>) -> Result<(), SourceError> {
        let mut state = self.state();
        if state.changes_from.is_none() {
            let first = self.client.first_date().unwrap_or(state.created);
            state.changes_from = first.checked_sub(CHANGES_MARGIN).ok();
        }
        let Walked { collection, page_size } = &self.collections[number];
        state.tops.insert(collection.name().to_owned(), top);
        state.page_sizes.insert(collection.name().to_owned(), page_size.load(Ordering::Relaxed));
        if let Some(work) = &*lock(&self.work) {
            work.save_state(&state)?;
        }
        Ok(())
    }

    fn keep(&self, number: usize, interval: Interval, documents: Vec<Document>) -> Result<(), SourceError> {
        let name = self.collections[number].collection.name();
        if let Some(work) = &mut *lock(&self.work) {
            work.save_unit(name, interval, &documents)?;
        }
        self.progress.advance(name, documents.len() as u64);
        lock(&self.listings[number]).replace(interval, documents);
        Ok(())
    }
}

/// The keeper as the sink of the first walk.
struct Keeping(Arc<Keeper>);

impl Sink for Keeping {
    fn top(&self, collection: usize, top: Option<Timestamp>) -> Result<(), SourceError> {
        self.0.begun(collection, top)
    }

    fn unit(&self, collection: usize, interval: Interval, documents: Vec<Document>) -> Result<(), SourceError> {
        self.0.keep(collection, interval, documents)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
