//! What people ask, one by one and out of the files they have at hand.
//!
//! [`parse`] takes the text of `check --from` in any of these forms and recognises the form by itself:
//!
//! | form | how it is told | questions |
//! |---|---|---|
//! | lines | it does not begin with `{` or `[` | one a line, see [`lines`](self#lines) |
//! | `oc get pods -A -o json` | an object with `items`, or a single pod | every container of every pod |
//! | `helm ls -A -o json` | an array | the chart of every release |
//! | certsuite's `claim.json` | an object with `claim` | containers, operators and charts under test |
//!
//! A file is refused whole only when its form cannot be read. A single image or line that cannot be asked keeps its
//! row, with the reason in place of the question, so that nothing is left out silently.
//!
//! # Lines
//!
//! ```text
//! # a comment; empty lines are skipped too
//! image REFERENCE
//! operator CSV [OCP]
//! chart NAME VERSION [KUBE]
//! ```
//!
//! The first word may be left out: a first word with `/`, `@` or `://` in it, or a single word with a `:`, is an image;
//! otherwise a single word with a dot is an operator, as are two words of which the first has a dot; two or three
//! words are a chart. What a line does not give comes from [`Cluster`].

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use crate::base::text::sanitize;
use crate::certify::reference::{ImageReference, ReferenceError};

mod claim;
mod helm;
mod pods;

pub use helm::split_chart;

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
    /// Major and minor OpenShift version, such as `4.16`; any where there is none.
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
    /// Its OpenShift version; only major and minor are asked for.
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
        let ocp = self.ocp.as_deref().and_then(minor_ocp);
        Question::Operator(OperatorQuestion { csv: csv.to_owned(), ocp })
    }

    fn chart(&self, name: &str, version: &str) -> Question {
        Question::Chart(ChartQuestion { name: name.to_owned(), version: version.to_owned(), kube: self.kube.clone() })
    }
}

/// Major and minor of an OpenShift version, which is what certsuite asks for; none for `0.0.0`, which it writes for a
/// cluster that is no OpenShift, and for text that is no version at all.
#[must_use]
pub fn minor_ocp(version: &str) -> Option<String> {
    let version = version.trim();
    let mut parts = version.strip_prefix('v').unwrap_or(version).splitn(3, '.');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match (parts.next(), parts.next()) {
        (Some("0"), _) => None,
        (Some(major), Some(minor)) if is_number(major) && is_number(minor) => Some(format!("{major}.{minor}")),
        _ => None,
    }
}

/// The form in which questions came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One question a line.
    Lines,
    /// Pods, as Kubernetes writes them.
    Pods,
    /// Helm releases.
    Releases,
    /// A certsuite claim.
    Claim,
}

/// The questions of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// The form that was recognised.
    pub form: Form,
    /// The rows, in the order of the input.
    pub rows: Vec<Row>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where the question comes from: `line 4`, `namespace/pod/container`, `namespace/release`, `namespace/csv`.
    pub label: String,
    /// The question, or why there is none.
    pub question: Result<Question, Refused>,
    /// What the verdict alone does not tell.
    pub note: Option<Note>,
}

impl Row {
    fn new(label: String, question: Result<Question, Refused>) -> Self {
        Self { label, question, note: None }
    }
}

/// What a row tells beside its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Note {
    /// certsuite takes digests from the pod's status only.
    #[error("the pod's status has no digest; certsuite fails such a container whatever the catalog says")]
    NoStatusDigest,
}

/// Why a row has no question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The image reference cannot be looked up.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A line of which nobody can tell what it asks.
    #[error("`{line}` could be anything; hint: begin the line with image, operator or chart")]
    Unclear {
        /// The line.
        line: String,
    },
    /// A line that names its kind, but has too few or too many words for it.
    #[error("`{line}` does not fit; hint: write {usage}")]
    Usage {
        /// The line.
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
}

/// Why an input cannot be read at all.
#[derive(Debug, Error)]
pub enum InputError {
    /// It holds no question.
    #[error("the input holds no question")]
    Empty,
    /// It begins as JSON does and is none, or not in the shape that its beginning promises.
    #[error("the input begins like JSON, but cannot be read as pods, Helm releases or a claim")]
    Json(#[from] serde_json::Error),
    /// It is JSON of some other kind.
    #[error(
        "the JSON has no pods, no Helm releases and no claim; hint: make it with `oc get pods -A -o json` or `helm ls -A -o json`, or give a claim.json"
    )]
    OtherJson,
}

/// Reads the questions of a text. What `given` says of the cluster goes before what the text itself says.
///
/// # Errors
/// When the form is not recognised, or the text holds no question.
pub fn parse(text: &str, given: &Cluster) -> Result<Questions, InputError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let (form, rows) = match text.chars().next() {
        None => return Err(InputError::Empty),
        Some('{') => claim::parse_object(text, given)?,
        Some('[') => (Form::Releases, helm::parse(text, given)?),
        Some(_) => (Form::Lines, parse_lines(text, given)),
    };
    if rows.is_empty() {
        return Err(InputError::Empty);
    }
    Ok(Questions { form, rows })
}

fn parse_lines(text: &str, cluster: &Cluster) -> Vec<Row> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Row::new(format!("line {number}"), parse_line(line, cluster)))
        .collect()
}

fn parse_line(line: &str, cluster: &Cluster) -> Result<Question, Refused> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["image", rest @ ..] => image_line(line, rest),
        ["operator", rest @ ..] => operator_line(line, rest, cluster),
        ["chart", rest @ ..] => chart_line(line, rest, cluster),
        [first, ..] if first.contains(['/', '@']) => image_line(line, &words),
        [word] if word.contains(':') => image_line(line, &words),
        [word] if word.contains('.') => operator_line(line, &words, cluster),
        [first, _] if first.contains('.') => operator_line(line, &words, cluster),
        [_, _] | [_, _, _] => chart_line(line, &words, cluster),
        _ => Err(Refused::Unclear { line: sanitize(line) }),
    }
}

fn usage(line: &str, usage: &'static str) -> Refused {
    Refused::Usage { line: sanitize(line), usage }
}

fn image_line(line: &str, words: &[&str]) -> Result<Question, Refused> {
    match words {
        [reference] => Ok(Question::Image(ImageReference::parse(reference)?)),
        _ => Err(usage(line, "image REFERENCE")),
    }
}

fn operator_line(line: &str, words: &[&str], cluster: &Cluster) -> Result<Question, Refused> {
    match words {
        [csv] => Ok(cluster.operator(csv)),
        [csv, ocp] => Ok(Question::Operator(OperatorQuestion {
            csv: (*csv).to_owned(),
            ocp: Some(minor_ocp(ocp).ok_or_else(|| usage(line, "operator CSV [OCP], with OCP such as 4.16"))?),
        })),
        _ => Err(usage(line, "operator CSV [OCP]")),
    }
}

fn chart_line(line: &str, words: &[&str], cluster: &Cluster) -> Result<Question, Refused> {
    match words {
        [name, version] => Ok(cluster.chart(name, version)),
        [name, version, kube] => Ok(Question::Chart(ChartQuestion {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            kube: Some((*kube).to_owned()),
        })),
        _ => Err(usage(line, "chart NAME VERSION [KUBE]")),
    }
}

/// Joins what is there of a row's label.
fn label(parts: &[Option<&str>]) -> String {
    let parts: Vec<&str> = parts.iter().flatten().copied().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests;
