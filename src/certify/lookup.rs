//! What a catalog holds of what is asked for, found in one pass over its files.
//!
//! A [`Lookup`] is made from the questions. It collects the texts that can decide on them (digests; registry, repository
//! and tag; names of operators and charts), takes the catalog entry by entry, and keeps what one of these texts names. So
//! its memory is bounded by the questions and by what the catalog holds of them, not by the catalog.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::offline::{DEFAULT_TAG, catalog_registry, given, is_red_hat_registry, operator_name};
use super::questions::Question;
use super::reference::ImageReference;
use crate::base::limits;
use crate::catalog::chart::ChartVersion;
use crate::catalog::document::Operator;
use crate::catalog::folder::Visitor;
use crate::catalog::{ChartIndex, ContainerEntry, TnfError};

/// Whether something stands in the catalog, and as what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listing {
    /// It is not there.
    #[default]
    Absent,
    /// It is there, but neither marked certified nor one of Red Hat's own images. Tools other than this one write such
    /// entries; only the online check looks at the mark.
    Uncertified,
    /// It is there and marked `certified`, or it stands in one of Red Hat's registries ([`is_red_hat_registry`]).
    Certified,
}

/// An operator bundle in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bundle {
    /// Its CSV name.
    pub csv: String,
    /// The OpenShift version, such as `4.16`, for which it is listed.
    pub ocp: String,
}

/// An entry of the chart index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartEntry {
    /// The key of the list in which it stands, which need not be its name.
    pub list: String,
    /// Its `version`, as the text that stands in the index.
    pub version: String,
    /// Its `kubeVersion`, as the text that stands in the index; empty if it is absent, null or empty.
    pub kube_version: String,
}

/// The answers to a set of questions, as far as the catalog was read.
#[derive(Debug, Default)]
pub struct Lookup {
    digests: HashSet<String>,
    registries: HashMap<String, Registry>,
    /// How many places were given a number.
    places: usize,
    /// Entries that name a place or a digest, or that are null, by key: a later entry of the same key takes the place of
    /// an earlier one, as in Go.
    hits: HashMap<String, Hit>,
    /// The numbers of the places of one entry; kept for its memory.
    named: BTreeSet<usize>,
    listings: Vec<Listing>,
    operators: HashMap<String, BTreeSet<Bundle>>,
    charts: HashMap<String, Vec<ChartEntry>>,
    has_red_hat_images: bool,
    nulls: usize,
    null_entry: Option<String>,
}

/// What is asked for in a registry.
#[derive(Debug, Default)]
struct Registry {
    is_known: bool,
    repositories: HashMap<String, Repository>,
}

/// A repository that is asked for, and its tags, each with its number.
#[derive(Debug, Default)]
struct Repository {
    place: usize,
    tags: HashMap<String, usize>,
}

/// An entry of `containers.db` that matters.
#[derive(Debug)]
struct Hit {
    /// None where the entry is null.
    listing: Option<Listing>,
    places: Box<[usize]>,
}

