//! The documents of a YAML text, read from the parser's events as they come: what no question needs is skipped and takes no
//! memory. Only this module uses the YAML crate.

use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, StrInput};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::record::{Node, take_room};
use crate::base::{limits, text};

/// Why a text is not read as YAML.
#[derive(Debug)]
pub(super) struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(text::sanitize(&message.to_string()))
    }
}

/// Reads all documents.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, Error> {
    let options =
        granit_parser::options! { flow_nesting_limit: limits::YAML_DEPTH, block_nesting_limit: limits::YAML_DEPTH };
    let mut events = Events { parser: Parser::new_from_str_with_options(text, options), next: None, depth: 0 };
    let mut nodes = Vec::new();
    while let Some(event) = events.take()? {
        if matches!(event, Event::DocumentStart(..)) {
            take_room()?;
            nodes.push(Node::deserialize(&mut events)?);
        }
    }
    Ok(nodes)
}

struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    next: Option<Event<'a>>,
    depth: usize,
}

impl<'a> Events<'a> {
    fn take(&mut self) -> Result<Option<Event<'a>>, Error> {
        if let Some(event) = self.next.take() {
            return Ok(Some(event));
        }
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, _))) => Ok(Some(event)),
            Some(Err(bad)) => Err(Error(format!("line {}: {}", bad.marker().line(), text::sanitize(&bad.info())))),
        }
    }

    /// Whether the list or mapping ends here.
    fn at_end(&mut self) -> Result<bool, Error> {
        self.next = self.take()?;
        Ok(matches!(self.next, Some(Event::SequenceEnd | Event::MappingEnd) | None))
    }

    /// Reads a list or a mapping to its end, by whatever reads its items.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > limits::YAML_DEPTH {
            return Err(Error(format!("more than {} values within values", limits::YAML_DEPTH)));
        }
        let value = read(self)?;
        self.take()?;
        self.depth -= 1;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Events<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.take()? {
            Some(Event::Scalar(text, ScalarStyle::Plain, ..))
                if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") =>
            {
                visitor.visit_unit()
            }
            Some(Event::Scalar(text, ..)) => visitor.visit_str(&text),
            Some(Event::SequenceStart(..)) => self.within(|events| visitor.visit_seq(Items(events))),
            Some(Event::MappingStart(..)) => self.within(|events| visitor.visit_map(Items(events))),
            Some(Event::Alias(_)) => Err(Error("an alias, which no tool writes here".into())),
            _ => visitor.visit_unit(),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// What stands in a list or in a mapping.
struct Items<'a, 'b>(&'a mut Events<'b>);

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.0.at_end()? { Ok(None) } else { seed.deserialize(&mut *self.0).map(Some) }
    }
}

impl<'de> MapAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.0.at_end()? { Ok(None) } else { seed.deserialize(&mut *self.0).map(Some) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.0)
    }
}
