//! Reads filter texts.
//!
//! ```text
//! any     = all *( ("," / " or ") all )
//! all     = term *( (";" / " and ") term )
//! term    = "(" any ")" / field operator value
//! operator= "==" / "!=" / "<" / "<=" / ">" / ">=" / "=eq=" / "=ne=" / "=lt=" / "=le=" / "=gt="
//!         / "=ge=" / ("=in=" / "=out=") with "(" value *( "," value ) ")"
//! value   = "null" / bare word / single- or double-quoted text
//! ```

use super::{Expr, Field, Literal, Op, Test};
use crate::clock;
use crate::fields::{FieldKind, Fields};
use crate::upstream::{DateCompare, DateForm};

/// How deep parentheses may nest.
const MAX_DEPTH: usize = 64;

/// What filters do with dates.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dates {
    pub(crate) compare: DateCompare,
    pub(crate) form: DateForm,
}

/// Parses a filter that compares dates as instants.
#[cfg(test)]
pub(crate) fn parse(text: &str, fields: &Fields) -> Result<Expr, String> {
    parse_with(text, fields, Dates::default())
}

/// Parses a filter over documents with the given fields. The error is a sentence for the client.
pub(crate) fn parse_with(text: &str, fields: &Fields, dates: Dates) -> Result<Expr, String> {
    let mut parser = Parser { text, at: 0, depth: 0, fields, dates };
    let expr = parser.any()?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(format!("unexpected text at position {}", parser.at));
    }
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    fields: &'a Fields,
    dates: Dates,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes a connective: a punctuation mark, or a word with space around it.
    fn connective(&mut self, mark: &str, word: &str) -> bool {
        let before = self.at;
        self.skip_space();
        if self.eat(mark) {
            return true;
        }
        let spaced = self.at > before || self.text[..before].ends_with(')');
        if spaced && self.eat(word) && self.rest().starts_with([' ', '(']) {
            return true;
        }
        self.at = before;
        false
    }

    fn any(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.all()?];
        while self.connective(",", "or") {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Expr::Or))
    }

    fn all(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.term()?];
        while self.connective(";", "and") {
            parts.push(self.term()?);
        }
        Ok(single_or(parts, Expr::And))
    }

    fn term(&mut self) -> Result<Expr, String> {
        self.skip_space();
        if !self.eat("(") {
            return self.test();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the filter is nested too deeply".to_owned());
        }
        let inner = self.any()?;
        self.depth -= 1;
        self.skip_space();
        if self.eat(")") { Ok(inner) } else { Err(format!("expected ')' at position {}", self.at)) }
    }

    fn test(&mut self) -> Result<Expr, String> {
        let name_len =
            self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(self.rest().len());
        let name = &self.rest()[..name_len];
        if name.is_empty() {
            return Err(format!("expected a field name at position {}", self.at));
        }
        let kind = self.fields.kind(name).ok_or_else(|| format!("unknown field '{name}'"))?;
        self.at += name_len;
        self.skip_space();
        let op = self.operator()?;
        self.skip_space();
        let raw = if matches!(op, Op::In | Op::Out) { self.list()? } else { vec![self.value()?] };
        let mut values = Vec::with_capacity(raw.len());
        let as_text = kind == FieldKind::Date && self.dates.compare.by_text(op);
        for text in raw {
            if let (FieldKind::Date, Raw::Bare(date) | Raw::Quoted(date)) = (kind, &text)
                && !self.dates.form.allows(date)
                && date != "null"
            {
                return Err(format!("'{date}' is not written as dates in '{name}' must be"));
            }
            values.push(literal(name, kind, op, text, as_text)?);
        }
        let kind = if as_text { FieldKind::Text } else { kind };
        let field = field(name, kind, &values);
        Ok(Expr::Test(Test { field, op, values }))
    }

    fn operator(&mut self) -> Result<Op, String> {
        const OPERATORS: &[(&str, Op)] = &[
            ("=in=", Op::In),
            ("=out=", Op::Out),
            ("=eq=", Op::Eq),
            ("=ne=", Op::Ne),
            ("=lt=", Op::Lt),
            ("=le=", Op::Le),
            ("=gt=", Op::Gt),
            ("=ge=", Op::Ge),
            ("==", Op::Eq),
            ("!=", Op::Ne),
            ("<=", Op::Le),
            (">=", Op::Ge),
            ("<", Op::Lt),
            (">", Op::Gt),
        ];
        for (token, op) in OPERATORS {
            if self.eat(token) {
                return Ok(*op);
            }
        }
        Err(format!("expected an operator at position {}", self.at))
    }

    fn list(&mut self) -> Result<Vec<Raw>, String> {
        if !self.eat("(") {
            return Err(format!("expected '(' at position {}", self.at));
        }
        let mut values = Vec::new();
        loop {
            self.skip_space();
            values.push(self.value()?);
            self.skip_space();
            if self.eat(")") {
                return Ok(values);
            }
            if !self.eat(",") {
                return Err(format!("expected ',' or ')' at position {}", self.at));
            }
        }
    }

    fn value(&mut self) -> Result<Raw, String> {
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let mut text = String::new();
            let mut chars = rest.char_indices().skip(1);
            while let Some((offset, c)) = chars.next() {
                if c == quote {
                    self.at += offset + 1;
                    return Ok(Raw::Quoted(text));
                }
                if c == '\\' {
                    text.extend(chars.next().map(|(_, escaped)| escaped));
                } else {
                    text.push(c);
                }
            }
            return Err(format!("unclosed quote at position {}", self.at));
        }
        let end = rest.find([' ', ';', ',', '(', ')', '\'', '"', '=', '<', '>', '!']).unwrap_or(rest.len());
        if end == 0 {
            return Err(format!("expected a value at position {}", self.at));
        }
        self.at += end;
        Ok(Raw::Bare(rest[..end].to_owned()))
    }
}

