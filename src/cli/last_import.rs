//! Where the last import went: a hint for a command that finds nothing in its default folder, and nothing more.

use std::path::{Path, PathBuf};

use super::flags::DEFAULT_DB;
use super::{documents, xdg};
use crate::base::{fs, text};
use crate::ops::Error;

/// The file's name in the user's state folder. It holds a path and a line end.
const FILE: &str = "last-import";
/// No path is longer (`PATH_MAX`), so oct did not write a longer file.
const MOST_BYTES: u64 = 4096;

/// Records that an import went to `to`. A failure does not fail the import: only the hint is missing then.
pub(super) fn note(to: &Path) {
    if let (Some(folder), Ok(to)) = (xdg::state(), fs_err::canonicalize(to))
        && let Err(error) = write(&folder, &to)
    {
        tracing::info!(%error, "cannot record where the import went");
    }
}

fn write(folder: &Path, to: &Path) -> std::io::Result<()> {
    fs::make_folders(folder)?;
    fs::write(&folder.join(FILE), &[to.as_os_str().as_encoded_bytes(), b"\n"].concat(), 0o600)
}

/// The hint for a `dir` that is the default and holds nothing.
pub(super) fn hint(dir: &Path) -> Option<String> {
    if dir != Path::new(DEFAULT_DB) {
        return None;
    }
    let to = read(&xdg::state()?)?;
    let there = text::sanitize(&documents::path(&to));
    Some(format!("the last import went to `{there}`: name that folder, or set OCT_DB, or `db` in config.toml"))
}

/// The hint for an error that says that the folder is empty.
pub(super) fn hint_of(error: &Error) -> Option<String> {
    hint(error.empty_folder()?)
}

fn read(folder: &Path) -> Option<PathBuf> {
    let text = fs::read_text(&folder.join(FILE), MOST_BYTES).ok()?;
    let to = PathBuf::from(text.trim_end_matches('\n'));
    (to.is_absolute() && to.is_dir()).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(read(&state), None);
        write(&state, folder.path()).unwrap();
        assert_eq!(read(&state).as_deref(), Some(folder.path()));
        for odd in ["relative\n", "", "/no/such/folder\n", "\u{1b}[2J\n"] {
            fs_err::write(state.join(FILE), odd).unwrap();
            assert_eq!(read(&state), None, "{odd:?}");
        }
        assert_eq!(fs_err::read_dir(&state).unwrap().count(), 1, "no temporary file stays");
    }
}
