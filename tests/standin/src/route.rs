//! What is served under which path.

use crate::filter::Place;
use crate::query;

/// The path below which the catalog's endpoints are.
pub(crate) const BASE: &str = "/api/containers/v1";

/// Something that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Ping,
    Charts,
    Images,
    Bundles,
    /// The images of a repository, or those under one of its tags.
    Repository(Place),
}

impl Endpoint {
    /// The endpoint of a path as sent, without its query.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path == "/index.yaml" {
            return Some(Endpoint::Charts);
        }
        match path.strip_prefix(BASE)? {
            "/ping" => Some(Endpoint::Ping),
            "/images" => Some(Endpoint::Images),
            "/operators/bundles" => Some(Endpoint::Bundles),
            other => place(other).map(Endpoint::Repository),
        }
    }
}

/// Reads `/repositories/registry/R/repository/P/images` and `…/tag/T`. Slashes in the name of the
/// repository come encoded or not.
fn place(path: &str) -> Option<Place> {
    let (registry, rest) = path.strip_prefix("/repositories/registry/")?.split_once("/repository/")?;
    let (repository, tag) = match rest.strip_suffix("/images") {
        Some(repository) => (repository, None),
        None => {
            let (repository, tag) = rest.rsplit_once("/tag/")?;
            (repository, Some(tag))
        }
    };
    let named = ![registry, repository].contains(&"") && tag != Some("") && !registry.contains('/');
    named.then(|| Place {
        registry: query::decode_path(registry),
        repository: query::decode_path(repository),
        tag: tag.map(query::decode_path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_tags_are_read_out_of_paths() {
        let place = |path: &str| match Endpoint::of(&format!("{BASE}/repositories/registry/{path}")) {
            Some(Endpoint::Repository(place)) => Some((place.registry, place.repository, place.tag)),
            _ => None,
        };
        let expected = |tag: Option<&str>| Some(("r.io".to_owned(), "a/b".to_owned(), tag.map(str::to_owned)));
        assert_eq!(place("r.io/repository/a/b/images"), expected(None));
        assert_eq!(place("r.io/repository/a%2Fb/images"), expected(None));
        assert_eq!(place("r.io/repository/a/b/tag/v1+2"), expected(Some("v1+2")));
        for path in ["r.io/repository/a/b", "r.io/repository//images", "/repository/a/images", "r.io/repository/a/tag/"]
        {
            assert_eq!(place(path), None, "{path}");
        }
        assert_eq!(Endpoint::of("/images"), None);
    }
}
