//! `cargo bench --bench fetch`: fetching against the stand-in in a process of its own.
//!
//! Prints a table: wall time, requests, the pages that hold everything, the least time that latency sets (the first
//! question, and all pages side by side: pages / jobs × latency), the ratio to it, peak memory, and the old tool's way
//! (100 documents a page, one request at a time) in the same run. The old way is measured whole in the headline row and
//! over its first pages elsewhere, marked `~`. Arguments after `--`: `small`, `headline` or `matrix` for those rows alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oct::base::progress::{Progress, Silent};
use oct::ops::bundle::{EVIDENCE_LEAST, FetchOptions, HttpOptions, Plan, RetryPolicy};
use standin::{Catalog, Knobs, MadeUp, Standin};

const ROLE: &str = "OCT_BENCH_ROLE";
/// Pages of the old way that stand for all where it is not measured whole.
const OLD_SAMPLE: u64 = 20;

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("server") => return serve(),
        Ok("fetch") => return fetch(),
        Ok("old") => return old_way(),
        _ => {}
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|argument| argument == part);
    println!("latency  images   jobs      wall  requests  pages     least  ratio  peak MiB    the old way   faster");
    if wants("small") {
        for (latency, jobs) in [(200, 8), (200, 16), (100, 8), (100, 16)] {
            row(25_000, 5_390, latency, jobs, false);
        }
    }
    if wants("matrix") {
        for images in [25_000, 200_000] {
            for latency in [0, 100, 500] {
                for jobs in [1, 4, 8, 16] {
                    row(images, 5_000, latency, jobs, false);
                }
            }
        }
    }
    if wants("headline") {
        headline();
    }
}

/// 200 ms, 200,000 images, 30,000 bundles, 8 jobs: the old way whole, and the whole of `oct bundle` beside the fetch.
fn headline() {
    let fetch_alone = row(200_000, 30_000, 200, 8, true);
    let server = Server::start(200_000, 30_000, 200);
    let folder = tempfile::tempdir().unwrap();
    let oct = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oct-under-test"));
        command.args(arguments).current_dir(folder.path()).env("XDG_CACHE_HOME", folder.path());
        command.env("XDG_CONFIG_HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
    };
    oct(&["keygen", "--no-password", "--quiet"]);
    let began = Instant::now();
    oct(&["bundle", "--catalog-url", &server.catalog, "--charts-url", &server.charts]);
    let whole = began.elapsed().as_secs_f64();
    println!("the whole bundle: {whole:.2} s, {:.2} times the fetch alone", whole / fetch_alone);
}

fn row(images: usize, bundles: usize, latency: u64, jobs: u32, old_whole: bool) -> f64 {
    let server = Server::start(images, bundles, latency);
    let new = child("fetch", &[("JOBS", &jobs.to_string())], &server);
    let [wall, requests, pages, peak]: [f64; 4] = new.try_into().unwrap();
    let limit = if old_whole { u64::MAX } else { OLD_SAMPLE };
    let old = child("old", &[("LIMIT", &limit.to_string())], &server);
    let [old_wall, old_requests, old_total]: [f64; 3] = old.try_into().unwrap();
    let old_wall = old_wall / old_requests * old_total;
    let least = (pages / f64::from(jobs) + 1.0) * latency as f64 / 1000.0;
    let ratio = if latency == 0 { "–".into() } else { format!("{:.2}", wall / least) };
    let mark = if old_whole { ' ' } else { '~' };
    println!(
        "{latency:>4} ms  {images:>7}  {jobs:>4}  {wall:>7.2}s  {requests:>8}  {pages:>5}  {least:>7.2}s  {ratio:>5}  {peak:>8.0}  {mark}{old_wall:>7.1}s {old_total:>4}  {:>6.1}×",
        old_wall / wall
    );
    wall
}

