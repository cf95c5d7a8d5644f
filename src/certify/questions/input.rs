//! From bytes to documents: which encoding, which form, and what is refused by name.

use std::borrow::Cow;
use std::collections::BTreeSet;

use thiserror::Error;

use super::record::{Node, bounded, take_room};
use super::{Refused, lines};
use crate::base::limits;

/// Why an input cannot be read at all.
#[derive(Debug, Error)]
pub enum InputError {
    /// It holds nothing. A command that failed before the pipe leaves the same.
    #[error("the input is empty")]
    Empty,
    /// It is a file of another program.
    #[error("the input is {what}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// What to do with it.
        hint: &'static str,
    },
    /// A table, whose columns only people can tell apart.
    #[error("the input is a table for people; oct cannot separate its columns safely")]
    Table {
        /// What to do to get a readable form.
        hint: &'static str,
    },
    /// It begins as JSON does and is none.
    #[error("the input begins like JSON, but cannot be read as such: {0}")]
    Json(serde_json::Error),
    /// It begins as YAML does and is none.
    #[error("the input begins like YAML, but cannot be read as such: {0}")]
    Yaml(String),
    /// Readable, but of something else.
    #[error("the input holds no pods, operators, Helm releases, images or claim{}", shown_kinds(.kinds))]
    Other {
        /// The kinds of the objects that it holds, without control characters.
        kinds: BTreeSet<String>,
    },
    /// A claim that says nothing of what was tested.
    #[error("the claim has no `configurations`, so it does not say what was tested")]
    ClaimWithoutTests,
    /// Too many questions.
    #[error("the input has more than {} questions", crate::base::text::count(limits::QUESTIONS as u64))]
    TooMany,
    /// No line is a question.
    #[error("none of the {lines} lines or items is a question; the first: {first}")]
    NoQuestion {
        /// How many lines there are, without empty ones and comments.
        lines: usize,
        /// Why the first one is none.
        first: Box<Refused>,
    },
}

impl InputError {
    /// What to do next, where the message does not tell.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => "see whether the command that makes the input failed",
            Self::Foreign { hint, .. } | Self::Table { hint } => hint,
            Self::Yaml(_) => "make it with `-o json`",
            Self::Other { .. } => {
                "make it with `oc get pods -A -o json`, `oc get csv -A -o json` or `helm ls -A -o json`, or give a claim.json"
            }
            Self::ClaimWithoutTests => "give the claim.json that certsuite wrote, whole",
            Self::TooMany => "ask them in several parts",
            Self::Json(_) | Self::NoQuestion { .. } => return None,
        })
    }
}

fn shown_kinds(kinds: &BTreeSet<String>) -> String {
    if kinds.is_empty() {
        return String::new();
    }
    format!(" (but {})", kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// How an input is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    Lines,
    /// The JSON itself, without the JavaScript around it.
    Json(&'a str),
    Yaml,
}

/// First bytes of files of other programs.
const MAGIC: [(&[u8], &str, &str); 7] = [
    (&[0x1f, 0x8b], "compressed with gzip", "unpack it with `gunzip` first"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd", "unpack it with `zstd -d` first"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "compressed with xz", "unpack it with `unxz` first"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2` first"),
    (b"PK\x03\x04", "a zip file", "unpack it with `unzip` first"),
    (b"%PDF", "a PDF", "give the data that it was made of"),
    (b"\x7fELF", "a program", "give a list of questions"),
];

/// The text of an input, in UTF-8 or UTF-16.
pub(super) fn text(input: &[u8]) -> Result<Cow<'_, str>, InputError> {
    if let Some((_, what, hint)) = MAGIC.iter().find(|(magic, ..)| input.starts_with(magic)) {
        return Err(InputError::Foreign { what, hint });
    }
    if input.get(257..262) == Some(b"ustar") {
        return Err(InputError::Foreign { what: "a tar file", hint: "unpack it with `tar -xf` first" });
    }
    let hint = "save it as UTF-8; PowerShell does so with `Out-File -Encoding utf8`";
    // As UTF-8 it may need half as much again, beside what was read.
    if matches!(input, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..])
        && input.len() as u64 > limits::QUESTIONS_UTF_16_BYTES
    {
        return Err(InputError::Foreign { what: "more than 64 MB of text in UTF-16", hint });
    }
    let units = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        // No sign takes more room in UTF-8; a text that grew would be in memory twice.
        let mut text = String::with_capacity(bytes.len() / 2 * 3);
        char::decode_utf16(units).try_for_each(|sign| sign.map(|sign| text.push(sign))).ok()?;
        bytes.len().is_multiple_of(2).then_some(Cow::Owned(text))
    };
    let utf_8 = |bytes| std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
    let decoded = match input {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => None,
        // Without a mark, the zero half of the first sign tells the order.
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => units(input, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => units(input, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf_8(rest),
        _ => utf_8(input),
    };
    let text = decoded.ok_or(InputError::Foreign { what: "text neither in UTF-8 nor in UTF-16", hint })?;
    if text.contains('\0') {
        return Err(InputError::Foreign { what: "binary data", hint: "give a list of questions" });
    }
    Ok(text)
}

/// The form of a text.
pub(super) fn form(text: &str) -> Result<Form<'_>, InputError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(InputError::Empty);
    }
    if text.starts_with(['{', '[']) {
        return Ok(Form::Json(text));
    }
    if let Some(assigned) = assigned(text) {
        return Ok(Form::Json(assigned));
    }
    if text.starts_with('<') {
        let head: String = text.chars().take(15).collect::<String>().to_ascii_lowercase();
        let is_html = ["<!doctype html", "<html", "<head", "<body"].iter().any(|start| head.starts_with(start));
        let what = if is_html { "HTML, perhaps the page of a proxy or of a login" } else { "XML or HTML" };
        return Err(InputError::Foreign { what, hint: "fetch the data again, or give them as JSON" });
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(first) = first else { return Err(InputError::Empty) };
    if let Some(hint) = table(first) {
        return Err(InputError::Table { hint });
    }
    Ok(if begins_yaml(first) { Form::Yaml } else { Form::Lines })
}

