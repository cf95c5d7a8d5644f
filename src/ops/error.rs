//! Every error that a command can end with, and its class.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::archive::ArchiveError;
use crate::base::failure::{Class, Classified};
use crate::base::text;
use crate::catalog::chart::ChartIndexError;
use crate::catalog::snapshot::LayoutError;
use crate::catalog::{TnfError, TooLarge};
use crate::exporter::SourceError;
use crate::importer::{ForeignError, StoreError};
use crate::trust::TrustError;
use crate::trust::manifest::ManifestError;
use crate::trust::signed::VerifyError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalog could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An archive could not be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A key or a signature was not accepted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The installed folder could not be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signature of this file was not accepted.
    #[error("`{}`: {cause}", path.display())]
    Signature {
        /// Archive or folder.
        path: PathBuf,
        /// Why.
        cause: TrustError,
    },
    /// A signed manifest that is not accepted.
    #[error("`{}`: {cause}", path.display())]
    Manifest {
        /// Archive or folder.
        path: PathBuf,
        /// Why.
        cause: ManifestError,
    },
    /// A signature that was made for something else.
    #[error("`{}`: the signature's trusted comment is `{found}`, the manifest says `{expected}`", path.display())]
    Comment {
        /// Archive or folder.
        path: PathBuf,
        /// What the manifest's signatures have to state.
        expected: String,
        /// What this one states.
        found: String,
    },
    /// Signed data that certsuite could not read.
    #[error("`{}`: {cause}", path.display())]
    Content {
        /// Archive or folder, with the member.
        path: PathBuf,
        /// Why.
        cause: TnfError,
    },
    /// A folder of other origin that certsuite could not read.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// The chart index was fetched, but cannot be read.
    #[error("the chart index: {0}")]
    Charts(#[from] ChartIndexError),
    /// The catalog was fetched, but is larger than readers accept.
    #[error("the catalog is larger than readers accept: {0}")]
    TooLarge(TooLarge),
    /// The bundle would be one that readers refuse.
    #[error("no archive was written, as readers would refuse it: {0}")]
    Unreadable(ManifestError),
    /// A rule forbids it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Nothing that could be verified is there.
    #[error("`{}` {what}", path.display())]
    Unsigned {
        /// The folder.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// Archives, where one of them or an installed catalog was asked for.
    #[error("`{}` is a folder with archives, and holds no installed catalog", .0.display())]
    Archives(PathBuf),
    /// No archive in a folder.
    #[error("`{}` holds no `catalog-YYYYMMDDHH.tar.zst`", .0.display())]
    NoArchive(PathBuf),
    /// No catalog to ask.
    #[error("`{}` holds no catalog", .0.display())]
    NoCatalog(PathBuf),
    /// The files of an installed catalog are not what was signed.
    #[error("`{}` is not what was signed: {first}{}", path.display(), if *more > 0 { format!(", and {more} more") } else { String::new() })]
    Deviates {
        /// The folder.
        path: PathBuf,
        /// The first difference.
        first: String,
        /// How many more there are.
        more: u64,
    },
    /// The catalog that `rollback` would bring back is not what was signed.
    #[error("the previous catalog does not come back: {0}")]
    Previous(Box<Error>),
    /// This host does not allow it; the message names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A value on the command line or in the configuration is wrong.
    #[error("{0}")]
    Usage(String),
    /// Ended by a signal.
    #[error("interrupted")]
    Interrupted,
}

/// A rule that an archive breaks.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Older than what is installed.
    #[error("the bundle of {created} is older than the installed one of {installed}")]
    Older {
        /// Of the bundle.
        created: Timestamp,
        /// Of what is installed.
        installed: Timestamp,
    },
    /// Older than `--max-age` allows.
    #[error("the bundle of {created} is {} old, more than {} allow", text::age(*age), text::age(*max))]
    TooOld {
        /// Of the bundle.
        created: Timestamp,
        /// Its age in seconds.
        age: i64,
        /// What is allowed, in seconds.
        max: i64,
    },
    /// An archive of the same hour would be replaced by one that holds less.
    #[error("`{}` is of the same hour and holds more: {more}", path.display())]
    HoldsMore {
        /// The standing archive.
        path: PathBuf,
        /// What the new one would lack.
        more: String,
    },
    /// A partial bundle would replace a full catalog.
    #[error("the bundle is partial (containers since {since}), and a full catalog is installed")]
    Partial {
        /// What limits it.
        since: Timestamp,
    },
}

