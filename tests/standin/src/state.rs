//! What all connections share, and the decision what a request gets.

mod answer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alter::{self, Undated};
use crate::catalog::Catalog;
use crate::churn::Churner;
use crate::clock::{self, Micros};
use crate::http::{self, Head, Reply};
use crate::knobs::{Fault, Knobs};
use crate::log::{Request, Stats, print};
use crate::made_up::MadeUp;
use crate::query;
use crate::reply::html;
use crate::rng::{mix, mix_text, unit};
use crate::route::Endpoint;
use crate::store::Collection;
use crate::upstream::OutageForm;

/// Requests kept in the list; a server that runs for days must not grow for ever.
const MAX_LOG: usize = 1_000_000;

/// What a connection remembers between its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    /// Every further request fails.
    pub(crate) poisoned: bool,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    number: u64,
    admitted: bool,
    started: Instant,
    documents: usize,
}

/// Everything about a running stand-in but its sockets.
pub(crate) struct State {
    pub(crate) knobs: Knobs,
    pub(crate) images: Collection,
    pub(crate) bundles: Collection,
    pub(crate) charts: Arc<str>,
    pub(crate) log: Vec<Request>,
    pub(crate) stats: Stats,
    /// Requests since the start; unlike that of the counters, this number is never set back.
    pub(crate) requests: u64,
    /// Number of the last change to a document.
    pub(crate) event: u64,
    pub(crate) dead: bool,
    made_up: MadeUp,
    churner: Churner,
    started: Instant,
    connections: u64,
    admitted: usize,
    faults_given: usize,
    stalls_given: usize,
    /// The end and the form of the outage that lasts.
    outage: Option<(Instant, OutageForm)>,
    /// `Knobs::outage.after` of the last outage that began by itself.
    outage_begun: Option<u64>,
}

impl State {
    pub(crate) fn new(catalog: Catalog, knobs: Knobs) -> Self {
        State {
            knobs,
            images: catalog.images,
            bundles: catalog.bundles,
            charts: catalog.charts,
            log: Vec::new(),
            stats: Stats::default(),
            requests: 0,
            event: 0,
            dead: false,
            churner: Churner::new(&catalog.made_up),
            made_up: catalog.made_up,
            started: Instant::now(),
            connections: 0,
            admitted: 0,
            faults_given: 0,
            stalls_given: 0,
            outage: None,
            outage_begun: None,
        }
    }

    /// Serves another catalog from now on; marks from before are void.
    pub(crate) fn replace(&mut self, catalog: Catalog) {
        self.images = catalog.images;
        self.bundles = catalog.bundles;
        self.charts = catalog.charts;
        self.churner = Churner::new(&catalog.made_up);
        self.made_up = catalog.made_up;
        self.event = 0;
    }

    pub(crate) fn connected(&mut self) -> Connection {
        self.connections += 1;
        self.stats.connections += 1;
        Connection { number: self.connections, poisoned: false }
    }

    /// A round of churn now.
    pub(crate) fn churn(&mut self, churn: &crate::knobs::Churn) {
        self.churner.round(churn, &mut self.images, &mut self.bundles, &mut self.event);
        self.stats.churn = self.churner.count;
    }

    /// The time by the server's clock.
    pub(crate) fn now(&self) -> Micros {
        clock::now() - self.knobs.clock_behind.as_micros() as Micros
    }

    /// Sets counters and log back.
    pub(crate) fn clear(&mut self) {
        self.log.clear();
        self.stats = Stats {
            concurrent: self.stats.concurrent,
            max_concurrent: self.stats.concurrent,
            churn: self.stats.churn,
            ..Stats::default()
        };
    }