/// Runs this program in another role, and reads the numbers that it prints.
fn child(role: &str, environment: &[(&str, &str)], server: &Server) -> Vec<f64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, role).env("CATALOG", &server.catalog).env("CHARTS", &server.charts);
    let output = command.envs(environment.iter().copied()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{role} failed");
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
}

struct Server {
    process: Child,
    catalog: String,
    charts: String,
}

impl Server {
    fn start(images: usize, bundles: usize, latency: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, "server").env("IMAGES", images.to_string()).env("BUNDLES", bundles.to_string());
        command.env("LATENCY", latency.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (catalog, charts) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
        Self { process, catalog, charts }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn number(name: &str) -> u64 {
    std::env::var(name).unwrap().parse().unwrap()
}

fn serve() {
    let made_up =
        MadeUp { images: number("IMAGES") as usize, bundles: number("BUNDLES") as usize, ..MadeUp::default() };
    let knobs = Knobs { latency: Duration::from_millis(number("LATENCY")), ..Knobs::default() };
    let server = Standin::start(Catalog::made_up(&made_up), knobs);
    println!("{}\n{}", server.catalog_url(), server.charts_url());
    // Until the parent goes.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn fetch() {
    let jobs = number("JOBS") as u32;
    let plan = Plan {
        catalog_url: std::env::var("CATALOG").unwrap().parse().unwrap(),
        charts_url: std::env::var("CHARTS").unwrap().parse().unwrap(),
        charts: None,
        operators: vec!["certified-operators".into(), "redhat-operators".into()],
        redhat_images: false,
        since: None,
        page_size: 500,
    };
    let cache = tempfile::tempdir().unwrap();
    let http = HttpOptions::new(jobs, RetryPolicy::default(), Duration::from_secs(75));
    let options = FetchOptions {
        http,
        cache: Some(cache.path().into()),
        fresh: false,
        evidence: EVIDENCE_LEAST,
        now: jiff::Timestamp::now,
    };
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let began = Instant::now();
    let fetched = runtime().block_on(oct::exporter::fetch(&plan, &options, &silent)).unwrap();
    let wall = began.elapsed().as_secs_f64();
    let requests: u64 = fetched.sources.iter().filter_map(|s| s.fetch.as_ref()).map(|f| f.requests).sum();
    let pages: u64 = fetched.sources.iter().map(|source| source.documents.div_ceil(500)).sum();
    // The chart index is one answer.
    let charts = fetched.sources.last().map_or(0, |charts| charts.documents.div_ceil(500));
    println!("{wall} {requests} {} {}", pages - charts + 1, peak_mib());
}

/// Peak resident memory of this process in MiB, from `VmHWM`.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// As the old tool does: 100 documents a page, one request after another, images and then operators.
fn old_way() {
    let limit = number("LIMIT");
    let base = std::env::var("CATALOG").unwrap();
    let began = Instant::now();
    let (sent, total) = runtime().block_on(async {
        rustls::crypto::ring::default_provider().install_default().unwrap();
        let client = reqwest::Client::new();
        let (mut sent, mut total) = (0, 0);
        for (path, filter) in [
            ("images", "isv_pid!=null and certified==true"),
            ("operators/bundles", "organization=in=(certified-operators,redhat-operators)"),
        ] {
            let mut pages = 1;
            let mut page = 0;
            while page < pages && page < limit {
                let mut url = reqwest::Url::parse(&format!("{base}/{path}")).unwrap();
                let (page_text, include) = (page.to_string(), "data,page,page_size,total");
                url.query_pairs_mut().extend_pairs([
                    ("filter", filter),
                    ("page", &page_text),
                    ("page_size", "100"),
                    ("include", include),
                ]);
                let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                pages = body["total"].as_u64().unwrap().div_ceil(100);
                page += 1;
                sent += 1;
            }
            total += pages;
        }
        (sent, total)
    });
    println!("{} {sent} {total}", began.elapsed().as_secs_f64());
}
