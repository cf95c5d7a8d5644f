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
mod entry;
pub mod folder;
mod json;
pub mod layout;
mod operators;
pub mod provenance;
mod slice;
pub mod snapshot;
mod sorter;
mod validate;
mod yaml;

pub use chart::ChartIndex;
pub use containers::{ContainerEntry, ContainerRepository, TagName, read_containers, split_line};
pub use containers_builder::ContainersBuilder;
pub use json::JsonError;
pub use operators::{OperatorPages, PageStated, write_operator_page};
pub use slice::Slice;
pub use validate::{Validation, Validator};
pub use yaml::YamlError;

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::base::limits;

/// Why a file of the layout cannot be read as certsuite reads it.
#[derive(Debug, thiserror::Error)]
pub enum TnfError {
    /// Not JSON, or JSON of another shape: certsuite does not read it either.
    #[error("not of the form that certsuite reads: {0}")]
    Json(JsonError),
    /// Not a chart index.
    #[error(transparent)]
    Charts(#[from] crate::catalog::chart::ChartIndexError),
    /// Well-formed, but at odds with what the manifest or the file's own name says.
    #[error("{0}")]
    Mismatch(String),
    /// A limit of `oct` is exceeded; certsuite may read it.
    #[error("larger than `oct` reads: {0}")]
    Limit(String),
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
        let max = crate::base::text::size(limits::ENTRY_BYTES as u64);
        let items = crate::base::text::count(limits::ENTRY_ITEMS as u64);
        Self(format!("the image `{key}` has more than {items} repositories and tags, or more than {max} of these"))
    }

    fn text(id: &str) -> Self {
        let max = crate::base::text::size(limits::TEXT_BYTES as u64);
        Self(format!("the image `{id}` has a text of more than {max}"))
    }
}

impl From<TooLarge> for std::io::Error {
    fn from(error: TooLarge) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl From<JsonError> for TnfError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Io(error) => Self::Io(error),
            JsonError::Limit { .. } => Self::Limit(error.to_string()),
            other => Self::Json(other),
        }
    }
}

impl From<serde_json::Error> for TnfError {
    fn from(error: serde_json::Error) -> Self {
        JsonError::from(error).into()
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
    /// Reads the file: a few numbers, in plain JSON.
    ///
    /// # Errors
    /// If it is something else.
    pub(crate) fn read(content: impl Read) -> Result<Self, TnfError> {
        let mut text = Vec::new();
        content.take(limits::ARCHIVE_JSON_BYTES).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        // Three numbers always serialize.
        serde_json::to_vec(&self).unwrap_or_default()
    }
}
