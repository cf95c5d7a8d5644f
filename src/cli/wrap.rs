//! Lines that fit the terminal.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Narrower than this, words would stand one below the other.
const LEAST_WIDTH: usize = 40;
/// Wider than this, nobody finds the next line.
const MOST_WIDTH: usize = 200;
/// Where the value stands in a line like `  created     2026-…`.
const VALUE: usize = 14;

/// Columns of a terminal, `COLUMNS` before what it says of itself; `None` where it is none.
pub fn width(terminal: impl AsFd + IsTerminal) -> Option<usize> {
    if !terminal.is_terminal() {
        return None;
    }
    let asked = || {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    named().or_else(|| asked().map(bounded))
}

/// What `COLUMNS` says.
pub fn named() -> Option<usize> {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).map(bounded)
}

fn bounded(columns: usize) -> usize {
    columns.clamp(LEAST_WIDTH, MOST_WIDTH)
}

/// Breaks each line of `text` that is longer than `width`, where there is one, at spaces. What follows is indented: below the value where the
/// line has a label and a value, by two columns more than the line itself elsewhere. A word that is too long stays in
/// one piece, so that it can be copied.
pub fn fit(text: &str, width: Option<usize>) -> Cow<'_, str> {
    let Some(width) = width else { return text.into() };
    let mut fitted = String::with_capacity(text.len() + 16);
    for line in text.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        if columns(content) <= width {
            fitted.push_str(line);
            continue;
        }
        let indent = hanging_indent(content);
        let mut used = 0;
        // Several spaces in a row are a column's, and stay.
        for (number, word) in content.split(' ').enumerate() {
            let length = columns(word);
            let space = usize::from(number > 0);
            if used > indent && length > 0 && used + space + length > width {
                fitted.truncate(fitted.trim_end_matches(' ').len());
                fitted.push('\n');
                fitted.extend(std::iter::repeat_n(' ', indent));
                used = indent;
            } else {
                fitted.extend(std::iter::repeat_n(' ', space));
                used += space;
            }
            fitted.push_str(word);
            used += length;
        }
        fitted.push_str(end);
    }
    fitted.into()
}

fn hanging_indent(line: &str) -> usize {
    let own = line.len() - line.trim_start_matches(' ').len();
    let at_value = line.get(VALUE - 2..VALUE) == Some("  ") && line.as_bytes().get(VALUE).is_some_and(|it| *it != b' ');
    if own == 2 && at_value { VALUE } else { own + 2 }
}

/// Columns that a text takes, without the colours in it.
fn columns(text: &str) -> usize {
    let mut count = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            let _ = chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            count += 1;
        }
    }
    count
}

/// Breaks at spaces; a word that is longer than a line begins where it stands, and is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let fits = used + usize::from(used > 0) + word.len() <= width;
        if used > 0 && !fits && (word.len() <= width || used + 1 >= width) {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        while used + word.len() > width {
            let rest = word.split_off(width - used);
            line.extend(word);
            lines.push(std::mem::take(&mut line));
            (word, used) = (rest, 0);
        }
        used += word.len();
        line.extend(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a ab", "cdef", "ghij", "b"]);
        assert_eq!(wrap("abc abcdefg", 4), ["abc", "abcd", "efg"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn lines_fit_and_hang_where_their_value_stands() {
        let text =
            "\u{1b}[1mInstalled\u{1b}[0m a b\n  created     one two three four\n  a/very/long/path/in/one/piece x\n";
        let fitted = "\u{1b}[1mInstalled\u{1b}[0m a b\n  created     one two\n              three four\n  \
                      a/very/long/path/in/one/piece\n    x\n";
        assert_eq!(fit(text, Some(24)), fitted);
        assert_eq!(fit("error: nothing is as it was", Some(20)), "error: nothing is as\n  it was");
        assert_eq!(fit("short\n\nlines", Some(20)), "short\n\nlines");
    }
}
