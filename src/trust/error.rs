//! Why a key or a signature is not accepted.

use std::path::PathBuf;

use super::policy::{PolicyFileError, Violation};
use crate::base::failure::{Class, Classified};
use crate::base::owner::Exposed;

/// Why a key or a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A key file cannot be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A key file is not usable.
    #[error("`{origin}` is not a usable {kind}: {cause}")]
    Key {
        /// File of the key, or where else it comes from.
        origin: String,
        /// `public key` or `secret key`.
        kind: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Others than root and the caller can change a trusted key.
    #[error("others can change a trusted key: {0}")]
    Exposed(Exposed),
    /// Others than the owner can read a secret.
    #[error("`{}` has mode {mode:04o}: users other than its owner can read the {kind}", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// `secret key` or `password`.
        kind: &'static str,
    },
    /// The policy of this host cannot be applied.
    #[error(transparent)]
    PolicyFile(#[from] PolicyFileError),
    /// The policy of this host forbids it.
    #[error(transparent)]
    Policy(#[from] Violation),
    /// No secret key was named, and there is none in the usual places.
    #[error("no secret key to sign with: no --secret-key was named, and no `oct.key` is here or in the configuration")]
    NoSecretKey,
    /// The secret key is encrypted, and no password was given.
    #[error("the secret key `{origin}` needs its password")]
    PasswordNeeded {
        /// File of the key.
        origin: String,
    },
    /// The password does not open the secret key.
    #[error("this is not the password of the secret key `{origin}`")]
    WrongPassword {
        /// File of the key.
        origin: String,
    },
    /// A new key gets a password, and nobody can be asked for it.
    #[error("the new key needs a password, and there is no terminal to ask for it")]
    NoTerminal,
    /// No key is trusted.
    #[error("no key is trusted on this host: there is none in {}", .0.searched.join(", "))]
    NoKeys(Box<Unknown>),
    /// Signed, but by no trusted key.
    #[error("signed by {}, which {} not trusted here", .0.signers.join(" and "), if .0.signers.len() == 1 { "is" } else { "are" })]
    Untrusted(Box<Unknown>),
    /// A signature by a trusted key does not match the data.
    #[error(
        "the signature by the trusted key {key_id} does not match: the data were altered, the signature belongs to another file, or it is by another key with the same id"
    )]
    BadSignature {
        /// The key.
        key_id: String,
    },
    /// A text that is not a signature in the form that `oct` writes.
    #[error("a signature is malformed: {0}")]
    Malformed(&'static str),
    /// A signature of the old kind, over the data instead of their hash.
    #[error("a signature is of minisign's legacy kind, which is not accepted")]
    Legacy,
    /// The signature beside the archive does not match it.
    #[error("`{}` does not match the archive beside it: {cause}", path.display())]
    Sidecar {
        /// The signature file.
        path: PathBuf,
        /// Why.
        cause: Box<TrustError>,
    },
    /// The signature's trusted comment names something else.
    #[error("its trusted comment is `{found}`, but `{expected}` is expected")]
    Comment {
        /// What it has to be.
        expected: String,
        /// What it is, without control characters.
        found: String,
    },
    /// `trust add` of a key whose id another trusted one has.
    #[error("`{origin}` is another key with the same id, {key_id}")]
    OtherKey {
        /// The id of both.
        key_id: String,
        /// Where the trusted one was found.
        origin: String,
    },
    /// `trust remove` of an id that several keys have.
    #[error("several keys have the id {key_id}: {}", keys.join(", "))]
    Ambiguous {
        /// The id asked for.
        key_id: String,
        /// Fingerprint and path of each.
        keys: Vec<String>,
    },
    /// `trust remove` of a key that is not there.
    #[error("there is no key with the id {key_id} in `{}`", folder.display())]
    NoSuchKey {
        /// The id asked for.
        key_id: String,
        /// The folder searched.
        folder: PathBuf,
    },
}

/// Signers of whom none is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Ids of the keys that signed.
    pub signers: Vec<String>,
    /// Each place where trusted keys were looked for.
    pub searched: Vec<String>,
    /// The file of one of the keys that signed, where another user trusts it: the one who called `sudo`.
    pub elsewhere: Option<String>,
}

impl TrustError {
    /// Whether this host only cannot prove the data: nothing is known to be wrong with them.
    #[must_use]
    pub fn is_unproved(&self) -> bool {
        matches!(self, Self::NoKeys(_) | Self::Untrusted(_) | Self::Policy(Violation::Signatures { .. }))
    }
}

impl Classified for TrustError {
    fn class(&self) -> Class {
        match self {
            Self::Io(_)
            | Self::Key { .. }
            | Self::Exposed(_)
            | Self::Mode { .. }
            | Self::NoTerminal
            | Self::Ambiguous { .. }
            | Self::NoSecretKey
            | Self::PasswordNeeded { .. }
            | Self::WrongPassword { .. }
            | Self::NoSuchKey { .. } => Class::Host,
            Self::PolicyFile(error) => error.class(),
            Self::Policy(error) => error.class(),
            _ => Class::Verification,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Key { .. } => "bad-key",
            Self::Mode { .. } => "key-mode",
            Self::NoSecretKey => "no-secret-key",
            Self::PasswordNeeded { .. } => "password-needed",
            Self::WrongPassword { .. } => "wrong-password",
            Self::Exposed(_) => "key-exposed",
            Self::PolicyFile(error) => error.code(),
            Self::Policy(error) => error.code(),
            Self::NoTerminal => "no-terminal",
            Self::Ambiguous { .. } => "key-id-ambiguous",
            Self::NoKeys(_) => "no-trusted-key",
            Self::Untrusted(_) => "untrusted-signer",
            Self::BadSignature { .. } => "bad-signature",
            Self::Malformed(_) => "malformed-signature",
            Self::Legacy => "legacy-signature",
            Self::Sidecar { .. } => "sidecar-differs",
            Self::Comment { .. } => "signature-comment",
            Self::OtherKey { .. } => "key-id-taken",
            Self::NoSuchKey { .. } => "no-such-key",
        }
    }
}
