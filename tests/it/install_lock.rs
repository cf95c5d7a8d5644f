//! Who may do what at the same time, and what a reader sees meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oct::base::failure::{Class, Classified as _};
use oct::base::progress::Silent;
use oct::importer::{Checkpoint, Recovered, Store, StoreError};

use super::install_support::*;

#[test]
fn the_holder_is_named_and_waited_for() {
    let scene = Scene::new("A");
    let job = Job { hold: Some(Checkpoint::MakeStaging), ..Job::new(&scene.dir, "install:B") };
    let child = job.spawn();
    while !scene.dir.with_extension("held").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let error = try_lock(&scene.dir).err().unwrap();
    assert_eq!(error.class(), Class::Host);
    let pid = child.id().to_string();
    let said = scene.words(&error).replace(&pid, "PID");
    insta::assert_snapshot!(said, @"`DIR/db` is locked by `oct install:B` (process PID, since 2026-05-06T07:08:09Z) (hint: wait until it has finished, then run the command again)");
    assert!(matches!(read(&scene.dir), Err(StoreError::Held { .. })), "a reader does not look on");
    let waiting = Job { wait: 20_000, ..Job::new(&scene.dir, "install:C") }.spawn();
    fs::write(scene.dir.with_extension("go"), "").unwrap();
    assert!(finished(child).0.success());
    assert!(finished(waiting).0.success());
    assert!(Catalog::new('C').is_in(&scene.dir));
    assert_eq!(fs::read(scene.dir.join(".oct/lock")).unwrap(), b"", "no name of somebody who has left");
    assert_tidy(&scene.dir, "");
}

#[test]
fn readers_share_and_keep_writers_out() {
    let scene = Scene::new("A");
    let (one, two) = (read(&scene.dir).unwrap(), read(&scene.dir).unwrap());
    let error = try_lock(&scene.dir).err().unwrap();
    insta::assert_snapshot!(scene.words(&error), @"`DIR/db` is locked by another oct process that reads it (hint: wait until it has finished, then run the command again)");
    drop((one, two));
    lock(&scene.dir);
}

#[test]
fn a_reader_settles_what_a_crash_left() {
    let scene = Scene::new("A");
    let job = |checkpoint| Job { kill: Some((checkpoint, 0)), ..Job::new(&scene.dir, "install:B") };
    assert!(was_killed(job(Checkpoint::WriteFile).run().0));
    assert_eq!(read(&scene.dir).unwrap().recovered(), [Recovered::RemovedStaging]);
    assert!(was_killed(job(Checkpoint::CollectOld).run().0));
    let reading = read(&scene.dir).unwrap();
    assert!(matches!(reading.recovered(), [Recovered::Completed(_)]), "{:?}", reading.recovered());
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
    drop(reading);
    assert_tidy(&scene.dir, "");
}

/// Two processes at once, again and again.
fn contended(tasks: [&str; 2], default: u32) {
    let rounds = std::env::var("OCT_LOCK_ROUNDS").map_or(default, |rounds| rounds.parse().expect("a number"));
    let scene = Scene::new("AB");
    let catalogs = [Catalog::new('A'), Catalog::new('B')];
    for round in 0..rounds {
        let children = tasks.map(|task| Job::new(&scene.dir, task).spawn());
        let outcomes = children.map(finished);
        for (status, said) in &outcomes {
            let held = status.code() == Some(6) && said.contains("is locked by");
            assert!(status.success() || held, "{tasks:?}, round {round}: {status}, {said}");
        }
        assert!(outcomes.iter().any(|(status, _)| status.success()), "{tasks:?}, round {round}: {outcomes:?}");
        let (status, said) = Job::new(&scene.dir, "status").run();
        assert!(status.success(), "{tasks:?}, round {round}: {said}");
        assert!(catalogs.iter().any(|catalog| catalog.is_in(&scene.dir) && catalog.vouches_in(&scene.dir)));
        assert_tidy(&scene.dir, "");
    }
}

#[test]
fn two_installations_at_once() {
    contended(["install:A", "install:B"], 8);
}

#[test]
fn an_installation_and_a_rollback_at_once() {
    contended(["install:A", "rollback"], 8);
}

#[test]
fn an_installation_and_a_status_at_once() {
    contended(["install:A", "status"], 8);
}

#[test]
fn a_reader_always_finds_a_whole_catalog() {
    let scene = Scene::new("A");
    let (a, b) = (Catalog::new('A'), Catalog::new('B'));
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = [0, 0];
            while !done.load(Ordering::Relaxed) {
                // As a process does that has opened the folder and then reads file by file.
                let folder = fs::File::open(scene.dir.join("data")).expect("there is a `data` at every instant");
                let opened = std::os::fd::AsRawFd::as_raw_fd(&folder);
                let found = tree(Path::new(&format!("/proc/self/fd/{opened}")));
                let which = [&a, &b].iter().position(|catalog| catalog.files == found);
                looks[which.expect("the one or the other, whole")] += 1;
            }
            looks
        });
        let mut locked = lock(&scene.dir);
        for _ in 0..10 {
            b.install(&mut locked, 3).unwrap();
            a.install(&mut locked, 3).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(looks[0] > 0 && looks[1] > 0, "{looks:?}");
}

#[test]
fn a_bounded_wait_ends() {
    let scene = Scene::new("A");
    let _held = lock(&scene.dir);
    let store = Store::open(&scene.dir);
    let outcome = store.lock(&holder("oct import"), Duration::from_millis(120), &Silent);
    assert!(matches!(outcome, Err(StoreError::Held { .. })));
}
