//! Text for people: remote strings made harmless, sizes and counts made readable.

use crate::base::limits;

/// `text` without control characters, cut to [`limits::REMOTE_TEXT_CHARS`], white space folded.
///
/// What a server or an archive says is shown on a terminal only through this: an escape sequence in an error message
/// must not move the cursor or set the title.
#[must_use]
pub fn sanitize(text: &str) -> String {
    sanitize_to(text, limits::REMOTE_TEXT_CHARS)
}

/// The same for a whole message, several parts of which may have been cut before.
#[must_use]
pub fn sanitize_long(text: &str) -> String {
    sanitize_to(text, 8 * limits::REMOTE_TEXT_CHARS)
}

/// An error with its causes, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn sanitize_to(text: &str, limit: usize) -> String {
    let mut clean = String::new();
    let mut shown = 0;
    for word in text.split_whitespace() {
        if shown >= limit {
            break;
        }
        if !clean.is_empty() {
            clean.push(' ');
        }
        for c in word.chars() {
            if shown == limit {
                clean.push('…');
                shown += 1;
                break;
            }
            let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            clean.push(if c.is_control() || bidi { '\u{fffd}' } else { c });
            shown += 1;
        }
    }
    clean
}

/// `bytes` with a decimal unit: `999 B`, `1.2 kB`, `92.4 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// `count` with a comma before each group of three digits: `25,186`.
#[must_use]
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `seconds` for people: `40 s`, `12 min`, `5 h`, `3 days`.
#[must_use]
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..=119 => format!("{s} s"),
        s @ 120..=7_199 => format!("{} min", s / 60),
        s @ 7_200..=172_799 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_survive() {
        assert_eq!(sanitize("a\u{1b}]0;owned\u{7}\n  b\u{202e}"), "a\u{fffd}]0;owned\u{fffd} b\u{fffd}");
        assert_eq!(sanitize(&"x".repeat(400)).chars().count(), limits::REMOTE_TEXT_CHARS + 1);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(25_186), "25,186");
        assert_eq!(count(999), "999");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(92_400_000), "92.4 MB");
        assert_eq!(age(200_000), "2 days");
    }
}
