//! Fetching from the stand-in: completeness under everything that the catalog is known to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oct::base::progress::{Progress, Silent};
use oct::catalog::document::Image;
use oct::exporter::{FetchOptions, Fetched, Plan, SourceError, fetch};
use oct::http::{HttpError, HttpOptions, RetryPolicy};
use standin::{Catalog, Churn, Fault, Knobs, MadeUp, Mark, RetryAfter, Standin, TieOrder};

/// A plan for everything that `server` has, and quick retries.
pub fn plan(server: &Standin) -> (Plan, FetchOptions) {
    let plan = Plan {
        catalog_url: server.catalog_url().parse().unwrap(),
        charts_url: server.charts_url().parse().unwrap(),
        charts: None,
        operators: vec!["certified-operators".into(), "redhat-operators".into()],
        redhat_images: false,
        since: None,
        page_size: 500,
    };
    let http = HttpOptions::new(8, RetryPolicy { patience: Duration::from_secs(20) }, Duration::from_millis(900));
    let evidence = Duration::from_secs(20);
    (plan, FetchOptions { http, cache: None, fresh: false, evidence, now: Timestamp::now })
}

pub fn run(plan: &Plan, options: &FetchOptions) -> Result<Fetched, SourceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    runtime.block_on(fetch(plan, options, &silent))
}

/// All images, in the order of their ids.
pub fn images(fetched: &Fetched) -> Vec<Image> {
    let mut images = Vec::new();
    fetched
        .each_image(|image| {
            images.push(image);
            Ok(())
        })
        .unwrap();
    assert_eq!(images.len() as u64, fetched.images());
    images.sort_by_key(|image| image.id);
    images
}

pub fn image_ids(fetched: &Fetched) -> BTreeSet<String> {
    let images = images(fetched);
    let ids: BTreeSet<_> = images.iter().map(|image| image.id.to_string()).collect();
    assert_eq!(ids.len(), images.len(), "an image is there twice");
    ids
}

fn ids(documents: &[standin::Document]) -> BTreeSet<String> {
    documents.iter().map(|document| document.id.clone()).collect()
}

/// `csv_name`, `ocp_version` and `channel_name` of every bundle of the two organizations, with multiplicity.
fn triples(server: &Standin) -> Vec<[String; 3]> {
    let truth = server.truth();
    let text = |value: &serde_json::Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let mut triples: Vec<_> = ["certified-operators", "redhat-operators"]
        .into_iter()
        .flat_map(|organization| truth.bundles.get(organization).into_iter().flatten())
        .map(|bundle| {
            let reduced = bundle.reduced();
            ["csv_name", "ocp_version", "channel_name"].map(|field| text(&reduced, field))
        })
        .collect();
    triples.sort();
    triples
}

fn fetched_triples(fetched: &Fetched) -> Vec<[String; 3]> {
    let operators = fetched.operators.iter();
    let mut triples: Vec<_> =
        operators.map(|o| [&o.csv_name, &o.ocp_version, &o.channel_name].map(|field| field.to_string())).collect();
    triples.sort();
    triples
}

/// The snapshot is exactly what the server has.
pub fn assert_equals_truth(server: &Standin, fetched: &Fetched) {
    assert_eq!(image_ids(fetched), ids(&server.truth().certified));
    assert_eq!(fetched_triples(fetched), triples(server));
    let charts = fetched.chart_index.versions();
    assert_eq!(charts.len(), server.truth().charts.len());
}

pub fn catalog(images: usize, bundles: usize, seed: u64) -> Catalog {
    Catalog::made_up(&MadeUp { images, bundles, seed, longest_tie: Some(1_700.min(images / 4)), ..MadeUp::default() })
}

#[test]
fn totals_that_are_and_are_not_multiples_of_the_page_size() {
    for (images, bundles) in [(1, 1), (499, 500), (500, 501), (501, 1_000), (3_000, 990), (7_777, 1_499)] {
        let server = Standin::start(catalog(images, bundles, 7), Knobs::default());
        let (plan, options) = plan(&server);
        assert_equals_truth(&server, &run(&plan, &options).unwrap());
    }
}

