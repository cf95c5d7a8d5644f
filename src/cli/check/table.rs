//! The answers as a table for people: the verdict, what was asked, and below it where and why.

use std::fmt::Write as _;

use super::super::output::Output;
use super::super::wrap::wrap;
use super::view::{State, View};
use crate::base::text::{count, sanitize, sanitize_long};
use crate::ops::check::Answered;

/// Columns of the verdict.
const INDENT: usize = 11;
/// Digits of a digest that are shown in a reason; the question has them all.
const SHORT_DIGEST: usize = 12;

/// The whole table with its summary.
pub fn text(view: &View<'_>, out: &Output) -> String {
    let width = out.width_table;
    let mut text = String::new();
    if let Some(claim) = view.claim {
        let _ = writeln!(text, "{}\n", wrap(&claim.to_string(), width).join("\n"));
    }
    let _ = writeln!(text, "{}", out.bold(&format!("{:<INDENT$}QUESTION, REASON", "VERDICT")));
    for answered in &view.report.rows {
        add_row(&mut text, view, answered, out, width);
    }
    text.push('\n');
    text.push_str(&wrap(&totals(view), width).join("\n"));
    if view.summary.not_certified > 1 {
        let digits = view.summary.groups.iter().map(|group| count(group.rows as u64).len()).max().unwrap_or(0);
        for group in &view.summary.groups {
            let _ = write!(text, "\n  {:>digits$}  {}", count(group.rows as u64), group.reason);
        }
    }
    text
}

fn add_row(text: &mut String, view: &View<'_>, answered: &Answered, out: &Output, width: usize) {
    let state = view.state(answered);
    let word = state.word();
    let padding = " ".repeat(INDENT - word.len());
    let word = if matches!(state, State::NotCertified | State::Unclear) { out.bold(word) } else { word.to_owned() };
    let mut lines = wrap(&sanitize(&view.asked(answered)), width - INDENT).into_iter();
    let _ = writeln!(text, "{word}{padding}{}", lines.next().unwrap_or_default());
    let mut details = view.reasons(answered);
    let row = &answered.row;
    if let Some(first) = details.first_mut().filter(|_| row.question.is_ok() && !row.label.is_empty()) {
        *first = format!("{}: {first}", row.label);
    }
    let details = details.iter().flat_map(|detail| wrap(&short_digests(&sanitize_long(detail)), width - INDENT - 2));
    for line in lines.chain(details.map(|line| format!("  {line}"))) {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
}

/// The summary in one sentence.
pub fn totals(view: &View<'_>) -> String {
    let summary = &view.summary;
    let number = |count_of: usize| count(count_of as u64);
    let mut text = format!("{} of {} certified", number(summary.certified), number(summary.questions()));
    for (amount, what) in [
        (summary.not_certified, "not certified"),
        (summary.unclear, "unclear"),
        (summary.not_asked, "not asked by certsuite"),
    ] {
        if amount > 0 {
            let _ = write!(text, ", {} {what}", number(amount));
        }
    }
    if view.online {
        let _ = write!(text, " by the online rules ({} differ offline)", number(summary.differing));
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
