//! `containers.db`: a JSON object from digest to image.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::json::{Json, JsonError, Value};
use super::slice::{Slice, Slot};
use crate::base::limits;
use crate::catalog::TnfError;
use crate::catalog::document::{Image, ManifestDigest, ObjectId};

/// The file that holds a set of images, one entry a line, keys in ascending order.
pub struct ContainersFile<'a> {
    images: &'a [Image],
    /// Key and index into `images`, sorted by key, then by document id.
    index: Vec<(Key<'a>, u32)>,
    keys: u64,
    /// Entries that stand under their keys already, in the order of these. Where there are any, there are no images.
    entries: &'a [(String, ContainerEntry)],
}

/// A key of the file: a digest, or the document's id where it has no digest at all. Such an image cannot be asked for
/// by digest, but the reader's scan for a tag passes over every entry, so it has to stand somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key<'a> {
    Digest(&'a ManifestDigest),
    Id(ObjectId),
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Digest(a), Self::Digest(b)) => a.cmp(b),
            (Self::Id(a), Self::Id(b)) => a.cmp(b),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => fmt::Display::fmt(digest, f),
            Self::Id(id) => fmt::Display::fmt(id, f),
        }
    }
}

#[derive(Serialize)]
struct EntryOut<'a> {
    _id: Cow<'a, str>,
    creation_date: &'a str,
    architecture: &'a str,
    certified: bool,
    image_id: Cow<'a, str>,
    repositories: Vec<RepositoryOut<'a>>,
}

#[derive(Serialize)]
struct RepositoryOut<'a> {
    registry: &'a str,
    repository: &'a str,
    tags: Vec<TagOut<'a>>,
}

#[derive(Serialize)]
struct TagOut<'a> {
    name: &'a str,
}

impl<'a> ContainersFile<'a> {
    /// Sorts `images` under their digests.
    ///
    /// # Panics
    /// Never for catalogs that fit in memory: the index is 32 bits wide.
    #[must_use]
    pub fn new(images: &'a [Image]) -> Self {
        let mut index = Vec::with_capacity(images.len() * 2);
        for (position, image) in (0u32..).zip(images) {
            let digests = image.deployable_digests();
            if digests.is_empty() {
                index.push((Key::Id(image.id), position));
            }
            index.extend(digests.into_iter().map(|digest| (Key::Digest(digest), position)));
        }
        index.sort_unstable_by(|(a, i), (b, j)| {
            a.cmp(b).then_with(|| images[*i as usize].id.cmp(&images[*j as usize].id))
        });
        let keys = index.chunk_by(|(a, _), (b, _)| a == b).count() as u64;
        Self { images, index, keys, entries: &[] }
    }

    /// Takes over `entries`, in ascending order of their keys, as another file had them.
    #[must_use]
    pub fn of_entries(entries: &'a [(String, ContainerEntry)]) -> Self {
        Self { images: &[], index: Vec::new(), keys: entries.len() as u64, entries }
    }

