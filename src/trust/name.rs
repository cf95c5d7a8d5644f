//! The file name of an archive: `catalog-YYYYMMDDHH.tar.zst`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::text::sanitize;

use crate::trust::KeyId;

/// The name of an archive, made from the instant at which its snapshot began.
///
/// Names sort like the instants they are made from, to the hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName(String);

const PREFIX: &str = "catalog-";
const SUFFIX: &str = ".tar.zst";

impl ArchiveName {
    /// The name for a snapshot that began at `created`.
    #[must_use]
    pub fn new(created: Timestamp) -> Self {
        let hour = created.strftime("%Y%m%d%H").to_string();
        Self(format!("{PREFIX}{hour}{SUFFIX}"))
    }

    /// `text` as the name of an archive, if it has exactly that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hour = text.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        (hour.len() == 10 && hour.bytes().all(|b| b.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    /// The file name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the checksum file beside it.
    #[must_use]
    pub fn checksum(&self) -> String {
        format!("{}.sha256", self.0)
    }

    /// The name of the signature file beside it, by the first key that signed.
    #[must_use]
    pub fn signature(&self) -> String {
        format!("{}.minisig", self.0)
    }

    /// The name of the signature file of another key that signed, while keys are being replaced.
    #[must_use]
    pub fn signature_by(&self, key: KeyId) -> String {
        format!("{}.minisig.{key}", self.0)
    }

    /// Whether `file` is the name of a sidecar of this archive.
    #[must_use]
    pub fn is_sidecar(&self, file: &str) -> bool {
        let of_key = |rest: &str| rest.strip_prefix('.').is_some_and(|id| id.len() == 16 && is_upper_hex(id));
        match file.strip_prefix(&self.0) {
            Some(".sha256" | ".minisig") => true,
            Some(suffix) => suffix.strip_prefix(".minisig").is_some_and(of_key),
            None => false,
        }
    }
}

fn is_upper_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ArchiveName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ArchiveName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = || serde::de::Error::custom(format!("`{}` is not the name of an archive", sanitize(&text)));
        Self::parse(&text).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_the_hour_in_utc() {
        let created: Timestamp = "2026-03-04T05:06:07+02:00".parse().unwrap();
        assert_eq!(ArchiveName::new(created).as_str(), "catalog-2026030403.tar.zst");
    }

    #[test]
    fn only_the_exact_form_is_a_name() {
        assert!(ArchiveName::parse("catalog-2026030403.tar.zst").is_some());
        for other in ["catalog-202603040.tar.zst", "catalog-2026030403.tar.zst.sha256", "x-2026030403.tar.zst"] {
            assert_eq!(ArchiveName::parse(other), None, "{other}");
        }
        for other in ["../catalog-2026030403.tar.zst", "/catalog-2026030403.tar.zst", "catalog-2026030403.tar.zst/../x"]
        {
            assert!(serde_json::from_value::<ArchiveName>(other.into()).is_err(), "{other}");
        }
    }

    #[test]
    fn sidecars_have_exact_names() {
        let name = ArchiveName::parse("catalog-2026030403.tar.zst").unwrap();
        for suffix in [".sha256", ".minisig", ".minisig.0123456789ABCDEF"] {
            assert!(name.is_sidecar(&format!("{name}{suffix}")), "{suffix}");
        }
        for suffix in ["", ".minisig.1", ".minisig.0123456789abcdef", ".minisig0123456789ABCDEF", ".txt"] {
            assert!(!name.is_sidecar(&format!("{name}{suffix}")), "{suffix}");
        }
        assert!(!name.is_sidecar("catalog-2026030404.tar.zst.sha256"));
    }
}
