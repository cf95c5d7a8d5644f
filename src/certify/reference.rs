//! Image references as people write them.
//!
//! The grammar is that of `distribution/reference`, which container engines share, with one difference: a name
//! without a registry host is refused, because the catalog is asked for a registry and none can be guessed.
//!
//! ```text
//! reference  = [ scheme "://" ] registry "/" repository [ ":" tag ] [ "@" digest ]
//! scheme     = "docker" / "docker-pullable"        ; as in pod statuses and in skopeo's arguments
//! registry   = host [ ":" 1*DIGIT ]                ; holds a "." or a ":", or is "localhost"
//! host       = label *( "." label ) / "[" IPv6 "]" ; label: letters, digits, inner hyphens
//! repository = component *( "/" component )        ; at most 255 bytes
//! component  = alnum *( separator alnum )          ; alnum: lower-case letters and digits
//! separator  = "." / "_" / "__" / 1*"-"
//! tag        = ( ALPHA / DIGIT / "_" ) *127( ALPHA / DIGIT / "_" / "." / "-" )
//! digest     = "sha256:" 64HEX / "sha384:" 96HEX / "sha512:" 128HEX     ; lower-case
//! ```
//!
//! White space around the reference is dropped. The digest always wins over the tag when certsuite's reader looks an
//! image up, so `…:tag@digest` keeps both and the verdict's rules decide.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::base::text::sanitize;

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
    /// The registry's host, with its port where it has one.
    pub registry: String,
    /// The repository, without the registry.
    pub repository: String,
    /// The tag, where one was given.
    pub tag: Option<String>,
    /// The digest, where one was given.
    pub digest: Option<String>,
}