    /// How many keys the file has.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"{\n")?;
        let mut line = Vec::with_capacity(4096);
        for group in self.index.chunk_by(|(a, _), (b, _)| a == b) {
            if !line.is_empty() {
                line.extend_from_slice(b",\n");
                out.write_all(&line)?;
            }
            line.clear();
            serde_json::to_writer(&mut line, &group[0].0.to_string())?;
            line.push(b':');
            serde_json::to_writer(&mut line, &self.entry(group))?;
        }
        for (key, entry) in self.entries {
            if !line.is_empty() {
                line.extend_from_slice(b",\n");
                out.write_all(&line)?;
            }
            line = entry_line(key, entry);
        }
        line.extend_from_slice(b"\n}\n");
        out.write_all(&line)
    }

    /// One entry for all documents that share a key: the lowest id whose own digest the key is stands for them, and
    /// has the repositories of all.
    fn entry(&self, group: &[(Key<'a>, u32)]) -> EntryOut<'a> {
        let images = || group.iter().map(|(_, position)| &self.images[*position as usize]);
        let is_own = |image: &&Image| image.image_id.as_ref().is_some_and(|id| Key::Digest(id) == group[0].0);
        let main = images().find(is_own).unwrap_or(&self.images[group[0].1 as usize]);
        let repositories = images().flat_map(|image| &image.repositories).map(|repository| {
            let tags = repository.tags.iter().map(|tag| &**tag);
            (&*repository.registry, &*repository.repository, tags)
        });
        EntryOut {
            _id: main.id.to_string().into(),
            creation_date: &main.creation_date,
            architecture: &main.architecture,
            certified: images().any(|image| image.certified),
            image_id: main.image_id.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            repositories: merged(repositories),
        }
    }
}

/// Repositories in order, each once, with their tags in order, each once.
fn merged<'a, T: Iterator<Item = &'a str>>(
    repositories: impl Iterator<Item = (&'a str, &'a str, T)>,
) -> Vec<RepositoryOut<'a>> {
    let mut all: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (registry, repository, tags) in repositories {
        all.entry((registry, repository)).or_default().extend(tags);
    }
    all.into_iter()
        .map(|((registry, repository), mut tags)| {
            tags.sort_unstable();
            tags.dedup();
            let tags = tags.into_iter().map(|name| TagOut { name }).collect();
            RepositoryOut { registry, repository, tags }
        })
        .collect()
}

/// `entry` under `key` in the one spelling in which `oct` writes it, as a line of the file without its end.
#[must_use]
pub fn entry_line(key: &str, entry: &ContainerEntry) -> Vec<u8> {
    let repositories = entry.repositories.iter().map(|repository| {
        let tags = repository.tags.iter().map(|tag| tag.name.as_str());
        (repository.registry.as_str(), repository.repository.as_str(), tags)
    });
    let out = EntryOut {
        _id: entry.id.as_str().into(),
        creation_date: &entry.creation_date,
        architecture: &entry.architecture,
        certified: entry.certified,
        image_id: entry.image_id.as_str().into(),
        repositories: merged(repositories),
    };
    let mut line = Vec::with_capacity(512);
    // Texts and lists always serialize, and a vector takes every byte.
    let _ = serde_json::to_writer(&mut line, key);
    line.push(b':');
    let _ = serde_json::to_writer(&mut line, &out);
    line
}

/// Key and value of one line of a file that `oct` wrote, without its comma and line break; `None` where the line is
/// something else.
#[must_use]
pub fn split_line(line: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let plain = line.strip_prefix(b"\"")?;
    let end = plain.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (key, rest) = if plain[end] == b'"' {
        (Cow::Borrowed(std::str::from_utf8(&plain[..end]).ok()?), &plain[end + 1..])
    } else {
        let mut escaped = false;
        let is_end = |byte: &u8| {
            let end = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            end
        };
        let length = plain.iter().position(is_end)? + 2;
        (serde_json::from_slice::<String>(line.get(..length)?).ok()?.into(), line.get(length..)?)
    };
    Some((key, rest.strip_prefix(b":")?))
}

/// An entry as certsuite reads it: absent and `null` fields are their type's zero value, as in Go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerEntry {
    /// The document's id.
    pub id: String,
    /// When the document was entered.
    pub creation_date: String,
    /// Processor architecture.
    pub architecture: String,
    /// Whether it counts as certified.
    pub certified: bool,
    /// The image's own digest; old dumps call it `docker_image_digest`.
    pub image_id: String,
    /// Where it can be pulled from.
    pub repositories: Slice<ContainerRepository>,
}

/// A repository within a [`ContainerEntry`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerRepository {
    /// Registry host.
    pub registry: String,
    /// Path within the registry.
    pub repository: String,
    /// Its tags.
    pub tags: Slice<TagName>,
}

/// A tag within a [`ContainerRepository`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagName {
    /// The tag.
    pub name: String,
}

/// What certsuite knows of an entry, and the name that old dumps have for `image_id`, of which it knows nothing.
const ENTRY: [&str; 7] =
    ["_id", "creation_date", "architecture", "certified", "image_id", "repositories", "docker_image_digest"];
const REPOSITORY: [&str; 3] = ["registry", "repository", "tags"];

