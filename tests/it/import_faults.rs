//! Each system call by which an import changes the disk fails once, at each of its passes: the folder has the old
//! catalog or the new one, whole, the exit code says which, and the next run leaves nothing behind. `OCT_ROUNDS` sets how
//! many passes are tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli_support::Run;
use crate::forge::{Forge, Layers, everything};
use crate::install_support::{assert_tidy, names, scratch};

/// Every call that changes the disk, with what may be wrong with it.
const CALLS: [(&str, &[&str]); 10] = [
    ("write", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO"]),
    ("renameat2", &["EIO", "EINVAL", "EXDEV"]),
    ("renameat", &["EIO"]),
    ("linkat", &["EIO"]),
    ("mkdirat", &["ENOSPC"]),
    ("unlinkat", &["EIO", "EACCES"]),
    ("fchmod", &["EIO"]),
    ("ftruncate", &["EIO"]),
    ("openat2", &["EMFILE"]),
];

struct Scene {
    parent: tempfile::TempDir,
}

impl Scene {
    fn run_with(&self, program: &[&str], archive: &str, db: &Path) -> Run {
        let mut command = Command::new(program.first().copied().unwrap_or(crate::OCT));
        if let Some((_, arguments)) = program.split_first() {
            command.args(arguments).arg(crate::OCT);
        }
        command.args(["import", archive, "--json", "--key", "oct.pub", "--to"]).arg(db);
        command.current_dir(self.parent.path()).env_clear().env("HOME", self.parent.path()).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    fn run(&self, program: &[&str], db: &Path) -> Run {
        self.run_with(program, "new", db)
    }
}

fn data(db: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    let found = everything(&db.join("data")).into_iter();
    found.map(|(path, kind, content)| (path.strip_prefix(db).unwrap().to_owned(), kind, content)).collect()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn each_call_fails_once() {
    let rounds = std::env::var("OCT_ROUNDS").map_or(30, |rounds| rounds.parse().unwrap());
    let parent = scratch();
    let mut forge = Forge::new();
    let archives = [
        ("older", 3, "2026-02-01T00:00:00Z"),
        ("old", 2, "2026-03-01T00:00:00Z"),
        ("new", 1, "2026-03-04T05:06:07Z"),
        ("newest", 4, "2026-03-04T09:00:00Z"),
    ];
    for (name, flavour, created) in archives {
        forge.layers = Layers::valid(flavour, created);
        fs::write(parent.path().join(name), forge.valid()).unwrap();
        if !name.starts_with("new") {
            crate::forge::try_import(
                &parent.path().join(name),
                &parent.path().join("template"),
                &forge.keyring(),
                &oct::base::progress::Silent,
            )
            .unwrap();
        }
    }
    fs::write(parent.path().join("oct.pub"), forge.key.public().text()).unwrap();
    let scene = Scene { parent };
    let at = |name: &str| scene.parent.path().join(name);
    let strace = |more: &[&str]| -> Vec<String> {
        let trace = at("trace").display().to_string();
        [&["strace", "-f", "-o", &trace][..], more].concat().into_iter().map(str::to_owned).collect()
    };
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: strace cannot be used here");
    }

    // How often each is called.
    copy(&at("template"), &at("db"));
    let all: Vec<_> = CALLS.iter().map(|(call, _)| *call).collect();
    let words = strace(&["-e", &format!("trace={}", all.join(","))]);
    scene.run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &at("db")).expect(0);
    let (old, new) = (data(&at("template")), data(&at("db")));
    let mut counts = BTreeMap::new();
    for line in fs::read_to_string(at("trace")).unwrap().lines() {
        if let Some(call) = line.split_whitespace().nth(1).and_then(|rest| rest.split_once('(')).map(|(call, _)| call) {
            *counts.entry(call.to_owned()).or_insert(0) += 1;
        }
    }
    let mut faults: Vec<(&str, &str, u32)> = Vec::new();
    for (call, errors) in CALLS {
        for error in errors {
            faults.extend((1..=counts.get(call).copied().unwrap_or(0)).map(|pass| (call, *error, pass)));
        }
    }
    assert!(faults.len() > 150 && counts["renameat2"] > 4 && counts["fsync"] > 20, "{counts:?}");
    fastrand::Rng::with_seed(5).shuffle(&mut faults);

    let (mut failed, mut found_new) = (0, 0);
    for (call, error, pass) in faults.iter().cycle().take(rounds) {
        let about = format!("{call} fails with {error} at pass {pass}");
        fs::remove_dir_all(at("db")).unwrap();
        copy(&at("template"), &at("db"));
        let inject = format!("inject={call}:error={error}:when={pass}");
        let words = strace(&["-e", &format!("trace={call}"), "-e", &inject]);
        let run = scene.run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &at("db"));
        let found = data(&at("db"));
        assert!(found == old || found == new, "{about}: neither the old nor the new catalog\n{}", run.err);
        found_new += usize::from(found == new);
        match run.code {
            Some(0) => assert!(found == new, "{about}: exit code 0 with the old catalog"),
            Some(6) => {
                failed += 1;
                let document = serde_json::from_str::<serde_json::Value>(&run.out).unwrap_or_default();
                let code = document["error"]["code"].as_str().unwrap_or("stdout");
                assert!(found == old || ["swap-unfinished", "stdout"].contains(&code), "{about}: {code}\n{}", run.err);
            }
            code => panic!("{about}: exit code {code:?}\n{}", run.err),
        }
        let next = scene.run(&[], &at("db"));
        assert_eq!(next.code, Some(0), "{about}: the next run fails: {}", next.err);
        assert!(data(&at("db")) == new, "{about}");
        assert_tidy(&at("db"), &about);
        // If the fault hides that the old catalog is intact, one version more than `--keep` stays until the next
        // import.
        assert!([1, 2].contains(&names(&at("db/.oct/previous")).len()), "{about}");
        scene.run_with(&[], "newest", &at("db")).expect(0);
        assert_eq!(names(&at("db/.oct/previous")).len(), 1, "{about}: --keep does not hold");
    }
    eprintln!("{rounds} faults of {}: {failed} imports failed, {found_new} times the new catalog", faults.len());
    assert!(failed > 0);
}
