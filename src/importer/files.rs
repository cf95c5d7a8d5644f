//! The system calls that the other modules share, each naming its path when it fails.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};

/// Mode of every file, whatever the umask.
pub(super) const FILE_MODE: u32 = 0o644;
/// Mode of every folder, whatever the umask.
pub(super) const FOLDER_MODE: u32 = 0o755;

/// Whether anything has this name, without following it.
pub(super) fn exists(path: &Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error).doing("look at", path),
    }
}

/// Creates one folder with [`FOLDER_MODE`].
pub(super) fn make_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(FOLDER_MODE).create(path).doing("create", path)?;
    let folder = open_folder(path)?;
    set_mode(&folder, FOLDER_MODE).doing("set the mode of", path)
}

/// Creates one folder unless it is there. Anything else of that name is an error, a symbolic link too.
pub(super) fn ensure_folder(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::NotAFolder { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => match make_folder(path) {
            // Somebody else was quicker.
            Err(error) if error.errno() == Some(Errno::EXIST) => ensure_folder(path),
            made => made,
        },
        Err(error) => Err(error).doing("look at", path),
    }
}

/// Creates a folder with all its parents and makes the new names durable.
pub(super) fn make_folders(path: &Path, hooks: &dyn Checkpoints) -> Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(path);
    while let Some(folder) = next.filter(|folder| !folder.as_os_str().is_empty()) {
        if exists(folder)? {
            break;
        }
        missing.push(folder);
        next = folder.parent();
    }
    for folder in missing.into_iter().rev() {
        hooks.before(Checkpoint::MakeFolder).doing("create", folder)?;
        ensure_folder(folder)?;
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_folder(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Sets a mode. A filesystem that has no modes may refuse, as long as everybody can read the file.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let found = file.metadata()?.permissions().mode();
    // Set-group-id on a folder passes its group on: that is the administrator's wish.
    let wanted = found & 0o7000 | mode;
    if found & 0o7777 == wanted {
        return Ok(());
    }
    match file.set_permissions(Permissions::from_mode(wanted)) {
        Err(_) if found & 0o444 == 0o444 => Ok(()),
        set => set,
    }
}

/// Creates a file that must not exist, with [`FILE_MODE`].
pub(super) fn create_file(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .doing("create", path)?;
    set_mode(&file, FILE_MODE).doing("set the mode of", path)?;
    Ok(file)
}

/// Writes a whole small file that must not exist, and syncs it.
pub(super) fn write_file(path: &Path, bytes: &[u8], hooks: &dyn Checkpoints) -> Result<()> {
    hooks.before(Checkpoint::CreateFile).doing("create", path)?;
    let mut file = create_file(path)?;
    hooks.before(Checkpoint::WriteFile).and_then(|()| file.write_all(bytes)).doing("write", path)?;
    hooks.before(Checkpoint::SyncFile).and_then(|()| file.sync_all()).doing("sync", path)
}

/// Opens a regular file for reading; `None` for anything else, without blocking on a pipe.
pub(super) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::LOOP | Errno::NXIO)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// At most `limit` bytes of a file; `None` where there is none, nothing where it is no regular file.
pub(super) fn read_up_to(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match open_regular(path) {
        Ok(Some(file)) => {
            file.take(limit).read_to_end(&mut bytes).doing("read", path)?;
        }
        Ok(None) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(error).doing("read", path),
    }
    Ok(Some(bytes))
}

fn open_folder(path: &Path) -> Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path).doing("open", path)
}

/// Makes the names in a folder durable. Some filesystems sync names by themselves and refuse to be asked.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let folder = File::open(path).doing("open", path)?;
    match rustix::fs::fsync(&folder) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::BADF) => Ok(()),
        synced => synced.doing("sync", path),
    }
}

/// Syncs each folder that is there.
pub(super) fn sync_folders(paths: &[PathBuf], checkpoint: Checkpoint, hooks: &dyn Checkpoints) -> Result<()> {
    for path in paths {
        hooks.before(checkpoint).doing("sync", path)?;
        if exists(path)? {
            sync_folder(path)?;
        }
    }
    Ok(())
}

/// Whether names can be moved between two folders: a mount between them prevents it, even one of the same filesystem.
pub(super) fn same_mount(one: &Path, other: &Path) -> io::Result<bool> {
    let mount = |path: &Path| {
        let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
        // Kernels before 5.8 do not tell the mount.
        let id = if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 { 0 } else { found.stx_mnt_id };
        Ok::<_, Errno>((id, found.stx_dev_major, found.stx_dev_minor))
    };
    match (mount(one), mount(other)) {
        (Ok(one), Ok(other)) => Ok(one == other),
        // Some sandboxes refuse the call.
        (Err(Errno::NOSYS | Errno::PERM), _) | (_, Err(Errno::NOSYS | Errno::PERM)) => Ok(true),
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

/// Gives a file or folder another name that must be free.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if exists(to)? {
                return Err(Errno::EXIST).doing("move something to", to);
            }
            fs::rename(from, to).doing("move", from)
        }
        renamed => renamed.doing("move", from),
    }
}

/// Exchanges two names in one step.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<()> {
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).doing("exchange", one)
}

/// Removes whatever has this name, without following links; whether there was something.
pub(super) fn remove(path: &Path) -> Result<bool> {
    let Ok(found) = path.symlink_metadata() else {
        return exists(path);
    };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.doing("remove", path)?;
    Ok(true)
}

/// Removes a folder if it is there and empty.
pub(super) fn remove_if_empty(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(error).doing("remove", path)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::importer::NoCheckpoints;

    #[test]
    fn nothing_is_overwritten_and_no_link_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write_file(&at("one"), b"1", &NoCheckpoints).unwrap();
        assert_eq!(write_file(&at("one"), b"2", &NoCheckpoints).unwrap_err().errno(), Some(Errno::EXIST));
        std::os::unix::fs::symlink(at("elsewhere"), at("link")).unwrap();
        assert!(write_file(&at("link"), b"2", &NoCheckpoints).is_err());
        assert!(ensure_folder(&at("link")).is_err());
        assert!(make_folder(&at("link")).is_err());
        assert!(rename(&at("one"), &at("link")).is_err());
        assert_eq!(read_up_to(&at("link"), 9).unwrap(), Some(vec![]));
        assert_eq!(read_up_to(&at("none"), 9).unwrap(), None);
        assert_eq!(read_up_to(&at("one"), 9).unwrap(), Some(b"1".to_vec()));
        assert!(!at("elsewhere").exists());
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing/file");
        let error = create_file(&missing).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot create `{}`", missing.display()));
    }
}
