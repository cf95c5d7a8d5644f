//! `oct status` and `oct rollback`.

#![allow(clippy::unwrap_used, reason = "a helper may fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::cli_support::{Desk, Run, text};
use crate::forge::{Forge, Layers};

/// Two archives, and a desk in whose `db` they are installed.
struct Scene {
    desk: Desk,
}

impl Scene {
    /// Two archives and the key that signed them.
    fn new() -> Self {
        let scene = Self { desk: Desk::bare() };
        let mut forge = Forge::new();
        fs::write(scene.path("oct.pub"), forge.key.public().text()).unwrap();
        for (name, flavour, created) in [("old", 2, "2026-03-01T00:00:00Z"), ("new", 1, "2026-03-04T05:06:07Z")] {
            forge.layers = Layers::valid(flavour, created);
            fs::write(scene.path(name), forge.valid()).unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command.env("OCT_KEY", "oct.pub").env("OCT_DB", "db");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        outcome(&self.command(arguments).output().unwrap())
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let run = Run::from(self.command(arguments).arg("--json").output().unwrap());
        (run.code.unwrap(), run.json())
    }

    fn imported(&self) {
        for name in ["old", "new"] {
            assert_eq!(self.run(&["import", name]).0, 0);
        }
    }
}

fn outcome(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), text(output))
}

#[test]
fn nothing_fresh_and_stale() {
    let scene = Scene::new();
    let (code, found) = scene.json(&["status"]);
    assert_eq!((code, &found["schema"], &found["state"]), (1, &"oct.status.v1".into(), &"nothing".into()));
    assert!(!scene.path("db").exists(), "looking makes no folder");
    scene.imported();
    let (code, found) = scene.json(&["status"]);
    assert_eq!((code, &found["state"], &found["created"]), (0, &"intact".into(), &"2026-03-04T05:06:07Z".into()));
    assert_eq!(found["previous"][0]["created"], "2026-03-01T00:00:00Z");
    assert_eq!(found["history"].as_array().unwrap().len(), 2);
    assert_eq!(scene.json(&["status", "--max-age", "100000d"]).0, 0);
    let (code, found) = scene.json(&["status", "--max-age", "1h"]);
    assert_eq!((code, &found["state"]), (1, &"stale".into()));
    let (code, said) = scene.run(&["status", "--max-age", "1h"]);
    assert!(code == 1 && said.contains("Stale:") && !said.contains("Intact"), "{said}");
}

#[test]
fn never_intact_when_it_is_not() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, &str); 9] = [
        ("a missing file", |db| fs::remove_file(db.join("data/helm/helm.db")).unwrap(), "not-as-signed"),
        ("no data", |db| fs::remove_dir_all(db.join("data")).unwrap(), "not-as-signed"),
        ("an extra file", |db| fs::write(db.join("data/operators/x.db"), "").unwrap(), "not-as-signed"),
        ("an extra folder", |db| fs::create_dir(db.join("data/x")).unwrap(), "not-as-signed"),
        ("an empty file", |db| fs::write(db.join("data/containers/containers.db"), "").unwrap(), "not-as-signed"),
        (
            "a changed byte",
            |db| {
                let path = db.join("data/containers/containers.db");
                let mut bytes = fs::read(&path).unwrap();
                bytes[30] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            "not-as-signed",
        ),
        (
            "a changed manifest",
            |db| {
                let path = db.join("manifest.json");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replace("2026-03-04", "2026-11-04")).unwrap();
            },
            "not-as-signed",
        ),
        ("no signature", |db| fs::remove_file(db.join("manifest.json.minisig")).unwrap(), "unsigned"),
        ("no manifest", |db| fs::remove_file(db.join("manifest.json")).unwrap(), "unsigned"),
    ];
    for (name, harm, state) in harms {
        let scene = Scene::new();
        scene.imported();
        harm(&scene.path("db"));
        let (code, found) = scene.json(&["status"]);
        assert_eq!((code, found["state"].as_str()), (4, Some(state)), "{name}: {found}");
        assert!(found["cause"].is_string(), "{name}");
        let (code, said) = scene.run(&["status"]);
        assert!(code == 4 && !said.to_lowercase().contains("intact"), "{name}: {said}");
    }
    // Another key with the id of the trusted one: the files are as the manifest says.
    let scene = Scene::new();
    scene.imported();
    fs::write(scene.path("oct.pub"), crate::trust::with_the_same_id(&scene.path("oct.pub"))).unwrap();
    let (code, found) = scene.json(&["status"]);
    assert_eq!((code, &found["state"], &found["deviations"]), (4, &"not-as-signed".into(), &serde_json::json!([])));
    let (_, said) = scene.run(&["status"]);
    assert!(said.starts_with("The signature does not match: db") && said.contains("same id"), "{said}");
    assert!(!said.contains("NOT what") && said.contains("oct trust list"), "{said}");
    fs::write(scene.path("db/data/archive.json"), "{}").unwrap();
    let (code, said) = scene.run(&["status"]);
    assert!(code == 4 && said.starts_with("NOT what was signed: db") && said.contains("archive.json"), "{said}");
    // A key that is no longer trusted.
    let scene = Scene::new();
    scene.imported();
    fs::write(scene.path("oct.pub"), Forge::new().key.public().text()).unwrap();
    let (code, found) = scene.json(&["status"]);
    assert_eq!((code, &found["state"]), (4, &"not-provable".into()));
}

