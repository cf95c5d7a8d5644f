//! The list of the archives that a folder offers, `catalogs.json`, signed by its publisher.
//!
//! Beside it is `catalogs.json.minisig` with a signature for each key of the publisher, four lines each. `minisign` reads
//! only the first one, by the first key. Nothing in the list is a path: the name of an archive follows from the instant
//! at which it was made.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::TrustError;
use super::key::KeyId;
use super::keyring::Keyring;
use super::manifest::Manifest;
use super::minisig;
use super::name::ArchiveName;
use super::secret::SigningKey;
use crate::base::digest::Sha256Digest;
use crate::base::failure::{Class, Classified};
use crate::base::{limits, text};
use crate::catalog::provenance::{Counts, Partial};

/// `format` of every list.
pub const FORMAT: &str = "oct-catalogs";
/// The version of the format that this code writes and reads.
pub const VERSION: u32 = 1;
/// File name of the list.
pub const CATALOGS_FILE: &str = "catalogs.json";
/// File name of its signatures.
pub const SIGNATURE_FILE: &str = "catalogs.json.minisig";
/// Lines of one signature.
const SIGNATURE_LINES: usize = 4;

/// The archives of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogs {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// When the list was written, UTC, to the second. It never goes back, even if the publisher's clock does.
    pub written: Timestamp,
    /// Until when the publisher promises the next list, if there is such a promise.
    pub next: Option<Timestamp>,
    /// The archives, the newest first.
    pub archives: Vec<Listed>,
}

/// One archive of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// File name, in the folder of the list. It follows from `created`.
    pub name: ArchiveName,
    /// Bytes of the whole file.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: Sha256Digest,
    /// When the snapshot began.
    pub created: Timestamp,
    /// SHA-256 over the files that it holds: equal content, equal digest.
    pub content: Sha256Digest,
    /// How much it holds.
    pub counts: Counts,
    /// Ids of the keys that signed it.
    pub signers: Vec<KeyId>,
    /// What limits it, if it does not hold the whole catalog.
    pub partial: Option<Partial>,
    /// Names of its sources, such as `containers` or `redhat-images`.
    pub sources: Vec<String>,
}

impl Listed {
    /// The list's entry for an archive with this manifest, whose file has this size and digest.
    #[must_use]
    pub fn new(manifest: &Manifest, signers: Vec<KeyId>, size: u64, sha256: Sha256Digest) -> Self {
        Self {
            name: ArchiveName::new(manifest.created),
            size,
            sha256,
            created: manifest.created,
            content: manifest.content,
            counts: manifest.counts,
            signers,
            partial: manifest.partial.clone(),
            sources: manifest.sources.iter().map(|source| source.name.clone()).collect(),
        }
    }

    /// Whether a manifest, read from the archive itself, belongs to this entry of the list.
    #[must_use]
    pub fn is_of(&self, manifest: &Manifest) -> bool {
        let found = Self::new(manifest, self.signers.clone(), self.size, self.sha256);
        *self == found
    }
}