/// What `var initialjson={…};` assigns: `claimjson.js` in certsuite's folder of results is written so.
fn assigned(text: &str) -> Option<&str> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let (name, value) = rest.split_once('=')?;
    let is_name = name.trim().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
    let value = value.trim().trim_end_matches(';').trim_end();
    (matches!(word, "var" | "let" | "const") && is_name && value.starts_with(['{', '['])).then_some(value)
}

/// How to get what a table shows, where the line is the heading of one: two or more words, all upper-case.
fn table(line: &str) -> Option<&'static str> {
    // A heading has some ten; a line may have millions.
    let words: Vec<&str> = line.split_whitespace().take(100).collect();
    let is_heading = |word: &&str| {
        word.bytes().any(|b| b.is_ascii_uppercase())
            && word
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'(' | b')'))
    };
    if words.len() < 2 || !words.iter().all(is_heading) {
        return None;
    }
    let has = |heading: &str| words.contains(&heading);
    Some(if has("CHART") {
        "make it with `helm ls -A -o json`"
    } else if has("DISPLAY") || has("REPLACES") || has("CSV") {
        "make it with `oc get csv -A -o json`"
    } else if has("REPOSITORY") {
        "make it with `podman images --format json`"
    } else if has("SIZE") {
        "make it with `crictl images -o json`"
    } else {
        "make it with `oc get pods -A -o json`"
    })
}

/// Whether a first line is YAML: a document's start, or a key that is not a kind of question.
fn begins_yaml(line: &str) -> bool {
    if line == "---" || line.starts_with("--- ") || line.starts_with("%YAML") {
        return true;
    }
    let mut line = line;
    while let Some(rest) = line.strip_prefix("- ") {
        line = rest.trim_start();
    }
    let Some((key, rest)) = line.split_once(':') else { return false };
    let key = key.trim_matches(['"', '\'']);
    let is_key = key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    is_key && (rest.is_empty() || rest.starts_with([' ', '\t'])) && !lines::is_kind(key)
}

/// The documents of a text in JSON.
pub(super) fn json(text: &str) -> Result<Vec<Node>, InputError> {
    let documents = serde_json::Deserializer::from_str(text).into_iter();
    let documents = documents.map(|node| node.and_then(|node| take_room().map(|()| node)));
    bounded(|| documents.collect::<Result<_, _>>()).map_err(InputError::Json)
}

/// The documents of a text in YAML.
pub(super) fn yaml(text: &str) -> Result<Vec<Node>, InputError> {
    if text.len() as u64 > limits::QUESTIONS_YAML_BYTES {
        let limit = crate::base::text::size(limits::QUESTIONS_YAML_BYTES);
        return Err(InputError::Yaml(format!("it has more than {limit}")));
    }
    bounded(|| super::yaml::documents(text)).map_err(|error| InputError::Yaml(error.to_string()))
}