#[test]
fn small_pages_and_long_ties() {
    let server = Standin::start(catalog(3_000, 700, 3), Knobs { tie_order: TieOrder::Shuffled, ..Knobs::default() });
    for (page_size, jobs) in [(50, 1), (97, 8), (200, 3)] {
        let (mut plan, mut options) = plan(&server);
        plan.page_size = page_size;
        options.http.jobs = jobs;
        assert_equals_truth(&server, &run(&plan, &options).unwrap());
    }
}

#[test]
fn a_page_size_that_the_server_caps_or_refuses() {
    for oversized in [standin::Oversized::Cap, standin::Oversized::Refuse] {
        let knobs = Knobs { max_page_size: 100, oversized, ..Knobs::default() };
        let server = Standin::start(catalog(2_500, 600, 5), knobs);
        let (plan, options) = plan(&server);
        assert_equals_truth(&server, &run(&plan, &options).unwrap());
    }
}

#[test]
fn every_fault_in_turn_on_a_fifth_of_all_requests() {
    let seeds = std::env::var("OCT_TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 0..seeds {
        let knobs = Knobs {
            fault_share: 0.2,
            fault_seed: seed,
            faults: Fault::EVERY.to_vec(),
            stall: Duration::from_secs(3),
            retry_after_seconds: 0,
            ..Knobs::default()
        };
        let server = Standin::start(catalog(9_000, 1_800, seed), knobs);
        let (plan, options) = plan(&server);
        assert_equals_truth(&server, &run(&plan, &options).unwrap());
        assert!(server.stats().faults > 0);
    }
}