/// A list that is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CatalogsError {
    /// No signature by a trusted key, or a bad one.
    #[error(transparent)]
    Signature(#[from] TrustError),
    /// The signature was made for something else.
    #[error("the signature's trusted comment is `{found}`, the list says `{expected}`")]
    Comment {
        /// What the list's signatures have to state.
        expected: String,
        /// What this one states, without control characters.
        found: String,
    },
    /// Not JSON of a list's shape.
    #[error("the list is not of oct's form: {0}")]
    Json(#[from] serde_json::Error),
    /// Something else, signed by the same key.
    #[error("this is a list of `{0}`, not of {FORMAT}")]
    Format(String),
    /// Made by a later `oct`, most likely.
    #[error("the list has format version {0}; this oct reads version {VERSION}")]
    Version(u32),
    /// A list that no publisher writes.
    #[error("the list {0}")]
    Rule(String),
}

impl CatalogsError {
    /// Whether the list only cannot be proved on this host: nothing is known to be wrong with it.
    #[must_use]
    pub fn is_unproved(&self) -> bool {
        matches!(self, Self::Signature(error) if error.is_unproved())
    }
}

impl Classified for CatalogsError {
    fn class(&self) -> Class {
        match self {
            Self::Signature(error) => error.class(),
            _ => Class::Verification,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.code(),
            Self::Comment { .. } => "signature-comment",
            Self::Version(_) => "catalogs-version",
            Self::Json(_) | Self::Format(_) | Self::Rule(_) => "bad-catalogs",
        }
    }
}

impl Catalogs {
    /// A list of these archives, in any order.
    #[must_use]
    pub fn new(written: Timestamp, next: Option<Timestamp>, mut archives: Vec<Listed>) -> Self {
        archives.sort_by(|one, other| (other.created, &other.name).cmp(&(one.created, &one.name)));
        Self { format: FORMAT.into(), version: VERSION, written, next, archives }
    }

    /// The list's text, as it is signed and stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings, numbers and instants always serialize.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What the trusted comment of its signatures states.
    #[must_use]
    pub fn trusted_comment(&self) -> String {
        format!("file:{CATALOGS_FILE} written:{}", self.written)
    }

    /// Signs the list.
    ///
    /// # Errors
    /// If there is no key.
    pub fn sign(&self, keys: &[SigningKey]) -> Result<SignedCatalogs, TrustError> {
        if keys.is_empty() {
            return Err(TrustError::NoSecretKey);
        }
        let (text, comment) = (self.to_text(), self.trusted_comment());
        let signatures = keys.iter().map(|key| key.sign(&mut text.as_bytes(), &comment)).collect::<Result<_, _>>()?;
        Ok(SignedCatalogs { text, signatures })
    }

    fn parse(text: &str) -> Result<Self, CatalogsError> {
        #[derive(Deserialize)]
        struct Probe {
            format: Option<String>,
            version: Option<u32>,
        }
        let probe: Probe = serde_json::from_str(text)?;
        match (probe.format.as_deref(), probe.version) {
            (Some(FORMAT), Some(VERSION) | None) | (None, _) => {}
            (Some(FORMAT), Some(other)) => return Err(CatalogsError::Version(other)),
            (Some(other), _) => return Err(CatalogsError::Format(text::sanitize(other))),
        }
        let list: Self = serde_json::from_str(text)?;
        list.check().map_err(CatalogsError::Rule)?;
        Ok(list)
    }

    fn check(&self) -> Result<(), String> {
        if self.archives.len() > limits::CATALOGS {
            return Err(format!("names more than {} archives", limits::CATALOGS));
        }
        if self.next.is_some_and(|next| next < self.written) {
            return Err("promises the next one before it was written".into());
        }
        for archive in &self.archives {
            let name = &archive.name;
            if *name != ArchiveName::new(archive.created) {
                return Err(format!("names an archive of {} `{name}`", archive.created));
            }
            if archive.size > limits::ARCHIVE_BYTES {
                return Err(format!("says that `{name}` has more than {}", text::size(limits::ARCHIVE_BYTES)));
            }
            if !(1..=limits::SIGNATURES).contains(&archive.signers.len()) {
                return Err(format!("names {} signers of `{name}`", archive.signers.len()));
            }
        }
        // There is only one archive of an hour.
        match self.archives.windows(2).find(|pair| pair[0].name <= pair[1].name) {
            Some(pair) => Err(format!("names `{}` after `{}`", pair[1].name, pair[0].name)),
            None => Ok(()),
        }
    }
}

/// A list with its signatures, **unverified**. Only [`SignedCatalogs::verify`] returns a verified list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCatalogs {
    text: String,
    signatures: Vec<String>,
}

impl SignedCatalogs {
    /// The contents of the list's file and of the file with its signatures.
    #[must_use]
    pub fn new(text: String, signatures: &str) -> Self {
        let lines: Vec<&str> = signatures.split_inclusive('\n').collect();
        Self { text, signatures: lines.chunks(SIGNATURE_LINES).map(|lines| lines.concat()).collect() }
    }

    /// The content of the list's file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The content of the file with its signatures.
    #[must_use]
    pub fn signature_text(&self) -> String {
        self.signatures.concat()
    }