/// Why a text is no image reference that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{input}` is not an image reference: {cause}")]
pub struct ReferenceError {
    /// The text as it was given, made harmless for a terminal.
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
        "it names no registry; hint: write the whole name, such as registry.connect.redhat.com/{name} or docker.io/{name}"
    )]
    ShortName {
        /// The reference as it would follow a registry.
        name: String,
    },
    /// The registry is no host name, or its port is no number.
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
    #[error("{len} hexadecimal digits stand where {expected} should")]
    Length {
        /// How many signs it has.
        len: usize,
        /// How many it needs.
        expected: usize,
    },
    /// Something else than `0`–`9` and `a`–`f`.
    #[error("it has other signs than 0-9 and a-f")]
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

    fn read(text: &str) -> Result<Self, ReferenceCause> {
        if text.is_empty() {
            return Err(ReferenceCause::Empty);
        }
        if text.len() > MAX_REFERENCE_LEN {
            return Err(ReferenceCause::TooLong { len: text.len() });
        }
        let text = strip_scheme(text)?;
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let Some((registry, path)) = name.split_once('/').filter(|(first, _)| is_registry_like(first)) else {
            return Err(ReferenceCause::ShortName { name: text.to_owned() });
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        check_registry(registry)?;
        check_repository(repository)?;
        tag.map_or(Ok(()), check_tag)?;
        digest.map_or(Ok(()), check_digest)?;
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

/// Checks that a text is a digest by which a registry serves manifests.
///
/// # Errors
/// When it is not.
pub fn check_digest(digest: &str) -> Result<(), ReferenceCause> {
    let problem = match digest.split_once(':') {
        None => Some(DigestProblem::NoAlgorithm),
        Some(("sha256", hex)) => hex_problem(hex, 64),
        Some(("sha384", hex)) => hex_problem(hex, 96),
        Some(("sha512", hex)) => hex_problem(hex, 128),
        Some(_) => Some(DigestProblem::Algorithm),
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(ReferenceCause::Digest { digest: digest.to_owned(), problem }),
    }
}

fn hex_problem(hex: &str, expected: usize) -> Option<DigestProblem> {
    if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        Some(DigestProblem::Hex)
    } else if hex.len() != expected {
        Some(DigestProblem::Length { len: hex.len(), expected })
    } else {
        None
    }
}

fn strip_scheme(text: &str) -> Result<&str, ReferenceCause> {
    match text.split_once("://") {
        None => Ok(text),
        Some(("docker" | "docker-pullable", rest)) => Ok(rest),
        Some((scheme, _)) => Err(ReferenceCause::Scheme { scheme: scheme.to_owned() }),
    }
}

/// The rule by which engines tell a registry from the first component of a repository.
fn is_registry_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

fn check_registry(registry: &str) -> Result<(), ReferenceCause> {
    if is_registry(registry) {
        return Ok(());
    }
    Err(ReferenceCause::Registry { registry: registry.to_owned() })
}

fn is_registry(registry: &str) -> bool {
    let (host_ok, port) = if let Some(bracketed) = registry.strip_prefix('[') {
        match bracketed.split_once(']') {
            Some((address, "")) => (is_ipv6(address), None),
            Some((address, rest)) => (is_ipv6(address), Some(rest.strip_prefix(':').unwrap_or_default())),
            None => return false,
        }
    } else {
        match registry.split_once(':') {
            Some((host, port)) => (host.split('.').all(is_label), Some(port)),
            None => (registry.split('.').all(is_label), None),
        }
    };
    host_ok && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

fn is_ipv6(address: &str) -> bool {
    address.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_repository(repository: &str) -> Result<(), ReferenceCause> {
    if repository.len() > MAX_REPOSITORY_LEN {
        return Err(ReferenceCause::RepositoryTooLong { len: repository.len() });
    }
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceCause::UpperCase { repository: repository.to_owned() });
    }
    match repository.split('/').find(|component| !is_component(component)) {
        None => Ok(()),
        Some(component) => Err(ReferenceCause::Component { component: component.to_owned() }),
    }
}

fn is_component(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends_ok = bytes.first().is_some_and(|b| alnum(*b)) && bytes.last().is_some_and(|b| alnum(*b));
    ends_ok
        && component
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

fn check_tag(tag: &str) -> Result<(), ReferenceCause> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let fits = tag.len() <= MAX_TAG_LEN
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if fits {
        return Ok(());
    }
    Err(ReferenceCause::Tag { tag: tag.to_owned() })
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "5f0c2a9d17e84b3690a1c8d7e6f5b4a35f0c2a9d17e84b3690a1c8d7e6f5b4a3";

    fn cause(text: &str) -> ReferenceCause {
        ImageReference::parse(text).expect_err(text).cause
    }

    #[test]
    fn every_way_of_writing_is_taken_apart() {
        let digest = format!("sha256:{HEX}");
        for (text, registry, repository, tag, with_digest) in [
            ("quay.io/acme/widget:1.2", "quay.io", "acme/widget", Some("1.2"), false),
            ("quay.io/acme/widget", "quay.io", "acme/widget", None, false),
            ("  quay.io/acme/widget:v1_x\n", "quay.io", "acme/widget", Some("v1_x"), false),
            ("quay.io/acme/widget@D", "quay.io", "acme/widget", None, true),
            ("quay.io/acme/widget:1@D", "quay.io", "acme/widget", Some("1"), true),
            ("docker-pullable://docker.io/library/redis@D", "docker.io", "library/redis", None, true),
            ("docker://reg.example/a:1", "reg.example", "a", Some("1"), false),
            ("bastion:5000/a/b", "bastion:5000", "a/b", None, false),
            ("bastion:5000/a/b/c:2", "bastion:5000", "a/b/c", Some("2"), false),
            ("localhost/a", "localhost", "a", None, false),
            ("[fd00::1]:5000/a", "[fd00::1]:5000", "a", None, false),
            ("[::1]/a", "[::1]", "a", None, false),
            ("Quay.IO/a__b/c.d/e---f_g", "Quay.IO", "a__b/c.d/e---f_g", None, false),
        ] {
            let reference = ImageReference::parse(&text.replace('D', &digest)).expect(text);
            let expected = ImageReference {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                tag: tag.map(str::to_owned),
                digest: with_digest.then(|| digest.clone()),
            };
            assert_eq!(reference, expected, "{text}");
        }
        for (name, len) in [("sha384", 96), ("sha512", 128)] {
            let text = format!("quay.io/a@{name}:{}", "0".repeat(len));
            assert_eq!(text.parse::<ImageReference>().expect(name).to_string(), text);
        }
    }

    #[test]
    fn names_without_a_registry_get_a_hint() {
        for name in ["redis", "redis:7", "acme/widget:1", "redis:5000", "Acme/widget", "quay.io", ""] {
            let text = format!("docker://{name}");
            assert_eq!(cause(&text), ReferenceCause::ShortName { name: name.to_owned() });
        }
        assert_eq!(
            ImageReference::parse("acme/widget:1").expect_err("short").to_string(),
            "`acme/widget:1` is not an image reference: it names no registry; hint: write the whole name, such as \
             registry.connect.redhat.com/acme/widget:1 or docker.io/acme/widget:1"
        );
    }

    #[test]
    fn bad_parts_are_refused_by_name() {
        assert_eq!(cause(" \n"), ReferenceCause::Empty);
        assert_eq!(cause(&"a".repeat(1025)), ReferenceCause::TooLong { len: 1025 });
        assert_eq!(cause("https://quay.io/a"), ReferenceCause::Scheme { scheme: "https".to_owned() });
        for registry in [
            "quay..io", "-a.io", "a.io-", "a.io:", "a.io:80x", ":5000", "a_b.io", "[::1", "[::g]:1", "[::1]5", "a:1:2",
            ".",
        ] {
            assert_eq!(cause(&format!("{registry}/a")), ReferenceCause::Registry { registry: registry.to_owned() });
        }
        assert_eq!(cause("quay.io/Acme/x"), ReferenceCause::UpperCase { repository: "Acme/x".to_owned() });
        for component in ["", "-a", "a-", "a..b", "a___b", "a._b", "ä", "a b", "_", "a\0b"] {
            assert_eq!(
                cause(&format!("quay.io/x/{component}/y")),
                ReferenceCause::Component { component: component.to_owned() }
            );
        }
        let exact = format!("quay.io/{}", "a".repeat(MAX_REPOSITORY_LEN));
        assert!(ImageReference::parse(&exact).is_ok());
        assert_eq!(cause(&format!("{exact}a")), ReferenceCause::RepositoryTooLong { len: 256 });
        for tag in ["", ".a", "-a", "a/b", "a:b", "a b", "ü"] {
            assert_eq!(cause(&format!("quay.io/a:{tag}")), ReferenceCause::Tag { tag: tag.to_owned() });
        }
        assert!(ImageReference::parse(&format!("quay.io/a:{}", "1".repeat(MAX_TAG_LEN))).is_ok());
        assert!(matches!(cause(&format!("quay.io/a:{}", "1".repeat(129))), ReferenceCause::Tag { .. }));
    }

    #[test]
    fn bad_digests_are_refused_by_their_problem() {
        let short = &HEX[1..];
        for (digest, expected) in [
            (HEX.to_owned(), DigestProblem::NoAlgorithm),
            (String::new(), DigestProblem::NoAlgorithm),
            (format!("md5:{HEX}"), DigestProblem::Algorithm),
            (format!("SHA256:{HEX}"), DigestProblem::Algorithm),
            (format!("sha256:{short}"), DigestProblem::Length { len: 63, expected: 64 }),
            (format!("sha256:{HEX}0"), DigestProblem::Length { len: 65, expected: 64 }),
            (format!("sha512:{HEX}"), DigestProblem::Length { len: 64, expected: 128 }),
            (format!("sha256:{}", HEX.to_uppercase()), DigestProblem::Hex),
            (format!("sha256:{short} "), DigestProblem::Hex),
            (format!("sha256:{HEX}@sha256:{HEX}"), DigestProblem::Hex),
        ] {
            let reason = cause(&format!("quay.io/a@{digest}/"));
            assert!(matches!(reason, ReferenceCause::Digest { .. }), "{digest}");
            assert_eq!(check_digest(&digest), Err(ReferenceCause::Digest { digest, problem: expected }));
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(
            text in "(localhost|[a-z0-9]{1,8}\\.[a-z]{2,4})(:[0-9]{1,5})?(/[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?){1,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?(@sha256:[0-9a-f]{64})?"
        ) {
            let reference = ImageReference::parse(&text).expect("made by the grammar");
            prop_assert_eq!(reference.to_string(), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "([a-z.:/@\\[\\]-]|\\PC){0,60}") {
            let _ = ImageReference::parse(&text);
        }
    }
}