#[test]
fn documents_that_come_and_go_lose_none_that_was_there_throughout() {
    let seeds = std::env::var("OCT_TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    let mut held_still = 0;
    for seed in 0..seeds {
        let server = Standin::start(catalog(8_000, 1_500, seed), Knobs::default());
        let mark = server.mark();
        server
            .set(|knobs| knobs.churn = Churn { seed, rounds: (seed % 2 == 0).then_some(3), ..Churn::balanced(20, 2) });
        let (mut plan, options) = plan(&server);
        plan.page_size = 200;
        match run(&plan, &options) {
            Ok(fetched) => {
                held_still += 1;
                let since = server.since(mark);
                let found = image_ids(&fetched);
                let missing: Vec<_> = ids(&since.throughout.certified).difference(&found).cloned().collect();
                assert_eq!(missing, Vec::<String>::new(), "seed {seed}");
                let strangers: Vec<_> = found.difference(&ids(&since.ever.certified)).cloned().collect();
                assert_eq!(strangers, Vec::<String>::new(), "seed {seed}");
                for source in fetched.sources.iter().filter(|source| source.name != "charts") {
                    assert_eq!(Some(source.documents), source.total, "{}", source.name);
                }
            }
            Err(SourceError::Moving { .. }) => {}
            Err(other) => panic!("seed {seed}: {other}"),
        }
        assert!(server.stats().churn.deleted > 0);
    }
    assert!(held_still > 0);
}

#[test]
fn documents_that_are_newer_than_the_snapshot_are_no_difference() {
    let server = Standin::start(catalog(3_000, 50, 14), Knobs::default());
    let mark = server.mark();
    let churn = Churn { every: 12, rounds: Some(1), insert_new: 5, change: 2, bundles: false, ..Churn::default() };
    server.set(|knobs| knobs.churn = churn);
    let (mut plan, options) = plan(&server);
    plan.page_size = 200;
    let fetched = run(&plan, &options).unwrap();
    let missing: Vec<_> =
        ids(&server.since(mark).throughout.certified).difference(&image_ids(&fetched)).cloned().collect();
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(fetched.sources[0].total, Some(fetched.sources[0].documents));
}

#[test]
fn a_catalog_that_never_holds_still_is_refused() {
    let server = Standin::start(catalog(4_000, 10, 1), Knobs::default());
    server.set(|knobs| knobs.churn = Churn { every: 1, delete: 3, ..Churn::balanced(1, 3) });
    let (mut plan, options) = plan(&server);
    plan.page_size = 50;
    let error = run(&plan, &options).unwrap_err();
    assert!(matches!(error, SourceError::Moving { .. }), "{error}");
}

#[test]
fn changes_in_place_are_fetched_again() {
    let server = Standin::start(catalog(3_000, 10, 2), Knobs::default());
    server.set(|knobs| knobs.churn = Churn { every: 4, rounds: Some(2), change: 5, ..Churn::balanced(4, 0) });
    let (plan, options) = plan(&server);
    let mark = server.mark();
    let fetched = run(&plan, &options).unwrap();
    let truth = server.truth();
    let changed: BTreeSet<_> =
        server.since(mark).ever.certified.iter().filter(|d| d.changed()).map(|d| d.id.clone()).collect();
    assert!(!changed.is_empty());
    for document in truth.certified.iter().filter(|document| changed.contains(&document.id)) {
        let found = images(&fetched);
        let image = found.iter().find(|image| image.id.to_string() == document.id).unwrap();
        let tags: BTreeSet<_> = image.repositories.iter().flat_map(|r| &r.tags).map(ToString::to_string).collect();
        let reduced = document.reduced();
        let due: BTreeSet<_> = reduced["repositories"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|repository| repository["tags"].as_array().into_iter().flatten())
            .filter_map(|tag| tag["name"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(tags, due);
    }
}

/// Calls `when` once, as soon as so many documents of partner images are here.
struct At<F>(std::sync::Mutex<(u64, Option<F>)>);

impl<F: FnOnce() + Send> Progress for At<F> {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, source: &str, items: u64) {
        let mut state = self.0.lock().unwrap();
        if source == "containers" {
            state.0 = state.0.saturating_sub(items);
        }
        if state.0 == 0
            && let Some(when) = state.1.take()
        {
            when();
        }
    }
    fn end(&self, _: &str) {}
    fn note(&self, _: &str) {}
}

/// A mass update: a whole tie, longer than a page, changes after it was fetched.
#[test]
fn a_tie_that_changes_in_place_is_fetched_again_whole() {
    let server = Arc::new(Standin::start(catalog(1_200, 10, 2), Knobs::default()));
    let mut by_date: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in server.truth().certified {
        by_date.entry(document.creation_date.clone()).or_default().push(document.id.clone());
    }
    let tie = by_date.into_values().max_by_key(Vec::len).unwrap();
    assert!(tie.len() > 250);
    let (mut plan, options) = plan(&server);
    plan.page_size = 100;
    let (changing, theirs) = (Arc::clone(&server), tie.clone());
    let change = move || {
        let now = Timestamp::now().to_string();
        for id in &theirs {
            changing.change_image(id, |document| {
                document["architecture"] = "changed".into();
                document["last_update_date"] = now.clone().into();
            });
        }
    };
    let progress: Arc<dyn Progress> = Arc::new(At(std::sync::Mutex::new((1_200, Some(change)))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fetched = runtime.block_on(fetch(&plan, &options, &progress)).unwrap();
    assert_equals_truth(&server, &fetched);
    let changed = images(&fetched).iter().filter(|image| &*image.architecture == "changed").count();
    assert_eq!(changed, tie.len());
}

#[test]
fn a_server_that_cannot_count() {
    let server = Standin::start(catalog(2_500, 300, 4), Knobs { fail_total: true, ..Knobs::default() });
    let (plan, mut options) = plan(&server);
    options.http.retry.patience = Duration::from_secs(3);
    let fetched = run(&plan, &options).unwrap();
    assert_equals_truth(&server, &fetched);
    assert_eq!(fetched.sources[0].total, None);
}

#[test]
fn a_server_that_bears_four_requests_at_once() {
    let knobs = Knobs {
        max_concurrent: Some(4),
        retry_after: RetryAfter::Absent,
        latency: Duration::from_millis(4),
        ..Knobs::default()
    };
    let server = Standin::start(catalog(20_000, 3_000, 6), knobs);
    let (mut plan, options) = plan(&server);
    plan.page_size = 100;
    let fetched = run(&plan, &options).unwrap();
    assert_equals_truth(&server, &fetched);
    let stats = server.stats();
    eprintln!("{} of {} requests refused", stats.refused, stats.requests);
    assert!(stats.refused * 10 < stats.requests, "{} of {} refused", stats.refused, stats.requests);
}

#[test]
fn a_server_that_ignores_the_filter_is_refused_and_one_that_ignores_the_order_is_listed_by_page_number() {
    let server = Standin::start(catalog(2_000, 300, 8), Knobs::default());
    server.set(|knobs| knobs.ignore_filter = true);
    let (plan, mut options) = plan(&server);
    options.http.retry.patience = Duration::from_secs(60);
    let error = run(&plan, &options).unwrap_err();
    assert!(
        matches!(error, SourceError::Http(HttpError::Request { fault: oct::http::Fault::Disorder(_), .. })),
        "{error}"
    );
    server.set(|knobs| (knobs.ignore_filter, knobs.ignore_sort) = (false, true));
    let fetched = run(&plan, &options).unwrap();
    assert_equals_truth(&server, &fetched);
    let checks = fetched.sources[0].fetch.as_ref().unwrap().checks.as_ref().unwrap();
    assert_eq!(checks.passes, Some(2));
}

#[test]
fn an_endless_answer_does_not_fill_the_memory() {
    let server = Standin::start(catalog(1_000, 10, 9), Knobs::default());
    server.set(|knobs| {
        // The charts meet no fault: a chart index that is too large ends the fetch.
        knobs.fault_scope.charts = false;
        knobs.next_faults = [Some(Fault::Endless), Some(Fault::GzipBomb)].into();
    });
    let (plan, options) = plan(&server);
    assert_equals_truth(&server, &run(&plan, &options).unwrap());
}

#[test]
fn redhat_images_and_since() {
    let server = Standin::start(catalog(2_000, 10, 10), Knobs::default());
    let (mut plan, options) = plan(&server);
    plan.redhat_images = true;
    let fetched = run(&plan, &options).unwrap();
    let truth = server.truth();
    assert_eq!(fetched.images() as usize, truth.certified.len() + truth.red_hat.len());
    assert!(images(&fetched).iter().all(|image| image.certified));

    let mut dates: Vec<Timestamp> = truth.certified.iter().map(|d| d.creation_date.parse().unwrap()).collect();
    dates.sort();
    let since = dates[dates.len() / 2];
    (plan.redhat_images, plan.since) = (false, Some(since));
    let fetched = run(&plan, &options).unwrap();
    assert_eq!(fetched.images() as usize, dates.iter().filter(|date| **date >= since).count());
    assert!(fetched.partial.is_some());
}

#[test]
fn an_interrupted_fetch_goes_on_where_it_was() {
    let made_up = MadeUp { images: 12_000, bundles: 2_000, seed: 11, longest_tie: Some(300), ..MadeUp::default() };
    let server = Standin::start(Catalog::made_up(&made_up), Knobs::default());
    let (mut plan, mut options) = plan(&server);
    plan.page_size = 100;
    let cache = tempfile::tempdir().unwrap();
    // A loaded machine must not look like a stalled server: what is asked twice counts here.
    options.http.stall = Duration::from_secs(20);
    let undisturbed = run(&plan, &options).unwrap();
    let patient = options.http.retry.patience;
    options.http.retry.patience = Duration::from_millis(300);
    let (whole, half) = (server.stats().documents, server.stats().requests / 2);
    options.cache = Some(cache.path().into());
    server.clear();
    server.die_after(half);
    let error = run(&plan, &options).unwrap_err();
    assert!(matches!(error, SourceError::Http(HttpError::Request { .. })), "{error}");
    server.revive();
    server.clear();
    options.http.retry.patience = patient;
    let resumed = run(&plan, &options).unwrap();
    assert!(resumed.resumed > 0);
    let again = server.stats().documents;
    assert!(again * 10 < whole * 6, "{again} of {whole} documents were asked for again");
    assert_eq!(images(&resumed), images(&undisturbed));
    assert_eq!(resumed.operators, undisturbed.operators);
    resumed.forget_work().unwrap();
    assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
    // What changed between the two runs is in the second: here a document is gone that the first had found.
    let gone = server.truth().certified[0].id.clone();
    server.die_after(half);
    options.http.retry.patience = Duration::from_millis(300);
    run(&plan, &options).unwrap_err();
    options.http.retry.patience = patient;
    server.revive();
    assert!(server.remove(&gone));
    assert_equals_truth(&server, &run(&plan, &options).unwrap());
}

#[test]
fn the_chart_index_is_fetched_again_only_when_it_changed() {
    let server = Standin::start(catalog(100, 10, 12), Knobs::default());
    let (plan, mut options) = plan(&server);
    let cache = tempfile::tempdir().unwrap();
    options.cache = Some(cache.path().into());
    let first = run(&plan, &options).unwrap().chart_index;
    assert_eq!(run(&plan, &options).unwrap().chart_index, first);
    let statuses: Vec<_> =
        server.requests().iter().filter(|r| r.path.ends_with("index.yaml")).map(|r| r.status).collect();
    assert_eq!(statuses, [Some(200), Some(304)]);
    server.set_charts("apiVersion: v1\nentries: {}\n");
    assert_ne!(run(&plan, &options).unwrap().chart_index, first);
    let _ = Mark::START;
}

#[test]
fn the_chart_index_is_asked_for_again_after_a_page_of_html_but_not_if_it_is_too_large() {
    let server = Standin::start(catalog(100, 10, 12), Knobs::default());
    let (plan, mut options) = plan(&server);
    options.http.retry.patience = Duration::from_secs(60);
    let only_charts = |knobs: &mut Knobs| (knobs.fault_scope.images, knobs.fault_scope.bundles) = (false, false);
    let asked = || server.requests().iter().filter(|request| request.path.ends_with("index.yaml")).count();
    server.set(|knobs| {
        only_charts(knobs);
        knobs.next_faults = [Some(Fault::HtmlOk)].into();
    });
    assert_equals_truth(&server, &run(&plan, &options).unwrap());
    assert_eq!(asked(), 2);
    server.set(|knobs| {
        only_charts(knobs);
        knobs.next_faults = [Some(Fault::Endless)].into();
    });
    let error = run(&plan, &options).unwrap_err();
    assert!(
        matches!(error, SourceError::Http(HttpError::Request { fault: oct::http::Fault::TooLarge(_), .. })),
        "{error}"
    );
    assert_eq!(asked(), 3);
}

#[test]
fn a_host_without_certificate_authorities_fetches_over_http_and_says_what_https_would_need() {
    let desk = crate::cli_support::Desk::new();
    let server = crate::cli_support::server(300, 2);
    std::fs::write(desk.join("none.pem"), "").unwrap();
    std::fs::create_dir(desk.join("none.d")).unwrap();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let mut command = desk.command(&["bundle", "--out", "out", "--catalog-url", &catalog, "--charts-url", &charts]);
    command.env("SSL_CERT_FILE", desk.join("none.pem")).env("SSL_CERT_DIR", desk.join("none.d"));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no certificate authorities") && said.contains("--ca-cert"), "{said}");
}
