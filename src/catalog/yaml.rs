//! YAML as Go's yaml.v3 reads it, into a tree of bounded size: the one place for its rules.
//!
//! yaml.v3 comes from libyaml and reads YAML 1.1. The parser here reads YAML 1.2. This module refuses every text that the
//! two versions read differently, so yaml.v3 reads an accepted text in the same way. It refuses all that yaml.v3 refuses,
//! and a little more that no chart index has: directives, `...`, tabs between values, custom tags, keys that are not text
//! or span lines, an anchor within itself, a second document that is not YAML.

use std::borrow::Cow;
use std::collections::HashSet;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};

use crate::base::limits;

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u64,
    /// What stands there.
    pub what: String,
}

type Result<T> = std::result::Result<T, YamlError>;

/// The number of a node in its [`Document`].
pub(super) type NodeId = u32;

/// The first document of a text.
#[derive(Debug, Default)]
pub(super) struct Document {
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) kind: Kind,
    /// The next item of the same list, or the next key or value of the same mapping.
    next: Option<NodeId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A plain `null`, or nothing at all.
    Null,
    /// A plain `<<`.
    Merge,
    Text(Box<str>),
    /// With its first item.
    List(Option<NodeId>),
    /// With its first key, behind which stands its value, and so on.
    Map(Option<NodeId>),
    /// Stands for an earlier node.
    Alias(NodeId),
}

impl Document {
    /// Reads the first document of `bytes`; others that follow it do not count.
    ///
    /// # Errors
    /// If it is none that yaml.v3 reads, or a limit is passed.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let text = decode(bytes)?;
        check_characters(&text)?;
        check_markers(&text)?;
        Composer::new(&text).compose()
    }

    /// The outermost node, if there is any.
    pub(super) fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// A node as it stands there.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// A node, or the one for which it stands.
    pub(super) fn target(&self, id: NodeId) -> &Node {
        match self.node(id).kind {
            // An alias never stands for an alias.
            Kind::Alias(target) => self.node(target),
            _ => self.node(id),
        }
    }

    /// The items of a list, or the keys and values of a mapping in turn, from the first on.
    pub(super) fn items(&self, first: Option<NodeId>) -> impl Iterator<Item = NodeId> {
        std::iter::successors(first, |id| self.node(*id).next)
    }

    /// The pairs of a mapping, from its first key on.
    pub(super) fn pairs(&self, first: Option<NodeId>) -> impl Iterator<Item = (NodeId, NodeId)> {
        std::iter::successors(self.pair(first), |(_, value)| self.pair(self.node(*value).next))
    }

    fn pair(&self, key: Option<NodeId>) -> Option<(NodeId, NodeId)> {
        Some((key?, self.node(key?).next?))
    }
}

/// `bytes` as text, by their byte order mark.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>> {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<std::result::Result<String, _>>();
        text.ok().filter(|_| rest.is_empty()).ok_or_else(|| error(1, "not UTF-16, as its first two bytes say"))
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => {
            let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            let line = |valid: usize| 1 + rest[..valid].iter().filter(|byte| **byte == b'\n').count() as u64;
            std::str::from_utf8(rest).map(Cow::Borrowed).map_err(|bad| error(line(bad.valid_up_to()), "not UTF-8"))
        }
    }
}

/// Refuses characters that yaml.v3 refuses or takes for the end of a line, as YAML 1.1 has it.
fn check_characters(text: &str) -> Result<()> {
    let mut line = 1;
    for c in text.chars() {
        match c {
            '\n' => line += 1,
            '\t' | '\r' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                if matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
                    return Err(error(line, format!("the character U+{:04X}", u32::from(c))));
                }
            }
            _ => return Err(error(line, format!("the character U+{:04X}", u32::from(c)))),
        }
    }
    Ok(())
}

/// Refuses directives and document markers of which the two versions of YAML have different ideas.
fn check_markers(text: &str) -> Result<()> {
    let mut is_prologue = true;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim_end();
        let marked = |marker| line.strip_prefix(marker).filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if is_prologue && line.starts_with('%') && line != "%YAML 1.1" {
            return Err(error(number, format!("the directive `{}`", crate::base::text::sanitize(line))));
        }
        is_prologue &= line.is_empty() || line.starts_with(['%', '#']);
        if marked("...").is_some() {
            return Err(error(number, "the end of a document, `...`"));
        }
        if marked("---").is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('#')) {
            return Err(error(number, "a value on the line of `---`"));
        }
    }
    Ok(())
}

fn error(line: u64, what: impl Into<String>) -> YamlError {
    YamlError { line, what: what.into() }
}

/// Builds the tree from the parser's events.
struct Composer<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    nodes: Vec<Node>,
    open: Vec<Open>,
    /// By the parser's number of the anchor.
    anchors: Vec<Option<NodeId>>,
    /// How many nodes the first document has, once it has ended.
    first: Option<usize>,
    /// How far the text was read, in bytes.
    seen: usize,
}

