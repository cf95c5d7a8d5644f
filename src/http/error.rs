//! Why a server could not be asked.

use super::retry::Fault;
use crate::base::failure::{Class, Classified};

/// Why a server could not be asked, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A request failed for good.
    #[error("{url}: {fault}{}", if *tries > 1 { format!(" (tried {tries} times)") } else { String::new() })]
    Request {
        /// The question, without credentials, shortened.
        url: String,
        /// The fault of the last try.
        fault: Fault,
        /// How often it was asked.
        tries: u32,
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
    /// A downloaded file cannot be written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Another `oct pull` is downloading the same.
    #[error("another oct is downloading the same archive (to `{}`)", .0.display())]
    Downloading(std::path::PathBuf),
}

impl Classified for HttpError {
    fn class(&self) -> Class {
        match self {
            Self::Request { .. } | Self::Proxy { .. } => Class::Source,
            Self::Client(_) | Self::Io(_) | Self::Downloading(_) => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Request { fault, .. } => fault.code(),
            Self::Proxy { .. } => "unreadable-proxy",
            Self::Client(_) => "http-client",
            Self::Io(_) => "io",
            Self::Downloading(_) => "locked",
        }
    }
}
