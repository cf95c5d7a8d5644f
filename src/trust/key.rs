//! Public keys.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;

use super::error::TrustError;
use crate::base::digest::Sha256Digest;
use crate::base::limits;

/// A key's id, as minisign prints it: 16 upper-case hexadecimal digits, of the little-endian number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key that somebody on this host decided to trust.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// Its id.
    pub id: KeyId,
    /// Where it was found: a path, or `built in: NAME`.
    pub origin: String,
    /// Its untrusted comment, made harmless.
    pub comment: String,
    /// What people compare: 128 bits of the SHA-256 of the whole key, as eight groups of four hexadecimal digits. The
    /// id would not do: it is a number that whoever makes a key chooses.
    pub fingerprint: String,
    pub(super) key: minisign_verify::PublicKey,
    pub(super) text: String,
}

impl TrustedKey {
    /// Reads the text of a public key file: a comment line and a line of base64.
    ///
    /// # Errors
    /// Says what the text is instead, where it is no public key.
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

    /// Reads a public key file.
    ///
    /// # Errors
    /// Where it cannot be read, anybody could have changed it, or it is no public key.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let text = read_text(path, "public key")?;
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        if mode & 0o002 != 0 {
            let cause = "everybody on this host could put another key there";
            return Err(TrustError::Mode { path: path.into(), mode, cause });
        }
        Self::parse(&text, &path.display().to_string())
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Reads a key file, as far as key files go.
pub(super) fn read_text(path: &Path, kind: &'static str) -> Result<String, TrustError> {
    let refuse = |cause: &str| TrustError::Key { origin: path.display().to_string(), kind, cause: cause.into() };
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(refuse("it is no file"));
    }
    file.take(limits::KEY_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::KEY_FILE_BYTES {
        return Err(refuse("it is far too large"));
    }
    String::from_utf8(bytes).map_err(|_| refuse("it is not text"))
}
