//! The catalog's collections. A value describes each: its name, its URL, its conditions, its fields, and how its answers
//! are read.

use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::at::{At, DateForm, Interval};
use super::document::{Body, Document, Served as _, ServedImage, ServedOperator};
use super::page::Page;
use crate::http::{Answer, Fault};

/// The registry of Red Hat's own images in the catalog.
const REDHAT_REGISTRY: &str = "registry.access.redhat.com";

/// The fields of an image document that are asked for; the others are most of the bytes.
const IMAGE_FIELDS: &str = "data._id,data.creation_date,data.architecture,data.certified,data.image_id,\
    data.repositories.registry,data.repositories.repository,data.repositories.tags.name,\
    data.repositories.manifest_list_digest,data.repositories.manifest_schema2_digest";
const OPERATOR_FIELDS: &str =
    "data._id,data.creation_date,data.organization,data.csv_name,data.ocp_version,data.channel_name";

/// Page sizes to fall back to: 500 and 100 are what upstream asked with, 50 another client "to avoid errors".
const PAGE_SIZES: [u32; 4] = [500, 250, 100, 50];

/// A set of documents that one filter selects.
#[derive(Debug)]
pub struct Collection {
    /// `containers`, `redhat-images` or `operators:<organization>`.
    pub name: String,
    /// The URL of its documents, without a query.
    pub endpoint: Url,
    /// Its lower end: the beginning of time, or the instant that `--since` names.
    pub low: At,
    /// Whether an empty answer is an error.
    pub must_have_documents: bool,
    /// Conditions at the start of the filter, so that a question has exactly the form of public clients.
    leading: String,
    /// Conditions after those on dates.
    trailing: &'static str,
    fields: &'static str,
    read: Read,
    /// Whether page numbers are tried before smaller pages: for a collection that clients are known to list so.
    numbered_first: bool,
}

/// How answers are read.
#[derive(Debug, Clone)]
enum Read {
    PartnerImages,
    RedHatImages,
    Operators(String),
}

/// How a collection is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
pub enum Way {
    /// Down the order of dates, each question below the last date seen.
    Keyset(DateForm),
    /// By page numbers, in the server's own order.
    Numbers,
}

/// One step of a collection's ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Rung {
    /// The way.
    pub way: Way,
    /// Documents on a page.
    pub size: u32,
}

impl Rung {
    /// The rung in words.
    pub fn shown(self) -> String {
        let way = match self.way {
            Way::Keyset(DateForm::Offset) => "by date",
            Way::Keyset(DateForm::Zulu) => "by date with Z",
            Way::Keyset(DateForm::Fraction) => "by date with fraction",
            Way::Numbers => "by page number",
        };
        format!("{way}, {} a page", self.size)
    }
}

/// How the documents of a question are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first, the order of the catalog's index.
    NewestFirst,
    /// Oldest first: documents without a date come before all others.
    OldestFirst,
    /// By id, an order without ties.
    ById,
    /// The server's own.
    Own,
}

/// Which documents, besides those of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// All.
    All,
    /// Those changed at or after this instant.
    ChangedSince(At),
    /// Those without a date.
    Undated,
}

/// A question for a part of a collection.
#[derive(Debug, Clone)]
pub struct Question {
    /// What it is for, in a log line.
    pub what: &'static str,
    /// Only documents of this interval.
    pub interval: Interval,
    /// Only some documents of that interval.
    pub only: Only,
    /// The order.
    pub order: Order,
    /// How dates are written.
    pub form: DateForm,
    /// Zero-based.
    pub page: u32,
    /// Documents on a page; 0 asks for no documents.
    pub size: u32,
    /// Whether the server is asked to count.
    pub count: bool,
}

impl Collection {
    /// Certified images of partners.
    pub fn partner_images(base: &Url, since: Option<Timestamp>) -> Self {
        Self {
            name: "containers".into(),
            endpoint: endpoint(base, "images"),
            low: since.map_or(At::BEGINNING, At::of),
            must_have_documents: since.is_none(),
            leading: "isv_pid!=null".into(),
            trailing: " and certified==true",
            fields: IMAGE_FIELDS,
            read: Read::PartnerImages,
            numbered_first: false,
        }
    }

    /// Red Hat's own images.
    pub fn redhat_images(base: &Url, since: Option<Timestamp>) -> Self {
        Self {
            name: "redhat-images".into(),
            must_have_documents: false,
            leading: format!("isv_pid==null and repositories.registry=={REDHAT_REGISTRY}"),
            trailing: "",
            read: Read::RedHatImages,
            ..Self::partner_images(base, since)
        }
    }

    /// Operator bundles of `organization`.
    pub fn operators(base: &Url, organization: &str) -> Self {
        Self {
            name: format!("operators:{organization}"),
            endpoint: endpoint(base, "operators/bundles"),
            low: At::BEGINNING,
            must_have_documents: false,
            leading: format!("organization=={organization}"),
            trailing: "",
            fields: OPERATOR_FIELDS,
            read: Read::Operators(organization.to_owned()),
            numbered_first: true,
        }
    }

