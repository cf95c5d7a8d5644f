//! What certsuite takes out of a container's `image` and `imageID`: its own two expressions, not the grammar.
//!
//! ```text
//! imageID   ^([^/]*)/(.*)@(.*:.*)      the third group is the digest
//! image     ^([^/]*)/*([^@]*):(.*)     registry, repository, tag; where the second is empty, the first is the repository
//! ```

use super::ImageReference;

/// Registry and repository as certsuite names an image in its reports. Both are empty where its expression does not
/// match, as for an image without a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedImage {
    /// What stands before the first slash.
    pub registry: String,
    /// What stands between the first slash and the last colon before an `@`.
    pub repository: String,
}

/// The digest that certsuite finds in an `imageID`, if it finds one.
pub(crate) fn status_digest(image_id: &str) -> Option<&str> {
    let (_, rest) = image_id.split_once('/')?;
    let line = rest.split('\n').next()?;
    line.rmatch_indices('@').map(|(at, _)| &line[at + 1..]).find(|digest| digest.contains(':'))
}

/// The name that certsuite finds in an `image`.
pub(crate) fn name_of_image(image: &str) -> NamedImage {
    let (first, path) = match image.split_once('/') {
        Some((first, path)) => (first, path.trim_start_matches('/')),
        None => (image, ""),
    };
    let name = path.split('@').next().unwrap_or_default();
    let (registry, repository) = match (name.rsplit_once(':'), first.rsplit_once(':')) {
        (Some((repository, _)), _) => (first, repository),
        // The expression gives up the slash to find a colon.
        (None, Some((registry, _))) => (registry, ""),
        (None, None) => return NamedImage::default(),
    };
    let (registry, repository) = if repository.is_empty() { ("", registry) } else { (registry, repository) };
    NamedImage { registry: registry.to_owned(), repository: repository.to_owned() }
}

impl ImageReference {
    /// An image as a pod or a claim names it, whatever that is: certsuite asks by the digest alone, so the name only
    /// has to be shown. `digest` is what the status says, where it says something.
    pub(crate) fn of_pod(image: &str, digest: Option<&str>) -> Self {
        let mut reference = Self::parse(image).unwrap_or_else(|_| {
            let (name, own) = image.split_once('@').map_or((image, None), |(name, own)| (name, Some(own.to_owned())));
            let (repository, tag) = match name.rsplit_once(':') {
                Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.to_owned())),
                _ => (name, None),
            };
            Self { registry: String::new(), repository: repository.to_owned(), tag, digest: own }
        });
        if let Some(digest) = digest {
            reference.digest = Some(digest.to_owned());
        }
        reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by running the two expressions in Go.
    #[test]
    fn both_expressions_are_those_of_certsuite() {
        for (image_id, digest) in [
            ("quay.example/a/b@sha256:aa", Some("sha256:aa")),
            ("docker-pullable://quay.example/a/b@sha256:aa", Some("sha256:aa")),
            ("docker-pullable://redis@sha256:aa", Some("sha256:aa")),
            ("quay.example/a@b@sha256:aa", Some("sha256:aa")),
            ("quay.example/a@sha256:aa@b", Some("sha256:aa@b")),
            ("redis@sha256:aa", None),
            ("sha256:aa", None),
            ("", None),
            ("docker://sha256:aa", None),
        ] {
            assert_eq!(status_digest(image_id), digest, "{image_id}");
        }
        for (image, registry, repository) in [
            ("quay.example/a/b:1", "quay.example", "a/b"),
            ("quay.example/a/b", "", ""),
            ("quay.example/a/b@sha256:aa", "", ""),
            ("redis", "", ""),
            ("quay.example/a/b:1@sha256:aa", "quay.example", "a/b"),
            ("redis:7", "", "redis"),
            ("redis@sha256:aa", "", "redis@sha256"),
            ("localhost:5000/a/b:1", "localhost:5000", "a/b"),
            ("localhost:5000/a/b", "", "localhost"),
            ("localhost:5000/a/b@sha256:aa", "", "localhost"),
        ] {
            let expected = NamedImage { registry: registry.to_owned(), repository: repository.to_owned() };
            assert_eq!(name_of_image(image), expected, "{image}");
        }
    }

    #[test]
    fn the_image_of_a_pod_is_shown_as_a_reference_whatever_it_is() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (image, status, shown) in [
            ("quay.io/a/b:1", Some(digest.as_str()), format!("quay.io/a/b:1@{digest}")),
            (&format!("quay.io/a/b:1@{digest}"), None, format!("quay.io/a/b:1@{digest}")),
            (&format!("quay.io/a/b:1@{digest}"), Some(&digest), format!("quay.io/a/b:1@{digest}")),
            ("redis:7", Some(&digest), format!("redis:7@{digest}")),
            ("redis", None, "redis".to_owned()),
            ("Not An Image", Some(&digest), format!("Not An Image@{digest}")),
            ("localhost:5000/A", None, "localhost:5000/A".to_owned()),
        ] {
            assert_eq!(ImageReference::of_pod(image, status).to_string(), shown);
        }
        let again = format!("redis:7@{digest}");
        assert_eq!(ImageReference::parse(&again).unwrap().to_string(), again);
    }
}
