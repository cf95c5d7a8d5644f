//! The answers as a table for people: the verdict, what was asked, and below it where and why.

use super::super::facts::Facts;
use super::view::{State, View};
use crate::base::text::{count, sanitize, sanitize_long};
use crate::ops::check::Answered;

/// Digits of a digest that are shown in a reason; the question has them all.
const SHORT_DIGEST: usize = 12;

/// The whole table with its summary.
pub(super) fn facts(view: &View<'_>) -> Facts {
    let mut facts = Facts::table();
    if let Some(claim) = view.claim {
        facts.text(claim.to_string()).gap();
    }
    facts.strong_row("VERDICT", "QUESTION, REASON");
    for answered in &view.report.rows {
        add_row(&mut facts, view, answered);
    }
    facts.gap().text(totals(view));
    if view.summary.not_certified > 1 {
        for group in &view.summary.groups {
            facts.cells(vec![String::new(), count(group.rows as u64), group.reason.to_owned()]);
        }
    }
    facts
}

fn add_row(facts: &mut Facts, view: &View<'_>, answered: &Answered) {
    let state = view.state(answered);
    let asked = sanitize(&view.asked(answered));
    match state {
        State::NotCertified | State::Unclear => facts.strong_row(state.word(), asked),
        State::Certified | State::NotAsked => facts.row(state.word(), asked),
    };
    let row = &answered.row;
    let from = if row.question.is_ok() && !row.label.is_empty() { format!("{}: ", row.label) } else { String::new() };
    for (place, reason) in view.reasons(answered).iter().enumerate() {
        let from = if place == 0 { from.as_str() } else { "" };
        facts.below(short_digests(&sanitize_long(&format!("{from}{reason}"))));
    }
}

/// The summary in one sentence.
pub(super) fn totals(view: &View<'_>) -> String {
    let summary = &view.summary;
    let number = |count_of: usize| count(count_of as u64);
    let mut text = format!("{} of {} certified", number(summary.certified), number(summary.questions()));
    for (amount, what) in [
        (summary.not_certified, "not certified"),
        (summary.unclear, "unclear"),
        (summary.not_asked, "not asked by certsuite"),
    ] {
        if amount > 0 {
            text.push_str(&format!(", {} {what}", number(amount)));
        }
    }
    if view.online {
        text.push_str(&format!(" by the online rules ({} differ offline)", number(summary.differing)));
    }
    text
}

/// Cuts each run of 64 or more hexadecimal digits.
pub(super) fn short_digests(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().map(Some).chain([None]) {
        if let Some(digit) = c.filter(char::is_ascii_hexdigit) {
            run.push(digit);
            continue;
        }
        if run.len() >= 64 {
            short.push_str(&run[..SHORT_DIGEST]);
            short.push('…');
        } else {
            short.push_str(&run);
        }
        run.clear();
        short.extend(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_cut() {
        let text = format!("digest sha256:{} is listed", "0a".repeat(32));
        assert_eq!(short_digests(&text), "digest sha256:0a0a0a0a0a0a… is listed");
        assert_eq!(short_digests("deadbeef"), "deadbeef");
    }
}
