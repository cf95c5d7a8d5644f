//! The width of a terminal, and lines that fit it.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Narrower than this, words would stand one below the other.
const LEAST_WIDTH: usize = 40;
/// Wider than this, the eye loses the next line.
const MOST_WIDTH: usize = 200;

/// Columns of a terminal: `COLUMNS` if it is set, else what the terminal reports; `None` if it is not a terminal.
pub(super) fn width(terminal: impl AsFd + IsTerminal) -> Option<usize> {
    if !terminal.is_terminal() {
        return None;
    }
    let asked = || {
        let size = rustix::termios::tcgetwinsize(terminal).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    named().or_else(|| asked().map(bounded))
}

/// The width in `COLUMNS`.
pub(super) fn named() -> Option<usize> {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).map(bounded)
}

fn bounded(columns: usize) -> usize {
    columns.clamp(LEAST_WIDTH, MOST_WIDTH)
}

/// What to do with a word that is longer than a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LongWord {
    /// Leave it in one piece, so that it can be copied.
    #[default]
    Whole,
    /// Cut it, so that no line is too long.
    Cut,
}

/// Breaks `text` at spaces: the first line has `first` columns, each further one `rest`. A word that is cut begins in
/// the present line.
pub(super) fn wrap(text: &str, first: usize, rest: usize, long: LongWord) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let (mut used, mut room) = (0, first.max(1));
    for (number, word) in text.split(' ').enumerate() {
        let mut word = word.to_owned();
        let mut length = word.chars().count();
        let space = usize::from(used > 0 || (number > 0 && lines.is_empty()));
        let fits = used + space + length <= room;
        let stays_whole = long == LongWord::Whole || length <= rest || used + 1 >= room;
        if used > 0 && !fits && stays_whole {
            line.truncate(line.trim_end_matches(' ').len());
            lines.push(std::mem::take(&mut line));
            (used, room) = (0, rest.max(1));
        } else if space > 0 {
            line.push(' ');
            used += 1;
        }
        while long == LongWord::Cut && used + length > room {
            let split = word.char_indices().nth(room - used).map_or(word.len(), |(position, _)| position);
            line.push_str(&word[..split]);
            word.drain(..split);
            length = word.chars().count();
            lines.push(std::mem::take(&mut line));
            (used, room) = (0, rest.max(1));
        }
        line.push_str(&word);
        used += length;
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
    fn lines_break_at_spaces() {
        let whole = |text, width| wrap(text, width, width, LongWord::Whole);
        assert_eq!(whole("one two three", 7), ["one two", "three"]);
        assert_eq!(whole("a/very/long/path/in/one/piece x", 10), ["a/very/long/path/in/one/piece", "x"]);
        assert_eq!(whole("a  b", 10), ["a  b"], "a path may have two spaces");
        assert_eq!(whole("", 4), [""]);
        assert_eq!(wrap("one two three", 3, 9, LongWord::Whole), ["one", "two three"]);
    }

    #[test]
    fn long_words_are_cut_where_that_is_wanted() {
        let cut = |text, width| wrap(text, width, width, LongWord::Cut);
        assert_eq!(cut("one two three", 7), ["one two", "three"]);
        assert_eq!(cut("a abcdefghij b", 4), ["a ab", "cdef", "ghij", "b"]);
        assert_eq!(cut("abc abcdefg", 4), ["abc", "abcd", "efg"]);
        assert_eq!(cut("", 4), [""]);
    }
}
