//! Where a catalog comes from, how much it holds, and what limits it: the part of the manifest that the data carry.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why and how a bundle is partial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Only containers entered at or after this instant.
    pub since: Timestamp,
}

/// One source of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `containers`, `redhat-images`, `operators:<organization>` or `charts`.
    pub name: String,
    /// Where it was fetched from, without credentials.
    pub url: String,
    /// Documents received, each counted once.
    pub documents: u64,
    /// How many the server itself said there are; `null` where it does not tell.
    pub total: Option<u64>,
    /// How the fetch went. Absent in a reproducible bundle, in which everything has to follow from the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
}

/// How a source was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// When its first request was sent.
    pub started: Timestamp,
    /// When its last answer had arrived.
    pub finished: Timestamp,
    /// Requests sent for it, repeated ones included.
    pub requests: u64,
}

/// How much a bundle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Image documents.
    pub containers: u64,
    /// Keys of `containers.db`: each image stands under every digest by which it can be deployed.
    pub digests: u64,
    /// Operator bundles.
    pub operators: u64,
    /// Chart versions.
    pub charts: u64,
}
