//! Values as people write them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::text::sanitize;

pub use crate::base::text::duration;

/// An instant: RFC 3339, or a date, which begins at midnight UTC.
///
/// # Errors
/// Says what is expected.
pub fn instant(text: &str) -> Result<Timestamp, String> {
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
pub fn organization(text: &str) -> Result<String, String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c)) {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err("an organization has a name".into()),
        Some(bad) => Err(format!("{bad:?} is not part of an organization's name")),
    }
}

/// A URL that can be fetched.
///
/// # Errors
/// Says what is expected.
pub fn url(text: &str) -> Result<reqwest::Url, String> {
    let shown = sanitize(text);
    let url: reqwest::Url = text.parse().map_err(|error| format!("`{shown}` is no URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(format!("`{shown}` is neither http nor https")) }
}

/// A number of things of which one has to stay.
///
/// # Errors
/// Says what is expected.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("`{}` is not a number from 1 on", sanitize(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        assert_eq!(instant("2026-01-31").unwrap().to_string(), "2026-01-31T00:00:00Z");
        assert_eq!(instant("2026-01-31T12:00:00+02:00").unwrap().to_string(), "2026-01-31T10:00:00Z");
        assert!(instant("yesterday").is_err());
    }
}
