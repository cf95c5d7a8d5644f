//! The TNF layout: which files certsuite finds below `data/`.
//!
//! Source: the offline reader of certsuite reads `data/containers/containers.db`, `data/helm/helm.db` and **every**
//! file in `data/operators/`, so nothing else may lie there.

use serde::{Deserialize, Serialize};

use crate::base::digest::Sha256Digest;
use crate::base::limits;
use crate::base::member::MemberPath;

/// Counts per kind.
pub const ARCHIVE_JSON: &str = "data/archive.json";
/// Image documents by digest.
pub const CONTAINERS_DB: &str = "data/containers/containers.db";
/// The chart index as served.
pub const HELM_DB: &str = "data/helm/helm.db";
/// Operator bundles, in pages.
pub const OPERATORS_DIR: &str = "data/operators";
/// Operator bundles in one page at most.
pub const OPERATORS_PER_PAGE: usize = 500;

/// One file of a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the TNF layout.
    pub path: MemberPath,
    /// Bytes.
    pub size: u64,
    /// Digest of those bytes.
    pub sha256: Sha256Digest,
}

/// What a file of the layout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`ARCHIVE_JSON`].
    ArchiveJson,
    /// [`CONTAINERS_DB`].
    Containers,
    /// [`HELM_DB`].
    Helm,
    /// Page `number` with `size` bundles.
    OperatorPage {
        /// Zero-based.
        number: usize,
        /// At most [`OPERATORS_PER_PAGE`].
        size: usize,
    },
}

impl Kind {
    /// The kind of the file at `path`, if the layout has such a file.
    #[must_use]
    pub fn of(path: &MemberPath) -> Option<Self> {
        match path.as_str() {
            ARCHIVE_JSON => Some(Self::ArchiveJson),
            CONTAINERS_DB => Some(Self::Containers),
            HELM_DB => Some(Self::Helm),
            other => {
                let name = other.strip_prefix(OPERATORS_DIR)?.strip_prefix("/operator_catalog_page_")?;
                let (number, size) = name.strip_suffix(".db")?.split_once('_')?;
                Some(Self::OperatorPage { number: plain_number(number)?, size: plain_number(size)? })
            }
        }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::ArchiveJson => ARCHIVE_JSON.to_owned(),
            Self::Containers => CONTAINERS_DB.to_owned(),
            Self::Helm => HELM_DB.to_owned(),
            Self::OperatorPage { number, size } => {
                format!("{OPERATORS_DIR}/operator_catalog_page_{number}_{size}.db")
            }
        }
    }
}

/// A decimal number without sign or leading zero, so that each number has one name.
fn plain_number(digits: &str) -> Option<usize> {
    let plain = digits == "0" || (digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// The pages that `operators` bundles make: full ones and a last one; a single empty page if there are none, as the
/// reader wants the folder to exist.
pub fn operator_pages(operators: usize) -> impl Iterator<Item = Kind> {
    let pages = operators.div_ceil(OPERATORS_PER_PAGE).max(1);
    (0..pages).map(move |number| {
        let size = OPERATORS_PER_PAGE.min(operators - number * OPERATORS_PER_PAGE);
        Kind::OperatorPage { number, size }
    })
}

/// Every path of a catalog with `operators` bundles, sorted as text: the order of the archive's members.
#[must_use]
pub fn paths(operators: usize) -> Vec<String> {
    let fixed = [Kind::ArchiveJson, Kind::Containers, Kind::Helm];
    let mut paths: Vec<_> = fixed.into_iter().chain(operator_pages(operators)).map(Kind::path).collect();
    paths.sort_unstable();
    paths
}

/// The most operator bundles that fit [`limits::MEMBERS`] files.
pub const MAX_OPERATORS: usize = (limits::MEMBERS - 3) * OPERATORS_PER_PAGE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_every_operator() {
        let sizes = |count| {
            let page = |kind| match kind {
                Kind::OperatorPage { number, size } => (number, size),
                _ => unreachable!(),
            };
            operator_pages(count).map(page).collect::<Vec<_>>()
        };
        assert_eq!(sizes(0), [(0, 0)]);
        assert_eq!(sizes(500), [(0, 500)]);
        assert_eq!(sizes(1_001), [(0, 500), (1, 500), (2, 1)]);
    }

    #[test]
    fn each_path_names_one_kind() {
        for path in paths(5_300) {
            let member = MemberPath::new(path.clone()).unwrap();
            assert_eq!(Kind::of(&member).unwrap().path(), path);
        }
        for other in ["data/operators/operator_catalog_page_01_500.db", "data/operators/x.db", "data/archive.json2"] {
            assert_eq!(Kind::of(&MemberPath::new(other).unwrap()), None, "{other}");
        }
    }
}
