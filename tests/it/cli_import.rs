//! `oct import` of a folder, and of things that are no archives.

use std::fs;
use std::process::Command;

use crate::cli_support::Desk;
use crate::forge::{Forge, Layers, assemble};

/// A folder `stick` with an older and a newer archive under names of each other's age, and the key that is trusted.
fn stick() -> (Desk, Forge) {
    let desk = Desk::bare();
    let mut forge = Forge::new();
    fs::create_dir(desk.join("stick")).unwrap();
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    for (name, created) in [("2026030901", "2026-03-01T00:00:00Z"), ("2026030101", "2026-03-09T00:00:00Z")] {
        forge.layers = Layers::valid(1, created);
        fs::write(desk.join(format!("stick/catalog-{name}.tar.zst")), forge.valid()).unwrap();
    }
    (desk, forge)
}

#[test]
fn the_newest_of_a_folder_is_the_newest_by_what_was_signed() {
    let (desk, _) = stick();
    let done = desk.run(&["import", "stick", "--key", "oct.pub", "--to", "db", "--json"]).expect(0).json();
    assert_eq!(done["created"], "2026-03-09T00:00:00Z");
    assert!(done["archive"].as_str().unwrap().contains("2026030101"), "a name proves nothing");
}

#[test]
fn a_folder_of_archives_is_no_installed_catalog() {
    let (desk, _) = stick();
    for command in ["verify", "inspect"] {
        let found = desk.run(&[command, "stick", "--key", "oct.pub", "--json"]).expect(0).json();
        assert_eq!(found["takes"], "catalog-2026030101.tar.zst", "a name proves nothing");
    }
    let run = desk.run(&["status", "stick", "--key", "oct.pub"]);
    assert!(run.code != Some(0), "{}", run.out);
}

#[test]
fn what_is_passed_over_cannot_steer_the_terminal() {
    let (desk, _) = stick();
    let header = br#"{"manifest":"","signatures":[],"\u001b]0;title\u0007\u001b[2J":1}"#;
    fs::write(desk.join("stick/catalog-2026040101.tar.zst"), assemble(header, b"")).unwrap();
    let run = desk.run(&["import", "stick", "--key", "oct.pub", "--to", "db"]).expect(0);
    assert!(run.err.contains("passed over") && !run.err.contains('\u{1b}'), "{:?}", run.err);
    let odd = "d\u{1b}[2Jb";
    let run = desk.run(&["import", "stick", "--key", "oct.pub", "--to", odd]).expect(0);
    assert!(!run.out.contains('\u{1b}'), "{:?}", run.out);
}

#[test]
fn a_pipe_is_refused_at_once() {
    let (desk, _) = stick();
    let pipe = |name: &str| assert!(Command::new("mkfifo").arg(desk.join(name)).status().unwrap().success());
    pipe("stick/catalog-2026050101.tar.zst");
    let run = desk.run(&["verify", "stick/catalog-2026050101.tar.zst", "--key", "oct.pub"]).expect(4);
    assert!(run.err.contains("it is a pipe"), "{}", run.err);
    desk.run(&["import", "stick", "--key", "oct.pub", "--to", "db"]).expect(0);
    pipe("stick/catalog-2026030101.tar.zst.sha256");
    let run = desk.run(&["verify", "stick/catalog-2026030101.tar.zst", "--key", "oct.pub"]).expect(4);
    assert!(run.err.contains("it is a pipe"), "{}", run.err);
}

#[test]
fn a_name_that_has_no_room_for_a_sidecar_is_no_fault() {
    let (desk, _) = stick();
    let name = format!("stick/{}.tar.zst", "x".repeat(247));
    std::fs::copy(desk.join("stick/catalog-2026030101.tar.zst"), desk.join(&name)).unwrap();
    desk.run(&["verify", &name, "--key", "oct.pub"]).expect(0);
}

/// It might say that the archive is another one.
#[test]
fn a_sidecar_that_cannot_be_opened_is_not_taken_for_a_missing_one() {
    let (desk, _) = stick();
    let archive = "stick/catalog-2026030101.tar.zst";
    for suffix in [".sha256", ".minisig"] {
        let sidecar = desk.join(format!("{archive}{suffix}"));
        let _ = std::fs::remove_file(&sidecar);
        std::os::unix::fs::symlink(&sidecar, &sidecar).unwrap();
        let run = desk.run(&["verify", archive, "--key", "oct.pub"]).expect(6);
        assert!(run.err.contains(suffix), "{}", run.err);
        std::fs::remove_file(&sidecar).unwrap();
    }
    desk.run(&["verify", archive, "--key", "oct.pub"]).expect(0);
}
