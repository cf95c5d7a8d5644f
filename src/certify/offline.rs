//! The verdicts of certsuite's offline reader on a folder in the TNF layout.
//!
//! # Rules of the offline reader
//!
//! Taken from the reader's behaviour (package `certdb/offlinecheck`) and held against thousands of its recorded
//! verdicts.
//!
//! **Images.** `registry.redhat.io` is looked up as `registry.access.redhat.com`. With a digest only the digest counts:
//! it is certified when it is a key of `containers.db`, whatever the registry, the repository, the tag and the entry's
//! own `certified` say. Without one, some entry must have the tag in exactly that registry and repository; without a
//! tag, `latest` is asked for. An entry that is null crashes the reader when it looks for a tag, unless it meets one with
//! the tag first.
//!
//! **Operators.** A CSV name is cut at its first dot into name and version (see [`split_csv`] for the odd cases). A
//! bundle whose CSV name has no dot is dropped when the pages are read; the CSV name that is asked for need not have
//! one and then has an empty version. An operator is certified if some bundle has the same name, version and OpenShift
//! version; an empty OpenShift version in the question matches every bundle. Channels do not count.
//!
//! **Charts.** All entries of the index count by their own `name` and `version`, not by the key of the list they stand
//! in. An entry without `kubeVersion` is certified at once. Otherwise the cluster's version must satisfy it
//! ([`crate::certify::constraint`]), else the next entry is tried. A constraint or a version that does not parse crashes the
//! reader. The entries of one list are tried in their order, the lists in no order at all, so where one list would
//! certify and another crash, the outcome is a matter of luck and is reported as a crash.

use super::constraint::{Constraint, SemverCrash, satisfies};
use super::lookup::{Bundle, ChartEntry, Listing, Lookup};
use super::questions::{ChartQuestion, OperatorQuestion, Question};
use super::reason::{Cause, Place, Proof, Verdict};
use super::reference::ImageReference;
use crate::base::text::sanitize;

/// The tag that is asked for if none was given.
pub const DEFAULT_TAG: &str = "latest";

/// Cuts a CSV name into operator name and version, as the reader does.
///
/// The name ends at the first dot. The version is what follows, but only up to a further occurrence of name and dot:
/// `ab.v1.ab.2` has the version `v1.`. Without a dot the version is empty.
///
/// ```
/// # use oct::certify::offline::split_csv;
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
#[must_use]
pub fn verdict(catalog: &Lookup, question: &Question) -> Verdict {
    match question {
        Question::Image(image) => image_verdict(catalog, image),
        Question::Operator(operator) => offline_operator(catalog, operator),
        Question::Chart(chart) => chart_verdict(catalog, chart),
    }
}

/// A text that was given, where an empty one counts as none.
pub(super) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn image_verdict(catalog: &Lookup, image: &ImageReference) -> Verdict {
    if let Some(digest) = given(image.digest.as_deref()) {
        let is_listed = catalog.digest(digest) > Listing::Absent;
        let digest = digest.to_owned();
        return if is_listed {
            Verdict::Certified(Proof::Digest { digest })
        } else {
            Verdict::NotCertified(Cause::NoDigest { digest })
        };
    }
    let place = Place::of(image);
    let tag = given(image.tag.as_deref());
    let defaulted = tag.is_none();
    let tag = tag.unwrap_or(DEFAULT_TAG);
    let is_listed = catalog.tag(&place.registry, &place.repository, tag) > Listing::Absent;
    if let Some(key) = catalog.null_entry() {
        return Verdict::NotCertified(Cause::NullImage { key: sanitize(key), lucky: is_listed });
    }
    if is_listed {
        return Verdict::Certified(Proof::Tag { place, tag: tag.to_owned(), defaulted });
    }
    Verdict::NotCertified(missing_tag(catalog, place, tag, defaulted))
}

/// Why an image with a tag is not found.
pub(super) fn missing_tag(catalog: &Lookup, place: Place, tag: &str, defaulted: bool) -> Cause {
    match catalog.repository(&place.registry, &place.repository) {
        Listing::Absent => Cause::NoRepository { place },
        Listing::Uncertified | Listing::Certified => Cause::NoTag { place, tag: tag.to_owned(), defaulted },
    }
}

fn offline_operator(catalog: &Lookup, question: &OperatorQuestion) -> Verdict {
    let (name, version) = split_csv(&question.csv);
    let read = catalog.operators(name).filter(|bundle| bundle.csv.contains('.'));
    let same_version = read.filter(|bundle| split_csv(&bundle.csv).1 == version);
    operator_verdict(question, name, catalog.operators(name).next().is_some(), same_version)
}

/// The verdict on an operator, when the bundles that match it but for the OpenShift version are known.
pub(super) fn operator_verdict<'a>(
    question: &OperatorQuestion,
    name: &str,
    name_known: bool,
    matching: impl Iterator<Item = &'a Bundle>,
) -> Verdict {
    let asked = given(question.ocp.as_deref());
    let mut listed: Vec<String> = Vec::new();
    for bundle in matching {
        if asked.is_none_or(|ocp| ocp == bundle.ocp) {
            return Verdict::Certified(Proof::Operator { csv: bundle.csv.clone(), ocp: asked.map(str::to_owned) });
        }
        listed.push(bundle.ocp.clone());
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
pub(super) fn chart_verdict(catalog: &Lookup, question: &ChartQuestion) -> Verdict {
    let entries = catalog.charts(&question.name);
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
    match worst {
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
    }
}

/// Tries the entries of one list, all of the asked name and version, until one decides.
fn try_list(question: &ChartQuestion, list: &[&ChartEntry]) -> Outcome {
    let proof = |constraint| {
        Outcome::Certified(Proof::Chart { name: question.name.clone(), version: question.version.clone(), constraint })
    };
    let mut last = Outcome::Unsatisfied(String::new());
    for entry in list {
        let constraint = entry.kube_version.as_str();
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
