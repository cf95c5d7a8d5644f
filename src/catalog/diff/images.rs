//! What differs between the images of two catalogs.
//!
//! Entries of `containers.db` come in ascending order of their keys, so two files are merged without holding either.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Change, Changes, ImageChange};
use crate::base::limits;
use crate::catalog::document::ObjectId;
use crate::catalog::{ContainerEntry, JsonError, split_line};

/// Which side a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first catalog.
    Old,
    /// The second one.
    New,
}

/// Collects differing lines of two `containers.db`. Thirteen bytes are kept of each image, and the entries of the first
/// ones that differ.
pub struct ImageDiff {
    /// Images of which the entries are kept; those behind are only counted.
    details: usize,
    kept: HashMap<ObjectId, Kept>,
    kept_bytes: usize,
    marks: Marks,
}

/// Where an image was met, as a set of bits.
#[derive(Default)]
struct Marks {
    marks: Vec<(ObjectId, u8)>,
    /// The first of these are sorted, each image once.
    tidy: usize,
}

const OLD: u8 = 1;
const NEW: u8 = 2;
const BOTH: u8 = 4;

impl Marks {
    fn add(&mut self, id: ObjectId, bit: u8) {
        if self.marks.len() >= self.tidy + self.tidy / 4 + (1 << 16) {
            self.tidy();
        }
        self.marks.push((id, bit));
    }

    fn tidy(&mut self) {
        self.marks.sort_unstable();
        self.marks.dedup_by(|(id, bits), (kept, all)| {
            let same = id == kept;
            if same {
                *all |= *bits;
            }
            same
        });
        self.tidy = self.marks.len();
    }

    fn of(&self, id: &ObjectId) -> u8 {
        self.marks.binary_search_by(|(known, _)| known.cmp(id)).map_or(0, |at| self.marks[at].1)
    }
}

#[derive(Default)]
struct Kept {
    id: Box<str>,
    old: Vec<(Box<str>, Box<[u8]>)>,
    new: Vec<(Box<str>, Box<[u8]>)>,
}

impl ImageDiff {
    /// Keeps what differs for `details` images, at most [`limits::DIFF_IMAGES`], and counts the others.
    #[must_use]
    pub fn new(details: usize) -> Self {
        let details = details.min(limits::DIFF_IMAGES);
        Self { details, kept: HashMap::new(), kept_bytes: 0, marks: Marks::default() }
    }

    /// A line that both sides have.
    pub fn same(&mut self, line: &[u8]) {
        if let Some(id) = quick_id(line).filter(|id| !id.is_empty()) {
            self.marks.add(ObjectId::standing_for(id), BOTH);
        }
    }

    /// A line that only one side has, or that differs.
    ///
    /// # Errors
    /// If it is not an entry.
    pub fn differs(&mut self, side: Side, line: &[u8]) -> Result<(), JsonError> {
        let malformed = || <serde_json::Error as serde::de::Error>::custom("not one entry of the object");
        let (key, value) = split_line(line).ok_or_else(malformed)?;
        let quick = quick_id(line).filter(|id| !id.is_empty());
        let entry = if quick.is_none() { ContainerEntry::parse(value)? } else { ContainerEntry::default() };
        // An entry without an id is known by its key.
        let id = quick.unwrap_or(if entry.id.is_empty() { &key } else { &entry.id });
        let bits = if side == Side::Old { OLD } else { NEW };
        self.marks.add(ObjectId::standing_for(id), bits);
        let room = self.kept_bytes < limits::DIFF_BYTES;
        let begins = room && self.kept.len() < self.details;
        let kept = match self.kept.entry(ObjectId::standing_for(id)) {
            Entry::Occupied(kept) if room => kept.into_mut(),
            Entry::Vacant(new) if begins => new.insert(Kept { id: id.into(), ..Kept::default() }),
            _ => return Ok(()),
        };
        self.kept_bytes += line.len();
        let entries = if side == Side::Old { &mut kept.old } else { &mut kept.new };
        entries.push((key.into(), value.into()));
        Ok(())
    }

    /// The images that differ.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn finish(mut self) -> Result<Changes<ImageChange>, JsonError> {
        self.marks.tidy();
        let mut changes = Changes::default();
        let change = |bits: u8| match bits {
            OLD => Change::Removed,
            NEW => Change::Added,
            _ => Change::Changed,
        };
        self.marks.marks.iter().filter(|(_, bits)| *bits != BOTH).for_each(|(_, bits)| changes.count(change(*bits)));
        for (id, kept) in self.kept {
            changes.list.push(kept.describe(change(self.marks.of(&id)))?);
        }
        changes.list.sort_by(|a, b| (a.change, &a.names, &a.id).cmp(&(b.change, &b.names, &b.id)));
        Ok(changes)
    }
}

type Entries = BTreeMap<String, ContainerEntry>;

