//! Every error that a command can end with, and its class.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::archive::ArchiveError;
use crate::base::failure::{Class, Classified};
use crate::base::text;
use crate::catalog::chart::ChartIndexError;
use crate::catalog::folder::FolderError;
use crate::catalog::snapshot::LayoutError;
use crate::catalog::{TnfError, TooLarge};
use crate::certify::questions::{InputError, Refused};
use crate::exporter::SourceError;
use crate::http::HttpError;
use crate::importer::{Deviation, StoreError};
use crate::trust::TrustError;
use crate::trust::catalogs::CatalogsError;
use crate::trust::manifest::ManifestError;
use crate::trust::signed::VerifyError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalog could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A server could not be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
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
    /// A list of archives that is not accepted.
    #[error("`{place}`: {cause}")]
    Catalogs {
        /// Its file or its URL.
        place: String,
        /// Why.
        cause: CatalogsError,
    },
    /// A server lacks a file that every site has.
    #[error("{site}: there is no `{file}`")]
    NoSite {
        /// The site.
        site: String,
        /// The file.
        file: String,
    },
    /// A site whose list is empty.
    #[error("{site}: the list names no archive yet")]
    NoneListed {
        /// The site.
        site: String,
    },
    /// A file of a site that is not the one in its signed list.
    #[error("{place} is not the archive that the signed list names: {cause}")]
    NotListed {
        /// Its URL.
        place: String,
        /// How it differs.
        cause: String,
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
    Foreign(#[from] FolderError),
    /// A folder holds less than its own `archive.json` says.
    #[error("`{}` {lack}", path.display())]
    Lacks {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        lack: String,
    },
    /// A folder without a single image.
    #[error("`{}` holds no images", .0.display())]
    NoImages(PathBuf),
    /// No image of a folder says how old it is.
    #[error("no image in `{}` has a creation date or an id that contains one", .0.display())]
    NoDate(PathBuf),
    /// The chart index that `--charts-file` names cannot be read.
    #[error(transparent)]
    Charts(#[from] ChartIndexError),
    /// The catalog was fetched, but is larger than readers accept.
    #[error("the catalog is larger than readers accept: {0}")]
    TooLarge(TooLarge),
    /// The archive would be one that readers refuse.
    #[error("no archive was written, because readers would refuse it: {0}")]
    Unreadable(ManifestError),
    /// A rule forbids it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A catalog that nobody signed.
    #[error("`{}` holds a catalog without a signed manifest", .0.display())]
    Unsigned(PathBuf),
    /// Archives, where an archive or an installed catalog is needed.
    #[error("`{}` is a folder with archives, and holds no installed catalog", .0.display())]
    Archives(PathBuf),
    /// No archive in a folder.
    #[error("`{}` holds no `catalog-YYYYMMDDHH.tar.zst`", .0.display())]
    NoArchive(PathBuf),
    /// A folder that is not there.
    #[error("`{}` does not exist", .0.display())]
    NoFolder(PathBuf),
    /// No catalog in a folder.
    #[error("`{}` holds no catalog", .0.display())]
    NoCatalog(PathBuf),
    /// The files of an installed catalog are not what was signed.
    #[error("`{}` is not what was signed: {first}{}", path.display(), if *more > 0 { format!(", and {more} more") } else { String::new() })]
    Deviates {
        /// The folder.
        path: PathBuf,
        /// The first difference.
        first: Box<Deviation>,
        /// How many more there are.
        more: u64,
    },
    /// A catalog that may be what was signed, but by a key that is not trusted here.
    #[error("`{}` cannot be proved here: {cause}", path.display())]
    NotProvable {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: TrustError,
    },
    /// The catalog that `rollback` would restore is not what was signed.
    #[error("the previous catalog cannot be restored: {0}")]
    Previous(Box<Error>),
    /// This host does not allow it; the message names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A configuration file exists and cannot be read.
    #[error("the configuration cannot be read")]
    Configuration(#[source] std::io::Error),
    /// A value on the command line or in the environment is wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The answer could not be written.
    #[error("the answer cannot be written to standard output")]
    Stdout(#[source] std::io::Error),
    /// Ended by SIGINT.
    #[error("interrupted")]
    Interrupted,
    /// Ended by SIGTERM.
    #[error("terminated")]
    Terminated,
}

/// A rule that an archive breaks.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Older than what is installed.
    #[error("the archive of {created} is older than the installed one of {installed}")]
    Older {
        /// Of the archive.
        created: Timestamp,
        /// Of what is installed.
        installed: Timestamp,
    },
    /// Older than `--max-age` allows.
    #[error("the archive of {created} is {} old, and at most {} are allowed", text::age(*age), text::age(*max))]
    TooOld {
        /// Of the archive.
        created: Timestamp,
        /// Its age in seconds.
        age: i64,
        /// What is allowed, in seconds.
        max: i64,
    },
    /// An archive of the same hour would be replaced by one that holds less.
    #[error("`{}` is of the same hour and holds more than the new archive: {more}", path.display())]
    HoldsMore {
        /// The archive that is there.
        path: PathBuf,
        /// What the new one would lack.
        more: Lacking,
    },
    /// A list older than one that was seen.
    #[error("{place} was written {written}, but a newer list of {seen} by the same key was seen before")]
    OldList {
        /// Its URL.
        place: String,
        /// When it was written.
        written: Timestamp,
        /// When the newest list that was seen was written.
        seen: Timestamp,
    },
    /// Files that are not a catalog would be moved away.
    #[error("other files are in the place of the catalog: {}", what.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", "))]
    Unrelated {
        /// Files and folders.
        what: Vec<PathBuf>,
    },
    /// A partial archive would replace a full catalog.
    #[error("the archive is partial (images since {since}), but a full catalog is installed")]
    Partial {
        /// What limits it.
        since: Timestamp,
    },
}

/// What an archive lacks that another one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lacking {
    /// It is partial, and the other one is not.
    Everything,
    /// Containers between this instant and the beginning of what it holds.
    Since(Timestamp),
    /// A whole source.
    Source(String),
}

impl std::fmt::Display for Lacking {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Everything => write!(f, "it is not partial"),
            Self::Since(since) => write!(f, "images since {since}"),
            Self::Source(name) => write!(f, "`{}`", text::sanitize(name)),
        }
    }
}