    /// Its ladder, the best rung first; no page is larger than `largest`.
    pub fn ladder(&self, largest: u32) -> Vec<Rung> {
        let rungs = |way| page_sizes(largest).into_iter().map(move |size| Rung { way, size });
        let keyset = rungs(Way::Keyset(DateForm::Offset));
        let numbers = rungs(Way::Numbers);
        let forms = [DateForm::Zulu, DateForm::Fraction].into_iter();
        let forms = forms.map(|form| Rung { way: Way::Keyset(form), size: largest.min(100) });
        if self.numbered_first {
            keyset.zip(numbers).flat_map(|(keyset, numbers)| [keyset, numbers]).chain(forms).collect()
        } else {
            keyset.chain(forms).chain(numbers).collect()
        }
    }

    /// Whether a listing by page number needs no condition on dates: for a collection that clients are known to list so.
    pub fn numbered_whole(&self) -> bool {
        self.numbered_first
    }

    /// The URL that asks `question`.
    pub fn url(&self, question: &Question) -> Url {
        let mut filter = format!("{}{}", self.leading, question.interval.conditions(question.form));
        match question.only {
            Only::All => {}
            Only::ChangedSince(at) => {
                let since = Interval::new(at, At::END).conditions(question.form);
                filter.push_str(&since.replace("creation_date", "last_update_date"));
            }
            Only::Undated => filter.push_str(" and creation_date==null"),
        }
        filter.push_str(self.trailing);
        let mut include = Vec::new();
        if question.size > 0 {
            include.push(self.fields);
        }
        include.push("page,page_size");
        if question.count {
            include.push("total");
        }
        let mut url = self.endpoint.clone();
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("filter", &filter);
        let order = match question.order {
            Order::NewestFirst => Some("creation_date[desc]"),
            Order::OldestFirst => Some("creation_date[asc]"),
            Order::ById => Some("_id[asc]"),
            Order::Own => None,
        };
        order.map(|order| pairs.append_pair("sort_by", order));
        pairs
            .append_pair("page", &question.page.to_string())
            .append_pair("page_size", &question.size.max(1).to_string())
            .append_pair("include", &include.join(","));
        drop(pairs);
        url
    }

    /// Reads the answer to `question`, and checks that it is one: its documents are in the interval, in order, and match
    /// the filter.
    pub fn decode(&self, question: &Question, answer: Answer) -> Result<Page, Fault> {
        let body = answer.body.unwrap_or_default();
        let page = match &self.read {
            Read::Operators(organization) => Page::read(&body, question.size, |served: ServedOperator| {
                if served.organization().is_some_and(|other| other != organization) {
                    return Err("a bundle of another organization");
                }
                Ok(served.reduce())
            }),
            Read::PartnerImages => Page::read(&body, question.size, |served: ServedImage| {
                if served.is_uncertified() {
                    return Err("an image that is not certified");
                }
                Ok(as_certified(served.reduce()))
            }),
            Read::RedHatImages => Page::read(&body, question.size, |served: ServedImage| {
                let document = served.reduce();
                let places = if let Body::Image(image) = &document.body { &*image.repositories } else { &[] };
                if !places.iter().any(|place| &*place.registry == REDHAT_REGISTRY) {
                    return Err("an image of another registry");
                }
                // The online check takes every image of this registry as certified.
                Ok(as_certified(document))
            }),
        }?;
        page.check(question)?;
        Ok(page)
    }
}

fn as_certified(mut document: Document) -> Document {
    if let Body::Image(image) = &mut document.body {
        image.certified = true;
    }
    document
}

/// `largest`, and the sizes to fall back to.
pub fn page_sizes(largest: u32) -> Vec<u32> {
    std::iter::once(largest).chain(PAGE_SIZES.into_iter().filter(|size| *size < largest)).collect()
}

/// The URL of `path` below that of the API.
pub fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

/// Reads a page of partner images without a server, as the answer to a question for all of them.
///
/// # Errors
/// Those for which the page would be asked for again.
pub fn decode_images(body: Vec<u8>) -> Result<Vec<Document>, Fault> {
    decode_alone(|base| Collection::partner_images(base, None), body)
}

/// Reads a page of bundles of the organization `certified-operators` without a server.
///
/// # Errors
/// Those for which the page would be asked for again.
pub fn decode_operators(body: Vec<u8>) -> Result<Vec<Document>, Fault> {
    decode_alone(|base| Collection::operators(base, "certified-operators"), body)
}

