//! The answers as a table for people: the verdict, what was asked, and below it where and why.

use super::super::facts::Facts;
use super::{Summary, certified, counting};
use crate::base::text::{count, sanitize};
use crate::certify::questions::Row;
use crate::ops::check::{CheckReport, Comparison};

/// Digits of a digest that are shown in a reason; the question has them all.
const SHORT_DIGEST: usize = 12;

/// The whole table with its summary.
pub(super) fn facts(report: &CheckReport, summary: &Summary, online: bool) -> Facts {
    let mut facts = Facts::table();
    facts.strong_row("VERDICT", "QUESTION, REASON");
    for (row, comparison) in &report.rows {
        add_row(&mut facts, row, comparison.as_ref(), online);
    }
    facts.gap().text(totals(report, summary, online));
    facts
}

fn add_row(facts: &mut Facts, row: &Row, comparison: Option<&Comparison>, online: bool) {
    let asked = match &row.question {
        Ok(question) => format!("{} {question}", question.kind()),
        Err(_) if row.label.is_empty() => "?".into(),
        Err(_) => row.label.clone(),
    };
    let asked = sanitize(&asked);
    match certified(row, comparison, online) {
        Some(true) => facts.row("yes", asked),
        Some(false) => facts.strong_row("NO", asked),
        None => facts.strong_row("unclear", asked),
    };
    let from = if row.question.is_ok() && !row.label.is_empty() { format!("{}: ", row.label) } else { String::new() };
    let mut detail = |text: String| _ = facts.below(short_digests(&sanitize(&text)));
    match (&row.question, comparison) {
        (Err(refused), _) => detail(refused.to_string()),
        (_, Some(both)) => {
            detail(format!("{from}{}", counting(both, online)));
            if let Some(difference) = both.difference.filter(|_| online) {
                let word = if both.reader.certified() { "certified" } else { "not certified" };
                detail(format!("offline: {word}, {}; {difference}", both.reader));
            }
        }
        (_, None) => {}
    }
    if let Some(note) = row.note {
        detail(format!("note: {note}"));
    }
}

fn totals(report: &CheckReport, summary: &Summary, online: bool) -> String {
    let number = |count_of: usize| count(count_of as u64);
    let mut text = format!("{} of {} certified", number(summary.certified), number(report.rows.len()));
    for (amount, what) in [(summary.not_certified, "not certified"), (summary.unclear, "unclear")] {
        if amount > 0 {
            text.push_str(&format!(", {} {what}", number(amount)));
        }
    }
    if online {
        text.push_str(&format!(" by the online rules ({} differ offline)", number(summary.differing)));
    }
    text
}

/// Cuts each run of 64 or more hexadecimal digits.
fn short_digests(text: &str) -> String {
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
