//! The filter language: parsed into a tree, then asked of documents.
//!
//! What PYXIS leaves open is read as the database behind such an API would: a test on a path
//! through arrays holds if any element satisfies it; `!=` and `=out=` are the negations of `==`
//! and `=in=`, so they also hold where the field is missing; a missing value is neither less nor
//! greater than anything; `==null` holds where the path leads to no value other than null.

mod parse;

use std::cmp::Ordering;
use std::sync::Arc;

#[cfg(test)]
pub(crate) use parse::parse;
pub(crate) use parse::{Dates, parse_with};

use crate::clock::{self, Micros};
use crate::fields::FieldKind;
use crate::json_text;

/// A condition on documents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Test(Test),
    Place(Place),
}

/// That an image is in some repository of some registry, under some tag if there is one. All of it
/// is asked of one element of `repositories`, which no text of a filter can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Test {
    pub(crate) field: Field,
    pub(crate) op: Op,
    /// One literal, or several for `=in=` and `=out=`.
    pub(crate) values: Vec<Literal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Out,
}

/// A field; those that are kept beside each document's text need no look into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Id,
    Created,
    Updated,
    Certified,
    Partner,
    Organization,
    Path(Vec<String>, FieldKind),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    Text(String),
    Date(Micros),
    Flag(bool),
    Number(f64),
}

/// The answers of a document to a filter.
pub(crate) trait Subject {
    fn id(&self) -> &str;
    fn created(&self) -> Option<Micros>;
    fn updated(&self) -> Option<Micros>;
    fn certified(&self) -> Option<bool>;
    /// Whether `isv_pid` is set.
    fn partner(&self) -> bool;
    fn organization(&self) -> Option<&Arc<str>>;
    /// Whether any of the JSON values at the path satisfies the predicate.
    fn any_at(&self, path: &[String], predicate: &mut dyn FnMut(&str) -> bool) -> bool;
}

impl Expr {
    pub(crate) fn holds(&self, subject: &impl Subject) -> bool {
        match self {
            Expr::And(parts) => parts.iter().all(|part| part.holds(subject)),
            Expr::Or(parts) => parts.iter().any(|part| part.holds(subject)),
            Expr::Test(test) => test.holds(subject),
            Expr::Place(place) => place.holds(subject),
        }
    }

    /// A text that occurs in every document of which the condition holds, if one is known: looking
    /// for it is far quicker than asking the condition.
    pub(crate) fn needle(&self) -> Option<&str> {
        let text = match self {
            Expr::Place(place) => place.repository.as_str(),
            Expr::Test(Test { field: Field::Path(..), op: Op::Eq, values }) => match values.as_slice() {
                [Literal::Text(text)] => text,
                _ => return None,
            },
            _ => return None,
        };
        // Served documents escape none of these bytes, but may escape others, slashes included. A
        // colon would only bring the name of a digest's algorithm along, which every document has.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        text.split(|c| !u8::try_from(c).is_ok_and(plain)).max_by_key(|part| part.len())
    }

    /// The conditions that must all hold, one by one.
    pub(crate) fn into_conjunction(self) -> Vec<Expr> {
        match self {
            Expr::And(parts) => parts.into_iter().flat_map(Expr::into_conjunction).collect(),
            other => vec![other],
        }
    }
}

impl Place {
    fn holds(&self, subject: &impl Subject) -> bool {
        subject.any_at(&["repositories".to_owned()], &mut |repository| {
            let is = |key: &str, value: &str| {
                let found = json_text::member(repository, key).and_then(json_text::string);
                found.is_some_and(|found| found == value)
            };
            let tagged = |tag: &String| {
                let path = ["tags".to_owned(), "name".to_owned()];
                json_text::any_value(repository.as_bytes(), 0, &path, &mut |name| {
                    json_text::string(name).is_some_and(|name| name == *tag)
                })
            };
            repository.starts_with('{')
                && is("registry", &self.registry)
                && is("repository", &self.repository)
                && self.tag.as_ref().is_none_or(tagged)
        })
    }
}

/// A value of a document, as far as comparisons see it.
enum Seen<'a> {
    Text(&'a str),
    Date(Micros),
    Flag(bool),
    Number(f64),
    Other,
}

impl Test {
    fn holds(&self, subject: &impl Subject) -> bool {
        match &self.field {
            Field::Id => self.of_one(Some(Seen::Text(subject.id()))),
            Field::Created => {
                // A text that is no date is something, but compares with no date.
                let unreadable = || subject.any_at(&["creation_date".to_owned()], &mut |json| json != "null");
                let date = subject.created().map(Seen::Date);
                self.of_one(date.or_else(|| unreadable().then_some(Seen::Other)))
            }
            Field::Updated => self.of_one(subject.updated().map(Seen::Date)),
            Field::Certified => self.of_one(subject.certified().map(Seen::Flag)),
            Field::Partner => self.of_one(subject.partner().then_some(Seen::Other)),
            Field::Organization => self.of_one(subject.organization().map(|name| Seen::Text(name))),
            Field::Path(path, kind) => {
                let negated = matches!(self.op, Op::Ne | Op::Out);
                let wants_null = self.values.contains(&Literal::Null);
                let mut any = false;
                let hit = subject.any_at(path, &mut |json| {
                    let decoded = json_text::string(json);
                    let seen = match (&decoded, kind, json) {
                        (_, _, "null") => return false,
                        (Some(text), FieldKind::Date, _) => clock::parse(text).map_or(Seen::Text(text), Seen::Date),
                        (Some(text), ..) => Seen::Text(text),
                        (None, _, "true") => Seen::Flag(true),
                        (None, _, "false") => Seen::Flag(false),
                        (None, ..) => json.parse().map_or(Seen::Other, Seen::Number),
                    };
                    any = true;
                    self.values.iter().any(|value| value.accepts(self.op, &seen))
                });
                // Without a hit every value was seen, so `any` is right.
                (hit || (wants_null && !any)) != negated
            }
        }
    }

    /// The test on a field with at most one value.
    fn of_one(&self, seen: Option<Seen<'_>>) -> bool {
        let negated = matches!(self.op, Op::Ne | Op::Out);
        let hit = match &seen {
            None => self.values.contains(&Literal::Null),
            Some(seen) => self.values.iter().any(|value| value.accepts(self.op, seen)),
        };
        hit != negated
    }
}

impl Literal {
    /// Whether a present value compares with this literal as the operator (or, for the negated
    /// ones, its positive form) demands.
    fn accepts(&self, op: Op, seen: &Seen<'_>) -> bool {
        let order = match (seen, self) {
            (Seen::Text(a), Literal::Text(b)) => (*a).cmp(b.as_str()),
            (Seen::Date(a), Literal::Date(b)) => a.cmp(b),
            (Seen::Flag(a), Literal::Flag(b)) => a.cmp(b),
            (Seen::Number(a), Literal::Number(b)) => match a.partial_cmp(b) {
                Some(order) => order,
                None => return false,
            },
            _ => return false,
        };
        match op {
            Op::Eq | Op::Ne | Op::In | Op::Out => order == Ordering::Equal,
            Op::Lt => order == Ordering::Less,
            Op::Le => order != Ordering::Greater,
            Op::Gt => order == Ordering::Greater,
            Op::Ge => order != Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests;
