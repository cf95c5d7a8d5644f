//! `oct probe`: what a server answers to each form of question, and how fast: one small question of each, asked once.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use tokio::time::Instant;

use crate::base::limits::CHART_INDEX_BYTES;
use crate::base::text::sanitize;
use crate::catalog::ChartIndex;
use crate::exporter::Plan;
use crate::http::{Answer, ERROR_BYTES, Fault, Http, HttpOptions, is_html, shown};
use crate::pyxis::{At, Collection, DateForm, Interval, Only, Order, PAGE_BYTES, Question, Way, endpoint};

use super::Error;

/// Questions under way at once: a server with slow paths stalls on several of them, each for a minute.
const SIDE_BY_SIDE: usize = 4;
/// How far back the question for changes goes.
const CHANGED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How far in the future the upper end of an interval lies, as in the walk: clocks differ.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// What an answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `bundle` lists the collection by this form, the best of those that were accepted.
    Listing,
    /// `bundle` would fall back to it.
    Fallback,
    /// `bundle` checks its listing by it, and can do without it.
    Evidence,
    /// `bundle` needs it.
    Needed,
    /// Only certsuite asks it.
    Nothing,
}

/// One question and its answer.
#[derive(Debug)]
pub struct Trial {
    /// `catalog`, the name of a collection, or `charts`.
    pub source: String,
    /// The form of the question.
    pub form: String,
    /// The URL, without credentials.
    pub url: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// From the question to the end of its answer.
    pub took: Duration,
    /// Bytes of the answer, decompressed.
    pub bytes: u64,
    /// Documents in it, where it holds some; for a count, the count.
    pub documents: Option<u64>,
    /// Why the answer is of no use; `None` if it is accepted.
    pub refused: Option<String>,
    /// What `bundle` does with it.
    pub use_: Use,
}

/// All that was tried.
#[derive(Debug)]
pub struct Probe {
    /// In the order of the questions.
    pub trials: Vec<Trial>,
}

impl Probe {
    /// The names of the sources that `bundle` needs and cannot fetch.
    #[must_use]
    pub fn lacking(&self) -> Vec<&str> {
        let mut lacking: Vec<&str> = Vec::new();
        for trial in self.trials.iter().filter(|trial| trial.use_ != Use::Nothing && trial.use_ != Use::Evidence) {
            let is_had = self.trials.iter().any(|other| {
                other.source == trial.source
                    && other.refused.is_none()
                    && matches!(other.use_, Use::Listing | Use::Needed)
            });
            if !is_had && !lacking.contains(&trial.source.as_str()) {
                lacking.push(&trial.source);
            }
        }
        lacking
    }
}

/// What is asked, and how its answer is read.
struct Asked<'a> {
    source: &'a str,
    form: String,
    url: Url,
    cap: usize,
    use_: Use,
    read: Box<dyn Fn(Answer) -> Result<Option<u64>, Fault> + 'a>,
}

/// Asks one question of each form, each once and for at most the stall timeout of `options`.
///
/// # Errors
/// If HTTP cannot be set up. Failures of the server are in the trials.
pub async fn probe(plan: &Plan, options: HttpOptions, now: Timestamp) -> Result<Probe, Error> {
    let http = Http::new(options, &plan.catalog_url)?;
    let collections = plan.collections();
    let mut questions = vec![ping(&plan.catalog_url)];
    for collection in &collections {
        questions.extend(listings(collection, plan.page_size, now));
        questions.extend(evidence(collection, now));
    }
    questions.push(charts(&plan.charts_url));
    let asked = stream::iter(questions).map(|asked| attempt(&http, asked));
    let mut trials: Vec<Trial> = asked.buffered(SIDE_BY_SIDE).collect().await;
    for collection in &collections {
        let mut rungs = trials.iter_mut().filter(|it| it.source == collection.name && it.use_ == Use::Fallback);
        if let Some(best) = rungs.find(|trial| trial.refused.is_none()) {
            best.use_ = Use::Listing;
        }
    }
    Ok(Probe { trials })
}

/// Whether the catalog is there, as certsuite asks it.
fn ping(base: &Url) -> Asked<'static> {
    let url = endpoint(base, "ping");
    let read = |answer: Answer| {
        if answer.body.as_deref().is_some_and(is_html) { Err(Fault::Html) } else { Ok(None) }
    };
    let (source, form, cap) = ("catalog", "ping".into(), ERROR_BYTES);
    Asked { source, form, url, cap, use_: Use::Nothing, read: Box::new(read) }
}

