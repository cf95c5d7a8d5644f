//! `oct prune`: removes previous catalogs, older archives and leftovers.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::list::is_folder_of_archives;
use super::{Error, LOCK_WAIT};
use crate::archive::{self, Retained, site};
use crate::base::fs;
use crate::base::progress::Progress;
use crate::importer::{Holder, OCT, Recovered, Store, Surplus};
use crate::trust::Keyring;
use crate::trust::catalogs::CATALOGS_FILE;

/// What to remove.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// The folder of an installed catalog, or a folder of archives.
    pub dir: PathBuf,
    /// How many previous catalogs stay.
    pub keep: usize,
    /// Whether to remove the files that `oct import --adopt` moved away, too.
    pub adopted: bool,
    /// How many archives stay; `None` keeps all.
    pub retain: Option<usize>,
    /// Whether only to say what would be removed.
    pub dry_run: bool,
    /// This host's clock.
    pub now: Timestamp,
}

/// What was removed, or would be.
#[derive(Debug)]
pub struct PruneReport {
    /// Whether it is a folder of archives.
    pub is_archives: bool,
    /// Paths with their bytes.
    pub removed: Vec<(PathBuf, u64)>,
    /// Names of what `oct import --adopt` moved away, and which stays.
    pub adopted: Vec<String>,
    /// What an interrupted run left, and this run cleaned up first.
    pub recovered: Vec<Recovered>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Removes what `options` name from their folder.
///
/// # Errors
/// If the folder cannot be read or changed.
pub fn prune(options: &PruneOptions, keyring: &Keyring, progress: &dyn Progress) -> Result<PruneReport, Error> {
    if !options.dir.is_dir() {
        return Err(Error::not_a_folder(&options.dir));
    }
    // Without `.oct`, no catalog was ever replaced. The lock of an installed catalog would make that folder.
    let is_installed = || Ok::<_, Error>(fs::list(&options.dir)?.iter().any(|entry| entry.file_name() == OCT));
    if !is_folder_of_archives(&options.dir) && is_installed()? {
        installed(options, progress)
    } else {
        archives(options, keyring)
    }
}

fn installed(options: &PruneOptions, progress: &dyn Progress) -> Result<PruneReport, Error> {
    let (store, holder) = (Store::open(&options.dir), Holder::new("oct prune", options.now));
    let goes = |surplus: &Surplus| options.adopted || !surplus.is_adopted;
    let (recovered, surplus) = if options.dry_run {
        let folder = store.read(&holder, LOCK_WAIT, progress)?;
        (folder.recovered().to_vec(), folder.surplus(options.keep)?)
    } else {
        let mut locked = store.lock(&holder, LOCK_WAIT, progress)?;
        let surplus = locked.surplus(options.keep)?;
        locked.prune(surplus.iter().filter(|surplus| goes(surplus)).cloned().collect())?;
        (locked.recovered().to_vec(), surplus)
    };
    let (removed, left): (Vec<_>, Vec<_>) = surplus.into_iter().partition(goes);
    let path = |name: &str| options.dir.join(OCT).join("previous").join(name);
    Ok(PruneReport {
        is_archives: false,
        removed: removed.into_iter().map(|surplus| (path(&surplus.name), surplus.bytes)).collect(),
        adopted: left.into_iter().map(|surplus| surplus.name).collect(),
        recovered,
        warnings: Vec::new(),
    })
}

fn archives(options: &PruneOptions, keyring: &Keyring) -> Result<PruneReport, Error> {
    let folder = &options.dir;
    let is_archives = is_folder_of_archives(folder);
    let surplus = options.retain.map(|newest| archive::surplus(folder, newest, keyring)).transpose()?;
    let mut removed = sized(surplus.unwrap_or_default());
    let mut warnings = Vec::new();
    if let Some(newest) = options.retain.filter(|_| !options.dry_run) {
        let Retained { removed: gone, failure } = archive::retain(folder, newest, keyring, Path::new(""));
        removed.retain(|(path, _)| gone.contains(path));
        warnings.extend(failure.map(|failure| format!("the rest stays: {failure}")));
        if !gone.is_empty() && folder.join(CATALOGS_FILE).exists() {
            warnings.push(format!(
                "`{CATALOGS_FILE}` still names the removed archives: run `oct publish` with the key that signed it"
            ));
        }
    }
    // Read their sizes before they are removed.
    removed.extend(sized(site::leftovers(folder, false)?));
    if !options.dry_run {
        site::leftovers(folder, true)?;
    }
    Ok(PruneReport { is_archives, removed, adopted: Vec::new(), recovered: Vec::new(), warnings })
}

fn sized(paths: Vec<PathBuf>) -> Vec<(PathBuf, u64)> {
    let size = |path: &Path| fs_err::symlink_metadata(path).map_or(0, |metadata| metadata.len());
    paths.into_iter().map(|path| (path.clone(), size(&path))).collect()
}
