//! Whatever happens in the middle of an installation, the folder holds the old catalog or the new one, whole, and the
//! next run puts everything in order.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use oct::base::failure::{Class, Classified as _};
use oct::importer::{Action, Checkpoint, Recovered, StoreError};

use super::install_support::*;

/// No test: the child process of the others, which works on a folder until it is stopped.
#[test]
fn child() {
    do_job();
}

/// How many random moments are tried; `OCT_CRASH_ROUNDS` asks for more.
fn rounds(default: u32) -> u32 {
    std::env::var("OCT_CRASH_ROUNDS").map_or(default, |rounds| rounds.parse().expect("a number"))
}

/// Every pass of every checkpoint in one task.
fn passes_of(letters: &str, task: &str, filesystem: Filesystem) -> Vec<(Checkpoint, u32)> {
    let parent = scratch();
    let dir = parent.path().join("db");
    installed(&dir, 1, letters);
    let hooks = Meddle::acting(move |checkpoint, _| filesystem.refusal(checkpoint).map_or(Ok(()), Err));
    let mut locked = lock_with(&dir, Arc::clone(&hooks) as _).unwrap();
    match task.split_once(':') {
        Some((_, letter)) => Catalog::new(letter.chars().next().unwrap()).install(&mut locked, 1).unwrap(),
        None => locked.rollback(now()).unwrap(),
    };
    hooks.passes()
}

/// What may be found in a folder where `old` was to be replaced by `new`; gives the one that is there.
fn one_of<'c>(dir: &Path, old: &'c Catalog, new: &'c Catalog, about: &str) -> &'c Catalog {
    let found = [old, new].into_iter().find(|catalog| catalog.is_in(dir));
    found.unwrap_or_else(|| panic!("{about}: `data` is neither the old nor the new catalog: {:?}", names(dir)))
}

/// Runs a recovery and checks everything; gives the catalog that is installed.
fn settled<'c>(dir: &Path, old: &'c Catalog, new: &'c Catalog, about: &str) -> &'c Catalog {
    let locked = try_lock(dir).unwrap_or_else(|error| panic!("{about}: the next run fails: {}", words(&error)));
    let found = one_of(dir, old, new, about);
    assert!(found.vouches_in(dir), "{about}: the manifest is not that of `data`: {:?}", locked.recovered());
    assert!(locked.verify_files(&found.manifest).is_intact(), "{about}");
    drop(locked);
    assert_tidy(dir, about);
    found
}

/// Kills an installation of B over A at every checkpoint.
fn killed_everywhere(filesystem: Filesystem) {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = scratch();
    let template = Template::new("DA");
    let mut outcomes = [0, 0];
    for (number, kill) in passes_of("DA", "install:B", filesystem).into_iter().enumerate() {
        let about = format!("{filesystem:?}, killed before {kill:?}");
        let dir = parent.path().join(number.to_string());
        template.copy_to(&dir);
        let (status, said) = Job { kill: Some(kill), filesystem, ..Job::new(&dir, "install:B") }.run();
        assert!(was_killed(status), "{about}: {status}, {said}");
        if filesystem == Filesystem::AsIs {
            one_of(&dir, &old, &new, &about);
        }
        let found = settled(&dir, &old, &new, &about);
        let locked = lock(&dir);
        let previous = locked.previous().unwrap();
        let newest = locked.history(1).unwrap().remove(0);
        if std::ptr::eq(found, &new) {
            outcomes[1] += 1;
            assert!(
                old.is_in(previous[0].path()) && old.vouches_in(previous[0].path()),
                "{about}: the old one is lost"
            );
            assert_eq!(newest.archive, Some(new.archive()), "{about}");
            assert_eq!(locked.history(9).unwrap().len(), 3, "{about}");
        } else {
            outcomes[0] += 1;
            assert_eq!(newest.archive, Some(old.archive()), "{about}");
            assert!(Catalog::new('D').is_in(previous[0].path()), "{about}");
        }
        drop(locked);
        new.install(&mut lock(&dir), 1).unwrap();
        assert!(new.is_in(&dir) && new.vouches_in(&dir), "{about}");
        assert_tidy(&dir, &about);
        fs::remove_dir_all(&dir).unwrap();
    }
    assert!(outcomes[0] > 20 && outcomes[1] > 10, "{outcomes:?}");
}

