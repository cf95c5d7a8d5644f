//! The answers as a table for people: the verdict, what was asked, and below it where and why.

use std::fmt::Write as _;

use super::super::output::Output;
use super::super::wrap::wrap;
use super::{Summary, certified, counting};
use crate::base::text::{count, sanitize};
use crate::certify::questions::Row;
use crate::ops::check::{CheckReport, Comparison};

/// Columns of the verdict.
const INDENT: usize = 9;
/// Digits of a digest that are shown in a reason; the question has them all.
const SHORT_DIGEST: usize = 12;

/// The whole table with its summary.
pub fn text(report: &CheckReport, summary: &Summary, online: bool, out: &Output) -> String {
    let width = out.width_table;
    let mut text = format!("{}\n", out.bold(&format!("{:<INDENT$}QUESTION, REASON", "VERDICT")));
    for (row, comparison) in &report.rows {
        add_row(&mut text, row, comparison.as_ref(), online, out, width);
    }
    text.push('\n');
    text.push_str(&wrap(&totals(report, summary, online), width).join("\n"));
    text
}

fn add_row(text: &mut String, row: &Row, comparison: Option<&Comparison>, online: bool, out: &Output, width: usize) {
    let word = match certified(row, comparison, online) {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "unclear",
    };
    let asked = match &row.question {
        Ok(question) => format!("{} {question}", question.kind()),
        Err(_) if row.label.is_empty() => "?".into(),
        Err(_) => row.label.clone(),
    };
    let padding = " ".repeat(INDENT - word.len());
    let word = if word == "yes" { word.to_owned() } else { out.bold(word) };
    let mut lines = wrap(&sanitize(&asked), width - INDENT).into_iter();
    let _ = writeln!(text, "{word}{padding}{}", lines.next().unwrap_or_default());
    let mut details = Vec::new();
    let from = if row.question.is_ok() && !row.label.is_empty() { format!("{}: ", row.label) } else { String::new() };
    match (&row.question, comparison) {
        (Err(refused), _) => details.push(refused.to_string()),
        (_, Some(both)) => {
            details.push(format!("{from}{}", counting(both, online)));
            if let Some(difference) = both.difference.filter(|_| online) {
                let word = if both.reader.certified() { "certified" } else { "not certified" };
                details.push(format!("offline: {word}, {}; {difference}", both.reader));
            }
        }
        (_, None) => {}
    }
    if let Some(note) = row.note {
        details.push(format!("note: {note}"));
    }
    let details = details.iter().flat_map(|detail| wrap(&short_digests(&sanitize(detail)), width - INDENT - 2));
    for line in lines.chain(details.map(|line| format!("  {line}"))) {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
}

fn totals(report: &CheckReport, summary: &Summary, online: bool) -> String {
    let number = |count_of: usize| count(count_of as u64);
    let mut text = format!("{} of {} certified", number(summary.certified), number(report.rows.len()));
    for (amount, what) in [(summary.not_certified, "not certified"), (summary.unclear, "unclear")] {
        if amount > 0 {
            let _ = write!(text, ", {} {what}", number(amount));
        }
    }
    if online {
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
