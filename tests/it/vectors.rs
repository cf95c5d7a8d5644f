//! The verdicts that the Go programs gave on public data, replayed.
//!
//! The data lie beside the repository, not in it. Where they are not, each test says that it was skipped; the rules
//! themselves are tested in the library with made-up cases.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::expect_used, reason = "the loader of a test may fail it")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use oct::base::progress::Silent;
use oct::certify::constraint::satisfies;
use oct::certify::questions::{ChartQuestion, OperatorQuestion, Question};
use oct::certify::reference::ImageReference;
use oct::ops::check::{Row, check};
use oct::ops::keys::Keyring;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");

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
    let unpacked = unpack(&folder);
    let vectors: Vec<Vector> = lines(&path);
    let total = vectors.len();
    assert!(total > 0);
    let (expected, rows): (Vec<_>, Vec<_>) =
        vectors.into_iter().map(|Vector { verdict, asked }| (verdict, Row::asked(Question::from(asked)))).unzip();
    let report = check(unpacked.path(), rows, &Keyring::new(vec![]), Timestamp::UNIX_EPOCH, &Silent)
        .expect("the folder is read");
    assert!(report.warnings.iter().any(|warning| warning.contains("unsigned")), "{:?}", report.warnings);
    let mut mismatches = Vec::new();
    for (verdict, answered) in expected.iter().zip(&report.rows) {
        let both = answered.comparison.as_ref().expect("every row has a question");
        if both.offline.certified().to_string() != *verdict {
            mismatches.push(format!("{:?}: {}", answered.row.question, both.offline));
        }
        assert_eq!(both.difference.is_some(), both.online.certified() != both.offline.certified(), "{answered:?}");
    }
    assert_eq!(report.rows.len(), total);
    assert_none(&mismatches, total);
}

/// Unpacks the folder as anybody would, without the product.
fn unpack(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let decoder = zstd::Decoder::new(fs::File::open(archive).expect("archive")).expect("zstd");
    tar::Archive::new(decoder).unpack(folder.path()).expect("tar");
    folder
}
