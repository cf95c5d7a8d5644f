//! Why a verdict is what it is, for people and for programs.

use std::fmt;

use thiserror::Error;

use super::offline::{catalog_registry, given};
use crate::certify::constraint::SemverCrash;
use crate::certify::reference::{ImageReference, NamedImage};

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

/// A repository as the catalog knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The registry that is looked up.
    pub registry: String,
    /// The repository in it.
    pub repository: String,
    /// The registry that was asked for, where it is looked up under another name.
    pub asked: Option<String>,
}

impl Place {
    /// Where an image is looked up.
    #[must_use]
    pub fn of(image: &ImageReference) -> Self {
        let registry = catalog_registry(&image.registry);
        Self {
            registry: registry.to_owned(),
            repository: image.repository.clone(),
            asked: (registry != image.registry).then(|| image.registry.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match &self.asked {
            Some(asked) => write!(f, " (where {asked} is looked up)"),
            None => Ok(()),
        }
    }
}

/// What makes something certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The digest is in the catalog.
    Digest {
        /// The digest.
        digest: String,
    },
    /// An image has the tag in that repository.
    Tag {
        /// The repository.
        place: Place,
        /// The tag.
        tag: String,
        /// Whether none was given, so that the reader took its default.
        defaulted: bool,
    },
    /// Some image of the repository is certified, which is enough online where neither tag nor digest is given.
    Repository {
        /// The repository.
        place: Place,
    },
    /// A bundle matches.
    Operator {
        /// The bundle's CSV name.
        csv: String,
        /// The OpenShift version, where one was given.
        ocp: Option<String>,
    },
    /// An entry of the chart index matches.
    Chart {
        /// The chart's name.
        name: String,
        /// Its version.
        version: String,
        /// The constraint on Kubernetes that is satisfied, where the entry has one.
        constraint: Option<String>,
    },
}

impl Proof {
    /// A stable word for the reason, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Digest { .. } => "digest-listed",
            Self::Tag { .. } => "tag-listed",
            Self::Repository { .. } => "repository-listed",
            Self::Operator { .. } => "operator-listed",
            Self::Chart { .. } => "chart-listed",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { digest } => write!(f, "digest {digest} is listed"),
            Self::Tag { place, tag, defaulted } => {
                let note = if *defaulted { ", the default where none is given," } else { "" };
                write!(f, "tag {tag}{note} is listed in {place}")
            }
            Self::Repository { place } => write!(f, "a certified image is listed in {place}"),
            Self::Operator { csv, ocp: Some(ocp) } => write!(f, "{csv} is listed for OpenShift {ocp}"),
            Self::Operator { csv, ocp: None } => write!(f, "{csv} is listed"),
            Self::Chart { name, version, constraint: Some(constraint) } => {
                write!(f, "{name} {version} is listed and its kubeVersion `{constraint}` is met")
            }
            Self::Chart { name, version, constraint: None } => {
                write!(f, "{name} {version} is listed for every Kubernetes version")
            }
        }
    }
}

/// Why certsuite finds no digest for a container.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoDigest {
    /// There is no status of this container's name.
    #[error("the pod has no status for this container")]
    NoStatus,
    /// The container has not started.
    #[error("the imageID of its status is empty")]
    EmptyImageId,
    /// A digest is there, and certsuite's expression does not find it.
    #[error("certsuite finds a digest only after a slash, and imageID `{image_id}` has no slash")]
    NoSlash {
        /// The status's `imageID`, without control characters.
        image_id: String,
    },
    /// No digest of a manifest, but of a configuration, or other text.
    #[error("imageID `{image_id}` names no image with a digest")]
    NotInImageId {
        /// The status's `imageID`, without control characters.
        image_id: String,
    },
}

/// A container that certsuite fails before it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingDigest {
    /// The image as certsuite names it.
    pub image: NamedImage,
    /// Why there is no digest.
    pub why: NoDigest,
}

impl fmt::Display for MissingDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NamedImage { registry, repository } = &self.image;
        write!(f, "Missing digest field (registry={registry}, repository={repository}): {}", self.why)
    }
}

