//! The verdicts of certsuite, as pure functions over a catalog.
//!
//! [`reader`] answers as certsuite's offline reader does on a folder in the TNF layout, [`online`] as its online check
//! would on the same data, and [`compare`] gives both and says why they differ.
//!
//! # Rules of the offline reader
//!
//! Taken from the reader's behaviour (package `certdb/offlinecheck`) and held against thousands of its recorded
//! verdicts.
//!
//! **Images.** `registry.redhat.io` is looked up as `registry.access.redhat.com`. With a digest only the digest counts:
//! it is certified when it is a key of `containers.db`, whatever the registry, the repository, the tag and the entry's
//! own `certified` say. Without one, some entry must have the tag in exactly that registry and repository; without a
//! tag, `latest` is asked for.
//!
//! **Operators.** A CSV name is cut at its first dot into name and version (see [`split_csv`] for the odd cases). A
//! bundle whose CSV name has no dot is dropped when the pages are read; the CSV name that is asked for need not have one
//! and then has an empty version. Certified is what some bundle has under the same name, the same version and the same
//! OpenShift version; an empty OpenShift version in the question matches every bundle. Channels do not count.
//!
//! **Charts.** All entries of the index count by their own `name` and `version`, not by the key of the list they stand
//! in. An entry without `kubeVersion` is certified at once. Otherwise the cluster's version must satisfy it
//! ([`crate::certify::constraint`]), else the next entry is tried. A constraint or a version that does not parse crashes the
//! reader. The entries of one list are tried in their order, the lists in no order at all, so where one list would
//! certify and another crash, the outcome is a matter of luck and is reported as a crash.

use std::borrow::Cow;
use std::fmt;

use crate::certify::constraint::{Constraint, SemverCrash, satisfies};
use crate::certify::questions::{ChartQuestion, OperatorQuestion, Question};
use crate::certify::reference::ImageReference;

mod online;
mod reason;

pub use online::{Comparison, Difference, compare, online};
pub use reason::{Cause, Place, Proof};

/// The tag that is asked for where none was given.
pub const DEFAULT_TAG: &str = "latest";

/// What the verdicts need to know of a catalog.
///
/// Every method is one look-up of exact text, so an index on disk can answer each with one range of one table. None
/// of the rules above are the implementer's, except where a method says so.
pub trait Lookup {
    /// Why a look-up failed, as opposed to finding nothing.
    type Error;

    /// What `containers.db` says of a digest that may be one of its keys.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn digest(&self, digest: &str) -> Result<Listing, Self::Error>;

    /// The best listing among the images that have the tag in this repository of this registry.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn tag(&self, registry: &str, repository: &str, tag: &str) -> Result<Listing, Self::Error>;

    /// The best listing among all images of this repository of this registry, tagged or not.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn repository(&self, registry: &str, repository: &str) -> Result<Listing, Self::Error>;

    /// All bundles whose CSV name, up to its first dot or whole where it has none, is `name`
    /// (see [`operator_name`]), in any order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn operators(&self, name: &str) -> Result<Vec<Bundle<'_>>, Self::Error>;

    /// All entries of the chart index whose own `name` is `name`, those of one list together and in their order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    fn charts(&self, name: &str) -> Result<Vec<ChartEntry<'_>>, Self::Error>;
}

/// Whether something stands in the catalog, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listing {
    /// It is not there.
    Absent,
    /// It is there, but neither marked certified nor one of Red Hat's own images. Tools other than this one write such
    /// entries; only the online check looks at the mark.
    Uncertified,
    /// It is there and marked `certified`, or it stands in one of Red Hat's registries ([`is_red_hat_registry`]).
    Certified,
}

/// An operator bundle in the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// Its CSV name.
    pub csv: Cow<'a, str>,
    /// The OpenShift version, such as `4.16`, for which it is listed.
    pub ocp: Cow<'a, str>,
}

/// An entry of the chart index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartEntry<'a> {
    /// The key of the list in which it stands, which need not be its name.
    pub list: Cow<'a, str>,
    /// Its `version`, as the text that stands in the index.
    pub version: Cow<'a, str>,
    /// Its `kubeVersion`, as the text that stands in the index; empty where it is absent, null or empty.
    pub kube_version: Cow<'a, str>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Certified, and by what.
    Certified(Proof),
    /// Not certified, and why.
    NotCertified(Cause),
}