/// A list or a mapping that has not ended.
struct Open {
    id: NodeId,
    last: Option<NodeId>,
    /// Whether it stands between brackets.
    is_flow: bool,
    /// Whether a mapping's key is next.
    is_key_next: bool,
}

impl<'a> Composer<'a> {
    fn new(text: &'a str) -> Self {
        let options = granit_parser::options! {
            flow_nesting_limit: limits::YAML_DEPTH,
            block_nesting_limit: limits::YAML_DEPTH,
            emit_anchor_events: true,
        };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { text, parser, nodes: vec![], open: vec![], anchors: vec![], first: None, seen: 0 }
    }

    fn compose(mut self) -> Result<Document> {
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|bad| error(bad.marker().line() as u64, bad.info()))?;
            self.event(event, &span)?;
        }
        self.check_gap(self.text.len())?;
        // yaml.v3 looks a little into the second document: it has to be YAML, but does not count.
        self.nodes.truncate(self.first.unwrap_or_default());
        Ok(Document { nodes: self.nodes })
    }

    fn event(&mut self, event: Event<'a>, span: &Span) -> Result<()> {
        let line = span.start.line() as u64;
        let at = |what: String| error(line, what);
        if matches!(event, Event::Anchor(..) | Event::Alias(_)) {
            self.check_anchor(span)?;
        }
        if matches!(event, Event::Anchor(..)) {
            return Ok(());
        }
        if let Some(range) = span.byte_range() {
            self.check_gap(range.start)?;
            self.seen = self.seen.max(range.end);
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_scalar(style, span)?;
                let kind = scalar(text, style, tag.as_deref()).map_err(at)?;
                self.add(line, kind, anchor)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), "seq").map_err(at)?;
                self.begin(line, Kind::List(None), style, anchor)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                check_tag(tag.as_deref(), "map").map_err(at)?;
                self.begin(line, Kind::Map(None), style, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => {
                let target = self.anchors.get(anchor).copied().flatten();
                let target = target.filter(|target| self.open.iter().all(|open| open.id != *target));
                let target = target.ok_or_else(|| error(line, "an anchor within itself"))?;
                self.add(line, Kind::Alias(target), 0)?;
            }
            Event::DocumentEnd => {
                self.first.get_or_insert(self.nodes.len());
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses an anchor or an alias whose name is not valid in YAML 1.1; `span` includes the `&` or `*`.
    fn check_anchor(&self, span: &Span) -> Result<()> {
        let range = span.byte_range().unwrap_or_default();
        let name = self.text.get(range.start + 1..range.end).unwrap_or_default();
        let rest = self.text.get(range.end..).unwrap_or_default();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if is_plain && rest.chars().next().is_none_or(|next| " \n\r,:]}".contains(next)) {
            return Ok(());
        }
        let name = crate::base::text::sanitize(name);
        Err(error(span.start.line() as u64, format!("the anchor `{name}`, or the character after it, is not valid")))
    }

    /// Refuses a tab between values, but in a comment: YAML 1.1 takes it at fewer places.
    fn check_gap(&self, end: usize) -> Result<()> {
        let gap = self.text.get(self.seen..end).unwrap_or_default();
        if gap.contains('\t') && gap.lines().any(|line| line.split('#').next().is_some_and(|line| line.contains('\t')))
        {
            return Err(error(self.line(self.seen), "a tab between values, in this line or below it"));
        }
        Ok(())
    }

    fn line(&self, position: usize) -> u64 {
        1 + self.text[..position].bytes().filter(|byte| *byte == b'\n').count() as u64
    }

    /// Refuses what the two versions of YAML read differently, and the parser does not tell.
    fn check_scalar(&self, style: ScalarStyle, span: &Span) -> Result<()> {
        let line = span.start.line() as u64;
        let source = span.slice(self.text).unwrap_or_default();
        if self.open.last().is_some_and(|open| open.is_key_next) {
            if span.start.line() != span.end.line() {
                return Err(error(line, "a key that goes over lines"));
            }
            if style == ScalarStyle::Plain && source.is_empty() {
                return Err(error(line, "a value without a key"));
            }
        }
        if style == ScalarStyle::Plain && source.contains('?') && self.open.last().is_some_and(|open| open.is_flow) {
            return Err(error(line, "a `?` between brackets, not in quotes"));
        }
        if style == ScalarStyle::DoubleQuoted {
            let mut rest = source;
            while let Some((_, escaped)) = rest.split_once('\\') {
                let mut chars = escaped.chars();
                if chars.next() == Some('/') {
                    return Err(error(line, "the escape `\\/`, which YAML 1.1 does not have"));
                }
                rest = chars.as_str();
            }
        }
        if source.contains('\t') && is_indented_by_tab(source, style, span.start.col()) {
            return Err(error(line, "a tab that indents a line of this text"));
        }
        Ok(())
    }

    fn add(&mut self, line: u64, kind: Kind, anchor: usize) -> Result<NodeId> {
        if self.nodes.len() == limits::YAML_NODES {
            return Err(error(line, format!("more than {} values", limits::YAML_NODES)));
        }
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Node { line, kind, next: None });
        if anchor > 0 {
            self.anchors.resize(self.anchors.len().max(anchor + 1), None);
            self.anchors[anchor] = Some(id);
        }
        if let Some(open) = self.open.last_mut() {
            open.is_key_next = !open.is_key_next && matches!(self.nodes[open.id as usize].kind, Kind::Map(_));
            match open.last.replace(id) {
                Some(last) => self.nodes[last as usize].next = Some(id),
                None => match &mut self.nodes[open.id as usize].kind {
                    Kind::List(first) | Kind::Map(first) => *first = Some(id),
                    _ => {}
                },
            }
        }
        Ok(id)
    }

    fn begin(&mut self, line: u64, kind: Kind, style: StructureStyle, anchor: usize) -> Result<()> {
        let is_key_next = matches!(kind, Kind::Map(_));
        let id = self.add(line, kind, anchor)?;
        let is_flow = style == StructureStyle::Flow;
        self.open.push(Open { id, last: None, is_flow, is_key_next });
        if self.open.len() > limits::YAML_DEPTH {
            return Err(error(line, format!("more than {} values within values", limits::YAML_DEPTH)));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let Some(Open { id, .. }) = self.open.pop() else { return Ok(()) };
        let Kind::Map(first) = self.nodes[id as usize].kind else { return Ok(()) };
        // Borrowed for a moment, to walk through them.
        let document = Document { nodes: std::mem::take(&mut self.nodes) };
        let checked = check_keys(&document, first);
        self.nodes = document.nodes;
        checked
    }
}

/// Whether a tab stands where a line of a scalar is indented. The source of a block scalar begins after `indent`
/// spaces. In a later line, a tab after that many spaces is text.
fn is_indented_by_tab(source: &str, style: ScalarStyle, indent: usize) -> bool {
    let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let is_tabbed = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut lines = source.lines();
    let first = lines.next();
    is_block && first.is_some_and(is_tabbed)
        || lines.any(|line| is_tabbed(line) && (!is_block || spaces(line) < indent))
}

/// Refuses a mapping with one key twice, or with a key that is not text.
fn check_keys(document: &Document, first: Option<NodeId>) -> Result<()> {
    let mut keys = HashSet::new();
    for (key, _) in document.pairs(first) {
        let line = document.node(key).line;
        let name = match &document.node(key).kind {
            // yaml.v3 compares keys as written, quoted or not. The text of a null is not kept, so all nulls count as
            // one key.
            Kind::Text(text) if !is_null(text) => text,
            Kind::Text(_) | Kind::Null => "null",
            Kind::Merge => "<<",
            _ => return Err(error(line, "a key that is not text")),
        };
        if !keys.insert(name) {
            let name = crate::base::text::sanitize(name);
            return Err(error(line, format!("the key `{name}` occurs twice in one mapping")));
        }
    }
    Ok(())
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn core_suffix(tag: &Tag) -> std::result::Result<&str, String> {
    tag.core_suffix().ok_or_else(|| format!("the tag `{}`", crate::base::text::sanitize(&tag.original())))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> std::result::Result<Kind, String> {
    let is_plain = style == ScalarStyle::Plain;
    let Some(tag) = tag else {
        return Ok(match &*text {
            "<<" if is_plain => Kind::Merge,
            null if is_plain && is_null(null) => Kind::Null,
            _ => Kind::Text(text.into()),
        });
    };
    let number = text.strip_prefix('-').unwrap_or(&text);
    let digits = |text: &str| (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let suffix = core_suffix(tag)?;
    let fits = match suffix {
        "str" => true,
        "null" => is_null(&text),
        "bool" => matches!(&*text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE"),
        "int" => digits(number) && (number == "0" || !number.starts_with('0')),
        "float" => number.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part)),
        _ => false,
    };
    if !fits {
        return Err(format!("`{}` does not fit its tag `!!{suffix}`", crate::base::text::sanitize(&text)));
    }
    Ok(if suffix == "null" { Kind::Null } else { Kind::Text(text.into()) })
}

fn check_tag(tag: Option<&Tag>, due: &str) -> std::result::Result<(), String> {
    match tag.map(core_suffix).transpose()? {
        Some(suffix) if suffix != due => Err(format!("the value does not fit its tag `!!{suffix}`")),
        _ => Ok(()),
    }
}
