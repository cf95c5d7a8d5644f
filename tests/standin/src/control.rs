//! Paths below `/_standin/`, by which another process looks at a stand-in and turns its knobs:
//! a benchmark, say, that wants the server outside of its own process.
//!
//! - `stats`: the counters;
//! - `set?latency=200&max-concurrent=4`: turns knobs, by the names of the command line's flags;
//! - `clear`: sets the counters back;
//! - `truth`: how many documents of each kind there are;
//! - `outage?ms=90000&form=reset`: begins an outage (`form` as the flag `--outage-form` has it;
//!   each defaults to its knob);
//! - `undate?images=3&bundles=1&as=null`: takes dates away, as `--undated-images` and so on do;
//! - `twin?images=3&bundles=1`: adds twins, as `--twin-images` and `--twin-bundles` do;
//! - `move-tag`: moves a tag from the newest certified image to the oldest.
//!
//! Such requests are not counted (only their connections are), and they meet no fault.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::alter::Undated;
use crate::flags;
use crate::form;
use crate::http::Reply;
use crate::log::Stats;
use crate::query;
use crate::state::State;
use crate::truth::{self, Span};

/// The path below which these requests are.
pub(crate) const BASE: &str = "/_standin/";

/// Answers such a request; `None` if the target is another.
pub(crate) fn answer(state: &mut State, target: &str) -> Option<Reply> {
    let command = target.strip_prefix(BASE)?;
    let (command, query) = command.split_once('?').unwrap_or((command, ""));
    let result = match command {
        "stats" => Ok(stats(&state.stats)),
        "set" => flags::turn(&mut state.knobs, &query::decode(query)).map(|()| json!({})),
        "outage" | "undate" | "twin" => act(state, command, &query::decode(query)).map(|()| json!({})),
        "move-tag" => Ok(json!({ "moved": state.move_tag() })),
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

/// A command with parameters.
fn act(state: &mut State, command: &str, params: &[(String, String)]) -> Result<(), String> {
    let number = |name: &str, default: u64| match query::param(params, name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| format!("{name} must be a whole number")),
    };
    let known: &[&str] = match command {
        "outage" => &["ms", "form"],
        "undate" => &["images", "bundles", "as"],
        _ => &["images", "bundles"],
    };
    if let Some((name, _)) = params.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(format!("there is no {name}"));
    }
    if command == "outage" {
        let planned = state.knobs.outage;
        let millis = number("ms", planned.length.as_millis() as u64)?;
        state.begin_outage(Duration::from_millis(millis), choice(params, "form", planned.form)?);
        return Ok(());
    }
    let (images, bundles) = (number("images", 0)? as usize, number("bundles", 0)? as usize);
    match command {
        "undate" => state.undate(images, bundles, choice(params, "as", Undated::InTurn)?),
        _ => state.twin(images, bundles),
    }
    Ok(())
}

fn choice<T: ValueEnum>(params: &[(String, String)], name: &str, default: T) -> Result<T, String> {
    query::param(params, name).map_or(Ok(default), |text| T::from_str(text, false))
}

/// How often each was met, under its name.
fn named<'a, T: ValueEnum + 'a>(counts: impl IntoIterator<Item = (&'a T, &'a u64)>) -> Map<String, Value> {
    counts.into_iter().map(|(value, count)| (form::name(value), json!(count))).collect()
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
        "declined": stats.declined,
        "deleted": stats.churn.deleted,
        "denied": stats.denied,
        "documents": stats.documents,
        "faults": stats.faults,
        "forms": named(&stats.forms),
        "inserted": stats.churn.inserted,
        "max_concurrent": stats.max_concurrent,
        "outage": stats.outage,
        "questions": named(&stats.questions),
        "refused": stats.refused,
        "requests": stats.requests,
        "stalled": stats.stalled,
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
