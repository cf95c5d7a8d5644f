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
use super::key::{KeyId, TrustedKey, read_text};
use super::minisig;

/// A password that is not shown by `{:?}`.
#[derive(Clone)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Where the parts of a decrypted secret key lie in its bytes: algorithms (3 × 2), salt (32), scrypt limits (2 × 8),
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
    /// Where others can read the file, it is no secret key, or the password is missing or wrong.
    pub fn open(
        path: &Path,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        Self::open_readable(path, 0o077, password)
    }

    /// The same for a credential of a service: systemd lets its user read it by an access list, of which the mode shows
    /// a right of the group.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_credential(
        path: &Path,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        Self::open_readable(path, 0o037, password)
    }

    fn open_readable(
        path: &Path,
        forbidden: u32,
        password: impl FnOnce() -> Result<Option<Password>, TrustError>,
    ) -> Result<Self, TrustError> {
        let text = read_text(path, "secret key")?;
        let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
        // A public key is no secret, and its mode no fault.
        if mode & forbidden != 0 && TrustedKey::parse(&text, "").is_err() {
            let cause = "others than its owner could read the secret key";
            return Err(TrustError::Mode { path: path.into(), mode, cause });
        }
        Self::parse(&text, &path.display().to_string(), password)
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
        let refuse = |cause: &str| TrustError::Key { origin: origin.into(), kind: "secret key", cause: cause.into() };
        if TrustedKey::parse(text, origin).is_ok() {
            return Err(refuse("it is the public half"));
        }
        let boxed = || SecretKeyBox::from_string(text).map_err(|error| refuse(&error.to_string()));
        let key = match boxed()?.into_unencrypted_secret_key() {
            Ok(key) => key,
            Err(error) if error.to_string().contains("encrypted") => {
                let Some(Password(password)) = password()? else {
                    return Err(TrustError::PasswordNeeded { origin: origin.into() });
                };
                let wrong = |_| TrustError::WrongPassword { origin: origin.into() };
                boxed()?.into_secret_key(Some(password)).map_err(wrong)?
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
        let mut hasher = Blake2b512::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let signature = self.ed25519(&hasher.finalize());
        let global = self.ed25519(&[&signature[..], comment.as_bytes()].concat());
        Ok(minisig::compose(self.id, &signature, comment, &global))
    }

    fn ed25519(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }
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
#[derive(Debug)]
pub struct KeyPair {
    secret: String,
    public: TrustedKey,
}

impl KeyPair {
    /// Makes a new pair. Without a password the secret key stands unencrypted in its file.
    ///
    /// # Errors
    /// Where the system gives no randomness.
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
    /// Where one of the files exists or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(PathBuf, PathBuf), TrustError> {
        let (secret, public) = (folder.join("oct.key"), folder.join("oct.pub"));
        fs::create_dir_all(folder)?;
        for path in [&secret, &public] {
            if fs::symlink_metadata(path).is_ok() {
                let cause = "it exists; a key is never overwritten".into();
                return Err(TrustError::Key { origin: path.display().to_string(), kind: "place for a new key", cause });
            }
        }
        let write = |path: &Path, text: &str, mode: u32| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()
        };
        let written = write(&secret, &self.secret, 0o600).and_then(|()| write(&public, self.public.text(), 0o644));
        if written.is_err() {
            // Half a pair would keep the next one from being written. Both were made here, a moment ago.
            let _ = fs::remove_file(&public);
            let _ = fs::remove_file(&secret);
        }
        written?;
        Ok((secret, public))
    }
}
