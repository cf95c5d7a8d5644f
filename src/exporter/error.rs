//! Why the catalog could not be fetched.

use crate::base::failure::{Class, Classified};

use super::retry::Fault;

/// Why the catalog could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A request failed for good.
    #[error("{url}: {fault}{}", if *tries > 1 { format!(" (tried {tries} times)") } else { String::new() })]
    Request {
        /// What was asked for, without credentials, shortened.
        url: String,
        /// What came instead, the last time.
        fault: Fault,
        /// How often it was asked.
        tries: u32,
    },
    /// What was found does not agree with the server's own count, or with itself.
    #[error("{collection}: the catalog kept changing while it was fetched: {cause}")]
    Moving {
        /// Which collection.
        collection: String,
        /// What did not agree.
        cause: String,
    },
    /// More than any catalog has.
    #[error("{collection}: {what} is more than a catalog can have ({limit})")]
    Endless {
        /// Which collection.
        collection: String,
        /// What there is too much of, with the figure.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// There is nothing where there has to be something.
    #[error("{collection}: the server says that there is none")]
    Empty {
        /// Which collection.
        collection: String,
    },
    /// A proxy setting that cannot be read.
    #[error("the proxy setting {variable} cannot be read: {cause}")]
    Proxy {
        /// The environment variable.
        variable: String,
        /// What is wrong with it; without its value, which may hold a password.
        cause: String,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    /// The work folder cannot be used; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Another `oct pull` is downloading the same.
    #[error("another oct is downloading the same archive (to `{}`)", .0.display())]
    Downloading(std::path::PathBuf),
    /// Another `oct bundle` is fetching the same.
    #[error("another oct is fetching the same catalog (its work folder `{0}` is locked)")]
    Busy(std::path::PathBuf),
}

impl Classified for SourceError {
    fn class(&self) -> Class {
        match self {
            Self::Request { .. }
            | Self::Moving { .. }
            | Self::Endless { .. }
            | Self::Empty { .. }
            | Self::Proxy { .. } => Class::Source,
            Self::Client(_) | Self::Io(_) | Self::Busy(_) | Self::Downloading(_) => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request { fault, .. } => fault.code(),
            Self::Moving { .. } => "catalog-keeps-changing",
            Self::Endless { .. } => "endless-catalog",
            Self::Empty { .. } => "no-documents",
            Self::Proxy { .. } => "unreadable-proxy",
            Self::Client(_) => "http-client",
            Self::Io(_) => "io",
            Self::Busy(_) | Self::Downloading(_) => "locked",
        }
    }
}
