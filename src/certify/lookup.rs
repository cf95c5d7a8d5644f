//! A catalog in memory, reduced to what [`crate::certify::verdict`] looks up.
//!
//! It is filled while the files of the TNF layout are read, entry by entry. Of images only a fingerprint of each text
//! that can be asked for is kept (a digest; a registry, repository and tag; a registry and repository): the first 16
//! bytes of its SHA-256, so that 200,000 images take some 25 MB and not 200. Two of a million texts have the same
//! fingerprint with a chance below 10^-26.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::catalog::chart::ChartVersion;
use crate::catalog::{ChartIndex, ContainerEntry, OperatorPages, TnfError, layout, read_containers};
use crate::certify::verdict::{Bundle, ChartEntry, Listing, Lookup, is_red_hat_registry, operator_name};

/// Bytes of a fingerprint.
pub(super) const FINGERPRINT: usize = 16;
/// Into how many parts images are sorted: by the first byte of the fingerprint.
pub(super) const IMAGE_BLOCKS: usize = 256;
/// Fingerprints that a part has room for at first.
const FIRST_ROOM: usize = 64;

/// What stands for a text that can be asked for.
pub(super) type Fingerprint = [u8; FINGERPRINT];

/// An operator bundle: CSV name and OpenShift version.
pub(super) type BundleRow = (String, String);

/// An entry of the chart index that is kept under its own name: key of the list, version, `kubeVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChartRow {
    pub(super) list: String,
    pub(super) version: String,
    pub(super) kube: String,
}

/// A catalog that answers look-ups.
#[derive(Debug, Default)]
pub struct Catalog {
    images: Images,
    pub(super) operators: BTreeMap<String, BTreeSet<BundleRow>>,
    pub(super) charts: BTreeMap<String, Vec<ChartRow>>,
    pages: OperatorPages,
}

/// Fingerprints, in parts, each sorted up to some length.
struct Images(Vec<Part>);

#[derive(Default)]
struct Part {
    rows: Vec<(Fingerprint, Listing)>,
    sorted: usize,
}

impl Default for Images {
    fn default() -> Self {
        Self((0..IMAGE_BLOCKS).map(|_| Part::default()).collect())
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fingerprints", self.0.iter().map(|part| part.rows.len()).sum::<usize>())
    }
}

impl Part {
    /// Adds a row; sorts and removes doubles before it takes more memory, since an image stands under several digests
    /// with the same tags.
    fn add(&mut self, row: (Fingerprint, Listing)) {
        if self.rows.len() == self.rows.capacity() {
            self.sort();
            let room = self.rows.capacity();
            if self.rows.len() * 4 >= room * 3 {
                self.rows.reserve_exact((room / 2).max(FIRST_ROOM));
            }
        }
        self.rows.push(row);
    }

    /// Sorts, and keeps the best listing for each fingerprint.
    fn sort(&mut self) {
        if self.sorted < self.rows.len() {
            // The stable sort merges what is sorted already with the rest.
            self.rows.sort_by(|(a, x), (b, y)| a.cmp(b).then(y.cmp(x)));
            self.rows.dedup_by(|(later, _), (kept, _)| later == kept);
            self.sorted = self.rows.len();
        }
    }
}

/// The fingerprint of a digest.
pub(super) fn digest_print(digest: &str) -> Fingerprint {
    print(b'd', &[digest])
}

/// The fingerprint of a tag in a repository.
pub(super) fn tag_print(registry: &str, repository: &str, tag: &str) -> Fingerprint {
    print(b't', &[registry, repository, tag])
}

/// The fingerprint of a repository.
pub(super) fn repository_print(registry: &str, repository: &str) -> Fingerprint {
    print(b'r', &[registry, repository])
}

