//! The commands: each brings the layers below together, and returns what there is to tell. Nothing here prints.

pub mod bundle;
pub mod diff;
pub mod dump;
pub mod error;
pub mod from_db;
pub mod import;
pub mod inspect;
pub mod keys;
pub mod open;
pub mod verify;

pub use error::{Error, PolicyError};