    /// Verifies the signatures, then reads the list.
    ///
    /// # Errors
    /// If no trusted key signed these bytes, or they are not a list of this format.
    pub fn verify(&self, keyring: &Keyring) -> Result<VerifiedCatalogs, CatalogsError> {
        if self.signatures.len() > limits::SIGNATURES {
            return Err(CatalogsError::Rule("has more signatures than any rotation needs".into()));
        }
        if self.signatures.is_empty() {
            return Err(CatalogsError::Rule("has no signature".into()));
        }
        let signatures: Vec<_> = self.signatures.iter().map(|text| minisig::parse(text)).collect::<Result<_, _>>()?;
        let signers = keyring.check(self.text.as_bytes(), &signatures)?;
        let list = Catalogs::parse(&self.text)?;
        let expected = list.trusted_comment();
        if let Some(signer) = signers.all().find(|signer| signer.comment != expected) {
            return Err(CatalogsError::Comment { expected, found: text::sanitize(&signer.comment) });
        }
        let publishers = signers.all().map(|signer| signer.key_id.clone()).collect();
        Ok(VerifiedCatalogs { list, publishers })
    }
}

/// A list that a trusted key signed. Only [`SignedCatalogs::verify`] makes one: its fields are private to this
/// file.
#[derive(Debug, Clone)]
pub struct VerifiedCatalogs {
    list: Catalogs,
    publishers: Vec<String>,
}

impl VerifiedCatalogs {
    /// Ids of the trusted keys that signed it.
    #[must_use]
    pub fn publishers(&self) -> &[String] {
        &self.publishers
    }
}

impl std::ops::Deref for VerifiedCatalogs {
    type Target = Catalogs;

    fn deref(&self) -> &Catalogs {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::manifest::tests::sample;
    use crate::trust::secret::tests::key;

    fn list(hours: &[&str]) -> Catalogs {
        let archives = hours.iter().map(|hour| {
            let mut manifest = sample(3);
            manifest.created = format!("2026-03-04T{hour}:05:06Z").parse().unwrap();
            Listed::new(&manifest, vec![key().id()], 9, manifest.content)
        });
        Catalogs::new("2026-03-05T00:00:00Z".parse().unwrap(), None, archives.collect())
    }

    #[test]
    fn what_was_signed_is_read_again_newest_first() {
        let keys = [key(), key()];
        let signed = list(&["04", "06", "05"]).sign(&keys).unwrap();
        let read = SignedCatalogs::new(signed.text().into(), &signed.signature_text());
        assert_eq!(read, signed);
        for key in &keys {
            let verified = read.verify(&Keyring::new(vec![key.public().clone()])).unwrap();
            assert_eq!(verified.publishers(), [key.id().to_string()]);
            let hours: Vec<_> =
                verified.archives.iter().map(|archive| archive.name.to_string()[16..18].to_owned()).collect();
            assert_eq!(hours, ["06", "05", "04"]);
        }
        assert!(matches!(read.verify(&Keyring::new(vec![key().public().clone()])), Err(CatalogsError::Signature(_))));
    }

    #[test]
    fn only_a_list_of_unknown_keys_is_called_unproved() {
        let keys = [key(), key()];
        let signed = list(&["04"]).sign(&keys[..1]).unwrap();
        let of_another = signed.verify(&Keyring::new(vec![keys[1].public().clone()])).unwrap_err();
        assert!(of_another.is_unproved(), "{of_another}");
        assert_eq!((of_another.class(), of_another.code()), (Class::Verification, "untrusted-signer"));
        let keyring = Keyring::new(vec![keys[0].public().clone()]);
        let altered = SignedCatalogs::new(signed.text().replace("04", "05"), &signed.signature_text());
        let altered = altered.verify(&keyring).unwrap_err();
        assert!(!altered.is_unproved(), "{altered}");
        assert_eq!(CatalogsError::from(TrustError::NoTerminal).class(), Class::Host);
    }

    #[test]
    fn each_limit_itself_is_allowed() {
        let key = key();
        let mut list = list(&["06"]);
        list.next = Some(list.written);
        list.archives[0].size = limits::ARCHIVE_BYTES;
        list.archives[0].signers = vec![key.id(); limits::SIGNATURES];
        let SignedCatalogs { text, signatures } = list.sign(std::slice::from_ref(&key)).unwrap();
        let signed = SignedCatalogs::new(text, &signatures[0].repeat(limits::SIGNATURES));
        let read = signed.verify(&Keyring::new(vec![key.public().clone()])).unwrap();
        assert_eq!(*read, list);
        list.archives = (0..=limits::CATALOGS)
            .map(|hour| {
                let mut archive = list.archives[0].clone();
                archive.created -= jiff::SignedDuration::from_hours(hour as i64);
                archive.name = ArchiveName::new(archive.created);
                archive
            })
            .collect();
        assert!(list.check().unwrap_err().contains("more than"));
        list.archives.pop();
        assert_eq!(list.check(), Ok(()));
    }

    #[test]
    fn no_byte_can_change() {
        let key = key();
        let signed = list(&["04"]).sign(std::slice::from_ref(&key)).unwrap();
        let keyring = Keyring::new(vec![key.public().clone()]);
        let (text, signature) = (signed.text(), signed.signature_text());
        let flipped = |text: &str, at: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1;
            String::from_utf8(bytes).unwrap()
        };
        for at in 0..text.len() {
            assert!(SignedCatalogs::new(flipped(text, at), &signature).verify(&keyring).is_err(), "{at}");
        }
        for at in 0..signature.len() {
            assert!(SignedCatalogs::new(text.into(), &flipped(&signature, at)).verify(&keyring).is_err(), "{at}");
        }
        for cut in 0..text.len() {
            assert!(SignedCatalogs::new(text[..cut].into(), &signature).verify(&keyring).is_err(), "{cut}");
        }
        for more in ["x", "\n", &signature[..30]] {
            assert!(
                SignedCatalogs::new(text.into(), &format!("{signature}{more}")).verify(&keyring).is_err(),
                "{more}"
            );
        }
        let many = signature.repeat(limits::SIGNATURES + 1);
        assert!(SignedCatalogs::new(text.into(), &many).verify(&keyring).is_err());
        assert!(SignedCatalogs::new(text.into(), "").verify(&keyring).is_err());
    }

