//! What an installation leaves behind, what it refuses, and who may do what at the same time.

#![allow(clippy::print_stderr, reason = "a skipped test says so")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper may fail the test")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use oct::base::failure::{Class, Classified as _};
use oct::base::member::MemberPath;
use oct::base::progress::Silent;
use oct::catalog::layout;
use oct::importer::{Action, Checkpoint, Difference, Method, Recovered, Store, StoreError};

use super::install_support::*;

fn foreign(dir: &Path) {
    fs::create_dir_all(dir.join("data/containers")).unwrap();
    fs::write(dir.join("data/containers/containers.db"), "{}").unwrap();
    fs::write(dir.join("data/notes.txt"), "made by hand").unwrap();
}

#[test]
fn the_first_and_the_second() {
    let scene = Scene::new("");
    let (a, b) = (Catalog::new('A'), Catalog::new('B'));
    assert_eq!(read(&scene.dir).unwrap().installed().unwrap(), None);
    assert!(!scene.dir.exists(), "reading creates nothing");

    let report = a.install(&mut lock(&scene.dir), 3).unwrap();
    assert_eq!((report.method, report.entry.previous.clone(), report.removed.len()), (Method::First, None, 0));
    let report = b.install(&mut lock(&scene.dir), 3).unwrap();
    let name = "0001-20260204T194000Z";
    assert_eq!((report.method, report.entry.previous.as_deref()), (Method::Exchange, Some(name)));

    let reading = read(&scene.dir).unwrap();
    assert!(reading.is_locked() && !reading.is_unfinished() && reading.recovered().is_empty());
    let installed = reading.installed().unwrap().unwrap();
    assert_eq!((installed.manifest.as_ref(), installed.data), (Some(b.manifest.signed()), true));
    let previous = reading.previous().unwrap();
    assert_eq!(previous.len(), 1);
    assert_eq!((previous[0].name.as_str(), previous[0].manifest.as_ref()), (name, Some(a.manifest.signed())));
    assert!(reading.verify_previous(&previous[0], &a.manifest).is_intact());
    let history = reading.history(5).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!((history[0].archive.clone(), history[0].created), (Some(b.archive()), Some(b.manifest.created)));
    assert_eq!(
        (history[0].key_id.as_deref(), history[0].content),
        (Some("AE90934D8C1CF403"), Some(b.manifest.content))
    );
    assert!(b.is_in(&scene.dir) && b.vouches_in(&scene.dir));
    assert_tidy(&scene.dir, "");
}

#[test]
fn as_many_as_asked_for_are_kept() {
    let scene = Scene::new("ABCDE");
    assert_eq!(scene.previous().len(), 4);
    let report = Catalog::new('F').install(&mut lock(&scene.dir), 2).unwrap();
    assert_eq!(report.removed.len(), 3);
    let previous = lock(&scene.dir).previous().unwrap();
    assert!(Catalog::new('E').is_in(previous[0].path()) && Catalog::new('D').is_in(previous[1].path()));
    assert_eq!(previous.len(), 2);
    Catalog::new('G').install(&mut lock(&scene.dir), 0).unwrap();
    assert_eq!(scene.previous(), Vec::<String>::new());
    assert_tidy(&scene.dir, "");
}

#[test]
fn a_rollback_and_back_again() {
    let scene = Scene::new("AB");
    let (a, b) = (Catalog::new('A'), Catalog::new('B'));
    let report = lock(&scene.dir).rollback(now()).unwrap();
    assert_eq!((report.method, report.entry.action), (Method::Exchange, Action::Rollback));
    assert_eq!(report.entry.created, Some(a.manifest.created));
    assert!(a.is_in(&scene.dir) && a.vouches_in(&scene.dir));
    assert_eq!(scene.previous().len(), 1);
    lock(&scene.dir).rollback(now()).unwrap();
    assert!(b.is_in(&scene.dir) && b.vouches_in(&scene.dir));
    assert_eq!(lock(&scene.dir).history(9).unwrap().len(), 4);
    assert_tidy(&scene.dir, "");
}