/// A value as written.
enum Raw {
    Bare(String),
    Quoted(String),
}

fn single_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

fn literal(name: &str, kind: FieldKind, op: Op, raw: Raw, as_text: bool) -> Result<Literal, String> {
    let text = match raw {
        Raw::Bare(word) if word == "null" => {
            return if matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge) {
                Err(format!("'{name}' cannot be ordered against null"))
            } else {
                Ok(Literal::Null)
            };
        }
        Raw::Bare(text) | Raw::Quoted(text) => text,
    };
    let wrong = |what: &str| format!("'{text}' is not {what}, as '{name}' demands");
    match kind {
        FieldKind::Text => Ok(Literal::Text(text)),
        FieldKind::Date => match clock::parse(&text) {
            None => Err(wrong("a date")),
            Some(_) if as_text => Ok(Literal::Text(text)),
            Some(date) => Ok(Literal::Date(date)),
        },
        FieldKind::Flag => match text.as_str() {
            "true" => Ok(Literal::Flag(true)),
            "false" => Ok(Literal::Flag(false)),
            _ => Err(wrong("true or false")),
        },
        FieldKind::Number => text.parse().map(Literal::Number).map_err(|_| wrong("a number")),
        FieldKind::Opaque => Err(wrong("null")),
    }
}

fn field(name: &str, kind: FieldKind, values: &[Literal]) -> Field {
    match (name, kind) {
        ("_id", FieldKind::Text) => Field::Id,
        ("creation_date", FieldKind::Date) => Field::Created,
        ("last_update_date", FieldKind::Date) => Field::Updated,
        ("certified", FieldKind::Flag) => Field::Certified,
        ("organization", FieldKind::Text) => Field::Organization,
        ("isv_pid", _) if values.iter().all(|v| *v == Literal::Null) => Field::Partner,
        _ => Field::Path(name.split('.').map(str::to_owned).collect(), kind),
    }
}
