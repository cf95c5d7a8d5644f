//! Text for people: cleans strings from outside; writes and reads sizes, counts and durations.

use std::fmt::Write as _;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::base::limits;

/// The replacement of a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// Whether `c` can make a terminal show something else than the text: a control character, C1 and DEL included, a mark
/// that changes the direction of writing, or a line end that only some programs know.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The whole of `text`, a file name for one, in one line: every unsafe character, line ends too, is replaced.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { REPLACEMENT } else { c }).collect()
}

/// `json`, a JSON text, with each unsafe character written as its escape. It says the same to a program, and a terminal
/// that shows it is safe.
#[must_use]
pub fn json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of strings JSON has none but line ends and tabs, and within strings these are escaped already.
        if is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t') {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// A duration such as `30d`, `2w` or `12h`; a day has 24 hours.
///
/// # Errors
/// Says what is expected.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let shown = sanitize(text);
    let span: Span = text.parse().map_err(|_| format!("`{shown}` is not a duration such as 30d, 2w or 12h"))?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let duration = duration.map_err(|_| format!("`{shown}` has months or years, whose length varies; use days"))?;
    if duration.is_negative() { Err(format!("`{shown}` is negative")) } else { Ok(duration) }
}

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
    let words = text.split_whitespace().enumerate();
    let folded = words.flat_map(|(index, word)| (index > 0).then_some(' ').into_iter().chain(word.chars()));
    let mut clean: String = folded.take(limit + 1).map(|c| if is_unsafe(c) { REPLACEMENT } else { c }).collect();
    if let Some((end, _)) = clean.char_indices().nth(limit) {
        clean.truncate(end);
        clean.push('…');
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

/// The same with `word` behind it, `old` or `ago`; or `in the future`, if `seconds` is negative.
#[must_use]
pub fn aged(seconds: i64, word: &str) -> String {
    if seconds < 0 { format!("{} in the future", age(-seconds)) } else { format!("{} {word}", age(seconds)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text in which every kind of unsafe character is frequent.
    fn odd_text() -> impl Strategy<Value = String> {
        let unsafe_one = prop::sample::select(vec![
            '\u{1b}', '\u{7}', '\n', '\r', '\t', '\u{7f}', '\u{85}', '\u{9b}', '\u{9d}', '\u{61c}', '\u{200e}',
            '\u{202e}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{2069}',
        ]);
        let one = prop_oneof![any::<char>(), unsafe_one, prop::char::range(' ', '~')];
        prop::collection::vec(one, 0..600).prop_map(|text| text.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_unsafe_survives(text in odd_text()) {
            let clean = sanitize(&text);
            prop_assert!(!clean.contains(is_unsafe), "{clean:?}");
            prop_assert!(clean.chars().count() <= limits::REMOTE_TEXT_CHARS + 1);
            prop_assert_eq!(sanitize(&clean), clean.clone());
            let line = one_line(&text);
            prop_assert!(!line.contains(is_unsafe), "{line:?}");
            prop_assert_eq!(line.chars().count(), text.chars().count());
            // Safe text does not change.
            let safe: String = text.chars().filter(|c| !is_unsafe(*c)).collect();
            prop_assert_eq!(one_line(&safe), safe);
        }

        #[test]
        fn json_says_the_same_without_unsafe_characters(text in odd_text()) {
            let document = serde_json::json!({ &text: [&text] });
            let escaped = json(&format!("{document:#}"));
            prop_assert!(!escaped.contains(|c| is_unsafe(c) && c != '\n'), "{escaped:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), document);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30d"), Ok(SignedDuration::from_hours(720)));
        assert_eq!(duration("1w 2h"), Ok(SignedDuration::from_hours(170)));
        assert!(duration("soon").is_err() && duration("1 month").is_err() && duration("-1d").is_err());
        assert!(!duration("\u{1b}]0;x\u{7}").unwrap_err().contains('\u{1b}'));
    }

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
        assert_eq!((aged(200_000, "ago"), aged(-200_000, "ago")), ("2 days ago".into(), "2 days in the future".into()));
    }
}
