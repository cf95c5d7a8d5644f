//! A folder that is held open, and everything below it, reached from that handle. No symbolic link is followed, and
//! nothing above the folder is reached, even if others may write into it. Paths are only for messages.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatxFlags};
use rustix::io::Errno;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::error::{Doing, Result, StoreError};

/// Mode of every file, whatever the umask.
pub(super) const FILE_MODE: u32 = 0o644;
/// Mode of every folder, whatever the umask.
pub(super) const FOLDER_MODE: u32 = 0o755;

/// A handle only for paths below it: it needs no right to list the folder.
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// For listing and syncing a folder.
const LISTING: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder that is held open. Every `path` that its methods take is relative and made of plain names.
#[derive(Debug)]
pub(super) struct Dir {
    handle: OwnedFd,
    path: PathBuf,
}

/// The folder that holds the last name of a path, and that name.
struct Spot<'a> {
    parent: Option<OwnedFd>,
    dir: &'a Dir,
    name: &'a OsStr,
}

impl AsFd for Spot<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.parent.as_ref().unwrap_or(&self.dir.handle).as_fd()
    }
}

impl Dir {
    /// Opens the folder that the user named. Links in `path` are the user's own, and are followed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        match rustix::fs::open(path, HANDLE, Mode::empty()) {
            Ok(handle) => {
                let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                Ok(Self { handle, path })
            }
            Err(Errno::NOTDIR) if path.symlink_metadata().is_ok() => {
                Err(StoreError::NotAFolder { path: path.to_owned() })
            }
            Err(error) => Err(error).doing("open", path),
        }
    }

    /// Creates that folder with all its parents, makes their names durable, and opens it.
    pub(super) fn make_all(path: &Path, hooks: &dyn Checkpoints) -> Result<Self> {
        let mut missing = Vec::new();
        let mut next = path;
        let mut dir = loop {
            match Self::open(if next.as_os_str().is_empty() { Path::new(".") } else { next }) {
                Err(error) if error.errno() == Some(Errno::NOENT) => {}
                opened => break opened?,
            }
            // A path that ends in `..` cannot be created.
            let (Some(parent), Some(name)) = (next.parent(), next.file_name()) else {
                return Err(Errno::NOENT).doing("create", path);
            };
            missing.push(name);
            next = parent;
        };
        for name in missing.into_iter().rev() {
            hooks.before(Checkpoint::MakeFolder).doing("create", &dir.at(name))?;
            let made = dir.ensure_folder(name)?;
            dir.sync()?;
            dir = made;
        }
        Ok(dir)
    }

    /// The folder's path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, for messages.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.join(path)
    }

    /// Opens what `path` names below the folder.
    fn beneath(&self, path: &Path, flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        plain(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The newer call refuses a mode if nothing is created.
        let mode = Mode::from_raw_mode(if flags.contains(OFlags::CREATE) { mode } else { 0 });
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.handle, path, flags, mode, resolve) {
            // An older kernel, or a sandbox that refuses the call.
            Err(Errno::NOSYS | Errno::PERM) => self.walk(path, flags, mode),
            opened => opened,
        }
    }

    /// The same, name by name.
    fn walk(&self, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        let mut folder: Option<OwnedFd> = None;
        let mut names = path.iter().peekable();
        while let Some(name) = names.next() {
            let at = folder.as_ref().unwrap_or(&self.handle);
            if names.peek().is_none() {
                return rustix::fs::openat(at, name, flags, mode);
            }
            folder = Some(rustix::fs::openat(at, name, HANDLE | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Err(Errno::INVAL)
    }

    fn spot<'a>(&'a self, path: &'a Path) -> rustix::io::Result<Spot<'a>> {
        plain(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
        let parent = if parent.as_os_str().is_empty() { None } else { Some(self.beneath(parent, HANDLE, 0)?) };
        Ok(Spot { parent, dir: self, name })
    }

    /// What has this name, without following it; `None` if nothing has.
    pub(super) fn stat(&self, path: impl AsRef<Path>) -> Result<Option<Stat>> {
        let path = path.as_ref();
        let found = self.spot(path).and_then(|spot| rustix::fs::statat(&spot, spot.name, AtFlags::SYMLINK_NOFOLLOW));
        match found {
            Ok(found) => Ok(Some(found)),
            // oct puts nothing behind a link.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error).doing("look at", &self.at(path)),
        }
    }

    /// Whether anything has this name.
    pub(super) fn exists(&self, path: impl AsRef<Path>) -> Result<bool> {
        Ok(self.stat(path)?.is_some())
    }

    /// The kind of what has this name.
    pub(super) fn kind(&self, path: impl AsRef<Path>) -> Result<Option<FileType>> {
        Ok(self.stat(path)?.map(|found| FileType::from_raw_mode(found.st_mode)))
    }

    /// The folder of this name; `None` if nothing has the name. Anything else of that name is an error, a symbolic
    /// link too.
    pub(super) fn folder(&self, path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        match self.beneath(path, HANDLE, 0) {
            Ok(handle) => Ok(Some(Self { handle, path: self.at(path) })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(StoreError::NotAFolder { path: self.at(path) }),
            Err(error) => Err(error).doing("open", &self.at(path)),
        }
    }

    /// Creates one folder with [`FOLDER_MODE`].
    pub(super) fn make_folder(&self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let made = self.spot(path).and_then(|spot| {
            rustix::fs::mkdirat(&spot, spot.name, Mode::from_raw_mode(FOLDER_MODE))?;
            rustix::fs::openat(&spot, spot.name, LISTING | OFlags::NOFOLLOW, Mode::empty())
        });
        let folder = File::from(made.doing("create", &self.at(path))?);
        set_mode(&folder, FOLDER_MODE).doing("set the mode of", &self.at(path))?;
        Ok(Self { handle: folder.into(), path: self.at(path) })
    }

    /// Creates one folder unless it is there.
    pub(super) fn ensure_folder(&self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = self.folder(path)? {
            return Ok(folder);
        }
        match self.make_folder(path) {
            // Somebody else was quicker.
            Err(error) if error.errno() == Some(Errno::EXIST) => {
                self.folder(path)?.ok_or_else(|| StoreError::NotAFolder { path: self.at(path) })
            }
            made => made,
        }
    }

    /// Creates a file that must not exist, with [`FILE_MODE`].
    pub(super) fn create_file(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(self.beneath(path, flags, FILE_MODE).doing("create", &self.at(path))?);
        set_mode(&file, FILE_MODE).doing("set the mode of", &self.at(path))?;
        Ok(file)
    }

    /// Writes a whole small file that must not exist, and syncs it.
    pub(super) fn write_file(&self, path: impl AsRef<Path>, bytes: &[u8], hooks: &dyn Checkpoints) -> Result<()> {
        let (path, at) = (path.as_ref(), self.at(&path));
        hooks.before(Checkpoint::CreateFile).doing("create", &at)?;
        let mut file = self.create_file(path)?;
        hooks.before(Checkpoint::WriteFile).and_then(|()| file.write_all(bytes)).doing("write", &at)?;
        hooks.before(Checkpoint::SyncFile).and_then(|()| file.sync_all()).doing("sync", &at)
    }

    /// Opens a regular file with these flags, without blocking on a pipe; `None` where something else has the name.
    pub(super) fn open_with(&self, path: impl AsRef<Path>, flags: OFlags, mode: u32) -> io::Result<Option<File>> {
        match self.beneath(path.as_ref(), flags | OFlags::NONBLOCK | OFlags::NOCTTY, mode) {
            Ok(file) => {
                let file = File::from(file);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            // A symbolic link, a socket, a pipe without a reader, a folder.
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file for reading; `None` where something else has the name.
    pub(super) fn open_regular(&self, path: impl AsRef<Path>) -> io::Result<Option<File>> {
        self.open_with(path, OFlags::RDONLY, 0)
    }

    /// At most `limit` bytes of a file; `None` if there is none, nothing where it is not a regular file.
    pub(super) fn read_up_to(&self, path: impl AsRef<Path>, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        match self.open_regular(path) {
            Ok(Some(file)) => {
                file.take(limit).read_to_end(&mut bytes).doing("read", &self.at(path))?;
            }
            Ok(None) => {}
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error).doing("read", &self.at(path)),
        }
        Ok(Some(bytes))
    }

    /// The names in a folder below.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        names_in(self.beneath(path.as_ref(), LISTING, 0)?)
    }

    /// Where a symbolic link leads.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Result<OsString> {
        let path = path.as_ref();
        let target = self.spot(path).and_then(|spot| rustix::fs::readlinkat(&spot, spot.name, Vec::new()));
        Ok(OsStr::from_bytes(target.doing("read", &self.at(path))?.to_bytes()).to_owned())
    }

    /// Makes a symbolic link, which nobody here follows.
    pub(super) fn make_link(&self, target: &OsStr, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let made = self.spot(path).and_then(|spot| rustix::fs::symlinkat(target, &spot, spot.name));
        made.doing("create", &self.at(path))
    }

    /// Gives a file or folder another name, in `to`, that must be free.
    pub(super) fn rename(&self, path: impl AsRef<Path>, to: &Self, name: impl AsRef<Path>) -> Result<()> {
        let (path, name) = (path.as_ref(), name.as_ref());
        match self.rename_with(path, to, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                if to.exists(name)? {
                    return Err(Errno::EXIST).doing("move something to", &to.at(name));
                }
                self.replace(path, to, name)
            }
            renamed => renamed.doing("move", &self.at(path)),
        }
    }

    /// Gives a file another name, in `to`, in the place of what has it.
    pub(super) fn replace(&self, path: impl AsRef<Path>, to: &Self, name: impl AsRef<Path>) -> Result<()> {
        let (path, name) = (path.as_ref(), name.as_ref());
        self.rename_with(path, to, name, RenameFlags::empty()).doing("move", &self.at(path))
    }

    /// Exchanges two names in one step.
    pub(super) fn exchange(&self, path: impl AsRef<Path>, to: &Self, name: impl AsRef<Path>) -> Result<()> {
        let (path, name) = (path.as_ref(), name.as_ref());
        self.rename_with(path, to, name, RenameFlags::EXCHANGE).doing("exchange", &self.at(path))
    }

    fn rename_with(&self, path: &Path, to: &Self, name: &Path, flags: RenameFlags) -> rustix::io::Result<()> {
        let (from, to) = (self.spot(path)?, to.spot(name)?);
        if flags.is_empty() {
            return rustix::fs::renameat(&from, from.name, &to, to.name);
        }
        rustix::fs::renameat_with(&from, from.name, &to, to.name, flags)
    }

    /// Removes whatever has this name, with all that is in it; whether there was something.
    pub(super) fn remove(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        match self.spot(path).and_then(|spot| remove_at(spot.as_fd(), spot.name)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !self.exists(path)? => Ok(false),
            Err(error) => Err(error).doing("remove", &self.at(path)),
        }
    }

    /// Removes a folder if it is there and empty.
    pub(super) fn remove_if_empty(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match self.spot(path).and_then(|spot| rustix::fs::unlinkat(&spot, spot.name, AtFlags::REMOVEDIR)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(error) => Err(error).doing("remove", &self.at(path)),
        }
    }

    /// Makes the names in this folder durable. Some filesystems sync names by themselves and refuse to be asked.
    pub(super) fn sync(&self) -> Result<()> {
        let opened = rustix::fs::openat(&self.handle, ".", LISTING, Mode::empty());
        match rustix::fs::fsync(opened.doing("open", &self.path)?) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::BADF) => Ok(()),
            synced => synced.doing("sync", &self.path),
        }
    }

    /// The same for a folder below, if it is there.
    pub(super) fn sync_below(&self, path: impl AsRef<Path>) -> Result<()> {
        self.folder(path)?.map_or(Ok(()), |folder| folder.sync())
    }

    /// Sets the folder's mode.
    pub(super) fn set_mode(&self, mode: u32) -> Result<()> {
        let opened = rustix::fs::openat(&self.handle, ".", LISTING, Mode::empty());
        let folder = File::from(opened.doing("open", &self.path)?);
        folder.set_permissions(Permissions::from_mode(mode)).doing("set the mode of", &self.path)
    }

    /// Takes the right to write here from everybody but the owner, as far as the filesystem has such rights.
    pub(super) fn keep_others_out(&self) {
        let mode = rustix::fs::fstat(&self.handle).map_or(0, |found| found.st_mode & 0o7777);
        if mode & 0o022 != 0 {
            let _ = self.set_mode(mode & !0o022);
        }
    }

    /// The user that the folder belongs to.
    pub(super) fn owner(&self) -> Result<u32> {
        Ok(rustix::fs::fstat(&self.handle).doing("look at", &self.path)?.st_uid)
    }

    /// Whether names can be moved between the two folders: a mount between them prevents it, even one of the same
    /// filesystem.
    pub(super) fn is_on_mount_of(&self, other: &Self) -> Result<bool> {
        let mount = |dir: &Self| {
            let found = rustix::fs::statx(&dir.handle, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
            // Kernels before 5.8 do not tell the mount.
            let id = if found.stx_mask & StatxFlags::MNT_ID.bits() == 0 { 0 } else { found.stx_mnt_id };
            Ok::<_, Errno>((id, found.stx_dev_major, found.stx_dev_minor))
        };
        match (mount(self), mount(other)) {
            (Ok(one), Ok(other)) => Ok(one == other),
            // Some sandboxes refuse the call.
            (Err(Errno::NOSYS | Errno::PERM), _) | (_, Err(Errno::NOSYS | Errno::PERM)) => Ok(true),
            (Err(error), _) | (_, Err(error)) => Err(error).doing("look at", &self.path),
        }
    }
}

/// The filesystem's figures for the folder `path`, or the nearest one above it that exists.
pub(super) fn filesystem_of(path: &Path) -> Result<rustix::fs::StatVfs> {
    let at = path.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    let handle = rustix::fs::openat(CWD, at, HANDLE, Mode::empty()).doing("open", at)?;
    rustix::fs::fstatvfs(&handle).doing("ask for the free space of", at)
}

/// Refuses a path that could lead anywhere but below.
fn plain(path: &Path) -> rustix::io::Result<()> {
    let mut names = 0;
    for part in path.components() {
        match part {
            Component::Normal(_) => names += 1,
            _ => return Err(Errno::INVAL),
        }
    }
    if names == 0 { Err(Errno::INVAL) } else { Ok(()) }
}

fn names_in(folder: OwnedFd) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
    let entries = rustix::fs::Dir::new(folder)?;
    Ok(entries.filter_map(|entry| match entry {
        Ok(entry) => {
            let name = entry.file_name().to_bytes();
            (name != b"." && name != b"..").then(|| Ok(OsStr::from_bytes(name).to_owned()))
        }
        Err(error) => Some(Err(error.into())),
    }))
}

/// Folders within folders that a removal holds open at once; those below them are moved up first. Stops a folder of a
/// thousand levels from using up the open files or the stack; a catalog has two.
const HELD: usize = 16;

/// Removes what has this name in `parent`, with all that is in it.
fn remove_at(parent: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    let Some(top) = remove_or_open(parent, name)? else { return Ok(()) };
    let mut moved = 0;
    loop {
        let before = moved;
        empty(top.as_fd(), top.as_fd(), HELD, &mut moved)?;
        if moved == before {
            return rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes all that is in `folder`, but moves what lies `levels` below it into `top`, each with a number as its name;
/// `moved` is the last of these.
fn empty(folder: BorrowedFd<'_>, top: BorrowedFd<'_>, levels: usize, moved: &mut u64) -> rustix::io::Result<()> {
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let removed = match remove_or_open(folder, name) {
            Ok(None) => Ok(()),
            Ok(Some(_)) if levels == 0 => move_up(folder, name, top, moved),
            Ok(Some(below)) => empty(below.as_fd(), top, levels - 1, moved)
                .and_then(|()| rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)),
            Err(error) => Err(error),
        };
        match removed {
            // Somebody else was quicker.
            Err(Errno::NOENT) => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// Removes a file; a folder is opened instead.
fn remove_or_open(parent: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<Option<OwnedFd>> {
    let refused = match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        removed => return removed.map(|()| None),
    };
    match rustix::fs::openat(parent, name, LISTING | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP) => Err(refused),
        opened => opened.map(Some),
    }
}

/// Moves a folder into `top`.
fn move_up(folder: BorrowedFd<'_>, name: &OsStr, top: BorrowedFd<'_>, moved: &mut u64) -> rustix::io::Result<()> {
    loop {
        *moved += 1;
        match rustix::fs::renameat(folder, name, top, moved.to_string()) {
            // Something has this number as its name.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            renamed => return renamed,
        }
    }
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

#[cfg(test)]
mod tests;