/// Why something is not certified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Cause {
    /// certsuite asks by digest only, and the container has none.
    #[error("{0}")]
    MissingDigest(MissingDigest),
    /// certsuite's reader crashes on an entry without data when it looks for a tag.
    #[error("certsuite {} crash on the entry {key} of the images, which is null", likelihood(.lucky))]
    NullImage {
        /// The entry's key, without control characters.
        key: String,
        /// Whether another entry has the tag, so that it depends on the order of the entries, which is random.
        lucky: bool,
    },
    /// The digest is not in the catalog.
    #[error("no entry for digest {digest}")]
    NoDigest {
        /// The digest.
        digest: String,
    },
    /// The repository has images, but none with that tag.
    #[error("tag {tag}{} not found in {place} (it holds other images)", default_note(.defaulted))]
    NoTag {
        /// The repository.
        place: Place,
        /// The tag.
        tag: String,
        /// Whether none was given, so that the reader took its default.
        defaulted: bool,
    },
    /// The catalog has no image of that repository.
    #[error("no image of {place} is listed")]
    NoRepository {
        /// The repository.
        place: Place,
    },
    /// The catalog has the image, not marked certified. Only the online check looks at the mark.
    #[error("{what} is listed, but not marked certified")]
    Uncertified {
        /// The digest, the tag or the repository that was found.
        what: String,
    },
    /// No bundle has that operator name.
    #[error("no operator {name} is listed")]
    NoOperator {
        /// The name: the CSV name up to its first dot.
        name: String,
    },
    /// The operator is listed, but not in that version.
    #[error("{csv} is not listed, but other versions of {} are", super::offline::operator_name(.csv))]
    NoOperatorVersion {
        /// The CSV name that was asked for.
        csv: String,
    },
    /// The CSV name has no dot, so it names no version.
    #[error("`{csv}` names no version; hint: write the whole CSV name, as `oc get csv` prints it")]
    CsvWithoutDot {
        /// The CSV name that was asked for.
        csv: String,
    },
    /// The bundle is listed, but only for other OpenShift versions.
    #[error("{csv} is not listed for OpenShift {ocp}, only for {}", versions(.listed))]
    OtherOcp {
        /// The CSV name that was asked for.
        csv: String,
        /// The OpenShift version that was asked for.
        ocp: String,
        /// The OpenShift versions for which it is listed.
        listed: Vec<String>,
    },
    /// The index has no chart of that name.
    #[error("no chart {name} is listed")]
    NoChart {
        /// The chart's name.
        name: String,
    },
    /// The index has the chart, but not in that version.
    #[error("chart {name} is not listed in version {version}, only in others")]
    NoChartVersion {
        /// The chart's name.
        name: String,
        /// The version that was asked for.
        version: String,
    },
    /// The cluster's version does not satisfy the chart's constraint.
    #[error("chart {name} {version} wants Kubernetes `{constraint}`, which {kube} does not meet")]
    KubeVersion {
        /// The chart's name.
        name: String,
        /// The chart's version.
        version: String,
        /// The chart's `kubeVersion`.
        constraint: String,
        /// The cluster's version.
        kube: String,
    },
    /// The chart has a constraint, and no Kubernetes version was given to hold against it. certsuite always has one.
    #[error("chart {name} {version} wants Kubernetes `{constraint}`; hint: give the cluster's Kubernetes version")]
    KubeVersionNeeded {
        /// The chart's name.
        name: String,
        /// The chart's version.
        version: String,
        /// The chart's `kubeVersion`.
        constraint: String,
    },
    /// certsuite's reader crashes on this chart.
    #[error("certsuite {} crash on the kubeVersion of chart {name} {version}: {crash}", likelihood(.lucky))]
    ReaderCrash {
        /// The chart's name.
        name: String,
        /// The chart's version.
        version: String,
        /// What does not parse. It is part of the message, so it is not a `source` of its own.
        crash: SemverCrash,
        /// Whether another list of the index certifies the chart, so that it depends on the order of the lists, which
        /// is random.
        lucky: bool,
    },
}

fn likelihood(lucky: &bool) -> &'static str {
    if *lucky { "can" } else { "would" }
}

/// The versions as a list; a bundle may be listed for an empty one.
fn versions(listed: &[String]) -> String {
    let shown = |version: &String| {
        if version.is_empty() { "no version".to_owned() } else { version.clone() }
    };
    listed.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn default_note(defaulted: &bool) -> &'static str {
    if *defaulted { " (the default, because none is given)" } else { "" }
}

impl Cause {
    /// What all causes of this code have in common, for a summary.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self {
            Self::MissingDigest(_) => "the container has no digest to ask with",
            Self::NoDigest { .. } => "the digest is not listed",
            Self::NoTag { .. } => "the repository is listed, the tag is not",
            Self::NoRepository { .. } => "the repository is not listed",
            Self::Uncertified { .. } => "listed, but not marked certified",
            Self::NoOperator { .. } => "the operator is not listed",
            Self::NoOperatorVersion { .. } => "the operator is listed, this version is not",
            Self::CsvWithoutDot { .. } => "the CSV name has no version",
            Self::OtherOcp { .. } => "listed for other OpenShift versions only",
            Self::NoChart { .. } => "the chart is not listed",
            Self::NoChartVersion { .. } => "the chart is listed, this version is not",
            Self::KubeVersion { .. } => "the cluster's Kubernetes version does not fit",
            Self::KubeVersionNeeded { .. } => "the Kubernetes version is not given",
            Self::ReaderCrash { .. } | Self::NullImage { .. } => "certsuite crashes on the catalog",
        }
    }

    /// A stable word for the reason, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingDigest(_) => "missing-digest",
            Self::NoDigest { .. } => "no-digest",
            Self::NoTag { .. } => "no-tag",
            Self::NoRepository { .. } => "no-repository",
            Self::Uncertified { .. } => "uncertified",
            Self::NoOperator { .. } => "no-operator",
            Self::NoOperatorVersion { .. } => "no-operator-version",
            Self::CsvWithoutDot { .. } => "csv-without-dot",
            Self::OtherOcp { .. } => "other-ocp",
            Self::NoChart { .. } => "no-chart",
            Self::NoChartVersion { .. } => "no-chart-version",
            Self::KubeVersion { .. } => "kube-version",
            Self::KubeVersionNeeded { .. } => "kube-version-needed",
            Self::ReaderCrash { .. } | Self::NullImage { .. } => "reader-crash",
        }
    }
}

/// An image as the messages name it: by what decides on it.
pub(super) fn name_of(image: &ImageReference) -> String {
    let place = Place::of(image);
    match (given(image.digest.as_deref()), given(image.tag.as_deref())) {
        (Some(digest), _) => format!("digest {digest}"),
        (None, Some(tag)) => format!("tag {tag} of {place}"),
        (None, None) => place.to_string(),
    }
}