/// What is wrong with the command line or the environment, where a flag's own check cannot tell.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An empty password for a new key.
    #[error("the password is empty")]
    EmptyPassword,
    /// The password was not repeated.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// `SOURCE_DATE_EPOCH` is not an instant.
    #[error("the variable SOURCE_DATE_EPOCH is not a number of seconds")]
    SourceDateEpoch,
    /// A header that a request cannot contain; without its value, which may be a secret.
    #[error("{flag}: {cause}")]
    Header {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A configuration file is wrong; the message names file and key.
    #[error("{0}")]
    Config(String),
    /// The user has no folder for the configuration.
    #[error("neither HOME nor XDG_CONFIG_HOME is set")]
    NoHome,
    /// `check` without a question.
    #[error("there is no question")]
    NothingAsked,
    /// `check` with questions from the command line and from a file.
    #[error("--from takes the questions from a file, but the command line has questions too")]
    TwoSources,
    /// A question on the command line that cannot be asked.
    #[error("{0}")]
    Question(Refused),
    /// A list of questions that cannot be read.
    #[error("`{}`: {cause}", path.display())]
    Questions {
        /// The list.
        path: PathBuf,
        /// Why.
        cause: InputError,
    },
    /// A pipe, a folder or the like in the place of a list of questions.
    #[error("`{}` is {what}, not a regular file", path.display())]
    NoFile {
        /// Where it stands.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A list of questions that is too long.
    #[error("`{}` has more than {}: this is not a list of questions", path.display(), text::size(*limit))]
    TooLong {
        /// The list.
        path: PathBuf,
        /// Bytes that it may have.
        limit: u64,
    },
}

impl PolicyError {
    /// One word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Older { .. } => "older-than-installed",
            Self::TooOld { .. } => "too-old",
            Self::HoldsMore { .. } => "holds-less",
            Self::OldList { .. } => "old-list",
            Self::Unrelated { .. } => "unrelated",
            Self::Partial { .. } => "partial",
        }
    }
}

