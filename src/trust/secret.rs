//! Secret keys: making them, opening them, signing with them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use blake2::{Blake2b512, Digest as _};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use minisign::{PublicKeyBox, SecretKeyBox};
use ring::signature::Ed25519KeyPair;

use super::error::TrustError;
use super::key::{KeyFile, KeyId, TrustedKey};
use super::minisig;
use crate::base::fs as files;
use crate::base::limits;

/// A password that is not shown by `{:?}`.
#[derive(Clone)]
pub struct Password(pub String);

/// Bits of a mode by which others than the owner read a secret.
const OTHERS: u32 = 0o077;
/// The same for a credential of a service: systemd gives its user access by an access list, and the mode shows that as a
/// right of the group.
const OTHERS_OF_CREDENTIAL: u32 = 0o037;

impl Password {
    /// Reads the first line of the file at `path`.
    ///
    /// # Errors
    /// If others can read the file, it is not a regular one, or it is too large for a password.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        Self::read_readable(path, OTHERS)
    }

    /// The same for a credential of a service.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_credential(path: &Path) -> Result<Self, TrustError> {
        Self::read_readable(path, OTHERS_OF_CREDENTIAL)
    }

    fn read_readable(path: &Path, forbidden: u32) -> Result<Self, TrustError> {
        let read = || {
            let mut file = files::open(path)?;
            let mode = file.metadata()?.permissions().mode() & 0o7777;
            let bytes = files::bounded(&mut file, path, limits::PASSWORD_FILE_BYTES)?;
            Ok::<_, files::FileError>((files::text_of(bytes, path)?, mode))
        };
        let (text, mode) = read().map_err(std::io::Error::from)?;
        if mode & forbidden != 0 {
            return Err(TrustError::Mode { path: path.into(), mode, kind: "password" });
        }
        Ok(Self(text.lines().next().unwrap_or_default().to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The places of the parts of a decrypted secret key in its bytes: algorithms (3 × 2), salt (32), scrypt limits (2 × 8),
/// then the key id, the 32 bytes of seed, and the public key.
const KEY_ID: std::ops::Range<usize> = 54..62;
const SEED: std::ops::Range<usize> = 62..94;
const PUBLIC: std::ops::Range<usize> = 94..126;

/// A secret key, opened.
pub struct SigningKey {
    id: KeyId,
    pair: Ed25519KeyPair,
    public: TrustedKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    /// Opens the secret key in `path`. `password` is asked only where the key is encrypted.
    ///
    /// # Errors
    /// If others can read the file, it is not a secret key, or the password is missing or wrong.
    pub fn open(
        path: &Path,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        Self::open_readable(path, OTHERS, password)
    }

    /// The same for a credential of a service.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_credential(
        path: &Path,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        Self::open_readable(path, OTHERS_OF_CREDENTIAL, password)
    }

    fn open_readable(
        path: &Path,
        forbidden: u32,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        let file = KeyFile::read(path, "secret key")?;
        let origin = path.display().to_string();
        let boxed = secret_box(&file.text, &origin)?;
        if file.mode & forbidden != 0 {
            return Err(TrustError::Mode { path: path.into(), mode: file.mode, kind: "secret key" });
        }
        Self::unlock(boxed, &origin, password)
    }

    /// Opens the secret key whose file has this text.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn parse(
        text: &str,
        origin: &str,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        Self::unlock(secret_box(text, origin)?, origin, password)
    }

    fn unlock(
        boxed: String,
        origin: &str,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        let refuse = |cause: &str| TrustError::Key { origin: origin.into(), kind: "secret key", cause: cause.into() };
        let key = match SecretKeyBox::from(boxed.clone()).into_unencrypted_secret_key() {
            Ok(key) => key,
            Err(error) if error.to_string().contains("encrypted") => {
                let Some(Password(password)) = password()? else {
                    return Err(TrustError::PasswordNeeded { origin: origin.into() });
                };
                let wrong = |_| TrustError::WrongPassword { origin: origin.into() };
                SecretKeyBox::from(boxed).into_secret_key(Some(password)).map_err(wrong)?
            }
            Err(error) => return Err(refuse(&error.to_string())),
        };
        let public = public_half(&key, origin)?;
        let bytes = key.to_bytes();
        let part = |range: std::ops::Range<usize>| bytes.get(range).ok_or_else(|| refuse("it is damaged"));
        let pair = Ed25519KeyPair::from_seed_and_public_key(part(SEED)?, part(PUBLIC)?)
            .map_err(|_| refuse("it is damaged: its halves do not belong together"))?;
        let id = KeyId(part(KEY_ID)?.try_into().map_err(|_| refuse("it is damaged"))?);
        Ok(Self { id, pair, public })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The public half, as a key to verify with.
    #[must_use]
    pub fn public(&self) -> &TrustedKey {
        &self.public
    }

    /// Signs `content` with a trusted comment; returns the text of a `.minisig` file. Equal input, equal text.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sign(&self, content: &mut dyn Read, comment: &str) -> std::io::Result<String> {
        Ok(self.sign_hash(&prehash(content)?, comment))
    }

    /// Signs `content` with each of `keys`, reading it once.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sign_with_each(
        keys: &[Self],
        content: &mut dyn Read,
        comment: &str,
    ) -> std::io::Result<Vec<(KeyId, String)>> {
        let hash = prehash(content)?;
        Ok(keys.iter().map(|key| (key.id, key.sign_hash(&hash, comment))).collect())
    }

    fn sign_hash(&self, hash: &[u8], comment: &str) -> String {
        let signature = self.ed25519(hash);
        let global = self.ed25519(&[&signature[..], comment.as_bytes()].concat());
        minisig::compose(self.id, &signature, comment, &global)
    }

    fn ed25519(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }
}

