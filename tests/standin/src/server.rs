//! The running stand-in.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::alter::Undated;
use crate::catalog::Catalog;
use crate::clock;
use crate::control;
use crate::doc::Doc;
use crate::http::{self, Delivery, Sent};
use crate::knobs::{Churn, Knobs};
use crate::log::{Request, Stats};
use crate::route::BASE;
use crate::state::{State, Ticket};
use crate::truth::{self, Mark, Since, Span, Truth};
use crate::upstream::{Outage, OutageForm};

/// How long reviving waits for its port to become free.
const REVIVAL: Duration = Duration::from_secs(5);

/// A running stand-in; it stops when dropped.
pub struct Standin {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// A listener that waits to be taken over, after a revival.
    revived: Mutex<Option<StdListener>>,
    stop: AtomicBool,
    /// Wakes the accepting loop: stop, death or revival.
    wake: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not hide behind a second one here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revived(&self) -> MutexGuard<'_, Option<StdListener>> {
        self.revived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standin {
    /// Starts on a free port of the loopback interface, in a thread of its own.
    ///
    /// # Panics
    /// If the loopback interface has no free port.
    pub fn start(catalog: Catalog, knobs: Knobs) -> Self {
        Self::start_on(0, catalog, knobs).expect("the loopback interface has a free port")
    }

    /// Starts on the given port of the loopback interface, in a thread of its own.
    pub fn start_on(port: u16, catalog: Catalog, knobs: Knobs) -> io::Result<Self> {
        let listener = StdListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(catalog, knobs)),
            revived: Mutex::new(Some(listener)),
            stop: AtomicBool::new(false),
            wake: Notify::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("standin".to_owned())
            .spawn(move || runtime.block_on(accept(of_thread)))?;
        Ok(Standin { address, shared, thread: Some(thread) })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the catalog's endpoints, without a slash at its end.
    pub fn catalog_url(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }

    /// The URL of the chart index.
    pub fn charts_url(&self) -> String {
        format!("http://{}/index.yaml", self.address)
    }

    /// Turns knobs.
    pub fn set(&self, turn: impl FnOnce(&mut Knobs)) {
        turn(&mut self.shared.state().knobs);
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> Knobs {
        self.shared.state().knobs.clone()
    }

    /// The requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().log.clone()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.shared.state().stats.clone()
    }

    /// Sets counters and the list of requests back; the numbers of requests go on.
    pub fn clear(&self) {
        self.shared.state().clear();
    }

    /// Now, for a later `since`.
    pub fn mark(&self) -> Mark {
        Mark(self.shared.state().event)
    }

    /// The documents that are there now.
    pub fn truth(&self) -> Truth {
        let state = self.shared.state();
        let charts = truth::charts(&state.charts);
        truth::truth(&state.images, &state.bundles, charts, &Span::Now)
    }

    /// The documents that were there all the time since the mark, and those that were there at
    /// some time since.
    pub fn since(&self, mark: Mark) -> Since {
        let state = self.shared.state();
        let charts = truth::charts(&state.charts);
        let of = |span: Span| truth::truth(&state.images, &state.bundles, charts.clone(), &span);
        Since { throughout: of(Span::Throughout(mark)), ever: of(Span::Ever(mark)) }
    }

    /// A round of churn at once, whatever the knobs say.
    pub fn churn_now(&self, churn: Churn) {
        self.shared.state().churn(&churn);
    }

    /// Adds an image.
    ///
    /// # Panics
    /// If the document is not an object, or its `_id` is there already.
    pub fn insert_image(&self, document: &serde_json::Value) {
        assert!(document.is_object(), "a document must be an object");
        let mut state = self.shared.state();
        state.event += 1;
        let event = state.event;
        let doc = Doc::from_text(document.to_string());
        assert!(!state.images.has_id(&doc.id), "an image with this _id exists");
        state.images.fields.learn(document);
        state.images.insert(doc, event);
    }

    /// Changes an image in place by its `_id`; its `_id` must stay. False if there is none. The
    /// change says itself what becomes of `last_update_date`.
    ///
    /// # Panics
    /// If the changed document is no object, or its `_id` is another.
    pub fn change_image(&self, id: &str, change: impl FnOnce(&mut serde_json::Value)) -> bool {
        let mut state = self.shared.state();
        let Some(slot) = state.images.find(id) else {
            return false;
        };
        let text = &state.images.doc(slot).text;
        let mut document = serde_json::from_str(text).expect("served documents are JSON");
        change(&mut document);
        assert!(document.is_object() && document["_id"] == id, "a changed image must keep its _id");
        state.event += 1;
        let event = state.event;
        state.images.fields.learn(&document);
        state.images.replace(slot, document.to_string(), event);
        true
    }

    /// Moves a tag from the newest certified image with tags to the oldest one, and
    /// `last_update_date` of both to now. False if there are no two such images.
    pub fn move_tag(&self) -> bool {
        self.shared.state().move_tag()
    }

    /// Takes `creation_date` from so many certified images and bundles (of the certified and Red
    /// Hat's organizations), evenly spread; fewer if there are fewer.
    pub fn undate(&self, images: usize, bundles: usize, undated: Undated) {
        self.shared.state().undate(images, bundles, undated);
    }

    /// Adds to so many certified images and bundles (of the certified and Red Hat's
    /// organizations), evenly spread, a document with the same `_id` and an earlier
    /// `creation_date`.
    pub fn twin(&self, images: usize, bundles: usize) {
        self.shared.state().twin(images, bundles);
    }

    /// Begins an outage now; it takes the place of one that lasts.
    pub fn outage(&self, length: Duration, form: OutageForm) {
        self.shared.state().begin_outage(length, form);
    }

    /// Answers this many further requests, then has an outage.
    pub fn outage_after(&self, requests: u64, length: Duration, form: OutageForm) {
        let mut state = self.shared.state();
        let after = Some(state.requests + requests);
        state.knobs.outage = Outage { after, length, form };
    }

    /// Removes an image or a bundle by its `_id`; false if there is none.
    pub fn remove(&self, id: &str) -> bool {
        let mut state = self.shared.state();
        state.event += 1;
        let event = state.event;
        state.images.remove_id(id, event) || state.bundles.remove_id(id, event)
    }

    /// Serves another chart index from now on.
    pub fn set_charts(&self, index: &str) {
        self.shared.state().charts = index.into();
    }

    /// Serves another catalog from now on; marks from before are void.
    pub fn replace(&self, catalog: Catalog) {
        self.shared.state().replace(catalog);
    }

    /// Answers this many further requests, then refuses all connections.
    pub fn die_after(&self, requests: u64) {
        let mut state = self.shared.state();
        state.knobs.die_after = Some(state.requests + requests);
    }

    /// Refuses all connections from now on, and cuts those that stand.
    pub fn die(&self) {
        self.shared.state().dead = true;
        self.shared.wake.notify_one();
    }

    /// Whether it refuses all connections.
    pub fn is_dead(&self) -> bool {
        self.shared.state().dead
    }

    /// Accepts connections again, on the same port; `die_after` is unset.
    ///
    /// # Panics
    /// If the port was taken by someone else in the meantime.
    pub fn revive(&self) {
        if !self.is_dead() {
            self.shared.state().knobs.die_after = None;
            return;
        }
        self.shared.wake.notify_one();
        let deadline = std::time::Instant::now() + REVIVAL;
        let listener = loop {
            match StdListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => {
                    assert!(std::time::Instant::now() < deadline, "{} cannot be bound again: {error}", self.address);
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        };
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        *self.shared.revived() = Some(listener);
        let mut state = self.shared.state();
        state.knobs.die_after = None;
        state.dead = false;
        drop(state);
        self.shared.wake.notify_one();
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

async fn accept(shared: Arc<Shared>) {
    let mut listener: Option<TcpListener> = None;
    let mut connections = JoinSet::new();
    loop {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        if let Some(revived) = shared.revived().take() {
            listener = TcpListener::from_std(revived).ok();
        } else if shared.state().dead {
            listener = None;
            connections.abort_all();
        }
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.wake.notified() => {}
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = next => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of file descriptors, most likely: wait for some to come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Books the end of a request even if its connection is cut.
struct Open {
    shared: Arc<Shared>,
    ticket: Ticket,
    answer: Option<(u16, u64)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.state().end(self.ticket, self.answer);
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut connection = shared.state().connected();
    let mut buffer = Vec::new();
    while let Some(head) = http::read_head(&mut stream, &mut buffer).await {
        let start = tokio::time::Instant::now();
        let control = control::answer(&mut shared.state(), &head.target);
        if let Some(reply) = control {
            let alive = head.keep_alive;
            let sent = http::send(&mut stream, &mut buffer, reply, false, None, alive, clock::now()).await;
            if !sent.is_ok_and(|sent| sent.reusable) {
                return;
            }
            continue;
        }
        let begun = shared.state().begin(&head, &mut connection);
        let Some((ticket, reply)) = begun else {
            http::reset_on_close(&stream);
            shared.wake.notify_one();
            return;
        };
        let mut open = Open { shared: Arc::clone(&shared), ticket, answer: None };
        let (compression, drip, now) = {
            let state = shared.state();
            (state.knobs.compression, state.knobs.drip, state.now())
        };
        if !http::pause(&mut stream, &mut buffer, start + reply.delay).await {
            return;
        }
        if reply.delivery == Delivery::Never {
            http::reset_on_close(&stream);
            return;
        }
        let status = reply.status;
        let compress = compression && head.accepts_gzip;
        let sent = http::send(&mut stream, &mut buffer, reply, compress, drip, head.keep_alive, now).await;
        let Ok(Sent { bytes, reusable }) = sent else {
            return;
        };
        open.answer = Some((status, bytes));
        drop(open);
        if !reusable {
            return;
        }
    }
}
