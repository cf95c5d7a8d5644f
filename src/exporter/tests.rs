//! Walks against a catalog in memory, with a clock that stands still but for the latency: what they bring, how many
//! questions they ask, and how long they take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::*;
use crate::base::progress::Silent;
use crate::http::{Answer, Fault, RetryPolicy, Web};

/// Microseconds since 1970 of the first and the last day.
const DAYS: (f64, f64) = (1.4936e15, 1.7828e15);

/// A catalog in memory: dates of its documents, by endpoint and fixed condition.
struct Paper {
    latency: Duration,
    collections: BTreeMap<&'static str, Vec<i64>>,
    asked: Arc<Mutex<Vec<String>>>,
    last: Mutex<Instant>,
}

/// Dates of a growing catalog with a tie in its denser half.
fn dates(count: usize, tie: usize, seed: u64) -> Vec<i64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut dates: Vec<i64> = (0..count)
        .map(|i| {
            let place = (i as f64 + random.f64()) / count as f64;
            (DAYS.0 + (DAYS.1 - DAYS.0) * place.powf(1.0 / 2.6)) as i64 / 1_000 * 1_000
        })
        .collect();
    let start = (count - tie) * 6 / 10;
    let date = dates.get(start).copied().unwrap_or_default();
    dates[start..start + tie].fill(date);
    dates.sort_unstable();
    dates
}

impl Web for Paper {
    fn get<'a>(&'a self, url: &'a Url, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Answer, Fault>> {
        self.asked.lock().unwrap().push(url.to_string());
        // No two answers come at once: their order would be that of the threads that parse them.
        let mut last = self.last.lock().unwrap();
        let arrival = (Instant::now() + self.latency).max(*last + Duration::from_millis(1));
        *last = arrival;
        Box::pin(async move {
            tokio::time::sleep_until(arrival).await;
            let body = self.answer(url).into_bytes();
            let date = Some("2026-11-25T00:00:00Z".parse().unwrap());
            Ok(Answer { body: Some(body), etag: None, date, host: "paper".into(), status: 200 })
        })
    }
    fn renew(&self) {}
}

