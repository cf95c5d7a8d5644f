//! Reads the questions of users, from the command line or from a file of another tool.
//!
//! [`parse`] takes the bytes of `check --from` in any of these forms and recognises the form by itself. JSON and YAML hold
//! the same records; several documents may follow each other, and what they hold may stand in a list or alone.
//!
//! | form | how it is told | questions |
//! |---|---|---|
//! | [`lines`] | it is neither JSON nor YAML | one a line |
//! | `oc get pods -A -o json` | objects of kind `Pod` | the containers that certsuite asks about; the others are listed |
//! | `oc get csv -A -o json` | objects of kind `ClusterServiceVersion` | each operator once |
//! | `helm ls -A -o json` | records with `chart` | the chart of every release |
//! | `crictl images -o json`, `podman images --format json` | records with digests or tags of a repository | every image |
//! | certsuite's `claim.json`, `claimjson.js` | an object with `claim` | containers, operators and charts under test |
//!
//! An input is refused whole when its form is not recognised, or when none of its lines is a question. A single record or
//! line that cannot be asked keeps its row, with the reason in place of the question, so that nothing is left out
//! silently. What holds no question because the cluster is empty is no error.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::certify::reason::MissingDigest;
use crate::certify::reference::{ImageReference, ReferenceError};

mod claim;
mod helm;
mod images;
mod input;
mod lines;
mod objects;
mod operators;
mod pods;
mod record;
mod yaml;

pub use helm::split_chart;
pub use input::InputError;
pub use lines::Unclear;
pub use pods::NotAsked;

/// One thing to look up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Question {
    /// An image.
    Image(ImageReference),
    /// An operator.
    Operator(OperatorQuestion),
    /// A Helm chart.
    Chart(ChartQuestion),
}

/// An operator by its CSV name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct OperatorQuestion {
    /// The name of its ClusterServiceVersion, such as `acme-db.v1.2.3`.
    pub csv: String,
    /// The OpenShift version as certsuite asks for it, such as `4.16`; any if there is none.
    pub ocp: Option<String>,
}

/// A chart by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ChartQuestion {
    /// The chart's name.
    pub name: String,
    /// The chart's version, exactly as the index writes it.
    pub version: String,
    /// The cluster's Kubernetes version, such as `v1.29.5`.
    pub kube: Option<String>,
}

impl Question {
    /// What kind of thing it is: `image`, `operator` or `chart`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Operator(_) => "operator",
            Self::Chart(_) => "chart",
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            Self::Operator(OperatorQuestion { csv, ocp: Some(ocp) }) => write!(f, "{csv} on OpenShift {ocp}"),
            Self::Operator(OperatorQuestion { csv, ocp: None }) => f.write_str(csv),
            Self::Chart(ChartQuestion { name, version, kube: Some(kube) }) => {
                write!(f, "{name} {version} on Kubernetes {kube}")
            }
            Self::Chart(ChartQuestion { name, version, kube: None }) => write!(f, "{name} {version}"),
        }
    }
}

/// What is known of the cluster that the questions are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Its OpenShift version, in full or cut.
    pub ocp: Option<String>,
    /// Its Kubernetes version.
    pub kube: Option<String>,
}

impl Cluster {
    /// This cluster, with what is missing taken from another description of it.
    fn or(&self, other: Self) -> Self {
        Self { ocp: self.ocp.clone().or(other.ocp), kube: self.kube.clone().or(other.kube) }
    }

    fn operator(&self, csv: &str) -> Question {
        let ocp = self.ocp.as_deref().and_then(asked_ocp);
        Question::Operator(OperatorQuestion { csv: csv.to_owned(), ocp })
    }

    fn chart(&self, name: &str, version: &str) -> Question {
        Question::Chart(ChartQuestion { name: name.to_owned(), version: version.to_owned(), kube: self.kube.clone() })
    }
}

/// The OpenShift version that certsuite asks for: what stands before the second dot, so `4.16-rc1` for `4.16-rc1.2`. None,
/// which is any, for a cluster that is not OpenShift: certsuite then writes `0.0.0` or `n/a, (non-OpenShift cluster)`.
#[must_use]
pub fn asked_ocp(version: &str) -> Option<String> {
    let version = version.trim();
    if matches!(version, "" | "0.0.0") || version.starts_with("n/a") {
        return None;
    }
    Some(version.match_indices('.').nth(1).map_or(version, |(second, _)| &version[..second]).to_owned())
}

