//! Reading `containers.db`: a JSON object from digest to image.

use std::borrow::Cow;
use std::io::Read;

use super::json::{Json, JsonError, Value};
use super::slice::{Slice, Slot};
use crate::base::limits;
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
/// If certsuite could not read the file, an entry is larger than [`limits`] has it, or `visit` fails.
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
                let room = limits::DIGESTS_OF_ANY_SIZE + json.bytes() / limits::BYTES_PER_DIGEST;
                if count > limits::DIGESTS.min(room) {
                    return Err(json.limit(format!("more than {} entries for its size", count - 1)).into());
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
    /// If certsuite could not read it.
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

/// The entries of `file`, in its order.
#[cfg(test)]
pub(super) fn read_back(file: &[u8]) -> Vec<(String, ContainerEntry)> {
    let mut entries = Vec::new();
    let read = read_containers(file, |key, entry| {
        entries.extend(entry.map(|entry| (key.to_owned(), entry.clone())));
        Ok(())
    });
    read.unwrap();
    entries
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
        assert_eq!((&*key, &ContainerEntry::parse(value).unwrap()), ("k", &entries[0].1));
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
    fn a_file_is_large_enough_for_its_entries() {
        let entries = |count: u64, value: &str| {
            let members: Vec<_> = (0..count).map(|i| format!("\"{i}\":{value}")).collect();
            read_containers(format!("{{{}}}", members.join(",")).as_bytes(), |_, _| Ok(()))
        };
        assert_eq!(entries(limits::DIGESTS_OF_ANY_SIZE, "null").unwrap(), limits::DIGESTS_OF_ANY_SIZE);
        let error = entries(limits::DIGESTS_OF_ANY_SIZE * 6 / 5, "{}").unwrap_err();
        assert!(matches!(&error, TnfError::Limit(text) if text.contains("entries for its size")), "{error}");
        let real = format!(r#"{{"_id":"{}"}}"#, "0".repeat(limits::BYTES_PER_DIGEST as usize));
        let mut members: Vec<_> = (0..limits::DIGESTS_OF_ANY_SIZE).map(|i| format!("\"{i}\":null")).collect();
        members.extend((0..9_000).map(|i| format!("\"real-{i}\":{real}")));
        assert!(read_containers(format!("{{{}}}", members.join(",")).as_bytes(), |_, _| Ok(())).is_ok());
    }

    #[test]
    fn an_entry_is_bounded() {
        let many = format!(r#"{{"repositories":[{{"tags":[{}null]}}]}}"#, "null,".repeat(limits::ENTRY_ITEMS));
        let fields = format!("{{{}\"x\":1}}", "\"x\":1,".repeat(limits::FIELDS));
        for large in [many, fields, format!(r#"{{"_id":"{}"}}"#, "x".repeat(limits::TEXT_BYTES + 1))] {
            let error = entry(&large).unwrap_err();
            assert!(matches!(&error, TnfError::Limit(text) if text.starts_with("line 1, column ")), "{error}");
        }
    }
}
