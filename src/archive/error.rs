//! What can be wrong with an archive.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::failure::{Class, Classified};
use crate::base::text;
use crate::trust::signed::HeaderError;

/// Why an archive was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk or the stick failed; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is something else.
    #[error("`{}` is not an archive of oct: it is {what}", path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: String,
    },
    /// The header is damaged or foreign.
    #[error("`{}`: {cause}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: HeaderError,
    },
    /// The file ends early.
    #[error("`{}` is incomplete: it has {} of {} bytes", path.display(), text::count(*found), text::count(*expected))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        found: u64,
        /// Bytes that the header promises.
        expected: u64,
    },
    /// The file has bytes after its end.
    #[error("`{}` has {} extra bytes after its end", path.display(), text::count(*extra))]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Bytes too many.
        extra: u64,
    },
    /// A byte of the body is not what was signed.
    #[error("`{}`: the body's SHA-256 is not the signed one; the file was damaged or altered", path.display())]
    BodyDigest {
        /// The file.
        path: PathBuf,
    },
    /// The body was signed, but is not what `oct` writes.
    #[error("`{}`: {cause}", path.display())]
    Body {
        /// The file.
        path: PathBuf,
        /// What was found where.
        cause: String,
    },
    /// A checksum or signature file beside the archive disagrees with it.
    #[error("`{}` disagrees with the archive beside it: {cause}", path.display())]
    Sidecar {
        /// The sidecar.
        path: PathBuf,
        /// How.
        cause: String,
    },
    /// There is not enough space for the file to be written.
    #[error("not enough space in `{}`: {} needed, {} free", path.display(), text::size(*needed), text::size(*free))]
    Space {
        /// The folder.
        path: PathBuf,
        /// Bytes that writing takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The manifest with its signatures does not fit the header.
    #[error("the header would have {}, more than the {} that readers accept", text::size(*size), text::size(crate::base::limits::HEADER_BYTES))]
    HeaderTooLarge {
        /// Bytes that it would have.
        size: u64,
    },
}

impl ArchiveError {
    /// The error for a failure while the body is read. With an error number of the system, the medium failed; without
    /// one, the body is not what `oct` writes. `what` goes before the cause.
    #[must_use]
    pub fn of_body(path: &Path, what: &str, cause: io::Error) -> Self {
        let text = format!("{what}{cause}");
        match cause.raw_os_error() {
            Some(_) => Self::Io(io::Error::new(cause.kind(), format!("cannot read `{}`: {text}", path.display()))),
            None => Self::Body { path: path.to_owned(), cause: text },
        }
    }
}

impl Classified for ArchiveError {
    fn class(&self) -> Class {
        match self {
            Self::Io(_) | Self::Space { .. } | Self::HeaderTooLarge { .. } => Class::Host,
            _ => Class::Verification,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::NotAnArchive { .. } => "not-an-archive",
            Self::Header { .. } => "bad-header",
            Self::Truncated { .. } => "truncated",
            Self::Trailing { .. } => "trailing-bytes",
            Self::BodyDigest { .. } => "body-digest",
            Self::Body { .. } => "bad-body",
            Self::Sidecar { .. } => "sidecar-differs",
            Self::Space { .. } => "no-space",
            Self::HeaderTooLarge { .. } => "header-too-large",
        }
    }
}
