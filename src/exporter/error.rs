//! Why the catalog could not be fetched.

use crate::base::failure::{Class, Classified};
use crate::http::HttpError;

/// Why the catalog could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A server could not be asked, or gave no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What was found does not agree with the server's own count, or with itself.
    #[error("{collection}: the catalog kept changing while it was fetched: {cause}")]
    Moving {
        /// Which collection.
        collection: String,
        /// What did not agree.
        cause: String,
    },
    /// There is more of something than any catalog has.
    #[error("{collection}: {what} is more than a catalog can have ({limit})")]
    Endless {
        /// Which collection.
        collection: String,
        /// What there is too much of, with the figure.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A collection that cannot be empty is empty.
    #[error("{collection}: the server says that the collection is empty")]
    Empty {
        /// Which collection.
        collection: String,
    },
    /// The work folder cannot be used; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Another `oct bundle` is fetching the same.
    #[error("another oct is fetching the same catalog (its work folder `{0}` is locked)")]
    Busy(std::path::PathBuf),
}

impl Classified for SourceError {
    fn class(&self) -> Class {
        match self {
            Self::Http(error) => error.class(),
            Self::Moving { .. } | Self::Endless { .. } | Self::Empty { .. } => Class::Source,
            Self::Io(_) | Self::Busy(_) => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Http(error) => error.code(),
            Self::Moving { .. } => "catalog-keeps-changing",
            Self::Endless { .. } => "endless-catalog",
            Self::Empty { .. } => "no-documents",
            Self::Io(_) => "io",
            Self::Busy(_) => "locked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_code_and_class() {
        let collection = || "images".to_owned();
        let endless =
            SourceError::Endless { collection: collection(), what: "9 pages".into(), limit: "8 pages".into() };
        for (error, code, class) in [
            (
                SourceError::Moving { collection: collection(), cause: String::new() },
                "catalog-keeps-changing",
                Class::Source,
            ),
            (endless, "endless-catalog", Class::Source),
            (SourceError::Empty { collection: collection() }, "no-documents", Class::Source),
            (SourceError::Io(std::io::ErrorKind::StorageFull.into()), "io", Class::Host),
            (SourceError::Busy("work".into()), "locked", Class::Host),
        ] {
            assert_eq!((error.code(), error.class()), (code, class), "{error}");
        }
    }
}
