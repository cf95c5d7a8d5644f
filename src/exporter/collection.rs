//! The catalog's collections, each described by a value: what it is called, where it is asked for, by which conditions,
//! which fields, and how its answers are read.

use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::at::{At, DateForm, Interval};
use super::client::{Answer, is_html};
use super::document::{Body, Document, Served, ServedImage, ServedOperator};
use super::limits;
use super::retry::Fault;
use crate::base::text::sanitize;

/// The registry of Red Hat's own images in the catalog.
const REDHAT_REGISTRY: &str = "registry.access.redhat.com";

/// What of an image document is asked for; the rest would be most of the bytes.
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
    /// Whether it is empty by mistake when it is empty.
    pub must_have_documents: bool,
    /// Conditions that lead the filter, so that a question has the form of public clients word for word.
    leading: String,
    /// Conditions behind those on dates.
    trailing: &'static str,
    fields: &'static str,
    read: Read,
    /// Page numbers come before smaller pages: for a collection whose known form they are.
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

/// How the documents of a question are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first, the order of the catalog's index.
    NewestFirst,
    /// Oldest first: what has no date comes before all others.
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

/// Which part of a collection is asked for.
#[derive(Debug, Clone)]
pub struct Question {
    /// What it is for, in a log line.
    pub what: &'static str,
    /// Only documents of this interval.
    pub interval: Interval,
    /// And of these only some.
    pub only: Only,
    /// The order.
    pub order: Order,
    /// How dates are written.
    pub form: DateForm,
    /// Zero-based.
    pub page: u32,
    /// Documents on a page; 0 asks for no documents.
    pub size: u32,
    /// Whether the server shall count.
    pub count: bool,
}

/// One page of documents.
#[derive(Debug)]
pub struct Page {
    /// The documents, in the order of the question.
    pub documents: Vec<Document>,
    /// The page size that the server went by, where it says so.
    pub size: Option<u32>,
    /// How many documents the filter selects, where that was asked for.
    pub total: Option<u64>,
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

    /// Whether a listing by page number needs no condition on dates: for a collection whose known form that is.
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

    /// Reads the answer to `question`, and makes sure that it is one: documents of the interval, in order, and such as
    /// the filter selects.
    pub fn decode(&self, question: &Question, answer: Answer) -> Result<Page, Fault> {
        let body = answer.body.unwrap_or_default();
        let page = match &self.read {
            Read::Operators(organization) => read(&body, question.size, |served: ServedOperator| {
                if served.organization() != Some(organization) {
                    return Err("a bundle of another organization");
                }
                Ok(served.reduce())
            }),
            Read::PartnerImages => read(&body, question.size, |served: ServedImage| match served.reduce() {
                Document { body: Body::Image(image), .. } if !image.certified => Err("an image that is not certified"),
                document => Ok(document),
            }),
            Read::RedHatImages => read(&body, question.size, |served: ServedImage| {
                let mut document = served.reduce();
                if let Body::Image(image) = &mut document.body {
                    if !image.repositories.iter().any(|place| &*place.registry == REDHAT_REGISTRY) {
                        return Err("an image of another registry");
                    }
                    // The online check takes whatever lies in this registry as certified.
                    image.certified = true;
                }
                Ok(document)
            }),
        }?;
        fits(question, &page)?;
        Ok(page)
    }
}

/// `largest`, and the sizes to fall back to.
pub fn page_sizes(largest: u32) -> Vec<u32> {
    std::iter::once(largest).chain(PAGE_SIZES.into_iter().filter(|size| *size < largest)).collect()
}

fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

/// Whether `page` can be the answer to `question`.
fn fits(question: &Question, page: &Page) -> Result<(), Fault> {
    let disorder = |what: String| Err(Fault::Disorder(what));
    let documents = &page.documents;
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
    if question.count && page.total.is_none() {
        return disorder("no total".into());
    }
    Ok(())
}

/// Reads an envelope of at most `size` documents.
fn read<T: Served>(
    body: &[u8],
    size: u32,
    reduce: impl Fn(T) -> Result<Document, &'static str>,
) -> Result<Page, Fault> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: Option<Vec<T>>,
        page_size: Option<u32>,
        total: Option<u64>,
    }
    if is_html(body) {
        return Err(Fault::Html);
    }
    // Each value but the first of its list or object stands behind one of these; in strings they only add.
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
    let allowed = limits::VALUES_PER_DOCUMENT * (size as usize + 1);
    if values > allowed {
        return Err(Fault::TooMany(values as u64, allowed as u64));
    }
    let envelope: Envelope<T> =
        serde_json::from_slice(body).map_err(|error| Fault::Decode(sanitize(&error.to_string())))?;
    if size > 0 && envelope.data.is_none() {
        return Err(Fault::Disorder("no data".into()));
    }
    let documents = envelope.data.into_iter().flatten().map(reduce).collect::<Result<_, _>>();
    let documents = documents.map_err(|what| Fault::Disorder(format!("{what}, which was not asked for")))?;
    Ok(Page { documents, size: envelope.page_size.filter(|size| *size > 0), total: envelope.total })
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
