//! The catalog's collections, and how a part of one is asked for.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Answer, is_html};
use super::edge::Interval;
use super::retry::Fault;
use crate::catalog::document::{ApiImage, ApiOperator, Body, Document};

/// The registry of Red Hat's own images in the catalog.
const REDHAT_REGISTRY: &str = "registry.access.redhat.com";

/// What a collection holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Certified images of partners.
    PartnerImages,
    /// Red Hat's own images.
    RedHatImages,
    /// Operator bundles of one organization.
    Operators(String),
}

/// A set of documents that one filter selects.
#[derive(Debug)]
pub struct Collection {
    name: String,
    kind: Kind,
    base: Url,
    /// Conditions besides the interval, joined with `and`.
    conditions: String,
    /// Only documents entered at or after this instant.
    since: Option<Timestamp>,
    /// Requests sent for it.
    pub requests: AtomicU64,
}

/// What of an image document is asked for; the rest would be most of the bytes.
const IMAGE_FIELDS: &str = "data._id,data.creation_date,data.architecture,data.certified,data.image_id,\
    data.repositories.registry,data.repositories.repository,data.repositories.tags.name,\
    data.repositories.manifest_list_digest,data.repositories.manifest_schema2_digest";
const OPERATOR_FIELDS: &str =
    "data._id,data.creation_date,data.organization,data.csv_name,data.ocp_version,data.channel_name";

/// One page of documents.
#[derive(Debug)]
pub struct Page {
    /// The documents, newest first.
    pub documents: Vec<Document>,
    /// The page size that the server went by, where it says so.
    pub page_size: Option<u32>,
    /// How many documents the filter selects, where that was asked for.
    pub total: Option<u64>,
}

/// How the documents of a question are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Newest first, the order of the catalog's index.
    NewestFirst,
    /// By id, an order without ties, for documents of one date.
    ById,
}

/// Which part of a collection is asked for.
#[derive(Debug, Clone)]
pub struct Question {
    /// Only documents of this interval.
    pub interval: Interval,
    /// Only documents changed at or after this instant.
    pub changed_since: Option<Timestamp>,
    /// The order.
    pub order: Order,
    /// Zero-based.
    pub page: u32,
    /// Documents on a page.
    pub page_size: u32,
    /// Whether the server shall count.
    pub count: bool,
}

impl Collection {
    /// Certified images of partners.
    pub fn partner_images(base: &Url, since: Option<Timestamp>) -> Self {
        Self::new("containers", Kind::PartnerImages, base, "isv_pid!=null and certified==true".into(), since)
    }

    /// Red Hat's own images.
    pub fn redhat_images(base: &Url, since: Option<Timestamp>) -> Self {
        let conditions = format!("isv_pid==null and repositories.registry=={REDHAT_REGISTRY}");
        Self::new("redhat-images", Kind::RedHatImages, base, conditions, since)
    }

    /// Operator bundles of `organization`.
    pub fn operators(base: &Url, organization: &str) -> Self {
        let kind = Kind::Operators(organization.to_owned());
        Self::new(&format!("operators:{organization}"), kind, base, format!("organization=={organization}"), None)
    }

    fn new(name: &str, kind: Kind, base: &Url, conditions: String, since: Option<Timestamp>) -> Self {
        Self { name: name.into(), kind, base: base.clone(), conditions, since, requests: AtomicU64::new(0) }
    }

    /// Its name: `containers`, `redhat-images` or `operators:<organization>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its lower end: the beginning of time, or the instant that `--since` names.
    pub fn low(&self) -> super::edge::Edge {
        self.since.map_or(super::edge::Edge::BEGINNING, super::edge::Edge::before)
    }

    /// Whether it is empty by mistake when it is empty.
    pub fn must_have_documents(&self) -> bool {
        self.kind == Kind::PartnerImages && self.since.is_none()
    }

