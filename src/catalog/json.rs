//! JSON as Go's `encoding/json` reads it: the one place for its rules.
//!
//! - A field's name counts whatever the case of its letters; where a name is there twice, the later value is decoded
//!   into what the earlier one left.
//! - `null` leaves a text, a number or an object as it is.
//! - A value of another type than the field's is skipped; the entry of `containers.db`, or the file, then fails at its
//!   end.
//! - Invalid UTF-8 and half a surrogate pair read as U+FFFD, byte by byte.
//! - More than [`limits::GO_JSON_DEPTH`] values within values fail.
//!
//! [`decode`] has those for values and fields. Nothing is built in memory but the text of one name or value, of [`limits::TEXT_BYTES`] at most.

use std::io::{self, Read};

use crate::base::limits;

mod decode;
mod error;

pub use error::JsonError;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// U+FFFD, which replaces bytes that are not text.
const REPLACEMENT: &str = "\u{fffd}";

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

    /// Bytes that were read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.passed + self.next as u64
    }

    /// Puts the name or text that was read last into `text`, with U+FFFD for what is none.
    ///
    /// # Errors
    /// If it is longer than [`limits::TEXT_BYTES`].
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

    /// Checks that nothing follows and that every value had the type of its field.
    ///
    /// # Errors
    /// If bytes follow; else the first value of another type.
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
            Some(byte) if byte.is_ascii_graphic() => self.syntax(format!("`{}` instead of {due}", *byte as char)),
            Some(byte) => self.syntax(format!("the byte 0x{byte:02x} instead of {due}")),
            None => self.syntax(format!("the file ends before {due}")),
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
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>> {
        if self.next == self.filled && !self.refill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.next]))
    }

    /// The next byte that is not white space, which stays.
    #[inline]
    fn peek(&mut self) -> Result<Option<u8>> {
        match self.buffer[..self.filled].get(self.next) {
            Some(byte) if *byte > b' ' => Ok(Some(*byte)),
            _ => self.pass_white_space(),
        }
    }

    #[inline(never)]
    fn pass_white_space(&mut self) -> Result<Option<u8>> {
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
        if self.buffer[self.next..self.filled].starts_with(word) {
            self.next += word.len();
            return Ok(());
        }
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
            let plain = plain_prefix(rest);
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

/// How many bytes of `bytes` stand before the first quote, backslash or control character: eight are looked at at once.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // The lowest high bit of the result is that of the first byte of `word` that is less than `bound`; a borrow can set
    // others, but only behind it.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, 0x20);
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
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
mod tests;
