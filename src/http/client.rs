//! Sends requests: one retry loop around request, body and decoding.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::Url;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::HttpError;
use super::gate::{Gate, Outcome};
use super::limits;
use super::retry::{Fault, Remedy, RetryPolicy};
use crate::base::progress::Progress;
use crate::base::text;

/// Time between two notes that a source waits.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// Shorter waits get no note.
const NOTE_FROM: Duration = Duration::from_secs(2);
/// Unreadable answers in a row until the client gives up: one cut answer may be temporary.
const UNREADABLE: u32 = 6;
/// Characters of a URL that a message shows.
const SHOWN_URL: usize = 160;

/// Sends requests. The real one is [`super::web::Http`]; tests have one in memory.
pub trait Web: Send + Sync {
    /// Sends one GET and reads its answer, of at most `cap` bytes.
    fn get<'a>(&'a self, url: &'a Url, etag: Option<&'a str>, cap: usize) -> BoxFuture<'a, Result<Answer, Fault>>;
    /// Uses new connections from now on.
    fn renew(&self);
}

/// A successful answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its body, decompressed; `None` for 304 Not Modified.
    pub body: Option<Vec<u8>>,
    /// Its `ETag`.
    pub etag: Option<String>,
    /// The server's clock, from the `Date` header.
    pub date: Option<Timestamp>,
    /// The host that answered, after all redirects.
    pub host: String,
    /// The status.
    pub status: u16,
}

impl Answer {
    /// An answer of these bytes.
    pub fn of(body: Vec<u8>) -> Self {
        Self { body: Some(body), ..Self::default() }
    }
}

/// Sends the requests to all sources of one run.
pub struct Client {
    web: Box<dyn Web>,
    /// How many questions are under way at once.
    pub gate: Gate,
    retry: RetryPolicy,
    decoders: Arc<Semaphore>,
    progress: Arc<dyn Progress>,
    refused: AtomicU64,
}

/// The state of a source during a run.
#[derive(Debug)]
pub struct Source {
    /// Its name, for people.
    pub name: String,
    state: Mutex<State>,
    requests: AtomicU64,
    bytes: AtomicU64,
    answered: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// When the last attempt succeeded, or, before that, when this value was made. The patience counts from here.
    progress: Instant,
    /// When the last note said that it waits.
    noted: Option<Instant>,
    host: String,
    clock: Option<Timestamp>,
    slowest: Duration,
}

impl Source {
    /// A source that was not asked yet.
    pub fn new(name: &str) -> Self {
        let state =
            State { progress: Instant::now(), noted: None, host: String::new(), clock: None, slowest: Duration::ZERO };
        Self {
            name: name.to_owned(),
            state: Mutex::new(state),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            answered: AtomicBool::new(false),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests sent for it.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of its answers, decompressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The host that answered last.
    pub fn host(&self) -> String {
        self.state().host.clone()
    }

    /// The source's own clock at its first answer.
    pub fn clock(&self) -> Option<Timestamp> {
        self.state().clock
    }

    /// The slowest good answer.
    pub fn slowest(&self) -> Duration {
        self.state().slowest
    }

    /// Notes a request.
    pub fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of an answer, which may be incomplete.
    pub fn came(&self, bytes: u64) {
        self.answered.store(true, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn good(&self, answer: &Answer, took: Duration) {
        self.answered.store(true, Ordering::Relaxed);
        self.bytes.fetch_add(answer.body.as_ref().map_or(0, Vec::len) as u64, Ordering::Relaxed);
        let mut state = self.state();
        state.host.clone_from(&answer.host);
        state.clock = state.clock.or(answer.date);
        state.slowest = state.slowest.max(took);
    }
}

/// One request.
pub struct Get<'a> {
    /// What it is for, in a log line.
    pub what: &'static str,
    /// The URL.
    pub url: &'a Url,
    /// `ETag` of the copy that the caller has, sent as `If-None-Match`; `None` asks for the whole answer.
    pub etag: Option<&'a str>,
    /// Bytes that the answer may have.
    pub cap: usize,
    /// Which try this is, from 1.
    pub tries: u32,
    /// Whether it waits for a place among the questions under way. Evidence does not, so that it holds up no document.
    pub gated: bool,
}

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum React {
    /// Ask again after a wait.
    Wait,
    /// Ask again, differently, now.
    Now,
    /// Give up.
    Stop,
}

impl Client {
    /// A client that sends with `web`, `jobs` requests at once.
    pub fn new(web: Box<dyn Web>, jobs: u32, retry: RetryPolicy, progress: Arc<dyn Progress>) -> Self {
        let decoders = Arc::new(Semaphore::new(limits::DECODERS));
        Self { web, gate: Gate::new(jobs), retry, decoders, progress, refused: AtomicU64::new(0) }
    }

    /// How many requests the server refused with 429 or 503.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sends one request and decodes its answer; `decode` also counts the documents, for the log.
    ///
    /// # Errors
    /// What came instead.
    pub async fn once<T: Send + 'static>(
        &self,
        source: &Source,
        get: Get<'_>,
        decode: impl FnOnce(Answer) -> Result<(T, usize), Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let pass = if get.gated { Some(self.gate.pass().await) } else { None };
        source.asked();
        let began = Instant::now();
        let answer = self.web.get(get.url, get.etag, get.cap).await;
        let (took, status) = (began.elapsed(), answer.as_ref().map_or(0, |answer| answer.status));
        let bytes = answer.as_ref().map_or(0, |answer| answer.body.as_ref().map_or(0, Vec::len));
        let result = match answer {
            Ok(answer) => {
                source.good(&answer, took);
                self.decode(answer, decode).await
            }
            Err(fault) => Err(fault),
        };
        log(source, &get, status, took, bytes, result.as_ref().map(|(_, documents)| *documents));
        let outcome = match &result {
            Ok(_) => Outcome::Good,
            Err(fault) if fault.is_pushback() => Outcome::Refused,
            Err(_) => Outcome::Failed,
        };
        if outcome == Outcome::Refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(pass) = pass {
            pass.end(outcome);
        }
        if result.as_ref().is_err_and(Fault::wants_new_connection) {
            self.web.renew();
        }
        result.map(|(value, _)| value)
    }

    /// Decoding keeps the processor busy: it runs on a thread that a signal need not wait for.
    async fn decode<T: Send + 'static>(
        &self,
        answer: Answer,
        decode: impl FnOnce(Answer) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _place = self.decoders.acquire().await;
        match tokio::task::spawn_blocking(move || decode(answer)).await {
            Ok(decoded) => decoded,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Fault::Broken("the program is ending".into())),
        }
    }

