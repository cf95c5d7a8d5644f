//! A catalog in memory. The clock stands still but for the latency of its answers, so that a test sees the same order of
//! questions each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::Instant;

use super::super::crew::Crew;
use super::super::evidence::Evidence;
use super::super::keeper::Keeper;
use super::super::walk::Walk;
use super::super::work_folder::{Asked, Root, WorkFolder, WorkState};
use super::super::{EVIDENCE_LEAST, SourceError};
use crate::base::progress::Progress;
use crate::catalog::provenance::Checks;
use crate::http::{Answer, Client, Fault, RetryPolicy, Web};
use crate::pyxis::Collection;

/// The time at the catalog.
pub const NOW: &str = "2026-11-25T00:00:00Z";
/// Certified images of partners, as filters begin that select them.
pub const IMAGES: &str = "isv_pid!=null";
/// Bundles of the certified organization.
pub const BUNDLES: &str = "organization==certified-operators";

/// The creation date of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Date {
    /// Microseconds since 1970.
    At(i64),
    /// A text that is not a date.
    Odd,
    /// `null`.
    Null,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: usize,
    pub date: Date,
    /// Its `last_update_date`, in microseconds since 1970.
    pub changed: i64,
    /// Which state of it this is.
    pub state: u32,
}

impl Entry {
    /// The document that was entered at `micros` and not changed since.
    pub fn at(id: usize, micros: i64) -> Self {
        Self { id, date: Date::At(micros), changed: micros, state: 0 }
    }

    fn micros(&self) -> Option<i64> {
        if let Date::At(micros) = self.date { Some(micros) } else { None }
    }

    /// What a fetch has to bring of it.
    pub fn text(&self) -> String {
        format!("{} {:?} {}", self.id, self.date, self.state)
    }

    fn json(&self, ask: &Ask) -> String {
        let date = match self.date {
            Date::At(micros) => format!(r#""{}""#, Timestamp::from_microsecond(micros).unwrap()),
            Date::Odd => r#""once""#.into(),
            Date::Null => "null".into(),
        };
        let (text, organization) = (self.text(), ask.collection.strip_prefix("organization==").unwrap_or_default());
        format!(
            r#"{{"_id":"{:024x}","creation_date":{date},"certified":true,"architecture":"{text}","csv_name":"{text}","organization":"{organization}"}}"#,
            self.id
        )
    }
}

/// A question as it arrives.
#[derive(Debug, Clone)]
pub struct Ask {
    pub collection: &'static str,
    pub filter: String,
    pub low: i64,
    pub high: i64,
    pub changed_since: Option<i64>,
    /// Whether only documents without a date are asked for.
    pub undated: bool,
    /// `creation_date[desc]` and the like, or nothing.
    pub order: String,
    pub page: usize,
    pub size: usize,
    pub documents: bool,
    pub total: bool,
}

impl Ask {
    /// Whether it has no condition on dates.
    pub fn is_whole(&self) -> bool {
        (self.low, self.high) == (i64::MIN, i64::MAX)
    }

    /// Whether it asks for the count of all.
    pub fn counts_all(&self) -> bool {
        self.is_count() && self.is_whole()
    }

    /// Whether it asks for a count alone.
    pub fn is_count(&self) -> bool {
        self.total && !self.documents
    }

    /// Whether it asks for a page of the walk by keyset.
    pub fn is_keyset(&self) -> bool {
        self.documents
            && !self.total
            && self.order == "creation_date[desc]"
            && self.page == 0
            && !self.undated
            && self.changed_since.is_none()
    }

    fn of(url: &Url, collections: &BTreeMap<&'static str, Vec<Entry>>) -> Self {
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let filter = pairs["filter"].clone();
        let collection = collections.keys().find(|name| filter.starts_with(**name)).unwrap();
        let number = |name: &str| pairs[name].parse().unwrap();
        let mut ask = Self {
            collection,
            low: i64::MIN,
            high: i64::MAX,
            changed_since: None,
            undated: false,
            order: pairs.get("sort_by").cloned().unwrap_or_default(),
            page: number("page"),
            size: number("page_size"),
            documents: pairs["include"].contains("data."),
            total: pairs["include"].contains("total"),
            filter: filter.clone(),
        };
        for condition in filter.split(" and ") {
            let date = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
            if let Some(text) = condition.strip_prefix("creation_date<") {
                ask.high = date(text);
            } else if let Some(text) = condition.strip_prefix("creation_date>=") {
                ask.low = date(text);
            } else if let Some(text) = condition.strip_prefix("last_update_date>=") {
                ask.changed_since = Some(date(text));
            } else if condition == "creation_date==null" {
                ask.undated = true;
            }
        }
        ask
    }

