//! The commands: each brings the layers below together, and returns what there is to tell. Nothing here prints.

pub mod bundle;
pub mod check;
pub mod diff;
pub mod dump;
pub mod error;
pub mod from_db;
pub mod hint;
pub mod import;
pub mod inspect;
pub mod keys;
pub mod list;
pub mod open;
pub mod publish;
pub mod pull;
pub mod rollback;
pub mod status;
pub mod verify;

pub use error::{Error, Lacking, PolicyError, UsageError};

/// How long a lock that somebody else holds is waited for.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
