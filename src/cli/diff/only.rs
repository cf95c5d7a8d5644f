//! `oct diff --only`.

use std::path::Path;

use serde_json::json;

use super::{describe, side};
use crate::base::text::{count, sanitize_long};
use crate::cli::check::input;
use crate::cli::context::Context;
use crate::cli::facts::Facts;
use crate::cli::{Answer, Outcome};
use crate::ops::UsageError;
use crate::ops::check::{self, Cluster, Verdict};
use crate::ops::diff::{OnlyReport, Turn, Turned, only};
use crate::ops::keys::Keyring;

/// Compares what the two catalogs answer to the questions in `file`.
pub(super) fn run(
    context: &Context,
    (old, new): (&Path, &Path),
    file: &Path,
    cluster: &Cluster,
    keyring: &Keyring,
) -> Outcome {
    let questions = check::parse(&input(file)?, cluster, false)
        .map_err(|cause| UsageError::Questions { path: file.to_owned(), cause })?;
    let report = only(old, new, &questions.rows, keyring, context.now(), &*context.progress())?;
    for warning in questions.remarks.iter().chain(&report.warnings) {
        context.out.warn(warning);
    }
    for (label, cause) in &report.unclear {
        context.out.warn(&format!("not asked: {label}: {cause}"));
    }
    context.out.answer(&document(&report), &facts(&report));
    Ok(if report.turned.is_empty() { Answer::Yes } else { Answer::No })
}

fn facts(report: &OnlyReport) -> Facts {
    let mut facts = Facts::flush();
    facts.strong_row("old", describe(&report.old)).strong_row("new", describe(&report.new));
    facts.strong_row("asked", count(report.asked as u64)).gap();
    for (turn, title, sign) in [
        (Turn::Lost, "no longer certified", '-'),
        (Turn::Gained, "certified now", '+'),
        (Turn::Reason, "another reason", '~'),
    ] {
        let of_turn: Vec<_> = report.turned.iter().filter(|turned| turned.turn == turn).collect();
        if of_turn.is_empty() {
            continue;
        }
        facts.strong_row(title, count(of_turn.len() as u64));
        for turned in of_turn {
            facts.item(4, format!("{sign} {}", name(turned)));
            facts.item(8, sanitize_long(&turned.new.to_string()));
        }
        facts.gap();
    }
    if report.turned.is_empty() {
        facts.text("Nothing changed for these.");
    }
    facts
}

/// What was asked, and where the question comes from.
fn name(turned: &Turned) -> String {
    let asked = turned.row.question.as_ref().map(|question| format!("{} {question}", question.kind()));
    let asked = asked.unwrap_or_default();
    let label = &turned.row.label;
    sanitize_long(&if label.is_empty() { asked } else { format!("{asked} ({label})") })
}

fn document(report: &OnlyReport) -> serde_json::Value {
    let verdict = |verdict: &Verdict| json!({ "certified": verdict.certified(), "code": verdict.code(), "reason": verdict.to_string() });
    let changes = report.turned.iter().map(|turned| {
        let question = turned.row.question.as_ref();
        json!({
            "change": match turned.turn {
                Turn::Gained => "gained",
                Turn::Lost => "lost",
                Turn::Reason => "reason",
            },
            "label": turned.row.label,
            "kind": question.map(|question| question.kind()).ok(),
            "question": question.map(ToString::to_string).ok(),
            "old": verdict(&turned.old),
            "new": verdict(&turned.new),
        })
    });
    json!({
        "schema": "oct.diff-only.v1",
        "equal": report.turned.is_empty(),
        "old": side(&report.old),
        "new": side(&report.new),
        "asked": report.asked,
        "changes": changes.collect::<Vec<_>>(),
        "unclear": report.unclear.iter().map(|(label, cause)| json!({ "label": label, "cause": cause })).collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}