/// Reads a `containers.db`, entry by entry, in the order of the file; returns how many entries there are.
///
/// `None` is a `null` entry: certsuite finds it by its digest, and crashes when it meets it while it looks for a tag. A
/// key may come twice: the later entry then stands in the place of the former one. JSON may have any layout. Only one
/// entry is held in memory.
///
/// # Errors
/// Where certsuite could not read the file, an entry is larger than [`limits`] has it, or `visit` fails.
pub fn read_containers(
    file: impl Read,
    mut visit: impl FnMut(&str, Option<&ContainerEntry>) -> Result<(), TnfError>,
) -> Result<u64, TnfError> {
    let mut json = Json::new(file);
    let mut entry = ContainerEntry::default();
    let (mut count, mut digest) = (0, String::new());
    match json.value()? {
        Value::Object => {
            let mut first = true;
            while json.key(&mut first)? {
                count += 1;
                if count > limits::DIGESTS {
                    return Err(json.limit(format!("more than {} entries", limits::DIGESTS)).into());
                }
                json.take_text(&mut digest)?;
                let read = match json.value()? {
                    Value::Null => None,
                    value => {
                        entry.read(&mut json, value)?;
                        Some(&entry)
                    }
                };
                json.take_mistyped()?;
                visit(&digest, read)?;
            }
        }
        Value::Null => {}
        other => json.mistyped(other, "an object of images by digest")?,
    }
    json.end()?;
    Ok(count)
}

impl ContainerEntry {
    /// Reads one entry.
    ///
    /// # Errors
    /// Where certsuite could not read it.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        let (mut json, mut entry) = (Json::new(json), Self::default());
        let value = json.value()?;
        entry.read(&mut json, value)?;
        json.end()?;
        Ok(entry)
    }

    /// Reads a new entry in the place of this one.
    fn read<R: Read>(&mut self, json: &mut Json<R>, value: Value) -> Result<(), JsonError> {
        let texts = [&mut self.id, &mut self.creation_date, &mut self.architecture, &mut self.image_id];
        texts.into_iter().for_each(Slot::reset);
        self.certified = false;
        self.repositories.renew();
        let mut old_digest = String::new();
        let mut room = limits::ENTRY_ITEMS;
        json.fields(value, &ENTRY, |json, field, value| match field {
            0 => json.text_into(value, &mut self.id),
            1 => json.text_into(value, &mut self.creation_date),
            2 => json.text_into(value, &mut self.architecture),
            3 => json.bool_into(value, &mut self.certified),
            4 => json.text_into(value, &mut self.image_id),
            5 => json.list_into(value, &mut self.repositories, &mut |json, value, place| {
                take(json, &mut room)?;
                place.read(json, value, &mut room)
            }),
            _ if value == Value::Text => json.text_into(value, &mut old_digest),
            _ => json.skip(value),
        })?;
        if self.image_id.is_empty() {
            self.image_id = old_digest;
        }
        Ok(())
    }
}

impl ContainerRepository {
    fn read<R: Read>(&mut self, json: &mut Json<R>, value: Value, room: &mut usize) -> Result<(), JsonError> {
        json.fields(value, &REPOSITORY, |json, field, value| match field {
            0 => json.text_into(value, &mut self.registry),
            1 => json.text_into(value, &mut self.repository),
            _ => json.list_into(value, &mut self.tags, &mut |json, value, tag: &mut TagName| {
                take(json, room)?;
                json.fields(value, &["name"], |json, _, value| json.text_into(value, &mut tag.name))
            }),
        })
    }
}

/// Counts one item of a list within an entry.
fn take<R: Read>(json: &Json<R>, room: &mut usize) -> Result<(), JsonError> {
    *room = room
        .checked_sub(1)
        .ok_or_else(|| json.limit(format!("an entry with more than {} repositories and tags", limits::ENTRY_ITEMS)))?;
    Ok(())
}

impl Slot for ContainerRepository {
    fn reset(&mut self) {
        self.registry.reset();
        self.repository.reset();
        self.tags.renew();
    }
}

