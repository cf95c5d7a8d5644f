//! Why JSON is not read.

use std::io;

/// Why a text is not JSON that certsuite reads.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// What stands there, or is missing.
        what: String,
    },
    /// It is JSON, but a value has another type than the field of that name.
    #[error("line {line}, column {column}: {what}")]
    Mistyped {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// What stands there.
        what: String,
    },
    /// A limit of `oct`, not of certsuite, is passed.
    #[error("line {line}, column {column}: {what}")]
    Limit {
        /// Line, from 1.
        line: u64,
        /// Byte within the line, from 1.
        column: u64,
        /// The limit.
        what: String,
    },
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line() as u64, error.column() as u64);
        if error.is_io() {
            return Self::Io(error.into());
        }
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default().to_owned();
        if error.is_data() { Self::Mistyped { line, column, what } } else { Self::Syntax { line, column, what } }
    }
}

impl From<JsonError> for io::Error {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}