/// Each part goes in behind its length, so that no two lists of parts make the same bytes. Most lists then fit into one
/// block of SHA-256.
fn print(kind: u8, parts: &[&str]) -> Fingerprint {
    let mut text = Vec::with_capacity(128);
    text.push(kind);
    for part in parts {
        // A text of 4 GiB does not come out of a file of at most 2 GiB.
        text.extend_from_slice(&(part.len() as u32).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&Sha256::digest(&text)[..FINGERPRINT]);
    fingerprint
}

impl Catalog {
    /// Adds an entry of `containers.db`.
    pub fn add_image(&mut self, key: &str, entry: &ContainerEntry) {
        let red_hat = entry.repositories.iter().any(|repository| is_red_hat_registry(&repository.registry));
        let listing = if entry.certified || red_hat { Listing::Certified } else { Listing::Uncertified };
        self.add_print(digest_print(key), listing);
        for place in &entry.repositories {
            self.add_print(repository_print(&place.registry, &place.repository), listing);
            for tag in &place.tags {
                self.add_print(tag_print(&place.registry, &place.repository, &tag.name), listing);
            }
        }
    }

    fn add_print(&mut self, fingerprint: Fingerprint, listing: Listing) {
        if let Some(part) = self.images.0.get_mut(usize::from(fingerprint[0])) {
            part.add((fingerprint, listing));
        }
    }

    /// Adds an operator bundle.
    pub fn add_operator(&mut self, csv: &str, ocp: &str) {
        let name = operator_name(csv);
        let row = (csv.to_owned(), ocp.to_owned());
        match self.operators.get_mut(name) {
            Some(rows) => drop(rows.insert(row)),
            None => drop(self.operators.insert(name.to_owned(), BTreeSet::from([row]))),
        }
    }

    /// Adds the entries of a chart index, in the order in which [`ChartIndex::versions`] gives them.
    pub fn add_charts(&mut self, charts: Vec<ChartVersion>) {
        for ChartVersion { list, name, version, kube_version: kube } in charts {
            self.charts.entry(name).or_default().push(ChartRow { list, version, kube });
        }
    }

    /// Reads the file at `path`, relative to the catalog's folder: operator pages in the order of their names.
    ///
    /// # Errors
    /// Where certsuite could not read it either.
    pub fn read(&mut self, path: &str, content: impl BufRead) -> Result<(), TnfError> {
        match path {
            layout::ARCHIVE_JSON => Ok(()),
            layout::CONTAINERS_DB => self.read_containers(content),
            layout::HELM_DB => self.read_charts(content),
            _ => self.read_operator_page(content),
        }
    }

    /// Reads a `containers.db`, with or without `oct`'s own form.
    ///
    /// # Errors
    /// Where certsuite could not read it either.
    pub fn read_containers(&mut self, file: impl BufRead) -> Result<(), TnfError> {
        read_containers(file, |key, entry| {
            self.add_image(key, entry.unwrap_or(&ContainerEntry::default()));
            Ok(())
        })?;
        Ok(())
    }

    /// Reads a chart index.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read_charts(&mut self, file: impl Read) -> Result<(), TnfError> {
        self.add_charts(ChartIndex::read(file)?.into_versions());
        Ok(())
    }

    /// Reads an operator page as certsuite does: see [`OperatorPages`].
    ///
    /// # Errors
    /// Where certsuite could not read it either.
    pub fn read_operator_page(&mut self, file: impl Read) -> Result<(), TnfError> {
        let mut pages = std::mem::take(&mut self.pages);
        let read = pages.read(file, |operator| self.add_operator(&operator.csv_name, &operator.ocp_version));
        self.pages = pages;
        read.map(drop)
    }

    /// Sorts what was added. Look-ups are right without it, but slow.
    pub fn finish(&mut self) {
        self.images.0.iter_mut().for_each(Part::sort);
        self.pages = OperatorPages::default();
    }

    fn find(&self, fingerprint: Fingerprint) -> Listing {
        let Some(part) = self.images.0.get(usize::from(fingerprint[0])) else { return Listing::Absent };
        let (sorted, rest) = part.rows.split_at(part.sorted);
        let found = sorted.binary_search_by(|(other, _)| other.cmp(&fingerprint)).ok().map(|at| sorted[at].1);
        let also = rest.iter().filter(|(other, _)| *other == fingerprint).map(|(_, listing)| *listing);
        also.chain(found).max().unwrap_or(Listing::Absent)
    }
}

impl Lookup for Catalog {
    type Error = Infallible;

    fn digest(&self, digest: &str) -> Result<Listing, Infallible> {
        Ok(self.find(digest_print(digest)))
    }

    fn tag(&self, registry: &str, repository: &str, tag: &str) -> Result<Listing, Infallible> {
        Ok(self.find(tag_print(registry, repository, tag)))
    }

    fn repository(&self, registry: &str, repository: &str) -> Result<Listing, Infallible> {
        Ok(self.find(repository_print(registry, repository)))
    }

    fn operators(&self, name: &str) -> Result<Vec<Bundle<'_>>, Infallible> {
        let rows = self.operators.get(name).into_iter().flatten();
        Ok(rows.map(|(csv, ocp)| Bundle { csv: csv.into(), ocp: ocp.into() }).collect())
    }

    fn charts(&self, name: &str) -> Result<Vec<ChartEntry<'_>>, Infallible> {
        let rows = self.charts.get(name).into_iter().flatten();
        Ok(rows
            .map(|row| ChartEntry {
                list: row.list.as_str().into(),
                version: row.version.as_str().into(),
                kube_version: row.kube.as_str().into(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_listing_counts_sorted_or_not() {
        let mut catalog = Catalog::default();
        let add = |catalog: &mut Catalog, number: usize, certified: bool| {
            let text = format!(
                r#"{{"certified":{certified},"repositories":[{{"registry":"r","repository":"a","tags":[{{"name":"t{}"}}]}}]}}"#,
                number % 7
            );
            catalog.add_image(&format!("d{number}"), &ContainerEntry::parse(text.as_bytes()).unwrap());
        };
        (0..5_000).for_each(|number| add(&mut catalog, number, number % 7 == 3));
        for _ in 0..2 {
            assert_eq!(catalog.digest("d3"), Ok(Listing::Certified));
            assert_eq!(catalog.digest("d4999"), Ok(Listing::Uncertified));
            assert_eq!(catalog.digest("d5000"), Ok(Listing::Absent));
            assert_eq!(catalog.tag("r", "a", "t3"), Ok(Listing::Certified));
            assert_eq!(catalog.tag("r", "a", "t4"), Ok(Listing::Uncertified));
            assert_eq!(catalog.repository("r", "a"), Ok(Listing::Certified));
            assert_eq!(catalog.repository("ra", ""), Ok(Listing::Absent));
            catalog.finish();
        }
    }
}
