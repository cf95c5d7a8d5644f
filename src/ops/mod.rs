//! The commands: each combines the layers below, and returns a report. Nothing here prints.

pub mod bundle;
pub mod check;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod dump;
pub(crate) mod error;
pub(crate) mod from_db;
pub mod hint;
pub mod import;
pub(crate) mod inspect;
pub mod keys;
pub(crate) mod list;
pub(crate) mod open;
pub(crate) mod probe;
pub(crate) mod prune;
pub(crate) mod publish;
pub(crate) mod pull;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod verify;

pub use crate::importer::StoreError;
pub use error::{Error, Lacking, PolicyError, UsageError};

/// How long to wait for a lock that somebody else holds.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
