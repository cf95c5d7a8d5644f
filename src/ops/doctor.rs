//! `oct doctor`: would certsuite use this folder, and can it read it. The one command for the bastion that opens a socket:
//! it asks for `/ping`, as certsuite does before it decides.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::base::text::sanitize;
use crate::catalog::document::Operator;
use crate::catalog::folder::{FolderError, TnfFolder, Visitor};
use crate::catalog::{ChartIndex, ContainerEntry, TnfError, layout};
use crate::http::{ERROR_BYTES, Fault, Http, HttpError, HttpOptions, is_html};
use crate::pyxis::endpoint;

use super::Error;

/// The number of unreadable files that are named; the rest is only counted.
const NAMED: usize = 5;

/// Who answers where the catalog should, as certsuite tells them apart (its source: a transport error, 404 and a body that
/// breaks off mean unreachable, every other answer reachable).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The catalog: certsuite asks it, and never opens the folder.
    Catalog,
    /// Nobody, and why: certsuite uses the folder.
    Nobody(String),
    /// Something else, such as the block page of a proxy: certsuite takes it for the catalog, and finds nothing certified.
    Another(String),
}

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The folder, as the user named it.
    pub dir: PathBuf,
    /// How certsuite loads it.
    pub loaded: Result<Loaded, FolderError>,
    /// What keeps another user from reading it.
    pub closed: Vec<Closed>,
    /// Further files that another user cannot read.
    pub more_closed: u64,
    /// The SELinux label of `data`, if there is one.
    pub label: Option<String>,
    /// What answered `/ping`.
    pub reached: Reached,
}

/// A folder that certsuite can load.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Keys of `containers.db`.
    pub digests: u64,
    /// Rows of operator pages.
    pub operators: u64,
    /// Chart versions.
    pub charts: u64,
    /// Files that certsuite logs and skips.
    pub warnings: Vec<String>,
}

/// A file or folder that only some users can read.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub path: PathBuf,
    /// Its mode.
    pub mode: u32,
    /// The user that owns it.
    pub owner: u32,
}

impl Diagnosis {
    /// Whether certsuite would load this folder and answer from it, for every user.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.loaded.is_ok() && self.closed.is_empty() && matches!(self.reached, Reached::Nobody(_))
    }
}

impl Visitor for Loaded {
    fn container(&mut self, _: &str, _: Option<&ContainerEntry>) -> Result<(), TnfError> {
        self.digests += 1;
        Ok(())
    }

    fn operator(&mut self, _: &Operator) {
        self.operators += 1;
    }

    fn charts(&mut self, index: ChartIndex) {
        self.charts = index.versions().len() as u64;
    }
}

/// Looks at the folder `dir` as certsuite does, and asks the catalog at `catalog` for its `/ping`.
///
/// # Errors
/// If HTTP cannot be set up. Faults of the folder are in the diagnosis.
pub async fn doctor(dir: &Path, catalog: &Url, http: HttpOptions) -> Result<Diagnosis, Error> {
    let loaded = load(dir);
    let (mut closed, mut more_closed) = (Vec::new(), 0);
    let mut note = |found: Closed| if closed.len() < NAMED { closed.push(found) } else { more_closed += 1 };
    let real = fs_err::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    for above in real.ancestors() {
        look(above, 0o001, &mut note);
    }
    for path in [layout::CONTAINERS_DB, layout::HELM_DB] {
        let file = real.join(path);
        file.parent().into_iter().for_each(|folder| look(folder, 0o001, &mut note));
        look(&file, 0o004, &mut note);
    }
    look(&real.join("data"), 0o001, &mut note);
    let operators = real.join(layout::OPERATORS_DIR);
    look(&operators, 0o005, &mut note);
    for entry in fs_err::read_dir(&operators).into_iter().flatten().flatten() {
        look(&entry.path(), 0o004, &mut note);
    }
    let reached = reach(catalog, http).await?;
    Ok(Diagnosis { dir: dir.to_owned(), loaded, closed, more_closed, label: label(&real.join("data")), reached })
}

/// Asks for `/ping` once, as certsuite does.
async fn reach(catalog: &Url, options: HttpOptions) -> Result<Reached, HttpError> {
    let http = Http::new(options, catalog)?;
    let url = endpoint(catalog, "ping");
    let answer = http.get_once(&url, ERROR_BYTES).await;
    Ok(match answer {
        Ok(answer) if answer.body.as_deref().is_some_and(is_html) => {
            Reached::Another(format!("HTTP status {} with an HTML page", answer.status))
        }
        Ok(_) => Reached::Catalog,
        Err(fault @ Fault::Status { code: 404, .. }) => Reached::Nobody(fault.to_string()),
        Err(fault @ (Fault::Status { .. } | Fault::TooLarge(_) | Fault::Redirect(_))) => {
            Reached::Another(sanitize(&fault.to_string()))
        }
        Err(fault) => Reached::Nobody(sanitize(&fault.to_string())),
    })
}

/// Loads the folder as certsuite does.
fn load(dir: &Path) -> Result<Loaded, FolderError> {
    let mut loaded = Loaded::default();
    loaded.warnings = TnfFolder::open(dir)?.read(&mut loaded)?.warnings;
    Ok(loaded)
}

/// Notes `path` if not every user has the rights `needed`.
fn look(path: &Path, needed: u32, note: &mut impl FnMut(Closed)) {
    // The load has already reported a missing file.
    let Ok(found) = path.metadata() else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & needed != needed {
        note(Closed { path: path.to_owned(), mode, owner: found.uid() });
    }
}

/// The SELinux label of `path`, as `ls -Z` shows it.
fn label(path: &Path) -> Option<String> {
    let mut buffer = [0; 256];
    let length = match rustix::fs::getxattr(path, "security.selinux", &mut buffer) {
        Ok(length) => length,
        Err(error) => {
            tracing::debug!(error = %io::Error::from(error), "no SELinux label");
            return None;
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..length)?).trim_end_matches('\0').to_owned();
    Some(crate::base::text::sanitize(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cannot_read_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        std::fs::write(&file, "").unwrap();
        for (mode, needed, is_noted) in [(0o644, 0o004, false), (0o640, 0o004, true), (0o604, 0o005, true)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let mut noted = Vec::new();
            look(&file, needed, &mut |closed| noted.push(closed.mode));
            assert_eq!(noted, if is_noted { vec![mode] } else { vec![] });
        }
        look(&folder.path().join("none"), 0o004, &mut |closed| panic!("{closed:?}"));
    }
}
