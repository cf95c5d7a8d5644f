//! The plug is pulled: what the disk holds at each checkpoint is mounted as after a power cut, without a byte of what
//! was only in memory.
//!
//! The folder lies on a filesystem in an image file. A copy of the image, made while the filesystem is mounted and
//! never told to sync, has exactly what was written to the disk so far; mounting the copy replays its journal.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use oct::importer::Checkpoint;

use super::install_mounts::Mount;
use super::install_support::*;

fn run(program: &str, arguments: &[&Path]) -> bool {
    let done = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !done {
        eprintln!("skipped: {program} {arguments:?} failed");
    }
    done
}

fn mount(image: &Path, at: &Path) -> Option<Mount> {
    Mount::new(at, &["-o", "loop", image.to_str().unwrap()])
}

/// Before which pass of a checkpoint, or after the end, and the image.
type Copy = (Option<(Checkpoint, u32)>, PathBuf);

/// Does `work` on a folder with A (and D before it), pulling the plug at every checkpoint and after the end.
fn pulled(filesystem: Filesystem, letters: &str, new: char, work: &str) {
    let parent = scratch();
    let image = parent.path().join("image");
    // `btrfs` and `xfs` sync names in other ways; they need larger images.
    let kind = std::env::var("OCT_POWER_FS").unwrap_or_else(|_| "ext4".into());
    let (size, options) = match kind.as_str() {
        "ext4" => (40 << 20, "-qF"),
        _ => (320 << 20, "-qf"),
    };
    std::fs::File::create(&image).unwrap().set_len(size).unwrap();
    let (seen, again) = (parent.path().join("seen"), parent.path().join("again"));
    if !run(&format!("mkfs.{kind}"), &[Path::new(options), &image]) {
        return;
    }
    let Some(mounted) = mount(&image, &seen) else { return };
    let dir = seen.join("db");
    installed(&dir, 1, letters);

    let copies: Arc<Mutex<Vec<Copy>>> = Arc::default();
    let copy = {
        let (copies, image, parent) = (Arc::clone(&copies), image.clone(), parent.path().to_owned());
        move |at| {
            let mut copies = copies.lock().unwrap();
            let copy = parent.join(format!("copy{}", copies.len()));
            assert!(run("cp", &[Path::new("--sparse=always"), &image, &copy]));
            copies.push((at, copy));
        }
    };
    let hooks = {
        let copy = copy.clone();
        Meddle::acting(move |checkpoint, pass| {
            copy(Some((checkpoint, pass)));
            filesystem.refusal(checkpoint).map_or(Ok(()), Err)
        })
    };
    let mut locked = lock_with(&dir, hooks).unwrap();
    match work {
        "install" => Catalog::new(new).install(&mut locked, 1).unwrap(),
        _ => locked.rollback(now()).unwrap(),
    };
    copy(None);
    drop((locked, mounted));

    let (old, new) = (Catalog::new(letters.chars().last().unwrap()), Catalog::new(new));
    let mut found_new = 0;
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    for (at, image) in &copies {
        let about = format!("{filesystem:?}, {work}, plug pulled before {at:?}");
        let dir = again.join("db");
        let _mounted = mount(image, &again).unwrap();
        if filesystem == Filesystem::AsIs {
            assert!(old.is_in(&dir) || new.is_in(&dir), "{about}: `data` is not whole");
        }
        drop(try_lock(&dir).unwrap_or_else(|error| panic!("{about}: {}", words(&error))));
        let found = if old.is_in(&dir) { &old } else { &new };
        assert!(found.is_in(&dir) && found.vouches_in(&dir), "{about}");
        assert_tidy(&dir, &about);
        if std::ptr::eq(found, &new) {
            found_new += 1;
            let previous = lock(&dir).previous().unwrap();
            assert!(
                old.is_in(previous[0].path()) && old.vouches_in(previous[0].path()),
                "{about}: the old one is lost"
            );
        } else {
            assert!(at.is_some(), "{about}: reported as done, and lost");
        }
        new.install(&mut lock(&dir), 1).unwrap();
        std::fs::remove_file(image).unwrap();
    }
    assert!(found_new > 8 && found_new < copies.len(), "{found_new} of {}", copies.len());
    eprintln!("{filesystem:?}, {work}: {} power cuts, {found_new} with the new catalog", copies.len());
}

#[test]
fn power_cut_at_every_checkpoint() {
    pulled(Filesystem::AsIs, "DA", 'B', "install");
}

#[test]
fn power_cut_at_every_checkpoint_without_exchange() {
    pulled(Filesystem::NoExchange, "DA", 'B', "install");
}

#[test]
fn power_cut_at_every_checkpoint_of_a_rollback() {
    pulled(Filesystem::AsIs, "BA", 'B', "rollback");
}
