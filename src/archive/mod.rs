//! The archive: an empty zstd frame, a skippable frame with the header, and a zstd frame with a tar.
//!
//! ```text
//! 28 b5 2f fd 20 00 01 00 00      empty frame: `file` and auto-detecting tools see zstd
//! 50 2a 4d 18 | length, LE u32    skippable frame 0x184D2A50 (RFC 8878, 3.1.2)
//! {"manifest":…,"signatures":…}   the header, at most 1 MiB
//! 28 b5 2f fd …                   the body: a ustar archive with data/…
//! ```
//!
//! Ordinary tools skip the header and see the tar. `oct` reads the header alone to know what the archive holds, and
//! has its signature checked before it hashes the body, and the body's hash before it decompresses a byte.

mod error;
mod folder;
mod frame;
mod read;
mod retain;
pub mod site;
mod sniff;
mod write;

pub use error::ArchiveError;
pub use folder::{Published, archives, publish, require_space, sweep_partial};
pub use read::{Archive, CheckedBody};
pub use retain::{Retained, retain, surplus};
pub use write::pack;

pub use crate::trust::name;