/// The first page of each rung of the ladder.
fn listings(collection: &Collection, largest: u32, now: Timestamp) -> Vec<Asked<'_>> {
    let rungs = collection.ladder(largest).into_iter().map(|rung| {
        let (order, form, interval) = match rung.way {
            Way::Keyset(form) => (Order::NewestFirst, form, dated(collection, now)),
            Way::Numbers if collection.numbered_whole() => (Order::Own, DateForm::Offset, Interval::ALL),
            Way::Numbers => (Order::Own, DateForm::Offset, dated(collection, now)),
        };
        let question = Question { order, form, interval, size: rung.size, ..question("page") };
        page(collection, rung.shown(), Use::Fallback, question)
    });
    rungs.collect()
}

/// What `bundle` checks a listing by.
fn evidence(collection: &Collection, now: Timestamp) -> Vec<Asked<'_>> {
    let whole = dated(collection, now);
    let since = At::of(now.checked_sub(CHANGED_WITHIN).unwrap_or(now));
    let count = Question { count: true, order: Order::Own, ..question("count") };
    let small = Question { size: 50, interval: whole, ..question("page") };
    let numbered = Question { page: 1, ..small.clone() };
    [
        ("count", Question { interval: Interval::ALL, ..count.clone() }),
        ("count of what has a date", Question { interval: whole, ..count }),
        ("changes", Question { only: Only::ChangedSince(since), ..small.clone() }),
        ("without a date", Question { only: Only::Undated, interval: Interval::ALL, ..small.clone() }),
        ("oldest first", Question { order: Order::OldestFirst, interval: Interval::ALL, ..small.clone() }),
        ("sorted by id", Question { order: Order::ById, ..small }),
        ("second page by number", numbered),
    ]
    .into_iter()
    .map(|(form, question)| page(collection, form.into(), Use::Evidence, question))
    .collect()
}

fn charts(url: &Url) -> Asked<'_> {
    let read = |answer: Answer| {
        let body = answer.body.unwrap_or_default();
        if is_html(&body) {
            return Err(Fault::Html);
        }
        let index = ChartIndex::parse(body).map_err(|error| Fault::Decode(sanitize(&error.to_string())))?;
        Ok(Some(index.versions().len() as u64))
    };
    let (source, form, cap) = ("charts", "index".into(), CHART_INDEX_BYTES);
    Asked { source, form, url: url.clone(), cap, use_: Use::Needed, read: Box::new(read) }
}

/// Every document with a date, up to a little after now.
fn dated(collection: &Collection, now: Timestamp) -> Interval {
    Interval::new(collection.low, At::of(now.checked_add(MARGIN).unwrap_or(now)).next_second())
}

fn question(what: &'static str) -> Question {
    let (only, order, form) = (Only::All, Order::NewestFirst, DateForm::Offset);
    Question { what, interval: Interval::ALL, only, order, form, page: 0, size: 0, count: false }
}

fn page(collection: &Collection, form: String, use_: Use, question: Question) -> Asked<'_> {
    let url = collection.url(&question);
    let read = move |answer| {
        let page = collection.decode(&question, answer)?;
        Ok(if question.count { page.total } else { Some(page.documents.len() as u64) })
    };
    Asked { source: &collection.name, form, url, cap: PAGE_BYTES, use_, read: Box::new(read) }
}

async fn attempt(http: &Http, asked: Asked<'_>) -> Trial {
    let Asked { source, form, url, cap, use_, read } = asked;
    let began = Instant::now();
    let answer = http.get_once(&url, cap).await;
    let took = began.elapsed();
    let (mut status, mut bytes) = (None, 0);
    let read = answer.and_then(|answer| {
        status = Some(answer.status);
        bytes = answer.body.as_ref().map_or(0, |body| body.len() as u64);
        read(answer)
    });
    if let Err(Fault::Status { code, .. }) = &read {
        status = Some(*code);
    }
    let (documents, refused) = match read {
        Ok(documents) => (documents, None),
        Err(fault) => (None, Some(sanitize(&fault.to_string()))),
    };
    Trial { source: source.to_owned(), form, url: shown(&url), status, took, bytes, documents, refused, use_ }
}