    fn selects(&self, entry: &Entry, undated_too: bool) -> bool {
        let selected = entry.micros().map_or(undated_too, |micros| self.low <= micros && micros < self.high);
        (selected || self.is_whole())
            && self.changed_since.is_none_or(|since| entry.changed >= since)
            && (!self.undated || entry.date == Date::Null)
    }
}

/// How the catalog answers a question.
#[derive(Default)]
pub struct Say {
    /// The time that it takes longer than others.
    pub late: Duration,
    /// What comes in place of an answer.
    pub fault: Option<Fault>,
    /// A count in place of the true one; `Some(None)` for none.
    pub total: Option<Option<u64>>,
    /// Whether documents of one date come in the other order.
    pub reversed: bool,
    /// Whether conditions on dates select documents without a date as well.
    pub undated_too: bool,
}

impl Say {
    /// A fault.
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// The question is not accepted.
    pub fn refused() -> Self {
        Self::fault(Fault::Status { code: 400, detail: String::new(), html: false, retry_after: None })
    }

    /// A count that is not the true one.
    pub fn total(total: u64) -> Self {
        Self { total: Some(Some(total)), ..Self::default() }
    }
}

/// Decides on each question, and may change the collection before it is answered.
pub type Script = Box<dyn FnMut(&Ask, &mut Vec<Entry>) -> Say + Send>;

struct State {
    collections: BTreeMap<&'static str, Vec<Entry>>,
    script: Script,
    asks: Vec<Ask>,
    /// When the last answer arrives.
    last: Instant,
}

/// The catalog.
pub struct Paper {
    latency: Duration,
    /// Documents on a page, at most; it says which size it used.
    largest: usize,
    state: Arc<Mutex<State>>,
}

impl Web for Paper {
    fn get<'a>(&'a self, url: &'a Url, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Answer, Fault>> {
        let mut guard = self.state.lock().unwrap();
        let state = &mut *guard;
        let ask = Ask::of(url, &state.collections);
        state.asks.push(ask.clone());
        let entries = state.collections.get_mut(ask.collection).unwrap();
        let say = (state.script)(&ask, entries);
        let body = answer(&ask, entries, &say, self.largest);
        // No two answers come at once: their order would be that of the threads that parse them.
        let arrival = (Instant::now() + self.latency).max(state.last + Duration::from_millis(1)) + say.late;
        if say.late.is_zero() {
            state.last = arrival;
        }
        Box::pin(async move {
            tokio::time::sleep_until(arrival).await;
            match say.fault {
                Some(fault) => Err(fault),
                None => {
                    let date = Some(NOW.parse().unwrap());
                    Ok(Answer { body: Some(body.into_bytes()), etag: None, date, host: "paper".into(), status: 200 })
                }
            }
        })
    }
    fn renew(&self) {}
}

