//! The exporter: fetches the whole catalog from its API, complete and as of one instant.
//!
//! [`fetch`] walks every collection at once, with a bounded number of requests under way ([`walk`]). Walks report what
//! they find to one keeper ([`keeper`]), which keeps it on disk ([`work_folder`]); only the place of each document is in
//! memory ([`listing`]). During and after each walk, evidence is collected that it has what the server has ([`evidence`]).

mod charts;
mod crew;
mod density;
mod error;
mod evidence;
mod keeper;
mod ladder;
mod limits;
mod listing;
mod passes;
mod spans;
mod walk;
mod work_folder;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use reqwest::Url;

pub use error::SourceError;
pub use limits::EVIDENCE_LEAST;
pub use work_folder::RESUME_MAX_AGE;

use crate::base::progress::Progress;
use crate::base::text::count;
use crate::catalog::ChartIndex;
use crate::catalog::document::{Image, Operator};
use crate::catalog::provenance::{Check, Checks, Fetch, Partial, Source};
use crate::http::{Client, Http, HttpOptions, Source as HttpSource, shown};
use crate::pyxis::{Collection, Interval};
use crew::Crew;
use evidence::Evidence;
use keeper::{Keeper, Kept};
use walk::Walk;
use work_folder::{Asked, Root, WorkFolder, WorkState};

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
    /// A chart index in place of the served one.
    pub charts: Option<GivenCharts>,
}

impl Plan {
    /// The collections that it takes.
    pub(crate) fn collections(&self) -> Vec<Collection> {
        let mut collections = vec![Collection::partner_images(&self.catalog_url, self.since)];
        if self.redhat_images {
            collections.push(Collection::redhat_images(&self.catalog_url, self.since));
        }
        let operators = self.operators.iter().map(|name| Collection::operators(&self.catalog_url, name));
        collections.extend(operators);
        collections
    }
}

/// A corrected or older chart index, taken in place of the served one.
#[derive(Debug, Clone)]
pub struct GivenCharts {
    /// Its file, as a `file:` URL.
    pub url: String,
    /// The index.
    pub index: ChartIndex,
}

impl GivenCharts {
    /// The source that the manifest names.
    #[must_use]
    pub fn source(&self) -> Source {
        let documents = self.index.versions().len() as u64;
        Source { name: "charts".into(), url: self.url.clone(), documents, total: None, fetch: None }
    }
}

/// How to fetch it.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// How requests are sent.
    pub http: HttpOptions,
    /// Folder for the files that survive this run, if any.
    pub cache: Option<PathBuf>,
    /// Whether to start again and ignore what an earlier run left.
    pub fresh: bool,
    /// Time that evidence may always take after the walk, even a quick one; normally [`EVIDENCE_LEAST`].
    pub evidence: Duration,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// A fetched catalog, and how the fetch went. Its images are on disk.
#[derive(Debug)]
pub struct Fetched {
    /// When the snapshot began.
    pub created: Timestamp,
    /// What limits it, if anything does.
    pub partial: Option<Partial>,
    /// Operator bundles of all organizations, in order.
    pub operators: Vec<Operator>,
    /// The chart index as served.
    pub chart_index: ChartIndex,
    /// Where all this comes from, and what it was checked against.
    pub sources: Vec<Source>,
    /// Warnings about the source, a line each.
    pub notes: Vec<String>,
    /// Documents that an earlier, interrupted run had fetched.
    pub resumed: u64,
    /// Requests that the server refused because there were too many.
    pub refused: u64,
    kept: Kept,
}

impl Fetched {
    /// How many images there are.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.kept.images()
    }

    /// Calls `visit` with each image, in no particular order; the memory holds one page at a time.
    ///
    /// # Errors
    /// Those of the disk and of `visit`.
    pub fn each_image(&self, visit: impl FnMut(Image) -> io::Result<()>) -> io::Result<()> {
        self.kept.each_image(visit)
    }

    /// Removes what was kept to continue the fetch: the archive is written.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn forget_work(self) -> io::Result<()> {
        self.kept.remove()
    }
}

