//! The user's folders by the XDG Base Directory Specification, from the environment alone.
//!
//! Without `HOME`, only absolute XDG variables name them. oct does not look the user up in the host's database: in a
//! static binary the C library loads plugins for that, and crashes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::base::{fs, limits};
use crate::ops::keys::Caller;

/// The list of users. oct reads from it only the home of the user who called `sudo`, for a hint.
const USERS: &str = "/etc/passwd";

/// `$XDG_CONFIG_HOME/oct`.
pub(super) fn config() -> Option<PathBuf> {
    folder(std::env::var_os("XDG_CONFIG_HOME"), std::env::var_os("HOME"), ".config")
}

/// `$XDG_CACHE_HOME/oct`.
pub(super) fn cache() -> Option<PathBuf> {
    folder(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"), ".cache")
}

/// The user who called `sudo`, if it is another user than the present one.
pub(super) fn sudo() -> Option<Caller> {
    let uid: u32 = std::env::var("SUDO_UID").ok()?.parse().ok()?;
    if uid == rustix::process::geteuid().as_raw() {
        return None;
    }
    let users = || fs::read_text(Path::new(USERS), limits::CONFIG_FILE_BYTES).ok();
    let home = std::env::var_os("SUDO_HOME").map(PathBuf::from).or_else(|| home_of(uid, &users()?));
    Some(Caller { uid, folder: home.map(|home| home.join(".config/oct/trusted.d")) })
}

/// The home of the user `uid` in a text of the form of `/etc/passwd`.
fn home_of(uid: u32, users: &str) -> Option<PathBuf> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields.into_iter().find_map(|fields| match fields[..] {
        [_, _, id, _, _, home, _] if id.parse() == Ok(uid) => Some(PathBuf::from(home)),
        _ => None,
    });
    home.filter(|home| home.is_absolute())
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
    fn a_home_is_found_by_the_number_of_its_user() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nodd:x:1001:1:::\n";
        assert_eq!(home_of(1000, users), Some("/home/ann".into()));
        assert_eq!((home_of(1001, users), home_of(100, users), home_of(7, "")), (None, None, None));
    }

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