fn answer(ask: &Ask, entries: &[Entry], say: &Say, largest: usize) -> String {
    let mut selected: Vec<&Entry> = entries.iter().filter(|entry| ask.selects(entry, say.undated_too)).collect();
    // Documents without a date are before all others.
    match ask.order.as_str() {
        _ if !ask.documents => {}
        // The usual case, which is quick.
        "creation_date[desc]" if selected.is_sorted_by_key(|entry| (entry.micros(), entry.id)) => selected.reverse(),
        "_id[asc]" => selected.sort_by_key(|entry| entry.id),
        "creation_date[asc]" => selected.sort_by_key(|entry| (entry.micros(), entry.id)),
        "creation_date[desc]" => selected.sort_by_key(|entry| std::cmp::Reverse((entry.micros(), entry.id))),
        _ => {}
    }
    if say.reversed {
        selected.sort_by_key(|entry| (std::cmp::Reverse(entry.micros()), entry.id));
    }
    let size = ask.size.min(largest);
    let mut parts = vec![format!(r#""page_size":{size}"#)];
    if ask.documents {
        let page = selected.iter().skip(ask.page * size).take(size);
        let documents: Vec<_> = page.map(|entry| entry.json(ask)).collect();
        parts.push(format!(r#""data":[{}]"#, documents.join(",")));
    }
    let total = say.total.unwrap_or(Some(selected.len() as u64));
    if let Some(total) = total.filter(|_| ask.total) {
        parts.push(format!(r#""total":{total}"#));
    }
    format!("{{{}}}", parts.join(","))
}

/// What a fetch did.
pub struct Fetched {
    pub result: Result<Vec<Checks>, SourceError>,
    pub asks: Vec<Ask>,
    pub seconds: f64,
    /// The texts of its documents.
    pub found: Vec<String>,
    /// The texts of all documents of the catalog at the end.
    pub truth: Vec<String>,
    /// Documents of each collection, in the order of their names.
    pub counts: Vec<u64>,
    /// Documents that the progress showed.
    pub advanced: u64,
    pub notes: Vec<String>,
}

impl Fetched {
    /// The checks of the only collection.
    pub fn checks(&self) -> &Checks {
        &self.result.as_ref().unwrap()[0]
    }

    /// How many questions were of a kind.
    pub fn asked(&self, kind: impl Fn(&Ask) -> bool) -> usize {
        self.asks.iter().filter(|ask| kind(ask)).count()
    }
}

/// A fetch from a catalog in memory.
pub struct Fetch {
    pub collections: BTreeMap<&'static str, Vec<Entry>>,
    pub jobs: u32,
    pub latency: Duration,
    pub page_size: u32,
    /// Documents on a page that the catalog allows.
    pub largest: usize,
}

impl Fetch {
    /// A fetch of one collection.
    pub fn of(collection: &'static str, entries: Vec<Entry>) -> Self {
        let collections = [(collection, entries)].into();
        Self { collections, jobs: 4, latency: Duration::from_millis(100), page_size: 500, largest: 500 }
    }

    /// Runs it on a catalog that follows `script`.
    pub async fn run(self, script: impl FnMut(&Ask, &mut Vec<Entry>) -> Say + Send + 'static) -> Fetched {
        let base = Url::parse("http://localhost/").unwrap();
        let collection = |name: &&'static str| match name.strip_prefix("organization==") {
            Some(organization) => Collection::operators(&base, organization),
            None => Collection::partner_images(&base, None),
        };
        let all: Vec<_> = self.collections.keys().map(collection).collect();
        let names: Vec<_> = all.iter().map(|collection| collection.name.clone()).collect();
        let each_name = || names.iter().map(String::as_str);
        let (script, collections): (Script, _) = (Box::new(script), self.collections);
        let state = State { collections, script, asks: Vec::new(), last: Instant::now() };
        let state = Arc::new(Mutex::new(state));
        let web = Paper { latency: self.latency, largest: self.largest, state: Arc::clone(&state) };
        let notes = Arc::new(Notes::default());
        let progress: Arc<dyn Progress> = Arc::clone(&notes) as _;
        let client = Client::new(Box::new(web), self.jobs, RetryPolicy::default(), Arc::clone(&progress));
        let now: Timestamp = NOW.parse().unwrap();
        let (root, _) = Root::open(None, "work").unwrap();
        let asked = Asked { catalog_url: "".into(), charts_url: "".into(), collections: vec![], since: None };
        let work = WorkFolder::open(root, &asked).unwrap();
        let begin = WorkState::new(now);
        let (mut keeper, _) = Keeper::open(work, each_name(), begin, now, false, Arc::clone(&progress)).unwrap();
        let (sinks, mut reports) = Keeper::channel(each_name());
        let crew = Crew::new(each_name());
        let walk = |(collection, sink)| Walk::new(&client, collection, sink, &crew, self.page_size);
        let walks: Vec<_> = all.into_iter().zip(sinks).map(walk).collect();
        let began = Instant::now();
        let walking = async {
            let check = async |walk| Evidence { walk, progress: &*progress, least: EVIDENCE_LEAST }.run().await;
            let result = try_join_all(walks.iter().map(check)).await;
            (result, began.elapsed().as_secs_f64())
        };
        let keeping = async {
            loop {
                let (name, report) = reports.recv().await.unwrap();
                keeper.take(&name, report).unwrap();
            }
        };
        let (result, seconds) = tokio::select! { done = walking => done, () = keeping => unreachable!() };
        let kept = keeper.close();
        let mut found: Vec<_> =
            kept.operators().unwrap().into_iter().map(|operator| operator.csv_name.to_string()).collect();
        kept.each_image(|image| {
            found.push(image.architecture.to_string());
            Ok(())
        })
        .unwrap();
        found.sort_unstable();
        let state = state.lock().unwrap();
        let mut truth: Vec<_> = state.collections.values().flatten().map(Entry::text).collect();
        truth.sort_unstable();
        let counts = names.iter().map(|name| kept.count(name)).collect();
        let (notes, advanced) = notes.0.lock().unwrap().clone();
        Fetched { result, asks: state.asks.clone(), seconds, found, truth, counts, advanced, notes }
    }
}

/// Gives `test` a walk that has asked nothing yet, of an empty catalog.
pub fn with_walk(test: impl FnOnce(&Walk<'_>)) {
    let state = State {
        collections: BTreeMap::new(),
        script: Box::new(|_, _| Say::default()),
        asks: Vec::new(),
        last: Instant::now(),
    };
    let web = Paper { latency: Duration::ZERO, largest: 1, state: Arc::new(Mutex::new(state)) };
    let client = Client::new(Box::new(web), 1, RetryPolicy::default(), Arc::new(Notes::default()));
    let collection = Collection::partner_images(&Url::parse("http://localhost/").unwrap(), None);
    let name = collection.name.clone();
    let (mut sinks, _reports) = Keeper::channel([name.as_str()].into_iter());
    let crew = Crew::new([name.as_str()].into_iter());
    test(&Walk::new(&client, collection, sinks.remove(0), &crew, 500));
}

/// The notes for a person, and how many documents came.
#[derive(Default)]
struct Notes(Mutex<(Vec<String>, u64)>);

impl Progress for Notes {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, items: u64) {
        self.0.lock().unwrap().1 += items;
    }
    fn end(&self, _: &str) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().0.push(text.to_owned());
    }
}
