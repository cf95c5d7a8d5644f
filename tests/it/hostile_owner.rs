//! Folders that belong to somebody hostile, in which root runs `oct`. Where the tests do not run as root, those of two
//! users say that they were skipped.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cli_support::{Desk, Run};
use crate::forge::{Forge, Layers, everything};

const NOBODY: u32 = 65_534;

/// Archives `old` and `new`, the key that signed them, and a folder `victims` that nobody may change.
struct Scene {
    desk: Desk,
}

impl Scene {
    fn new() -> Self {
        let desk = Desk::bare();
        let mut forge = Forge::new();
        fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
        for (name, flavour, created) in [("old", 2, "2026-03-01T00:00:00Z"), ("new", 1, "2026-03-04T05:06:07Z")] {
            forge.layers = Layers::valid(flavour, created);
            fs::write(desk.join(name), forge.valid()).unwrap();
        }
        for folder in ["victims/0001-x/data", "victims/data", "victims/operators"] {
            fs::create_dir_all(desk.join(folder)).unwrap();
            fs::write(desk.join(folder).join("precious"), folder).unwrap();
        }
        fs::write(desk.join("victims/manifest.json"), "precious").unwrap();
        fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { desk }
    }

    fn oct(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command.args(["--key", "oct.pub"]).stdin(Stdio::null());
        command
    }

    fn victims(&self) -> Vec<(PathBuf, String, Vec<u8>)> {
        everything(&self.desk.join("victims"))
    }

    /// A journal that tells to move and remove, and links that lead to the victims wherever something is moved.
    fn booby_trap(&self, db: &Path, journal: &str) {
        fs::create_dir_all(db.join(".oct")).unwrap();
        fs::create_dir_all(db.join("data")).unwrap();
        for name in ["previous", "staging", "outgoing", "trash", "lock", "history.jsonl", "journal.json.new"] {
            symlink(self.desk.join("victims"), db.join(".oct").join(name)).unwrap();
        }
        for name in ["manifest.json", "manifest.json.minisig"] {
            symlink(self.desk.join("victims/manifest.json"), db.join(name)).unwrap();
        }
        fs::write(db.join(".oct/journal.json"), journal).unwrap();
    }
}

/// A journal in the form of `oct`'s own.
fn journal(incoming: &str, copied: bool) -> String {
    format!(
        r#"{{"version":1,"incoming":{incoming},"tree":"{}","incoming_files":["manifest.json"],"had_data":true,
            "copied":{copied},"outgoing_files":["manifest.json"],"previous":"0001-x","keep":0,
            "entry":{{"time":"2026-05-06T07:08:09Z","action":"install"}}}}"#,
        "0".repeat(64)
    )
}

const COMMANDS: [&[&str]; 6] = [
    &["status", "db"],
    &["verify", "db"],
    &["inspect", "db"],
    &["rollback", "db"],
    &["import", "new", "--to", "db"],
    &["import", "new", "--to", "db", "--adopt", "--allow-downgrade"],
];

