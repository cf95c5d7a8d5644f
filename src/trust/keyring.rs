//! The set of trusted keys, and the decision whose signature counts.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::error::TrustError;
use super::key::TrustedKey;
use super::minisig;
use super::signed::Signer;
use crate::base::text;

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// The keys that are trusted on this host.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    keys: Vec<TrustedKey>,
}

impl Keyring {
    /// Exactly these keys.
    #[must_use]
    pub fn new(keys: Vec<TrustedKey>) -> Self {
        Self { keys }
    }

    /// The keys of `files`, of every `*.pub` in `folders`, and those that were built in.
    ///
    /// # Errors
    /// Where a file is no usable public key: a damaged one is named, not passed over.
    pub fn load(files: &[PathBuf], folders: &[PathBuf]) -> Result<Self, TrustError> {
        let mut keys: Vec<TrustedKey> = files.iter().map(|file| TrustedKey::read(file)).collect::<Result<_, _>>()?;
        for folder in folders {
            for path in public_keys(folder)? {
                keys.push(TrustedKey::read(&path)?);
            }
        }
        for (name, text) in BUILT_IN {
            keys.push(TrustedKey::parse(text, &format!("built in: {name}"))?);
        }
        Ok(Self { keys })
    }

    /// The keys, in the order in which they were found.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// Checks a signature file that lies beside an archive: `content` is the whole archive.
    ///
    /// A signature by a key that is not trusted here says nothing, as long as it is one of `header_keys`, the keys that
    /// signed the archive's header.
    ///
    /// # Errors
    /// Where the signature is not of this archive.
    pub fn check_sidecar(
        &self,
        path: &Path,
        signature: &str,
        expected_comment: &str,
        header_keys: &[String],
        content: &mut dyn Read,
    ) -> Result<(), TrustError> {
        let refuse = |cause| TrustError::Sidecar { path: path.into(), cause: Box::new(cause) };
        let parsed = minisig::parse(signature).map_err(refuse)?;
        let id = parsed.key_id.to_string();
        let Some(key) = self.keys.iter().find(|key| key.id == parsed.key_id) else {
            return if header_keys.contains(&id) { Ok(()) } else { Err(refuse(TrustError::Untrusted(vec![id]))) };
        };
        let mut verifier = key.key.verify_stream(&parsed.parsed).map_err(|_| refuse(TrustError::Legacy))?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                count => verifier.update(&buffer[..count]),
            }
        }
        verifier.finalize().map_err(|_| refuse(TrustError::BadSignature { key_id: id }))?;
        if parsed.comment != expected_comment {
            let found = text::sanitize(&parsed.comment);
            return Err(refuse(TrustError::Comment { expected: expected_comment.into(), found }));
        }
        Ok(())
    }

    /// The ids of the keys that made `signatures`, trusted or not.
    ///
    /// # Errors
    /// Where one of them is malformed.
    pub fn signers(signatures: &[String]) -> Result<Vec<String>, TrustError> {
        signatures.iter().map(|text| Ok(minisig::parse(text)?.key_id.to_string())).collect()
    }

    /// Finds a trusted signer of `message`.
    ///
    /// # Errors
    /// Where no signature is by a trusted key, or one by a trusted key does not fit the message.
    pub(super) fn check(&self, message: &[u8], signatures: &[String]) -> Result<Signer, TrustError> {
        let parsed: Vec<_> = signatures.iter().map(|text| minisig::parse(text)).collect::<Result<_, _>>()?;
        if self.keys.is_empty() {
            return Err(TrustError::NoKeys);
        }
        let mut signer = None;
        for signature in &parsed {
            for key in self.keys.iter().filter(|key| key.id == signature.key_id) {
                let key_id = key.id.to_string();
                if key.key.verify(message, &signature.parsed, false).is_err() {
                    return Err(TrustError::BadSignature { key_id });
                }
                signer.get_or_insert(Signer { key_id, origin: key.origin.clone(), comment: signature.comment.clone() });
            }
        }
        signer.ok_or_else(|| TrustError::Untrusted(parsed.iter().map(|s| s.key_id.to_string()).collect()))
    }
}

/// Every `*.pub` in `folder`, by name. A missing folder holds none.
fn public_keys(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Keeps the public key in `file` in `folder`, named by its id; returns it and where it lies now.
///
/// # Errors
/// Where it is no public key, another one has its id, or the folder cannot be written.
pub fn add(file: &Path, folder: &Path) -> Result<(TrustedKey, PathBuf), TrustError> {
    let key = TrustedKey::read(file)?;
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.pub", key.id));
    if let Ok(known) = TrustedKey::read(&path)
        && known.fingerprint != key.fingerprint
    {
        return Err(TrustError::OtherKey { key_id: key.id.to_string(), path });
    }
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(key.text().as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(&path).map_err(|error| error.error)?;
    Ok((key, path))
}

/// Removes every file with the key `key_id` from `folder`; returns their paths.
///
/// # Errors
/// Where no such key lies there.
pub fn remove(key_id: &str, folder: &Path) -> Result<Vec<PathBuf>, TrustError> {
    let mut removed = Vec::new();
    for path in public_keys(folder)? {
        // A damaged file elsewhere in the folder must not keep a revoked key in force.
        if TrustedKey::read(&path).is_ok_and(|key| key.id.to_string().eq_ignore_ascii_case(key_id)) {
            fs::remove_file(&path)?;
            removed.push(path);
        }
    }
    if removed.is_empty() {
        return Err(TrustError::NoSuchKey { key_id: text::sanitize(key_id), folder: folder.into() });
    }
    Ok(removed)
}
