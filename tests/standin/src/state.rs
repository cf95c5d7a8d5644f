//! What all connections share, and the decision what a request gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::catalog::Catalog;
use crate::churn::{ChurnCount, Churner};
use crate::clock::{self, SECOND};
use crate::http::{Delivery, Head, Reply};
use crate::knobs::{Fault, FaultChoice, Knobs, RetryAfter};
use crate::made_up::MadeUp;
use crate::query::{self, Query};
use crate::rng::{mix, mix_text, unit};
use crate::store::Collection;

/// The path below which the catalog's endpoints are.
pub(crate) const BASE: &str = "/api/containers/v1";

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const HTML: &str = "text/html; charset=utf-8";
const YAML: &str = "text/yaml; charset=utf-8";

/// Requests kept in the list; a server that runs for days must not grow for ever.
const MAX_LOG: usize = 1_000_000;

/// One request, as it was seen.
#[derive(Debug, Clone)]
pub struct Request {
    /// Counts from 1.
    pub number: u64,
    /// Counts connections from 1.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The parameters, decoded, in the order in which they were sent.
    pub query: Vec<(String, String)>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// Whether the client takes compressed answers.
    pub accepts_gzip: bool,
    /// When it came, counted from the start of the stand-in.
    pub at: Duration,
    /// The fault it met.
    pub fault: Option<Fault>,
    /// The status of its answer; `None` as long as there is none.
    pub status: Option<u16>,
    /// Time to the end of the answer.
    pub took: Option<Duration>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Documents in the answer.
    pub documents: usize,
}

impl Request {
    /// The first value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        query::param(&self.query, name)
    }
}