    /// The URL of its documents, without a query.
    pub fn endpoint(&self) -> Url {
        let mut url = self.base.clone();
        let path = match self.kind {
            Kind::PartnerImages | Kind::RedHatImages => "images",
            Kind::Operators(_) => "operators/bundles",
        };
        let joined = format!("{}/{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        url
    }

    /// The URL that asks `question`.
    pub fn url(&self, question: &Question) -> Url {
        let mut filter = self.conditions.clone();
        for condition in question.interval.conditions("creation_date") {
            filter.push_str(" and ");
            filter.push_str(&condition);
        }
        if let Some(instant) = question.changed_since {
            filter.push_str(&format!(" and last_update_date>={instant}"));
        }
        let fields = match self.kind {
            Kind::Operators(_) => OPERATOR_FIELDS,
            Kind::PartnerImages | Kind::RedHatImages => IMAGE_FIELDS,
        };
        let include = format!("{fields},page,page_size{}", if question.count { ",total" } else { "" });
        let order = match question.order {
            Order::NewestFirst => "creation_date[desc]",
            Order::ById => "_id[asc]",
        };
        let mut url = self.endpoint();
        url.query_pairs_mut()
            .append_pair("filter", &filter)
            .append_pair("sort_by", order)
            .append_pair("page", &question.page.to_string())
            .append_pair("page_size", &question.page_size.to_string())
            .append_pair("include", &include);
        url
    }

    /// Reads the answer to `question`, and makes sure that it is one: documents of the interval, in order, and such as
    /// the filter selects.
    pub fn decode(&self, question: &Question, answer: Answer) -> Result<Page, Fault> {
        let body = answer.body.unwrap_or_default();
        let page = match &self.kind {
            Kind::Operators(organization) => read(&body, |api: ApiOperator| {
                if api.organization() != Some(organization) {
                    return Err("a bundle of another organization");
                }
                Ok(api.into())
            }),
            Kind::PartnerImages => read(&body, |api: ApiImage| match Document::from(api) {
                Document { body: Body::Image(image), .. } if !image.certified => Err("an image that is not certified"),
                document => Ok(document),
            }),
            Kind::RedHatImages => read(&body, |api: ApiImage| {
                let mut document = Document::from(api);
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
        let documents = &page.documents;
        if documents.len() > question.page_size as usize {
            return Err(Fault::Disorder(format!("{} documents instead of {}", documents.len(), question.page_size)));
        }
        if let Some(stray) = documents.iter().find(|document| !question.interval.contains(document.created)) {
            return Err(Fault::Disorder(format!("a document of {}, which was not asked for", stray.created)));
        }
        if question.order == Order::NewestFirst && documents.windows(2).any(|pair| pair[0].created < pair[1].created) {
            return Err(Fault::Disorder("documents out of order".into()));
        }
        if question.count && page.total.is_none() {
            return Err(Fault::Disorder("no total".into()));
        }
        Ok(page)
    }
}

/// Reads an envelope of documents.
fn read<T: DeserializeOwned>(body: &[u8], reduce: impl Fn(T) -> Result<Document, &'static str>) -> Result<Page, Fault> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: Vec<T>,
        page_size: Option<u32>,
        total: Option<u64>,
    }
    let envelope: Envelope<T> = serde_json::from_slice(body).map_err(|error| {
        let html = is_html(body);
        if html { Fault::Html } else { Fault::Decode(crate::base::text::sanitize(&error.to_string())) }
    })?;
    let documents = envelope.data.into_iter().map(reduce).collect::<Result<_, _>>();
    let documents = documents.map_err(|what| Fault::Disorder(format!("{what}, which was not asked for")))?;
    Ok(Page { documents, page_size: envelope.page_size, total: envelope.total })
}

/// Reads a page of partner images without a server, as the answer to a question for all of them.
///
/// # Errors
/// Those for which the page would be asked for again.
pub fn decode_images(body: Vec<u8>) -> Result<Vec<Document>, Fault> {
    decode_alone(Collection::partner_images, body)
}

/// Reads a page of bundles of the organization `certified-operators` without a server.
///
/// # Errors
/// Those for which the page would be asked for again.
pub fn decode_operators(body: Vec<u8>) -> Result<Vec<Document>, Fault> {
    decode_alone(|base, _| Collection::operators(base, "certified-operators"), body)
}

fn decode_alone(
    collection: impl Fn(&Url, Option<Timestamp>) -> Collection,
    body: Vec<u8>,
) -> Result<Vec<Document>, Fault> {
    let base = Url::parse("http://localhost/").map_err(|error| Fault::Decode(error.to_string()))?;
    let question = Question {
        interval: Interval::ALL,
        changed_since: None,
        order: Order::NewestFirst,
        page: 0,
        page_size: u32::MAX,
        count: false,
    };
    Ok(collection(&base, None).decode(&question, Answer { body: Some(body), etag: None })?.documents)
}
