//! What everything else is about: documents, the TNF layout, the manifest, digests, checked member paths, limits.
//!
//! Nothing here reads a file, the clock, the environment or the network.

pub mod archive_name;
pub mod catalog;
pub mod chart;
pub mod constraint;
pub mod diff;
pub mod digest;
pub mod document;
pub mod failure;
pub mod header;
pub mod index;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod member;
pub mod progress;
pub mod questions;
pub mod reference;
pub mod snapshot;
pub mod text;
pub mod tnf;
pub mod verdict;
pub mod version;

pub use archive_name::ArchiveName;
pub use digest::{HashingReader, HashingWriter, Sha256Digest};
pub use document::{Document, Image, ObjectId, Operator, Repository};
pub use failure::{Class, Classified};
pub use header::SignedManifest;
pub use manifest::{Manifest, SignatureCheck, Signer, VerifiedManifest};
pub use member::MemberPath;
pub use progress::Progress;