#[test]
fn rollback_there_and_back() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["rollback"]).0, 6);
    assert!(!scene.path("db").exists(), "no folder is made");
    scene.imported();
    for created in ["2026-03-01T00:00:00Z", "2026-03-04T05:06:07Z"] {
        let (code, found) = scene.json(&["rollback"]);
        assert_eq!((code, &found["schema"], &found["created"]), (0, &"oct.rollback.v1".into(), &created.into()));
        assert_eq!(scene.json(&["status"]).1["created"], created);
        assert_eq!(scene.run(&["verify", "db"]).0, 0);
    }
}

#[test]
fn rollback_refuses_what_was_not_signed() {
    let scene = Scene::new();
    scene.imported();
    let previous = fs::read_dir(scene.path("db/.oct/previous")).unwrap().next().unwrap().unwrap().path();
    fs::write(previous.join("data/archive.json"), "{}").unwrap();
    let (code, said) = scene.run(&["rollback"]);
    assert!(code == 4 && said.contains("the previous catalog cannot be restored"), "{said}");
    assert_eq!(scene.json(&["status"]).1["created"], "2026-03-04T05:06:07Z");
}

#[test]
fn rollback_to_a_catalog_of_unknown_origin() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("db/data")).unwrap();
    fs::write(scene.path("db/data/old.txt"), "left by the old container").unwrap();
    assert_eq!(scene.json(&["status"]).0, 4);
    assert_eq!(scene.run(&["import", "new", "--adopt"]).0, 0);
    let (code, said) = scene.run(&["rollback"]);
    assert!(code == 0 && said.contains("nothing proves"), "{said}");
    assert!(scene.path("db/data/old.txt").exists());
}

#[test]
fn a_rollback_passes_over_an_altered_catalog_and_finds_the_good_one_behind_it() {
    let scene = Scene::new();
    scene.imported();
    fs::write(scene.path("db/data/archive.json"), "{}").unwrap();
    // What the guide says of altered files: import again. The good old version stays.
    assert_eq!(scene.run(&["import", "new"]).0, 0);
    let (code, said) = scene.run(&["rollback"]);
    assert!(code == 0 && said.contains("passed over"), "{said}");
    assert_eq!(scene.json(&["status"]).1["created"], "2026-03-01T00:00:00Z");
    let (code, said) = scene.run(&["rollback"]);
    assert!(code == 0 && !said.contains("passed over"), "{said}");
    assert_eq!(scene.json(&["status"]).1["created"], "2026-03-04T05:06:07Z");
}

