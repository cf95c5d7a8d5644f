//! What certsuite reads: documents, the chart index, and the files of the TNF layout, as bytes.
//!
//! What is written follows the rules of certsuite's offline reader: an image stands as a key of `containers.db` under
//! every digest by which it can be deployed, since the reader looks a digest up nowhere else; an operator page has all
//! three fields in every row, since the reader decodes every page into the same slice and an absent field would keep
//! the value of an earlier page.

pub mod chart;
mod containers;
mod containers_builder;
pub mod diff;
pub mod document;
pub mod layout;
mod operators;
pub mod provenance;
pub mod snapshot;
mod sorter;
mod validate;

pub use containers::{ContainerEntry, ContainerRepository, TagName, read_containers, split_line};
pub use containers_builder::{ContainersBuilder, entry_line};
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

/// A catalog beyond the limits that readers keep. As an error of the writer it travels within an [`std::io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TooLarge(String);

impl TooLarge {
    fn entry(key: &str) -> Self {
        let max = crate::base::text::size(crate::base::limits::ENTRY_BYTES as u64);
        Self(format!("the image `{key}` has more than {max} of repositories and tags"))
    }
}

impl From<TooLarge> for std::io::Error {
    fn from(error: TooLarge) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
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
