//! The policy of the host, obeyed by the real program: in a mount namespace that has an `/etc/oct` of its own, since no
//! flag and no variable names another file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use standin::Standin;

use super::cli_support::{Desk, Run, server};

/// Builds a root with everything of the host but `/etc`, with the desk at `/work`, and runs a program there. Also
/// without root: in a user namespace, the own root folder belongs to whoever is root there.
const ISLAND: &str = r#"
set -eu
root=$1 desk=$2; shift 2
mount -t tmpfs -o mode=0755 tmpfs "$root"
for entry in /*; do
    case $entry in /etc | /work) continue ;; esac
    if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ]; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"; fi
done
mkdir "$root/etc" "$root/work"
mount --rbind "$desk" "$root/work"
cp -a "$desk/etc" "$root/etc/oct"
exec chroot "$root" sh -c 'cd /work; exec "$@"' sh "$@"
"#;

/// A host with a policy.
struct Island {
    desk: Desk,
    root: tempfile::TempDir,
}

impl Island {
    /// With the folder `etc` of the desk in the place of `/etc/oct`; `None` where this machine makes no namespaces.
    fn new() -> Option<Self> {
        let island = Self { desk: Desk::bare(), root: tempfile::tempdir().unwrap() };
        fs::create_dir(island.desk.join("etc")).unwrap();
        fs::set_permissions(island.desk.join("etc"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let works = island.command(&["--version"]).output().is_ok_and(|output| output.status.success());
        if !works {
            eprintln!("skipped: this machine makes no mount namespace");
        }
        works.then_some(island)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", ISLAND, "sh"]).arg(self.root.path()).arg(self.desk.path());
        command.arg(crate::OCT).args(arguments).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/work");
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().unwrap().into()
    }

    fn policy(&self, text: &str) {
        let path = self.desk.join("etc/policy.toml");
        fs::write(&path, text).unwrap();
        mode(&path, 0o644);
    }

    /// Runs several steps in a shell: each run has an `/etc` of its own.
    fn steps(&self, steps: &str) -> Run {
        let command = self.command(&[]);
        let script = format!("umask 0; oct={:?}; {steps}", PathBuf::from(crate::OCT));
        // The program is the last argument; a shell takes its place.
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new("unshare");
        command.args(&arguments[..arguments.len() - 1]).args(["sh", "-euc", &script]).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/work");
        command.output().unwrap().into()
    }

    /// Makes a key with this name.
    fn key(&self, name: &str) {
        self.desk.run(&["keygen", "--no-password", "--out", name]).expect(0);
    }

    /// Trusts a key for everybody on the host.
    fn trust(&self, name: &str) {
        let folder = self.desk.join("etc/trusted.d");
        fs::create_dir_all(&folder).unwrap();
        mode(&folder, 0o755);
        fs::copy(self.desk.join(name).join("oct.pub"), folder.join(format!("{name}.pub"))).unwrap();
    }

    /// Bundles into the folder `out`, at this instant of the manifest, signed by these keys.
    fn bundle(&self, server: &Standin, out: &str, epoch: &str, keys: &[&str], more: &[&str]) -> String {
        let (catalog, charts) = (server.catalog_url(), server.charts_url());
        let mut command = self.desk.command(&["bundle", "--catalog-url", &catalog, "--charts-url", &charts]);
        command.args(["--out", out]).args(more).env("SOURCE_DATE_EPOCH", epoch);
        for key in keys {
            command.arg("--secret-key").arg(format!("{key}/oct.key"));
        }
        Run::from(command.output().unwrap()).expect(0);
        self.desk.archive(out)
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Now, less so many days.
fn days_ago(days: i64) -> String {
    (jiff::Timestamp::now().as_second() - days * 86_400).to_string()
}

/// Every command that must obey, on an archive and on a folder where it is installed.
fn commands<'a>(archive: &'a str, db: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["import", archive, "--to", "elsewhere"],
        vec!["import", archive, "--to", "elsewhere", "--dry-run"],
        vec!["verify", archive],
        vec!["verify", db],
        vec!["check", "--db", archive, "operator", "nothing.v1"],
        vec!["check", "--db", db, "operator", "nothing.v1"],
    ]
}

#[test]
fn a_broken_policy_stops_everything_that_trusts() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    island.key("site");
    island.trust("site");
    let archive = island.bundle(&server, "out", &days_ago(0), &["site"], &[]);
    island.run(&["import", &archive, "--to", "db"]).expect(0);
    let all = || {
        commands(&archive, "db").into_iter().chain([
            vec!["status", "db"],
            vec!["rollback", "db"],
            vec!["trust", "list"],
        ])
    };
    island.policy("max-aeg = '30d'\n");
    for command in all() {
        let run = island.run(&command).expect(6);
        assert!(run.err.contains("/etc/oct/policy.toml") && run.err.contains("max-aeg"), "{command:?}: {}", run.err);
    }
    island.policy("max-age = '30d'\n");
    mode(&island.desk.join("etc/policy.toml"), 0o666);
    for command in all() {
        let run = island.run(&command).expect(6);
        assert!(run.err.contains("chmod go-w /etc/oct/policy.toml"), "{command:?}: {}", run.err);
    }
    if rustix::process::geteuid().is_root() {
        mode(&island.desk.join("etc/policy.toml"), 0o644);
        std::os::unix::fs::chown(island.desk.join("etc/policy.toml"), Some(1), None).unwrap();
        assert!(island.run(&["verify", &archive]).expect(6).err.contains("belongs to the user 1"));
    }
    fs::remove_file(island.desk.join("etc/policy.toml")).unwrap();
    mode(&island.desk.join("etc"), 0o777);
    assert!(island.run(&["verify", &archive]).expect(6).err.contains("chmod go-w /etc/oct"));
    mode(&island.desk.join("etc"), 0o755);
    island.run(&["verify", &archive]).expect(0);
    assert!(!island.desk.join("elsewhere").exists());
}

#[test]
fn only_the_administrators_keys_count_where_the_policy_says_so() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    ["site", "own"].iter().for_each(|key| island.key(key));
    island.trust("site");
    let (site, own) = (
        island.bundle(&server, "site-out", &days_ago(0), &["site"], &[]),
        island.bundle(&server, "own-out", &days_ago(0), &["own"], &[]),
    );
    // Without a policy the user's own key counts, and so does one that is named.
    island.run(&["verify", &own, "--key", "own/oct.pub"]).expect(0);
    island.run(&["trust", "add", "own/oct.pub"]).expect(0);
    island.run(&["verify", &own]).expect(0);
    island.run(&["import", &own, "--to", "db"]).expect(0);
    island.policy("trusted-keys-only = true\n");
    for command in commands(&own, "db") {
        let run = island.run(&command).expect(4);
        assert!(run.err.contains("not trusted here"), "{command:?}: {}", run.err);
    }
    for command in commands(&site, "db") {
        let run = island.run(&[&command[..], &["--key", "own/oct.pub"]].concat()).expect(5);
        assert!(run.err.contains("`--key own/oct.pub` does not count"), "{command:?}: {}", run.err);
    }
    let mut variable = island.command(&["verify", &own]);
    let run = Run::from(variable.env("OCT_KEY", "own/oct.pub").output().unwrap()).expect(5);
    assert!(run.err.contains("does not count"), "{}", run.err);
    island.run(&["import", &site, "--to", "site-db"]).expect(0);
    // `oct trust list` shows the rule; `oct trust add` warns that the key does not count.
    let list = island.run(&["trust", "list", "--json"]).expect(0).json();
    assert_eq!(list["policy"], serde_json::json!(["trusted-keys-only = true"]));
    assert_eq!(list["keys"].as_array().unwrap().len(), 1, "{list}");
    assert!(island.run(&["trust", "list"]).expect(0).out.contains("trusted-keys-only = true"));
    let added = island.run(&["trust", "add", "own/oct.pub"]).expect(0);
    assert!(added.err.contains("oct trust add --system"), "{}", added.err);
    // The old container's contract has keys of its own.
    fs::copy(island.desk.join("own/oct.pub"), island.desk.join("own-out/oct.pub")).unwrap();
    island.run(&["dump", "--target", "dump", "--bundle", "own-out", "--dump-only"]).expect(5);
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let before = server.stats().requests;
    island.run(&["dump", "--target", "dump", "--catalog-url", &catalog, "--charts-url", &charts]).expect(5);
    assert_eq!(server.stats().requests, before, "refused before anything is fetched");
    assert!(!island.desk.join("dump/data").exists());
}

#[test]
fn two_different_trusted_keys_have_to_sign_where_the_policy_says_so() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    ["one", "two", "three"].iter().for_each(|key| island.key(key));
    ["one", "two"].iter().for_each(|key| island.trust(key));
    // A second copy of a key is no second key.
    fs::copy(island.desk.join("one/oct.pub"), island.desk.join("etc/trusted.d/copy.pub")).unwrap();
    let both = island.bundle(&server, "both", &days_ago(0), &["one", "two"], &[]);
    let once = island.bundle(&server, "once", &days_ago(0), &["one"], &[]);
    let twice = island.bundle(&server, "twice", &days_ago(0), &["one", "one"], &[]);
    let stranger = island.bundle(&server, "stranger", &days_ago(0), &["one", "three"], &[]);
    island.run(&["import", &once, "--to", "db"]).expect(0);
    island.policy("signatures = 2\n");
    for archive in [&once, &twice, &stranger] {
        for command in commands(archive, "db") {
            let run = island.run(&command).expect(5);
            assert!(run.err.contains("requires 2"), "{command:?}: {}", run.err);
        }
    }
    assert_eq!(island.run(&["inspect", &once, "--json"]).expect(0).json()["trust"]["verified"], false);
    island.run(&["status", "db"]).expect(4);
    island.run(&["import", &both, "--to", "both-db"]).expect(0);
    island.run(&["verify", "both-db"]).expect(0);
    island.run(&["verify", &both]).expect(0);
}

#[test]
fn age_fullness_and_red_hats_images_are_required_whatever_the_caller_says() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    island.key("site");
    island.trust("site");
    let old = island.bundle(&server, "old", &days_ago(20), &["site"], &[]);
    let partial = island.bundle(&server, "partial", &days_ago(1), &["site"], &["--since", "2020-01-01"]);
    let full = island.bundle(&server, "full", &days_ago(2), &["site"], &["--redhat-images"]);
    for (policy, archive, why) in [
        ("max-age = '10d'\n", &old, "20 days old"),
        ("allow-partial = false\n", &partial, "partial"),
        ("require-redhat-images = true\n", &old, "Red Hat's own images"),
    ] {
        let db = format!("{}-db", Path::new(archive).parent().unwrap().display());
        island.policy("");
        island.run(&["import", archive, "--to", &db]).expect(0);
        island.policy(policy);
        for command in commands(archive, &db) {
            let run = island.run(&command).expect(5);
            assert!(run.err.contains(why), "{command:?}: {}", run.err);
        }
        let folder = Path::new(archive).parent().unwrap().to_str().unwrap();
        let list = island.run(&["list", folder, "--json"]).expect(0).json();
        assert_eq!((&list["archives"][0]["state"], &list["takes"]), (&"forbidden".into(), &Value::Null), "{list}");
        assert!(list["archives"][0]["cause"].as_str().unwrap().contains(why), "{list}");
        let forced = ["import", archive, "--to", "elsewhere", "--allow-downgrade", "--max-age", "1000d"];
        island.run(&forced).expect(5);
        let status = island.run(&["status", &db, "--max-age", "1000d", "--json"]).expect(1).json();
        assert_eq!(status["policy"], serde_json::json!([policy.trim_end().replace('\'', "\"")]));
        assert_eq!(status["state"] == "stale", policy.starts_with("max-age"), "{status}");
        assert_eq!(status["forbidden"] == Value::Null, policy.starts_with("max-age"), "{status}");
        let shown = island.run(&["status", &db]).expect(1).out;
        assert!(shown.contains(&format!("policy      {}", policy.trim_end().replace('\'', "\""))), "{shown}");
        island.run(&["import", &full, "--to", "good"]).expect(0);
        fs::remove_dir_all(island.desk.join("good")).unwrap();
    }
    // On a stick with several, the newest that is allowed is taken.
    fs::create_dir(island.desk.join("stick")).unwrap();
    for archive in [&old, &partial, &full] {
        let name = Path::new(archive).file_name().unwrap();
        fs::copy(island.desk.join(archive), island.desk.join("stick").join(name)).unwrap();
    }
    island.policy("allow-partial = false\n");
    let run = island.run(&["import", "stick", "--to", "from-stick", "--json"]).expect(0);
    assert!(run.err.contains("passed over") && run.json()["partial"].is_null(), "{} {}", run.out, run.err);
    // `oct check` does not answer from a catalog that nothing proves.
    fs::remove_file(island.desk.join("from-stick/manifest.json")).unwrap();
    island.run(&["check", "--db", "from-stick", "operator", "nothing.v1"]).expect(5);
    island.policy("");
    island.run(&["check", "--db", "from-stick", "operator", "nothing.v1"]).expect(1);
}

#[test]
fn no_way_leads_back_where_the_policy_forbids_it() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    island.key("site");
    island.trust("site");
    let old = island.bundle(&server, "old", &days_ago(20), &["site"], &[]);
    let new = island.bundle(&server, "new", &days_ago(2), &["site"], &[]);
    let partial = island.bundle(&server, "partial", &days_ago(1), &["site"], &["--since", "2020-01-01"]);
    island.run(&["import", &old, "--to", "db"]).expect(0);
    island.run(&["import", &new, "--to", "db"]).expect(0);
    island.policy("allow-downgrade = false\n");
    let run = island.run(&["import", &old, "--to", "db", "--allow-downgrade"]).expect(5);
    assert!(run.err.contains("forbids an older one"), "{}", run.err);
    let mut variable = island.command(&["import", &old, "--to", "db"]);
    Run::from(variable.env("OCT_ALLOW_DOWNGRADE", "true").output().unwrap()).expect(5);
    island.run(&["import", &partial, "--to", "db", "--allow-downgrade"]).expect(5);
    assert!(island.run(&["rollback", "db"]).expect(5).err.contains("forbids an older one"));
    assert!(island.run(&["status", "db"]).expect(0).out.contains("allow-downgrade = false"));
    island.policy("");
    island.run(&["rollback", "db"]).expect(0);
    // A rollback to a newer catalog is not a downgrade.
    island.policy("allow-downgrade = false\n");
    island.run(&["rollback", "db"]).expect(0);
    // From a folder, the newest one that may come is taken.
    let full = island.bundle(&server, "full", &days_ago(1), &["site"], &[]);
    let newest = island.bundle(&server, "stick", &days_ago(0), &["site"], &["--since", "2020-01-01"]);
    let copy = full.replace("full/", "stick/");
    fs::copy(island.desk.join(full), island.desk.join(&copy)).unwrap();
    let run = island.run(&["import", "stick", "--to", "db", "--json"]).expect(0);
    assert!(run.json()["archive"] == copy && run.err.contains(&newest), "{} {}", run.out, run.err);
    fs::remove_file(island.desk.join(copy)).unwrap();
    let run = island.run(&["import", "stick", "--to", "db"]).expect(5);
    assert!(!run.err.contains("--allow-downgrade"), "{}", run.err);
}

#[test]
fn what_the_policy_forbids_keeps_no_allowed_archive_away() {
    let Some(island) = Island::new() else { return };
    let server = server(30, 4);
    island.key("site");
    island.trust("site");
    let full = island.bundle(&server, "full", &days_ago(2), &["site"], &[]);
    let partial = island.bundle(&server, "partial", &days_ago(1), &["site"], &["--since", "2020-01-01"]);
    for (archive, folder) in [(&full, "out"), (&partial, "out"), (&partial, "in")] {
        fs::create_dir_all(island.desk.join(folder)).unwrap();
        let name = Path::new(archive).file_name().unwrap();
        fs::copy(island.desk.join(archive), island.desk.join(folder).join(name)).unwrap();
    }
    island.desk.run(&["publish", "out", "--secret-key", "site/oct.key"]).expect(0);
    let site = standin::Site::start("127.0.0.1", island.desk.join("out"));
    let pull = ["pull", &site.url(), "--out", "in", "--json"];
    assert_eq!(island.run(&pull).expect(0).json()["outcome"], "unchanged");
    // "Not modified" is no answer to another policy.
    island.policy("allow-partial = false\n");
    let pulled = island.run(&pull).expect(0).json();
    assert_eq!(pulled["archive"], full.replace("full/", "in/"));
    assert_eq!(island.run(&pull).expect(0).json()["outcome"], "unchanged");
}

#[test]
fn a_key_is_kept_for_everybody_and_removed_again() {
    let Some(island) = Island::new() else { return };
    island.key("site");
    let run = island.steps(
        "$oct trust add --system site/oct.pub; stat -c '%a %u' /etc/oct/trusted.d /etc/oct/trusted.d/*.pub; $oct trust list",
    );
    let run = run.expect(0);
    assert!(run.out.contains("755 0\n644 0\n"), "{}", run.out);
    assert!(run.out.contains("/etc/oct/trusted.d/") && run.out.contains("oct trust remove --system"), "{}", run.out);
    let run = island.steps(
        "$oct trust add --system site/oct.pub -q; $oct trust remove --system $(ls /etc/oct/trusted.d | sed 's/.pub//')",
    );
    assert!(run.expect(0).out.contains("Removed /etc/oct/trusted.d/"));
    // Another key with the id of the administrator's, wherever it would be kept.
    fs::write(island.desk.join("false.pub"), super::trust::with_the_same_id(&island.desk.join("site/oct.pub")))
        .unwrap();
    let run = island.steps("$oct trust add --system site/oct.pub -q; $oct trust add false.pub").expect(4);
    assert!(run.err.contains("another key with the same id") && run.err.contains("/etc/oct/trusted.d/"), "{}", run.err);
    // And with the id of a key of the user who called sudo.
    let script = "$oct trust add site/oct.pub -q; export HOME=/root SUDO_UID=4242 SUDO_HOME=/work; \
        $oct trust add --system false.pub";
    let run = island.steps(script).expect(4);
    assert!(run.err.contains("another key with the same id") && run.err.contains("/work/.config/"), "{}", run.err);
}

#[test]
fn a_folder_that_only_root_can_read_stops_the_others_but_not_help_and_version() {
    let Some(island) = Island::new() else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run a program as another user");
        return;
    }
    mode(island.desk.path(), 0o755);
    mode(&island.desk.join("etc"), 0o700);
    let script = |arguments: &str| format!("exec setpriv --reuid=1 --clear-groups \"$oct\" {arguments}");
    for arguments in ["--help", "--version", "version", "import --help", "config example"] {
        island.steps(&script(arguments)).expect(0);
    }
    for arguments in ["verify x", "status db", "trust list", "bundle", "config show", "check --from x"] {
        let run = island.steps(&script(arguments)).expect(6);
        let said = run.err.replace("\n  ", " ");
        assert_eq!(said.matches("/etc/oct/config.toml").count(), 1, "{said}");
        assert!(said.contains("0755"), "{said}");
    }
    let run = island.steps(&script("status db --format nagios")).expect(3);
    assert!(run.out.starts_with("OCT UNKNOWN - the configuration cannot be read"), "{}", run.out);
    // A policy that only root can read is not taken for none.
    mode(&island.desk.join("etc"), 0o755);
    island.policy("signatures = 2\n");
    mode(&island.desk.join("etc/policy.toml"), 0o600);
    for arguments in ["verify x", "import x", "status db", "trust list"] {
        let run = island.steps(&script(arguments)).expect(6);
        assert_eq!(run.err.matches("/etc/oct/policy.toml").count(), 1, "{}", run.err);
        assert!(run.err.contains("0644") && !run.err.contains("remove"), "{}", run.err);
    }
}
