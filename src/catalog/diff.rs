//! What differs between two catalogs, as certsuite would find it.
//!
//! Entries of `containers.db` come in ascending order of their keys, so two files are merged without holding either.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::catalog::chart::ChartVersion;
use crate::catalog::document::{ObjectId, Operator};
use crate::catalog::{ContainerEntry, JsonError, split_line};

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

/// Numbers and lists of one kind. A list may be shorter than its number where a summary was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes<T> {
    /// How many are new.
    pub added: u64,
    /// How many are gone.
    pub removed: u64,
    /// How many are on both sides and differ.
    pub changed: u64,
    /// The changes, the added ones first, then the removed, then the changed.
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
        (self.added, self.removed, self.changed) == (0, 0, 0)
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

/// Which side a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first catalog.
    Old,
    /// The second one.
    New,
}

/// Gathers differing lines of two `containers.db`.
pub struct ImageDiff {
    /// Images of which the entries are kept; those behind are only counted.
    details: usize,
    seen: HashMap<Box<str>, Seen>,
    kept: Vec<Kept>,
    /// Ids of entries that are the same on both sides.
    common: Vec<ObjectId>,
}

#[derive(Default)]
struct Seen {
    old: bool,
    new: bool,
    kept: Option<usize>,
}

#[derive(Default)]
struct Kept {
    id: Box<str>,
    old: BTreeMap<String, ContainerEntry>,
    new: BTreeMap<String, ContainerEntry>,
}

impl ImageDiff {
    /// Keeps what differs for `details` images, and counts the others.
    #[must_use]
    pub fn new(details: usize) -> Self {
        Self { details, seen: HashMap::new(), kept: Vec::new(), common: Vec::new() }
    }

    /// A line that both sides have.
    pub fn same(&mut self, line: &[u8]) {
        self.common.extend(quick_id(line).and_then(ObjectId::parse));
    }

    /// A line that one side has and the other has not, or not so.
    ///
    /// # Errors
    /// Where it is not an entry.
    pub fn differs(&mut self, side: Side, line: &[u8]) -> Result<(), JsonError> {
        let malformed = || <serde_json::Error as serde::de::Error>::custom("not one entry of the object");
        let (key, value) = split_line(line).ok_or_else(malformed)?;
        let quick = quick_id(line).filter(|id| !id.is_empty());
        let parsed = if quick.is_none() { Some(ContainerEntry::parse(value)?) } else { None };
        // An entry without an id is known by its key.
        let id = match (&parsed, quick) {
            (_, Some(id)) => id,
            (Some(entry), None) if !entry.id.is_empty() => entry.id.as_str(),
            _ => &key,
        };
        let room = self.kept.len() < self.details;
        if !self.seen.contains_key(id) {
            let kept = room.then_some(self.kept.len());
            if room {
                self.kept.push(Kept { id: id.into(), ..Kept::default() });
            }
            self.seen.insert(id.into(), Seen { kept, ..Seen::default() });
        }
        let Some(seen) = self.seen.get_mut(id) else { return Ok(()) };
        match side {
            Side::Old => seen.old = true,
            Side::New => seen.new = true,
        }
        if let Some(kept) = seen.kept.and_then(|kept| self.kept.get_mut(kept)) {
            let entry = match parsed {
                Some(entry) => entry,
                None => ContainerEntry::parse(value)?,
            };
            let entries = if side == Side::Old { &mut kept.old } else { &mut kept.new };
            entries.insert(key.into_owned(), entry);
        }
        Ok(())
    }

    /// The images that differ.
    #[must_use]
    pub fn finish(mut self) -> Changes<ImageChange> {
        self.common.sort_unstable();
        let mut changes = Changes::default();
        let common = &self.common;
        let change = |id: &str, seen: &Seen| match (seen.old, seen.new) {
            (true, true) => Change::Changed,
            _ if ObjectId::parse(id).is_some_and(|id| common.binary_search(&id).is_ok()) => Change::Changed,
            (false, _) => Change::Added,
            (true, false) => Change::Removed,
        };
        for (id, seen) in &self.seen {
            changes.count(change(id, seen));
        }
        for kept in self.kept {
            if let Some(seen) = self.seen.get(&kept.id) {
                let change = change(&kept.id, seen);
                changes.list.push(kept.describe(change));
            }
        }
        changes.list.sort_by(|a, b| (a.change, &a.names, &a.id).cmp(&(b.change, &b.names, &b.id)));
        changes
    }
}

impl Kept {
    fn describe(self, change: Change) -> ImageChange {
        let digests: BTreeSet<String> = self.old.keys().chain(self.new.keys()).cloned().collect();
        let shown = self.new.values().next().or(self.old.values().next());
        let architecture = shown.map(|entry| entry.architecture.clone()).unwrap_or_default();
        let side = if self.new.is_empty() { &self.old } else { &self.new };
        let names = names(side).into_iter().collect();
        let mut details = Vec::new();
        if change == Change::Changed {
            for (sign, left, right) in [('+', &self.new, &self.old), ('-', &self.old, &self.new)] {
                details.extend(names_missing(left, right).map(|name| format!("{sign} {name}")));
                let digests = left.keys().filter(|digest| !right.contains_key(*digest));
                details.extend(digests.map(|digest| format!("{sign} {digest}")));
            }
            if let (Some(old), Some(new)) = (self.old.values().next(), self.new.values().next()) {
                for (what, old, new) in [
                    ("certified", &old.certified.to_string(), &new.certified.to_string()),
                    ("architecture", &old.architecture, &new.architecture),
                    ("creation date", &old.creation_date, &new.creation_date),
                    ("image id", &old.image_id, &new.image_id),
                ] {
                    if old != new {
                        details.push(format!("{what}: {old} -> {new}"));
                    }
                }
            }
        }
        ImageChange { change, id: self.id.into(), architecture, names, digests: digests.into_iter().collect(), details }
    }
}

