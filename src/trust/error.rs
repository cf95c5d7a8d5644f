//! Why a key or a signature is not accepted.

use std::path::PathBuf;

use crate::base::failure::{Class, Classified};

/// Why a key or a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A key file cannot be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A key file is not what it should be.
    #[error("`{origin}` is no usable {kind}: {cause}")]
    Key {
        /// File of the key, or where else it comes from.
        origin: String,
        /// `public key` or `secret key`.
        kind: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Others than the owner can read or change a key file.
    #[error("`{}` has mode {mode:04o}: {cause}", path.display())]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Who could do what.
        cause: &'static str,
    },
    /// No secret key was named, and none lies in its usual place.
    #[error(
        "no secret key to sign with: no --secret-key was named, and no `oct.key` lies here or in the configuration"
    )]
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
    /// Nobody is trusted.
    #[error("no key is trusted on this host")]
    NoKeys,
    /// Signed, but by nobody who is trusted.
    #[error("signed by {}, which {} not trusted here", .0.join(" and "), if .0.len() == 1 { "is" } else { "are" })]
    Untrusted(
        /// Ids of the keys that signed.
        Vec<String>,
    ),
    /// A signature by a trusted key does not fit the data.
    #[error(
        "the signature by the trusted key {key_id} does not fit: the data were altered, or the signature is of another file"
    )]
    BadSignature {
        /// The key.
        key_id: String,
    },
    /// A text that is no signature in the form that `oct` writes.
    #[error("a signature is malformed: {0}")]
    Malformed(&'static str),
    /// A signature of the old kind, over the data instead of their hash.
    #[error("a signature is of minisign's legacy kind, which is not accepted")]
    Legacy,
    /// The signature beside the archive does not fit it.
    #[error("`{}` does not fit the archive beside it: {cause}", path.display())]
    Sidecar {
        /// The signature file.
        path: PathBuf,
        /// Why.
        cause: Box<TrustError>,
    },
    /// The signature's trusted comment speaks of something else.
    #[error("its trusted comment is `{found}`, where `{expected}` is due")]
    Comment {
        /// What it has to be.
        expected: String,
        /// What it is, made harmless.
        found: String,
    },
    /// `trust add` of a key whose id another trusted one has.
    #[error("`{}` is another key with the same id, {key_id}", path.display())]
    OtherKey {
        /// The id of both.
        key_id: String,
        /// The trusted one.
        path: PathBuf,
    },
    /// `trust remove` of a key that is not there.
    #[error("no key with the id {key_id} lies in `{}`", folder.display())]
    NoSuchKey {
        /// The id asked for.
        key_id: String,
        /// The folder searched.
        folder: PathBuf,
    },
}

impl Classified for TrustError {
    fn class(&self) -> Class {
        match self {
            Self::Io(_)
            | Self::Key { .. }
            | Self::Mode { .. }
            | Self::NoSecretKey
            | Self::PasswordNeeded { .. }
            | Self::WrongPassword { .. }
            | Self::NoSuchKey { .. } => Class::Host,
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
            Self::NoKeys => "no-trusted-key",
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
