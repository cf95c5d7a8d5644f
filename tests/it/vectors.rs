//! The verdicts that the Go programs gave on public data, replayed.
//!
//! The data lie beside the repository, not in it. Where they are not, each test says that it was skipped; the rules
//! themselves are tested in the library with made-up cases.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::expect_used, reason = "the loader of a test may fail it")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use oct::model::constraint::satisfies;
use oct::model::questions::{ChartQuestion, OperatorQuestion, Question};
use oct::model::reference::ImageReference;
use oct::model::verdict::{Bundle, ChartEntry, Listing, Lookup, compare, is_red_hat_registry, operator_name, reader};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// How many mismatches a failed test names.
const SHOWN: usize = 20;

fn data(file: &str) -> Option<PathBuf> {
    let path = Path::new(DATA).join(file);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = fs::read_to_string(path).expect("vectors");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Fails when anything differs, naming the first mismatches.
fn assert_none(mismatches: &[String], total: usize) {
    let shown = mismatches.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(mismatches.is_empty(), "{} of {total} differ:\n{shown}", mismatches.len());
}

#[derive(Deserialize)]
struct SemverVector {
    version: String,
    constraint: String,
    result: String,
}

#[test]
fn constraints_are_decided_as_masterminds_semver_does() {
    let Some(path) = data("semver-verdicts.jsonl") else {
        return;
    };
    let vectors: Vec<SemverVector> = lines(&path);
    assert!(!vectors.is_empty());
    let mut mismatches = Vec::new();
    for SemverVector { version, constraint, result } in &vectors {
        let decided = satisfies(constraint, version);
        let decided_as = decided.as_ref().map_or("panic".to_owned(), ToString::to_string);
        if decided_as != *result {
            mismatches.push(format!("`{constraint}` on `{version}`: {decided:?}, not {result}"));
        }
    }
    assert_none(&mismatches, vectors.len());
}

#[derive(Deserialize)]
struct Vector {
    verdict: String,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Asked {
    Container { registry: String, repository: String, tag: String, digest: String },
    Operator { csv: String, ocp: String },
    Chart { name: String, version: String, kube: String },
}

impl From<Asked> for Question {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Container { registry, repository, tag, digest } => {
                Self::Image(ImageReference { registry, repository, tag: Some(tag), digest: Some(digest) })
            }
            Asked::Operator { csv, ocp } => Self::Operator(OperatorQuestion { csv, ocp: Some(ocp) }),
            Asked::Chart { name, version, kube } => Self::Chart(ChartQuestion { name, version, kube: Some(kube) }),
        }
    }
}

#[test]
fn verdicts_are_those_of_certsuites_reader() {
    let (Some(folder), Some(path)) = (data("tnf-db.tar.zst"), data("verdicts.jsonl")) else {
        return;
    };
    let catalog = Catalog::load(&folder);
    let vectors: Vec<Vector> = lines(&path);
    let total = vectors.len();
    assert!(total > 0);
    let mut mismatches = Vec::new();
    for Vector { verdict, asked } in vectors {
        let question = Question::from(asked);
        let Ok(given) = reader(&catalog, &question);
        if given.certified().to_string() != verdict {
            mismatches.push(format!("{question:?}: {given}"));
        }
        let Ok(both) = compare(&catalog, &question);
        assert_eq!(both.reader, given);
        assert_eq!(both.difference.is_some(), both.online.certified() != given.certified(), "{question:?}");
    }
    assert_none(&mismatches, total);
}

#[derive(Deserialize)]
struct Image {
    certified: bool,
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    registry: String,
    repository: String,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Triple>,
}

#[derive(Deserialize)]
struct Triple {
    csv_name: String,
    ocp_version: String,
}

#[derive(Deserialize)]
struct Index {
    entries: BTreeMap<String, Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    version: String,
    kube_version: Option<String>,
}

/// A folder in the TNF layout, read whole.
#[derive(Default)]
struct Catalog {
    digests: HashMap<String, Listing>,
    /// By registry, repository and tag; the tag is empty for the repository itself, which no tag is.
    tags: HashMap<(String, String, String), Listing>,
    bundles: HashMap<String, Vec<Triple>>,
    charts: HashMap<String, Vec<(String, Entry)>>,
}

impl Catalog {
    fn load(folder: &Path) -> Self {
        let file = File::open(folder).expect("archive");
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("zstd"));
        let mut catalog = Self::default();
        let mut seen = HashSet::new();
        for member in archive.entries().expect("tar") {
            let mut member = member.expect("member");
            let path = member.path().expect("path").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).expect("whole member");
            if path.ends_with("containers/containers.db") {
                catalog.add_images(serde_json::from_slice(&bytes).expect("containers"));
                seen.insert("containers");
            } else if path.ends_with("helm/helm.db") {
                catalog.add_charts(yaml_serde::from_slice(&bytes).expect("charts"));
                seen.insert("charts");
            } else if path.contains("/operators/") && path.ends_with(".db") {
                catalog.add_bundles(serde_json::from_slice(&bytes).expect("page"));
                seen.insert("operators");
            }
        }
        assert_eq!(seen.len(), 3, "the archive lacks a part: {seen:?}");
        catalog
    }

    fn add_images(&mut self, images: HashMap<String, Image>) {
        for (digest, image) in images {
            let red_hat = image.repositories.iter().any(|it| is_red_hat_registry(&it.registry));
            let listing = if image.certified || red_hat { Listing::Certified } else { Listing::Uncertified };
            self.digests.insert(digest, listing);
            for Repository { registry, repository, tags } in image.repositories {
                let names = tags.unwrap_or_default().into_iter().map(|tag| tag.name);
                for tag in names.chain([String::new()]) {
                    let best = self.tags.entry((registry.clone(), repository.clone(), tag)).or_insert(listing);
                    *best = listing.max(*best);
                }
            }
        }
    }

    fn add_bundles(&mut self, page: Page) {
        for triple in page.data {
            self.bundles.entry(operator_name(&triple.csv_name).to_owned()).or_default().push(triple);
        }
    }

    fn add_charts(&mut self, index: Index) {
        for (list, entries) in index.entries {
            for entry in entries {
                self.charts.entry(entry.name.clone()).or_default().push((list.clone(), entry));
            }
        }
    }
}

impl Lookup for Catalog {
    type Error = Infallible;

    fn digest(&self, digest: &str) -> Result<Listing, Infallible> {
        Ok(self.digests.get(digest).copied().unwrap_or(Listing::Absent))
    }

    fn tag(&self, registry: &str, repository: &str, tag: &str) -> Result<Listing, Infallible> {
        let key = (registry.to_owned(), repository.to_owned(), tag.to_owned());
        Ok(self.tags.get(&key).copied().unwrap_or(Listing::Absent))
    }

    fn repository(&self, registry: &str, repository: &str) -> Result<Listing, Infallible> {
        self.tag(registry, repository, "")
    }

    fn operators(&self, name: &str) -> Result<Vec<Bundle<'_>>, Infallible> {
        let bundles = self.bundles.get(name).into_iter().flatten();
        Ok(bundles.map(|it| Bundle { csv: it.csv_name.as_str().into(), ocp: it.ocp_version.as_str().into() }).collect())
    }

    fn charts(&self, name: &str) -> Result<Vec<ChartEntry<'_>>, Infallible> {
        let charts = self.charts.get(name).into_iter().flatten();
        Ok(charts
            .map(|(list, it)| ChartEntry {
                list: list.as_str().into(),
                version: it.version.as_str().into(),
                kube_version: it.kube_version.as_deref().unwrap_or_default().into(),
            })
            .collect())
    }
}
