//! Whose bundles are accepted: rotation, revocation, damaged and badly kept key files.

use std::os::unix::fs::PermissionsExt as _;

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

#[test]
fn another_key_with_the_id_of_a_trusted_one_is_not_taken_for_it() {
    let host = Desk::with_key();
    let added = host.ok(&["trust", "add", "oct.pub"]);
    // Keys choose their ids: 8 bytes behind the algorithm, for anybody to copy.
    let public = std::fs::read_to_string(host.join("oct.pub")).unwrap();
    let (comment, line) = public.trim_end().split_once('\n').unwrap();
    let mut bytes = STANDARD.decode(line).unwrap();
    bytes[41] ^= 1;
    std::fs::write(host.join("false.pub"), format!("{comment}\n{}\n", STANDARD.encode(bytes))).unwrap();
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
    let mut command = host.command(&["keygen"]);
    let output = command.env("OCT_KEY_PASSWORD_FILE", host.join("empty")).output().unwrap();
    assert!(output.status.code() == Some(2) && text(&output).contains("--no-password"), "{}", text(&output));
    assert!(!host.join("oct.key").exists());
}
