//! JSON as Go's `encoding/json` reads it: the one place for its rules.
//!
//! - A field's name counts whatever the case of its letters; where a name is there twice, the later value is decoded
//!   into what the earlier one left.
//! - `null` leaves a text, a number or an object as it is.
//! - A value of another type than the field's is passed over, and fails the file in the end.
//! - Invalid UTF-8 and half a surrogate pair read as U+FFFD, byte by byte.
//! - More than [`limits::GO_JSON_DEPTH`] values within values fail.
//!
//! Nothing is built in memory but the text of one name or value, of [`limits::TEXT_BYTES`] at most.

use std::io::{self, Read};

use super::slice::{Slice, Slot};
use crate::base::limits;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// U+FFFD, which stands for what is no text.
const REPLACEMENT: &str = "\u{fffd}";

/// Why a text is no JSON that certsuite reads.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// What stands there, or is missing.
        what: String,
    },
    /// It is JSON, but a value has another type than the field of that name.
    #[error("line {line}, column {column}: {what}")]
    Mistyped {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// What stands there.
        what: String,
    },
    /// A limit of `oct`, not of certsuite, is passed.
    #[error("line {line}, column {column}: {what}")]
    Limit {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// The limit.
        what: String,
    },
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line() as u64, error.column() as u64);
        if error.is_io() {
            return Self::Io(error.into());
        }
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().to_owned();
        if error.is_data() { Self::Mistyped { line, column, what } } else { Self::Syntax { line, column, what } }
    }
}

impl From<JsonError> for io::Error {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

type Result<T> = std::result::Result<T, JsonError>;

/// The beginning of a value. Of a text or a number all was read; a list or an object is read on by [`Json::item`] or
/// [`Json::key`], or passed over by [`Json::skip`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Its value where it is a whole number of 64 bits without sign, spelled with digits alone.
    Number(Option<u64>),
    /// To be had by [`Json::take_text`].
    Text,
    List,
    Object,
}

/// Reads JSON piece by piece.
pub(super) struct Json<R> {
    from: R,
    buffer: Box<[u8]>,
    next: usize,
    filled: usize,
    /// Bytes that were read before the buffer.
    passed: u64,
    line: u64,
    /// Where the line begins.
    line_start: u64,
    /// Line and column of the value that was begun last.
    began: (u64, u64),
    depth: usize,
    text: Vec<u8>,
    /// Whether the text was longer than is kept.
    is_cut: bool,
    mistyped: Option<JsonError>,
}