/// What minisign signs instead of `content`: its BLAKE2b-512.
fn prehash(content: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut hasher = Blake2b512::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_vec()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The text of a secret key file, as minisign takes it.
fn secret_box(text: &str, origin: &str) -> Result<String, TrustError> {
    let refuse = |cause: String| TrustError::Key { origin: origin.into(), kind: "secret key", cause };
    // A public key is not a secret, so its mode is not a fault.
    if TrustedKey::parse(text, origin).is_ok() {
        return Err(refuse("it is the public half".into()));
    }
    SecretKeyBox::from_string(text).map(SecretKeyBox::into_string).map_err(|error| refuse(error.to_string()))
}

fn public_half(key: &minisign::SecretKey, origin: &str) -> Result<TrustedKey, TrustError> {
    let refuse = |error: minisign::PError| TrustError::Key {
        origin: origin.into(),
        kind: "secret key",
        cause: error.to_string(),
    };
    let public = minisign::PublicKey::from_secret_key(key).map_err(refuse)?;
    let text = public.to_box().map(PublicKeyBox::into_string).map_err(refuse)?;
    TrustedKey::parse(&text, origin)
}

/// A new pair of keys, as the texts of their files.
pub struct KeyPair {
    secret: String,
    public: TrustedKey,
}

impl KeyPair {
    /// Makes a new pair. Without a password the secret key is unencrypted in its file.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate(password: Option<Password>, comment: &str) -> Result<Self, TrustError> {
        let refuse = |error: minisign::PError| TrustError::Key {
            origin: "the new key".into(),
            kind: "secret key",
            cause: error.to_string(),
        };
        let pair = match password {
            Some(Password(password)) => minisign::KeyPair::generate_encrypted_keypair(Some(password)),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        };
        let pair = pair.map_err(refuse)?;
        let comment = crate::base::text::sanitize(comment);
        let secret = pair.sk.to_box(Some(&format!("oct secret key: {comment}"))).map_err(refuse)?.into_string();
        let base64 = pair.pk.to_base64();
        let public =
            TrustedKey::parse(&format!("untrusted comment: oct public key: {comment}\n{base64}\n"), "new key")?;
        Ok(Self { secret, public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &TrustedKey {
        &self.public
    }

    /// The text of the secret key's file.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.secret
    }

    /// Writes `oct.key` (mode 0600) and `oct.pub` into `folder`; returns their paths. Existing keys stay.
    ///
    /// # Errors
    /// If one of the files exists or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(PathBuf, PathBuf), TrustError> {
        let (secret, public) = (folder.join("oct.key"), folder.join("oct.pub"));
        files::make_folders(folder)?;
        for path in [&secret, &public] {
            if fs::symlink_metadata(path).is_ok() {
                let cause = "it exists; a key is never overwritten".into();
                return Err(TrustError::Key { origin: path.display().to_string(), kind: "place for a new key", cause });
            }
        }
        let write = |path: &Path, text: &str, mode: u32| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            let filled = file.set_permissions(std::fs::Permissions::from_mode(mode));
            let filled = filled.and_then(|()| std::io::Write::write_all(&mut file, text.as_bytes()));
            // One leftover file would block the next pair.
            filled.and_then(|()| file.sync_all()).inspect_err(|_| drop(fs::remove_file(path)))
        };
        write(&secret, &self.secret, 0o600)?;
        write(&public, self.public.text(), 0o644).inspect_err(|_| drop(fs::remove_file(&secret)))?;
        Ok((secret, public))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new secret key without a password.
    pub(in crate::trust) fn key() -> SigningKey {
        let pair = KeyPair::generate(None, "").unwrap();
        SigningKey::parse(pair.secret_text(), "key", || Ok(None)).unwrap()
    }

    #[test]
    fn no_secret_is_shown_in_a_log() {
        assert_eq!(format!("{:?}", Password("secret".into())), "Password(…)");
        let key = key();
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.id()));
    }

    #[test]
    fn a_password_is_asked_only_for_an_encrypted_key() {
        let pair = KeyPair::generate(None, "").unwrap();
        let line = pair.secret_text().lines().nth(1).unwrap();
        let asked =
            |text: &str| matches!(SigningKey::parse(text, "key", || Ok(None)), Err(TrustError::PasswordNeeded { .. }));
        let encrypted = KeyPair::generate(Some(Password("x".into())), "").unwrap();
        assert!(asked(encrypted.secret_text()) && !asked(pair.secret_text()));
        for at in [0, 20, 100, line.len() - 5] {
            let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut damaged = line.to_owned();
            damaged.replace_range(at..=at, other);
            let text = pair.secret_text().replace(line, &damaged);
            assert!(!asked(&text), "byte {at}");
        }
    }
}