    /// Makes attempts until one succeeds, `react` gives up, or the source gave no answer for longer than the patience.
    ///
    /// # Errors
    /// The last fault, with the question as `shown` describes it.
    pub async fn persist<T>(
        &self,
        source: &Source,
        mut attempt: impl AsyncFnMut(u32) -> Result<T, Fault>,
        mut react: impl FnMut(&Fault) -> React,
        shown: impl Fn() -> String,
    ) -> Result<T, HttpError> {
        let (mut tries, mut unreadable) = (0, 0);
        loop {
            tries += 1;
            let fault = match attempt(tries).await {
                Ok(value) => {
                    let mut state = source.state();
                    (state.progress, state.noted) = (Instant::now(), None);
                    return Ok(value);
                }
                Err(fault) => fault,
            };
            unreadable = if matches!(fault, Fault::Decode(_)) { unreadable + 1 } else { 0 };
            let wait = match react(&fault) {
                React::Now => continue,
                React::Stop => None,
                React::Wait if unreadable >= UNREADABLE => None,
                React::Wait => self.wait(source, &fault, tries),
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(HttpError::Request { url: shown(), fault, tries }),
            }
        }
    }

    /// How long to wait now, with a note; `None` if the patience is over, or waiting does not help.
    fn wait(&self, source: &Source, fault: &Fault, tries: u32) -> Option<Duration> {
        if fault.remedy() == Remedy::Nothing {
            return None;
        }
        let mut state = source.state();
        let bears = self.retry.bears(fault, source.answered.load(Ordering::Relaxed));
        let left = bears.checked_sub(state.progress.elapsed()).filter(|left| !left.is_zero())?;
        let wait = self.retry.wait(tries, fault, fastrand::f64());
        let due = state.noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY);
        if due && (wait >= NOTE_FROM.min(bears / 8) || state.progress.elapsed() >= NOTE_FROM) {
            state.noted = Some(Instant::now());
            self.progress.note(&format!(
                "{}: {fault}; trying again in {:.0} s, for up to {} more",
                source.name,
                wait.as_secs_f64().ceil(),
                text::age(left.as_secs() as i64)
            ));
        }
        // The last try is at the end of the patience, so that all of it is used.
        Some(wait.min(left))
    }
}

fn log(source: &Source, get: &Get<'_>, status: u16, took: Duration, bytes: usize, result: Result<usize, &Fault>) {
    let (ms, name, tries) = (took.as_millis() as u64, source.name.as_str(), get.tries);
    // One line a request, with the URL at a higher level.
    let url = tracing::enabled!(tracing::Level::DEBUG).then(|| tracing::field::display(whole(get.url)));
    match result {
        Ok(documents) => {
            tracing::info!(source = name, what = get.what, status, ms, bytes, documents, tries, url, "answer");
        }
        Err(fault) => {
            let fault = tracing::field::display(fault);
            tracing::info!(source = name, what = get.what, %fault, ms, bytes, tries, url, "no answer");
        }
    }
}

/// A URL without user and password.
pub(super) fn whole(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot have a user, so there is none to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// A URL as a person is shown it: without user and password, shortened.
pub fn shown(url: &Url) -> String {
    let whole = text::sanitize(&whole(url));
    if whole.chars().count() <= SHOWN_URL {
        return whole;
    }
    let kept: String = whole.chars().take(SHOWN_URL).collect();
    format!("{kept}…")
}

/// The same without its query, which may hold a key, and without a slash at its end.
pub fn shown_without_query(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}{query}", shown(&bare).trim_end_matches('/'))
}

