//! Folders on other filesystems and of other users. Where mounting is not permitted, a test says that it was skipped.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oct::base::failure::{Class, Classified as _};
use oct::importer::{Checkpoint, Method, StoreError};

use super::install_support::*;

/// A mount that ends with this value.
pub struct Mount(PathBuf);

impl Mount {
    pub fn new(at: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let output = Command::new("mount").args(arguments).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: {error}");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A child that another test is just starting may have a file open there for a moment longer.
        for _ in 0..40 {
            if Command::new("umount").arg(&self.0).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Leaves not a byte free, except for what the name of a file takes.
fn fill(path: &Path) {
    let mut size = 1 << 20;
    let mut bytes = vec![0u8; size];
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    while size > 0 {
        match std::io::Write::write(&mut file, &bytes[..size]) {
            Ok(0) | Err(_) => {
                size /= 2;
                bytes.truncate(size);
            }
            Ok(_) => {}
        }
    }
}

#[test]
fn the_disk_fills_up_at_every_step() {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = tempfile::tempdir().unwrap();
    let mount = parent.path().join("small");
    let Some(_mount) = Mount::new(&mount, &["-t", "tmpfs", "-o", "size=14m", "tmpfs"]) else { return };
    let counted = Arc::new(Meddle::default());
    let dir = mount.join("db");
    installed(&dir, 1, "DA");
    new.install(&mut lock_with(&dir, Arc::clone(&counted) as _).unwrap(), 1).unwrap();
    let mut refused = 0;
    for at in counted.passes() {
        let about = format!("full from {at:?} on");
        fs::remove_dir_all(&dir).unwrap();
        installed(&dir, 1, "DA");
        let filler = mount.join("filler");
        let hooks = {
            let filler = filler.clone();
            Meddle::acting(move |checkpoint, pass| {
                if (checkpoint, pass) == at {
                    fill(&filler);
                }
                Ok(())
            })
        };
        let outcome = lock_with(&dir, hooks).and_then(|mut locked| new.install(&mut locked, 1));
        let found = if old.is_in(&dir) { &old } else { &new };
        assert!(found.is_in(&dir), "{about}");
        match outcome {
            Ok(_) => assert!(std::ptr::eq(found, &new), "{about}"),
            Err(error) => {
                refused += 1;
                assert_eq!(error.class(), Class::Host, "{about}");
                assert!(words(&error).to_lowercase().contains("space"), "{about}: {}", words(&error));
                let in_place = matches!(error, StoreError::Unfinished { in_place: true, .. });
                assert_eq!(in_place, std::ptr::eq(found, &new), "{about}: {error:?}");
            }
        }
        // Emptied first: a child that another test is just starting may have the file open for a moment longer.
        fs::write(&filler, "").unwrap();
        fs::remove_file(&filler).unwrap();
        drop(try_lock(&dir).unwrap_or_else(|error| panic!("{about}: {}", words(&error))));
        assert!(found.is_in(&dir) && found.vouches_in(&dir), "{about}");
        assert_tidy(&dir, &about);
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn too_small_from_the_start() {
    let parent = tempfile::tempdir().unwrap();
    let mount = parent.path().join("small");
    for (size, expected) in [("size=6m", "not enough space"), ("size=40m,nr_inodes=24", "more files")] {
        let Some(_mount) = Mount::new(&mount, &["-t", "tmpfs", "-o", size, "tmpfs"]) else { return };
        let dir = mount.join("db");
        let error = Catalog::new('A').install(&mut lock(&dir), 1).unwrap_err();
        assert!(words(&error).contains(expected), "{}", words(&error));
        assert_tidy(&dir, size);
    }
}

#[test]
fn the_folder_is_a_mount_point() {
    let parent = tempfile::tempdir().unwrap();
    let (real, seen) = (parent.path().join("real"), parent.path().join("seen"));
    installed(&real, 1, "A");
    let Some(_mount) = Mount::new(&seen, &["--bind", real.to_str().unwrap()]) else { return };
    let report = Catalog::new('B').install(&mut lock(&seen), 1).unwrap();
    assert_eq!(report.method, Method::Exchange);
    assert!(Catalog::new('B').is_in(&real) && Catalog::new('B').vouches_in(&real));
    assert_tidy(&real, "");
}

#[test]
fn data_or_oct_is_a_mount_point() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, other) = (parent.path().join("db"), parent.path().join("other"));
    installed(&dir, 1, "A");
    fs::create_dir(&other).unwrap();
    {
        let Some(_mount) = Mount::new(&dir.join("data"), &["--bind", dir.join("data").to_str().unwrap()]) else {
            return;
        };
        let error = Catalog::new('B').install(&mut lock(&dir), 1).unwrap_err();
        assert!(words(&error).contains("is a mount point, mount the folder above it instead"), "{}", words(&error));
        assert!(Catalog::new('A').is_in(&dir));
        assert_tidy(&dir, "");
    }
    let Some(_mount) = Mount::new(&dir.join(".oct"), &["--bind", other.to_str().unwrap()]) else { return };
    let error = try_lock(&dir).err().unwrap();
    assert!(words(&error).contains("on the same filesystem as the folder"), "{}", words(&error));
}

#[test]
fn a_read_only_filesystem() {
    let parent = tempfile::tempdir().unwrap();
    let (real, seen) = (parent.path().join("real"), parent.path().join("seen"));
    installed(&real, 1, "A");
    // What a crash left on it cannot be settled.
    let kill = Some((Checkpoint::CollectOld, 0));
    assert!(was_killed(Job { kill, ..Job::new(&real, "install:B") }.run().0));
    let Some(_mount) = Mount::new(&seen, &["--bind", real.to_str().unwrap()]) else { return };
    let remounted = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&seen).status().unwrap();
    assert!(remounted.success());
    let reading = read(&seen).unwrap();
    assert!(reading.is_unfinished() && reading.recovered().is_empty());
    assert!(reading.verify_files(&Catalog::new('B').manifest).is_intact());
    drop(reading);
    let error = try_lock(&seen).err().unwrap();
    assert_eq!(error.class(), Class::Host);
    assert!(words(&error).contains("read-only"), "{}", words(&error));
    drop(lock(&real));
    let reading = read(&seen).unwrap();
    assert!(reading.is_locked() && !reading.is_unfinished());
    assert!(Catalog::new('B').is_in(&seen) && Catalog::new('B').vouches_in(&seen));
}

#[test]
fn a_lower_layer_of_an_overlay() {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = tempfile::tempdir().unwrap();
    // An overlay cannot have an overlay below it, so everything lies on a tmpfs of its own.
    let base = parent.path().join("base");
    let Some(_base) = Mount::new(&base, &["-t", "tmpfs", "tmpfs"]) else { return };
    let lower = base.join("lower");
    installed(&lower.join("db"), 1, "A");
    let mut kills = vec![None];
    for number in 0.. {
        let Some(kill) = kills.get(number).copied() else { break };
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| base.join(format!("{name}{number}")));
        fs::create_dir_all(&upper).unwrap();
        fs::create_dir_all(&work).unwrap();
        let [l, u, w] = [&lower, &upper, &work].map(|path| path.display().to_string());
        let options = format!("lowerdir={l},upperdir={u},workdir={w},redirect_dir=off");
        let Some(_mount) = Mount::new(&merged, &["-t", "overlay", "-o", &options, "overlay"]) else { return };
        let (dir, about) = (merged.join("db"), format!("killed before {kill:?}"));
        if number == 0 {
            let hooks = Arc::new(Meddle::default());
            let report = new.install(&mut lock_with(&dir, Arc::clone(&hooks) as _).unwrap(), 1).unwrap();
            assert_eq!(report.method, Method::Copy);
            let late =
                hooks.passes().into_iter().skip_while(|(checkpoint, _)| *checkpoint != Checkpoint::CommitJournal);
            kills.extend(late.map(Some));
        } else {
            assert!(was_killed(Job { kill, ..Job::new(&dir, "install:B") }.run().0), "{about}");
        }
        drop(lock(&dir));
        let found = if old.is_in(&dir) { &old } else { &new };
        assert!(found.is_in(&dir) && found.vouches_in(&dir), "{about}");
        assert_tidy(&dir, &about);
        if std::ptr::eq(found, &new) {
            assert!(old.is_in(lock(&dir).previous().unwrap()[0].path()), "{about}: the old one is lost");
        }
        assert!(old.is_in(&lower.join("db")));
    }
    assert!(kills.len() > 15, "{}", kills.len());
}

#[test]
fn a_previous_version_in_a_lower_layer_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    let base = parent.path().join("base");
    let Some(_base) = Mount::new(&base, &["-t", "tmpfs", "tmpfs"]) else { return };
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| base.join(name));
    installed(&lower.join("db"), 1, "AB");
    fs::create_dir_all(&upper).unwrap();
    fs::create_dir_all(&work).unwrap();
    let [l, u, w] = [&lower, &upper, &work].map(|path| path.display().to_string());
    let options = format!("lowerdir={l},upperdir={u},workdir={w},redirect_dir=off");
    let Some(_mount) = Mount::new(&merged, &["-t", "overlay", "-o", &options, "overlay"]) else { return };
    let dir = merged.join("db");
    for letter in ['A', 'B', 'A'] {
        lock(&dir).rollback(now()).unwrap();
        assert!(Catalog::new(letter).is_in(&dir) && Catalog::new(letter).vouches_in(&dir), "{letter}");
        assert_tidy(&dir, "");
    }
}

