//! Image references as people write them, and as certsuite takes them out of a pod.
//!
//! The grammar is that of `distribution/reference`, which container engines share. What decides is required: a digest,
//! or a registry to look in, since none can be guessed.
//!
//! ```text
//! reference  = digest / [ scheme "://" ] [ registry "/" ] repository [ ":" tag ] [ "@" digest ]
//! scheme     = "docker" / "docker-pullable"        ; as in pod statuses and in skopeo's arguments
//! registry   = host [ ":" 1*DIGIT ]                ; may be left out if there is a digest
//! host       = label *( "." label ) / "[" IPv6 "]" ; label: letters, digits, inner hyphens
//! repository = component *( "/" component )        ; at most 255 bytes
//! component  = alnum *( separator alnum )          ; alnum: lower-case letters and digits
//! separator  = "." / "_" / "__" / 1*"-"
//! tag        = ( ALPHA / DIGIT / "_" ) *127( ALPHA / DIGIT / "_" / "." / "-" )
//! digest     = "sha256:" 64HEX / "sha384:" 96HEX / "sha512:" 128HEX     ; lower-case
//! ```
//!
//! A first component with a `.` or a `:`, or `localhost`, is a registry. Another one is a registry only where the
//! catalog knows it as one, such as `non_registry`: see [`ImageReference::has_doubtful_registry`].
//!
//! White space around the reference is dropped. The digest always wins over the tag when certsuite's reader looks an
//! image up, so `…:tag@digest` keeps both and the verdict's rules decide.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::base::text::sanitize;

mod certsuite;
mod grammar;

pub(crate) use certsuite::{NamedImage, name_of_image, status_digest};
use grammar::{check_digest, check_registry, check_repository, check_tag, is_registry_like, strip_scheme};

/// Longest reference in bytes: 255 for the host, 255 for the repository, 128 for the tag, 135 for the digest, signs
/// and a scheme. Longer text is refused before it is taken apart.
pub const MAX_REFERENCE_LEN: usize = 1024;

/// Longest repository in bytes, the limit of `distribution/reference`.
pub const MAX_REPOSITORY_LEN: usize = 255;

/// Longest tag in bytes, the limit of `distribution/reference`.
pub const MAX_TAG_LEN: usize = 128;

/// An image as certsuite asks for it: what to find where. Made by parsing, or from the four texts of another tool's
/// record, which are then taken as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ImageReference {
    /// The registry's host, with its port if it has one; empty where only the digest is known, or the name is short.
    pub registry: String,
    /// The repository, without the registry; empty where only the digest is known.
    pub repository: String,
    /// The tag, where one was given.
    pub tag: Option<String>,
    /// The digest, where one was given.
    pub digest: Option<String>,
}

/// Why a text is not an image reference that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{input}` is not an image reference: {cause}")]
pub struct ReferenceError {
    /// The text as it was given, without control characters for a terminal.
    pub input: String,
    /// What is wrong with it.
    pub cause: ReferenceCause,
}

/// What is wrong with an image reference, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReferenceCause {
    /// Nothing but white space was given.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_REFERENCE_LEN`].
    #[error("it has {len} bytes, at most {MAX_REFERENCE_LEN} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A transport that does not name an image in a registry.
    #[error("`{scheme}://` does not name a registry; hint: write registry/repository:tag without it")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// No registry host stands first, so the catalog cannot be asked.
    #[error(
        "it names no registry, and none can be guessed; hint: write the registry before it, or ask for the digest, as in `oct check image sha256:…`"
    )]
    ShortName,
    /// The registry is not a host name, or its port is not a number.
    #[error("`{registry}` is not a registry host")]
    Registry {
        /// What stands before the first slash.
        registry: String,
    },
    /// The repository has upper-case letters.
    #[error("the repository `{repository}` has upper-case letters; hint: repositories are lower-case")]
    UpperCase {
        /// The repository.
        repository: String,
    },
    /// A component of the repository is empty or has signs that it may not have there.
    #[error(
        "`{component}` is not a component of a repository: lower-case letters and digits, joined by `.`, `_`, `__` or hyphens"
    )]
    Component {
        /// The component between the slashes.
        component: String,
    },
    /// Longer than [`MAX_REPOSITORY_LEN`].
    #[error("the repository has {len} bytes, at most {MAX_REPOSITORY_LEN} are allowed")]
    RepositoryTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The tag is empty, too long or has other signs than it may have.
    #[error("`{tag}` is not a tag: 1 to {MAX_TAG_LEN} letters, digits, `_`, `.` or `-`, not beginning with `.` or `-`")]
    Tag {
        /// What stands after the colon.
        tag: String,
    },
    /// The digest is none.
    #[error("`{digest}` is not a digest: {problem}")]
    Digest {
        /// What stands after the `@`.
        digest: String,
        /// What is wrong with it.
        problem: DigestProblem,
    },
}

