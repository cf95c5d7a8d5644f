//! Writes `containers.db`: one entry a line, keys in ascending order, from images in any order, in bounded memory.

use std::io::{self, Read, Seek, Write};

use super::TooLarge;
use super::containers::ContainerEntry;
use super::entry::{Entry, Shared};
use super::sorter::{ROOM, Sorter};
use crate::base::{limits, text};
use crate::catalog::document::Image;

/// Collects images, or entries of another folder's file, and writes them as a `containers.db`.
///
/// An image stands under every digest by which it can be deployed, and under its id if it has none: then it cannot
/// be asked for by digest, but the reader's scan for a tag passes over every entry, so it has to stand somewhere.
/// Documents that share a digest have one entry: the lowest id whose own digest the key is (else the lowest id) stands
/// for them, and has the repositories of all; it is certified where one of them is.
///
/// At most about 16 MiB are held, and entries one at a time; the rest waits in the spill.
pub struct ContainersBuilder<S> {
    sorter: Sorter<S>,
    images: u64,
    entries: u64,
    value: Vec<u8>,
}

impl<S: Read + Write + Seek> ContainersBuilder<S> {
    /// A builder with an empty `spill`, for the data that do not stay in memory.
    pub fn new(spill: S) -> Self {
        Self::with_room(spill, ROOM)
    }

    fn with_room(spill: S, room: usize) -> Self {
        Self { sorter: Sorter::new(spill, room), images: 0, entries: 0, value: Vec::new() }
    }

    /// Takes an image. Each id comes once, in any order.
    ///
    /// # Errors
    /// Those of the spill; [`TooLarge`] beyond the limits.
    pub fn image(&mut self, image: &Image) -> io::Result<()> {
        self.images += 1;
        let entry = Entry::of_image(image);
        entry.check()?;
        self.value.clear();
        entry.write(&mut self.value);
        let mut keys: Vec<_> = image.deployable_digests().iter().map(ToString::to_string).collect();
        if keys.is_empty() {
            keys.push(image.id.to_string());
        }
        keys.iter().try_for_each(|key| self.push(key))
    }

    fn push(&mut self, key: &str) -> io::Result<()> {
        if key.len() > limits::TEXT_BYTES {
            return Err(TooLarge::text(&text::sanitize(&key.chars().take(100).collect::<String>())).into());
        }
        self.sorter.push(key.as_bytes(), &self.value)
    }

    /// Adds an entry under `key`, which need not be one of its digests. Its repositories and tags are sorted, each
    /// once. If several entries have the same key, the last counts, as for a reader of JSON.
    ///
    /// # Errors
    /// As of [`Self::image`].
    pub fn entry(&mut self, key: &str, entry: &ContainerEntry) -> io::Result<()> {
        self.entries += 1;
        let entry = Entry::of_entry(entry);
        entry.check()?;
        self.value.clear();
        entry.write(&mut self.value);
        self.push(key)
    }

    /// How many images were taken; `None` where entries were, of which only the caller knows how many images they
    /// stand for.
    #[must_use]
    pub fn images(&self) -> Option<u64> {
        (self.entries == 0).then_some(self.images)
    }

    /// Writes the file; returns how many keys it has.
    ///
    /// # Errors
    /// Those of `out` and of the spill; [`TooLarge`] beyond the limits.
    pub fn finish(self, out: &mut dyn Write) -> io::Result<u64> {
        let mut sorted = self.sorter.finish()?;
        let (mut keys, mut line) = (0, Vec::new());
        let (mut key, mut value, mut next_key, mut next) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut more = sorted.next(&mut key, &mut value)?;
        out.write_all(b"{\n")?;
        while more {
            more = sorted.next(&mut next_key, &mut next)?;
            while self.entries > 0 && more && next_key == key {
                std::mem::swap(&mut value, &mut next);
                more = sorted.next(&mut next_key, &mut next)?;
            }
            if more && next_key == key {
                let mut shared = Shared::new(&key, &value)?;
                while more && next_key == key {
                    shared.add(&next)?;
                    more = sorted.next(&mut next_key, &mut next)?;
                }
                value.clear();
                Entry::of_shared(&shared).write(&mut value);
            }
            line.clear();
            if keys > 0 {
                line.extend_from_slice(b",\n");
            }
            write_key(&mut line, &String::from_utf8_lossy(&key));
            line.extend_from_slice(&value);
            if line.len() > limits::ENTRY_BYTES {
                return Err(TooLarge::entry(&text::sanitize(&String::from_utf8_lossy(&key))).into());
            }
            out.write_all(&line)?;
            keys += 1;
            if keys > limits::DIGESTS {
                return Err(TooLarge(format!("it has more than {} digests", text::count(limits::DIGESTS))).into());
            }
            std::mem::swap(&mut key, &mut next_key);
            std::mem::swap(&mut value, &mut next);
        }
        out.write_all(b"\n}\n")?;
        Ok(keys)
    }
}

