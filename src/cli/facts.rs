//! What a command tells people: headings, rows of label and value, lines. The printer aligns and wraps them.

use jiff::Timestamp;

use super::wrap::{LongWord, wrap};
use crate::base::text::{aged, count, one_line, sanitize, size};
use crate::catalog::provenance::{Counts, Partial, Source};
use crate::trust::signed::Signer;

/// Spaces between two columns.
const GAP: usize = 2;

/// The terminal's code for bold.
const BOLD: &str = "1";

/// Facts, in the order in which they are shown.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Columns before a label.
    margin: usize,
    long: LongWord,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Heading { strong: String, style: &'static str, rest: String },
    Row { label: String, strong: bool, value: String },
    Below(String),
    Text(String),
    Item { indent: usize, text: String },
    Cells(Vec<String>),
    Gap,
}

impl Facts {
    /// A heading: `strong` in bold, then `rest`.
    pub(super) fn new(strong: impl Into<String>, rest: impl Into<String>) -> Self {
        let mut facts = Self { margin: 2, ..Self::default() };
        facts.heading(strong, rest);
        facts
    }

    /// No heading.
    pub(super) fn bare() -> Self {
        Self { margin: 2, ..Self::default() }
    }

    /// A table: labels begin at the left, and no line is longer than the terminal is wide.
    pub(super) fn table() -> Self {
        Self { long: LongWord::Cut, ..Self::default() }
    }

    /// No heading, and labels that begin at the left.
    pub(super) fn flush() -> Self {
        Self::default()
    }

    /// Whether a line longer than the terminal is cut.
    pub(super) fn is_table(&self) -> bool {
        self.long == LongWord::Cut
    }

    /// A further heading.
    pub(super) fn heading(&mut self, strong: impl Into<String>, rest: impl Into<String>) -> &mut Self {
        self.push(Line::Heading { strong: strong.into(), style: BOLD, rest: rest.into() })
    }

    /// A message whose label has a style of its own.
    pub(super) fn message(label: &str, style: &'static str, text: &str) -> Self {
        let mut facts = Self::default();
        facts.push(Line::Heading { strong: label.into(), style, rest: text.into() });
        facts
    }

    /// A row.
    pub(super) fn row(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        self.push(Line::Row { label: label.into(), strong: false, value: value.into() })
    }

    /// A row with a bold label.
    pub(super) fn strong_row(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        self.push(Line::Row { label: label.into(), strong: true, value: value.into() })
    }

    /// A line below the value of the last row.
    pub(super) fn below(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Line::Below(text.into()))
    }

    /// A line of text.
    pub(super) fn text(&mut self, text: impl Into<String>) -> &mut Self {
        self.push(Line::Text(text.into()))
    }

    /// One of a list, `indent` columns from the left.
    pub(super) fn item(&mut self, indent: usize, text: impl Into<String>) -> &mut Self {
        self.push(Line::Item { indent, text: text.into() })
    }

    /// A line of a table with columns; lines that follow each other have the same ones. A column of numbers stands to
    /// the right.
    pub(super) fn cells(&mut self, cells: Vec<String>) -> &mut Self {
        self.push(Line::Cells(cells))
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> &mut Self {
        self.push(Line::Gap)
    }

    /// When the catalog was made.
    pub(super) fn created(&mut self, created: Timestamp, now: Timestamp) -> &mut Self {
        self.row("created", format!("{created} ({})", aged(now.duration_since(created).as_secs(), "ago")))
    }

    /// Who signed it.
    pub(super) fn signer(&mut self, signer: &Signer) -> &mut Self {
        self.row("signed by", format!("{} ({})", signer.key_id, signer.origin))
    }

    /// A row that says that the catalog is partial, if it is.
    pub(super) fn partial(&mut self, partial: Option<&Partial>) -> &mut Self {
        if let Some(partial) = partial {
            self.row("partial", format!("only images since {}", partial.since));
        }
        self
    }

    /// How much it holds.
    pub(super) fn counts(&mut self, counts: Counts) -> &mut Self {
        self.row("containers", format!("{} images under {} digests", count(counts.containers), count(counts.digests)));
        self.row("operators", count(counts.operators));
        self.row("charts", format!("{} versions", count(counts.charts)))
    }

    /// A row for each source that was checked, and against what.
    pub(super) fn checked(&mut self, sources: &[Source]) -> &mut Self {
        for source in sources {
            if let Some(checks) = source.fetch.as_ref().and_then(|fetch| fetch.checks.as_ref()) {
                self.row("checked", format!("{}: {}", sanitize(&source.name), checks.line()));
            }
        }
        self
    }

    /// How large it is: as an archive, if it is one, and unpacked.
    pub(super) fn size(&mut self, archive: Option<u64>, unpacked: u64) -> &mut Self {
        let unpacked = size(unpacked);
        self.row(
            "size",
            archive.map_or_else(|| unpacked.clone(), |bytes| format!("{}, {unpacked} unpacked", size(bytes))),
        )
    }

    fn push(&mut self, line: Line) -> &mut Self {
        self.lines.push(line);
        self
    }

    /// The facts as text, in lines of `width` columns if that is known.
    pub(super) fn render(&self, width: Option<usize>, color: bool) -> String {
        let labels = self.lines.iter().filter_map(|line| match line {
            Line::Row { label, .. } => Some(columns(label)),
            _ => None,
        });
        let value = self.margin + labels.max().unwrap_or_default() + GAP;
        let mut page = Page { text: String::new(), width, color, long: self.long };
        let mut rest = &self.lines[..];
        while let Some((line, after)) = rest.split_first() {
            rest = after;
            match line {
                Line::Heading { strong, style, rest } => {
                    let space = usize::from(!strong.is_empty());
                    page.line(0, Lead { text: strong, style, columns: columns(strong) + space }, rest, 2);
                }
                Line::Row { label, strong, value: text } => {
                    let style = if *strong { BOLD } else { "" };
                    let lead = Lead { text: label, style, columns: value - self.margin };
                    page.line(self.margin, lead, text, value);
                }
                Line::Below(text) => page.line(value + GAP, Lead::default(), text, value + GAP),
                Line::Text(text) => page.line(0, Lead::default(), text, 0),
                Line::Item { indent, text } => page.line(*indent, Lead::default(), text, indent + GAP),
                Line::Cells(first) => {
                    let more = rest.iter().map_while(|line| match line {
                        Line::Cells(cells) => Some(cells),
                        _ => None,
                    });
                    let all: Vec<_> = std::iter::once(first).chain(more).collect();
                    rest = &rest[all.len() - 1..];
                    page.cells(&all);
                }
                Line::Gap => page.text.push('\n'),
            }
        }
        page.text
    }
}