impl Verdict {
    /// Whether the answer is yes.
    #[must_use]
    pub fn certified(&self) -> bool {
        matches!(self, Self::Certified(_))
    }

    /// A stable word for the reason, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certified(proof) => proof.code(),
            Self::NotCertified(cause) => cause.code(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certified(proof) => proof.fmt(f),
            Self::NotCertified(cause) => cause.fmt(f),
        }
    }
}

/// Cuts a CSV name into operator name and version, as the reader does.
///
/// The name ends at the first dot. The version is what follows, but only up to a further occurrence of name and dot:
/// `ab.v1.ab.2` has the version `v1.`. Without a dot the version is empty.
///
/// ```
/// # use oct::certify::verdict::split_csv;
/// assert_eq!(split_csv("acme-db.v1.2.3"), ("acme-db", "v1.2.3"));
/// assert_eq!(split_csv("acme-db"), ("acme-db", ""));
/// ```
#[must_use]
pub fn split_csv(csv: &str) -> (&str, &str) {
    let Some(dot) = csv.find('.') else {
        return (csv, "");
    };
    let (name_and_dot, rest) = csv.split_at(dot + 1);
    let version = rest.find(name_and_dot).map_or(rest, |end| &rest[..end]);
    (&csv[..dot], version)
}

/// The name under which [`Lookup::operators`] finds a bundle.
#[must_use]
pub fn operator_name(csv: &str) -> &str {
    split_csv(csv).0
}

/// The registry under which the catalog lists what is asked for under `registry`.
#[must_use]
pub fn catalog_registry(registry: &str) -> &str {
    match registry {
        "registry.redhat.io" => "registry.access.redhat.com",
        other => other,
    }
}

/// Whether the registry holds only Red Hat's own images, which the online check counts as certified without the mark.
#[must_use]
pub fn is_red_hat_registry(registry: &str) -> bool {
    catalog_registry(registry) == "registry.access.redhat.com"
}

/// The verdict of certsuite's offline reader.
///
/// # Errors
/// When a look-up fails.
pub fn reader<L: Lookup + ?Sized>(catalog: &L, question: &Question) -> Result<Verdict, L::Error> {
    match question {
        Question::Image(image) => reader_image(catalog, image),
        Question::Operator(operator) => reader_operator(catalog, operator),
        Question::Chart(chart) => chart_verdict(catalog, chart),
    }
}

/// A text that was given, where an empty one counts as none.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn reader_image<L: Lookup + ?Sized>(catalog: &L, image: &ImageReference) -> Result<Verdict, L::Error> {
    if let Some(digest) = given(image.digest.as_deref()) {
        let digest = digest.to_owned();
        return Ok(match catalog.digest(&digest)? {
            Listing::Absent => Verdict::NotCertified(Cause::NoDigest { digest }),
            Listing::Uncertified | Listing::Certified => Verdict::Certified(Proof::Digest { digest }),
        });
    }
    let place = Place::of(image);
    let tag = given(image.tag.as_deref());
    let defaulted = tag.is_none();
    let tag = tag.unwrap_or(DEFAULT_TAG);
    match catalog.tag(&place.registry, &place.repository, tag)? {
        Listing::Absent => Ok(Verdict::NotCertified(missing_tag(catalog, place, tag, defaulted)?)),
        Listing::Uncertified | Listing::Certified => {
            Ok(Verdict::Certified(Proof::Tag { place, tag: tag.to_owned(), defaulted }))
        }
    }
}

fn missing_tag<L: Lookup + ?Sized>(catalog: &L, place: Place, tag: &str, defaulted: bool) -> Result<Cause, L::Error> {
    let tag = tag.to_owned();
    Ok(match catalog.repository(&place.registry, &place.repository)? {
        Listing::Absent => Cause::NoRepository { place },
        Listing::Uncertified | Listing::Certified => Cause::NoTag { place, tag, defaulted },
    })
}

fn reader_operator<L: Lookup + ?Sized>(catalog: &L, question: &OperatorQuestion) -> Result<Verdict, L::Error> {
    let (name, version) = split_csv(&question.csv);
    let bundles = catalog.operators(name)?;
    let read = bundles.iter().filter(|bundle| bundle.csv.contains('.'));
    let same_version = read.filter(|bundle| split_csv(&bundle.csv).1 == version);
    Ok(operator_verdict(question, name, !bundles.is_empty(), same_version))
}

