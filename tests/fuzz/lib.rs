//! The targets, for `cargo fuzz`: see `targets.rs`.
#![allow(dead_code, reason = "the forge serves other tests besides")]

#[path = "../it/forge.rs"]
pub mod forge;
pub mod targets;