/// The beginning of a line, in a column of its own.
#[derive(Default)]
struct Lead<'a> {
    text: &'a str,
    style: &'static str,
    columns: usize,
}

/// Text that grows by lines.
struct Page {
    text: String,
    width: Option<usize>,
    color: bool,
    long: LongWord,
}

impl Page {
    /// A line: its lead begins `indent` columns from the left, and the text that does not fit continues `hang` columns
    /// from the left.
    fn line(&mut self, indent: usize, lead: Lead, text: &str, hang: usize) {
        self.text.extend(std::iter::repeat_n(' ', indent));
        let begins = harmless(lead.text);
        let space = if text.is_empty() { 0 } else { lead.columns.saturating_sub(columns(&begins)) };
        let styled = self.color && !lead.style.is_empty();
        self.text.push_str(&if styled { format!("\u{1b}[{}m{begins}\u{1b}[0m", lead.style) } else { begins });
        self.text.extend(std::iter::repeat_n(' ', space));
        let used = indent + lead.columns;
        let text = harmless(text);
        let lines = match self.width {
            Some(width) => wrap(&text, width.saturating_sub(used), width.saturating_sub(hang), self.long),
            None => vec![text],
        };
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                self.text.push('\n');
                self.text.extend(std::iter::repeat_n(' ', hang));
            }
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    fn cells(&mut self, lines: &[&Vec<String>]) {
        let cell = |line: &Vec<String>, place: usize| line.get(place).map(|cell| harmless(cell)).unwrap_or_default();
        let places = 0..lines.iter().map(|line| line.len()).max().unwrap_or_default();
        let shapes: Vec<_> = places
            .map(|place| {
                let column = lines.iter().map(|line| cell(line, place));
                let is_numbers =
                    column.clone().all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b','));
                (column.map(|cell| columns(&cell)).max().unwrap_or_default(), is_numbers)
            })
            .collect();
        for line in lines {
            let cells = shapes.iter().enumerate().map(|(place, &(width, is_numbers))| {
                let cell = cell(line, place);
                if is_numbers { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            self.text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            self.text.push('\n');
        }
    }
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// `text` with nothing that could steer a terminal.
pub(super) fn harmless(text: &str) -> String {
    one_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_aligned_and_hang_where_they_stand() {
        let mut facts = Facts::new("Installed", "a b");
        facts.row("created", "one two three four").row("of", "a/very/long/path/in/one/piece x").below("c d").gap();
        facts.item(2, "alone").text("The end of it all is near.");
        let shown = "Installed a b\n  created  one two three\n           four\n  of       a/very/long/path/in/one/piece\n           \
                     x\n             c d\n\n  alone\nThe end of it all is\nnear.\n";
        assert_eq!(facts.render(Some(24), false), shown);
        assert!(
            facts.render(None, true).starts_with("\u{1b}[1mInstalled\u{1b}[0m a b\n  created  one two three four\n")
        );
    }

    #[test]
    fn tables_are_aligned_and_as_narrow_as_the_terminal() {
        let mut facts = Facts::table();
        facts.strong_row("VERDICT", "REASON").row("yes", "a".repeat(20));
        assert_eq!(facts.render(Some(20), false), "VERDICT  REASON\nyes      aaaaaaaaaaa\n         aaaaaaaaa\n");
        let mut facts = Facts::bare();
        facts.cells(vec!["ab".into(), "7".into(), "x".into()]).cells(vec!["c".into(), "1,000".into(), "yy".into()]);
        assert_eq!(facts.render(None, false), "ab      7  x\nc   1,000  yy\n");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let mut facts = Facts::new("a\u{1b}[1m", "b\u{7}");
        facts.row("c\u{1b}", "d\n").item(0, "\u{9b}").cells(vec!["\u{1b}".into(), "x".into()]);
        assert!(!facts.render(None, false).chars().any(|c| c.is_control() && c != '\n'));
    }
}
