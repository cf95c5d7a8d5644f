//! The archive's header: the manifest as a string, and signatures over exactly those bytes.

use serde::{Deserialize, Serialize};

use super::error::TrustError;
use super::key::KeyId;
use super::keyring::Keyring;
use super::manifest::{MANIFEST_FILE, Manifest, ManifestError};
use super::minisig;
use crate::base::{limits, text};

/// A manifest with its signatures, **unverified**. Only [`SignedManifest::verify`] returns a verified one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedManifest {
    /// The manifest's text, byte for byte as it was signed.
    manifest: String,
    /// Texts of `.minisig` files over the manifest.
    signatures: Vec<String>,
}

/// A header that is not of the form that `oct bundle` writes.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// Not JSON, or other fields than `manifest` and `signatures`.
    #[error("the header is not of oct's form: {0}")]
    Json(#[from] serde_json::Error),
    /// The same JSON in another spelling, for example after a flipped bit.
    #[error("the header is spelled differently from how oct writes it")]
    NotCanonical,
    /// No signature at all.
    #[error("the header holds no signature")]
    Unsigned,
    /// More signatures than any rotation needs.
    #[error("the header holds {0} signatures, more than {max}", max = limits::SIGNATURES)]
    TooManySignatures(usize),
}

/// Why a signed manifest was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No signature by a trusted key, or a bad one.
    #[error(transparent)]
    Signature(#[from] TrustError),
    /// Signed, but not a manifest that this version reads.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The signature was made for something else.
    #[error("the signature's trusted comment is `{found}`, the manifest says `{expected}`")]
    Comment {
        /// What the manifest's signatures have to state.
        expected: String,
        /// What this one states, without control characters.
        found: String,
    },
}

impl SignedManifest {
    /// Puts a manifest's text and its signatures together.
    #[must_use]
    pub fn new(manifest: String, signatures: Vec<String>) -> Self {
        Self { manifest, signatures }
    }

    /// The header's bytes, the one spelling that readers accept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings and a list of strings always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the header's bytes.
    ///
    /// # Errors
    /// Everything but the exact bytes that [`Self::encode`] gives is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header: Self = serde_json::from_slice(bytes)?;
        if header.encode() != bytes {
            return Err(HeaderError::NotCanonical);
        }
        match header.signatures.len() {
            0 => Err(HeaderError::Unsigned),
            count if count > limits::SIGNATURES => Err(HeaderError::TooManySignatures(count)),
            _ => Ok(header),
        }
    }

    /// The manifest's text, not verified yet.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.manifest
    }

    /// The texts of the signatures.
    #[must_use]
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// Verifies the signatures, then reads the manifest.
    ///
    /// # Errors
    /// If no trusted key signed these bytes, fewer do than the policy requires, or they are not a manifest of this
    /// format.
    pub fn verify(self, keyring: &Keyring) -> Result<VerifiedManifest, VerifyError> {
        let signatures: Vec<_> = self.signatures.iter().map(|text| minisig::parse(text)).collect::<Result<_, _>>()?;
        let signers = keyring.check(self.manifest.as_bytes(), &signatures)?;
        let manifest = Manifest::parse(&self.manifest)?;
        let expected = manifest.trusted_comment(MANIFEST_FILE);
        if let Some(signer) = signers.all().find(|signer| signer.comment != expected) {
            return Err(VerifyError::Comment { expected, found: text::sanitize(&signer.comment) });
        }
        let key_ids = signatures.iter().map(|signature| signature.key_id).collect();
        Ok(VerifiedManifest { manifest, signed: self, signers, key_ids })
    }

    /// Ids of the keys that signed, by the signatures' own account.
    ///
    /// # Errors
    /// If a signature is malformed.
    pub fn unverified_key_ids(&self) -> Result<Vec<KeyId>, TrustError> {
        self.signatures.iter().map(|text| Ok(minisig::parse(text)?.key_id)).collect()
    }
}

/// A trusted key that signed a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Key id: 16 upper-case hexadecimal digits, as minisign prints it.
    pub key_id: String,
    /// Where the trusted key was found.
    pub origin: String,
    /// The signature's trusted comment.
    pub comment: String,
}

/// Every trusted key that signed it, each once: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signers {
    pub(super) first: Signer,
    pub(super) others: Vec<Signer>,
}

impl Signers {
    pub(super) fn all(&self) -> impl Iterator<Item = &Signer> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// A manifest that a trusted key signed. Only [`SignedManifest::verify`] makes one: its fields are
/// private to this file. Unpacking takes nothing else.
#[derive(Debug, Clone)]
pub struct VerifiedManifest {
    manifest: Manifest,
    signed: SignedManifest,
    signers: Signers,
    key_ids: Vec<KeyId>,
}

impl VerifiedManifest {
    /// The text and the signatures that it was read from.
    #[must_use]
    pub fn signed(&self) -> &SignedManifest {
        &self.signed
    }

