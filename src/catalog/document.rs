//! Catalog documents, reduced to what the TNF layout keeps.
//!
//! A document enters from the API as an [`ApiImage`] or an [`ApiOperator`], once; after that only the reduced form
//! travels. Missing and `null` are the same here, as both occur (`tags`, `image_id`, whole repositories).

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

    /// Its 12 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
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
    /// `text` as a digest; empty text is none.
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

/// A document of either collection, with what is needed to keep a listing of them complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its `_id`.
    pub id: ObjectId,
    /// Its `creation_date`, by which listings are cut and ordered.
    pub created: Timestamp,
    /// What is kept of it.
    pub body: Body,
}

/// What is kept of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// An image.
    Image(Box<Image>),
    /// An operator bundle.
    Operator(Box<Operator>),
}

/// An image document as the API serves it. Every field can be absent or `null`.
#[derive(Debug, Deserialize)]
pub struct ApiImage {
    #[serde(rename = "_id")]
    id: ObjectId,
    creation_date: Timestamped,
    architecture: Option<Box<str>>,
    certified: Option<bool>,
    image_id: Option<Box<str>>,
    repositories: Option<Vec<Option<ApiRepository>>>,
}

#[derive(Debug, Deserialize)]
struct ApiRepository {
    registry: Option<Box<str>>,
    repository: Option<Box<str>>,
    tags: Option<Vec<Option<ApiTag>>>,
    manifest_list_digest: Option<Box<str>>,
    manifest_schema2_digest: Option<Box<str>>,
}

#[derive(Debug, Deserialize)]
struct ApiTag {
    name: Option<Box<str>>,
}

/// An operator bundle document as the API serves it.
#[derive(Debug, Deserialize)]
pub struct ApiOperator {
    #[serde(rename = "_id")]
    id: ObjectId,
    creation_date: Timestamped,
    organization: Option<Box<str>>,
    csv_name: Option<Box<str>>,
    ocp_version: Option<Box<str>>,
    channel_name: Option<Box<str>>,
}

impl ApiOperator {
    /// Whose bundle it is, such as `certified-operators`.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }
}

/// An instant together with the text that it was read from.
#[derive(Debug)]
struct Timestamped(Timestamp, Box<str>);

impl<'de> Deserialize<'de> for Timestamped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        let instant = text.parse().map_err(|_| serde::de::Error::custom("a creation_date that is not RFC 3339"))?;
        Ok(Self(instant, text))
    }
}

impl From<ApiImage> for Document {
    fn from(api: ApiImage) -> Self {
        let digest = |text: Option<Box<str>>| text.and_then(|text| ManifestDigest::parse(&text));
        let repositories = api.repositories.into_iter().flatten().flatten().map(|repository| Repository {
            registry: repository.registry.unwrap_or_default(),
            repository: repository.repository.unwrap_or_default(),
            tags: repository.tags.into_iter().flatten().flatten().filter_map(|tag| tag.name).collect(),
            manifest_list_digest: digest(repository.manifest_list_digest),
            manifest_schema2_digest: digest(repository.manifest_schema2_digest),
        });
        let Timestamped(created, creation_date) = api.creation_date;
        let image = Image {
            id: api.id,
            creation_date,
            architecture: api.architecture.unwrap_or_default(),
            certified: api.certified.unwrap_or_default(),
            image_id: digest(api.image_id),
            repositories: repositories.collect(),
        };
        Self { id: api.id, created, body: Body::Image(Box::new(image)) }
    }
}

impl From<ApiOperator> for Document {
    fn from(api: ApiOperator) -> Self {
        let operator = Operator {
            csv_name: api.csv_name.unwrap_or_default(),
            ocp_version: api.ocp_version.unwrap_or_default(),
            channel_name: api.channel_name.unwrap_or_default(),
        };
        Self { id: api.id, created: api.creation_date.0, body: Body::Operator(Box::new(operator)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(json: &str) -> Image {
        let document: Document = serde_json::from_str::<ApiImage>(json).unwrap().into();
        match document.body {
            Body::Image(image) => *image,
            Body::Operator(_) => unreachable!(),
        }
    }

    #[test]
    fn absent_and_null_are_the_same() {
        let sparse = image(r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55+00:00"}"#);
        let nulls = image(
            r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55+00:00","architecture":null,
                "certified":null,"image_id":null,"repositories":null,"unknown":1}"#,
        );
        assert_eq!(sparse, nulls);
        let inner = image(
            r#"{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55.5+00:00",
                "repositories":[null,{"registry":"r","repository":null,"tags":[null,{"name":null},{"name":"1"}]}]}"#,
        );
        assert_eq!(inner.repositories.len(), 1);
        assert_eq!(*inner.repositories[0].tags, ["1".into()]);
        assert_eq!(&*inner.creation_date, "2020-10-20T18:17:55.5+00:00");
    }

    #[test]
    fn deployable_digests_are_each_there_once() {
        let (own, list) = ("sha256:".to_owned() + &"1".repeat(64), "sha256:".to_owned() + &"2".repeat(64));
        let image = image(&format!(
            r#"{{"_id":"5f059f17bed8bd4f99d20100","creation_date":"2020-10-20T18:17:55Z","image_id":"{own}","repositories":
                [{{"manifest_list_digest":"{list}","manifest_schema2_digest":"{own}"}},{{"manifest_list_digest":""}}]}}"#
        ));
        let digests: Vec<_> = image.deployable_digests().iter().map(ToString::to_string).collect();
        assert_eq!(digests, [own, list]);
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
