//! The user's folders by the XDG Base Directory Specification, from the environment alone.
//!
//! Where `HOME` is not set there are none. To look the user up in the host's database would be a trap: in a static
//! binary the C library loads plugins for that, and crashes.

use std::ffi::OsString;
use std::path::PathBuf;

/// `$XDG_CONFIG_HOME/oct`.
pub(super) fn config() -> Option<PathBuf> {
    folder(std::env::var_os("XDG_CONFIG_HOME"), std::env::var_os("HOME"), ".config")
}

/// `$XDG_CACHE_HOME/oct`.
pub(super) fn cache() -> Option<PathBuf> {
    folder(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"), ".cache")
}

/// `$XDG_STATE_HOME/oct`.
pub(super) fn state() -> Option<PathBuf> {
    folder(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"), ".local/state")
}

/// A relative path counts as none (the specification: "consider the path invalid and ignore it").
fn folder(named: Option<OsString>, home: Option<OsString>, default: &str) -> Option<PathBuf> {
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let base = named.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(default)))?;
    Some(base.join("oct"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_goes_before_the_home_and_relative_paths_count_for_nothing() {
        let folder = |named: Option<&str>, home: Option<&str>| {
            folder(named.map(OsString::from), home.map(OsString::from), ".config")
                .map(|path| path.display().to_string())
        };
        assert_eq!(folder(Some("/x"), Some("/home/u")).unwrap(), "/x/oct");
        assert_eq!(folder(None, Some("/home/u")).unwrap(), "/home/u/.config/oct");
        assert_eq!(folder(Some("x"), Some("/home/u")).unwrap(), "/home/u/.config/oct");
        assert_eq!(folder(Some(""), Some("")), None);
        assert_eq!(folder(None, None), None);
    }
}
