//! The answers as a JUnit report, which CI servers read.

use std::fmt::Write as _;

use super::view::{State, View};
use crate::base::text::sanitize_long;

/// The whole report.
pub(super) fn report(view: &View<'_>) -> String {
    let summary = &view.summary;
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}""#,
        view.report.rows.len(),
        summary.not_certified,
        summary.unclear,
        summary.not_asked
    );
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"oct check\" {counts}>\n<testsuite name=\"oct check\" {counts}>\n<properties>\n"
    );
    let rules = if view.online { "online" } else { "offline" };
    let mut properties = vec![("db", view.report.path.display().to_string()), ("rules", rules.to_owned())];
    if let Some(manifest) = &view.report.manifest {
        properties.push(("created", manifest.created.to_string()));
        properties.push(("key_id", manifest.signer().key_id.clone()));
        properties.push(("content", manifest.content.to_string()));
    }
    properties.extend(view.claim.map(|claim| ("claim", claim.to_string())));
    for (name, value) in properties {
        let _ = writeln!(xml, r#"<property name="{name}" value="{}"/>"#, escape(&value));
    }
    xml.push_str("</properties>\n");
    for answered in &view.report.rows {
        let kind = answered.row.question.as_ref().map_or("unclear", |question| question.kind());
        let name = match &answered.row.question {
            Ok(question) if answered.row.label.is_empty() => question.to_string(),
            Ok(question) => format!("{question} ({})", answered.row.label),
            Err(_) => answered.row.label.clone(),
        };
        let _ = write!(xml, r#"<testcase classname="oct.{kind}" name="{}""#, escape(&name));
        let reasons = escape(&view.reasons(answered).join("; "));
        let code = view.verdict(answered).map_or("unclear", |verdict| verdict.code());
        let _ = match view.state(answered) {
            State::Certified => writeln!(xml, "/>"),
            State::NotCertified => writeln!(xml, r#"><failure type="{code}" message="{reasons}"/></testcase>"#),
            State::Unclear => writeln!(xml, r#"><error type="unclear" message="{reasons}"/></testcase>"#),
            State::NotAsked => writeln!(xml, r#"><skipped message="{reasons}"/></testcase>"#),
        };
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

/// Escapes text from outside for an attribute or an element of HTML or XML, and replaces the characters that XML
/// forbids.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in sanitize_long(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_only_text() {
        assert_eq!(
            escape("</td>\"'&\u{1b}\u{202e}\u{ffff}\u{0}"),
            "&lt;/td&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
    }
}
