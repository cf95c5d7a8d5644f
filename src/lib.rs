//! `oct` carries Red Hat's certified-artifact catalog across an air gap.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod archive;
pub mod cli;
pub mod exporter;
pub mod importer;
pub mod model;
pub mod ops;
pub mod trust;
