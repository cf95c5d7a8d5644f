//! Reading `containers.db`: a JSON object from digest to image.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead};

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::catalog::TnfError;

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

    #[test]
    fn both_spellings_of_the_object_read_alike() {
        let line = r#""k":{"_id":"1","repositories":[{"registry":"r","tags":[{"name":"t"}]}]}"#;
        let by_line = format!("{{\n{line},\n\"l\\\"\":{{}}\n}}\n");
        let plain: serde_json::Value = serde_json::from_str(&by_line).unwrap();
        let entries = read_back(by_line.as_bytes());
        assert_eq!((entries.len(), entries[1].0.as_str()), (2, "l\""));
        assert_eq!(entries, read_back(plain.to_string().as_bytes()));
        assert_eq!(entries, read_back(serde_json::to_string_pretty(&plain).unwrap().as_bytes()));
        assert_eq!(read_back(b"{\n\n}\n"), []);
        assert_eq!(read_back(b"{}"), []);
        let (key, value) = split_line(line.as_bytes()).unwrap();
        assert_eq!((&*key, &serde_json::from_slice::<ContainerEntry>(value).unwrap()), ("k", &entries[0].1));
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
}

/// The entries of `file`, in its order.
#[cfg(test)]
pub(super) fn read_back(file: &[u8]) -> Vec<(String, ContainerEntry)> {
    let mut entries = Vec::new();
    read_containers(file, |key, entry| {
        entries.push((key.to_owned(), entry));
        Ok(())
    })
    .unwrap();
    entries
}