fn decode_alone(collection: impl Fn(&Url) -> Collection, body: Vec<u8>) -> Result<Vec<Document>, Fault> {
    let base = Url::parse("http://localhost/").map_err(|error| Fault::Decode(error.to_string()))?;
    let question = Question {
        what: "page",
        interval: Interval::ALL,
        only: Only::All,
        order: Order::NewestFirst,
        form: DateForm::Offset,
        page: 0,
        size: PAGE_SIZES[0],
        count: false,
    };
    Ok(collection(&base).decode(&question, Answer::of(body))?.documents)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn at(text: &str) -> At {
        At::of(text.parse().unwrap())
    }

    pub fn images() -> Collection {
        Collection::partner_images(&Url::parse("http://host/api/").unwrap(), None)
    }

    pub fn question(interval: Interval) -> Question {
        let (only, order, form) = (Only::All, Order::NewestFirst, DateForm::Offset);
        Question { what: "page", interval, only, order, form, page: 0, size: 2, count: false }
    }

    /// The parts of the query of `question`'s URL: filter, order and what is included, the fields of documents apart.
    fn query(collection: &Collection, question: &Question) -> (String, String) {
        let url = collection.url(question);
        let pair = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let include = pair("include").unwrap().replace(collection.fields, "…");
        let rest = format!(
            "{} {} {} {include}",
            pair("sort_by").unwrap_or("own".into()),
            pair("page").unwrap(),
            pair("page_size").unwrap()
        );
        (pair("filter").unwrap(), rest)
    }

    #[test]
    fn the_question_for_images_has_the_form_that_is_known_to_be_fast() {
        let (low, high) = (at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:01Z"));
        let newest = question(Interval::new(At::BEGINNING, high));
        let (filter, rest) = query(&images(), &newest);
        assert_eq!(filter, "isv_pid!=null and creation_date<2026-01-01T00:00:01+00:00 and certified==true");
        assert_eq!(rest, "creation_date[desc] 0 2 …,page,page_size");
        let (filter, _) = query(&images(), &question(Interval::new(low, high)));
        assert_eq!(
            filter,
            "isv_pid!=null and creation_date<2026-01-01T00:00:01+00:00 and creation_date>=2020-01-01T00:00:00+00:00 and \
             certified==true"
        );
        assert!(images().url(&newest).as_str().starts_with("http://host/api/images?filter=isv_pid%21%3Dnull+and"));
        assert!(images().url(&newest).as_str().contains("00%3A01%2B00%3A00"), "a bare + is a blank");
    }

    #[test]
    fn questions_of_evidence() {
        let count = Question { size: 0, count: true, order: Order::Own, ..question(Interval::ALL) };
        let (filter, rest) = query(&images(), &count);
        assert_eq!(
            (filter.as_str(), rest.as_str()),
            ("isv_pid!=null and certified==true", "own 0 1 page,page_size,total")
        );
        let whole = Interval::new(At::BEGINNING, at("2026-01-01T00:00:00Z"));
        let since = Only::ChangedSince(at("2025-12-31T23:59:00Z"));
        let (filter, _) = query(&images(), &Question { only: since, ..question(whole) });
        assert_eq!(
            filter,
            "isv_pid!=null and creation_date<2026-01-01T00:00:00+00:00 and last_update_date>=2025-12-31T23:59:00+00:00 \
             and certified==true"
        );
        let undated = Question { only: Only::Undated, order: Order::OldestFirst, ..question(Interval::ALL) };
        let (filter, rest) = query(&images(), &undated);
        assert_eq!(filter, "isv_pid!=null and creation_date==null and certified==true");
        assert!(rest.starts_with("creation_date[asc]"));
        let by_id = Question { order: Order::ById, page: 3, ..question(Interval::ALL) };
        assert!(query(&images(), &by_id).1.starts_with("_id[asc] 3 2"));
    }

    #[test]
    fn other_collections() {
        let base = Url::parse("http://host/api").unwrap();
        let bundles = Collection::operators(&base, "redhat-operators");
        let numbered = Question { order: Order::Own, ..question(Interval::ALL) };
        assert_eq!(query(&bundles, &numbered).0, "organization==redhat-operators");
        assert_eq!(bundles.endpoint.as_str(), "http://host/api/operators/bundles");
        let own = Collection::redhat_images(&base, Some("2026-01-01T00:00:00.5Z".parse().unwrap()));
        assert_eq!(query(&own, &numbered).0, "isv_pid==null and repositories.registry==registry.access.redhat.com");
        assert_eq!(own.low, at("2026-01-01T00:00:00.5Z"));
        assert!(!own.must_have_documents && images().must_have_documents && !bundles.must_have_documents);
    }

    #[test]
    fn ladders_hold_every_way_and_no_page_larger_than_asked_for() {
        for collection in [images(), Collection::operators(&Url::parse("http://h").unwrap(), "x")] {
            let ladder = collection.ladder(250);
            assert_eq!(ladder[0], Rung { way: Way::Keyset(DateForm::Offset), size: 250 });
            assert!(ladder.iter().all(|rung| rung.size <= 250));
            for way in [Way::Numbers, Way::Keyset(DateForm::Zulu), Way::Keyset(DateForm::Fraction)] {
                assert!(ladder.iter().any(|rung| rung.way == way), "{ladder:?}");
            }
        }
        assert_eq!(page_sizes(500), [500, 250, 100, 50]);
        assert_eq!(page_sizes(30), [30]);
    }
}
