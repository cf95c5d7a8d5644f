//! What differs between two catalogs, as certsuite would find it.

mod images;

use std::collections::BTreeMap;

use serde::Serialize;

pub use images::{ImageDiff, Side};

use crate::catalog::chart::ChartVersion;
use crate::catalog::document::Operator;

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Images, by document.
    pub images: Changes<ImageChange>,
    /// Operators, by name and version.
    pub operators: Changes<OperatorChange>,
    /// Charts, by name and version.
    pub charts: Changes<ChartChange>,
}

/// Numbers and lists of one kind. The list can be shorter than the number says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes<T> {
    /// How many are new.
    pub added: u64,
    /// How many are gone.
    pub removed: u64,
    /// How many are on both sides and differ.
    pub changed: u64,
    /// The changes, of images [`crate::base::limits::DIFF_IMAGES`] at most, the added ones first, then the removed, then the changed.
    pub list: Vec<T>,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { added: 0, removed: 0, changed: 0, list: Vec::new() }
    }
}

impl<T> Changes<T> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.added + self.removed + self.changed
    }

    fn count(&mut self, change: Change) {
        match change {
            Change::Added => self.added += 1,
            Change::Removed => self.removed += 1,
            Change::Changed => self.changed += 1,
        }
    }
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the new catalog has it.
    Added,
    /// Only the old catalog has it.
    Removed,
    /// Both have it, differently.
    Changed,
}

/// An image that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageChange {
    /// How.
    pub change: Change,
    /// The document's id.
    pub id: String,
    /// Processor architecture.
    pub architecture: String,
    /// Where it can be pulled from: `registry/repository:tag`.
    pub names: Vec<String>,
    /// The digests under which it differs.
    pub digests: Vec<String>,
    /// What changed, for people.
    pub details: Vec<String>,
}

/// An operator version that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperatorChange {
    /// How.
    pub change: Change,
    /// Name, the part of the CSV's name before the first dot.
    pub name: String,
    /// Version, the part behind it.
    pub version: String,
    /// OpenShift versions with their channels that are new.
    pub added: Vec<Offer>,
    /// Those that are gone.
    pub removed: Vec<Offer>,
}

/// For which OpenShift version, in which channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Offer {
    /// OpenShift version.
    pub ocp: String,
    /// Update channel.
    pub channel: String,
}

/// A chart version that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChartChange {
    /// How.
    pub change: Change,
    /// The chart.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Constraints of the old catalog's chart of that version.
    pub old_kube_versions: Vec<String>,
    /// Those of the new one.
    pub new_kube_versions: Vec<String>,
}

impl Diff {
    /// Whether both catalogs give the same answers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.operators.is_empty() && self.charts.is_empty()
    }
}

/// Compares operators by name, version, and where they are offered.
#[must_use]
pub fn operators(old: &[Operator], new: &[Operator]) -> Changes<OperatorChange> {
    compare(offers(old), offers(new), |change, csv, before, after| {
        let only = |these: &[(&str, &str)], those: &[(&str, &str)]| {
            let these = these.iter().filter(|offer| those.binary_search(offer).is_err());
            these.map(|(ocp, channel)| Offer { ocp: (*ocp).into(), channel: (*channel).into() }).collect()
        };
        let (name, version) = csv.split_once('.').unwrap_or((csv, ""));
        let (added, removed) = (only(after, before), only(before, after));
        OperatorChange { change, name: name.into(), version: version.into(), added, removed }
    })
}

fn offers(operators: &[Operator]) -> BTreeMap<&str, Vec<(&str, &str)>> {
    grouped(operators.iter().map(|it| (&*it.csv_name, (&*it.ocp_version, &*it.channel_name))))
}

/// Compares charts by name, version, and the Kubernetes versions that they are for.
#[must_use]
pub fn charts(old: &[ChartVersion], new: &[ChartVersion]) -> Changes<ChartChange> {
    compare(kube_versions(old), kube_versions(new), |change, (name, version), before, after| {
        let list = |side: &[&str]| side.iter().map(ToString::to_string).collect();
        let (old_kube_versions, new_kube_versions) = (list(before), list(after));
        ChartChange { change, name: name.into(), version: version.into(), old_kube_versions, new_kube_versions }
    })
}

fn kube_versions(charts: &[ChartVersion]) -> BTreeMap<(&str, &str), Vec<&str>> {
    grouped(charts.iter().map(|it| ((it.name.as_str(), it.version.as_str()), it.kube_version.as_str())))
}

/// The values of each key, in order, each once.
fn grouped<K: Ord, V: Ord>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    for values in groups.values_mut() {
        values.sort_unstable();
        values.dedup();
    }
    groups
}

/// The keys whose values differ, each told by `tell`; added ones first.
fn compare<K: Ord + Copy, V: PartialEq, T>(
    old: BTreeMap<K, Vec<V>>,
    new: BTreeMap<K, Vec<V>>,
    tell: impl Fn(Change, K, &[V], &[V]) -> T,
) -> Changes<T> {
    let mut found = Vec::new();
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(key))).copied() {
        let (before, after) = (old.get(&key), new.get(&key));
        let change = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ if before != after => Change::Changed,
            _ => continue,
        };
        let (before, after) = (before.map_or(&[][..], Vec::as_slice), after.map_or(&[][..], Vec::as_slice));
        found.push((change, key, tell(change, key, before, after)));
    }
    found.sort_by_key(|(change, key, _)| (*change, *key));
    let mut changes = Changes { list: Vec::with_capacity(found.len()), ..Changes::default() };
    for (change, _, told) in found {
        changes.count(change);
        changes.list.push(told);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_charts_change_by_what_decides() {
        let operator = |csv: &str, ocp: &str| Operator {
            csv_name: csv.into(),
            ocp_version: ocp.into(),
            channel_name: "stable".into(),
        };
        let old = [operator("a.v1", "4.1"), operator("a.v1", "4.1"), operator("b.v1", "4.1")];
        let new = [operator("a.v1", "4.1"), operator("b.v1", "4.2"), operator("c.v1", "4.1")];
        let found = operators(&old, &new);
        assert_eq!((found.added, found.removed, found.changed), (1, 0, 1));
        assert_eq!((found.list[1].name.as_str(), found.list[1].added[0].ocp.as_str()), ("b", "4.2"));
        let chart = |version: &str, kube: &str| ChartVersion {
            list: "a".into(),
            name: "c".into(),
            version: version.into(),
            kube_version: kube.into(),
        };
        let found = charts(&[chart("1", ""), chart("2", "")], &[chart("2", ">= 1"), chart("3", "")]);
        assert_eq!((found.added, found.removed, found.changed), (1, 1, 1));
    }
}
