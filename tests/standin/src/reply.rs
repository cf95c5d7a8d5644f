//! Answers of a few kinds.

use serde_json::json;

use crate::http::Reply;
use crate::rng::mix;

pub(crate) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const HTML: &str = "text/html; charset=utf-8";
pub(crate) const YAML: &str = "text/yaml; charset=utf-8";

/// What front ends say that gave up waiting.
pub(crate) const TOO_LONG: &str = "The page took too long to load.";

/// A page for people.
pub(crate) fn html(status: u16, sentence: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>Sorry</title></head>\n\
         <body><h1>Sorry</h1><p>{sentence}</p></body></html>\n"
    );
    Reply::new(status, HTML, page.into_bytes())
}

/// An error body; its detail is a text on even numbers and a list of texts on odd ones.
pub(crate) fn problem(status: u16, title: &str, detail: &str, number: u64) -> Reply {
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