impl Paper {
    fn answer(&self, url: &Url) -> String {
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let filter = &pairs["filter"];
        let (name, dates) = self.collections.iter().find(|(name, _)| filter.starts_with(**name)).unwrap();
        let (mut low, mut high) = (i64::MIN, i64::MAX);
        let mut none = false;
        for condition in filter.split(" and ") {
            let date = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
            if let Some(text) = condition.strip_prefix("creation_date<") {
                high = high.min(date(text));
            } else if let Some(text) = condition.strip_prefix("creation_date>=") {
                low = low.max(date(text));
            } else if condition.starts_with("last_update_date>=") || condition == "creation_date==null" {
                none = true;
            }
        }
        let (from, to) = (dates.partition_point(|d| *d < low), dates.partition_point(|d| *d < high));
        let selected: Vec<usize> = if none { Vec::new() } else { (from..to).rev().collect() };
        let number = |name: &str| pairs[name].parse::<usize>().unwrap();
        let size = number("page_size").min(500);
        let mut parts = vec![format!(r#""page_size":{size}"#)];
        if pairs["include"].contains("data.") {
            let page = selected.iter().skip(number("page") * size).take(size);
            let organization = name.strip_prefix("organization==").unwrap_or_default();
            let documents: Vec<_> = page
                .map(|i| {
                    let date = Timestamp::from_microsecond(dates[*i]).unwrap();
                    format!(r#"{{"_id":"{i:024x}","creation_date":"{date}","certified":true,"organization":"{organization}"}}"#)
                })
                .collect();
            parts.push(format!(r#""data":[{}]"#, documents.join(",")));
        }
        if pairs["include"].contains("total") {
            parts.push(format!(r#""total":{}"#, selected.len()));
        }
        format!("{{{}}}", parts.join(","))
    }
}

/// What a fetch of everything cost.
struct Cost {
    requests: usize,
    seconds: f64,
    checks: Vec<Checks>,
}

/// Fetches `images` and `bundles` with `jobs`, and makes sure that all are there.
async fn fetch_all(images: usize, bundles: usize, jobs: u32, latency: u64, seed: u64) -> Cost {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let collections: BTreeMap<_, _> = [
        ("isv_pid!=null", dates(images, 1_700.min(images / 12), seed)),
        ("organization==certified-operators", dates(bundles * 3 / 5, 0, seed + 1)),
        ("organization==redhat-operators", dates(bundles * 2 / 5, 0, seed + 2)),
    ]
    .into();
    let truth: Vec<usize> = collections.values().map(Vec::len).collect();
    let web = Paper {
        latency: Duration::from_millis(latency),
        collections,
        asked: Arc::clone(&asked),
        last: Mutex::new(Instant::now()),
    };
    let progress: Arc<dyn Progress> = Arc::new(Silent);
    let client = Client::new(Box::new(web), jobs, RetryPolicy::default(), Arc::clone(&progress));
    let base = Url::parse("http://localhost/").unwrap();
    let now: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let all = ["certified-operators", "redhat-operators"].map(|name| Collection::operators(&base, name));
    let all: Vec<_> = std::iter::once(Collection::partner_images(&base, None)).chain(all).collect();
    let names: Vec<_> = all.iter().map(|collection| collection.name.clone()).collect();
    let each_name = || names.iter().map(String::as_str);
    let (root, _) = Root::open(None, "work").unwrap();
    let work = WorkFolder::open(
        root,
        &Asked { catalog_url: "".into(), charts_url: "".into(), collections: vec![], since: None },
    );
    let state = WorkState::new(now);
    let (mut keeper, _) = Keeper::open(work.unwrap(), each_name(), state, now, false, Arc::clone(&progress)).unwrap();
    let (sinks, mut reports) = Keeper::channel(each_name());
    let crew = Crew::new(each_name());
    let walks: Vec<_> =
        all.into_iter().zip(sinks).map(|(c, sink)| Walk::new(&client, c, sink, &crew, 500, now)).collect();
    let began = Instant::now();
    let walking = async {
        let check = async |walk| Evidence { walk, progress: &Silent, least: EVIDENCE_LEAST }.run().await;
        let checks = try_join_all(walks.iter().map(check)).await.unwrap();
        (checks, began.elapsed().as_secs_f64())
    };
    let keeping = async {
        loop {
            let (name, report) = reports.recv().await.unwrap();
            keeper.take(&name, report).unwrap();
        }
    };
    let (checks, seconds) = tokio::select! { done = walking => done, () = keeping => unreachable!() };
    let kept = keeper.close();
    let found: Vec<usize> = names.iter().map(|name| kept.count(name) as usize).collect();
    assert_eq!(found, [truth[0], truth[1], truth[2]], "in the order of their names");
    let mut ids = BTreeSet::new();
    kept.each_image(|image| {
        assert!(ids.insert(image.id));
        Ok(())
    })
    .unwrap();
    assert_eq!(ids.len(), images);
    let requests = asked.lock().unwrap().len();
    Cost { requests, seconds, checks }
}

/// Pages that hold everything, and the least seconds: the first question, and the pages side by side.
fn least(images: usize, bundles: usize, jobs: u32, latency: u64) -> (usize, f64) {
    let pages = [images, bundles * 3 / 5, bundles * 2 / 5].iter().map(|count| count.div_ceil(500)).sum::<usize>();
    (pages, (pages as f64 / f64::from(jobs) + 1.0) * latency as f64 / 1_000.0)
}

#[tokio::test(start_paused = true)]
async fn few_questions_beyond_the_pages_that_hold_everything() {
    for seed in 0..3 {
        let (_, seconds) = least(25_000, 5_390, 8, 200);
        let cost = fetch_all(25_000, 5_390, 8, 200, seed).await;
        let wide = fetch_all(25_000, 5_390, 16, 100, seed).await;
        // One more is the chart index.
        assert!(cost.requests < 85, "{} requests", cost.requests);
        assert!(cost.seconds < 1.35 * seconds, "{:.2} s, {:.2} s are the least", cost.seconds, seconds);
        assert!(wide.requests as f64 <= 1.1 * cost.requests as f64, "{} with 16 jobs", wide.requests);
        for checks in cost.checks {
            assert!(matches!((&checks.count, &checks.changes), (Check::Agrees(_), Check::Agrees(0))), "{checks:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_catalog_keeps_all_places_busy() {
    let (pages, seconds) = least(60_000, 9_000, 8, 200);
    let cost = fetch_all(60_000, 9_000, 8, 200, 1).await;
    assert!(cost.seconds < 1.2 * seconds, "{:.2} s, {:.2} s are the least", cost.seconds, seconds);
    assert!(cost.requests < pages + 30, "{} requests", cost.requests);
}

#[tokio::test(start_paused = true)]
async fn small_collections_of_every_size() {
    for (images, bundles, jobs) in
        [(1, 5, 8), (499, 1_250, 1), (500, 2_500, 3), (501, 0, 8), (1_000, 5, 2), (1_001, 5, 64)]
    {
        fetch_all(images, bundles, jobs, 50, 3).await;
    }
}