/// Runs a job as a user who has no rights; `None` where that is not possible.
fn as_nobody(job: &Job) -> Option<(std::process::ExitStatus, String)> {
    const NOBODY: u32 = 65_534;
    let mut command = job.command();
    match command.uid(NOBODY).gid(NOBODY).spawn() {
        Ok(child) => Some(finished(child)),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[test]
fn a_folder_of_another_user() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = parent.path().join("db");
    installed(&dir, 1, "A");
    let Some((status, said)) = as_nobody(&Job::new(&dir, "status")) else { return };
    assert!(status.success(), "others may read: {said}");
    let Some((status, said)) = as_nobody(&Job::new(&dir, "install:B")) else { return };
    assert_eq!(status.code(), Some(6), "{said}");
    assert!(said.contains("the user who runs oct needs the right to change"), "{said}");
    assert!(Catalog::new('A').is_in(&dir));

    // The folder is theirs, what the old container left in it is not.
    let dir = parent.path().join("mixed");
    fs::create_dir_all(dir.join("data/containers")).unwrap();
    if let Err(error) = chown(&dir, Some(65_534), Some(65_534)) {
        eprintln!("skipped: {error}");
        return;
    }
    let Some((status, said)) = as_nobody(&Job::new(&dir, "install:B")) else { return };
    assert_eq!(status.code(), Some(6), "{said}");
    assert!(said.contains("the user who runs oct needs the right to change"), "{said}");
    assert!(dir.join("data/containers").is_dir());
    assert_tidy(&dir, "");
}
