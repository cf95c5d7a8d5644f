//! Versions as certsuite's reader understands them.
//!
//! The reader hands the cluster's Kubernetes version to Masterminds/semver v3 (`NewVersion`), which is more
//! forgiving than SemVer 2: it completes short versions, takes a leading `v` and leading zeros. This module decides
//! the same way, with the library's defaults (`CoerceNewVersion` on).
//!
//! ```text
//! version = [ "v" ] number [ "." number [ "." number ] ] [ "-" ids ] [ "+" ids ]
//! number  = 1*DIGIT                              ; at most 2^64-1; missing ones count as 0
//! ids     = id *( "." id )
//! id      = 1*( ALPHA / DIGIT / "-" )            ; before "+", one of digits only has no leading zero
//! ```
//!
//! Nothing may stand around it: no space, no `V`, no fourth number, no wildcard.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use thiserror::Error;

use crate::base::text::sanitize;

/// Longest version in bytes, the library's own limit since 3.5.0; longer text is refused unread.
pub const MAX_VERSION_LEN: usize = 256;

/// A version, ordered by SemVer 2 precedence: what follows `+` is kept for display and never compared.
#[derive(Debug, Clone)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number, 0 where it was left out.
    pub minor: u64,
    /// The third number, 0 where it was left out.
    pub patch: u64,
    pre: String,
    build: String,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{input}` is not a version: {cause}")]
pub struct VersionError {
    /// The text as it was given, without control characters for a terminal.
    pub input: String,
    /// What is wrong with it.
    pub cause: VersionCause,
}

/// What is wrong with a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionCause {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_VERSION_LEN`].
    #[error("it has {len} bytes, at most {MAX_VERSION_LEN} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// More than three numbers.
    #[error("it has more than three numbers")]
    TooManyNumbers,
    /// Something that is not digits stands where a number should.
    #[error("`{part}` is not a number")]
    NotANumber {
        /// The part between the dots.
        part: String,
    },
    /// A number above 2^64-1.
    #[error("the number {part} is too large")]
    NumberTooLarge {
        /// The number as written.
        part: String,
    },
    /// An identifier of the pre-release or the metadata is empty or has other characters than letters, digits, `-`.
    #[error("`{part}` after `-` or `+` is not made of letters, digits and hyphens")]
    BadIdentifier {
        /// The identifier between the dots.
        part: String,
    },
    /// A pre-release identifier such as `01`.
    #[error("the pre-release number `{part}` has a leading zero")]
    LeadingZero {
        /// The identifier between the dots.
        part: String,
    },
}

impl Version {
    /// Reads a version as the library's `NewVersion` does.
    ///
    /// # Errors
    /// When the text is not a version in the sense of this module; the reader of certsuite crashes on such a text.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        Self::read(text).map_err(|cause| VersionError { input: sanitize(text), cause })
    }

    fn read(text: &str) -> Result<Self, VersionCause> {
        if text.is_empty() {
            return Err(VersionCause::Empty);
        }
        if text.len() > MAX_VERSION_LEN {
            return Err(VersionCause::TooLong { len: text.len() });
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, build) = cut(rest, '+');
        let (core, pre) = cut(rest, '-');
        if let Some(build) = build {
            check_identifiers(build)?;
        }
        if let Some(pre) = pre {
            check_identifiers(pre)?;
            if let Some(part) = pre.split('.').find(|id| has_leading_zero(id)) {
                return Err(VersionCause::LeadingZero { part: part.to_owned() });
            }
        }
        let mut numbers = [0; 3];
        for (index, part) in core.split('.').enumerate() {
            let slot = numbers.get_mut(index).ok_or(VersionCause::TooManyNumbers)?;
            *slot = number(part)?;
        }
        let [major, minor, patch] = numbers;
        Ok(Self {
            major,
            minor,
            patch,
            pre: pre.unwrap_or_default().to_owned(),
            build: build.unwrap_or_default().to_owned(),
        })
    }

    /// What follows the hyphen; empty for a release.
    #[must_use]
    pub fn pre(&self) -> &str {
        &self.pre
    }

    /// Whether this is a pre-release.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }
}

/// Splits at the first `mark`, which belongs to neither half.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// A number of a version: digits only, leading zeros allowed.
fn number(part: &str) -> Result<u64, VersionCause> {
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(VersionCause::NotANumber { part: part.to_owned() });
    }
    part.parse().map_err(|_| VersionCause::NumberTooLarge { part: part.to_owned() })
}

fn check_identifiers(ids: &str) -> Result<(), VersionCause> {
    for id in ids.split('.') {
        if id.is_empty() || !id.bytes().all(is_identifier_byte) {
            return Err(VersionCause::BadIdentifier { part: id.to_owned() });
        }
    }
    Ok(())
}

