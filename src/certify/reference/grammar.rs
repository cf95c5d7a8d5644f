//! The parts of a reference, each checked by the rules of `distribution/reference`.

use super::{DigestProblem, MAX_REPOSITORY_LEN, MAX_TAG_LEN, ReferenceCause};

/// Checks that a text is a digest by which a registry serves manifests.
///
/// # Errors
/// When it is not.
pub(super) fn check_digest(digest: &str) -> Result<(), ReferenceCause> {
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

pub(super) fn strip_scheme(text: &str) -> Result<&str, ReferenceCause> {
    match text.split_once("://") {
        None => Ok(text),
        Some(("docker" | "docker-pullable", rest)) => Ok(rest),
        Some((scheme, _)) => Err(ReferenceCause::Scheme { scheme: scheme.to_owned() }),
    }
}

/// The rule by which engines tell a registry from the first component of a repository.
pub(super) fn is_registry_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':'])
}

/// Whether a registry could have this name, dotted or not: catalogs list images below names such as `non_registry`.
pub(super) fn may_be_registry(first: &str) -> bool {
    !first.is_empty() && first.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether the text begins as a digest does and has nothing of a name in it.
pub(super) fn is_digest_like(text: &str) -> bool {
    let algorithm = text.split_once(':').map_or("", |(algorithm, _)| algorithm);
    ["sha256", "sha384", "sha512"].iter().any(|name| name.eq_ignore_ascii_case(algorithm)) && !text.contains(['/', '@'])
}

pub(super) fn check_registry(registry: &str) -> Result<(), ReferenceCause> {
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

pub(super) fn check_repository(repository: &str) -> Result<(), ReferenceCause> {
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

pub(super) fn check_tag(tag: &str) -> Result<(), ReferenceCause> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let fits = tag.len() <= MAX_TAG_LEN
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if fits {
        return Ok(());
    }
    Err(ReferenceCause::Tag { tag: tag.to_owned() })
}
