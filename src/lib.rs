//! `oct` carries Red Hat's certified-artifact catalog across an air gap: one signed file, from a connected host to a
//! bastion, where certsuite reads it offline. This page is the map of the code; `oct --help` is the way in for users.
//!
//! # Layers
//!
//! ```text
//!                  ┌────────────────────────────────────────────────┐
//!   people ──────▶ │ cli       clap, printing, exit codes, the clock │
//!                  └──────┬──────────────────────────────────┬──────┘
//!                  ┌──────▼──────────────────────────────┐   │
//!                  │ ops       one file for each command  │   │
//!                  └──┬──────────┬───────┬──────────┬────┘   │
//!            ┌────────▼─┐ ┌──────▼──┐ ┌──▼────┐ ┌───▼──────┐ │
//!   HTTP ──▶ │ exporter │ │ archive │ │ trust │ │ importer │ │ ──▶ <dir>/data
//!            └────────┬─┘ └──────┬──┘ └──┬────┘ └───┬──────┘ │
//!                  ┌──▼──────────▼───────▼──────────▼────────▼──────┐
//!                  │ model     documents, layout, manifest: no I/O   │
//!                  └────────────────────────────────────────────────┘
//! ```
//!
//! - [`exporter`] fetches the catalog over HTTP until it agrees with the server's own counts.
//! - [`archive`] writes and reads the file that is carried: header, zstd, tar.
//! - [`trust`] holds keys and makes and checks signatures; it alone decides whose count.
//! - [`importer`] keeps the installed folder whole: lock, staging, swap, recovery. It also reads folders of other
//!   origin.
//! - [`ops`] brings these four together, which never use each other; [`model`] is what all of them speak of.
//!
//! An arrow is the only direction in which one may use another. A test fails where a `use` goes against it.
//!
//! # What the types prove
//!
//! A [`model::SignedManifest`] has been read, and nothing more. Only a keyring of [`trust`] makes a
//! [`model::VerifiedManifest`] of it; only with that does [`archive`] hash and then unpack a body; and only a
//! [`importer::CheckedStaging`], complete and checked, can be installed. A path from outside is a
//! [`model::MemberPath`] before it is joined to a folder.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod archive;
pub mod cli;
pub mod exporter;
pub mod importer;
pub mod model;
pub mod ops;
pub mod trust;