/// Fetches the whole catalog.
///
/// If it is cancelled or fails, it leaves what it has in the work folder, and the next call with the same plan continues.
///
/// # Errors
/// If a source is unreachable, refuses, or never agrees with itself; where the work folder cannot be used.
pub async fn fetch(plan: &Plan, options: &FetchOptions, progress: &Arc<dyn Progress>) -> Result<Fetched, SourceError> {
    let http = Http::new(options.http.clone(), &plan.catalog_url)?;
    let client = Client::new(Box::new(http), options.http.jobs, options.http.retry, Arc::clone(progress));
    let started = (options.now)();
    let collections = plan.collections();
    let (root, unkept) = Root::open(options.cache.as_deref(), "work")?;
    let cache = options.cache.as_deref().filter(|_| root.outlives());
    let names: Vec<String> = collections.iter().map(|collection| collection.name.clone()).collect();
    let (catalog_url, charts_url) = (plan.catalog_url.to_string(), plan.charts_url.to_string());
    let asked = Asked { catalog_url, charts_url, collections: names.clone(), since: plan.since };
    let work = WorkFolder::open(root, &asked)?;
    let each_name = || names.iter().map(String::as_str);
    let begin = WorkState::new(whole_second(started));
    let (keeper, resumed) = Keeper::open(work, each_name(), begin, started, options.fresh, Arc::clone(progress))?;
    if resumed > 0 {
        let count = count(resumed);
        progress.note(&format!("continuing an earlier run: {count} documents are already here"));
    }
    let (sinks, reports) = Keeper::channel(each_name());
    let keeping = tokio::task::spawn_blocking(move || keeper.run(reports));
    let crew = Crew::new(each_name());
    let walks: Vec<_> = collections
        .into_iter()
        .zip(sinks)
        .map(|(collection, sink)| Walk::new(&client, collection, sink, &crew, plan.page_size))
        .collect();
    let documents = try_join_all(walks.iter().map(|walk| check(walk, &**progress, options)));
    let chart_source = HttpSource::new("charts");
    let charts = async {
        progress.begin("charts", None);
        let index = match &plan.charts {
            Some(given) => given.index.clone(),
            None => charts::fetch(&client, &chart_source, &plan.charts_url, cache).await?,
        };
        progress.advance("charts", index.versions().len() as u64);
        progress.end("charts");
        Ok::<_, SourceError>((index, (options.now)()))
    };
    let fetched = tokio::try_join!(documents, charts);
    // Requests, and the host that answered last.
    let source_of = |source: &HttpSource| (source.requests(), source.host());
    let about: Vec<_> = walks.iter().map(|walk| (shown(&walk.collection.endpoint), source_of(&walk.source))).collect();
    // Without walks nobody reports, so the keeper ends; its own failure counts first.
    drop(walks);
    let kept = match keeping.await {
        Ok(kept) => kept?,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => return Err(io::Error::other(error).into()),
    };
    let (checked, (chart_index, charts_finished)) = fetched?;
    let mut notes: Vec<String> = unkept.into_iter().collect();
    let mut sources = Vec::new();
    let fetch_of = |finished, (requests, host): (u64, String), checks| {
        Some(Fetch {
            started: whole_second(started),
            finished: whole_second(finished),
            requests,
            host: Some(host),
            checks,
        })
    };
    for ((name, (url, about)), (checks, finished)) in names.iter().zip(about).zip(checked) {
        notes.extend(kept.oddities(name).into_iter().map(|oddity| format!("{name}: unusual document {oddity}")));
        let total = if let Check::Agrees(total) = checks.count { Some(total) } else { None };
        let (name, documents) = (name.clone(), kept.count(name));
        sources.push(Source { name, url, documents, total, fetch: fetch_of(finished, about, Some(checks)) });
    }
    sources.push(match &plan.charts {
        Some(given) => given.source(),
        None => Source {
            name: "charts".into(),
            url: shown(&plan.charts_url),
            documents: chart_index.versions().len() as u64,
            total: None,
            fetch: fetch_of(charts_finished, source_of(&chart_source), None),
        },
    });
    Ok(Fetched {
        created: kept.created,
        partial: plan.since.map(|since| Partial { since }),
        operators: kept.operators()?,
        chart_index,
        sources,
        notes,
        resumed,
        refused: client.refused(),
        kept,
    })
}

/// Walks a collection and checks what was found; returns also when that was done.
async fn check(
    walk: &Walk<'_>,
    progress: &dyn Progress,
    options: &FetchOptions,
) -> Result<(Checks, Timestamp), SourceError> {
    let name = &walk.collection.name;
    progress.begin(name, None);
    progress.resume(name, walk.sink.look(|listing, _| listing.count(Interval::ALL)).await?);
    let checks = Evidence { walk, progress, least: options.evidence }.run().await?;
    if walk.sink.look(|listing, _| listing.count(Interval::ALL)).await? == 0 {
        progress.note(&format!("{name}: the server says that the collection is empty"));
    }
    progress.end(name);
    Ok((checks, (options.now)()))
}

fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

#[cfg(test)]
mod tests;
