//! The manifest: what an archive holds, where it comes from, and a checksum of every file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::digest::Sha256Digest;
use crate::base::limits;
use crate::catalog::layout;
pub use crate::catalog::layout::File;
use crate::catalog::provenance::{Counts, Partial, Source};

/// `format` of every manifest.
pub const FORMAT: &str = "oct-catalog";
/// The version of the format that this code writes and reads.
pub const VERSION: u32 = 1;
/// The manifest's file name beside an installed `data/`, and in the trusted comment of its signatures.
pub const MANIFEST_FILE: &str = "manifest.json";

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// When the snapshot began, UTC, to the second.
    pub created: Timestamp,
    /// The program that made it, with its version.
    pub tool: String,
    /// What limits it, if it does not hold the whole catalog.
    pub partial: Option<Partial>,
    /// Where the documents come from.
    pub sources: Vec<Source>,
    /// How much it holds.
    pub counts: Counts,
    /// The compressed body behind the header.
    pub body: Body,
    /// SHA-256 over the files alone: equal content, equal digest. See [`content_digest`].
    pub content: Sha256Digest,
    /// Every file, sorted by path.
    pub files: Vec<File>,
}

/// Size and digest of the compressed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// Bytes.
    pub size: u64,
    /// Digest of those bytes.
    pub sha256: Sha256Digest,
}

/// A manifest that this version does not accept.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of a manifest's shape.
    #[error("the manifest is not of oct's form: {0}")]
    Json(#[from] serde_json::Error),
    /// Something else, signed by the same key.
    #[error("this is a manifest of `{0}`, not of {FORMAT}")]
    Format(String),
    /// Made by a later `oct`, most likely.
    #[error("the manifest has format version {0}; this oct reads version {VERSION}")]
    Version(u32),
    /// The list of files is not exactly that of a TNF folder with these counts.
    #[error("the manifest's list of files is not the TNF layout: {0}")]
    Layout(String),
    /// A limit is exceeded.
    #[error("the manifest {0}")]
    Limit(String),
    /// `content` is not the digest of `files`.
    #[error("the manifest's content digest does not match its list of files")]
    Content,
}

impl Manifest {
    /// Reads and checks a manifest's text.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Probe {
            format: Option<String>,
            version: Option<u32>,
        }
        let probe: Probe = serde_json::from_str(text)?;
        match (probe.format.as_deref(), probe.version) {
            (Some(FORMAT), Some(VERSION) | None) | (None, _) => {}
            (Some(FORMAT), Some(other)) => return Err(ManifestError::Version(other)),
            (Some(other), _) => return Err(ManifestError::Format(crate::base::text::sanitize(other))),
        }
        let manifest: Self = serde_json::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest's text, as it is signed and stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Strings, numbers and instants always serialize.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What the trusted comment of a signature over `file` of this archive states.
    #[must_use]
    pub fn trusted_comment(&self, file: &str) -> String {
        format!("file:{file} created:{}", self.created)
    }

    /// Bytes of all files, unpacked.
    #[must_use]
    pub fn unpacked_size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.files.len() > limits::MEMBERS {
            return Err(ManifestError::Limit(format!("names more than {} files", limits::MEMBERS)));
        }
        let operators = usize::try_from(self.counts.operators).unwrap_or(usize::MAX);
        if operators > layout::MAX_OPERATORS {
            return Err(ManifestError::Limit(format!("counts more than {} operators", layout::MAX_OPERATORS)));
        }
        let mut expected = layout::paths(operators).into_iter();
        for file in &self.files {
            match expected.next() {
                Some(path) if path == file.path.as_str() => {}
                Some(path) => {
                    return Err(ManifestError::Layout(format!("`{}` is in the place of `{path}`", file.path)));
                }
                None => return Err(ManifestError::Layout(format!("`{}` is one too many", file.path))),
            }
        }
        if let Some(path) = expected.next() {
            return Err(ManifestError::Layout(format!("`{path}` is missing")));
        }
        if let Some(file) = self.files.iter().find(|file| file.size > limits::MEMBER_BYTES) {
            let max = crate::base::text::size(limits::MEMBER_BYTES);
            return Err(ManifestError::Limit(format!("says that `{}` has more than {max}", file.path)));
        }
        let total = self.unpacked_size();
        if total > limits::TOTAL_BYTES {
            let max = crate::base::text::size(limits::TOTAL_BYTES);
            return Err(ManifestError::Limit(format!("says that the files have more than {max}")));
        }
        if self.body.size > limits::TOTAL_BYTES {
            let max = crate::base::text::size(limits::TOTAL_BYTES);
            return Err(ManifestError::Limit(format!("says that the body has more than {max}")));
        }
        if total > limits::RATIO_FREE_BYTES && total / limits::RATIO > self.body.size {
            return Err(ManifestError::Limit(format!("asks for more than {} bytes for each byte read", limits::RATIO)));
        }
        if content_digest(&self.files) != self.content {
            return Err(ManifestError::Content);
        }
        Ok(())
    }
}

