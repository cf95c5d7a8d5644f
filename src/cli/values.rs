//! Values as people write them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::text::sanitize;
use crate::ops::list::Place;

/// A switch as a variable or a configuration file sets it.
///
/// # Errors
/// Says what is expected.
pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" => Ok(true),
        "" | "0" | "no" | "false" => Ok(false),
        _ => Err("expected 1, yes or true, or 0, no or false".into()),
    }
}

/// How often a switch is given, as a variable or a configuration file sets it: a number, or a word for yes or no.
///
/// # Errors
/// Says what is expected.
pub(super) fn level(text: &str) -> Result<u8, String> {
    let number = || text.parse().map_err(|_| "expected a number, or yes, true, no or false".to_owned());
    yes_or_no(text).map_or_else(|_| number(), |yes| Ok(u8::from(yes)))
}

/// A path. A leading `~` is the user's home: the shell does not expand it in `--to=~/x` or in a variable. A URL is
/// refused.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let is_url = |scheme: &str| path.as_os_str().as_encoded_bytes().starts_with(scheme.as_bytes());
        if is_url("https://") || is_url("http://") {
            return Err("this is a URL, not a file: `oct pull` fetches an archive");
        }
        Ok(expanded(path))
    })
}

/// The same for a path that is not the whole value of a flag.
pub(super) fn expanded(path: PathBuf) -> PathBuf {
    with_home(path, std::env::var_os("HOME").as_deref())
}

fn with_home(path: PathBuf, home: Option<&OsStr>) -> PathBuf {
    match (path.strip_prefix("~"), home.filter(|home| !home.is_empty())) {
        (Ok(rest), Some(home)) => Path::new(home).join(rest),
        _ => path,
    }
}

/// A folder, or the URL of a site.
pub(super) fn place() -> impl TypedValueParser<Value = Place> {
    PathBufValueParser::new().try_map(|path| match path.to_str().filter(|text| text.contains("://")) {
        Some(text) => url(text).map(Place::Site),
        None => Ok(Place::Folder(expanded(path))),
    })
}

pub(super) use crate::base::text::duration;

/// An instant: RFC 3339, or a date, which begins at midnight UTC.
///
/// # Errors
/// Says what is expected.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let shown = sanitize(text);
    let expected = || format!("`{shown}` is neither a date like 2026-01-31 nor an instant like 2026-01-31T12:00:00Z");
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let date: Date = text.parse().map_err(|_| expected())?;
    date.to_zoned_datetime(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| expected())
}

/// An organization of the catalog: letters, digits, `.`, `_` and `-`.
///
/// # Errors
/// Names the character that is wrong.
pub(super) fn organization(text: &str) -> Result<String, String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c)) {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err("the name of an organization is empty".into()),
        Some(bad) => Err(format!("{bad:?} is not part of an organization's name")),
    }
}

/// A URL that can be fetched.
///
/// # Errors
/// Says what is expected.
pub(super) fn url(text: &str) -> Result<reqwest::Url, String> {
    let shown = sanitize(text);
    let url: reqwest::Url = text.parse().map_err(|error| format!("`{shown}` is not a URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(format!("`{shown}` is neither http nor https")) }
}

/// A number of at least 1.
///
/// # Errors
/// Says what is expected.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("`{}` is not a number of 1 or more", sanitize(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_put_in_only_for_a_tilde_that_stands_alone() {
        let path = |text: &str| with_home(text.into(), Some(OsStr::new("/home/u"))).display().to_string();
        assert_eq!(path("~/x"), "/home/u/x");
        assert_eq!(path("~x/y"), "~x/y");
        assert_eq!(path("a/~"), "a/~");
        assert_eq!(with_home("~/x".into(), None), Path::new("~/x"));
    }

    #[test]
    fn instants() {
        assert_eq!(instant("2026-01-31").unwrap().to_string(), "2026-01-31T00:00:00Z");
        assert_eq!(instant("2026-01-31T12:00:00+02:00").unwrap().to_string(), "2026-01-31T10:00:00Z");
        assert!(instant("yesterday").is_err());
    }
}