#[test]
fn nothing_to_roll_back_to() {
    let scene = Scene::new("A");
    let error = lock(&scene.dir).rollback(now()).unwrap_err();
    assert_eq!(error.class(), Class::Host);
    insta::assert_snapshot!(scene.words(&error), @"`DIR/db` keeps no previous catalog (hint: import the archive of the catalog that you want back)");
    assert!(Catalog::new('A').is_in(&scene.dir));
}

#[test]
fn a_foreign_data_is_kept_and_comes_back() {
    let scene = Scene::new("");
    foreign(&scene.dir);
    let before = tree(&scene.dir.join("data"));
    let found = read(&scene.dir).unwrap().installed().unwrap().unwrap();
    assert_eq!((found.manifest, found.data), (None, true));

    Catalog::new('A').install(&mut lock(&scene.dir), 0).unwrap();
    assert_eq!(scene.previous(), ["0001-foreign"]);
    Catalog::new('B').install(&mut lock(&scene.dir), 0).unwrap();
    assert_eq!(scene.previous(), ["0001-foreign"], "never removed unasked");

    lock(&scene.dir).rollback(now()).unwrap();
    assert_eq!(tree(&scene.dir.join("data")), before);
    assert_eq!(names(&scene.dir), [".oct", "data"], "the manifest went with its data");
    lock(&scene.dir).rollback(now()).unwrap();
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
    assert_tidy(&scene.dir, "");
}

#[test]
fn a_data_that_is_a_link_or_a_file() {
    let scene = Scene::new("");
    fs::create_dir_all(&scene.dir).unwrap();
    foreign(&scene.parent.path().join("elsewhere"));
    symlink("../elsewhere/data", scene.dir.join("data")).unwrap();
    Catalog::new('A').install(&mut lock(&scene.dir), 1).unwrap();
    assert!(Catalog::new('A').is_in(&scene.dir));
    assert_eq!(tree(&scene.parent.path().join("elsewhere/data")).len(), 2, "not touched");
    lock(&scene.dir).rollback(now()).unwrap();
    assert_eq!(fs::read_link(scene.dir.join("data")).unwrap(), Path::new("../elsewhere/data"));

    fs::remove_file(scene.dir.join("data")).unwrap();
    fs::write(scene.dir.join("data"), "a file").unwrap();
    Catalog::new('B').install(&mut lock(&scene.dir), 9).unwrap();
    assert!(Catalog::new('B').is_in(&scene.dir));
    assert_eq!(lock(&scene.dir).previous().unwrap().len(), 2);
}

#[test]
fn a_manifest_without_data() {
    let scene = Scene::new("A");
    fs::remove_dir_all(scene.dir.join("data")).unwrap();
    let found = read(&scene.dir).unwrap();
    assert!(!found.installed().unwrap().unwrap().data);
    assert_eq!(found.verify_files(&Catalog::new('A').manifest).deviations.len(), 1);
    drop(found);
    let report = Catalog::new('B').install(&mut lock(&scene.dir), 1).unwrap();
    assert_eq!((report.method, report.entry.previous), (Method::First, None));
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
    assert_tidy(&scene.dir, "");
}