impl UsageError {
    /// One word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyPassword => "empty-password",
            Self::PasswordsDiffer => "passwords-differ",
            Self::SourceDateEpoch => "source-date-epoch",
            Self::Header { .. } => "bad-header",
            Self::Config(_) => "bad-config",
            Self::NoHome => "no-home",
            Self::NothingAsked => "no-question",
            Self::TwoSources => "questions-twice",
            Self::Question(_) => "bad-question",
            Self::Questions { .. } | Self::NoFile { .. } => "bad-questions",
            Self::TooLong { .. } => "too-many-questions",
        }
    }
}

impl Error {
    /// The folder that is empty or missing, if that is the error.
    #[must_use]
    pub fn empty_folder(&self) -> Option<&std::path::Path> {
        match self {
            Self::NoCatalog(dir) | Self::NoFolder(dir) | Self::Store(StoreError::NoPrevious { dir }) => Some(dir),
            _ => None,
        }
    }

    /// The error of a path that is to be a folder, and is none.
    pub(super) fn not_a_folder(path: &std::path::Path) -> Self {
        let path = path.to_owned();
        if path.exists() { StoreError::NotAFolder { path }.into() } else { Self::NoFolder(path) }
    }

    /// The error of a folder in which no signed catalog is installed; `is_there` says whether an unsigned one is.
    pub(super) fn unsigned(path: &std::path::Path, is_there: bool) -> Self {
        let path = path.to_owned();
        match crate::archive::archives(&path) {
            Ok(archives) if !archives.is_empty() => Self::Archives(path),
            _ if is_there => Self::Unsigned(path),
            _ => Self::NoCatalog(path),
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
            Self::Http(error) => error.class(),
            Self::Archive(error) => error.class(),
            Self::Trust(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Signature { cause, .. } | Self::NotProvable { cause, .. } => cause.class(),
            Self::Catalogs { cause, .. } => cause.class(),
            Self::Previous(cause) => cause.class(),
            Self::Manifest { .. }
            | Self::Comment { .. }
            | Self::Content { .. }
            | Self::Unsigned(_)
            | Self::Archives(_)
            | Self::NoArchive(_)
            | Self::NoCatalog(_)
            | Self::Foreign(_)
            | Self::Deviates { .. } => Class::Verification,
            Self::Charts(_)
            | Self::TooLarge(_)
            | Self::Unreadable(_)
            | Self::Lacks { .. }
            | Self::NoImages(_)
            | Self::NoDate(_)
            | Self::NoSite { .. }
            | Self::NoneListed { .. } => Class::Source,
            Self::NotListed { .. } => Class::Verification,
            Self::Policy(_) => Class::Policy,
            Self::NoFolder(_) | Self::Io(_) | Self::Configuration(_) | Self::Stdout(_) => Class::Host,
            Self::Usage(_) => Class::Usage,
            Self::Interrupted => Class::Interrupted,
            Self::Terminated => Class::Terminated,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Http(error) => error.code(),
            Self::Archive(error) => error.code(),
            Self::Trust(error) | Self::Signature { cause: error, .. } => error.code(),
            Self::Store(error) => error.code(),
            Self::Manifest { cause: ManifestError::Version(_), .. } => "manifest-version",
            Self::Manifest { .. } => "bad-manifest",
            Self::Comment { .. } => "signature-comment",
            Self::Catalogs { cause, .. } => cause.code(),
            Self::Content { .. } => "unreadable-content",
            Self::Foreign(_) => "unreadable-folder",
            Self::Charts(_) => "unreadable-charts",
            Self::NoSite { .. } => "no-site",
            Self::NoneListed { .. } => "none-listed",
            Self::NotListed { .. } => "not-as-listed",
            Self::TooLarge(_) => "catalog-too-large",
            Self::Unreadable(_) => "bad-manifest",
            Self::Lacks { .. } => "folder-lacks",
            Self::NoImages(_) => "no-images",
            Self::NoDate(_) => "no-date",
            Self::Policy(error) => error.code(),
            Self::Unsigned(_) => "unsigned",
            Self::Archives(_) => "folder-of-archives",
            Self::NoArchive(_) => "no-archive",
            Self::NoFolder(_) => "no-folder",
            Self::NoCatalog(_) => "no-catalog",
            Self::Deviates { .. } => "not-as-signed",
            Self::NotProvable { .. } => "not-provable",
            Self::Previous(_) => "previous-not-usable",
            Self::Io(_) => "io",
            Self::Configuration(_) => "config-unreadable",
            Self::Stdout(_) => "stdout",
            Self::Usage(error) => error.code(),
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}