/// The digest over files alone: SHA-256 of what `sha256sum` prints for them in this order.
#[must_use]
pub fn content_digest(files: &[File]) -> Sha256Digest {
    let listing: String = files.iter().map(|file| format!("{}  {}\n", file.sha256, file.path)).collect();
    Sha256Digest::of(listing.as_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::member::MemberPath;

    /// A manifest of made-up files that passes every check.
    pub(crate) fn sample(operators: usize) -> Manifest {
        let files: Vec<_> = layout::paths(operators)
            .into_iter()
            .map(|path| File {
                sha256: Sha256Digest::of(path.as_bytes()),
                size: 9,
                path: MemberPath::new(path).unwrap(),
            })
            .collect();
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            created: "2026-03-04T05:06:07Z".parse().unwrap(),
            tool: "oct 0.0.0".into(),
            partial: None,
            sources: vec![],
            counts: Counts { containers: 1, digests: 2, operators: operators as u64, charts: 3 },
            body: Body { size: 10, sha256: Sha256Digest::of(b"body") },
            content: content_digest(&files),
            files,
        }
    }

    #[test]
    fn text_round_trips() {
        let manifest = sample(1_200);
        assert_eq!(Manifest::parse(&manifest.to_text()).unwrap(), manifest);
    }

    #[test]
    fn each_rule_is_enforced() {
        let refused = |change: fn(&mut Manifest)| {
            let mut manifest = sample(700);
            change(&mut manifest);
            Manifest::parse(&manifest.to_text()).unwrap_err().to_string()
        };
        assert!(refused(|m| m.format = "other".into()).contains("`other`"));
        assert!(refused(|m| m.version = 2).contains("version 2"));
        assert!(refused(|m| m.files.swap(0, 1)).contains("in the place of `data/archive.json`"));
        assert!(refused(|m| m.files.truncate(4)).contains("page_1_200.db` is missing"));
        assert!(refused(|m| m.files.push(m.files[0].clone())).contains("one too many"));
        assert!(refused(|m| m.counts.operators = 701).contains("page_1_200.db` is in the place of"));
        assert!(refused(|m| m.files[0].size = limits::MEMBER_BYTES + 1).contains("has more than"));
        assert!(refused(|m| m.files.iter_mut().for_each(|f| f.size = limits::MEMBER_BYTES)).contains("the files have"));
        assert!(refused(|m| m.body.size = u64::MAX).contains("the body has"));
        assert!(refused(|m| m.files[0].size = limits::RATIO_FREE_BYTES).contains("for each byte"));
        assert!(refused(|m| m.files[0].sha256 = Sha256Digest::of(b"?")).contains("content digest"));
    }

    #[test]
    fn each_limit_itself_is_allowed() {
        let read = |sizes: [u64; 2], body: u64| {
            let mut manifest = sample(1);
            manifest.files.iter_mut().for_each(|file| file.size = 0);
            (manifest.files[0].size, manifest.files[1].size) = sizes.into();
            manifest.body.size = body;
            Manifest::parse(&manifest.to_text())
                .map(|read| assert_eq!(read, manifest))
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            read([limits::MEMBER_BYTES, limits::TOTAL_BYTES - limits::MEMBER_BYTES], limits::TOTAL_BYTES),
            Ok(())
        );
        assert_eq!(read([limits::RATIO_FREE_BYTES, 0], 10), Ok(()));
        assert_eq!(read([limits::RATIO * 1_000_000, 0], 1_000_000), Ok(()));
        assert!(read([limits::RATIO * 1_000_000, 0], 999_999).unwrap_err().contains("for each byte"));
        let most = sample(layout::MAX_OPERATORS);
        assert_eq!(Manifest::parse(&most.to_text()).unwrap(), most);
        let refused = |files: usize, operators: usize| {
            let mut manifest = sample(1);
            manifest.files = vec![manifest.files[0].clone(); files];
            manifest.counts.operators = operators as u64;
            Manifest::parse(&manifest.to_text()).unwrap_err().to_string()
        };
        assert!(!refused(limits::MEMBERS, 1).contains("names more than"));
        assert!(refused(limits::MEMBERS + 1, 1).contains("names more than"));
        assert!(refused(1, layout::MAX_OPERATORS + 1).contains("counts more than"));
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = sample(1).to_text().replacen("\"tool\"", "\"extra\": 1,\n  \"tool\"", 1);
        assert!(Manifest::parse(&text).unwrap_err().to_string().contains("extra"));
    }
}