/// Whether an identifier may contain the byte.
pub(super) fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// "Numeric identifiers MUST NOT include leading zeroes" (SemVer 2, item 9).
fn has_leading_zero(id: &str) -> bool {
    id.len() > 1 && id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit())
}

/// Precedence of two pre-release texts of the same release, identifier by identifier.
pub(super) fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(l), Some(r)) => compare_identifiers(l, r),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers stand below words. A number above 2^64-1 counts as a word, as in the library.
fn compare_identifiers(left: &str, right: &str) -> Ordering {
    match (left.parse::<u64>(), right.parse::<u64>()) {
        (Ok(l), Ok(r)) => l.cmp(&r),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prereleases(&self.pre, &other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.major, self.minor, self.patch, &self.pre).hash(state);
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cause(text: &str) -> VersionCause {
        Version::parse(text).expect_err(text).cause
    }

    #[test]
    fn short_and_loose_versions_are_completed() {
        for (text, whole) in [
            ("7", "7.0.0"),
            ("7.2", "7.2.0"),
            ("v7.2.5", "7.2.5"),
            ("007.02.0", "7.2.0"),
            ("2-rc.1", "2.0.0-rc.1"),
            ("v3.4+0012.ab-c", "3.4.0+0012.ab-c"),
            ("1.2.3--.-", "1.2.3--.-"),
            ("1.2.3+a-b", "1.2.3+a-b"),
            ("18446744073709551615", "18446744073709551615.0.0"),
        ] {
            assert_eq!(Version::parse(text).expect(text).to_string(), whole);
        }
    }

    #[test]
    fn what_is_no_version_is_refused_with_its_cause() {
        let part = |p: &str| p.to_owned();
        assert_eq!(cause(""), VersionCause::Empty);
        assert_eq!(cause(&"9".repeat(257)), VersionCause::TooLong { len: 257 });
        assert_eq!(cause("1.2.3.4"), VersionCause::TooManyNumbers);
        for (text, bad) in [
            ("newest", "newest"),
            ("V1.2", "V1"),
            ("vv1", "v1"),
            ("v", ""),
            ("1.", ""),
            ("1.4.x", "x"),
            (" 1.4", " 1"),
            ("1.4 ", "4 "),
            ("1.4\n", "4\n"),
            ("-1", ""),
            ("١.2", "١"),
        ] {
            assert_eq!(cause(text), VersionCause::NotANumber { part: part(bad) });
        }
        for (text, bad) in [("1.0.0-", ""), ("1.0.0-a..b", ""), ("1.0+a_b", "a_b"), ("1+a+b", "a+b"), ("1+", "")] {
            assert_eq!(cause(text), VersionCause::BadIdentifier { part: part(bad) });
        }
        assert_eq!(
            cause("1.18446744073709551616"),
            VersionCause::NumberTooLarge { part: part("18446744073709551616") }
        );
        assert_eq!(cause("1.0.0-rc.07"), VersionCause::LeadingZero { part: part("07") });
        assert_eq!(
            Version::parse("1.x").expect_err("wildcard").to_string(),
            "`1.x` is not a version: `x` is not a number"
        );
    }

    #[test]
    fn precedence_is_semvers() {
        let rising = [
            "0.9",
            "1.0.0-0",
            "1.0.0-2",
            "1.0.0-11",
            "1.0.0-18446744073709551616",
            "1.0.0-BETA",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.b",
            "1.0.0",
            "1.0.1-0",
            "1.0.1",
            "1.10",
            "2",
        ];
        for (i, left) in rising.iter().enumerate() {
            for (j, right) in rising.iter().enumerate() {
                let (l, r) = (Version::parse(left), Version::parse(right));
                assert_eq!(l.expect(left).cmp(&r.expect(right)), i.cmp(&j), "{left} {right}");
            }
        }
        assert_eq!(Version::parse("1.0.0+a"), Version::parse("v1+b"));
    }

    #[test]
    fn a_long_text_is_cut_in_the_message() {
        let message = Version::parse(&"é".repeat(400)).expect_err("long").to_string();
        assert!(message.contains("é…` is not a version: it has 800 bytes"), "{message}");
    }

    proptest! {
        #[test]
        fn printing_and_reading_again_changes_nothing(
            text in "v?[0-9]{1,5}(\\.[0-9]{1,5}){0,2}(-[a-z][0-9a-z-]{0,4}(\\.[1-9][0-9]{0,3}){0,2})?(\\+[0-9a-z]{1,4})?"
        ) {
            let version = Version::parse(&text).expect("made by the grammar");
            let printed = version.to_string();
            let again = Version::parse(&printed).expect("printed form");
            prop_assert_eq!(&again, &version);
            prop_assert_eq!(again.to_string(), printed);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Version::parse(&text);
        }
    }
}