#[test]
fn killed_at_every_checkpoint() {
    killed_everywhere(Filesystem::AsIs);
}

#[test]
fn killed_at_every_checkpoint_without_exchange() {
    killed_everywhere(Filesystem::NoExchange);
}

#[test]
fn killed_at_every_checkpoint_without_moving_folders() {
    killed_everywhere(Filesystem::NoMove);
}

#[test]
fn first_installation_killed_at_every_checkpoint() {
    let new = Catalog::new('B');
    let parent = scratch();
    for (number, kill) in passes_of("", "install:B", Filesystem::AsIs).into_iter().enumerate() {
        let about = format!("killed before {kill:?}");
        let dir = parent.path().join(number.to_string()).join("deeper");
        let (status, said) = Job { kill: Some(kill), ..Job::new(&dir, "install:B") }.run();
        assert!(was_killed(status), "{about}: {status}, {said}");
        assert!(!dir.join("data").exists() || new.is_in(&dir), "{about}");
        drop(lock(&dir));
        assert_tidy(&dir, &about);
        assert_eq!(new.is_in(&dir), new.vouches_in(&dir), "{about}");
        new.install(&mut lock(&dir), 1).unwrap();
        assert!(new.is_in(&dir) && new.vouches_in(&dir), "{about}");
    }
}

#[test]
fn rollback_killed_at_every_checkpoint() {
    let (old, new) = (Catalog::new('B'), Catalog::new('A'));
    let parent = scratch();
    let template = Template::new("AB");
    for filesystem in [Filesystem::AsIs, Filesystem::NoExchange, Filesystem::NoMoveAtAll] {
        for (number, kill) in passes_of("AB", "rollback", filesystem).into_iter().enumerate() {
            let about = format!("{filesystem:?}, rollback killed before {kill:?}");
            let dir = parent.path().join(format!("{filesystem:?}{number}"));
            template.copy_to(&dir);
            let (status, said) = Job { kill: Some(kill), filesystem, ..Job::new(&dir, "rollback") }.run();
            assert!(was_killed(status), "{about}: {status}, {said}");
            let found = settled(&dir, &old, &new, &about);
            let other = if std::ptr::eq(found, &old) { &new } else { &old };
            lock(&dir).rollback(now()).unwrap();
            assert!(other.is_in(&dir) && other.vouches_in(&dir), "{about}");
            assert_tidy(&dir, &about);
        }
    }
}

#[test]
fn a_half_removed_original_of_a_copy_is_not_taken_for_the_catalog() {
    let parent = scratch();
    let dir = parent.path().join("db");
    installed(&dir, 1, "AB");
    let kill = Some((Checkpoint::RemoveNew, 0));
    let (status, said) = Job { kill, filesystem: Filesystem::NoMoveAtAll, ..Job::new(&dir, "rollback") }.run();
    assert!(was_killed(status), "{said}");
    let original = dir.join(".oct/previous").join(&names(&dir.join(".oct/previous"))[0]);
    fs::remove_dir_all(original.join("data/operators")).unwrap();
    let (old, new) = (Catalog::new('B'), Catalog::new('A'));
    assert!(std::ptr::eq(settled(&dir, &old, &new, "half removed"), &new));
}