/// What is wrong with a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DigestProblem {
    /// No algorithm and colon stand first.
    #[error("it does not begin with sha256:")]
    NoAlgorithm,
    /// An algorithm that no registry uses.
    #[error("the algorithm is none of sha256, sha384 and sha512")]
    Algorithm,
    /// Too short or too long.
    #[error("{len} hexadecimal digits instead of {expected}")]
    Length {
        /// How many signs it has.
        len: usize,
        /// How many it needs.
        expected: usize,
    },
    /// Something else than `0`–`9` and `a`–`f`.
    #[error("it has characters other than 0-9 and a-f")]
    Hex,
}

impl ImageReference {
    /// Reads a reference.
    ///
    /// # Errors
    /// When the text does not follow the grammar of this module.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Self::read(text.trim()).map_err(|cause| ReferenceError { input: sanitize(text), cause })
    }

    /// An image of which only the digest is known.
    ///
    /// # Errors
    /// When the text is not a digest.
    pub fn of_digest(text: &str) -> Result<Self, ReferenceError> {
        let digest = text.trim();
        check_digest(digest).map_err(|cause| ReferenceError { input: sanitize(text), cause })?;
        Ok(Self { registry: String::new(), repository: String::new(), tag: None, digest: Some(digest.to_owned()) })
    }

    fn read(text: &str) -> Result<Self, ReferenceCause> {
        if text.is_empty() {
            return Err(ReferenceCause::Empty);
        }
        if text.len() > MAX_REFERENCE_LEN {
            return Err(ReferenceCause::TooLong { len: text.len() });
        }
        let text = strip_scheme(text)?;
        if grammar::is_digest_like(text) {
            check_digest(text)?;
            let digest = Some(text.to_owned());
            return Ok(Self { registry: String::new(), repository: String::new(), tag: None, digest });
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        digest.map_or(Ok(()), check_digest)?;
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry_like(first) => {
                check_registry(first)?;
                (first, path)
            }
            // Which registry it is in makes no difference to the digest.
            _ if digest.is_some() => ("", name),
            Some((first, path)) if grammar::may_be_registry(first) => (first, path),
            _ => return Err(ReferenceCause::ShortName),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        check_repository(repository)?;
        tag.map_or(Ok(()), check_tag)?;
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// Whether the tag decides, and what stands as the registry may as well be the first component of a short name.
    /// Only the catalog can tell whether there is such a registry.
    #[must_use]
    pub fn has_doubtful_registry(&self) -> bool {
        self.digest.is_none() && !is_registry_like(&self.registry)
    }

    /// The error for a reference whose first component is not a registry that the catalog knows.
    #[must_use]
    pub(crate) fn short_name(&self) -> ReferenceError {
        ReferenceError { input: sanitize(&self.to_string()), cause: ReferenceCause::ShortName }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry)?;
        if !self.registry.is_empty() && !self.repository.is_empty() {
            f.write_str("/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) if self.registry.is_empty() && self.repository.is_empty() => f.write_str(digest),
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
