//! What an import takes care of: things of other people in its place, versions that are kept, archives that are passed
//! over; and what it says of a catalog that nobody here can prove.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use oct::base::failure::{Class, Classified as _};
use oct::importer::{Checkpoint, StoreError};
use serde_json::Value;

use crate::cli_support::{Desk, Run};
use crate::forge::{Forge, Layers, everything};
use crate::install_support::{
    self, Catalog, Job, Meddle, Scene, Template, assert_tidy, installed, lock, lock_with, names, read, scratch,
    was_killed,
};

/// Archives `old` and `new`, and `oct.pub`, the key that signed them.
fn desk() -> Desk {
    let desk = Desk::bare();
    let mut forge = Forge::new();
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    fs::write(desk.join("other.pub"), Forge::new().key.public().text()).unwrap();
    for (name, flavour, created) in [("old", 2, "2026-03-01T00:00:00Z"), ("new", 1, "2026-03-04T05:06:07Z")] {
        forge.layers = Layers::valid(flavour, created);
        fs::write(desk.join(name), forge.valid()).unwrap();
    }
    desk
}

fn import(desk: &Desk, archive: &str, more: &[&str]) -> Run {
    desk.run(&[&["import", archive, "--to", "db", "--key", "oct.pub", "--json"], more].concat())
}

fn state(desk: &Desk, key: &str) -> (Option<i32>, Value) {
    let run = desk.run(&["status", "db", "--key", key, "--json"]);
    (run.code, run.json())
}

