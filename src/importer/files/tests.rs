//! Nothing leads out of a folder that is held.

use super::*;
use crate::importer::NoCheckpoints;
use std::os::unix::fs::symlink;

fn scratch() -> (tempfile::TempDir, Dir) {
    let parent = tempfile::tempdir().unwrap();
    std::fs::create_dir(parent.path().join("dir")).unwrap();
    let dir = Dir::open(&parent.path().join("dir")).unwrap();
    (parent, dir)
}

#[test]
fn nothing_is_overwritten_and_no_link_followed() {
    let (parent, dir) = scratch();
    let elsewhere = parent.path().join("elsewhere");
    dir.write_file("one", b"1", &NoCheckpoints).unwrap();
    assert_eq!(dir.write_file("one", b"2", &NoCheckpoints).unwrap_err().errno(), Some(Errno::EXIST));
    symlink(&elsewhere, dir.at("link")).unwrap();
    assert!(dir.write_file("link", b"2", &NoCheckpoints).is_err());
    assert!(dir.ensure_folder("link").is_err());
    assert!(dir.make_folder("link").is_err());
    assert!(dir.rename("one", &dir, "link").is_err());
    assert_eq!(dir.read_up_to("link", 9).unwrap(), Some(vec![]));
    assert_eq!(dir.read_up_to("none", 9).unwrap(), None);
    assert_eq!(dir.read_up_to("one", 9).unwrap(), Some(b"1".to_vec()));
    assert!(!elsewhere.exists());
}

#[test]
fn no_path_leads_out_by_either_way() {
    let (parent, dir) = scratch();
    let outside = parent.path().join("outside");
    std::fs::create_dir_all(outside.join("folder")).unwrap();
    std::fs::write(outside.join("file"), "theirs").unwrap();
    std::fs::create_dir(dir.at("inside")).unwrap();
    std::fs::write(dir.at("inside/file"), "ours").unwrap();
    symlink(&outside, dir.at("link")).unwrap();
    symlink("../../outside", dir.at("inside/link")).unwrap();
    type Way = fn(&Dir, &Path) -> rustix::io::Result<OwnedFd>;
    let ways: [Way; 2] = [
        |dir, path| dir.beneath(path, OFlags::RDONLY, 0),
        |dir, path| {
            plain(path)?;
            dir.walk(path, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty())
        },
    ];
    let absolute = outside.join("file");
    for way in ways {
        assert!(way(&dir, Path::new("inside/file")).is_ok());
        let out = ["link/file", "inside/link/file", "inside/link", "../outside/file", "..", ".", "", "inside/.."];
        for path in out.into_iter().map(Path::new).chain([absolute.as_path()]) {
            assert!(way(&dir, path).is_err(), "{}", path.display());
        }
    }
    for path in ["link/file", "link/folder", "inside/link/file", "../outside/file"] {
        assert!(!matches!(dir.remove(path), Ok(true)), "{path}");
        assert!(dir.make_folder(format!("{path}/new")).is_err(), "{path}");
        assert!(dir.create_file(format!("{path}2")).is_err(), "{path}");
        assert!(dir.rename(path, &dir, "stolen").is_err(), "{path}");
        assert!(dir.rename("inside/file", &dir, format!("{path}2")).is_err(), "{path}");
        assert!(dir.exchange("inside/file", &dir, path).is_err(), "{path}");
    }
    assert!(dir.remove("link").unwrap() && dir.remove("inside").unwrap() && !dir.remove("inside").unwrap());
    let left: Vec<_> = std::fs::read_dir(&outside).unwrap().collect();
    assert_eq!((left.len(), std::fs::read(outside.join("file")).unwrap()), (2, b"theirs".to_vec()));
}

#[test]
fn odd_files_do_not_hang_anything() {
    let (_parent, dir) = scratch();
    assert!(std::process::Command::new("mkfifo").arg(dir.at("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.at("socket")).unwrap();
    std::fs::create_dir(dir.at("folder")).unwrap();
    for name in ["pipe", "socket", "folder"] {
        assert!(dir.open_regular(name).unwrap().is_none(), "{name}");
        assert!(dir.open_with(name, OFlags::WRONLY | OFlags::APPEND, 0).unwrap().is_none(), "{name}");
        assert_eq!(dir.read_up_to(name, 9).unwrap(), Some(vec![]), "{name}");
    }
}

#[test]
fn an_error_names_the_path() {
    let (_parent, dir) = scratch();
    let error = dir.create_file("missing/file").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot create `{}`", dir.at("missing/file").display()));
}

#[test]
fn a_folder_of_any_depth_is_removed_with_few_handles_and_no_link_followed() {
    let (parent, dir) = scratch();
    let outside = parent.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "theirs").unwrap();
    std::fs::create_dir(dir.at("deep")).unwrap();
    std::fs::write(dir.at("deep/1"), "a number").unwrap();
    std::fs::create_dir_all(dir.at("deep/2/full")).unwrap();
    let mut at = dir.beneath(Path::new("deep"), LISTING, 0).unwrap();
    for _ in 0..5_000 {
        rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o700)).unwrap();
        rustix::fs::mkdirat(&at, "empty", Mode::from_raw_mode(0o700)).unwrap();
        rustix::fs::symlinkat(&outside, &at, "link").unwrap();
        at = rustix::fs::openat(&at, "d", LISTING, Mode::empty()).unwrap();
    }
    drop(at);
    assert!(dir.remove("deep").unwrap() && !dir.exists("deep").unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"theirs");
}