impl<R: Read> Json<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: vec![0; BUFFER_BYTES].into(),
            next: 0,
            filled: 0,
            passed: 0,
            line: 1,
            line_start: 0,
            began: (1, 1),
            depth: 0,
            text: Vec::new(),
            is_cut: false,
            mistyped: None,
        }
    }

    /// Puts the name or text that was read last into `text`, with U+FFFD for what is none.
    ///
    /// # Errors
    /// Where it is longer than [`limits::TEXT_BYTES`].
    pub(super) fn take_text(&self, text: &mut String) -> Result<()> {
        if self.is_cut {
            return Err(self.limit(format!("a text of more than {} bytes", limits::TEXT_BYTES)));
        }
        text.clear();
        match std::str::from_utf8(&self.text) {
            Ok(valid) => text.push_str(valid),
            Err(_) => text.push_str(&replaced(&self.text)),
        }
        Ok(())
    }

    /// Which of `names`, all of them in small letters, the name is that was read last, whatever the case of its letters.
    pub(super) fn name_among(&self, names: &[&str]) -> Option<usize> {
        if self.is_cut {
            return None;
        }
        let equal = |name: &&str| name.as_bytes() == self.text;
        names.iter().position(equal).or_else(|| names.iter().position(|name| folds_to(&self.text, name)))
    }

    /// Begins the next value.
    pub(super) fn value(&mut self) -> Result<Value> {
        let first = self.peek()?;
        self.began = self.place();
        match first {
            Some(b'"') => self.string().map(|()| Value::Text),
            Some(b'{') => self.enter().map(|()| Value::Object),
            Some(b'[') => self.enter().map(|()| Value::List),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word(b"true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word(b"false").map(|()| Value::Bool(false)),
            Some(b'n') => self.word(b"null").map(|()| Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Goes to the next name of the object that was begun; `false` at its end. `first` is `true` before the first one.
    pub(super) fn key(&mut self, first: &mut bool) -> Result<bool> {
        if !self.more(first, b'}')? {
            return Ok(false);
        }
        if self.peek()? != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        self.string()?;
        if self.peek()? != Some(b':') {
            return Err(self.unexpected("a colon"));
        }
        self.next += 1;
        Ok(true)
    }

    /// Goes to the next value of the list that was begun; `false` at its end. `first` is `true` before the first one.
    pub(super) fn item(&mut self, first: &mut bool) -> Result<bool> {
        self.more(first, b']')
    }

    /// Passes over the rest of a value that was begun.
    pub(super) fn skip(&mut self, value: Value) -> Result<()> {
        let mut open = match value {
            Value::List => vec![(false, true)],
            Value::Object => vec![(true, true)],
            _ => return Ok(()),
        };
        while let Some((is_object, first)) = open.last_mut() {
            let more = if *is_object { self.key(first)? } else { self.item(first)? };
            if !more {
                open.pop();
                continue;
            }
            match self.value()? {
                Value::List => open.push((false, true)),
                Value::Object => open.push((true, true)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the fields of an object whose names are among `names`, all of them in small letters; passes over the others.
    /// `null` has none; anything else is mistyped.
    pub(super) fn fields(
        &mut self,
        value: Value,
        names: &[&str],
        mut field: impl FnMut(&mut Self, usize, Value) -> Result<()>,
    ) -> Result<()> {
        match value {
            Value::Object => {
                let mut first = true;
                while self.key(&mut first)? {
                    let name = self.name_among(names);
                    let value = self.value()?;
                    match name {
                        Some(name) => field(self, name, value)?,
                        None => self.skip(value)?,
                    }
                }
                Ok(())
            }
            Value::Null => Ok(()),
            other => self.mistyped(other, "an object"),
        }
    }

    /// Reads a list, whose items `item` reads into their slots.
    pub(super) fn list_into<T: Slot>(
        &mut self,
        value: Value,
        list: &mut Slice<T>,
        item: &mut impl FnMut(&mut Self, Value, &mut T) -> Result<()>,
    ) -> Result<()> {
        match value {
            Value::List => {
                let (mut first, mut len) = (true, 0);
                while self.item(&mut first)? {
                    let value = self.value()?;
                    item(self, value, list.slot(len))?;
                    len += 1;
                }
                list.end(len);
                Ok(())
            }
            Value::Null => {
                list.renew();
                Ok(())
            }
            other => self.mistyped(other, "a list"),
        }
    }

    pub(super) fn text_into(&mut self, value: Value, text: &mut String) -> Result<()> {
        match value {
            Value::Text => self.take_text(text),
            Value::Null => Ok(()),
            other => self.mistyped(other, "a text"),
        }
    }

    pub(super) fn bool_into(&mut self, value: Value, target: &mut bool) -> Result<()> {
        match value {
            Value::Bool(new) => *target = new,
            Value::Null => {}
            other => self.mistyped(other, "a boolean")?,
        }
        Ok(())
    }

    /// Reads a whole number; `None` leaves `target` as it is.
    pub(super) fn number_into(&mut self, value: Value, target: &mut Option<u64>) -> Result<()> {
        match value {
            Value::Number(Some(new)) => *target = Some(new),
            Value::Null => {}
            other => self.mistyped(other, "a whole number")?,
        }
        Ok(())
    }

    /// Passes over a value that has not the type of its field, and remembers the first such one.
    pub(super) fn mistyped(&mut self, value: Value, due: &str) -> Result<()> {
        if self.mistyped.is_none() {
            let found = match value {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::Text => "a text",
                Value::List => "a list",
                Value::Object => "an object",
            };
            let (line, column) = self.began;
            self.mistyped = Some(JsonError::Mistyped { line, column, what: format!("{found} where {due} is due") });
        }
        self.skip(value)
    }

    /// Demands that nothing follows and that every value had the type of its field.
    ///
    /// # Errors
    /// Where bytes follow; else the first value of another type.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek()?.is_some() {
            return Err(self.unexpected("the end"));
        }
        self.mistyped.take().map_or(Ok(()), Err)
    }

    /// The first value so far that has another type than its field.
    pub(super) fn take_mistyped(&mut self) -> Result<()> {
        self.mistyped.take().map_or(Ok(()), Err)
    }

    /// An error that names this place.
    pub(super) fn limit(&self, what: String) -> JsonError {
        let (line, column) = self.place();
        JsonError::Limit { line, column, what }
    }

    fn place(&self) -> (u64, u64) {
        (self.line, self.passed + self.next as u64 + 1 - self.line_start)
    }

    fn syntax(&self, what: String) -> JsonError {
        let (line, column) = self.place();
        JsonError::Syntax { line, column, what }
    }

    fn unexpected(&self, due: &str) -> JsonError {
        match self.buffer[..self.filled].get(self.next) {
            Some(byte) if byte.is_ascii_graphic() => self.syntax(format!("`{}` where {due} is due", *byte as char)),
            Some(byte) => self.syntax(format!("the byte 0x{byte:02x} where {due} is due")),
            None => self.syntax(format!("the file ends where {due} is due")),
        }
    }

    /// Reads on; `false` at the end of the file.
    fn refill(&mut self) -> Result<bool> {
        self.passed += self.filled as u64;
        (self.next, self.filled) = (0, 0);
        loop {
            match self.from.read(&mut self.buffer) {
                Ok(count) => {
                    self.filled = count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next byte, which stays.
    fn byte(&mut self) -> Result<Option<u8>> {
        if self.next == self.filled && !self.refill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.next]))
    }

    /// The next byte that is no white space, which stays.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            match self.byte()? {
                Some(b' ' | b'\t' | b'\r') => self.next += 1,
                Some(b'\n') => {
                    self.next += 1;
                    self.line += 1;
                    self.line_start = self.passed + self.next as u64;
                }
                other => return Ok(other),
            }
        }
    }

    fn enter(&mut self) -> Result<()> {
        self.next += 1;
        self.depth += 1;
        if self.depth > limits::GO_JSON_DEPTH {
            return Err(self.syntax(format!("more than {} values within values", limits::GO_JSON_DEPTH)));
        }
        Ok(())
    }

    fn more(&mut self, first: &mut bool, end: u8) -> Result<bool> {
        let byte = self.peek()?;
        if byte == Some(end) {
            self.next += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            if byte != Some(b',') {
                return Err(self.unexpected("a comma or the end"));
            }
            self.next += 1;
            self.peek()?;
        }
        Ok(true)
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        for due in word {
            if self.byte()? != Some(*due) {
                return Err(self.unexpected(&format!("`{}`", String::from_utf8_lossy(word))));
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Reads a number: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
    fn number(&mut self) -> Result<Option<u64>> {
        let mut whole = Some(0u64);
        if self.byte()? == Some(b'-') {
            self.next += 1;
            whole = None;
        }
        if self.byte()? == Some(b'0') {
            self.next += 1;
        } else {
            self.digits(|digit| {
                whole = whole.and_then(|whole| whole.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            })?;
        }
        if self.byte()? == Some(b'.') {
            self.next += 1;
            whole = None;
            self.digits(|_| {})?;
        }
        if matches!(self.byte()?, Some(b'e' | b'E')) {
            self.next += 1;
            whole = None;
            if matches!(self.byte()?, Some(b'+' | b'-')) {
                self.next += 1;
            }
            self.digits(|_| {})?;
        }
        Ok(whole)
    }

    fn digits(&mut self, mut each: impl FnMut(u8)) -> Result<()> {
        let mut any = false;
        while let Some(digit @ b'0'..=b'9') = self.byte()? {
            each(digit);
            self.next += 1;
            any = true;
        }
        if any { Ok(()) } else { Err(self.unexpected("a digit")) }
    }

    /// Reads a text in quotes, of which no more is kept than the limit.
    fn string(&mut self) -> Result<()> {
        self.next += 1;
        self.text.clear();
        self.is_cut = false;
        loop {
            if self.next == self.filled && !self.refill()? {
                return Err(self.unexpected("the end of a text"));
            }
            let rest = &self.buffer[self.next..self.filled];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            let room = limits::TEXT_BYTES.saturating_sub(self.text.len());
            self.is_cut |= plain > room;
            self.text.extend_from_slice(&rest[..plain.min(room)]);
            self.next += plain;
            match rest.get(plain) {
                None => {}
                Some(b'"') => {
                    self.next += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.next += 1;
                    self.escape()?;
                }
                Some(_) => return Err(self.unexpected("a text's character")),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<()> {
        let c = match self.byte()? {
            Some(b'u') => {
                self.next += 1;
                return self.unicode();
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("an escaped character")),
        };
        self.next += 1;
        self.push(c);
        Ok(())
    }

    /// Reads the digits of `\u`, and those of the pair's other half where this is half of one.
    fn unicode(&mut self) -> Result<()> {
        let mut unit = self.hex()?;
        while (0xd800..0xdc00).contains(&unit) && self.byte()? == Some(b'\\') {
            self.next += 1;
            if self.byte()? != Some(b'u') {
                self.push(char::REPLACEMENT_CHARACTER);
                return self.escape();
            }
            self.next += 1;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                break;
            }
            self.push(char::REPLACEMENT_CHARACTER);
            unit = low;
        }
        self.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn hex(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.byte()?.and_then(|byte| (byte as char).to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| self.unexpected("a hexadecimal digit"))?;
            self.next += 1;
        }
        Ok(unit)
    }

    fn push(&mut self, c: char) {
        if self.text.len() + c.len_utf8() > limits::TEXT_BYTES {
            self.is_cut = true;
        } else {
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// `bytes` as text, with U+FFFD for each byte that belongs to no character.
fn replaced(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        (0..chunk.invalid().len()).for_each(|_| text.push_str(REPLACEMENT));
    }
    text
}

/// Whether `name` is `field`, which is in small letters, but for the case of letters. Two letters beyond ASCII have an
/// ASCII letter as their other case.
fn folds_to(name: &[u8], field: &str) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let folded = name.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(field.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &[u8]) -> Result<String> {
        let mut reader = Json::new(json);
        assert_eq!(reader.value()?, Value::Text);
        let mut text = String::new();
        reader.take_text(&mut text)?;
        reader.end()?;
        Ok(text)
    }

    fn passes(json: &[u8]) -> bool {
        let mut reader = Json::new(json);
        reader.value().and_then(|value| reader.skip(value)).and_then(|()| reader.end()).is_ok()
    }

    #[test]
    fn what_is_no_text_reads_as_the_replacement_character() {
        for (json, due) in [
            (&b"\"a\\u00e9\\n\\/\\\"\""[..], "a\u{e9}\n/\""),
            (b"\"\\ud83d\\ude00\"", "\u{1f600}"),
            (b"\"\\ud83dx\"", "\u{fffd}x"),
            (b"\"\\ud83d\\n\"", "\u{fffd}\n"),
            (b"\"\\ud83d\\ud83d\\ude00\"", "\u{fffd}\u{1f600}"),
            (b"\"\\ud83d\\u0041\"", "\u{fffd}A"),
            (b"\"\\ude00\"", "\u{fffd}"),
            (b"\"a\xff\xe2\x82z\"", "a\u{fffd}\u{fffd}\u{fffd}z"),
            (b"\"\xed\xa0\x80\"", "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(text(json).unwrap(), due, "{}", String::from_utf8_lossy(json));
        }
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for good in ["null", " [1,-0,1.5e+9,{}] ", "{\"a\":[],\"a\":{\"b\":true}}", "\"\u{7f}\"", "0", "1E5"] {
            assert!(passes(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "[",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "nul",
            "01",
            "1.",
            "-",
            ".5",
            "+1",
            "1e",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "1 1",
            "[]]",
            "\u{feff}[]",
            "'a'",
            "tru e",
            "NaN",
        ] {
            assert!(!passes(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        let mut reader = Json::new(&b"{\n  \"a\": x}"[..]);
        let value = reader.value().unwrap();
        assert_eq!(reader.skip(value).unwrap_err().to_string(), "line 2, column 8: `x` where a value is due");
    }

    #[test]
    fn depth_and_texts_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(passes(nested(limits::GO_JSON_DEPTH).as_bytes()));
        assert!(!passes(nested(limits::GO_JSON_DEPTH + 1).as_bytes()));
        let long = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert_eq!(text(long(limits::TEXT_BYTES).as_bytes()).unwrap().len(), limits::TEXT_BYTES);
        assert!(matches!(text(long(limits::TEXT_BYTES + 1).as_bytes()), Err(JsonError::Limit { .. })));
        assert!(passes(long(limits::TEXT_BYTES + 1).as_bytes()), "what nobody reads is not kept");
    }

    #[test]
    fn names_differ_in_case_alone() {
        let named = |json: &str, names: &[&str]| {
            let mut reader = Json::new(json.as_bytes());
            reader.value().unwrap();
            reader.name_among(names)
        };
        assert_eq!(named("\"Tags\"", &["name", "tags"]), Some(1));
        assert_eq!(named("\"tag\\u017f\"", &["tags"]), Some(0));
        assert_eq!(named("\"TAG\"", &["tags"]), None);
    }
}
