//! The verdicts of certsuite's online check, from the same catalog.
//!
//! # Rules of the online check
//!
//! Taken from the behaviour of the package `certdb/onlinecheck`, which asks the catalog's API and the live chart index.
//!
//! **Images.** Registries are mapped as in the offline rules. With a digest, only the digest counts here too: an image
//! whose `image_id` it is, or else one that has it as the `manifest_list_digest` of a repository, must be certified or
//! stand in a registry of Red Hat's own. A folder does not tell the kinds of digests apart, so every key counts, also a
//! `manifest_schema2_digest`, for which the API is not asked. Without a digest, an image under the given tag of that
//! repository must be certified; with neither, any image of the repository will do, where the offline reader asks for
//! the tag `latest`.
//!
//! **Operators.** The API is asked for exactly the given CSV name in `certified-operators` and in `redhat-operators`;
//! the OpenShift version counts as in the offline rules. A folder does not tell the organizations apart, so it must
//! hold these two and no other.
//!
//! **Charts.** The online check fetches the index and then runs the offline rules on it, crashes included, so it never
//! differs on the same index.

use thiserror::Error;

use super::lookup::{Listing, Lookup};
use super::offline::{self, chart_verdict, given, missing_tag, operator_name, operator_verdict};
use super::questions::{OperatorQuestion, Question, Row, Standing};
use super::reason::{Cause, Place, Proof, Verdict, name_of};
use super::reference::ImageReference;

/// Both verdicts on one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the offline reader says.
    pub offline: Verdict,
    /// What the online check would say.
    pub online: Verdict,
    /// Why the two differ, where one says yes and the other no.
    pub difference: Option<Difference>,
}

/// Why the offline reader and the online check say different things of the same catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Difference {
    /// Neither tag nor digest was given.
    #[error(
        "without a tag the online check takes any certified image of the repository, the offline reader only the tag latest"
    )]
    NoTag,
    /// The image is listed without the mark.
    #[error("the online check wants the image marked certified, the offline reader only wants it listed")]
    Uncertified,
    /// An entry of the folder is null.
    #[error("an entry without data crashes the offline reader only")]
    NullImage,
    /// The CSV name has no dot.
    #[error("the offline reader drops bundles whose CSV name has no dot")]
    CsvWithoutDot,
    /// Another CSV name compares equal offline.
    #[error(
        "the offline reader cuts the version where the operator's name occurs again, so it took another CSV for this one"
    )]
    CsvCut,
}

impl Difference {
    /// A stable word for the difference, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTag => "no-tag",
            Self::Uncertified => "uncertified",
            Self::NullImage => "null-image",
            Self::CsvWithoutDot => "csv-without-dot",
            Self::CsvCut => "csv-cut",
        }
    }
}

/// The verdict that certsuite's online check would give, were this catalog the live one.
#[must_use]
pub fn verdict(catalog: &Lookup, question: &Question) -> Verdict {
    match question {
        Question::Image(image) => image_verdict(catalog, image),
        Question::Operator(operator) => online_operator(catalog, operator),
        Question::Chart(chart) => chart_verdict(catalog, chart),
    }
}

/// Both verdicts on the question of a row, and why they differ where they do; none where the row has no question.
#[must_use]
pub fn compare(catalog: &Lookup, row: &Row) -> Option<Comparison> {
    let question = row.question.as_ref().ok()?;
    if let Standing::Fails(missing) = &row.standing {
        // certsuite looks for the digest before it chooses between folder and catalog.
        let verdict = Verdict::NotCertified(Cause::MissingDigest(missing.clone()));
        return Some(Comparison { offline: verdict.clone(), online: verdict, difference: None });
    }
    let (offline, online) = (offline::verdict(catalog, question), verdict(catalog, question));
    let difference = match (&offline, online.certified(), question) {
        (Verdict::NotCertified(Cause::NullImage { .. }), true, _) => Some(Difference::NullImage),
        (Verdict::NotCertified(_), true, Question::Image(_)) => Some(Difference::NoTag),
        (Verdict::Certified(_), false, Question::Image(_)) => Some(Difference::Uncertified),
        (Verdict::NotCertified(_), true, Question::Operator(_)) => Some(Difference::CsvWithoutDot),
        (Verdict::Certified(_), false, Question::Operator(_)) => Some(Difference::CsvCut),
        _ => None,
    };
    Some(Comparison { offline, online, difference })
}

fn image_verdict(catalog: &Lookup, image: &ImageReference) -> Verdict {
    let (digest, tag) = (given(image.digest.as_deref()), given(image.tag.as_deref()));
    let place = Place::of(image);
    let listing = match (digest, tag) {
        (Some(digest), _) => catalog.digest(digest),
        (None, Some(tag)) => catalog.tag(&place.registry, &place.repository, tag),
        (None, None) => catalog.repository(&place.registry, &place.repository),
    };
    match (listing, digest, tag) {
        (Listing::Certified, Some(digest), _) => Verdict::Certified(Proof::Digest { digest: digest.to_owned() }),
        (Listing::Certified, None, Some(tag)) => {
            Verdict::Certified(Proof::Tag { place, tag: tag.to_owned(), defaulted: false })
        }
        (Listing::Certified, None, None) => Verdict::Certified(Proof::Repository { place }),
        (Listing::Uncertified, ..) => Verdict::NotCertified(Cause::Uncertified { what: name_of(image) }),
        (Listing::Absent, Some(digest), _) => Verdict::NotCertified(Cause::NoDigest { digest: digest.to_owned() }),
        (Listing::Absent, None, Some(tag)) => Verdict::NotCertified(missing_tag(catalog, place, tag, false)),
        (Listing::Absent, None, None) => Verdict::NotCertified(Cause::NoRepository { place }),
    }
}

fn online_operator(catalog: &Lookup, question: &OperatorQuestion) -> Verdict {
    let name = operator_name(&question.csv);
    let same = catalog.operators(name).filter(|bundle| bundle.csv == question.csv);
    operator_verdict(question, name, catalog.operators(name).next().is_some(), same)
}