impl Error {
    /// The error of a folder in which no signed catalog is installed.
    pub(super) fn unsigned(path: &std::path::Path, what: &'static str) -> Self {
        let path = path.to_owned();
        match crate::archive::archives(&path) {
            Ok(archives) if !archives.is_empty() => Self::Archives(path),
            _ => Self::Unsigned { path, what },
        }
    }

    /// The error of a signed manifest that was not accepted, with the file that it is from.
    pub(super) fn of_manifest(path: &std::path::Path, error: VerifyError) -> Self {
        let path = path.to_owned();
        match error {
            VerifyError::Signature(cause) => Self::Signature { path, cause },
            VerifyError::Manifest(cause) => Self::Manifest { path, cause },
            VerifyError::Comment { expected, found } => Self::Comment { path, expected, found },
        }
    }
}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Charts(cause) => Self::Charts(cause),
            LayoutError::TooLarge(cause) => Self::TooLarge(cause),
            LayoutError::Io(cause) => Self::Io(cause),
            error @ LayoutError::Images { .. } => Self::Io(std::io::Error::other(error)),
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Self::Source(error) => error.class(),
            Self::Archive(error) => error.class(),
            Self::Trust(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Signature { cause, .. } => cause.class(),
            Self::Previous(cause) => cause.class(),
            Self::Manifest { .. }
            | Self::Comment { .. }
            | Self::Content { .. }
            | Self::Unsigned { .. }
            | Self::Archives(_)
            | Self::NoArchive(_)
            | Self::NoCatalog(_)
            | Self::Foreign(_)
            | Self::Deviates { .. } => Class::Verification,
            Self::Charts(_) | Self::TooLarge(_) | Self::Unreadable(_) => Class::Source,
            Self::Policy(_) => Class::Policy,
            Self::Io(_) => Class::Host,
            Self::Usage(_) => Class::Usage,
            Self::Interrupted => Class::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::Trust(error) | Self::Signature { cause: error, .. } => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Some("free some space on this filesystem, then run the command again".into())
            }
            Self::Manifest { cause: ManifestError::Version(_), .. } => {
                Some("install the oct that made the bundle, or a later one".into())
            }
            Self::Policy(PolicyError::Older { .. } | PolicyError::Partial { .. }) => {
                Some("if that is meant, add --allow-downgrade".into())
            }
            Self::Policy(PolicyError::HoldsMore { .. }) => {
                Some("name another folder with --out; if it shall go, add --force".into())
            }
            Self::Policy(PolicyError::TooOld { .. }) => Some("fetch a newer bundle, or raise --max-age".into()),
            Self::Deviates { .. } => Some("import a bundle again, or `oct rollback`".into()),
            Self::Previous(_) => Some("import the archive of the catalog that you want back".into()),
            Self::Archives(_) => Some("name the archive in it that is meant".into()),
            Self::Unsigned { .. } => {
                Some("`oct import` a bundle: it replaces the folder, and keeps the old one".into())
            }
            Self::NoCatalog(_) => Some("`oct import` a bundle first, or name folder or archive with --db".into()),
            Self::Foreign(_) => {
                Some("name a folder that has `data/containers/containers.db` and the rest of the TNF layout".into())
            }
            Self::Interrupted => Some("run the same command again: what was fetched is kept".into()),
            _ => None,
        }
    }
}