fn parsed(entries: Vec<(Box<str>, Box<[u8]>)>) -> Result<Entries, JsonError> {
    entries.into_iter().map(|(key, value)| Ok((key.into(), ContainerEntry::parse(&value)?))).collect()
}

impl Kept {
    fn describe(self, change: Change) -> Result<ImageChange, JsonError> {
        let (old, new) = (parsed(self.old)?, parsed(self.new)?);
        let digests: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
        let shown = new.values().next().or(old.values().next());
        let architecture = shown.map(|entry| entry.architecture.clone()).unwrap_or_default();
        let side = if new.is_empty() { &old } else { &new };
        let names = names(side).into_iter().collect();
        let mut details = Vec::new();
        if change == Change::Changed {
            for (sign, left, right) in [('+', &new, &old), ('-', &old, &new)] {
                details.extend(names_missing(left, right).map(|name| format!("{sign} {name}")));
                let digests = left.keys().filter(|digest| !right.contains_key(*digest));
                details.extend(digests.map(|digest| format!("{sign} {digest}")));
            }
            if let (Some(old), Some(new)) = (old.values().next(), new.values().next()) {
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
        let digests = digests.into_iter().collect();
        Ok(ImageChange { change, id: self.id.into(), architecture, names, digests, details })
    }
}

fn names(entries: &Entries) -> BTreeSet<String> {
    let repositories = entries.values().flat_map(|entry| &entry.repositories);
    repositories
        .flat_map(|repository| {
            let path = format!("{}/{}", repository.registry, repository.repository);
            let untagged = repository.tags.is_empty().then(|| path.clone());
            untagged.into_iter().chain(repository.tags.iter().map(move |tag| format!("{path}:{}", tag.name)))
        })
        .collect()
}

fn names_missing(left: &Entries, right: &Entries) -> impl Iterator<Item = String> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let found = diff.finish().unwrap();
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
        let found = diff.finish().unwrap();
        assert_eq!((found.added, found.list.len()), (5, 1));
    }

    #[test]
    fn the_list_is_bounded_and_the_numbers_are_not() {
        let mut diff = ImageDiff::new(usize::MAX);
        for id in 0..=limits::DIFF_IMAGES {
            let line = format!(r#""k{id}":{{"_id":"{id:024x}"}}"#);
            diff.differs(Side::Old, line.as_bytes()).unwrap();
            diff.differs(Side::New, line.replace("}", ",\"architecture\":\"x\"}").as_bytes()).unwrap();
        }
        let found = diff.finish().unwrap();
        assert_eq!((found.changed, found.list.len()), (limits::DIFF_IMAGES as u64 + 1, limits::DIFF_IMAGES));
        assert_eq!(found.list[0].details, ["architecture:  -> x"]);
        let mut diff = ImageDiff::new(usize::MAX);
        let padding = " ".repeat(1 << 20);
        for id in 0..40 {
            diff.differs(Side::Old, format!(r#""k{id}":{{"_id":"1",{padding}"certified":true}}"#).as_bytes()).unwrap();
        }
        assert!(diff.kept_bytes <= limits::DIFF_BYTES + (1 << 20) + 100);
        assert_eq!(diff.finish().unwrap().removed, 1);
    }

    proptest! {
        #[test]
        fn images_are_counted_as_by_sets(lines in prop::collection::vec((0..3_u8, 0..60_u32), 0..300)) {
            let mut sets = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
            let (mut diff, mut small) = (ImageDiff::new(5), Marks::default());
            for (side, id) in lines {
                // Ids of either sort.
                let line = format!(r#""k":{{"_id":"{}"}}"#, if id % 2 == 0 { format!("{id:024x}") } else { id.to_string() });
                match side {
                    0 => diff.differs(Side::Old, line.as_bytes()).unwrap(),
                    1 => diff.differs(Side::New, line.as_bytes()).unwrap(),
                    _ => diff.same(line.as_bytes()),
                }
                small.add(ObjectId::standing_for(&id.to_string()), [OLD, NEW, BOTH][usize::from(side)]);
                if id % 7 == 0 {
                    small.tidy();
                }
                sets[usize::from(side)].insert(id);
            }
            small.tidy();
            prop_assert!(small.marks.len() <= 60);
            let [old, new, both] = &sets;
            let added = new.iter().filter(|id| !old.contains(id) && !both.contains(id)).count() as u64;
            let removed = old.iter().filter(|id| !new.contains(id) && !both.contains(id)).count() as u64;
            let all = old.union(new).count() as u64;
            let found = diff.finish().unwrap();
            prop_assert_eq!((found.added, found.removed, found.total()), (added, removed, all));
            for (id, bits) in old.union(new).map(|id| (id, small.of(&ObjectId::standing_for(&id.to_string())))) {
                prop_assert_eq!([OLD, NEW, BOTH].map(|bit| bits & bit != 0), sets.each_ref().map(|set| set.contains(id)));
            }
        }
    }
}
