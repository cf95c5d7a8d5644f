//! `oct` carries Red Hat's certified-artifact catalog across an air gap: one signed file, from a connected host to a
//! bastion, where certsuite reads it offline. This page is the map of the code; `oct --help` is the way in for users.
//!
//! # Layers
//!
//! ```text
//! cli        one file a command: clap, printing, exit codes, the clock, the environment
//! ops        one file a command: brings the rooms below together, returns what there is to tell
//! exporter   paging, reconciliation  |  archive  header, tar, zstd  |  importer  lock, staging, swap
//! certify    a question becomes a verdict  |  trust    keys, signatures, the verified manifest
//! pyxis      the catalog's API: questions, answers
//! catalog    what certsuite reads: documents, chart index, layout, validation, diff
//! http       requests, patience, downloads
//! base       digests, limits, text, classes of failure, progress, checked member paths
//! ```
//!
//! A room uses only those on lines below its own, never its neighbours on the same line. A test fails where a `use`
//! goes another way.
//!
//! # What the types prove
//!
//! A [`trust::SignedManifest`] has been read, and nothing more. Only its verification with a keyring makes a
//! [`trust::VerifiedManifest`] of it; only with that does [`archive`] hash and then unpack a body; only a
//! [`catalog::Validator`] that has read every file makes a [`catalog::Validation`]; and only an
//! [`importer::CheckedStaging`], complete, validated and checked, can be installed. Privacy enforces each of these. A
//! path from outside is a [`base::member::MemberPath`] before it is joined to a folder.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod archive;
pub mod base;
pub mod catalog;
pub mod certify;
pub mod cli;
pub mod exporter;
pub mod http;
pub mod importer;
pub mod ops;
pub mod pyxis;
pub mod trust;