/// Whether a body is an HTML page.
pub fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use std::sync::atomic::AtomicU32;

    /// Fails until an instant.
    struct Outage {
        until: Instant,
        fault: Fault,
        sent: Arc<AtomicU32>,
    }

    impl Web for Outage {
        fn get<'a>(&'a self, _: &'a Url, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Answer, Fault>> {
            self.sent.fetch_add(1, Ordering::Relaxed);
            let well = Instant::now() >= self.until;
            Box::pin(async move { if well { Ok(Answer::of(b"x".to_vec())) } else { Err(self.fault.clone()) } })
        }
        fn renew(&self) {}
    }

    struct Notes(Mutex<Vec<String>>);

    impl Progress for Notes {
        fn begin(&self, _: &str, _: Option<u64>) {}
        fn advance(&self, _: &str, _: u64) {}
        fn end(&self, _: &str) {}
        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    async fn ask(outage: Duration, fault: Fault) -> (Result<(), HttpError>, u32, Vec<String>) {
        let (sent, notes) = (Arc::new(AtomicU32::new(0)), Arc::new(Notes(Mutex::default())));
        let web = Outage { until: Instant::now() + outage, fault, sent: Arc::clone(&sent) };
        let client = Client::new(Box::new(web), 2, RetryPolicy::default(), Arc::clone(&notes) as Arc<dyn Progress>);
        let source = Source::new("containers");
        let url = Url::parse("http://localhost/").unwrap();
        let attempt = async |tries| {
            let get = Get { what: "page", url: &url, etag: None, cap: 10, tries, gated: true };
            client.once(&source, get, |_| Ok(((), 1))).await
        };
        let result = client.persist(&source, attempt, |_| React::Wait, || shown(&url)).await;
        let notes = notes.0.lock().unwrap().clone();
        (result, sent.load(Ordering::Relaxed), notes)
    }

    fn unavailable() -> Fault {
        Fault::Status { code: 503, detail: String::new(), html: true, retry_after: None }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_nine_minutes_is_survived_and_said() {
        let (result, sent, notes) = ask(Duration::from_secs(9 * 60), unavailable()).await;
        result.unwrap();
        assert!((8..40).contains(&sent), "{sent}");
        assert!(notes.len() > 3, "{notes:?}");
        let said = |note: &String| note.contains("containers: HTTP status 503") && note.contains("trying again in");
        assert!(notes.iter().all(said), "{notes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_one_ends_when_the_patience_does() {
        let began = Instant::now();
        let (result, _, _) = ask(Duration::from_secs(3_600), unavailable()).await;
        assert!(matches!(result, Err(HttpError::Request { fault: Fault::Status { code: 503, .. }, .. })));
        let took = began.elapsed().as_secs();
        assert!((900..=901).contains(&took), "{took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_ends_at_once_and_a_front_end_that_refuses_soon() {
        for fault in [Fault::Certificate("old".into()), Fault::NoName("x".into())] {
            let (result, sent, notes) = ask(Duration::from_secs(5), fault).await;
            assert!(result.is_err() && sent == 1 && notes.is_empty());
        }
        let began = Instant::now();
        let refused = Fault::Status { code: 403, detail: String::new(), html: true, retry_after: None };
        assert!(ask(Duration::from_secs(3_600), refused).await.0.is_err());
        assert!(began.elapsed() < Duration::from_secs(120));
    }

    #[tokio::test]
    async fn a_panic_of_a_decoder_is_one_of_the_program() {
        let (sent, until) = (Arc::default(), Instant::now());
        let web = Outage { until, fault: Fault::Html, sent };
        let client = Client::new(Box::new(web), 1, RetryPolicy::default(), Arc::new(Silent));
        let (source, url) = (Source::new("x"), Url::parse("http://localhost/").unwrap());
        let get = Get { what: "page", url: &url, etag: None, cap: 10, tries: 1, gated: true };
        let broken = client.once(&source, get, |_| -> Result<((), usize), Fault> { panic!("a bug") });
        let panic = std::panic::AssertUnwindSafe(broken);
        let caught = futures_util::FutureExt::catch_unwind(panic).await.unwrap_err();
        assert_eq!(caught.downcast_ref::<&str>(), Some(&"a bug"));
    }

    #[test]
    fn urls_are_shown_without_credentials_and_shortened() {
        let url = Url::parse("https://user:secret@host/x?y=1").unwrap();
        assert_eq!(shown(&url), "https://host/x?y=1");
        let site = Url::parse("https://user:secret@host/x/?key=1#2").unwrap();
        assert_eq!(shown_without_query(&site), "https://host/x?…");
        let long = Url::parse(&format!("https://host/{}", "x".repeat(400))).unwrap();
        assert_eq!(shown(&long).chars().count(), SHOWN_URL + 1);
    }
}
