//! One document, with what is asked of it all the time beside its text.

use std::sync::Arc;

use crate::clock::{self, DAY, Micros};
use crate::filter::Subject;
use crate::json_text;
use crate::order::Order;
use crate::rng::mix_text;

/// A moment before every date.
pub(crate) const BEFORE_ALL: Micros = Micros::MIN;

/// How far unsorted answers stray from the order of creation.
const UNSORTED_JITTER: Micros = 3 * DAY;

/// Marks a document that is still there.
pub(crate) const ALIVE: u64 = u64::MAX;

/// One document: its text, and beside it what is asked of it all the time.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub(crate) id: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Index of the bulky members that complete the text, from the pool of the collection.
    pub(crate) bulk: Option<u16>,
    pub(crate) created: Option<Micros>,
    /// Whether `creation_date` is written as the catalog does, or missing.
    pub(crate) uniform_date: bool,
    pub(crate) updated: Option<Micros>,
    pub(crate) certified: Option<bool>,
    pub(crate) partner: bool,
    pub(crate) organization: Option<Arc<str>>,
    /// Number of the event that brought the document.
    pub(crate) born: u64,
    /// Number of the event that removed it, or `ALIVE`.
    pub(crate) died: u64,
}

impl Doc {
    /// `text` must be a JSON object in compact form.
    pub(crate) fn from_text(text: String) -> Self {
        let mut doc = Doc {
            id: "".into(),
            text: text.into(),
            bulk: None,
            created: None,
            uniform_date: true,
            updated: None,
            certified: None,
            partner: false,
            organization: None,
            born: 0,
            died: ALIVE,
        };
        doc.read_text();
        doc
    }

    fn read_text(&mut self) {
        let text = Arc::clone(&self.text);
        let bytes = text.as_bytes();
        let mut members = json_text::Members::new(bytes, 0);
        while let Some(member) = members.next() {
            let end = json_text::skip_value(bytes, member.value);
            let value = &text[member.value..end];
            let content = json_text::string(value);
            match member.key {
                b"_id" => self.id = content.unwrap_or_default().as_ref().into(),
                b"creation_date" => {
                    self.created = content.as_deref().and_then(clock::parse);
                    self.uniform_date = match (&content, self.created) {
                        (Some(text), Some(instant)) => *text == clock::format(instant),
                        _ => value == "null",
                    };
                }
                b"last_update_date" => self.updated = content.and_then(|date| clock::parse(&date)),
                b"certified" => self.certified = value.parse().ok(),
                b"isv_pid" => self.partner = value != "null",
                b"organization" => self.organization = content.map(|name| name.as_ref().into()),
                _ => {}
            }
            members.ended(end);
        }
    }

    /// The document without the pool of bulky members.
    #[cfg(test)]
    pub(crate) fn bare(&self) -> View<'_> {
        View { doc: self, bulk: None }
    }

    pub(crate) fn sort_date(&self, order: Order) -> Micros {
        let date = match order {
            Order::Updated => self.updated,
            _ => self.created,
        };
        date.unwrap_or(BEFORE_ALL)
    }

    pub(crate) fn unsorted_place(&self) -> Micros {
        let jitter = (mix_text(&self.id) % (2 * UNSORTED_JITTER as u64)) as Micros;
        self.created.unwrap_or(0) + jitter - UNSORTED_JITTER
    }
}

/// A document with all its members.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) doc: &'a Doc,
    pub(crate) bulk: Option<&'a str>,
}

impl Subject for View<'_> {
    fn id(&self) -> &str {
        &self.doc.id
    }

    fn created(&self) -> Option<Micros> {
        self.doc.created
    }

    fn updated(&self) -> Option<Micros> {
        self.doc.updated
    }

    fn certified(&self) -> Option<bool> {
        self.doc.certified
    }

    fn partner(&self) -> bool {
        self.doc.partner
    }

    fn organization(&self) -> Option<&Arc<str>> {
        self.doc.organization.as_ref()
    }

    fn any_at(&self, path: &[String], mut predicate: &mut dyn FnMut(&str) -> bool) -> bool {
        json_text::any_value(self.doc.text.as_bytes(), 0, path, &mut predicate)
            || self.bulk.is_some_and(|b| json_text::any_value(b.as_bytes(), 0, path, &mut predicate))
    }
}