fn write_key(line: &mut Vec<u8>, key: &str) {
    let _ = serde_json::to_writer(&mut *line, key);
    line.push(b':');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::containers::read_back;
    use crate::catalog::document::{ManifestDigest, ObjectId, Repository as Place};
    use crate::catalog::entry::each_once;

    type Made<'a> = (&'a str, &'a [&'a str], Option<&'a str>);

    fn image(id: u8, own: Option<&str>, repositories: &[Made<'_>]) -> Image {
        let digest = |letter: &str| ManifestDigest::parse(&format!("sha256:{}", letter.repeat(64))).unwrap();
        let repositories = repositories.iter().map(|(name, tags, list)| Place {
            registry: "r.example".into(),
            repository: (*name).into(),
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            manifest_list_digest: list.map(digest),
            manifest_schema2_digest: None,
        });
        Image {
            id: ObjectId::parse(&format!("{id:024x}")).unwrap(),
            creation_date: "2020-10-20T18:17:55+00:00".into(),
            architecture: "amd64".into(),
            certified: true,
            image_id: own.map(digest),
            repositories: repositories.collect(),
        }
    }

    fn written(images: &[Image], room: usize) -> (Vec<u8>, u64) {
        let mut builder = ContainersBuilder::with_room(io::Cursor::new(Vec::new()), room);
        images.iter().for_each(|image| builder.image(image).unwrap());
        assert_eq!(builder.images(), Some(images.len() as u64));
        let mut file = Vec::new();
        let keys = builder.finish(&mut file).unwrap();
        (file, keys)
    }

    #[test]
    fn every_deployable_digest_is_a_key_and_shared_ones_are_merged() {
        let images = [
            image(3, Some("1"), &[("a/b", &["2", "1", "1"], Some("f"))]),
            image(2, Some("2"), &[("a/b", &["3"], Some("f"))]),
            image(1, Some("1"), &[("c/d", &[], None)]),
            image(4, None, &[("e/f", &["x"], None)]),
        ];
        let (file, keys) = written(&images, ROOM);
        let tags = |entry: &ContainerEntry| {
            let all = entry.repositories.iter().map(|r| {
                let names: Vec<_> = r.tags.iter().map(|tag| tag.name.as_str()).collect();
                format!("{}:{}", r.repository, names.join("+"))
            });
            all.collect::<Vec<_>>().join(" ")
        };
        let entries = read_back(&file);
        assert_eq!(keys, 4);
        let lines: Vec<_> = entries.iter().map(|(key, e)| format!("{:.8} {} {}", key, &e.id[23..], tags(e))).collect();
        assert_eq!(lines, ["00000000 4 e/f:x", "sha256:1 1 a/b:1+2 c/d:", "sha256:2 2 a/b:3", "sha256:f 2 a/b:1+2+3"]);
    }

    /// What the builder has to write, told without any concern for memory.
    fn model(images: &[Image]) -> Vec<u8> {
        let mut by_key: BTreeMap<String, Vec<&Image>> = BTreeMap::new();
        for image in images {
            let mut keys: Vec<_> = image.deployable_digests().iter().map(ToString::to_string).collect();
            if keys.is_empty() {
                keys.push(image.id.to_string());
            }
            keys.into_iter().for_each(|key| by_key.entry(key).or_default().push(image));
        }
        let entries = by_key.into_iter().map(|(key, mut images)| {
            images.sort_by_key(|image| image.id);
            let own = |image: &&&Image| image.image_id.as_ref().is_some_and(|id| id.to_string() == key);
            let main = images.iter().find(own).unwrap_or(&images[0]);
            let repositories = images.iter().flat_map(|image| &image.repositories).map(|repository| {
                (&*repository.registry, &*repository.repository, repository.tags.iter().map(|tag| &**tag))
            });
            let certified = images.iter().any(|image| image.certified);
            let mut line = Vec::new();
            write_key(&mut line, &key);
            let mut entry = Entry::of_image(main);
            (entry.certified, entry.repositories) = (certified, each_once(repositories));
            entry.write(&mut line);
            String::from_utf8(line).unwrap()
        });
        format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n")).into_bytes()
    }

    /// A digest out of few, so that many are shared; one of them is not SHA-256, one has to be escaped.
    fn digests() -> impl Strategy<Value = Option<ManifestDigest>> {
        let plain = (0..12_u8).prop_map(|number| ManifestDigest::parse(&format!("sha256:{:02x}", number).repeat(1)));
        let usual = (0..12_u8).prop_map(|number| ManifestDigest::parse(&format!("sha256:{number:064x}")));
        prop_oneof![1 => Just(None), 1 => plain, 6 => usual, 1 => Just(ManifestDigest::parse("\"\n\u{1}"))]
    }

    fn images() -> impl Strategy<Value = Vec<Image>> {
        let tags = prop::collection::vec("[ab\"\\\\]{0,2}", 0..4);
        let repository = ("[xy]", "[pq]{1,2}", tags, digests(), digests());
        let image = (digests(), any::<bool>(), prop::collection::vec(repository, 0..4));
        prop::collection::vec(image, 0..40).prop_map(|images| {
            let with_id = images.into_iter().enumerate().map(|(id, (image_id, certified, repositories))| Image {
                id: ObjectId::parse(&format!("{id:024x}")).unwrap(),
                creation_date: format!("2020-10-20T18:17:{id:02}+00:00").into(),
                architecture: ["amd64", "arm64"][id % 2].into(),
                certified,
                image_id,
                repositories: repositories
                    .into_iter()
                    .map(|(registry, repository, tags, list, schema2)| Place {
                        registry: registry.into(),
                        repository: repository.into(),
                        tags: tags.into_iter().map(Into::into).collect(),
                        manifest_list_digest: list,
                        manifest_schema2_digest: schema2,
                    })
                    .collect(),
            });
            with_id.collect()
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_memory_give_the_bytes_of_the_model(
            (images, shuffled) in images().prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle())),
            room in 1..20_000_usize,
        ) {
            let due = model(&images);
            prop_assert_eq!(String::from_utf8(written(&images, ROOM).0).unwrap(), String::from_utf8(due.clone()).unwrap());
            prop_assert_eq!(&written(&shuffled, room).0, &due);
        }

        #[test]
        fn any_text_survives(tag in "\\PC*", id in ".*", escaped in "[\\\\\"a,:{}\n]{0,8}") {
            let mut images = [image(1, None, &[("r", &[&tag, &escaped], None)]), image(2, Some("1"), &[])];
            images[1].image_id = ManifestDigest::parse(&(id + &escaped));
            let (file, keys) = written(&images, ROOM);
            let entries = read_back(&file);
            prop_assert_eq!(entries.len() as u64, keys);
            let plain: serde_json::Value = serde_json::from_slice(&file).unwrap();
            prop_assert_eq!(plain.as_object().unwrap().len(), entries.len());
            let mut expected = vec![tag, escaped];
            expected.sort();
            expected.dedup();
            let found = entries.iter().flat_map(|(_, e)| &e.repositories).flat_map(|r| &r.tags);
            prop_assert_eq!(found.map(|t| t.name.clone()).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn entries_are_taken_over_in_the_spelling_of_the_file() {
        let images = [image(1, Some("1"), &[("a", &["t"], None)]), image(2, Some("2"), &[])];
        let (file, _) = written(&images, ROOM);
        let mut builder = ContainersBuilder::new(io::Cursor::new(Vec::new()));
        for (key, entry) in read_back(&file).iter().rev() {
            builder.entry(key, entry).unwrap();
        }
        let mut again = Vec::new();
        assert_eq!(builder.images(), None);
        assert_eq!((builder.finish(&mut again).unwrap(), again), (2, file));
    }

    #[test]
    fn of_entries_with_one_key_the_last_counts() {
        let mut builder = ContainersBuilder::with_room(io::Cursor::new(Vec::new()), 1);
        for id in ["1", "3", "2"] {
            builder.entry("k", &ContainerEntry { id: id.into(), ..Default::default() }).unwrap();
        }
        let mut file = Vec::new();
        assert_eq!(builder.finish(&mut file).unwrap(), 1);
        assert_eq!(read_back(&file)[0].1.id, "2");
    }

    #[test]
    fn what_readers_refuse_is_not_written() {
        let refused = |images: &[Image]| {
            let mut builder = ContainersBuilder::new(io::Cursor::new(Vec::new()));
            let taken = images.iter().try_for_each(|image| builder.image(image));
            let error = taken.and_then(|()| builder.finish(&mut io::sink())).unwrap_err();
            error.downcast::<TooLarge>().unwrap().to_string()
        };
        let long = "t".repeat(limits::TEXT_BYTES + 1);
        assert!(refused(&[image(1, None, &[("a", &[&long], None)])]).contains("`000000000000000000000001` has a text"));
        let mut odd = image(1, None, &[("a", &[], None)]);
        odd.repositories[0].manifest_list_digest = ManifestDigest::parse(&long);
        assert!(refused(&[odd]).contains("`tttt"));
        let tags: Vec<String> = (0..limits::ENTRY_ITEMS).map(|tag| tag.to_string()).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        refused(&[image(1, None, &[("a", &tags, None)])]);
        // Each may stand, all under one digest may not.
        let half = tags.len() / 2;
        let parts =
            [image(1, Some("1"), &[("a", &tags[..half], None)]), image(2, Some("1"), &[("a", &tags[half..], None)])];
        assert!(refused(&parts).contains("`sha256:111"));
        let texts: Vec<String> = (0..100).map(|tag| format!("{tag:064}").repeat(1_000)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let parts =
            [image(1, Some("1"), &[("a", &texts[..50], None)]), image(2, Some("1"), &[("a", &texts[50..], None)])];
        refused(&parts);
    }
}
