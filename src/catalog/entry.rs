//! An entry of `containers.db` in the one spelling in which `oct` writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::io;

use serde::{Deserialize, Serialize};

use super::TooLarge;
use super::containers::ContainerEntry;
use crate::base::{limits, text};
use crate::catalog::document::Image;

/// An entry as it is written, and read back out of the spill.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    _id: Cow<'a, str>,
    #[serde(borrow)]
    creation_date: Cow<'a, str>,
    #[serde(borrow)]
    architecture: Cow<'a, str>,
    pub(super) certified: bool,
    #[serde(borrow)]
    image_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) repositories: Vec<Repository<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Repository<'a> {
    #[serde(borrow)]
    registry: Cow<'a, str>,
    #[serde(borrow)]
    repository: Cow<'a, str>,
    #[serde(borrow)]
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl<'a> Entry<'a> {
    pub(super) fn of_image(image: &'a Image) -> Self {
        let repositories = image.repositories.iter().map(|repository| {
            (&*repository.registry, &*repository.repository, repository.tags.iter().map(|tag| &**tag))
        });
        Self {
            _id: image.id.to_string().into(),
            creation_date: (&*image.creation_date).into(),
            architecture: (&*image.architecture).into(),
            certified: image.certified,
            image_id: image.image_id.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            repositories: each_once(repositories),
        }
    }

    pub(super) fn of_entry(entry: &'a ContainerEntry) -> Self {
        let repositories = entry.repositories.iter().map(|repository| {
            let tags = repository.tags.iter().map(|tag| tag.name.as_str());
            (repository.registry.as_str(), repository.repository.as_str(), tags)
        });
        Self {
            _id: entry.id.as_str().into(),
            creation_date: entry.creation_date.as_str().into(),
            architecture: entry.architecture.as_str().into(),
            certified: entry.certified,
            image_id: entry.image_id.as_str().into(),
            repositories: each_once(repositories),
        }
    }

    pub(super) fn of_shared(shared: &'a Shared) -> Self {
        let repositories = shared.repositories.iter().map(|((registry, repository), tags)| {
            let tags = tags.iter().map(|name| Tag { name: name.into() }).collect();
            Repository { registry: registry.into(), repository: repository.into(), tags }
        });
        let main = &shared.main;
        Self {
            _id: (&*main._id).into(),
            creation_date: (&*main.creation_date).into(),
            architecture: (&*main.architecture).into(),
            certified: shared.certified,
            image_id: (&*main.image_id).into(),
            repositories: repositories.collect(),
        }
    }

    /// Without its repositories, which are elsewhere.
    fn into_owned(self) -> Entry<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Entry {
            _id: owned(self._id),
            creation_date: owned(self.creation_date),
            architecture: owned(self.architecture),
            certified: self.certified,
            image_id: owned(self.image_id),
            repositories: Vec::new(),
        }
    }

    /// Whether readers accept it.
    pub(super) fn check(&self) -> Result<(), TooLarge> {
        let mut items = 0;
        let mut long = [&self._id, &self.creation_date, &self.architecture, &self.image_id].into_iter().any(too_long);
        for repository in &self.repositories {
            items += 1 + repository.tags.len();
            long |= too_long(&repository.registry) || too_long(&repository.repository);
            long |= repository.tags.iter().any(|tag| too_long(&tag.name));
        }
        if long || items > limits::ENTRY_ITEMS {
            let id = text::sanitize(&self._id.chars().take(100).collect::<String>());
            return Err(if long { TooLarge::text(&id) } else { TooLarge::entry(&id) });
        }
        Ok(())
    }

    pub(super) fn write(&self, line: &mut Vec<u8>) {
        // Texts and lists always serialize, and a vector takes every byte.
        let _ = serde_json::to_writer(line, self);
    }
}

fn too_long(text: &Cow<'_, str>) -> bool {
    text.len() > limits::TEXT_BYTES
}

/// Repositories in order, each once, with their tags in order, each once.
pub(super) fn each_once<'a, T: Iterator<Item = &'a str>>(
    repositories: impl Iterator<Item = (&'a str, &'a str, T)>,
) -> Vec<Repository<'a>> {
    let mut all: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (registry, repository, tags) in repositories {
        all.entry((registry, repository)).or_default().extend(tags);
    }
    all.into_iter()
        .map(|((registry, repository), mut tags)| {
            tags.sort_unstable();
            tags.dedup();
            let tags = tags.into_iter().map(|name| Tag { name: name.into() }).collect();
            Repository { registry: registry.into(), repository: repository.into(), tags }
        })
        .collect()
}

/// The documents that share one key.
pub(super) struct Shared {
    key: String,
    main: Entry<'static>,
    certified: bool,
    repositories: BTreeMap<(String, String), BTreeSet<String>>,
    /// Repositories and tags in these, and the bytes of their texts.
    items: usize,
    bytes: usize,
}

impl Shared {
    /// Begins with the first of them.
    ///
    /// # Errors
    /// [`TooLarge`] beyond the limits.
    pub(super) fn new(key: &[u8], value: &[u8]) -> io::Result<Self> {
        let mut shared = Self {
            key: String::from_utf8_lossy(key).into_owned(),
            main: Entry::default(),
            certified: false,
            repositories: BTreeMap::new(),
            items: 0,
            bytes: 0,
        };
        shared.main = shared.merge(value)?.into_owned();
        Ok(shared)
    }

    /// Adds another one, in any order.
    ///
    /// # Errors
    /// [`TooLarge`] beyond the limits.
    pub(super) fn add(&mut self, value: &[u8]) -> io::Result<()> {
        let entry = self.merge(value)?;
        let is_foreign = |entry: &Entry<'_>| entry.image_id != self.key;
        if (is_foreign(&entry), &entry._id) < (is_foreign(&self.main), &self.main._id) {
            self.main = entry.into_owned();
        }
        Ok(())
    }

    /// Takes the repositories out of an entry; returns the rest of it.
    fn merge<'v>(&mut self, value: &'v [u8]) -> io::Result<Entry<'v>> {
        let mut entry: Entry<'v> = serde_json::from_slice(value)?;
        self.certified |= entry.certified;
        for repository in std::mem::take(&mut entry.repositories) {
            let (names, mut count, mut bytes) = ((repository.registry.into(), repository.repository.into()), 0, 0);
            let tags = match self.repositories.entry(names) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(new) => {
                    (count, bytes) = (1, new.key().0.len() + new.key().1.len());
                    new.insert(BTreeSet::new())
                }
            };
            for tag in repository.tags {
                let size = tag.name.len();
                if tags.insert(tag.name.into_owned()) {
                    (count, bytes) = (count + 1, bytes + size);
                }
            }
            (self.items, self.bytes) = (self.items + count, self.bytes + bytes);
            if self.items > limits::ENTRY_ITEMS || self.bytes > limits::ENTRY_BYTES {
                return Err(TooLarge::entry(&text::sanitize(&self.key)).into());
            }
        }
        Ok(entry)
    }
}
