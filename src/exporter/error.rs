//! Why the catalog could not be fetched.

use crate::base::failure::{Class, Classified};

use super::retry::Fault;

/// Why the catalog could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A request failed for good.
    #[error("{url}: {fault}{}", if *tries > 1 { format!(" (tried {tries} times)") } else { String::new() })]
    Request {
        /// What was asked for, without credentials.
        url: String,
        /// What came instead, the last time.
        fault: Fault,
        /// How often it was asked.
        tries: u32,
    },
    /// The documents never agreed with the server's own count of them.
    #[error("{collection}: the catalog would not hold still: {cause}")]
    Moving {
        /// Which collection.
        collection: String,
        /// What did not agree.
        cause: String,
    },
    /// There is nothing where there has to be something.
    #[error("{collection}: the server says that there is none")]
    Empty {
        /// Which collection.
        collection: String,
    },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
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
            Self::Request { .. } | Self::Moving { .. } | Self::Empty { .. } => Class::Source,
            Self::Client(_) | Self::Io(_) | Self::Busy(_) => Class::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Request { fault: Fault::Connect(_), .. } => {
                Some("check the address, the proxy (HTTPS_PROXY) and the CA (--ca-cert)".into())
            }
            Self::Request { fault, .. } if fault.again() => {
                Some("run the same command again: what was fetched is kept, and it goes on from there".into())
            }
            Self::Moving { .. } => Some("run the same command again when the catalog is quieter".into()),
            Self::Empty { .. } => Some("check --catalog-url and --since".into()),
            Self::Busy(_) => Some("wait until it has ended".into()),
            _ => None,
        }
    }
}
