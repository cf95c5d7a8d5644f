//! What can go wrong with the folder, each with its class and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::base::digest::Sha256Digest;
use crate::base::failure::{Class, Classified};
use crate::base::member::MemberPath;
use crate::base::text;

/// The outcome of everything that this layer does.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why the folder could not be read, locked, filled or swapped.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// The operation, as a verb.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that must be a folder is something else.
    #[error("`{path}` is not a folder")]
    NotAFolder {
        /// Where.
        path: PathBuf,
    },
    /// It belongs to another user, who could have put anything in it.
    #[error(
        "`{path}` belongs to user {owner}, so oct does not follow it: it must belong to user {user}, who runs oct, or to root"
    )]
    Owner {
        /// The folder of `oct`'s own, or its journal.
        path: PathBuf,
        /// The user that it belongs to, by number.
        owner: u32,
        /// The user who runs this program.
        user: u32,
    },
    /// Another process exchanged the catalog during a read without a lock, which this user may not take.
    #[error("the catalog in `{dir}` was replaced while it was read")]
    Changed {
        /// The folder.
        dir: PathBuf,
    },
    /// Another process works on the folder.
    #[error("`{dir}` is locked by {holder}")]
    Held {
        /// The folder.
        dir: PathBuf,
        /// Who has the lock, in words.
        holder: String,
    },
    /// Not enough room.
    #[error(
        "not enough space in `{dir}`: {} needed ({} of it in reserve), {} free",
        text::size(*needed), text::size(*reserve), text::size(*free)
    )]
    Space {
        /// The folder.
        dir: PathBuf,
        /// Bytes that have to be free.
        needed: u64,
        /// How many of them serve as a reserve.
        reserve: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Enough bytes, but not enough inodes.
    #[error("`{dir}` has room for {free} more files, {needed} are needed")]
    Inodes {
        /// The folder.
        dir: PathBuf,
        /// Files and folders to be created.
        needed: u64,
        /// How many the filesystem still takes.
        free: u64,
    },
    /// A file that the manifest does not name.
    #[error("`{member}` is not a file of the manifest")]
    NotAMember {
        /// Its path.
        member: MemberPath,
    },
    /// The same file again.
    #[error("`{member}` occurs twice")]
    Twice {
        /// Its path.
        member: MemberPath,
    },
    /// More bytes than the manifest says, or fewer.
    #[error("`{member}` has {} {found} bytes, the manifest says {expected}", if found > expected { "at least" } else { "only" })]
    Size {
        /// Its path.
        member: MemberPath,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The right number of bytes, but the wrong bytes.
    #[error("`{member}` has SHA-256 {found}, the manifest says {expected}")]
    Digest {
        /// Its path.
        member: MemberPath,
        /// Digest by the manifest.
        expected: Sha256Digest,
        /// Digest of what came.
        found: Sha256Digest,
    },
    /// Files of the manifest that never came.
    #[error("{missing} of the manifest's files are missing, such as `{first}`")]
    Missing {
        /// The first of them.
        first: MemberPath,
        /// How many.
        missing: usize,
    },
    /// The staging area does not hold what was written there.
    #[error("the staging area was changed by someone else: {deviation}")]
    Disturbed {
        /// The first difference.
        deviation: String,
    },
    /// The proof of validation belongs to another catalog.
    #[error("the validated counts are not those of the manifest")]
    OtherValidation,
    /// The journal of an interrupted swap cannot be used.
    #[error("the journal `{path}` cannot be used: {reason}")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no previous version.
    #[error("`{dir}` keeps no previous catalog")]
    NoPrevious {
        /// The folder.
        dir: PathBuf,
    },
    /// Something failed after the swap had begun, and the swap could not be undone.
    #[error(
        "{} in `{dir}`, but {}",
        if *in_place { "the other catalog is in place" } else { "the swap has begun" },
        if *pending { "the work around it is not complete" } else { "something failed on the way" }
    )]
    Unfinished {
        /// The folder.
        dir: PathBuf,
        /// Whether `data` is the new one already.
        in_place: bool,
        /// Whether the next run has to complete something.
        pending: bool,
        /// What failed.
        source: Box<StoreError>,
    },
}

impl StoreError {
    /// The typed error inside an [`io::Error`] that a [`Write`](io::Write) of this layer returned.
    ///
    /// # Errors
    /// Returns the error unchanged if it came from somewhere else.
    pub fn from_io(error: io::Error) -> std::result::Result<Self, io::Error> {
        error.downcast()
    }

    /// This error as a writer has to return it; [`Self::from_io`] takes it out again.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }

    /// What the system said, if it was the system.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { source, .. } => Errno::from_io_error(source),
            Self::Unfinished { source, .. } => source.errno(),
            _ => None,
        }
    }

    /// Whether permission is missing or the filesystem is read-only.
    pub(super) fn is_permission(&self) -> bool {
        matches!(self.errno(), Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }
}

impl Classified for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::NotAMember { .. }
            | Self::Twice { .. }
            | Self::Size { .. }
            | Self::Digest { .. }
            | Self::Missing { .. }
            | Self::OtherValidation => Class::Verification,
            Self::Io { .. }
            | Self::NotAFolder { .. }
            | Self::Owner { .. }
            | Self::Changed { .. }
            | Self::Held { .. }
            | Self::Space { .. }
            | Self::Inodes { .. }
            | Self::Disturbed { .. }
            | Self::Journal { .. }
            | Self::NoPrevious { .. }
            | Self::Unfinished { .. } => Class::Host,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotAFolder { .. } => "not-a-folder",
            Self::Owner { .. } => "not-own",
            Self::Changed { .. } => "replaced-meanwhile",
            Self::Held { .. } => "locked",
            Self::Space { .. } => "no-space",
            Self::Inodes { .. } => "no-inodes",
            Self::NotAMember { .. } => "member-unknown",
            Self::Twice { .. } => "member-twice",
            Self::Size { .. } => "member-size",
            Self::Digest { .. } => "member-digest",
            Self::Missing { .. } => "member-missing",
            Self::Disturbed { .. } => "staging-disturbed",
            Self::OtherValidation => "other-validation",
            Self::Journal { .. } => "bad-journal",
            Self::NoPrevious { .. } => "no-previous",
            Self::Unfinished { .. } => "swap-unfinished",
        }
    }
}

/// Says what was tried with which path when a system call fails.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| StoreError::Io { doing, path: path.to_owned(), source: error.into() })
    }
}