/// The verdict on an operator, when the bundles that match it but for the OpenShift version are known.
fn operator_verdict<'a>(
    question: &OperatorQuestion,
    name: &str,
    name_known: bool,
    matching: impl Iterator<Item = &'a Bundle<'a>>,
) -> Verdict {
    let asked = given(question.ocp.as_deref());
    let mut listed: Vec<String> = Vec::new();
    for bundle in matching {
        if asked.is_none_or(|ocp| ocp == bundle.ocp) {
            return Verdict::Certified(Proof::Operator {
                csv: bundle.csv.clone().into_owned(),
                ocp: asked.map(str::to_owned),
            });
        }
        listed.push(bundle.ocp.clone().into_owned());
    }
    let csv = question.csv.clone();
    Verdict::NotCertified(match asked {
        Some(ocp) if !listed.is_empty() => {
            listed.sort_by(|left, right| by_numbers(left).cmp(&by_numbers(right)));
            listed.dedup();
            Cause::OtherOcp { csv, ocp: ocp.to_owned(), listed }
        }
        _ if !name_known => Cause::NoOperator { name: name.to_owned() },
        _ if !csv.contains('.') => Cause::CsvWithoutDot { csv },
        _ => Cause::NoOperatorVersion { csv },
    })
}

/// Sorts `4.9` before `4.10`.
fn by_numbers(ocp: &str) -> (Vec<u64>, &str) {
    (ocp.split('.').map(|part| part.parse().unwrap_or(u64::MAX)).collect(), ocp)
}

/// What trying the entries of one list comes to.
enum Outcome {
    Certified(Proof),
    Unsatisfied(String),
    KubeMissing(String),
    Crash(SemverCrash),
}

/// The verdict on a chart; the online check runs the same code on the index as served.
fn chart_verdict<L: Lookup + ?Sized>(catalog: &L, question: &ChartQuestion) -> Result<Verdict, L::Error> {
    let entries = catalog.charts(&question.name)?;
    let (name, version) = (question.name.clone(), question.version.clone());
    let asked: Vec<_> = entries.iter().filter(|entry| entry.version == question.version).collect();
    let outcomes: Vec<_> =
        asked.chunk_by(|left, right| left.list == right.list).map(|list| try_list(question, list)).collect();

    let lucky = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Certified(_)));
    let worst = outcomes.into_iter().max_by_key(|outcome| match outcome {
        Outcome::Unsatisfied(_) => 0,
        Outcome::KubeMissing(_) => 1,
        Outcome::Certified(_) => 2,
        Outcome::Crash(_) => 3,
    });
    Ok(match worst {
        Some(Outcome::Certified(proof)) => Verdict::Certified(proof),
        Some(Outcome::Crash(crash)) => Verdict::NotCertified(Cause::ReaderCrash { name, version, crash, lucky }),
        Some(Outcome::KubeMissing(constraint)) => {
            Verdict::NotCertified(Cause::KubeVersionNeeded { name, version, constraint })
        }
        Some(Outcome::Unsatisfied(constraint)) => {
            let kube = question.kube.clone().unwrap_or_default();
            Verdict::NotCertified(Cause::KubeVersion { name, version, constraint, kube })
        }
        None if entries.is_empty() => Verdict::NotCertified(Cause::NoChart { name }),
        None => Verdict::NotCertified(Cause::NoChartVersion { name, version }),
    })
}

/// Tries the entries of one list, all of the asked name and version, until one decides.
fn try_list(question: &ChartQuestion, list: &[&ChartEntry<'_>]) -> Outcome {
    let proof = |constraint| {
        Outcome::Certified(Proof::Chart { name: question.name.clone(), version: question.version.clone(), constraint })
    };
    let mut last = Outcome::Unsatisfied(String::new());
    for entry in list {
        let constraint = entry.kube_version.as_ref();
        if constraint.is_empty() {
            return proof(None);
        }
        let Some(kube) = question.kube.as_deref() else {
            if let Err(error) = Constraint::parse(constraint) {
                return Outcome::Crash(error.into());
            }
            last = Outcome::KubeMissing(constraint.to_owned());
            continue;
        };
        match satisfies(constraint, kube) {
            Ok(true) => return proof(Some(constraint.to_owned())),
            Ok(false) => last = Outcome::Unsatisfied(constraint.to_owned()),
            Err(crash) => return Outcome::Crash(crash),
        }
    }
    last
}

#[cfg(test)]
mod tests;
