//! What certsuite reads: documents, the chart index, and the files of the TNF layout, as bytes.
//!
//! What is written follows the rules of certsuite's offline reader: an image stands as a key of `containers.db` under
//! every digest by which it can be deployed, since the reader looks a digest up nowhere else; an operator page has all
//! three fields in every row, since the reader decodes every page into the same slice and an absent field would keep
//! the value of an earlier page.

pub mod chart;
mod containers;
pub mod diff;
pub mod document;
pub mod layout;
mod operators;
pub mod provenance;
pub mod snapshot;
mod validate;

pub use containers::{
    ContainerEntry, ContainerRepository, ContainersFile, TagName, entry_line, read_containers, split_line,
};
pub use operators::{LoosePage, OperatorPage, write_operator_page};
pub use validate::{Validation, Validator};

use serde::{Deserialize, Serialize};

/// Why a file of the layout cannot be read as certsuite reads it.
#[derive(Debug, thiserror::Error)]
pub enum TnfError {
    /// Not JSON, or JSON of another shape.
    #[error("not of the form that certsuite reads: {0}")]
    Json(#[from] serde_json::Error),
    /// Not a chart index.
    #[error(transparent)]
    Charts(#[from] crate::catalog::chart::ChartIndexError),
    /// Well-formed, but at odds with what the manifest or the file's own name says.
    #[error("{0}")]
    Mismatch(String),
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// `data/archive.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveJson {
    /// Images, not keys of `containers.db`.
    pub containers: u64,
    /// Operator bundles.
    pub operators: u64,
    /// Chart versions.
    pub charts: u64,
}

impl ArchiveJson {
    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        // Three numbers always serialize.
        serde_json::to_vec(&self).unwrap_or_default()
    }
}