#[test]
fn recovery_killed_at_every_checkpoint() {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = scratch();
    let first = [
        (Filesystem::AsIs, Checkpoint::Exchange, 0),
        (Filesystem::AsIs, Checkpoint::CollectOld, 0),
        (Filesystem::AsIs, Checkpoint::MoveManifestIn, 1),
        (Filesystem::AsIs, Checkpoint::EmptyTrash, 0),
        (Filesystem::NoExchange, Checkpoint::MoveNewIn, 0),
        (Filesystem::NoMove, Checkpoint::RemoveOld, 0),
        (Filesystem::NoMoveAtAll, Checkpoint::RemoveNew, 0),
    ];
    let template = Template::new("DA");
    let mut kills = 0;
    for (filesystem, checkpoint, pass) in first {
        // What the recovery passes is found out by letting it pass.
        let stopped = |dir: &Path| {
            template.copy_to(dir);
            let kill = Some((checkpoint, pass));
            let (status, _) = Job { kill, filesystem, ..Job::new(dir, "install:B") }.run();
            assert!(was_killed(status));
        };
        let sample = parent.path().join(format!("{filesystem:?}{checkpoint:?}"));
        stopped(&sample);
        let hooks = Arc::new(Meddle::default());
        drop(lock_with(&sample, Arc::clone(&hooks) as _).unwrap());
        for (number, kill) in hooks.passes().into_iter().enumerate() {
            let about = format!("killed before {checkpoint:?}, its recovery before {kill:?}");
            let dir = parent.path().join(format!("{filesystem:?}{checkpoint:?}{number}"));
            stopped(&dir);
            let (status, said) = Job { kill: Some(kill), ..Job::new(&dir, "recover") }.run();
            assert!(was_killed(status), "{about}: {status}, {said}");
            settled(&dir, &old, &new, &about);
            kills += 1;
        }
    }
    assert!(kills > 30, "{kills}");
}

