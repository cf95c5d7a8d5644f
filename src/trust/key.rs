//! Public keys.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::TrustError;
use crate::base::digest::Sha256Digest;
use crate::base::fs::{self, FileError};
use crate::base::limits;
use crate::base::owner::{Exposed, Exposure, Owners, exposed};

/// A key's id, as minisign prints it: 16 upper-case hexadecimal digits, of the little-endian number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = u64::from_str_radix(&text, 16).map(|id| Self(id.to_le_bytes())).ok();
        // Accept only one spelling.
        id.filter(|id| id.to_string() == text).ok_or_else(|| serde::de::Error::custom("not the id of a key"))
    }
}

/// A public key with its fingerprint. It is trusted once it is in a [`Keyring`](super::Keyring).
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// Its id.
    pub id: KeyId,
    /// Where it was found: a path, or `built in: NAME`.
    pub origin: String,
    /// Its untrusted comment, without control characters.
    pub comment: String,
    /// What people compare: 128 bits of the SHA-256 of the whole key, as eight groups of four hexadecimal digits. The
    /// id is not enough: the maker of a key can choose it.
    pub fingerprint: String,
    pub(super) key: minisign_verify::PublicKey,
    pub(super) text: String,
}

impl TrustedKey {
    /// Reads the text of a public key file: a comment line and a line of base64.
    ///
    /// # Errors
    /// Says what the text is instead, where it is not a public key.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TrustError> {
        let refuse =
            |cause: &str| TrustError::Key { origin: origin.into(), kind: "public key", cause: cause.to_owned() };
        let mut lines = text.lines();
        let (comment, line) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default().trim_end());
        if lines.any(|line| line.starts_with("trusted comment:")) {
            return Err(refuse("it is a signature"));
        }
        let comment =
            comment.strip_prefix("untrusted comment:").ok_or_else(|| refuse("it is not of minisign's form"))?;
        let bytes = STANDARD.decode(line).map_err(|_| refuse("it is damaged: the second line is not base64"))?;
        match bytes.len() {
            42 => {}
            158 => return Err(refuse("it is a SECRET key, which must not leave the signing host")),
            other => return Err(refuse(&format!("it is damaged: {other} bytes instead of 42"))),
        }
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|error| refuse(&error.to_string()))?;
        let id = KeyId(bytes[2..10].try_into().map_err(|_| refuse("it is damaged"))?);
        let comment = crate::base::text::sanitize(comment);
        let text = format!("untrusted comment: {comment}\n{line}\n");
        let digest = Sha256Digest::of(&bytes).to_string();
        let groups: Vec<_> = (0..8).map(|group| &digest[4 * group..4 * group + 4]).collect();
        Ok(Self { id, origin: origin.into(), comment, fingerprint: groups.join("-"), key, text })
    }

    /// Reads a public key file that only `owners` can change: it, and every folder above it, belongs to one of them, and
    /// nobody else may write there.
    ///
    /// # Errors
    /// If it cannot be read, others could change it, or it is not a public key.
    pub fn read(path: &Path, owners: &Owners) -> Result<Self, TrustError> {
        if let Some(exposed) = exposed(path, owners)? {
            return Err(TrustError::Exposed(exposed));
        }
        Self::parse(&KeyFile::read(path, "public key")?.text, &path.display().to_string())
    }

    /// Reads a public key file that was carried here: the user compares its fingerprint. It may be anywhere, but must not
    /// be writable by everybody.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_carried(path: &Path) -> Result<Self, TrustError> {
        let file = KeyFile::read(path, "public key")?;
        if file.mode & 0o002 != 0 {
            return Err(TrustError::Exposed(Exposed { path: path.to_owned(), cause: Exposure::Mode(file.mode) }));
        }
        Self::parse(&file.text, &path.display().to_string())
    }

    /// Whether `name` is its id or its fingerprint.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.id.to_string().eq_ignore_ascii_case(name) || self.fingerprint.eq_ignore_ascii_case(name)
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A key file that was not parsed yet.
pub(super) struct KeyFile {
    /// Its content.
    pub(super) text: String,
    /// Its permission bits.
    pub(super) mode: u32,
}

impl KeyFile {
    /// Reads a key file, as far as key files go.
    pub(super) fn read(path: &Path, kind: &'static str) -> Result<Self, TrustError> {
        let refuse = |cause: String| TrustError::Key { origin: path.display().to_string(), kind, cause };
        let read = || {
            let mut file = fs::open(path)?;
            let mode = file.metadata()?.permissions().mode() & 0o7777;
            let text = fs::text_of(fs::bounded(&mut file, path, limits::KEY_FILE_BYTES)?, path)?;
            Ok(Self { text, mode })
        };
        read().map_err(|error| match error {
            FileError::Io(error) => error.into(),
            FileError::Kind { what, .. } => refuse(format!("it is {what}")),
            FileError::TooLarge { .. } => refuse("it is far too large".into()),
            FileError::NotText(_) => refuse("it is not text".into()),
        })
    }
}