/// The same of a version as people type it, with or without a `v`; none where it is not a version with a dot.
#[must_use]
pub fn typed_ocp(version: &str) -> Option<String> {
    let version = version.trim();
    let version = version.strip_prefix('v').unwrap_or(version);
    let (major, minor) = version.split_once('.')?;
    let is_number = !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit());
    let is_word = minor.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && minor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    (is_number && is_word).then(|| asked_ocp(version))?
}

/// The questions of one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// The rows, in the order of the input.
    pub rows: Vec<Row>,
    /// Who wrote the claim, and of which cluster, where the input is one.
    pub claim: Option<ClaimOrigin>,
    /// What was passed over, and is worth knowing.
    pub remarks: Vec<String>,
}

/// What a claim says about itself. Texts are as they stand there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClaimOrigin {
    /// The release of the suite; certsuite was called TNF before v5.
    pub suite: Option<String>,
    /// The version of the claim's form.
    pub format: Option<String>,
    /// The cluster's OpenShift version.
    pub ocp: Option<String>,
    /// The cluster's Kubernetes version.
    pub kube: Option<String>,
}

impl fmt::Display for ClaimOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.suite {
            Some(suite) => write!(f, "certsuite {suite} wrote this claim")?,
            None => f.write_str("the claim does not say which release of certsuite wrote it")?,
        }
        for (name, value) in [("format", &self.format), ("OpenShift", &self.ocp), ("Kubernetes", &self.kube)] {
            if let Some(value) = value {
                write!(f, ", {name} {value}")?;
            }
        }
        Ok(())
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where the question comes from: `line 4`, `namespace/pod/container`, `namespace/release`, `namespace/csv`.
    pub label: String,
    /// The question, or why there is none.
    pub question: Result<Question, Refused>,
    /// What certsuite does with it.
    pub standing: Standing,
}

/// What certsuite does with a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// It asks, and the verdict counts.
    #[default]
    Asked,
    /// It fails the container before it asks, since there is no digest to ask with.
    Fails(MissingDigest),
    /// It does not ask, and the row does not count.
    NotAsked(NotAsked),
}

impl Row {
    /// A question that certsuite asks.
    #[must_use]
    pub fn asked(question: Question) -> Self {
        Self::new(String::new(), Ok(question))
    }

    fn new(label: String, question: Result<Question, Refused>) -> Self {
        Self { label, question, standing: Standing::Asked }
    }
}

/// Why a row has no question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The image reference cannot be looked up.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A line whose question is not clear.
    #[error("`{line}` {why}")]
    Unclear {
        /// The line, without control characters.
        line: String,
        /// Why.
        why: Unclear,
    },
    /// A line that names its kind, but has too few or too many words for it.
    #[error("`{line}` has the wrong number of words; hint: write {usage}")]
    Usage {
        /// The line, without control characters.
        line: String,
        /// How such a line is written.
        usage: &'static str,
    },
    /// The chart of a release cannot be cut into name and version.
    #[error("`{chart}` does not end in a chart's version; hint: ask for it with `check chart NAME VERSION`")]
    Chart {
        /// The field as Helm prints it.
        chart: String,
    },
    /// A record lacks the field that names the thing.
    #[error("the record has no {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// The claim gives another container's status with this one.
    #[error(
        "the claim does not tell this container's digest: the status with it is that of `{other}`; hint: ask with `oc get pods -A -o json`"
    )]
    OtherStatus {
        /// The name of that container, without control characters.
        other: String,
    },
}

/// Reads the questions of an input. What `given` says of the cluster goes before what the input itself says. With
/// `all_containers` the containers that certsuite does not ask about are asked too.
///
/// # Errors
/// When the form is not recognised, or the input holds nothing that could be a question.
pub fn parse(input: &[u8], given: &Cluster, all_containers: bool) -> Result<Questions, InputError> {
    let text = input::text(input)?;
    match input::form(&text)? {
        input::Form::Lines => lines::parse(&text, given),
        input::Form::Json(text) => objects::parse(input::json(text)?, given, all_containers),
        input::Form::Yaml => objects::parse(input::yaml(&text)?, given, all_containers),
    }
}

/// Joins what is there of a row's label.
fn label(parts: &[Option<&str>]) -> String {
    let parts: Vec<&str> = parts.iter().flatten().copied().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests;