/// Counters since the start, or since they were last set back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests.
    pub requests: u64,
    /// Answers by status; what was cut short counts with the status it began with.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that met a fault.
    pub faults: u64,
    /// Requests refused because too many were under way.
    pub refused: u64,
    /// Requests under way now.
    pub concurrent: usize,
    /// Most requests that were under way at once, refused ones included.
    pub max_concurrent: usize,
    /// Documents in all answers.
    pub documents: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Connections.
    pub connections: u64,
    /// What churn did; it is never set back.
    pub churn: ChurnCount,
}

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Images,
    Bundles,
    Charts,
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
        let endpoint = match path {
            "/index.yaml" => Some(Endpoint::Charts),
            _ => match path.strip_prefix(BASE) {
                Some("/images") => Some(Endpoint::Images),
                Some("/operators/bundles") => Some(Endpoint::Bundles),
                _ => None,
            },
        };
        let mut fault = None;
        let reply = if !admitted {
            self.stats.refused += 1;
            self.too_many(self.knobs.retry_after)
        } else if connection.poisoned {
            html(500, "The application failed to start.")
        } else {
            self.churn_if_due();
            fault = endpoint.and_then(|endpoint| self.draw_fault(endpoint));
            connection.poisoned = fault == Some(Fault::ErrorUntilReconnect);
            let mut reply = match endpoint {
                None => problem(404, "Not Found", "There is nothing here.", self.requests),
                Some(_) if head.method != "GET" => {
                    problem(405, "Method Not Allowed", "Documents are only read.", self.requests)
                }
                Some(Endpoint::Charts) => self.chart_index(head),
                Some(endpoint) => self.documents(endpoint, &query, fault),
            };
            let bits = mix(self.requests ^ mix_text("jitter"));
            reply.delay += self.knobs.latency + self.knobs.jitter.mul_f64(unit(bits));
            match fault {
                Some(fault) => self.spoil(fault, reply),
                None => reply,
            }
        };
        self.stats.faults += u64::from(fault.is_some());
        let entry = Request {
            number: self.requests,
            connection: connection.number,
            method: head.method.clone(),
            path: path.to_owned(),
            query,
            user_agent: head.user_agent.clone(),
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

    fn churn_if_due(&mut self) {
        let churn = self.knobs.churn;
        let rounds_left = churn.rounds.is_none_or(|rounds| self.churner.count.rounds < rounds);
        if churn.every > 0 && self.requests.is_multiple_of(churn.every) && rounds_left {
            self.churn(&churn);
        }
    }

    fn draw_fault(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let scope = self.knobs.fault_scope;
        let hit = match endpoint {
            Endpoint::Images => scope.images,
            Endpoint::Bundles => scope.bundles,
            Endpoint::Charts => scope.charts,
        };
        if !hit {
            return None;
        }
        if let Some(next) = self.knobs.next_faults.pop_front() {
            return next;
        }
        let bits = mix(self.knobs.fault_seed ^ mix(self.requests));
        if self.knobs.faults.is_empty() || unit(bits) >= self.knobs.fault_share {
            return None;
        }
        let index = match self.knobs.fault_choice {
            FaultChoice::InTurn => self.faults_given,
            FaultChoice::Drawn => (mix(bits) >> 16) as usize,
        };
        self.faults_given += 1;
        Some(self.knobs.faults[index % self.knobs.faults.len()])
    }

    fn documents(&mut self, endpoint: Endpoint, params: &[(String, String)], fault: Option<Fault>) -> Reply {
        let knobs = &self.knobs;
        let collection = match endpoint {
            Endpoint::Bundles => &mut self.bundles,
            _ => &mut self.images,
        };
        let query = match Query::read(params, &collection.fields, knobs) {
            Ok(query) => query,
            Err(what) => return problem(400, "Bad Request", &what, self.requests),
        };
        let mut work = Duration::ZERO;
        if endpoint == Endpoint::Images {
            work = query.work(knobs);
            if knobs.deep_limit.is_some_and(|limit| query.offset() > limit) {
                let mut reply = html(504, "The page took too long to load.");
                reply.delay = work + knobs.deep_stall;
                return reply;
            }
            if knobs.fail_total && query.wants_total() {
                let mut reply = html(504, "The page took too long to load.");
                reply.delay = work;
                return reply;
            }
        }
        let skip = knobs.skip_pages || fault == Some(Fault::SkipPages);
        let page = query.answer(collection, knobs, skip, self.requests);
        let mut reply = Reply::new(200, JSON, page.body);
        reply.documents = page.documents;
        reply.delay = work;
        reply
    }

    fn chart_index(&self, head: &Head) -> Reply {
        let tag = format!("\"{:016x}\"", mix_text(&self.charts));
        let known = head.if_none_match.as_deref().is_some_and(|tags| {
            let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            tags.split(',').any(|known| plain(known) == tag || known.trim() == "*")
        });
        let mut reply = if known {
            Reply::new(304, YAML, Vec::new())
        } else {
            Reply::new(200, YAML, self.charts.as_bytes().to_vec())
        };
        reply.headers.push(("ETag", tag));
        reply
    }

    /// Turns a right answer into what the fault makes of it.
    fn spoil(&self, fault: Fault, mut reply: Reply) -> Reply {
        let delay = reply.delay;
        let whole = matches!(fault, Fault::Stall | Fault::StallInBody | Fault::SkipPages);
        if !whole {
            reply.documents = 0;
        }
        let mut spoiled = match fault {
            Fault::SkipPages => return reply,
            Fault::Stall => {
                reply.delay += self.knobs.stall;
                return reply;
            }
            Fault::CutJson => {
                reply.body.truncate(reply.body.len() / 2);
                return reply;
            }
            Fault::StallInBody => return sent(reply, Delivery::Stalled(self.knobs.stall)),
            Fault::ShortBody => return sent(reply, Delivery::Short),
            Fault::Reset => return sent(reply, Delivery::Reset),
            Fault::Endless => {
                reply.body.truncate(1);
                return sent(reply, Delivery::Endless(self.knobs.endless_cap));
            }
            Fault::GzipBomb => {
                reply.body.truncate(1);
                return sent(reply, Delivery::GzipBomb(self.knobs.endless_cap));
            }
            Fault::GatewayTimeout => html(504, "The page took too long to load."),
            Fault::Unavailable => html(503, "The service is down for a moment."),
            Fault::BadGateway => html(502, "The server behind this one gave no answer."),
            Fault::HtmlOk => html(200, "We are working on it."),
            Fault::ErrorUntilReconnect => html(500, "The application failed to start."),
            Fault::Forbidden => html(403, "You may not see this page."),
            Fault::TooManySeconds => self.too_many(RetryAfter::Seconds),
            Fault::TooManyDate => self.too_many(RetryAfter::Date),
            Fault::TooMany => self.too_many(RetryAfter::Absent),
        };
        spoiled.delay = delay;
        spoiled
    }

    fn too_many(&self, retry_after: RetryAfter) -> Reply {
        let mut reply = problem(429, "Too Many Requests", "Too many requests are under way.", self.requests);
        let seconds = self.knobs.retry_after_seconds;
        match retry_after {
            RetryAfter::Seconds => reply.headers.push(("Retry-After", seconds.to_string())),
            RetryAfter::Date => {
                let date = clock::now() + i64::from(seconds) * SECOND;
                reply.headers.push(("Retry-After", clock::http_date(date)));
            }
            RetryAfter::Absent => {}
        }
        reply
    }
}

fn sent(reply: Reply, delivery: Delivery) -> Reply {
    Reply { delivery, ..reply }
}

/// Prints a line about an answered request.
fn print(request: &Request) {
    let query: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fault = request.fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
    eprintln!(
        "{} {} {} {} -> {}{fault} {} documents, {} bytes, {:.1} ms",
        request.number,
        request.method,
        request.path,
        query.join(" & "),
        request.status.unwrap_or_default(),
        request.documents,
        request.bytes,
        request.took.unwrap_or_default().as_secs_f64() * 1000.0,
    );
}

fn html(status: u16, sentence: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>Sorry</title></head>\n\
         <body><h1>Sorry</h1><p>{sentence}</p></body></html>\n"
    );
    Reply::new(status, HTML, page.into_bytes())
}

/// An error body; its detail is a text on even numbers and a list of texts on odd ones.
fn problem(status: u16, title: &str, detail: &str, number: u64) -> Reply {
    let detail = if number.is_multiple_of(2) { json!(detail) } else { json!([detail]) };
    let body = json!({
        "detail": detail,
        "status": status,
        "title": title,
        "trace_id": format!("0x{:016x}", mix(number)),
        "type": "about:blank",
    });
    Reply::new(status, PROBLEM, body.to_string().into_bytes())
}
