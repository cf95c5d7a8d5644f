//! `containers.db`: a JSON object from digest to image.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Write};

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

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
        let length = quoted_len("\0", line);
        (serde_json::from_slice::<String>(line.get(..length)?).ok()?.into(), line.get(length..)?)
    };
    Some((key, rest.strip_prefix(b":")?))
}

/// An entry as certsuite reads it: absent and `null` fields are their type's zero value, as in Go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ContainerEntry {
    /// The document's id.
    #[serde(rename = "_id", default, deserialize_with = "null_is_default")]
    pub id: String,
    /// When the document was entered.
    #[serde(default, deserialize_with = "null_is_default")]
    pub creation_date: String,
    /// Processor architecture.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// Whether it counts as certified.
    #[serde(default, deserialize_with = "null_is_default")]
    pub certified: bool,
    /// The image's own digest; old dumps call it `docker_image_digest`.
    #[serde(default, alias = "docker_image_digest", deserialize_with = "null_is_default")]
    pub image_id: String,
    /// Where it can be pulled from.
    #[serde(default, deserialize_with = "null_is_default")]
    pub repositories: Vec<ContainerRepository>,
}

/// A repository within a [`ContainerEntry`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ContainerRepository {
    /// Registry host.
    #[serde(default, deserialize_with = "null_is_default")]
    pub registry: String,
    /// Path within the registry.
    #[serde(default, deserialize_with = "null_is_default")]
    pub repository: String,
    /// Its tags.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<TagName>,
}

/// A tag within a [`ContainerRepository`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TagName {
    /// The tag.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a `containers.db`, entry by entry, in the order of the file; returns how many entries there are.
///
/// Only one entry at a time is held in memory. A file with one entry a line, as `oct` writes it, is read several times
/// faster than other JSON.
///
/// # Errors
/// Where the file is not one JSON object of entries, or `visit` fails.
pub fn read_containers<R: BufRead>(
    mut file: R,
    mut visit: impl FnMut(&str, ContainerEntry) -> Result<(), TnfError>,
) -> Result<u64, TnfError> {
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    // Indented JSON begins with such a line as well; what `oct` writes is not indented.
    if line == b"{\n" && !file.fill_buf()?.first().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
        return read_lines(file, line, visit);
    }
    let mut failure = None;
    let mut deserializer = serde_json::Deserializer::from_reader(io::Read::chain(&line[..], file));
    let entries = Entries { visit: &mut visit, failure: &mut failure };
    match entries.deserialize(&mut deserializer) {
        Ok(count) => {
            deserializer.end()?;
            Ok(count)
        }
        Err(error) => Err(failure.unwrap_or(TnfError::Json(error))),
    }
}

/// The rest of a file that has one entry a line: `"key":{…},` and at last `"key":{…}` and `}`.
fn read_lines<R: BufRead>(
    mut file: R,
    mut line: Vec<u8>,
    mut visit: impl FnMut(&str, ContainerEntry) -> Result<(), TnfError>,
) -> Result<u64, TnfError> {
    let odd = |count: u64| TnfError::Mismatch(format!("line {} is not one entry of the object", count + 2));
    let mut count = 0;
    let mut more = true;
    loop {
        line.clear();
        file.read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else { return Err(odd(count)) };
        if text == b"}" && (!more || count == 0) {
            line.clear();
            file.read_until(b'\n', &mut line)?;
            return if line.is_empty() { Ok(count) } else { Err(odd(count + 1)) };
        }
        if text.is_empty() && count == 0 && more {
            // An empty catalog is written as a brace, an empty line and a brace.
            more = false;
            continue;
        }
        if !more {
            return Err(odd(count));
        }
        let entry = text.strip_suffix(b",");
        more = entry.is_some();
        let mut deserializer = serde_json::Deserializer::from_slice(entry.unwrap_or(text));
        let key = std::borrow::Cow::<str>::deserialize(&mut deserializer)?;
        let rest = entry.unwrap_or(text).get(quoted_len(&key, entry.unwrap_or(text))..).unwrap_or_default();
        let value = rest.strip_prefix(b":").ok_or_else(|| odd(count))?;
        visit(&key, serde_json::from_slice(value)?)?;
        count += 1;
    }
}

/// Bytes that the JSON string at the start of `text`, whose value is `key`, takes with its quotes.
fn quoted_len(key: &str, text: &[u8]) -> usize {
    if text.get(1..=key.len()) == Some(key.as_bytes()) && text.get(key.len() + 1) == Some(&b'"') {
        return key.len() + 2;
    }
    let mut escaped = false;
    for (position, byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return position + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

struct Entries<'a, V> {
    visit: &'a mut V,
    failure: &'a mut Option<TnfError>,
}

impl<'de, V: FnMut(&str, ContainerEntry) -> Result<(), TnfError>> DeserializeSeed<'de> for Entries<'_, V> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, V: FnMut(&str, ContainerEntry) -> Result<(), TnfError>> Visitor<'de> for Entries<'_, V> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of images by digest")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some((key, entry)) = map.next_entry::<String, ContainerEntry>()? {
            if let Err(error) = (self.visit)(&key, entry) {
                *self.failure = Some(error);
                return Err(serde::de::Error::custom("stopped"));
            }
            count += 1;
        }
        Ok(count)
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
            entries.push((key.to_owned(), entry));
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
            assert_eq!((&*read, &serde_json::from_slice::<ContainerEntry>(value).unwrap()), (key.as_str(), entry));
        }
        assert_eq!(split_line(b"\"a\\\"b\":{}").unwrap(), ("a\"b".into(), &b"{}"[..]));
        assert_eq!(split_line(b"no line"), None);
    }

    #[test]
    fn nulls_read_as_in_go_and_wrong_types_do_not() {
        let entries = read_back(br#"{"k":{"_id":null,"repositories":[{"tags":null}],"other":7}}"#);
        assert_eq!(entries[0].1.repositories.len(), 1);
        for bad in
            ["{\"k\":{\"_id\":1}}", "[]", "{\"k\":", "{\n\"k\":{}\n", "{\n\"k\":{},\n}\n", "{\n\"k\":{}\n}\nx", "{}x"]
        {
            assert!(read_containers(bad.as_bytes(), |_, _| Ok(())).is_err(), "{bad:?}");
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