/// Two processes at once, again and again. `OCT_ROUNDS` sets how often.
fn contended(pairs: [[&str; 2]; 2]) {
    let rounds = std::env::var("OCT_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let scene = Scene::new();
    scene.imported();
    for round in 0..rounds {
        let children: Vec<_> = pairs
            .iter()
            .map(|arguments| {
                let arguments: Vec<_> = arguments.iter().copied().filter(|argument| !argument.is_empty()).collect();
                let mut command = scene.command(&arguments);
                command.env("OCT_ALLOW_DOWNGRADE", "true").spawn().unwrap()
            })
            .collect();
        let ends: Vec<_> = children.into_iter().map(|child| outcome(&child.wait_with_output().unwrap())).collect();
        for (code, said) in &ends {
            assert!(*code == 0 || (*code == 6 && said.contains("locked by")), "{pairs:?}, round {round}: {said}");
        }
        assert!(ends.iter().any(|(code, _)| *code == 0), "{pairs:?}, round {round}: {ends:?}");
        let (code, said) = scene.run(&["verify", "db"]);
        assert_eq!(code, 0, "{pairs:?}, round {round}: {said}");
        crate::install_support::assert_tidy(&scene.path("db"), "after two at once");
    }
}

#[test]
fn two_imports_at_once() {
    contended([["import", "old"], ["import", "new"]]);
}

#[test]
fn an_import_and_a_rollback_at_once() {
    contended([["import", "old"], ["rollback", ""]]);
}

#[test]
fn an_import_and_a_status_at_once() {
    contended([["import", "new"], ["status", ""]]);
}

/// The content of every file below `data`, by path.
fn data(db: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    crate::forge::everything(&db.join("data"))
}

#[test]
fn an_import_killed_at_random_moments_leaves_one_of_the_two_whole() {
    let rounds = std::env::var("OCT_ROUNDS").map_or(25, |rounds| rounds.parse().unwrap());
    let scene = Scene::new();
    scene.imported();
    let db = scene.path("db");
    let import = |name: &str| {
        let mut command = scene.command(&["import", name]);
        command.env("OCT_ALLOW_DOWNGRADE", "true").env("OCT_KEEP", "1");
        command
    };
    let catalogs = ["old", "new"].map(|name| {
        assert_eq!(outcome(&import(name).output().unwrap()).0, 0);
        data(&db)
    });
    let begun = std::time::Instant::now();
    assert!(import("old").output().unwrap().status.success());
    let whole = begun.elapsed().as_micros() as u64;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut interrupted = 0;
    for round in 0..rounds {
        let next = ["new", "old"][round % 2];
        let mut child = import(next).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(rng.u64(..whole + whole / 4)));
        let _ = child.kill();
        interrupted += usize::from(!child.wait().unwrap().success());
        let found = data(&db);
        assert!(catalogs.contains(&found), "round {round}: neither the old nor the new catalog");
        let (code, said) = outcome(&import(next).output().unwrap());
        assert_eq!(code, 0, "round {round}: {said}");
        assert!(data(&db) == catalogs[(round + 1) % 2], "round {round}");
        crate::install_support::assert_tidy(&db, "after a kill");
    }
    assert!(interrupted > 0, "none of {rounds} imports was killed before its end");
}

/// Every command of the bastion under a trace of its system calls; where none can be made, at least in a namespace
/// without any network.
#[test]
fn nothing_on_the_bastion_opens_a_socket() {
    let scene = Scene::new();
    let works = |words: &[&str]| {
        Command::new(words[0]).args(&words[1..]).arg("true").output().is_ok_and(|output| output.status.success())
    };
    let trace = scene.path("trace").display().to_string();
    let strace = ["strace", "-f", "-e", "trace=%network", "-o", &trace];
    let unshare = ["unshare", "--user", "--map-root-user", "--net"];
    let traced = works(&strace);
    let wrapper = match (traced, works(&unshare)) {
        (true, _) => &strace[..],
        (false, true) => &unshare[..],
        (false, false) => {
            eprintln!("skipped: neither strace nor unshare can be used here");
            return;
        }
    };
    let absent = "quay.io/nobody/nothing:1";
    for (arguments, expected) in [
        (&["import", "old"][..], 0),
        (&["import", "new"], 0),
        (&["import", "new"], 0),
        (&["import", "new", "--dry-run"], 0),
        (&["verify", "new"], 0),
        (&["verify", "db"], 0),
        (&["status"], 0),
        (&["inspect", "new"], 0),
        (&["diff", "old", "new"], 1),
        (&["check", "image", absent, "--db", "db"], 1),
        (&["check", "image", absent, "--db", "new", "--online-rules"], 1),
        (&["rollback"], 0),
        (&["trust", "list"], 0),
        (&["verify", "nowhere"], 6),
    ] {
        let oct = scene.command(arguments);
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(oct.get_program());
        command.args(oct.get_args()).current_dir(scene.desk.path());
        command.env("OCT_KEY", "oct.pub").env("OCT_DB", "db").env("HOME", scene.desk.path());
        let (code, said) = outcome(&command.output().unwrap());
        assert_eq!(code, expected, "{arguments:?}: {said}");
        if traced {
            let trace = fs::read_to_string(&trace).unwrap();
            assert!(trace.contains(&format!("exited with {expected}")), "{trace}");
            assert!(!trace.contains("socket"), "{arguments:?}: {trace}");
        }
    }
}
