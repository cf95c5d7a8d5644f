//! The answers as one web page: for people who have to hand in evidence, and for hosts without a network.
//!
//! Everything is in the page itself. Its policy lets the browser load nothing and run only the script below, by its hash, so
//! that text from outside can do nothing, even if it is not escaped.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::junit::escape;
use super::table::{short_digests, totals};
use super::view::{State, View};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(super) fn page(view: &View<'_>, now: Timestamp) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    );
    let totals = escape(&totals(view));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>oct check: {totals}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Is it certified?</h1>\n<p class=\"totals\">{totals}</p>\n"
    );
    facts(&mut page, view, now);
    if !view.summary.groups.is_empty() {
        page.push_str("<h2>Why not</h2>\n<table class=\"why\">\n");
        for group in &view.summary.groups {
            let (rows, reason) = (group.rows, group.reason);
            let _ = writeln!(page, "<tr><td class=\"number\">{rows}</td><td>{}</td></tr>", escape(reason));
        }
        page.push_str("</table>\n");
    }
    rows(&mut page, view);
    let _ = write!(page, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

fn facts(page: &mut String, view: &View<'_>, now: Timestamp) {
    let report = view.report;
    let rules = if view.online { "certsuite's online check, on this catalog" } else { "certsuite's offline reader" };
    let mut facts = vec![("Catalog", report.path.display().to_string())];
    match &report.manifest {
        Some(manifest) => {
            facts.push(("Catalog of", manifest.created.to_string()));
            facts.push(("Signed by key", manifest.signer().key_id.clone()));
            facts.push(("Signer", manifest.signer().origin.clone()));
            facts.push(("Content SHA-256", manifest.content.to_string()));
        }
        None => facts.push(("Signed by", "nobody who is trusted on this host".to_owned())),
    }
    facts.push(("Rules of", rules.to_owned()));
    facts.extend(view.claim.map(|claim| ("Claim", claim.to_string())));
    facts.push(("Asked on", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    facts.push(("Asked with", concat!("oct ", env!("CARGO_PKG_VERSION")).to_owned()));
    facts.extend(report.warnings.iter().map(|warning| ("Warning", warning.clone())));
    page.push_str("<dl>\n");
    for (label, value) in facts {
        let _ = writeln!(page, "<dt>{label}</dt><dd>{}</dd>", escape(&value));
    }
    page.push_str("</dl>\n");
}

fn rows(page: &mut String, view: &View<'_>) {
    let count = view.report.rows.len();
    let _ = write!(
        page,
        "<h2>Questions</h2>\n<p class=\"filter\"><label>Filter <input id=\"filter\" type=\"search\" autocomplete=\"off\"></label>\n"
    );
    for state in [State::Certified, State::NotCertified, State::Unclear, State::NotAsked] {
        let (id, word) = (class(state), state.word());
        let _ = writeln!(page, "<label><input type=\"checkbox\" name=\"state\" value=\"{id}\" checked> {word}</label>");
    }
    let _ = write!(
        page,
        "<output id=\"shown\">{count} of {count} shown</output></p>\n<table id=\"rows\">\n\
         <thead><tr><th>Verdict</th><th>Kind</th><th>Question</th><th>From</th><th>Reason</th></tr></thead>\n<tbody>\n"
    );
    for answered in &view.report.rows {
        let state = view.state(answered);
        let (kind, asked) =
            answered.row.question.as_ref().map_or(("", String::new()), |it| (it.kind(), it.to_string()));
        let reasons: Vec<_> = view.reasons(answered).iter().map(|reason| escape(&short_digests(reason))).collect();
        let _ = writeln!(
            page,
            "<tr class=\"{}\"><td>{}</td><td>{kind}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            class(state),
            state.word(),
            escape(&asked),
            escape(&answered.row.label),
            reasons.join("<br>")
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

fn class(state: State) -> &'static str {
    match state {
        State::Certified => "yes",
        State::NotCertified => "no",
        State::Unclear => "unclear",
        State::NotAsked => "skipped",
    }
}