#[test]
fn a_project_that_has_a_data_and_a_manifest_is_not_taken_for_a_catalog() {
    let desk = desk();
    fs::create_dir_all(desk.join("db/data/raw")).unwrap();
    fs::write(desk.join("db/data/raw/thesis.txt"), "years of work").unwrap();
    fs::write(desk.join("db/manifest.json"), r#"{"name":"my web page"}"#).unwrap();
    let before = everything(&desk.join("db/data"));
    for more in [&[][..], &["--dry-run"]] {
        let run = import(&desk, "new", more).expect(5);
        assert_eq!(run.json()["error"]["code"], "unrelated");
        let named = run.err.contains("db/data`") && run.err.contains("db/manifest.json`");
        assert!(named && run.err.contains("--adopt"), "{}", run.err);
        assert!(everything(&desk.join("db/data")) == before && desk.join("db/manifest.json").exists());
    }
    let run = import(&desk, "old", &["--adopt", "--keep", "0"]).expect(0).json();
    assert_eq!(run["previous"], "0001-foreign", "named");
    let kept = desk.join("db/.oct/previous/0001-foreign");
    // It is no longer asked for, never counted and never removed.
    for archive in ["new", "old", "new"] {
        import(&desk, archive, &["--allow-downgrade", "--keep", "0"]).expect(0);
        assert_eq!(fs::read_to_string(kept.join("data/raw/thesis.txt")).unwrap(), "years of work");
        assert_eq!(fs::read_to_string(kept.join("manifest.json")).unwrap(), r#"{"name":"my web page"}"#);
        assert_eq!(names(&desk.join("db/.oct/previous")), ["0001-foreign"]);
    }
}

#[test]
fn a_manifest_of_something_else_is_kept_even_without_data() {
    let desk = desk();
    fs::create_dir(desk.join("db")).unwrap();
    fs::write(desk.join("db/manifest.json"), "{}").unwrap();
    import(&desk, "new", &[]).expect(5);
    let run = import(&desk, "new", &["--adopt"]).expect(0).json();
    assert_eq!(run["previous"], "0001-unreadable");
    assert_eq!(fs::read_to_string(desk.join("db/.oct/previous/0001-unreadable/manifest.json")).unwrap(), "{}");
    import(&desk, "old", &["--allow-downgrade", "--keep", "0"]).expect(0);
    assert_eq!(names(&desk.join("db/.oct/previous")), ["0001-unreadable"]);
}

#[test]
fn a_dump_of_the_old_container_needs_no_question() {
    let desk = desk();
    for folder in ["containers", "helm", "operators"] {
        fs::create_dir_all(desk.join("db/data").join(folder)).unwrap();
    }
    fs::write(desk.join("db/data/containers/containers.db"), "{}").unwrap();
    for file in ["archive.json", "helm/helm.db", "operators/operator_catalog_page_0_100.db"] {
        fs::write(desk.join("db/data").join(file), "{}").unwrap();
    }
    let run = import(&desk, "new", &["--keep", "0"]).expect(0).json();
    assert_eq!(run["previous"], "0001-foreign");
    assert!(desk.join("db/.oct/previous/0001-foreign/data/containers/containers.db").exists());
}

#[test]
fn what_lies_in_an_installed_catalog_besides_is_not_removed_with_it() {
    for place in [
        "data/notes.txt",
        "data/helm/own-values.yaml",
        "data/operators/mine/deep/notes.txt",
        "data/operators/operator_catalog_page_9_1.db/notes.txt",
        "data/archive.json/notes.txt",
    ] {
        let desk = desk();
        import(&desk, "old", &[]).expect(0);
        let path = desk.join("db").join(place);
        let _ = fs::remove_file(desk.join("db/data/archive.json"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "do not lose").unwrap();
        assert_eq!(import(&desk, "new", &["--keep", "0"]).expect(0).json()["previous"], "0001-foreign", "{place}");
        import(&desk, "old", &["--allow-downgrade", "--keep", "0"]).expect(0);
        let pruned = desk.run(&["prune", "db", "--keep", "0", "--json"]).expect(0).json();
        assert_eq!(pruned["adopted"], serde_json::json!(["0001-foreign"]), "{place}");
        let kept = fs::read_to_string(desk.join("db/.oct/previous/0001-foreign").join(place));
        assert_eq!(kept.unwrap(), "do not lose", "{place}");
    }
}

#[test]
fn a_data_that_only_has_names_of_the_layout_is_not_taken_for_a_catalog() {
    let desk = desk();
    let files = ["helm", "containers/app/Dockerfile", "operators/main.yml", "containers/containers.db/a"];
    for file in files.map(|file| desk.join("db/data").join(file)) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "ours").unwrap();
        let before = everything(&desk.join("db/data"));
        assert_eq!(import(&desk, "new", &[]).expect(5).json()["error"]["code"], "unrelated");
        assert!(everything(&desk.join("db/data")) == before);
        fs::remove_dir_all(desk.join("db/data")).unwrap();
    }
    std::os::unix::fs::symlink("..", desk.join("helm")).unwrap();
    fs::create_dir(desk.join("db/data")).unwrap();
    fs::rename(desk.join("helm"), desk.join("db/data/helm")).unwrap();
    import(&desk, "new", &[]).expect(5);
}

#[test]
fn what_is_said_of_the_replaced_catalog_is_true() {
    let desk = desk();
    import(&desk, "old", &[]).expect(0);
    let run = desk.run(&["import", "new", "--to", "db", "--key", "oct.pub", "--keep", "0"]).expect(0);
    assert!(!run.out.contains("kept as") && run.out.contains("removed"), "{}", run.out);
    assert!(run.out.contains("0001-20260301T000000Z (--keep 0)"), "{}", run.out);
    let run = import(&desk, "old", &["--allow-downgrade", "--keep", "0"]).expect(0).json();
    assert_eq!((&run["previous"], run["removed"].as_array().unwrap().len()), (&Value::Null, 1));
    let run = import(&desk, "new", &["--keep", "1"]).expect(0).json();
    let kept = run["previous"].as_str().unwrap();
    assert!(desk.join("db/.oct/previous").join(kept).exists() && run["removed"].as_array().unwrap().is_empty());
}

#[test]
fn keep_holds_after_a_kill() {
    let new = Catalog::new('D');
    let hooks = Arc::new(Meddle::default());
    let sample = Scene::new("ABC");
    new.install(&mut lock_with(&sample.dir, Arc::clone(&hooks) as _).unwrap(), 1).unwrap();
    let late = hooks.passes().into_iter().skip_while(|(checkpoint, _)| *checkpoint != Checkpoint::CollectOld);
    let late: Vec<_> = late.collect();
    assert!(late.iter().any(|(checkpoint, _)| *checkpoint == Checkpoint::Discard) && late.len() > 10, "{late:?}");
    let parent = scratch();
    let begin = parent.path().join("begin");
    installed(&begin, 9, "ABC");
    for (number, kill) in late.into_iter().enumerate() {
        let dir = parent.path().join(number.to_string());
        assert!(Command::new("cp").arg("-a").args([&begin, &dir]).status().unwrap().success());
        assert!(was_killed(Job { kill: Some(kill), ..Job::new(&dir, "install:D") }.run().0));
        let previous = lock(&dir).previous().unwrap();
        assert!(new.is_in(&dir), "{kill:?}");
        assert!(previous.len() == 1 && Catalog::new('C').is_in(previous[0].path()), "{kill:?}: {previous:?}");
        assert_tidy(&dir, &format!("{kill:?}"));
    }
}

#[test]
fn a_folder_that_is_removed_underneath_is_an_error() {
    let count = Arc::new(Meddle::default());
    let sample = Scene::new("AB");
    Catalog::new('C').install(&mut lock_with(&sample.dir, Arc::clone(&count) as _).unwrap(), 1).unwrap();
    let (parent, template) = (scratch(), Template::new("AB"));
    for (at, whole) in count.passes().into_iter().flat_map(|at| [(at, true), (at, false)]) {
        let dir = parent.path().join(format!("{at:?}{whole}"));
        template.copy_to(&dir);
        let gone = if whole { dir.clone() } else { dir.join(".oct") };
        let hooks = Meddle::acting(move |checkpoint, pass| {
            if (checkpoint, pass) == at {
                let _ = fs::remove_dir_all(&gone);
            }
            Ok(())
        });
        let outcome = lock_with(&dir, hooks).and_then(|mut locked| Catalog::new('C').install(&mut locked, 1));
        if let Err(error) = outcome {
            assert_eq!(error.class(), Class::Host, "{at:?}: {}", install_support::words(&error));
        }
    }
}

#[test]
fn a_history_that_is_no_file_stops_the_import_before_it_begins() {
    let scene = Scene::new("A");
    let history = scene.dir.join(".oct/history.jsonl");
    fs::remove_file(&history).unwrap();
    assert!(Command::new("mkfifo").arg(&history).status().unwrap().success());
    let error = Catalog::new('B').install(&mut lock(&scene.dir), 1).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    let said = scene.words(&error);
    assert!(said.contains("`DIR/db/.oct/history.jsonl`: it is not a regular file"), "{said}");
    assert!(Catalog::new('A').is_in(&scene.dir) && Catalog::new('A').vouches_in(&scene.dir));
    assert_eq!(read(&scene.dir).unwrap().history(9).unwrap(), []);
}

#[test]
fn odd_files_among_the_data_hang_nothing() {
    let desk = desk();
    import(&desk, "new", &[]).expect(0);
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    for file in ["data/operators/extra.db", "data/helm/helm.db", "manifest.json"] {
        pipe(&desk.join("db").join(file));
        for command in ["status", "verify"] {
            desk.run(&[command, "db", "--key", "oct.pub"]).expect(4);
        }
    }
}

#[test]
fn newer_archives_that_were_passed_over_are_named_with_q_too() {
    let desk = desk();
    fs::create_dir(desk.join("stick")).unwrap();
    let mut forge = Forge::new();
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    for (name, created) in [("2026030100", "2026-03-01T00:00:00Z"), ("2026030400", "2026-03-04T00:00:00Z")] {
        forge.layers = Layers::valid(1, created);
        fs::write(desk.join(format!("stick/catalog-{name}.tar.zst")), forge.valid()).unwrap();
    }
    let mut cut = fs::read(desk.join("stick/catalog-2026030400.tar.zst")).unwrap();
    cut.truncate(cut.len() - 1);
    fs::write(desk.join("stick/catalog-2026030400.tar.zst"), cut).unwrap();
    fs::write(desk.join("stick/catalog-2026020100.tar.zst"), "rubbish").unwrap();
    let quiet = ["import", "stick", "--key", "oct.pub", "--to", "db", "-q"];
    let run = desk.run(&quiet).expect(0);
    assert!(run.err.contains("passed over a newer archive") && run.err.contains("2026030400"), "{}", run.err);
    assert!(!run.err.contains("2026020100") && run.out.is_empty(), "{}", run.err);
    // A stranger's, newer by what it says of itself, whatever its name.
    forge = Forge::new();
    forge.layers = Layers::valid(1, "2026-05-01T00:00:00Z");
    fs::write(desk.join("stick/catalog-2026010100.tar.zst"), forge.valid()).unwrap();
    let run = desk.run(&quiet).expect(0);
    assert!(run.err.contains("2026010100"), "{}", run.err);
    let warnings = desk.run(&[&quiet[..6], &["--json"]].concat()).expect(0).json()["warnings"].clone();
    assert_eq!(warnings.as_array().unwrap().len(), 3, "{warnings}");
}

#[test]
fn what_nobody_here_can_prove_is_not_called_altered() {
    let desk = desk();
    import(&desk, "new", &[]).expect(0);
    let (code, found) = state(&desk, "other.pub");
    assert_eq!((code, &found["state"]), (Some(4), &"not-provable".into()));
    let run = desk.run(&["status", "db", "--key", "other.pub"]).expect(4);
    assert!(run.out.contains("Not provable here:") && !run.out.contains("NOT what was signed"), "{}", run.out);
    assert!(run.out.contains("not trusted here") && run.out.contains("oct trust add"), "{}", run.out);
    let run = desk.run(&["verify", "db", "--key", "other.pub", "--json"]).expect(4);
    assert_eq!(run.json()["error"]["code"], "not-provable");
    let run = desk.run(&["inspect", "db", "--key", "other.pub", "--json"]).expect(0);
    assert_eq!(run.json()["trust"]["verified"], false);
    let run = desk.run(&["verify", "db", "--json"]).expect(4);
    assert_eq!(run.json()["error"]["code"], "not-provable", "no key at all");

    // Altered is altered, whoever signed it.
    fs::write(desk.join("db/data/archive.json"), "{}").unwrap();
    let (code, found) = state(&desk, "other.pub");
    assert_eq!((code, &found["state"]), (Some(4), &"not-as-signed".into()));
    let run = desk.run(&["verify", "db", "--key", "other.pub", "--json"]).expect(4);
    assert_eq!(run.json()["error"]["code"], "not-as-signed");
}
