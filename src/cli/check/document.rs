//! The answers as a document for programs: `oct.check.v1`.

use serde_json::{Value, json};

use super::view::View;
use crate::base::text::sanitize_long;
use crate::ops::check::{Answered, Standing, Verdict};

pub(super) fn document(view: &View<'_>) -> Value {
    let (report, summary) = (view.report, &view.summary);
    let manifest = report.manifest.as_ref();
    let group = |group: &super::view::Group| json!({ "code": group.code, "reason": group.reason, "rows": group.rows });
    json!({
        "schema": "oct.check.v1",
        "db": report.path.display().to_string(),
        "kind": if report.is_archive { "archive" } else { "folder" },
        "created": manifest.map(|manifest| manifest.created),
        "key_id": manifest.map(|manifest| &manifest.signer().key_id),
        "content": manifest.map(|manifest| manifest.content),
        "rules": if view.online { "online" } else { "offline" },
        "claim": view.claim,
        "summary": {
            "questions": summary.questions(),
            "certified": summary.certified,
            "not_certified": summary.not_certified,
            "unclear": summary.unclear,
            "not_asked": summary.not_asked,
            "differing": if view.online { json!(summary.differing) } else { json!(null) },
            "reasons": summary.groups.iter().map(group).collect::<Vec<_>>(),
        },
        "rows": report.rows.iter().map(|answered| row(view, answered)).collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

fn row(view: &View<'_>, answered: &Answered) -> Value {
    let (row, both) = (&answered.row, answered.comparison.as_ref());
    let not_asked = match &row.standing {
        Standing::NotAsked(reason) => Some(reason),
        _ => None,
    };
    let note = |code: &str, reason: String| json!({ "code": code, "reason": reason });
    let mut shown = json!({
        "label": row.label,
        "question": row.question.as_ref().ok(),
        "certified": view.verdict(answered).filter(|_| not_asked.is_none()).map(Verdict::certified),
        "not_asked": not_asked.map(|reason| note(reason.code(), reason.to_string())),
        "offline": both.map(|both| verdict(&both.offline)),
        "refused": row.question.as_ref().err().map(|refused| sanitize_long(&refused.to_string())),
        "note": answered.note.map(|it| note(it.code(), it.to_string())),
    });
    if view.online {
        let difference = both.and_then(|both| both.difference);
        shown["online"] = json!(both.map(|both| verdict(&both.online)));
        shown["difference"] = json!(difference.map(|it| note(it.code(), it.to_string())));
    }
    shown
}

fn verdict(verdict: &Verdict) -> Value {
    json!({ "certified": verdict.certified(), "code": verdict.code(), "reason": sanitize_long(&verdict.to_string()) })
}
