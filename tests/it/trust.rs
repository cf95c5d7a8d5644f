//! Whose bundles are accepted: rotation, revocation, damaged and badly kept key files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use standin::{Catalog, Knobs, MadeUp, Standin};

use crate::cli_support::{Desk, text};

fn server() -> Standin {
    Standin::start(
        Catalog::made_up(&MadeUp { images: 60, bundles: 20, charts: 3, ..MadeUp::default() }),
        Knobs::default(),
    )
}

#[test]
fn either_key_of_a_rotation_is_enough() {
    let (server, host) = (server(), Desk::bare());
    for name in ["old", "new", "other"] {
        host.ok(&["keygen", "--no-password", "--out", name]);
    }
    let output = host.fetched(&server, &["--secret-key", "old/oct.key", "--secret-key", "new/oct.key"]);
    assert!(output.status.success(), "{}", text(&output));
    let archive = host.newest();
    for key in ["old/oct.pub", "new/oct.pub"] {
        host.ok(&["import", &archive, "--key", key, "--to", &format!("db-{}", &key[..3])]);
        host.ok(&["verify", &archive, "--key", key]);
    }
    // Both signatures stay beside the installed catalog, so that it can be proved with either.
    host.ok(&["verify", "db-old", "--key", "new/oct.pub"]);
    assert!(host.fails(4, &["verify", &archive, "--key", "other/oct.pub"]).contains("are not trusted here"));
}

#[test]
fn a_revoked_key_is_no_longer_accepted() {
    let (server, host) = (server(), Desk::with_key());
    let output = host.fetched(&server, &[]);
    assert!(output.status.success(), "{}", text(&output));
    let archive = host.newest();
    host.ok(&["trust", "add", "oct.pub"]);
    host.ok(&["verify", &archive]);
    let list: serde_json::Value = serde_json::from_str(&host.ok(&["trust", "list", "--json"])).unwrap();
    let id = list["keys"][0]["key_id"].as_str().unwrap().to_owned();
    assert!(list["keys"][0]["origin"].as_str().unwrap().ends_with(&format!("config/oct/trusted.d/{id}.pub")));
    host.ok(&["trust", "remove", &id.to_lowercase()]);
    assert!(host.fails(4, &["verify", &archive]).contains("no key is trusted"));
    assert!(host.fails(6, &["trust", "remove", &id]).contains("no key with the id"));
}

