//! A signature file beside an archive, over the whole of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minisign_verify::StreamVerifier;

use super::error::TrustError;
use super::keyring::Keyring;
use super::minisig::{self, Minisig};
use super::signed::VerifiedManifest;
use crate::base::text;

/// A signature file beside an archive, not verified yet.
pub struct Sidecar {
    path: PathBuf,
    signature: Minisig,
}

impl Sidecar {
    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// If it is not a signature.
    pub fn parse(path: &Path, text: &str) -> Result<Self, TrustError> {
        match minisig::parse_sidecar(text) {
            Ok(signature) => Ok(Self { path: path.to_owned(), signature }),
            Err(cause) => Err(TrustError::Sidecar { path: path.to_owned(), cause: Box::new(cause) }),
        }
    }

    /// Starts to check it as the signature of the archive `name` of `manifest`: the check then gets every byte of the
    /// archive.
    ///
    /// A signature by a key that is not trusted here says nothing, as long as that key signed the archive's header too.
    ///
    /// # Errors
    /// If the key that signed it is not trusted here and did not sign the header.
    pub fn check<'a>(
        &'a self,
        keyring: &'a Keyring,
        manifest: &VerifiedManifest,
        name: &str,
    ) -> Result<SidecarCheck<'a>, TrustError> {
        let id = self.signature.key_id;
        let keys: Vec<_> = keyring.with_id(id).collect();
        if keys.is_empty() && !manifest.key_ids().contains(&id) {
            return Err(self.refuse(keyring.untrusted(vec![id.to_string()])));
        }
        let verifiers = keys.iter().map(|key| key.key.verify_stream(&self.signature.parsed)).collect::<Result<_, _>>();
        let verifiers = verifiers.map_err(|_| self.refuse(TrustError::Legacy))?;
        Ok(SidecarCheck { sidecar: self, verifiers, expected: manifest.trusted_comment(name) })
    }

    fn refuse(&self, cause: TrustError) -> TrustError {
        TrustError::Sidecar { path: self.path.clone(), cause: Box::new(cause) }
    }
}

/// The check of a [`Sidecar`] under way: it takes the archive's bytes.
pub struct SidecarCheck<'a> {
    sidecar: &'a Sidecar,
    /// One for each trusted key with the signature's id; none where the key is not trusted.
    verifiers: Vec<StreamVerifier<'a>>,
    expected: String,
}

impl SidecarCheck<'_> {
    /// Ends the check.
    ///
    /// # Errors
    /// If the signature is not of these bytes, or its trusted comment is of something else.
    pub fn finish(self) -> Result<(), TrustError> {
        let Self { sidecar, verifiers, expected } = self;
        let Minisig { key_id, comment, .. } = &sidecar.signature;
        if verifiers.is_empty() {
            return Ok(());
        }
        if !verifiers.into_iter().any(|mut verifier| verifier.finalize().is_ok()) {
            return Err(sidecar.refuse(TrustError::BadSignature { key_id: key_id.to_string() }));
        }
        if *comment != expected {
            return Err(sidecar.refuse(TrustError::Comment { expected, found: text::sanitize(comment) }));
        }
        Ok(())
    }
}

impl Write for SidecarCheck<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.verifiers.iter_mut().for_each(|verifier| verifier.update(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
