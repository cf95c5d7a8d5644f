use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::catalog::document::{ObjectId, Operator};
use crate::exporter::listing::Key;
use crate::pyxis::{At, Body, Document};

const NONE: &[Document] = &[];

fn asked(url: &str) -> Asked {
    Asked { catalog_url: url.into(), charts_url: "c".into(), collections: vec![], since: None }
}

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn document() -> Document {
    let operator = Operator { csv_name: "a.v1".into(), ocp_version: "4.16".into(), channel_name: "x".into() };
    let id = ObjectId::parse("5f059f17bed8bd4f99d20100").unwrap();
    Document { id, at: At::of(now()), body: Body::Operator(Box::new(operator)), odd: None }
}

fn open(cache: &Path, url: &str) -> Result<WorkFolder, SourceError> {
    let (root, said) = Root::open(Some(cache), "work").unwrap();
    assert_eq!(said, None);
    WorkFolder::open(root, &asked(url))
}

/// Continues, and tells what the files held.
fn resume(work: &mut WorkFolder, now: Timestamp, fresh: bool) -> Option<Vec<(Content, usize)>> {
    let mut found = Vec::new();
    let state = work.resume(now, fresh, |unit| {
        let lines = match unit.content {
            Content::Keys(_) => unit.lines::<Key>().collect::<io::Result<Vec<_>>>()?.len(),
            _ => unit.lines::<Document>().collect::<io::Result<Vec<_>>>()?.len(),
        };
        found.push((unit.content, lines));
        Ok(())
    });
    state.unwrap().map(|_| found)
}

fn interrupted(cache: &Path) {
    let mut work = open(cache, "a").unwrap();
    assert_eq!(resume(&mut work, now(), false), None);
    work.save_state(&WorkState::new(now())).unwrap();
    work.save("operators:x", Content::All(Interval::ALL), &[document()]).unwrap();
    work.save("operators:y", Content::Some, NONE).unwrap();
    work.save("operators:y", Content::Keys(Interval::ALL), &[(At::UNDATED, ObjectId::MIN)]).unwrap();
}

#[test]
fn an_interrupted_fetch_is_read_back() {
    let cache = tempfile::tempdir().unwrap();
    interrupted(cache.path());
    let mut work = open(cache.path(), "a").unwrap();
    let found = resume(&mut work, now() + SignedDuration::from_mins(5), false).unwrap();
    assert_eq!(found, [(Content::All(Interval::ALL), 1), (Content::Some, 0), (Content::Keys(Interval::ALL), 1)]);
    let unit = work.read(0).unwrap();
    assert_eq!(unit.lines::<Document>().map(Result::unwrap).collect::<Vec<_>>(), [document()]);
    assert_eq!(work.save("operators:x", Content::Some, NONE).unwrap(), 3);
    work.remove().unwrap();
    assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
}