    /// Decides what a request gets; `None` if the server is dead.
    pub(crate) fn begin(&mut self, head: &Head, connection: &mut Connection) -> Option<(Ticket, Reply)> {
        self.requests += 1;
        if self.knobs.die_after.is_some_and(|n| self.requests > n) {
            self.dead = true;
        }
        if self.dead {
            return None;
        }
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let query = query::decode(query);
        let admitted = self.knobs.max_concurrent.is_none_or(|limit| self.admitted < limit);
        self.admitted += usize::from(admitted);
        self.stats.requests += 1;
        self.stats.concurrent += 1;
        self.stats.max_concurrent = self.stats.max_concurrent.max(self.stats.concurrent);
        let started = Instant::now();
        let endpoint = Endpoint::of(path);
        let mut asked = self.ask(endpoint.as_ref(), &query);
        let mut fault = None;
        let reply = if let Some(reply) = self.turned_away(endpoint.as_ref(), head) {
            reply
        } else if !admitted {
            self.stats.refused += 1;
            self.too_many(self.knobs.retry_after)
        } else if connection.poisoned {
            html(500, "The application failed to start.")
        } else {
            self.change_if_due();
            fault = endpoint.as_ref().and_then(|endpoint| self.draw_fault(endpoint));
            connection.poisoned = fault == Some(Fault::ErrorUntilReconnect);
            let mut reply = self.answer(endpoint.as_ref(), head, &mut asked, fault);
            let bits = mix(self.requests ^ mix_text("jitter"));
            reply.delay += self.knobs.latency + self.knobs.jitter.mul_f64(unit(bits));
            match fault {
                Some(fault) => self.spoil(fault, reply),
                None => reply,
            }
        };
        self.stats.faults += u64::from(fault.is_some());
        *self.stats.questions.entry(asked.question).or_default() += 1;
        for form in &asked.forms {
            *self.stats.forms.entry(*form).or_default() += 1;
        }
        let entry = Request {
            number: self.requests,
            connection: connection.number,
            method: head.method.clone(),
            path: path.to_owned(),
            query,
            user_agent: http::header(&head.headers, "user-agent").map(str::to_owned),
            headers: self.headers_of(head),
            question: asked.question,
            forms: asked.forms,
            treatment: asked.treatment,
            accepts_gzip: head.accepts_gzip,
            at: self.started.elapsed(),
            fault,
            status: None,
            took: None,
            bytes: 0,
            documents: reply.documents,
        };
        if self.log.len() < MAX_LOG {
            self.log.push(entry);
        }
        let ticket = Ticket { number: self.requests, admitted, started, documents: reply.documents };
        Some((ticket, reply))
    }

    /// Books the end of a request: its status and the bytes sent, or nothing if it was never
    /// answered.
    pub(crate) fn end(&mut self, ticket: Ticket, answer: Option<(u16, u64)>) {
        self.admitted -= usize::from(ticket.admitted);
        self.stats.concurrent -= 1;
        let Some((status, bytes)) = answer else {
            return;
        };
        *self.stats.statuses.entry(status).or_default() += 1;
        self.stats.bytes += bytes;
        self.stats.documents += ticket.documents as u64;
        let index = self.log.binary_search_by_key(&ticket.number, |entry| entry.number);
        if let Some(entry) = index.ok().and_then(|index| self.log.get_mut(index)) {
            entry.status = Some(status);
            entry.took = Some(ticket.started.elapsed());
            entry.bytes = bytes;
            if self.knobs.print_requests {
                print(entry);
            }
        }
    }

    /// The headers of a request; most requests of a client share theirs.
    fn headers_of(&self, head: &Head) -> Arc<[(String, String)]> {
        match self.log.last() {
            Some(last) if *last.headers == *head.headers => Arc::clone(&last.headers),
            _ => head.headers.clone().into(),
        }
    }

    /// Changes documents before a request, if it is time.
    fn change_if_due(&mut self) {
        let churn = self.knobs.churn;
        let rounds_left = churn.rounds.is_none_or(|rounds| self.churner.count.rounds < rounds);
        if churn.every > 0 && self.requests.is_multiple_of(churn.every) && rounds_left {
            self.churn(&churn);
        }
        if self.knobs.move_tag_at.contains(&self.requests) {
            self.move_tag();
        }
    }

    /// Moves a tag from the newest certified image to the oldest; false if there are no two.
    pub(crate) fn move_tag(&mut self) -> bool {
        let now = self.now();
        let moved = alter::move_tag(&mut self.images, now, &mut self.event);
        if moved {
            self.churner.count.changed += 2;
            self.stats.churn = self.churner.count;
        }
        moved
    }

    /// Takes dates away, see `alter::undate`.
    pub(crate) fn undate(&mut self, images: usize, bundles: usize, undated: Undated) {
        alter::undate(&mut self.images, images, undated, &mut self.event);
        alter::undate(&mut self.bundles, bundles, undated, &mut self.event);
    }

    /// Adds twins, see `alter::twin`.
    pub(crate) fn twin(&mut self, images: usize, bundles: usize) {
        alter::twin(&mut self.images, images, &mut self.event);
        alter::twin(&mut self.bundles, bundles, &mut self.event);
    }

    /// Begins an outage now.
    pub(crate) fn begin_outage(&mut self, length: Duration, form: OutageForm) {
        self.outage = Some((Instant::now() + length, form));
    }
}