fn names(entries: &BTreeMap<String, ContainerEntry>) -> BTreeSet<String> {
    let repositories = entries.values().flat_map(|entry| &entry.repositories);
    repositories
        .flat_map(|repository| {
            let path = format!("{}/{}", repository.registry, repository.repository);
            let untagged = repository.tags.is_empty().then(|| path.clone());
            untagged.into_iter().chain(repository.tags.iter().map(move |tag| format!("{path}:{}", tag.name)))
        })
        .collect()
}

fn names_missing(
    left: &BTreeMap<String, ContainerEntry>,
    right: &BTreeMap<String, ContainerEntry>,
) -> impl Iterator<Item = String> {
    let right = names(right);
    names(left).into_iter().filter(move |name| !right.contains(name))
}

/// The id in a line as `oct` spells it.
fn quick_id(line: &[u8]) -> Option<&str> {
    const FIELD: &[u8] = b":{\"_id\":\"";
    // A usual key has 73 bytes with its quotes.
    let at = if line.get(73..73 + FIELD.len()) == Some(FIELD) {
        73
    } else {
        line.windows(FIELD.len()).take(200).position(|window| window == FIELD)?
    };
    let id = line.get(at + FIELD.len()..)?;
    let end = id.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    (id[end] == b'"').then(|| std::str::from_utf8(&id[..end]).ok())?
}

/// Compares operators by name, version, and where they are offered.
#[must_use]
pub fn operators(old: &[Operator], new: &[Operator]) -> Changes<OperatorChange> {
    let (old, new) = (offers(old), offers(new));
    let mut changes = Changes::default();
    for csv in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let none = BTreeSet::new();
        let (before, after) = (old.get(csv), new.get(csv));
        let change = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(before), Some(after)) if before != after => Change::Changed,
            _ => continue,
        };
        changes.count(change);
        let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
        let (name, version) = csv.split_once('.').unwrap_or((csv, ""));
        changes.list.push(OperatorChange {
            change,
            name: name.into(),
            version: version.into(),
            added: after.difference(before).cloned().collect(),
            removed: before.difference(after).cloned().collect(),
        });
    }
    changes.list.sort_by_key(|change| change.change);
    changes
}

fn offers(operators: &[Operator]) -> BTreeMap<&str, BTreeSet<Offer>> {
    let mut all: BTreeMap<&str, BTreeSet<Offer>> = BTreeMap::new();
    for operator in operators {
        let offer = Offer { ocp: operator.ocp_version.to_string(), channel: operator.channel_name.to_string() };
        all.entry(&operator.csv_name).or_default().insert(offer);
    }
    all
}

/// Compares charts by name, version, and the Kubernetes versions that they are for.
#[must_use]
pub fn charts(old: &[ChartVersion], new: &[ChartVersion]) -> Changes<ChartChange> {
    let (old, new) = (kube_versions(old), kube_versions(new));
    let mut changes = Changes::default();
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (old.get(key), new.get(key));
        let change = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(before), Some(after)) if before != after => Change::Changed,
            _ => continue,
        };
        changes.count(change);
        let list = |side: Option<&BTreeSet<&str>>| side.into_iter().flatten().map(ToString::to_string).collect();
        changes.list.push(ChartChange {
            change,
            name: key.0.into(),
            version: key.1.into(),
            old_kube_versions: list(before),
            new_kube_versions: list(after),
        });
    }
    changes.list.sort_by_key(|change| change.change);
    changes
}

fn kube_versions(charts: &[ChartVersion]) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for chart in charts {
        all.entry((chart.name.as_str(), chart.version.as_str())).or_default().insert(chart.kube_version.as_str());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, id: u8, tag: &str) -> Vec<u8> {
        format!(
            r#""sha256:{}":{{"_id":"{id:024x}","creation_date":"","architecture":"amd64","certified":true,"image_id":"","repositories":[{{"registry":"r","repository":"a/b","tags":[{{"name":"{tag}"}}]}}]}}"#,
            key.repeat(64)
        )
        .into_bytes()
    }

    #[test]
    fn an_image_counts_once_under_all_its_digests() {
        let mut diff = ImageDiff::new(10);
        diff.same(&line("1", 1, "x"));
        diff.differs(Side::New, &line("2", 1, "x")).unwrap();
        diff.differs(Side::Old, &line("3", 2, "x")).unwrap();
        diff.differs(Side::Old, &line("4", 2, "x")).unwrap();
        diff.differs(Side::New, &line("5", 3, "y")).unwrap();
        diff.differs(Side::Old, &line("6", 4, "x")).unwrap();
        diff.differs(Side::New, &line("6", 4, "z")).unwrap();
        let found = diff.finish();
        assert_eq!((found.added, found.removed, found.changed), (1, 1, 2));
        assert_eq!(found.list[1].digests.len(), 2);
        assert!(found.list.iter().any(|image| image.details == ["+ r/a/b:z", "- r/a/b:x"]));
    }

    #[test]
    fn a_summary_counts_what_it_does_not_keep() {
        let mut diff = ImageDiff::new(1);
        for id in 0..5 {
            diff.differs(Side::New, &line(&id.to_string(), id, "x")).unwrap();
        }
        let found = diff.finish();
        assert_eq!((found.added, found.list.len()), (5, 1));
    }

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