    /// The first trusted key that signed it.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signers.first
    }

    /// Every trusted key that signed it, each once.
    pub fn signers(&self) -> impl Iterator<Item = &Signer> {
        self.signers.all()
    }

    /// Ids of all keys that signed it, trusted or not, in their order.
    #[must_use]
    pub fn key_ids(&self) -> &[KeyId] {
        &self.key_ids
    }
}

impl std::ops::Deref for VerifiedManifest {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        &self.manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SigningKey;
    use crate::trust::keyring::tests::keyring;
    use crate::trust::policy::Violation;
    use crate::trust::secret::tests::key;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(manifest in ".*", signatures in prop::collection::vec(".*", 1..4)) {
            let header = SignedManifest::new(manifest, signatures);
            prop_assert_eq!(SignedManifest::decode(&header.encode()).unwrap(), header);
        }

        #[test]
        fn one_spelling_only(position in 0usize..40, bit in 0u8..8) {
            let bytes = SignedManifest::new("{\"a\": 1}\n".into(), vec!["x".into()]).encode();
            let mut flipped = bytes.clone();
            let position = position % bytes.len();
            flipped[position] ^= 1 << bit;
            if let Ok(header) = SignedManifest::decode(&flipped) {
                prop_assert_eq!(header.encode(), flipped);
            }
        }
    }

    #[test]
    fn unsigned_and_more_signatures_than_allowed_are_refused() {
        let bytes = SignedManifest::new("{}".into(), vec![]).encode();
        assert!(matches!(SignedManifest::decode(&bytes), Err(HeaderError::Unsigned)));
        let decode =
            |count: usize| SignedManifest::decode(&SignedManifest::new("{}".into(), vec!["x".into(); count]).encode());
        assert!(decode(limits::SIGNATURES).is_ok());
        assert!(matches!(decode(limits::SIGNATURES + 1), Err(HeaderError::TooManySignatures(_))));
    }

    #[test]
    fn every_trusted_signature_states_the_manifest_and_counts_once() {
        let (one, two) = (key(), key());
        let manifest = crate::trust::manifest::tests::sample(1);
        let (text, comment) = (manifest.to_text(), manifest.trusted_comment(MANIFEST_FILE));
        let sign = |key: &SigningKey, comment: &str| key.sign(&mut text.as_bytes(), comment).unwrap();
        let verify = |signatures: &[String], keyring: &Keyring| {
            SignedManifest::new(text.clone(), signatures.to_vec()).verify(keyring)
        };
        let good = [sign(&one, &comment), sign(&two, &comment)];
        let verified = verify(&good, &keyring(&[&one, &two], "signatures = 2")).unwrap();
        let ids = [one.id(), two.id()];
        assert_eq!(verified.key_ids(), ids);
        assert_eq!(verified.signed().unverified_key_ids().unwrap(), ids);
        assert!(verified.signers().map(|signer| &signer.key_id).eq(&ids.map(|id| id.to_string())));
        // One key twice, in the header and among those that are trusted, is one key.
        let twice = [good[0].clone(), good[0].clone()];
        assert_eq!(verify(&twice, &keyring(&[&one, &one], "")).unwrap().signers().count(), 1);
        let few = verify(&twice, &keyring(&[&one, &one], "signatures = 2")).unwrap_err();
        assert!(matches!(few, VerifyError::Signature(TrustError::Policy(Violation::Signatures { required: 2, .. }))));
        // What the second one states counts as soon as its key is trusted.
        let other = [good[0].clone(), sign(&two, "file:other created:never")];
        assert!(verify(&other, &keyring(&[&one], "")).is_ok());
        assert!(matches!(verify(&other, &keyring(&[&one, &two], "")), Err(VerifyError::Comment { .. })));
        // A signature by a trusted key that does not match is never passed over.
        let bad = [good[0].clone(), two.sign(&mut &b"else"[..], &comment).unwrap()];
        let error = verify(&bad, &keyring(&[&one, &two], "")).unwrap_err();
        assert!(matches!(error, VerifyError::Signature(TrustError::BadSignature { .. })));
        assert!(verify(&bad, &keyring(&[&one], "")).is_ok());
        let stranger = verify(&good, &keyring(&[&key()], "")).unwrap_err();
        let VerifyError::Signature(TrustError::Untrusted(unknown)) = stranger else { panic!("{stranger}") };
        assert_eq!(unknown.signers, ids.map(|id| id.to_string()));
        let nobody = verify(&good, &keyring(&[], "")).unwrap_err();
        assert!(matches!(nobody, VerifyError::Signature(TrustError::NoKeys(_))));
    }
}
