//! The Helm chart index of `charts.openshift.io`, a repository index as Helm defines it.

use std::fmt;
use std::io::{self, Read};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::limits;

/// What certsuite reads of one version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChartVersion {
    /// The key of the list in which it stands.
    pub list: String,
    /// The chart's name, as the version itself states it; empty where it states none. certsuite compares this one, so
    /// it need not be the key of the list.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The constraint on the cluster's Kubernetes version; empty where the chart states none.
    pub kube_version: String,
}

/// A chart index that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChartIndexError {
    /// Not YAML, or not of an index's shape.
    #[error("not a Helm repository index: {0}")]
    Yaml(#[from] yaml_serde::Error),
    /// A limit is passed.
    #[error("the chart index {0}")]
    Limit(String),
    /// The bytes could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Deserialize)]
struct Index {
    entries: Versions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: Option<String>,
    version: String,
    kube_version: Option<String>,
}

impl ChartVersion {
    /// The name for people: its own, else that of its list.
    #[must_use]
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.list } else { &self.name }
    }
}

/// A chart index: its YAML as served, and what certsuite reads of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartIndex {
    yaml: Vec<u8>,
    versions: Vec<ChartVersion>,
}

impl ChartIndex {
    /// Parses `yaml` as certsuite does.
    ///
    /// # Errors
    /// Where certsuite could not load it, or it is larger than [`limits`] has it.
    pub fn parse(yaml: impl Into<Vec<u8>>) -> Result<Self, ChartIndexError> {
        let yaml = yaml.into();
        let versions = parse_index(&yaml)?;
        Ok(Self { yaml, versions })
    }

    /// Reads `from` to its end and parses it.
    ///
    /// # Errors
    /// Those of [`Self::parse`] and of `from`.
    pub fn read(mut from: impl Read) -> Result<Self, ChartIndexError> {
        Self::parse(read_bytes(&mut from)?)
    }

    /// The index as served.
    #[must_use]
    pub fn yaml(&self) -> &[u8] {
        &self.yaml
    }

    /// Every version of every chart, by the key of its list, then in the order of the index.
    #[must_use]
    pub fn versions(&self) -> &[ChartVersion] {
        &self.versions
    }

    /// The YAML alone.
    #[must_use]
    pub fn into_yaml(self) -> Vec<u8> {
        self.yaml
    }

    /// The versions alone.
    #[must_use]
    pub fn into_versions(self) -> Vec<ChartVersion> {
        self.versions
    }
}

/// The bytes of a chart index of [`limits::CHART_INDEX_BYTES`] at most.
///
/// # Errors
/// Where it is longer, or cannot be read.
pub fn read_bytes(from: &mut dyn Read) -> Result<Vec<u8>, ChartIndexError> {
    let mut yaml = Vec::new();
    from.take(limits::CHART_INDEX_BYTES as u64 + 1).read_to_end(&mut yaml)?;
    if yaml.len() > limits::CHART_INDEX_BYTES {
        let max = crate::base::text::size(limits::CHART_INDEX_BYTES as u64);
        return Err(ChartIndexError::Limit(format!("has more than {max}")));
    }
    Ok(yaml)
}

/// Reads a chart index to its end: see [`parse_index`].
///
/// # Errors
/// Those of [`read_bytes`] and [`parse_index`].
pub fn read_index(from: &mut dyn Read) -> Result<Vec<ChartVersion>, ChartIndexError> {
    parse_index(&read_bytes(from)?)
}

/// Every version of every chart of the index `yaml`, by the key of its list, then in the order of the index.
///
/// # Errors
/// Where `yaml` is not YAML, has no `entries`, a version lacks its `version`, or there are more than
/// [`limits::CHART_VERSIONS`], or brackets for more than [`limits::YAML_WORK`].
pub fn parse_index(yaml: &[u8]) -> Result<Vec<ChartVersion>, ChartIndexError> {
    let brackets = yaml.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() as u64;
    // Each token but plain text begins with a sign or ends a line.
    let signs = yaml.iter().filter(|byte| byte.is_ascii_punctuation() || **byte == b'\n').count() as u64;
    if brackets.saturating_mul(signs) > limits::YAML_WORK {
        return Err(ChartIndexError::Limit(format!("has {brackets} opening brackets among {signs} signs, too many")));
    }
    let index: Index = yaml_serde::from_slice(yaml)?;
    Ok(index.entries.0)
}

/// All versions, counted while they are read: the YAML reader bounds nested aliases, but not a long list of aliases of
/// one long list.
struct Versions(Vec<ChartVersion>);

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Charts;
        impl<'de> Visitor<'de> for Charts {
            type Value = Versions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from chart name to versions")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Versions, A::Error> {
                let mut all = Vec::new();
                while let Some(chart) = map.next_key::<String>()? {
                    map.next_value_seed(OneChart { chart, all: &mut all })?;
                }
                all.sort_by(|a: &ChartVersion, b| a.list.cmp(&b.list));
                Ok(Versions(all))
            }
        }
        deserializer.deserialize_map(Charts)
    }
}

/// Adds the versions of one chart to those read before.
struct OneChart<'a> {
    chart: String,
    all: &'a mut Vec<ChartVersion>,
}

impl<'de> DeserializeSeed<'de> for OneChart<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for OneChart<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of chart versions")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut versions: A) -> Result<(), A::Error> {
        while let Some(entry) = versions.next_element::<Entry>()? {
            if self.all.len() == limits::CHART_VERSIONS {
                let max = limits::CHART_VERSIONS;
                return Err(serde::de::Error::custom(format_args!("more than {max} chart versions")));
            }
            self.all.push(ChartVersion {
                list: self.chart.clone(),
                name: entry.name.unwrap_or_default(),
                version: entry.version,
                kube_version: entry.kube_version.unwrap_or_default(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_text() {
        let yaml = b"apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.10\n    kubeVersion: '>= 1.19'\n  - version: 2\n  b: null\n";
        let versions = parse_index(yaml).unwrap();
        assert_eq!(versions.len(), 2);
        assert_eq!((versions[0].version.as_str(), versions[0].kube_version.as_str()), ("1.10", ">= 1.19"));
        assert_eq!((versions[1].list.as_str(), versions[1].version.as_str()), ("a", "2"));
        assert_eq!((versions[1].name.as_str(), versions[1].shown_name()), ("", "a"));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(parse_index(b"<html>").is_err());
        assert!(parse_index(b"apiVersion: v1\n").is_err());
        assert!(parse_index(b"entries:\n  a:\n  - name: a\n").is_err());
    }

    #[test]
    fn brackets_that_nest_too_deep_are_refused_before_the_parser_sees_them() {
        let nested = |depth: usize| format!("x: {}{}\nentries: {{}}\n", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(parse_index(nested(500).as_bytes()).unwrap(), []);
        let error = parse_index(nested(50_000).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("50001 opening brackets"), "{error}");
        let error = parse_index(format!("x: {}{}", "[".repeat(5_000), "a,".repeat(900_000)).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("5000 opening brackets"), "{error}");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut yaml = format!("entries:\n  a: &a [{}]\n", vec!["{version: 1}"; 1_000].join(", "));
        for chart in 0..5_000 {
            yaml.push_str(&format!("  b{chart}: *a\n"));
        }
        let error = parse_index(yaml.as_bytes()).map(|versions| versions.len()).unwrap_err();
        assert!(error.to_string().contains("more than 100000 chart versions"), "{error}");
    }
}
