//! Why the catalog could not be fetched.

use crate::base::failure::{Class, Classified};

use super::retry::{Fault, Remedy};

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
            Self::Client(_) | Self::Io(_) | Self::Busy(_) => Class::Host,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Request { fault, .. } => return of_fault(fault),
            Self::Moving { .. } => "run the same command again when the catalog is quieter",
            Self::Endless { .. } => "check --catalog-url: this is not the catalog, or it is broken",
            Self::Empty { .. } => "check --catalog-url and --since",
            Self::Proxy { .. } => {
                "write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %5C for a backslash and %20 for a \
                 space, or unset it"
            }
            Self::Busy(_) => "wait until it has ended",
            Self::Client(_) | Self::Io(_) => return None,
        };
        Some(hint.into())
    }
}

fn of_fault(fault: &Fault) -> Option<String> {
    let hint = match fault {
        Fault::Connect(_) => "check the address, the proxy (HTTPS_PROXY) and the network; what was fetched is kept",
        Fault::NoName(_) => "check the address, and whether this host needs a proxy (HTTPS_PROXY)",
        Fault::Certificate(_) => {
            "if a proxy or a mirror of your own stands between, name its authority with --ca-cert FILE"
        }
        Fault::Status { code: 401, .. } => "the server wants a key: --header 'NAME: @FILE'",
        Fault::Status { code: 407, .. } => "put user and password into HTTPS_PROXY",
        Fault::Status { code: 403, .. } => {
            "a front end refuses: a key (--header 'NAME: @FILE') or another name (--user-agent) may help"
        }
        Fault::Status { code: 404 | 410, .. } => "check --catalog-url and --charts-url",
        Fault::Redirect(_) => "name the address where it leads to, if you trust it",
        fault if fault.remedy() == Remedy::Nothing || fault.remedy() == Remedy::Other => return None,
        _ => "run the same command again: what was fetched is kept, and it goes on from there",
    };
    Some(hint.into())
}