#[test]
fn killed_at_random_moments() {
    let (a, b) = (Catalog::new('A'), Catalog::new('B'));
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("db");
    installed(&dir, 1, "BA");
    let mut interrupted = 0;
    let mut longest = Duration::from_millis(30);
    for round in 0..rounds(60) {
        let about = format!("round {round}");
        let mut child = Job::new(&dir, "alternate").spawn();
        // A loaded machine takes its time to start it; the name of the holder shows that it works.
        while fs::read(dir.join(".oct/lock")).unwrap().is_empty() {
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(longest.mul_f64(fastrand::f64()));
        child.kill().unwrap();
        let (status, said) = finished(child);
        assert!(was_killed(status), "{about}: {status}, {said}");
        one_of(&dir, &a, &b, &about);
        let is_interrupted = !lock(&dir).recovered().is_empty();
        interrupted += u32::from(is_interrupted);
        // The more a machine has to do, the later is the moment.
        longest =
            if is_interrupted { Duration::from_millis(30) } else { longest.mul_f64(1.2).min(Duration::from_secs(1)) };
        settled(&dir, &a, &b, &about);
    }
    assert!(interrupted > 0, "no moment was within an installation");
}

/// Fails at one checkpoint, once or from then on.
fn failing(at: (Checkpoint, u32), forever: bool, number: i32, filesystem: Filesystem) -> Arc<Meddle> {
    let begun = std::sync::atomic::AtomicBool::new(false);
    Meddle::acting(move |checkpoint, pass| {
        use std::sync::atomic::Ordering::Relaxed;
        if (checkpoint, pass) == at {
            begun.store(true, Relaxed);
            return Err(errno(number));
        }
        if forever && begun.load(Relaxed) {
            return Err(errno(number));
        }
        filesystem.refusal(checkpoint).map_or(Ok(()), Err)
    })
}

#[test]
fn an_error_at_every_step_is_survived() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = scratch();
    let template = Template::new("DA");
    for filesystem in [Filesystem::AsIs, Filesystem::NoExchange, Filesystem::NoMove] {
        for (number, at) in passes_of("DA", "install:B", filesystem).into_iter().enumerate() {
            for (forever, error) in [(false, EIO), (true, ENOSPC)] {
                let about =
                    format!("{filesystem:?}, error {error} at {at:?}, {}", if forever { "forever" } else { "once" });
                let dir = parent.path().join(format!("{filesystem:?}{number}{forever}"));
                template.copy_to(&dir);
                let hooks = failing(at, forever, error, filesystem);
                let outcome = lock_with(&dir, hooks).and_then(|mut locked| new.install(&mut locked, 1));
                let found = one_of(&dir, &old, &new, &about);
                match &outcome {
                    Ok(report) => {
                        let warnings = match at.0 {
                            // It is tried twice.
                            Checkpoint::Discard => usize::from(forever),
                            Checkpoint::EmptyTrash => 1,
                            _ => panic!("{about}: no error"),
                        };
                        assert_eq!(report.warnings.len(), warnings, "{about}");
                        assert!(std::ptr::eq(found, &new), "{about}");
                    }
                    Err(StoreError::Unfinished { in_place, pending, .. }) => {
                        assert_eq!(*in_place, std::ptr::eq(found, &new), "{about}");
                        assert_eq!(*pending, dir.join(".oct/journal.json").exists(), "{about}");
                    }
                    Err(other) => assert!(std::ptr::eq(found, &old), "{about}: {other:?}"),
                }
                if let Err(error) = outcome {
                    assert_eq!(error.class(), Class::Host, "{about}");
                    assert!(words(&error).contains(dir.to_str().unwrap()), "{about}: {}", words(&error));
                    if !forever {
                        assert_tidy(&dir, &about);
                    }
                }
                let settled = settled(&dir, &old, &new, &about);
                assert!(std::ptr::eq(found, settled) || filesystem != Filesystem::AsIs, "{about}: undone later");
                fs::remove_dir_all(&dir).unwrap();
            }
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files() {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    for blocks in [0, 1, 2, 4, 64, 256, 400, 100_000] {
        for ignored in [false, true] {
            let about = format!("ulimit -f {blocks}, signal ignored: {ignored}");
            let dir = parent.path().join(format!("{blocks}{ignored}"));
            installed(&dir, 1, "DA");
            let trap = if ignored { "trap '' XFSZ; " } else { "" };
            let script = format!("{trap}ulimit -f {blocks}; exec \"$0\" --exact install_crash::child --nocapture");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).arg(&exe);
            Job::new(&dir, "install:B").prepare(&mut command);
            let (status, said) = finished(command.spawn().unwrap());
            let found = one_of(&dir, &old, &new, &about);
            match (status.code(), status.signal()) {
                (Some(0), _) => assert!(blocks == 100_000 && std::ptr::eq(found, &new), "{about}"),
                (Some(6), _) => assert!(ignored && said.contains("ulimit -f"), "{about}: {said}"),
                (_, Some(25)) => assert!(!ignored, "{about}"),
                _ => panic!("{about}: {status}, {said}"),
            }
            settled(&dir, &old, &new, &about);
        }
    }
}

#[test]
fn only_the_history_cannot_be_written() {
    let (old, new) = (Catalog::new('A'), Catalog::new('B'));
    let parent = scratch();
    let dir = parent.path().join("db");
    installed(&dir, 1, "A");
    let hooks = Meddle::acting(|checkpoint, _| match checkpoint {
        Checkpoint::WriteHistory => Err(errno(28)),
        _ => Ok(()),
    });
    let error = new.install(&mut lock_with(&dir, hooks).unwrap(), 1).unwrap_err();
    let said = words(&error).replace(parent.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(said, @"the other catalog is in place in `DIR/db`, but the work around it is not complete: cannot write `DIR/db/.oct/history.jsonl`: No space left on device (os error 28) (hint: free some space on this filesystem, then run the command again; the next run of oct on this folder completes the work)");
    let Recovered::Completed(entry) = lock(&dir).recovered()[0].clone() else { panic!() };
    assert_eq!((entry.action, entry.archive), (Action::Install, Some(new.archive())));
    assert_eq!(lock(&dir).history(9).unwrap().len(), 2);
    assert!(std::ptr::eq(settled(&dir, &old, &new, ""), &new));
}