#[test]
fn other_filesystems() {
    for (filesystem, method) in [
        (Filesystem::NoExchange, Method::TwoSteps),
        (Filesystem::NoMove, Method::Copy),
        (Filesystem::NoMoveAtAll, Method::Copy),
    ] {
        let scene = Scene::new("A");
        let mut locked = lock_with(&scene.dir, filesystem.hooks()).unwrap();
        assert_eq!(Catalog::new('B').install(&mut locked, 1).unwrap().method, method);
        assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
        assert_eq!(locked.rollback(now()).unwrap().method, method);
        assert!(Catalog::new('A').is_in(&scene.dir) && Catalog::new('A').vouches_in(&scene.dir));
        drop(locked);
        assert_tidy(&scene.dir, "");
    }
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let scene = Scene::new("");
    let dir = scene.dir.join("deep/er");
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$0\" --exact install_crash::child --nocapture"]);
    command.arg(std::env::current_exe().unwrap());
    Job::new(&dir, "install:B").prepare(&mut command);
    let (status, said) = finished(command.spawn().unwrap());
    assert!(status.success(), "{said}");
    let owner = fs::metadata(scene.parent.path()).unwrap().uid();
    let mut pending = vec![scene.dir.clone()];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let mode = match found.is_dir() {
            true => 0o755,
            // Whoever can open it can hold it.
            false if path.ends_with(".oct/lock") => 0o600,
            false => 0o644,
        };
        assert_eq!((found.mode() & 0o7777, found.uid()), (mode, owner), "{}", path.display());
        if found.is_dir() {
            pending.extend(names(&path).into_iter().map(|name| path.join(name)));
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn a_folder_behind_a_link() {
    let scene = Scene::new("A");
    let link = scene.parent.path().join("link");
    symlink("db", &link).unwrap();
    Catalog::new('B').install(&mut lock(&link), 1).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(Catalog::new('B').is_in(&scene.dir));
    assert!(matches!(read(&link).unwrap().dir(), dir if dir.ends_with("db")));
}

#[test]
fn things_in_the_way() {
    let scene = Scene::new("");
    fs::write(&scene.dir, "a file").unwrap();
    assert!(matches!(try_lock(&scene.dir), Err(StoreError::NotAFolder { .. })));
    assert!(matches!(read(&scene.dir), Err(StoreError::NotAFolder { .. })));
    fs::remove_file(&scene.dir).unwrap();

    fs::create_dir(&scene.dir).unwrap();
    symlink(scene.parent.path(), scene.dir.join(".oct")).unwrap();
    assert!(matches!(try_lock(&scene.dir), Err(StoreError::NotAFolder { .. })));
    assert!(!read(&scene.dir).unwrap().is_locked());
    fs::remove_file(scene.dir.join(".oct")).unwrap();

    fs::create_dir(scene.dir.join(".oct")).unwrap();
    symlink(scene.parent.path().join("elsewhere"), scene.dir.join(".oct/lock")).unwrap();
    assert!(try_lock(&scene.dir).is_err());
    assert!(!scene.parent.path().join("elsewhere").exists());
}

#[test]
fn every_difference_is_found() {
    let scene = Scene::new("B");
    let data = scene.dir.join("data");
    let b = Catalog::new('B');
    let good = read(&scene.dir).unwrap().verify_files(&b.manifest);
    assert!(good.is_intact());
    assert_eq!((good.intact, good.bytes), (b.files.len() as u64, b.manifest.unpacked_size()));

    fs::remove_file(data.join("archive.json")).unwrap();
    let mut bytes = fs::read(data.join("containers/containers.db")).unwrap();
    bytes[77_777] ^= 1;
    fs::write(data.join("containers/containers.db"), &bytes).unwrap();
    fs::write(data.join("operators/operator_catalog_page_0_500.db"), "short").unwrap();
    fs::remove_file(data.join("operators/operator_catalog_page_1_500.db")).unwrap();
    symlink("/etc/passwd", data.join("operators/operator_catalog_page_1_500.db")).unwrap();
    fs::remove_file(data.join("helm/helm.db")).unwrap();
    assert!(Command::new("mkfifo").arg(data.join("helm/helm.db")).status().unwrap().success());
    fs::write(data.join("operators/.hidden"), "").unwrap();
    fs::create_dir(data.join("more\u{1b}[2J")).unwrap();
    fs::write(data.join("more\u{1b}[2J/inside"), "").unwrap();

    let findings = read(&scene.dir).unwrap().verify_files(&b.manifest);
    let mut found: Vec<_> = findings.deviations.iter().map(ToString::to_string).collect();
    found.sort_unstable();
    insta::assert_snapshot!(found.join("\n"), @"
    `data/archive.json` is missing
    `data/containers/containers.db` has SHA-256 456760014948c49f2cc27bf5e9b13768ec3b4232cf56987416d76e0a1d1970ca, the manifest says 1c069dd51e4871e449edf693262251252e29fc75eef4cd24c74e4a0db03c7d19
    `data/helm/helm.db` is a pipe
    `data/more�[2J` is not in the manifest
    `data/operators/.hidden` is not in the manifest
    `data/operators/operator_catalog_page_0_500.db` has 5 bytes, the manifest says 35438
    `data/operators/operator_catalog_page_1_500.db` is a symbolic link
    ");
    assert_eq!(findings.intact, b.files.len() as u64 - 5);
}

#[test]
fn a_folder_in_the_place_of_another_kind() {
    let scene = Scene::new("B");
    let manifest = &Catalog::new('B').manifest;
    let operators = scene.dir.join("data/operators");
    fs::rename(&operators, scene.parent.path().join("operators")).unwrap();
    symlink(scene.parent.path().join("operators"), &operators).unwrap();
    let findings = read(&scene.dir).unwrap().verify_files(manifest);
    assert_eq!(findings.deviations.len(), 1, "{findings:?}");
    assert_eq!(findings.deviations[0].difference, Difference::Kind { found: "a symbolic link" });
    fs::remove_dir_all(scene.dir.join("data")).unwrap();
    let findings = read(&scene.dir).unwrap().verify_files(manifest);
    assert_eq!(findings.deviations[0].to_string(), "`data` is missing");
}

#[test]
fn a_flood_of_foreign_files_is_counted() {
    let scene = Scene::new("A");
    for number in 0..1_100 {
        fs::write(scene.dir.join(format!("data/operators/{number}")), "").unwrap();
    }
    let findings = read(&scene.dir).unwrap().verify_files(&Catalog::new('A').manifest);
    assert_eq!((findings.deviations.len(), findings.more), (1_000, 100));
}

#[test]
fn staging_takes_what_the_manifest_says_and_nothing_else() {
    let scene = Scene::new("A");
    let b = Catalog::new('B');
    let path = |text: &str| MemberPath::new(text).unwrap();
    let archive_json = path(layout::ARCHIVE_JSON);
    let write = |locked: &mut oct::importer::Locked, change: &dyn Fn(&str, &mut Vec<u8>)| {
        let staging = locked.stage(&b.manifest)?;
        for (name, bytes) in &b.files {
            let mut bytes = bytes.clone();
            change(name, &mut bytes);
            let mut out = staging.file(&path(name))?;
            out.write_all(&bytes).map_err(|error| StoreError::from_io(error).unwrap())?;
            out.finish()?;
        }
        staging.finish(b.validation()).map(drop)
    };
    let mut locked = lock(&scene.dir);
    let mut refused = |change: &dyn Fn(&str, &mut Vec<u8>)| {
        let error = write(&mut locked, change).unwrap_err();
        assert_eq!(error.class(), Class::Verification);
        words(&error)
    };
    let mut said = vec![
        refused(&|name, bytes| {
            if name == layout::HELM_DB {
                bytes.push(b'x')
            }
        }),
        refused(&|name, bytes| {
            if name == layout::HELM_DB {
                bytes.truncate(bytes.len() - 1)
            }
        }),
        refused(&|name, bytes| {
            if name == layout::CONTAINERS_DB {
                bytes[9] ^= 1
            }
        }),
    ];

    let staging = locked.stage(&b.manifest).unwrap();
    said.push(words(&staging.file(&path("data/other.db")).err().unwrap()));
    let mut out = staging.file(&archive_json).unwrap();
    said.push(words(&staging.file(&archive_json).err().unwrap()));
    out.write_all(&b.files[layout::ARCHIVE_JSON]).unwrap();
    assert!(staging.read(&archive_json).is_err(), "not complete yet");
    out.finish().unwrap();
    let mut back = Vec::new();
    std::io::Read::read_to_end(&mut staging.read(&archive_json).unwrap(), &mut back).unwrap();
    assert_eq!(back, b.files[layout::ARCHIVE_JSON]);
    said.push(words(&staging.finish(b.validation()).err().unwrap()));

    let staging = locked.stage(&b.manifest).unwrap();
    said.push(words(&staging.finish(Catalog::new('A').validation()).err().unwrap()));
    insta::assert_snapshot!(said.join("\n"), @"
    `data/helm/helm.db` has at least 34 bytes, the manifest says 33
    `data/helm/helm.db` has only 32 bytes, the manifest says 33
    `data/containers/containers.db` has SHA-256 de61f9bc3e0ce083c08569a5c163f1863b9f41610a615f3e25c7adf6782ebe10, the manifest says 1c069dd51e4871e449edf693262251252e29fc75eef4cd24c74e4a0db03c7d19
    `data/other.db` is not a file of the manifest
    `data/archive.json` occurs twice
    5 of the manifest's files are missing, such as `data/containers/containers.db`
    the validated counts are not those of the manifest
    ");

    let staging = locked.stage(&b.manifest).unwrap();
    let mut out = staging.file(&archive_json).unwrap();
    let taken = (0..100).take_while(|_| out.write_all(&[b'x'; 100_000]).is_ok()).count();
    assert_eq!(taken, 0, "what is too much is not even written");
    drop(out);
    let mut out = staging.file(&path(layout::HELM_DB)).unwrap();
    out.write_all(&b.files[layout::HELM_DB]).unwrap();
    assert!(out.write_all(b"x").is_err(), "nor what comes after the last byte");
    drop(out);
    drop(staging);

    drop(locked);
    assert!(Catalog::new('A').is_in(&scene.dir));
    assert_tidy(&scene.dir, "refused staging areas");
}

#[test]
fn a_stranger_in_the_staging_area() {
    let scene = Scene::new("A");
    let stray = scene.dir.join(".oct/staging/data/operators/stray.db");
    let hooks = Meddle::acting(move |checkpoint, pass| match (checkpoint, pass) {
        (Checkpoint::WriteFile, 3) => fs::write(&stray, ""),
        _ => Ok(()),
    });
    let error = Catalog::new('B').install(&mut lock_with(&scene.dir, hooks).unwrap(), 1).unwrap_err();
    insta::assert_snapshot!(scene.words(&error), @"the staging area was changed by someone else: `data/operators/stray.db` is not in the manifest (hint: find out who else writes into the folder, then run the command again)");
    assert!(Catalog::new('A').is_in(&scene.dir));
    assert_tidy(&scene.dir, "");
}

#[test]
fn space_is_asked_for_first() {
    let scene = Scene::new("A");
    let locked = lock(&scene.dir);
    locked.require_space(1_000_000, 10).unwrap();
    let error = locked.require_space(1 << 60, 10).unwrap_err();
    assert_eq!(error.class(), Class::Host);
    let said = scene.words(&error);
    assert!(said.contains("not enough space in `DIR/db`: 1152921.5 TB needed (8.4 MB of it in reserve)"), "{said}");
    read(&scene.parent.path().join("not/yet")).unwrap().require_space(1_000, 1).unwrap();
}

#[test]
fn a_torn_history_goes_on() {
    let scene = Scene::new("A");
    let path = scene.dir.join(".oct/history.jsonl");
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"time\":\"2026-0").unwrap();
    Catalog::new('B').install(&mut lock(&scene.dir), 1).unwrap();
    let history = lock(&scene.dir).history(9).unwrap();
    let archives: Vec<_> = history.into_iter().map(|entry| entry.archive.unwrap()).collect();
    assert_eq!(archives, [Catalog::new('B').archive(), Catalog::new('A').archive()]);
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 3);
}

#[test]
fn damaged_files_of_the_manifest_are_handed_out_as_they_are() {
    let scene = Scene::new("A");
    fs::write(scene.dir.join("manifest.json"), [0xff, 0xfe]).unwrap();
    fs::remove_file(scene.dir.join("manifest.json.minisig")).unwrap();
    let found = read(&scene.dir).unwrap().installed().unwrap().unwrap().manifest.unwrap();
    assert_eq!((found.unverified_text(), found.signatures().len()), ("\u{fffd}\u{fffd}", 0));
    fs::remove_file(scene.dir.join("manifest.json")).unwrap();
    assert!(Command::new("mkfifo").arg(scene.dir.join("manifest.json")).status().unwrap().success());
    let found = read(&scene.dir).unwrap().installed().unwrap().unwrap().manifest.unwrap();
    assert_eq!(found.unverified_text(), "");
    Catalog::new('B').install(&mut lock(&scene.dir), 1).unwrap();
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
}

#[test]
fn a_link_in_the_place_of_the_journal_is_refused() {
    let scene = Scene::new("A");
    for target in ["nowhere", "../manifest.json"] {
        let link = scene.dir.join(".oct/journal.json");
        symlink(target, &link).unwrap();
        let error = try_lock(&scene.dir).err().unwrap();
        assert!(error.to_string().contains("journal.json"), "{error}");
        assert!(Catalog::new('A').is_in(&scene.dir));
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn every_folder_that_took_part_in_a_move_is_synced() {
    let scene = Scene::new("A");
    let meddle = Arc::new(Meddle::default());
    Catalog::new('B').install(&mut lock_with(&scene.dir, meddle.clone()).unwrap(), 1).unwrap();
    let passes = meddle.passes();
    let times = |of: Checkpoint| passes.iter().filter(|(checkpoint, _)| *checkpoint == of).count();
    // The catalog's folder, where the new version comes from, and where the old one goes.
    assert_eq!((times(Checkpoint::SyncSwap), times(Checkpoint::SyncManifest)), (3, 3));
    assert!(times(Checkpoint::SyncFolders) > 0, "what was unpacked");
}

#[test]
fn a_swap_that_had_not_begun_leaves_nothing() {
    let scene = Scene::new("A");
    let stop = Meddle::acting(|at, _| if at == Checkpoint::Exchange { Err(errno(5)) } else { Ok(()) });
    Catalog::new('B').install(&mut lock_with(&scene.dir, stop).unwrap(), 1).unwrap_err();
    assert!(lock(&scene.dir).previous().unwrap().is_empty());
    assert!(Catalog::new('A').is_in(&scene.dir));
    assert!(!scene.dir.join(".oct/staging").exists());
}

#[test]
fn the_old_data_is_kept_even_if_the_new_one_is_changed_before_recovery() {
    let scene = Scene::new("A");
    let stop = Meddle::acting(|at, _| if at == Checkpoint::CollectOld { Err(errno(5)) } else { Ok(()) });
    let error = Catalog::new('B').install(&mut lock_with(&scene.dir, stop).unwrap(), 1).unwrap_err();
    assert!(matches!(error, StoreError::Unfinished { .. }), "{error}");
    fs::write(scene.dir.join("data/containers/containers.db"), "{}").unwrap();
    let previous = lock(&scene.dir).previous().unwrap();
    assert_eq!(previous.len(), 1);
    assert!(Catalog::new('A').is_in(previous[0].path()));
}

/// Where the old data cannot be exchanged for the new, there is a moment without any.
#[test]
fn data_that_somebody_makes_during_a_swap_are_kept() {
    let scene = Scene::new("A");
    let dir = scene.dir.clone();
    let meddle = Meddle::acting(move |at, _| match at {
        Checkpoint::MoveNewIn => {
            foreign(&dir);
            Err(errno(5))
        }
        _ => Filesystem::NoExchange.refusal(at).map_or(Ok(()), Err),
    });
    let error = Catalog::new('B').install(&mut lock_with(&scene.dir, meddle).unwrap(), 1).unwrap_err();
    let said = oct::base::text::with_causes(&error);
    assert!(said.contains("os error 5"), "{said}");
    assert!(scene.dir.join("data/notes.txt").exists(), "the old data did not replace it");
    let locked = lock(&scene.dir);
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
    let previous = locked.previous().unwrap();
    assert!(previous.iter().any(|version| version.path().join("data/notes.txt").exists()));
    assert!(previous.iter().any(|version| Catalog::new('A').is_in(version.path())));
}

#[test]
fn an_outgoing_version_without_a_journal_is_kept() {
    let scene = Scene::new("AB");
    let (oct, previous) = (scene.dir.join(".oct"), scene.previous().remove(0));
    // What a lost journal leaves: of the whole version, of its data alone, and of nothing.
    fs::rename(oct.join("previous").join(&previous), oct.join("outgoing")).unwrap();
    assert_eq!(lock(&scene.dir).recovered().len(), 1);
    assert!(Catalog::new('A').is_in(lock(&scene.dir).previous().unwrap()[0].path()));
    let kept = oct.join("previous").join(scene.previous().remove(0));
    fs::create_dir(oct.join("outgoing")).unwrap();
    fs::rename(kept.join("data"), oct.join("outgoing/data")).unwrap();
    assert_eq!(lock(&scene.dir).recovered().len(), 1);
    let data = lock(&scene.dir).previous().unwrap()[0].path().join("data");
    assert!(data.exists() && !data.starts_with(kept));
    fs::create_dir(oct.join("outgoing")).unwrap();
    assert_eq!(lock(&scene.dir).recovered().len(), 0);
    assert!(!oct.join("outgoing").exists());
}

#[test]
fn an_empty_version_that_a_crash_left_is_no_version() {
    let scene = Scene::new("AB");
    let empty = scene.dir.join(".oct/previous/0002-20260205T194000Z");
    fs::create_dir(&empty).unwrap();
    assert_eq!(lock(&scene.dir).previous().unwrap().len(), 1);
    assert!(!empty.exists());
    assert!(Catalog::new('A').is_in(lock(&scene.dir).previous().unwrap()[0].path()));
}

#[test]
fn a_damaged_journal_is_named() {
    let scene = Scene::new("A");
    for text in ["{", "{\"version\":1,\"incoming\":{\"previous\":\"../../x\"}}"] {
        fs::write(scene.dir.join(".oct/journal.json"), text).unwrap();
        let error = try_lock(&scene.dir).err().unwrap();
        assert!(matches!(error, StoreError::Journal { .. }), "{error:?}");
        assert!(oct::ops::hint::store(&error).unwrap().contains("journal.json"));
        assert!(Catalog::new('A').is_in(&scene.dir));
    }
    // One that cannot be opened is there nevertheless.
    fs::remove_file(scene.dir.join(".oct/journal.json")).unwrap();
    symlink("nowhere", scene.dir.join(".oct/journal.json")).unwrap();
    let error = try_lock(&scene.dir).err().unwrap();
    assert!(oct::base::text::with_causes(&error).contains("journal.json"), "{error:?}");
}

/// More folders within folders than a process may open files, and a longer path than the system takes.
fn deep(path: &Path) {
    fs::create_dir(path).unwrap();
    let script = "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')";
    assert!(Command::new("python3").args(["-c", script]).arg(path).status().unwrap().success());
}

#[test]
fn folders_of_any_depth_are_kept_and_removed() {
    let scene = Scene::new("A");
    deep(&scene.dir.join("data/helm/mine"));
    Catalog::new('B').install(&mut lock(&scene.dir), 0).unwrap();
    assert_eq!(scene.previous(), ["0001-foreign"]);
    let oct = scene.dir.join(".oct");
    fs::rename(oct.join("previous/0001-foreign"), oct.join("trash")).unwrap();
    deep(&oct.join("staging"));
    assert_eq!(read(&scene.dir).unwrap().recovered(), [Recovered::RemovedStaging, Recovered::EmptiedTrash]);
    assert!(Catalog::new('B').is_in(&scene.dir));
    assert_tidy(&scene.dir, "");
}

#[test]
fn what_cannot_be_removed_stops_nothing() {
    let scene = Scene::new("A");
    for name in ["staging", "trash"] {
        fs::create_dir(scene.dir.join(".oct").join(name)).unwrap();
    }
    let hooks = Meddle::acting(|checkpoint, _| match checkpoint {
        Checkpoint::RemoveStaging | Checkpoint::EmptyTrash => Err(errno(5)),
        _ => Ok(()),
    });
    let store = Store::with_checkpoints(&scene.dir, Arc::clone(&hooks) as _);
    let reading = store.read(&holder("oct status"), Duration::ZERO, &Silent).unwrap();
    let said: Vec<_> = reading.recovered().iter().map(ToString::to_string).collect();
    assert!(said.len() == 2 && said[0].contains(".oct/staging") && said[1].contains(".oct/trash"), "{said:?}");
    drop(reading);
    let report = Catalog::new('B').install(&mut lock_with(&scene.dir, hooks).unwrap(), 1).unwrap();
    assert_eq!(report.warnings.len(), 1);
    assert!(Catalog::new('B').is_in(&scene.dir) && Catalog::new('B').vouches_in(&scene.dir));
    assert!(read(&scene.dir).unwrap().recovered().len() == 1);
    assert_tidy(&scene.dir, "");
}