impl Lookup {
    /// Collects what decides on `questions`.
    pub fn new<'a>(questions: impl IntoIterator<Item = &'a Question>) -> Self {
        let mut lookup = Self::default();
        for question in questions {
            match question {
                Question::Image(image) => lookup.ask_image(image),
                Question::Operator(operator) => {
                    lookup.operators.entry(operator_name(&operator.csv).to_owned()).or_default();
                }
                Question::Chart(chart) => {
                    lookup.charts.entry(chart.name.clone()).or_default();
                }
            }
        }
        lookup
    }

    fn ask_image(&mut self, image: &ImageReference) {
        if let Some(digest) = given(image.digest.as_deref()) {
            self.digests.insert(digest.to_owned());
            return;
        }
        let registry = self.registries.entry(catalog_registry(&image.registry).to_owned()).or_default();
        let mut number = || {
            self.places += 1;
            self.places - 1
        };
        let repository = registry
            .repositories
            .entry(image.repository.clone())
            .or_insert_with(|| Repository { place: number(), tags: HashMap::new() });
        let tag = given(image.tag.as_deref()).unwrap_or(DEFAULT_TAG);
        repository.tags.entry(tag.to_owned()).or_insert_with(number);
    }

    /// Adds an entry of `containers.db`; `None` is one that is null.
    pub fn add_image(&mut self, key: &str, entry: Option<&ContainerEntry>) {
        self.named.clear();
        let mut listing = entry.map(|entry| if entry.certified { Listing::Certified } else { Listing::Uncertified });
        for place in entry.map_or(&[][..], |entry| &*entry.repositories) {
            if is_red_hat_registry(&place.registry) {
                listing = Some(Listing::Certified);
                self.has_red_hat_images = true;
            }
            let Some(registry) = self.registries.get_mut(&*place.registry) else { continue };
            registry.is_known = true;
            let Some(repository) = registry.repositories.get(&*place.repository) else { continue };
            self.named.insert(repository.place);
            self.named.extend(place.tags.iter().filter_map(|tag| repository.tags.get(&*tag.name)));
        }
        if listing.is_none() || !self.named.is_empty() || self.digests.contains(key) {
            self.hits.insert(key.to_owned(), Hit { listing, places: self.named.iter().copied().collect() });
        } else if !self.hits.is_empty() {
            self.hits.remove(key);
        }
    }

    /// Adds an operator bundle.
    pub fn add_operator(&mut self, csv: &str, ocp: &str) {
        if let Some(bundles) = self.operators.get_mut(operator_name(csv)) {
            bundles.insert(Bundle { csv: csv.to_owned(), ocp: ocp.to_owned() });
        }
    }

    /// Adds the entries of a chart index, those of one list together and in their order.
    pub fn add_charts(&mut self, charts: impl IntoIterator<Item = ChartVersion>) {
        for ChartVersion { list, name, version, kube_version } in charts {
            if let Some(entries) = self.charts.get_mut(&name) {
                entries.push(ChartEntry { list, version, kube_version });
            }
        }
    }

    /// Ends the reading: look-ups of tags and repositories are right from here on.
    pub fn finish(&mut self) {
        self.listings = vec![Listing::Absent; self.places];
        for (key, hit) in &self.hits {
            let Some(listing) = hit.listing else {
                // The same in each run, whatever the order of the map.
                self.null_entry = self.null_entry.take().into_iter().chain([key.clone()]).min();
                continue;
            };
            for place in &hit.places {
                if let Some(best) = self.listings.get_mut(*place) {
                    *best = listing.max(*best);
                }
            }
        }
    }

    /// What `containers.db` says of a digest that may be one of its keys. An entry that is null counts as listed.
    #[must_use]
    pub fn digest(&self, digest: &str) -> Listing {
        self.hits.get(digest).map_or(Listing::Absent, |hit| hit.listing.unwrap_or(Listing::Uncertified))
    }

    /// The best listing among the images that have the tag in this repository of this registry.
    #[must_use]
    pub fn tag(&self, registry: &str, repository: &str, tag: &str) -> Listing {
        self.listing(self.asked(registry, repository).and_then(|repository| repository.tags.get(tag).copied()))
    }

    /// The best listing among all images of this repository of this registry, tagged or not.
    #[must_use]
    pub fn repository(&self, registry: &str, repository: &str) -> Listing {
        self.listing(self.asked(registry, repository).map(|repository| repository.place))
    }

    fn asked(&self, registry: &str, repository: &str) -> Option<&Repository> {
        self.registries.get(registry)?.repositories.get(repository)
    }

    fn listing(&self, place: Option<usize>) -> Listing {
        place.and_then(|place| self.listings.get(place)).copied().unwrap_or_default()
    }

    /// Whether the catalog has an image in this registry, which must be one that is asked for.
    #[must_use]
    pub fn knows_registry(&self, registry: &str) -> bool {
        self.registries.get(registry).is_some_and(|registry| registry.is_known)
    }

    /// Whether the catalog has any image of Red Hat's own registries.
    #[must_use]
    pub fn has_red_hat_images(&self) -> bool {
        self.has_red_hat_images
    }

    /// The key of an entry of `containers.db` that is null, if there is one.
    #[must_use]
    pub fn null_entry(&self) -> Option<&str> {
        self.null_entry.as_deref()
    }

    /// All bundles whose CSV name, up to its first dot or whole if it has none, is `name` (see [`operator_name`]).
    pub fn operators(&self, name: &str) -> impl Iterator<Item = &Bundle> {
        self.operators.get(name).into_iter().flatten()
    }

    /// All entries of the chart index whose own `name` is `name`, those of one list together and in their order.
    #[must_use]
    pub fn charts(&self, name: &str) -> &[ChartEntry] {
        self.charts.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Visitor for Lookup {
    fn container(&mut self, digest: &str, entry: Option<&ContainerEntry>) -> Result<(), TnfError> {
        self.add_image(digest, entry);
        if entry.is_none() {
            self.nulls += 1;
        }
        if self.nulls > limits::NULL_ENTRIES {
            return Err(TnfError::Limit(format!("more than {} entries that are null", limits::NULL_ENTRIES)));
        }
        Ok(())
    }

    fn operator(&mut self, operator: &Operator) {
        self.add_operator(&operator.csv_name, &operator.ocp_version);
    }

    fn charts(&mut self, index: ChartIndex) {
        self.add_charts(index.into_versions());
    }
}