fn journals() -> Vec<String> {
    let mut journals = vec![];
    for incoming in [r#""staging""#, r#"{"previous":"0001-x"}"#] {
        for copied in [false, true] {
            journals.push(journal(incoming, copied));
        }
    }
    for name in ["..", "../../victims", "/etc", "0001-x/data", ""] {
        journals.push(journal(&format!(r#"{{"previous":"{name}"}}"#), true));
        journals.push(journal(r#""staging""#, true).replace("0001-x", name));
        journals.push(journal(r#""staging""#, true).replace("manifest.json", name));
    }
    journals
}

#[test]
fn a_forged_journal_leads_nowhere_else() {
    let scene = Scene::new();
    let before = scene.victims();
    for (number, journal) in journals().into_iter().enumerate() {
        for command in COMMANDS {
            let db = scene.desk.join("db");
            scene.booby_trap(&db, &journal);
            let run = scene.oct(command);
            assert!(scene.victims() == before, "{number}, {command:?}: {}", run.err);
            assert!(
                [Some(0), Some(4), Some(5), Some(6)].contains(&run.code),
                "{command:?}: {:?} {}",
                run.code,
                run.err
            );
            fs::remove_dir_all(db).unwrap();
        }
    }
}

/// Whether a file can be given to another user; says so where not.
fn give_away(path: &Path) -> bool {
    let given = chown(path, Some(NOBODY), Some(NOBODY));
    if let Err(error) = &given {
        eprintln!("skipped: {error}");
    }
    given.is_ok()
}

#[test]
fn a_folder_of_octs_own_that_is_somebody_elses_is_refused() {
    let scene = Scene::new();
    let db = scene.desk.join("db");
    let before = scene.victims();
    if !give_away(&scene.desk.join("old")) {
        return;
    }
    let refused = |(number, command): (usize, &[&str])| {
        let name = format!("db{number}");
        let db = scene.desk.join(&name);
        scene.booby_trap(&db, &journal(r#""staging""#, true));
        give_away(&db.join(".oct"));
        let all = everything(&db);
        let command: Vec<_> = command.iter().map(|word| if *word == "db" { &name } else { *word }).collect();
        let run = scene.oct(&[&command, &["--json"][..]].concat()).expect(6);
        assert_eq!(run.json()["error"]["code"], "not-own", "{command:?}: {}", run.err);
        assert!(run.err.contains("belongs to user 65534"), "{}", run.err);
        assert!(everything(&db) == all && scene.victims() == before, "{command:?}");
    };
    // At once: what only reads waits some seconds, since the owner may be about to complete the swap.
    std::thread::scope(|scope| {
        COMMANDS.into_iter().enumerate().for_each(|command| _ = scope.spawn(move || refused(command)));
    });
    // Where nothing has to be settled, it can be read.
    scene.oct(&["import", "new", "--to", "db"]).expect(0);
    for path in [db.join(".oct"), db.clone(), db.join(".oct/lock")] {
        give_away(&path);
    }
    scene.oct(&["status", "db"]).expect(0);
    scene.oct(&["import", "new", "--to", "db"]).expect(6);
    // Neither is a journal of another user in a folder of root's.
    chown(db.join(".oct"), Some(0), Some(0)).unwrap();
    fs::write(db.join(".oct/journal.json"), journal(r#""staging""#, true)).unwrap();
    give_away(&db.join(".oct/journal.json"));
    let run = scene.oct(&["status", "db", "--json"]).expect(6);
    assert_eq!(run.json()["error"]["code"], "not-own", "{}", run.err);
}

/// A process that ends with this value.
struct Racer(Child);

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_race_for_the_folder_leads_nowhere_else() {
    let rounds = std::env::var("OCT_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let scene = Scene::new();
    let db = scene.desk.join("db");
    fs::create_dir(&db).unwrap();
    if !give_away(&db) {
        return;
    }
    let before = scene.victims();
    for (name, racing) in [
        (".oct", "mv .oct .x; ln -s ../victims .oct; rm .oct; mv .x .oct"),
        ("data", "mv data .x; ln -s ../victims data; rm data; mv .x data"),
        ("manifest", "ln -sf ../victims/manifest.json manifest.json; rm -f manifest.json"),
    ] {
        let script = format!("while :; do {racing}; done 2>/dev/null");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(&db).uid(NOBODY).gid(NOBODY);
        let racer = Racer(command.spawn().unwrap());
        for round in 0..rounds {
            let archive = ["new", "old"][round % 2];
            let run = scene.oct(&["import", archive, "--to", "db", "--allow-downgrade", "--adopt", "--keep", "0"]);
            assert!([Some(0), Some(6)].contains(&run.code), "{name}: {:?} {}", run.code, run.err);
            assert!(scene.victims() == before, "{name}, round {round}: {}", run.err);
        }
        drop(racer);
    }
}

#[test]
fn nobody_else_can_hold_the_lock() {
    let scene = Scene::new();
    scene.oct(&["import", "old", "--to", "db"]).expect(0);
    let lock = scene.desk.join("db/.oct/lock");
    // As an earlier version had left it.
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    scene.oct(&["import", "new", "--to", "db"]).expect(0);
    assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o600);
    let mut command = scene.command(&["status", "db"]);
    match command.uid(NOBODY).gid(NOBODY).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return eprintln!("skipped: {error}"),
    }
    let mut command = Command::new("flock");
    let held = command.arg("-s").arg(&lock).arg("true").uid(NOBODY).gid(NOBODY).output().unwrap();
    assert!(!held.status.success(), "anybody can lock it");
}

#[test]
fn whatever_the_umask_certsuites_user_can_read_the_folder() {
    let scene = Scene::new();
    let home = scene.desk.join("home");
    fs::create_dir(&home).unwrap();
    if !give_away(&home) {
        return;
    }
    for umask in ["077", "777", "0"] {
        let to = format!("home/db{umask}");
        let import = scene.command(&["import", "new", "--to", &to]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(import.get_program());
        command.args(import.get_args()).current_dir(scene.desk.path()).env_clear().env("HOME", &home);
        let run: Run = command.uid(NOBODY).gid(NOBODY).output().unwrap().into();
        run.expect(0);
        let mut command = scene.command(&["verify", &to]);
        let run: Run = command.uid(NOBODY - 1).gid(NOBODY - 1).output().unwrap().into();
        run.expect(0);
    }
}

#[test]
fn a_reader_without_the_lock_learns_that_the_catalog_was_replaced() {
    use crate::install_support::{self, Catalog};
    let scene = install_support::Scene::new("A");
    let oct = scene.dir.join(".oct");
    let swapped = |oct: &Path| {
        chown(oct, Some(0), Some(0)).unwrap();
        Catalog::new('B').install(&mut install_support::lock(&scene.dir), 1).unwrap();
    };
    if !give_away(&oct) {
        return;
    }
    let reading = install_support::read(&scene.dir).unwrap();
    assert!(!reading.is_locked());
    reading.require_unchanged().unwrap();
    swapped(&oct);
    assert!(matches!(reading.require_unchanged(), Err(oct::importer::StoreError::Changed { .. })));
    // While one is under way, too.
    give_away(&oct);
    let reading = install_support::read(&scene.dir).unwrap();
    fs::write(oct.join("journal.json"), "{}").unwrap();
    assert!(reading.require_unchanged().is_err());
    assert!(matches!(install_support::read(&scene.dir), Err(oct::importer::StoreError::Owner { .. })));
}