#[test]
fn unusable_key_files_are_named_as_such() {
    let host = Desk::with_key();
    let public = std::fs::read_to_string(host.join("oct.pub")).unwrap();
    for (content, cause) in [
        (std::fs::read_to_string(host.join("oct.key")).unwrap(), "SECRET key"),
        (public.replacen("RW", "R!", 1), "not base64"),
        (public[..public.len() - 9].to_owned(), "damaged"),
        ("hello\n".to_owned(), "not of minisign's form"),
        ("x".repeat(20_000), "far too large"),
    ] {
        std::fs::write(host.join("bad.pub"), content).unwrap();
        let stderr = host.fails(6, &["trust", "add", "bad.pub"]);
        assert!(stderr.contains("bad.pub") && stderr.contains(cause), "{stderr}");
    }
    std::fs::set_permissions(host.join("oct.pub"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(host.fails(6, &["trust", "add", "oct.pub"]).contains("mode 0666"));
    // A damaged key in the folder is no reason to go on with fewer keys in silence.
    std::fs::create_dir_all(host.join(".config/oct/trusted.d")).unwrap();
    std::fs::write(host.join(".config/oct/trusted.d/broken.pub"), "hello\n").unwrap();
    assert!(host.fails(6, &["trust", "list"]).contains("broken.pub"));
}

/// The file of another key that has the id of the one in `path`. Keys choose their ids: 8 bytes behind the algorithm,
/// for anybody to copy.
pub fn with_the_same_id(path: &Path) -> String {
    let public = std::fs::read_to_string(path).unwrap();
    let (comment, line) = public.trim_end().split_once('\n').unwrap();
    let mut bytes = STANDARD.decode(line).unwrap();
    bytes[41] ^= 1;
    format!("{comment}\n{}\n", STANDARD.encode(bytes))
}

/// The path of the only key in the user's folder.
fn own_key(host: &Desk) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(host.join(".config/oct/trusted.d")).unwrap();
    entries.next().unwrap().unwrap().path()
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn another_key_with_the_id_of_a_trusted_one_is_not_taken_for_it() {
    let host = Desk::with_key();
    let added = host.ok(&["trust", "add", "oct.pub"]);
    std::fs::write(host.join("false.pub"), with_the_same_id(&host.join("oct.pub"))).unwrap();
    let refused = host.fails(4, &["trust", "add", "false.pub"]);
    assert!(refused.contains("another key with the same id"), "{refused}");
    let fingerprint = |text: &str| {
        let line = text.lines().find(|line| line.contains("fingerprint ")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let other = Desk::bare();
    std::fs::copy(host.join("false.pub"), other.join("false.pub")).unwrap();
    assert_ne!(fingerprint(&other.ok(&["trust", "add", "false.pub"])), fingerprint(&added));
    assert!(host.ok(&["trust", "list"]).contains(&fingerprint(&added)));
    host.ok(&["trust", "add", "oct.pub"]);
}

#[test]
fn a_credential_may_show_the_right_of_its_access_list() {
    let (server, host) = (server(), Desk::with_key());
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    std::fs::create_dir(host.join("credentials")).unwrap();
    std::fs::rename(host.join("oct.key"), host.join("credentials/oct.key")).unwrap();
    let bundle = |mode: u32| {
        std::fs::set_permissions(host.join("credentials/oct.key"), std::fs::Permissions::from_mode(mode)).unwrap();
        let mut command = host.command(&["bundle", "--catalog-url", &catalog, "--charts-url", &charts]);
        command.env("CREDENTIALS_DIRECTORY", host.join("credentials")).output().unwrap()
    };
    let output = bundle(0o444);
    assert!(!output.status.success() && text(&output).contains("mode 0444"), "{}", text(&output));
    let output = bundle(0o440);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_rotation_is_no_reason_to_call_a_bundle_unchanged() {
    let (server, host) = (server(), Desk::bare());
    for name in ["old", "new"] {
        host.ok(&["keygen", "--no-password", "--out", name]);
    }
    let both = ["--secret-key", "old/oct.key", "--secret-key", "new/oct.key"];
    for (keys, unchanged) in [(&both[..2], false), (&both, false), (&both, true), (&both[2..], false)] {
        let output = host.fetched(&server, keys);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output).contains("Unchanged"), unchanged, "{keys:?}: {}", text(&output));
    }
    host.ok(&["verify", &host.newest(), "--key", "new/oct.pub"]);
}

#[test]
fn an_empty_password_protects_nothing() {
    let host = Desk::bare();
    std::fs::write(host.join("empty"), "").unwrap();
    mode(&host.join("empty"), 0o600);
    let mut command = host.command(&["keygen"]);
    let output = command.env("OCT_KEY_PASSWORD_FILE", host.join("empty")).output().unwrap();
    assert!(output.status.code() == Some(2) && text(&output).contains("--no-password"), "{}", text(&output));
    assert!(!host.join("oct.key").exists());
}

#[test]
fn a_key_that_others_can_change_counts_for_nothing() {
    let (server, host) = (server(), Desk::with_key());
    assert!(host.fetched(&server, &[]).status.success());
    let archive = host.newest();
    host.ok(&["trust", "add", "oct.pub"]);
    let key = own_key(&host);
    let folder = key.parent().unwrap().to_owned();
    for (path, wrong, right) in [
        (key.clone(), 0o664, 0o644),
        (key.clone(), 0o646, 0o644),
        (folder.clone(), 0o775, 0o755),
        (folder.clone(), 0o757, 0o755),
        (host.join(".config"), 0o777, 0o755),
        (host.join(""), 0o777, 0o700),
    ] {
        mode(&path, wrong);
        let stderr = host.fails(6, &["verify", &archive]);
        let place = std::fs::canonicalize(&path).unwrap();
        assert!(stderr.contains(&format!("mode {wrong:04o}")), "{stderr}");
        assert!(stderr.contains(&format!("hint: run `chmod go-w {}`", place.display())), "{stderr}");
        mode(&path, right);
        host.ok(&["verify", &archive]);
    }
    // A key that is named has to be as safe: it is looked at again with each run.
    host.ok(&[
        "trust",
        "remove",
        std::fs::read_to_string(&key).map(|_| key.file_stem().unwrap()).unwrap().to_str().unwrap(),
    ]);
    host.ok(&["verify", &archive, "--key", "oct.pub"]);
    mode(&host.join("oct.pub"), 0o664);
    assert!(host.fails(6, &["verify", &archive, "--key", "oct.pub"]).contains("chmod go-w"));
    mode(&host.join("oct.pub"), 0o644);
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped in part: only root gives files away");
        return;
    }
    std::os::unix::fs::chown(host.join("oct.pub"), Some(1), None).unwrap();
    assert!(host.fails(6, &["verify", &archive, "--key", "oct.pub"]).contains("belongs to the user 1"));
    // The file of the user who called sudo is the caller's own.
    let mut command = host.command(&["verify", &archive, "--key", "oct.pub"]);
    let output = command.env("SUDO_UID", "1").output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_key_is_kept_safe_under_any_umask() {
    for umask in ["000", "002", "077", "0777"] {
        let host = Desk::bare();
        host.ok(&["keygen", "--no-password"]);
        let script = format!("umask {umask}; exec \"$@\"");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, "sh", crate::OCT, "trust", "add", "oct.pub"]).current_dir(host.join(""));
        let output = command.env_clear().env("XDG_CONFIG_HOME", host.join(".config")).output().unwrap();
        assert!(output.status.success(), "{umask}: {}", text(&output));
        let bits = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let key = own_key(&host);
        assert_eq!(
            (bits(&key), bits(key.parent().unwrap()), bits(&host.join(".config"))),
            (0o644, 0o755, 0o755),
            "{umask}"
        );
        host.ok(&["trust", "list"]);
    }
    // The new pair as well.
    let host = Desk::bare();
    let script = "umask 000; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, "sh", crate::OCT, "keygen", "--no-password", "--out", "keys"])
        .current_dir(host.join(""));
    assert!(command.env_clear().output().unwrap().status.success());
    let bits = |name: &str| std::fs::metadata(host.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((bits("keys"), bits("keys/oct.key"), bits("keys/oct.pub")), (0o755, 0o600, 0o644));
}

#[test]
fn a_second_key_with_a_trusted_id_is_refused_whatever_its_file_is_called() {
    let host = Desk::with_key();
    host.ok(&["trust", "add", "oct.pub"]);
    let key = own_key(&host);
    std::fs::rename(&key, key.with_file_name("site-a.pub")).unwrap();
    std::fs::write(host.join("false.pub"), with_the_same_id(&host.join("oct.pub"))).unwrap();
    let refused = host.fails(4, &["trust", "add", "false.pub"]);
    assert!(refused.contains("another key with the same id") && refused.contains("site-a.pub"), "{refused}");
    assert_eq!(std::fs::read_dir(key.parent().unwrap()).unwrap().count(), 1);
    // Where somebody put it there by hand, no advice removes both.
    std::fs::copy(host.join("false.pub"), key.with_file_name("other.pub")).unwrap();
    let id = key.file_stem().unwrap().to_str().unwrap().to_owned();
    let refused = host.fails(6, &["trust", "remove", &id]);
    assert!(refused.contains("several keys have the id") && refused.contains("other.pub"), "{refused}");
    let list: serde_json::Value = serde_json::from_str(&host.ok(&["trust", "list", "--json"])).unwrap();
    let fingerprint = |name: &str| {
        let keys = list["keys"].as_array().unwrap().iter();
        let mut named = keys.filter(|key| key["origin"].as_str().unwrap().ends_with(name));
        named.next().unwrap()["fingerprint"].as_str().unwrap().to_owned()
    };
    host.ok(&["trust", "remove", &fingerprint("other.pub").to_uppercase()]);
    assert!(key.with_file_name("site-a.pub").exists() && !key.with_file_name("other.pub").exists());
    host.ok(&["trust", "remove", &id]);
    assert!(host.fails(6, &["trust", "remove", &id]).contains("no key with the id"));
}

#[test]
fn two_keys_with_one_id_do_not_spoil_each_other() {
    let (server, host) = (server(), Desk::with_key());
    assert!(host.fetched(&server, &[]).status.success());
    let archive = host.newest();
    std::fs::write(host.join("false.pub"), with_the_same_id(&host.join("oct.pub"))).unwrap();
    host.ok(&["verify", &archive, "--key", "false.pub", "--key", "oct.pub"]);
    host.ok(&["verify", &archive, "--key", "oct.pub", "--key", "false.pub"]);
    assert!(host.fails(4, &["verify", &archive, "--key", "false.pub"]).contains("does not match"));
}

#[test]
fn where_no_key_is_trusted_each_place_is_named_and_the_one_of_the_caller_of_sudo() {
    let (server, host) = (server(), Desk::with_key());
    assert!(host.fetched(&server, &[]).status.success());
    let archive = host.newest();
    let stderr = host.fails(4, &["verify", &archive]).replace("\n  ", " ");
    for place in ["/etc/oct/trusted.d", "config/oct/trusted.d", "this binary"] {
        assert!(stderr.contains(place), "{stderr}");
    }
    assert!(!stderr.contains("sudo"), "{stderr}");
    // The one who calls sudo trusts the key, root does not.
    host.ok(&["trust", "add", "oct.pub"]);
    std::fs::create_dir_all(host.join("home/.config")).unwrap();
    std::fs::rename(host.join(".config/oct"), host.join("home/.config/oct")).unwrap();
    let as_sudo = |more: &[&str]| {
        let mut command = host.command(&[&["verify", &archive], more].concat());
        let output = command.env("SUDO_UID", "4242").env("SUDO_HOME", host.join("home")).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        text(&output).replace("\n  ", " ")
    };
    let said = as_sudo(&[]);
    assert!(said.contains("oct trust add --system") && said.contains("home/.config/oct/trusted.d"), "{said}");
    // Nor is it trusted to take the place of that one.
    std::fs::write(host.join("false.pub"), with_the_same_id(&host.join("oct.pub"))).unwrap();
    let mut command = host.command(&["trust", "add", "false.pub"]);
    let output = command.env("SUDO_UID", "4242").env("SUDO_HOME", host.join("home")).output().unwrap();
    let said = text(&output);
    assert!(said.contains("another key with the same id") && said.contains("home/.config/oct/trusted.d"), "{said}");
    assert_eq!(output.status.code(), Some(4), "{said}");
    host.ok(&["keygen", "--no-password", "--out", "other"]);
    let said = as_sudo(&["--key", "other/oct.pub"]);
    assert!(said.contains("not trusted here") && said.contains("oct trust add --system"), "{said}");
}

#[test]
fn each_key_of_a_rotation_has_its_signature_file() {
    let (server, host) = (server(), Desk::bare());
    for name in ["old", "new", "other"] {
        host.ok(&["keygen", "--no-password", "--out", name]);
    }
    let output = host.fetched(&server, &["--secret-key", "old/oct.key", "--secret-key", "new/oct.key", "--json"]);
    assert!(output.status.success(), "{}", text(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let archive = host.newest();
    let second = format!("{archive}.minisig.{}", report["key_ids"][1].as_str().unwrap());
    assert!(host.join(&second).exists());
    let minisign = std::process::Command::new("minisign").arg("-v").output();
    if minisign.is_ok() {
        for (key, file) in [("old", format!("{archive}.minisig")), ("new", second.clone())] {
            let mut command = std::process::Command::new("minisign");
            let public = format!("{key}/oct.pub");
            command.args(["-Vm", &archive, "-p", &public, "-x", &file]).current_dir(host.join(""));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
    } else {
        eprintln!("skipped in part: this machine has no `minisign`");
    }
    // It is checked where it is there.
    host.ok(&["verify", &archive, "--key", "new/oct.pub"]);
    let good = std::fs::read_to_string(host.join(&second)).unwrap();
    let first = std::fs::read_to_string(host.join(format!("{archive}.minisig"))).unwrap();
    let spoiled = |text: &str| {
        let lines: Vec<_> = text.lines().collect();
        let mut bytes = STANDARD.decode(lines[1]).unwrap();
        bytes[20] ^= 1;
        format!("{}\n{}\n{}\n{}\n", lines[0], STANDARD.encode(bytes), lines[2], lines[3])
    };
    std::fs::write(host.join(&second), spoiled(&good)).unwrap();
    assert!(host.fails(4, &["verify", &archive, "--key", "new/oct.pub"]).contains(&second));
    std::fs::write(host.join(&second), &good).unwrap();
    // One by a stranger under the name of the first is refused, the other signer's is not.
    std::fs::write(host.join(format!("{archive}.minisig")), &good).unwrap();
    host.ok(&["verify", &archive, "--key", "old/oct.pub"]);
    std::fs::write(host.join(format!("{archive}.minisig")), &first).unwrap();
    // An archive of the same hour leaves no signature of a key that did not sign it.
    let report: serde_json::Value =
        serde_json::from_slice(&host.fetched(&server, &["--secret-key", "new/oct.key", "--force", "--json"]).stdout)
            .unwrap();
    let archive = report["archive"].as_str().unwrap().to_owned();
    let names = std::fs::read_dir(host.join("")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    let of_archive = |name: &&String| name.starts_with(archive.trim_start_matches("./"));
    assert_eq!(names.iter().filter(of_archive).count(), 3, "{names:?}");
}

#[test]
fn sidecars_that_were_carried_as_text_are_taken_as_minisign_and_sha256sum_take_them() {
    let (server, host) = (server(), Desk::with_key());
    assert!(host.fetched(&server, &[]).status.success());
    let archive = host.newest();
    let sidecar = |suffix: &str| host.join(format!("{archive}.{suffix}"));
    let minisig = std::fs::read_to_string(sidecar("minisig")).unwrap();
    std::fs::write(sidecar("minisig"), minisig.replace('\n', "\r\n")).unwrap();
    let checksum = std::fs::read_to_string(sidecar("sha256")).unwrap();
    let (digest, name) = checksum.split_once(' ').unwrap();
    std::fs::write(sidecar("sha256"), format!("{} {name}", digest.to_uppercase()).replace('\n', "\r\n")).unwrap();
    host.ok(&["verify", &archive, "--key", "oct.pub"]);
    // What it says still counts.
    let other = format!("{}  {archive}\n", "0123456789ABCDEF".repeat(4));
    std::fs::write(sidecar("sha256"), other).unwrap();
    assert!(host.fails(4, &["verify", &archive, "--key", "oct.pub"]).contains("belongs to another file"));
}

#[test]
fn without_a_terminal_keygen_names_the_ways_out() {
    let host = Desk::bare();
    let output = host.command(&["keygen"]).stdin(std::process::Stdio::null()).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("--no-password") && said.contains("OCT_KEY_PASSWORD_FILE"), "{said}");
    for command in ["keygen", "bundle"] {
        assert!(host.ok(&[command, "--help"]).contains("OCT_KEY_PASSWORD_FILE"), "{command}");
    }
    host.ok(&["man", "pages"]);
    let page = std::fs::read_to_string(host.join("pages/oct-keygen.1")).unwrap();
    assert!(page.replace('\\', "").contains("OCT_KEY_PASSWORD_FILE"), "{page}");
}
