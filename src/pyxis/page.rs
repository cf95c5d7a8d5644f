//! A page: an answer is read as its envelope, its documents are reduced, and both are checked against the question.

use serde::Deserialize;

use super::at::At;
use super::collection::{Only, Order, Question};
use super::document::{Document, Served, tell_twins_apart};
use super::json::readable;
use super::limits;
use crate::base::text::sanitize;
use crate::http::{Fault, is_html};

/// One page of documents.
#[derive(Debug)]
pub struct Page {
    /// The documents, in the order of the question.
    pub documents: Vec<Document>,
    /// The page size that the server used, if it says so.
    pub size: Option<u32>,
    /// How many documents the filter selects, if that was asked for.
    pub total: Option<u64>,
}

impl Page {
    /// Reads an envelope of at most `size` documents; `reduce` makes a document of each, or says what is wrong with it.
    pub(super) fn read<T: Served>(
        body: &[u8],
        size: u32,
        reduce: impl Fn(T) -> Result<Document, &'static str>,
    ) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Envelope<T> {
            data: Option<Vec<T>>,
            page_size: Option<u32>,
            total: Option<u64>,
        }
        if is_html(body) {
            return Err(Fault::Html);
        }
        // One of these bytes stands before each item of a list and each field of an object; those in strings only raise
        // the count.
        let values = body.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
        let allowed = limits::VALUES_PER_DOCUMENT * (size as usize + 1);
        if values > allowed {
            return Err(Fault::TooMany(values as u64, allowed as u64));
        }
        let envelope: Envelope<T> = serde_json::from_slice(body)
            .or_else(|error| serde_json::from_slice(&readable(body)).map_err(|_| error))
            .map_err(|error| Fault::Decode(sanitize(&error.to_string())))?;
        if size > 0 && envelope.data.is_none() {
            return Err(Fault::Disorder("no data".into()));
        }
        let documents = envelope.data.into_iter().flatten().map(reduce).collect::<Result<_, _>>();
        let mut documents: Vec<_> =
            documents.map_err(|what| Fault::Disorder(format!("{what}, which was not asked for")))?;
        tell_twins_apart(&mut documents);
        Ok(Self { documents, size: envelope.page_size.filter(|size| *size > 0), total: envelope.total })
    }

    /// Checks that this can be the answer to `question`.
    pub(super) fn check(&self, question: &Question) -> Result<(), Fault> {
        let disorder = |what: String| Err(Fault::Disorder(what));
        let documents = &self.documents;
        if documents.len() > question.size as usize {
            return disorder(format!("{} documents instead of {}", documents.len(), question.size));
        }
        let is_stray = |document: &&Document| match question.only {
            Only::Undated => document.at != At::UNDATED,
            _ => document.at != At::UNDATED && !question.interval.contains(document.at),
        };
        if let Some(stray) = documents.iter().find(is_stray) {
            let date = stray.at.instant().map(|date| date.to_string()).unwrap_or_default();
            return disorder(format!("a document of {date}, which was not asked for"));
        }
        // Documents without a date have no place in the order of dates; some servers put them first, others last.
        let dates = || documents.iter().map(|document| document.at).filter(|at| *at != At::UNDATED);
        let ordered = match question.order {
            Order::NewestFirst => dates().is_sorted_by(|a, b| a >= b),
            Order::OldestFirst => dates().is_sorted(),
            Order::ById => documents.is_sorted_by_key(|document| document.id),
            Order::Own => true,
        };
        if !ordered {
            return disorder("documents out of order".into());
        }
        if question.count && self.total.is_none() {
            return disorder("no total".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::collection::decode_operators;
    use super::super::collection::tests::{at, images, question};
    use super::super::document::Body;
    use super::*;
    use crate::http::Answer;
    use crate::pyxis::Interval;

    fn answer(envelope: &str) -> Answer {
        let one = |id: u8, date: &str| format!(r#"{{"_id":"{id:024}","creation_date":{date},"certified":true}}"#);
        let envelope = envelope
            .replace("NEW", &one(1, r#""2020-06-01T00:00:00+00:00""#))
            .replace("OLD", &one(2, r#""2020-05-01T00:00:00+00:00""#))
            .replace("NONE", &one(3, "null"));
        Answer::of(envelope.into_bytes())
    }

    #[test]
    fn an_answer_has_to_fit_its_question() {
        let year = Interval::new(at("2020-01-01T00:00:00Z"), at("2021-01-01T00:00:00Z"));
        let decode = |question: &Question, envelope: &str| images().decode(question, answer(envelope));
        let page = decode(&question(year), r#"{"data":[NEW,OLD],"page_size":2,"total":9}"#).unwrap();
        assert_eq!((page.documents.len(), page.size, page.total), (2, Some(2), Some(9)));
        assert_eq!(decode(&question(year), r#"{"data":[NEW,NONE],"page_size":0}"#).unwrap().size, None);
        let spring = Interval::new(year.low, at("2020-05-15T00:00:00Z"));
        let by_id = Question { order: Order::ById, ..question(year) };
        let oldest = Question { order: Order::OldestFirst, ..question(year) };
        let undated = Question { only: Only::Undated, ..question(Interval::ALL) };
        let counted = Question { count: true, ..question(year) };
        decode(&oldest, r#"{"data":[NONE,OLD]}"#).unwrap();
        decode(&by_id, r#"{"data":[NEW,OLD]}"#).unwrap();
        for (question, envelope) in [
            (&question(spring), r#"{"data":[NEW]}"#),
            (&question(year), r#"{"data":[OLD,NEW]}"#),
            (&oldest, r#"{"data":[NEW,OLD]}"#),
            (&by_id, r#"{"data":[OLD,NEW]}"#),
            (&undated, r#"{"data":[NEW]}"#),
            (&counted, r#"{"data":[NEW]}"#),
            (&question(year), r#"{"data":[NEW,OLD,OLD]}"#),
            (&question(year), r#"{"page_size":2}"#),
            (&question(year), r#"{"data":null}"#),
            (&question(year), r#"{"data":[{"_id":"x","creation_date":"2020-06-01T00:00:00Z","certified":false}]}"#),
        ] {
            assert!(matches!(decode(question, envelope), Err(Fault::Disorder(_))), "{envelope}");
        }
        assert!(matches!(decode(&question(year), "<html>"), Err(Fault::Html)));
        assert!(matches!(decode(&question(year), r#"{"data":[NEW"#), Err(Fault::Decode(_))));
    }

    #[test]
    fn a_value_that_cannot_be_read_costs_no_more_than_itself() {
        for (odd, name) in [
            (r#""certified":null"#, None),
            (r#""certified":"yes""#, Some("certified")),
            (r#""certified":1e999"#, Some("certified")),
            (r#""certified":true,"architecture":1e999"#, Some("architecture")),
            (r#""certified":true,"architecture":"\ud83d""#, None),
        ] {
            let envelope =
                format!(r#"{{"data":[{{"_id":"{:024x}","creation_date":"2020-02-01T00:00:00Z",{odd}}}]}}"#, 9);
            let page = images().decode(&question(Interval::ALL), Answer::of(envelope.into_bytes())).unwrap();
            let document = &page.documents[0];
            assert_eq!(document.odd.as_deref(), name, "{odd}");
            assert!(matches!(&document.body, Body::Image(image) if image.certified), "{odd}");
        }
        let body = r#"{"data":[{"_id":"x","creation_date":"2020-06-01T00:00:00Z","organization":7}]}"#;
        assert_eq!(decode_operators(body.into()).unwrap()[0].odd.as_deref(), Some("organization, _id"));
    }

    #[test]
    fn what_would_fill_the_memory_is_not_even_read() {
        let many = format!(r#"{{"data":[{}{{}}]}}"#, "{},".repeat(100_000));
        let fault = images().decode(&question(Interval::ALL), Answer::of(many.into_bytes())).unwrap_err();
        assert!(matches!(fault, Fault::TooMany(..)), "{fault}");
        // A document with as many tags as any has is read.
        let tags = vec![r#"{"name":"v1"}"#; 900].join(",");
        let image = format!(
            r#"{{"_id":"{:024}","creation_date":"2020-06-01T00:00:00Z","certified":true,"repositories":[{{"tags":[{tags}]}}]}}"#,
            1
        );
        let page = format!(r#"{{"data":[{image}],"page_size":2}}"#);
        let page = images().decode(&question(Interval::ALL), Answer::of(page.into_bytes())).unwrap();
        let Body::Image(image) = &page.documents[0].body else { unreachable!() };
        assert_eq!(image.repositories[0].tags.len(), 900);
    }
}
