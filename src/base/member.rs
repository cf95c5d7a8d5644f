//! Paths of archive members: a string from outside becomes a path only here.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use crate::base::limits;

/// A relative path of plain components, such as `data/containers/containers.db`.
///
/// Components consist of ASCII letters, digits, `.`, `_` and `-` and do not begin with a dot. So no name can leave the
/// folder that it is joined to, hide in it, collide with another by letter case folding of non-ASCII letters, or carry
/// control characters to a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MemberPath(String);

/// Why a string is not a [`MemberPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberPathError {
    /// Nothing between two slashes, or nothing at all; an absolute path begins so.
    #[error("an empty component (is the path absolute?)")]
    EmptyComponent,
    /// `.`, `..` or a hidden file.
    #[error("a component that begins with a dot")]
    LeadingDot,
    /// Anything but ASCII letters, digits, `.`, `_` and `-`.
    #[error("the character {0:?}")]
    Character(char),
    /// Longer than a plain tar header holds.
    #[error("more than {} bytes", limits::PATH_BYTES)]
    TooLong,
}

impl MemberPath {
    /// Checks `text`.
    ///
    /// # Errors
    /// Names the first rule that `text` breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, MemberPathError> {
        let text = text.into();
        if text.len() > limits::PATH_BYTES {
            return Err(MemberPathError::TooLong);
        }
        for component in text.split('/') {
            if component.is_empty() {
                return Err(MemberPathError::EmptyComponent);
            }
            if component.starts_with('.') {
                return Err(MemberPathError::LeadingDot);
            }
            if let Some(bad) = component.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c)) {
                return Err(MemberPathError::Character(bad));
            }
        }
        Ok(Self(text))
    }

    /// The path as text, with `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `root`.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemberPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).map_err(|cause| serde::de::Error::custom(format_args!("a member path has {cause}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_are_refused() {
        for (text, cause) in [
            ("", MemberPathError::EmptyComponent),
            ("/etc/passwd", MemberPathError::EmptyComponent),
            ("data//x", MemberPathError::EmptyComponent),
            ("data/", MemberPathError::EmptyComponent),
            ("..", MemberPathError::LeadingDot),
            ("data/../x", MemberPathError::LeadingDot),
            ("data/./x", MemberPathError::LeadingDot),
            ("data/.hidden", MemberPathError::LeadingDot),
            ("data/a\0b", MemberPathError::Character('\0')),
            ("data/a\\b", MemberPathError::Character('\\')),
            ("data/ä", MemberPathError::Character('ä')),
            ("data/\u{1b}[2J", MemberPathError::Character('\u{1b}')),
        ] {
            assert_eq!(MemberPath::new(text), Err(cause), "{text:?}");
        }
        assert_eq!(MemberPath::new("a".repeat(101)), Err(MemberPathError::TooLong));
    }

    proptest! {
        #[test]
        fn what_passes_stays_below_its_root(text in "[a-z./\\\\\u{0}-\u{40}]{0,40}") {
            if let Ok(path) = MemberPath::new(text) {
                let joined = path.below(Path::new("/root"));
                prop_assert!(joined.components().all(|c| !matches!(c, std::path::Component::ParentDir)));
                prop_assert!(joined.starts_with("/root"));
            }
        }
    }
}
