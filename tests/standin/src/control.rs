//! Paths below `/_standin/`, by which another process looks at a stand-in and turns its knobs:
//! a benchmark, say, that wants the server outside of its own process.
//!
//! - `stats`: the counters;
//! - `set?latency=200&max-concurrent=4`: turns knobs, by the names of the command line's flags;
//! - `clear`: sets the counters back;
//! - `truth`: how many documents of each kind there are.
//!
//! Such requests are not counted (only their connections are), and they meet no fault.

use serde_json::{Map, Value, json};

use crate::args;
use crate::http::Reply;
use crate::query;
use crate::state::{State, Stats};
use crate::truth::{self, Span};

/// The path below which these requests are.
pub(crate) const BASE: &str = "/_standin/";

/// Answers such a request; `None` if the target is another.
pub(crate) fn answer(state: &mut State, target: &str) -> Option<Reply> {
    let command = target.strip_prefix(BASE)?;
    let (command, query) = command.split_once('?').unwrap_or((command, ""));
    let result = match command {
        "stats" => Ok(stats(&state.stats)),
        "set" => args::turn(&mut state.knobs, &query::decode(query)).map(|()| json!({})),
        "clear" => {
            state.clear();
            Ok(json!({}))
        }
        "truth" => Ok(counts(state)),
        _ => Err(format!("there is no {command}")),
    };
    let (status, body) = match result {
        Ok(body) => (200, body),
        Err(what) => (400, json!({ "error": what })),
    };
    Some(Reply::new(status, "application/json", body.to_string().into_bytes()))
}

fn stats(stats: &Stats) -> Value {
    let statuses: Map<String, Value> =
        stats.statuses.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
    json!({
        "bytes": stats.bytes,
        "changed": stats.churn.changed,
        "churn_rounds": stats.churn.rounds,
        "concurrent": stats.concurrent,
        "connections": stats.connections,
        "deleted": stats.churn.deleted,
        "documents": stats.documents,
        "faults": stats.faults,
        "inserted": stats.churn.inserted,
        "max_concurrent": stats.max_concurrent,
        "refused": stats.refused,
        "requests": stats.requests,
        "statuses": statuses,
    })
}

fn counts(state: &State) -> Value {
    let charts = truth::charts(&state.charts);
    let truth = truth::truth(&state.images, &state.bundles, charts, &Span::Now);
    let bundles: Map<String, Value> =
        truth.bundles.iter().map(|(organization, list)| (organization.clone(), json!(list.len()))).collect();
    json!({
        "bundles": bundles,
        "certified": truth.certified.len(),
        "chart_versions": truth.charts.len(),
        "red_hat": truth.red_hat.len(),
        "uncertified": truth.uncertified.len(),
    })
}
