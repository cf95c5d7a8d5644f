//! Catalog documents, reduced to what the TNF layout keeps.
//!
//! A document enters by the exporter, is reduced once, and only this form travels on.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::digest::{Sha256Digest, decode_hex, encode_hex};

/// A document's `_id`: a MongoDB ObjectId, 24 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; 12]);

impl ObjectId {
    /// The lowest id.
    pub const MIN: Self = Self([0; 12]);
    /// The highest id.
    pub const MAX: Self = Self([0xff; 12]);

    /// When it was made, which its first four bytes tell in seconds.
    #[must_use]
    pub fn instant(self) -> Option<Timestamp> {
        let seconds = self.0.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
        Timestamp::from_second(seconds.into()).ok()
    }

    /// Reads 24 hexadecimal digits of either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 12];
        decode_hex(&text.to_ascii_lowercase(), &mut bytes)?;
        Some(Self(bytes))
    }

    /// `text` as an id or, if it is not one, an id made of its SHA-256. Equal texts have equal ids; two different texts
    /// have one id only if they are one id in different case.
    #[must_use]
    pub fn standing_for(text: &str) -> Self {
        let digest = Sha256Digest::of(text.as_bytes());
        Self::parse(text).unwrap_or_else(|| Self(*digest.as_bytes().first_chunk().unwrap_or(&[0; 12])))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 24];
        encode_hex(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an _id that is not 24 hexadecimal digits"))
    }
}

/// A manifest digest as the catalog writes it, `sha256:` and 64 digits as a rule. Ordered by its text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ManifestDigest {
    /// The usual form, kept in half the space.
    Sha256(Sha256Digest),
    /// Whatever else stands there, kept to the letter.
    Other(Box<str>),
}

impl ManifestDigest {
    /// `text` as a digest; `None` for an empty text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok()) {
            Some(digest) => Some(Self::Sha256(digest)),
            None => (!text.is_empty()).then(|| Self::Other(text.into())),
        }
    }
}

impl fmt::Display for ManifestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "sha256:{digest}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ManifestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for ManifestDigest {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Sha256(a), Self::Sha256(b)) => a.cmp(b),
            (Self::Other(a), Self::Other(b)) => a.cmp(b),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for ManifestDigest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for ManifestDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ManifestDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an empty digest"))
    }
}

/// One place where an image can be pulled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Registry host, such as `registry.connect.redhat.com`.
    pub registry: Box<str>,
    /// Path within the registry.
    pub repository: Box<str>,
    /// Names of its tags, in the order served.
    pub tags: Box<[Box<str>]>,
    /// Digest of the multi-arch manifest list that the image belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_list_digest: Option<ManifestDigest>,
    /// Digest of the image's own manifest in this repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_schema2_digest: Option<ManifestDigest>,
}

/// A container image document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The document's id, unique in the catalog.
    pub id: ObjectId,
    /// When it was entered, as served (`…:55+00:00` has no fraction when that is zero), or empty.
    pub creation_date: Box<str>,
    /// `amd64`, `arm64`, `ppc64le`, `s390x`, or empty.
    pub architecture: Box<str>,
    /// Whether the catalog counts it as certified.
    pub certified: bool,
    /// Manifest digest; several documents may share one, and some have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<ManifestDigest>,
    /// Where it can be pulled from.
    pub repositories: Box<[Repository]>,
}

impl Image {
    /// Every digest by which the image can be deployed: its own, and per repository that of the manifest list and of
    /// the manifest. Sorted, each once.
    #[must_use]
    pub fn deployable_digests(&self) -> Vec<&ManifestDigest> {
        let mut digests: Vec<_> = self.image_id.iter().collect();
        for repository in &self.repositories {
            digests.extend(&repository.manifest_list_digest);
            digests.extend(&repository.manifest_schema2_digest);
        }
        digests.sort_unstable();
        digests.dedup();
        digests
    }
}

/// An operator bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Operator {
    /// Name of its ClusterServiceVersion: `name.vX.Y.Z`, or empty where the source has none.
    pub csv_name: Box<str>,
    /// OpenShift minor version such as `4.16`, or empty.
    pub ocp_version: Box<str>,
    /// Update channel, or empty.
    pub channel_name: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployable_digests_are_each_there_once() {
        let digest = |digit: &str| ManifestDigest::parse(&format!("sha256:{}", digit.repeat(64)));
        let place = |list, own| Repository {
            registry: "r".into(),
            repository: "a/b".into(),
            tags: Box::default(),
            manifest_list_digest: list,
            manifest_schema2_digest: own,
        };
        let image = Image {
            id: ObjectId::MIN,
            creation_date: "2020-10-20T18:17:55Z".into(),
            architecture: "".into(),
            certified: true,
            image_id: digest("1"),
            repositories: [place(digest("2"), digest("1")), place(None, None)].into(),
        };
        let digests: Vec<_> = image.deployable_digests().into_iter().cloned().collect();
        assert_eq!(digests, [digest("1").unwrap(), digest("2").unwrap()]);
    }

    #[test]
    fn digests_sort_as_their_text() {
        let mut digests: Vec<_> = ["sha512:ab", "sha256:zz", &format!("sha256:{}", "0".repeat(64)), "a"]
            .iter()
            .filter_map(|text| ManifestDigest::parse(text))
            .collect();
        digests.sort();
        let texts: Vec<_> = digests.iter().map(ToString::to_string).collect();
        let mut sorted = texts.clone();
        sorted.sort();
        assert_eq!(texts, sorted);
    }
}
