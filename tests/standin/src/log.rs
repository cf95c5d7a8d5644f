//! What is remembered of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::churn::ChurnCount;
use crate::form::Question;
use crate::http;
use crate::knobs::Fault;
use crate::query;
use crate::upstream::{Form, Treatment};

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
    /// All headers, in the order in which they were sent.
    pub headers: Arc<[(String, String)]>,
    /// What it asks for.
    pub question: Question,
    /// The slow forms it has, whether they are treated or not.
    pub forms: Vec<Form>,
    /// What became of it for the sake of those forms.
    pub treatment: Treatment,
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

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
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
    /// Requests by what they ask for.
    pub questions: BTreeMap<Question, u64>,
    /// Requests by their slow forms, whether those are treated or not.
    pub forms: BTreeMap<Form, u64>,
    /// Requests that stall for the sake of a slow form.
    pub stalled: u64,
    /// Requests refused for the sake of a slow form.
    pub declined: u64,
    /// Requests that the front end does not let pass.
    pub denied: u64,
    /// Requests during an outage.
    pub outage: u64,
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

/// Prints a line about an answered request.
pub(crate) fn print(request: &Request) {
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