    #[test]
    fn each_rule_is_enforced_whoever_signs() {
        let key = key();
        let keyring = Keyring::new(vec![key.public().clone()]);
        let of_text = |text: String, comment: &str| {
            let signature = key.sign(&mut text.as_bytes(), comment).unwrap();
            SignedCatalogs::new(text, &signature).verify(&keyring).unwrap_err().to_string()
        };
        let refused = |change: fn(&mut Catalogs)| {
            let mut list = list(&["06", "05"]);
            change(&mut list);
            of_text(list.to_text(), &list.trusted_comment())
        };
        assert!(refused(|l| l.format = "oct-catalog".into()).contains("`oct-catalog`"));
        assert!(refused(|l| l.version = 2).contains("version 2"));
        assert!(refused(|l| l.next = Some("2026-03-04T00:00:00Z".parse().unwrap())).contains("promises"));
        assert!(refused(|l| l.archives.swap(0, 1)).contains("after"));
        assert!(refused(|l| l.archives[1] = l.archives[0].clone()).contains("after"));
        assert!(refused(|l| l.archives[0].created = l.written).contains("names an archive of"));
        assert!(refused(|l| l.archives[0].size = limits::ARCHIVE_BYTES + 1).contains("has more than"));
        assert!(refused(|l| l.archives[0].signers.clear()).contains("0 signers"));
        let text = list(&["06"]).to_text();
        let path = text.replace("catalog-2026030406", "../catalog-2026030406");
        assert!(of_text(path, &list(&[]).trusted_comment()).contains("is not the name of an archive"));
        let more = text.replace("\"next\"", "\"other\": 1, \"next\"");
        assert!(of_text(more, &list(&[]).trusted_comment()).contains("other"));
        let mut many = list(&["06"]);
        many.archives = vec![many.archives[0].clone(); limits::CATALOGS + 1];
        assert!(of_text(many.to_text(), &many.trusted_comment()).contains("more than"));
        // The same key signs manifests and archives: their signatures say so.
        let said = of_text(text, "file:manifest.json created:2026-03-05T00:00:00Z");
        assert!(said.contains("trusted comment"), "{said}");
    }
}
