//! Walks against a catalog in memory, with a clock that stands still but for the latency: what they bring, how many
//! questions they ask, and how long they take.

mod disagreement;
mod paper;
mod ways;

use super::*;
use paper::{Ask, BUNDLES, Entry, Fetch, IMAGES, Say};

/// Bundles of Red Hat's organization.
const REDHAT_BUNDLES: &str = "organization==redhat-operators";

/// Microseconds since 1970 of the first and the last day.
const DAYS: (f64, f64) = (1.4936e15, 1.7828e15);

/// A growing catalog with a tie in its denser half; ids begin at `first`.
fn growing(count: usize, tie: usize, first: usize, seed: u64) -> Vec<Entry> {
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
    (first..).zip(dates).map(|(id, date)| Entry::at(id, date)).collect()
}

/// What a fetch of everything cost.
struct Cost {
    requests: usize,
    seconds: f64,
    checks: Vec<Checks>,
}

/// Fetches `images` and `bundles` with `jobs`, and makes sure that all are there.
async fn fetch_all(images: usize, bundles: usize, jobs: u32, latency: u64, seed: u64) -> Cost {
    fetch_all_but(images, bundles, jobs, latency, seed, |_| Duration::ZERO).await
}

/// The same, and `late` says how much later than others an answer comes.
async fn fetch_all_but(
    images: usize,
    bundles: usize,
    jobs: u32,
    latency: u64,
    seed: u64,
    late: impl Fn(&Ask) -> Duration + Send + 'static,
) -> Cost {
    let (certified, red_hats) = (bundles * 3 / 5, bundles * 2 / 5);
    let collections = [
        (IMAGES, growing(images, 1_700.min(images / 12), 0, seed)),
        (BUNDLES, growing(certified, 0, images, seed + 1)),
        (REDHAT_BUNDLES, growing(red_hats, 0, images + certified, seed + 2)),
    ];
    let latency = Duration::from_millis(latency);
    let fetch = Fetch { collections: collections.into(), jobs, latency, page_size: 500, largest: 500 };
    let fetched = fetch.run(move |ask, _| Say { late: late(ask), ..Say::default() }).await;
    assert_eq!(fetched.counts, [images, certified, red_hats].map(|count| count as u64), "in the order of their names");
    assert!(fetched.found == fetched.truth);
    Cost { requests: fetched.asks.len(), seconds: fetched.seconds, checks: fetched.result.unwrap() }
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
async fn the_collection_that_begins_last_gets_its_share() {
    for last in [IMAGES, BUNDLES, REDHAT_BUNDLES] {
        let (_, seconds) = least(25_000, 5_390, 8, 200);
        let late = move |ask: &Ask| Duration::from_millis(if ask.collection == last { 3 } else { 0 });
        let cost = fetch_all_but(25_000, 5_390, 8, 200, 0, late).await;
        assert!(cost.seconds < 1.35 * seconds, "{last}: {:.2} s, {:.2} s are the least", cost.seconds, seconds);
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