impl Slot for TagName {
    fn reset(&mut self) {
        self.name.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::document::Repository;
    use proptest::prelude::*;

    fn image(id: u8, own: Option<&str>, repositories: &[(&str, &[&str], Option<&str>)]) -> Image {
        let digest = |letter: &str| ManifestDigest::parse(&format!("sha256:{}", letter.repeat(64))).unwrap();
        Image {
            id: ObjectId::parse(&format!("{id:024x}")).unwrap(),
            creation_date: "2020-10-20T18:17:55+00:00".into(),
            architecture: "amd64".into(),
            certified: true,
            image_id: own.map(digest),
            repositories: repositories
                .iter()
                .map(|(name, tags, list)| Repository {
                    registry: "r.example".into(),
                    repository: (*name).into(),
                    tags: tags.iter().map(|tag| (*tag).into()).collect(),
                    manifest_list_digest: list.map(digest),
                    manifest_schema2_digest: None,
                })
                .collect(),
        }
    }

    fn read_back(file: &[u8]) -> Vec<(String, ContainerEntry)> {
        let mut entries = Vec::new();
        read_containers(file, |key, entry| {
            entries.push((key.to_owned(), entry.unwrap().clone()));
            Ok(())
        })
        .unwrap();
        entries
    }

    fn written(images: &[Image]) -> Vec<u8> {
        let mut bytes = Vec::new();
        ContainersFile::new(images).write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_deployable_digest_is_a_key_and_shared_ones_are_merged() {
        let images = [
            image(3, Some("1"), &[("a/b", &["2", "1", "1"], Some("f"))]),
            image(2, Some("2"), &[("a/b", &["3"], Some("f"))]),
            image(1, Some("1"), &[("c/d", &[], None)]),
            image(4, None, &[("e/f", &["x"], None)]),
        ];
        let file = ContainersFile::new(&images);
        let entries = read_back(&written(&images));
        assert_eq!(file.keys(), 4);
        let tags = |entry: &ContainerEntry| {
            let of = |r: &ContainerRepository| {
                let names: Vec<_> = r.tags.iter().map(|tag| tag.name.as_str()).collect();
                format!("{}:{}", r.repository, names.join("+"))
            };
            entry.repositories.iter().map(of).collect::<Vec<_>>().join(" ")
        };
        let lines: Vec<_> = entries.iter().map(|(key, e)| format!("{:.8} {} {}", key, &e.id[23..], tags(e))).collect();
        assert_eq!(lines, ["00000000 4 e/f:x", "sha256:1 1 a/b:1+2 c/d:", "sha256:2 2 a/b:3", "sha256:f 2 a/b:1+2+3"]);
    }

    #[test]
    fn both_spellings_of_the_object_read_alike() {
        let images = [image(1, Some("1"), &[("a", &["t"], None)]), image(2, Some("2"), &[])];
        let by_line = written(&images);
        let plain: serde_json::Value = serde_json::from_slice(&by_line).unwrap();
        assert_eq!(read_back(&by_line), read_back(plain.to_string().as_bytes()));
        assert_eq!(read_back(&by_line), read_back(serde_json::to_string_pretty(&plain).unwrap().as_bytes()));
        assert_eq!(read_back(&written(&[])), []);
        assert_eq!(read_back(b"{}"), []);
        let (entries, mut again) = (read_back(&by_line), Vec::new());
        ContainersFile::of_entries(&entries).write(&mut again).unwrap();
        assert_eq!(again, by_line);
        for (key, entry) in &entries {
            let line = entry_line(key, entry);
            let (read, value) = split_line(&line).unwrap();
            assert_eq!((&*read, &ContainerEntry::parse(value).unwrap()), (key.as_str(), entry));
        }
        assert_eq!(split_line(b"\"a\\\"b\":{}").unwrap(), ("a\"b".into(), &b"{}"[..]));
        assert_eq!(split_line(b"no line"), None);
    }

    /// The entry of the object `{"k": …}`.
    fn entry(json: &str) -> Result<ContainerEntry, TnfError> {
        let mut read = ContainerEntry::default();
        read_containers(format!(r#"{{"k":{json}}}"#).as_bytes(), |_, entry| {
            read = entry.cloned().unwrap_or_default();
            Ok(())
        })?;
        Ok(read)
    }

    fn tags(entry: &ContainerEntry) -> String {
        let of = |r: &ContainerRepository| {
            format!("{}:{}", r.repository, r.tags.iter().map(|tag| &*tag.name).collect::<Vec<_>>().join("+"))
        };
        entry.repositories.iter().map(of).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_entry_is_read_as_in_go() {
        for (json, id, due) in [
            (r#"{"_id":null,"repositories":[{"tags":null},null],"other":7}"#, "", ": :"),
            (r#"{"_id":"a","_ID":"b","Repositories":[{"REPOSITORY":"r","tagS":[{"Name":"t"}]}]}"#, "b", "r:t"),
            (r#"{"_id":"a","_id":null,"docker_image_digest":7}"#, "a", ""),
            // What comes again is decoded into what was there before.
            (
                r#"{"repositories":[{"repository":"r","tags":[{"name":"1"},{"name":"2"}]}],"repositories":[{"tags":[{}]}]}"#,
                "",
                "r:1",
            ),
            (
                r#"{"repositories":[{"repository":"r"},{"repository":"s"}],"repositories":[{}],"repositories":[{},{},{}]}"#,
                "",
                "r: s: :",
            ),
            (
                r#"{"repositories":[{"repository":"r","tags":[{"name":"1"},{"name":"2"}],"tags":[{"name":"3"}],"tags":[null,null]}]}"#,
                "",
                "r:3+2",
            ),
            (r#"{"repositories":[{"repository":"r"}],"repositories":null,"repositories":[{}]}"#, "", ":"),
            (r#"{"repositories":[{"repository":"r"}],"repositories":[],"repositories":[{}]}"#, "", ":"),
        ] {
            let read = entry(json).unwrap();
            assert_eq!((read.id.as_str(), tags(&read).as_str()), (id, due), "{json}");
        }
        for mistyped in [
            r#"{"_id":1}"#,
            r#"{"certified":"true"}"#,
            r#"{"repositories":{}}"#,
            r#"{"repositories":[7]}"#,
            r#"{"repositories":[{"tags":["1"]}]}"#,
            "7",
            "[]",
            r#""x""#,
        ] {
            let error = entry(mistyped).unwrap_err();
            assert!(matches!(error, TnfError::Json(JsonError::Mistyped { .. })), "{mistyped}: {error}");
        }
    }

    #[test]
    fn nothing_stays_from_the_entry_before() {
        let json = r#"{"a":{"_id":"x","certified":true,"repositories":[{"repository":"r","tags":[{"name":"1"}]},{"repository":"s"}]},
            "b":{"repositories":[{"tags":[{}]}]},"c":null,"d":{"repositories":[{},{}]}}"#;
        let mut read = Vec::new();
        let count = read_containers(json.as_bytes(), |key, entry| {
            read.push(
                entry.map_or(key.to_owned(), |entry| format!("{key} {} {} {}", entry.id, entry.certified, tags(entry))),
            );
            Ok(())
        });
        assert_eq!(
            (count.unwrap(), read),
            (4, vec!["a x true r:1 s:".into(), "b  false :".into(), "c".into(), "d  false : :".into()])
        );
    }

    #[test]
    fn what_is_no_object_of_entries_is_refused() {
        for bad in ["", "[]", "{\"k\":", "{\n\"k\":{}\n", "{\n\"k\":{},\n}\n", "{\n\"k\":{}\n}\nx", "{}x", "7"] {
            assert!(read_containers(bad.as_bytes(), |_, _| Ok(())).is_err(), "{bad:?}");
        }
        assert_eq!(read_containers(&b"null"[..], |_, _| Ok(())).unwrap(), 0);
    }

    #[test]
    fn an_entry_is_bounded() {
        let many = format!(r#"{{"repositories":[{{"tags":[{}null]}}]}}"#, "null,".repeat(limits::ENTRY_ITEMS));
        for large in [many, format!(r#"{{"_id":"{}"}}"#, "x".repeat(limits::TEXT_BYTES + 1))] {
            let error = entry(&large).unwrap_err();
            assert!(matches!(&error, TnfError::Limit(text) if text.starts_with("line 1, column ")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(tag in "\\PC*", id in ".*", escaped in "[\\\\\"a,:{}\n]{0,8}") {
            let mut images = [image(1, None, &[("r", &[&tag, &escaped], None)]), image(2, Some("1"), &[])];
            images[1].image_id = ManifestDigest::parse(&(id + &escaped));
            let file = written(&images);
            let entries = read_back(&file);
            prop_assert_eq!(entries.len() as u64, ContainersFile::new(&images).keys());
            let plain: serde_json::Value = serde_json::from_slice(&file).unwrap();
            prop_assert_eq!(plain.as_object().unwrap().len(), entries.len());
            let mut expected = vec![tag, escaped];
            expected.sort();
            expected.dedup();
            let found = entries.iter().flat_map(|(_, e)| &e.repositories).flat_map(|r| &r.tags);
            prop_assert_eq!(found.map(|t| t.name.clone()).collect::<Vec<_>>(), expected);
        }
    }
}