#[test]
fn old_foreign_and_damaged_state_is_dropped() {
    for (url, age, fresh) in [("b", 1, false), ("a", 7 * 60, false), ("a", -1, false), ("a", 1, true)] {
        let cache = tempfile::tempdir().unwrap();
        interrupted(cache.path());
        let mut work = open(cache.path(), url).unwrap();
        let later = now() + SignedDuration::from_mins(age);
        assert_eq!(resume(&mut work, later, fresh), None, "{url} {age} {fresh}");
        assert_eq!(numbers(&work.folder).unwrap(), [0u32; 0]);
    }
    let cache = tempfile::tempdir().unwrap();
    interrupted(cache.path());
    let mut work = open(cache.path(), "a").unwrap();
    let file = work.unit(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(work.read(0).unwrap_err().to_string().contains("damaged"));
    assert_eq!(resume(&mut work, now(), false).unwrap().len(), 2);
}

#[test]
fn what_was_left_of_other_questions_goes_and_nothing_else() {
    let cache = tempfile::tempdir().unwrap();
    interrupted(cache.path());
    let root = cache.path().join("work");
    std::fs::create_dir(root.join("kept")).unwrap();
    std::fs::write(root.join("kept/lock"), "").unwrap();
    let folders = || std::fs::read_dir(&root).unwrap().count();
    let mut other = open(cache.path(), "b").unwrap();
    resume(&mut other, now() + SignedDuration::from_hours(1), false);
    assert_eq!(folders(), 3);
    // A file that such a folder does not have is somebody's.
    let left = std::fs::read_dir(&root).unwrap().flatten().find(|e| e.path().join(STATE).exists()).unwrap().path();
    std::fs::write(left.join("mine.txt"), "").unwrap();
    resume(&mut other, now() + SignedDuration::from_hours(7), false);
    assert_eq!(std::fs::read_dir(&left).unwrap().count(), 1);
    std::fs::remove_file(left.join("mine.txt")).unwrap();
    std::fs::write(left.join(LOCK), "").unwrap();
    resume(&mut other, now() + SignedDuration::from_hours(7), false);
    assert_eq!(folders(), 2);
}

#[test]
fn one_process_at_a_time() {
    let cache = tempfile::tempdir().unwrap();
    let _first = open(cache.path(), "a").unwrap();
    assert!(matches!(open(cache.path(), "a"), Err(SourceError::Busy(_))));
    open(cache.path(), "b").unwrap();
}

#[test]
fn a_cache_that_others_can_change_is_not_used_and_that_is_said() {
    let outer = tempfile::tempdir().unwrap();
    let cache = outer.path().join("oct");
    let used = |cache: &Path| {
        let (root, said) = Root::open(Some(cache), "work").unwrap();
        assert_eq!(root.outlives(), said.is_none());
        said
    };
    assert_eq!(used(&cache), None);
    std::fs::set_permissions(cache.join("work"), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(used(&cache).unwrap().contains("others can write"));
    std::fs::set_permissions(cache.join("work"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o775)).unwrap();
    assert!(used(&cache).unwrap().contains("others can write"));
    let elsewhere = outer.path().join("link");
    symlink(outer.path(), &elsewhere).unwrap();
    assert!(used(&elsewhere).unwrap().contains("a link"));
    let (root, said) = Root::open(None, "work").unwrap();
    assert!(!root.outlives() && said.is_none());
    let path = root.path.clone();
    drop(root);
    assert!(!path.exists());
}

#[test]
fn no_link_is_followed() {
    let cache = tempfile::tempdir().unwrap();
    interrupted(cache.path());
    let mut work = open(cache.path(), "a").unwrap();
    let elsewhere = cache.path().join("elsewhere");
    std::fs::copy(work.unit(0), &elsewhere).unwrap();
    std::fs::remove_file(work.unit(0)).unwrap();
    symlink(&elsewhere, work.unit(0)).unwrap();
    assert!(work.read(0).is_err());
    // Saving under the name of a link replaces the link.
    work.next = 0;
    work.save("operators:x", Content::Some, NONE).unwrap();
    assert!(work.read(0).is_ok());
    assert!(std::fs::metadata(&elsewhere).unwrap().len() > 100);
}

/// A folder that others can write into may hold anything, under any name, and other programs have folders too.
#[test]
fn only_private_folders_of_fetches_are_swept() {
    let cache = tempfile::tempdir().unwrap();
    let root = cache.path().join("work");
    interrupted(cache.path());
    let kept = [("0123456789abcdef", 0o777), ("not-hexadecimal!", 0o700), ("0123", 0o700)];
    for (name, mode) in kept.into_iter().chain([("fedcba9876543210", 0o700)]) {
        std::fs::create_dir(root.join(name)).unwrap();
        std::fs::write(root.join(name).join(LOCK), "").unwrap();
        std::fs::set_permissions(root.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    resume(&mut open(cache.path(), "b").unwrap(), now(), false);
    assert!(kept.iter().all(|(name, _)| root.join(name).exists()));
    assert!(!root.join("fedcba9876543210").exists());
}
