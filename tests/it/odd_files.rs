//! Odd files in the places of small ones: nothing hangs, nothing is read without end, and each is named.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::cli_support::{Desk, Run, server};

/// How long a command may take that meets an odd file; under load a debug build needs seconds to start.
const PATIENCE: Duration = Duration::from_secs(60);

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
}

/// Runs a command, and kills it where it hangs.
#[track_caller]
fn run(mut command: Command) -> Run {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn keys_passwords_configuration_and_questions_are_regular_files_of_bounded_size() {
    let desk = Desk::new();
    pipe(&desk.join("pipe"));
    fs::File::create(desk.join("endless")).unwrap().set_len(1 << 40).unwrap();
    let named = |arguments: &[&str], variable: Option<(&str, &str)>, code: i32| {
        let mut command = desk.command(arguments);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        run(command).expect(code).err
    };
    for (odd, what) in [("pipe", "a pipe"), ("/dev/zero", "a device"), ("endless", "too large"), (".", "a folder")] {
        for (arguments, code) in [
            (&["trust", "add", odd][..], 6),
            (&["verify", "x", "--key", odd], 6),
            (&["bundle", "--secret-key", odd], 6),
            (&["bundle", "--ca-cert", odd], 6),
            (&["probe", "--header", &format!("X-Key: @{odd}")], 6),
            (&["check", "--from", odd], 2),
        ] {
            // Whoever can change the file is asked first, and everybody can write to `/dev/zero`.
            let said = named(arguments, None, code);
            let of_questions = code == 2 && said.contains("has more than");
            assert!(said.contains(what) || of_questions || said.contains("chmod go-w"), "{arguments:?}: {said}");
            assert!(said.contains(odd), "{arguments:?}: {said}");
        }
        let said = named(&["keygen", "--out", "new"], Some(("OCT_KEY_PASSWORD_FILE", odd)), 6);
        assert!(said.contains(what) && said.contains(odd), "{said}");
    }
    fs::write(desk.join("open"), "secret\n").unwrap();
    fs::set_permissions(desk.join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = named(&["keygen", "--out", "new"], Some(("OCT_KEY_PASSWORD_FILE", "open")), 6);
    assert!(said.contains("mode 0644") && said.contains("chmod go-rwx open"), "{said}");
    assert!(!desk.join("new").exists());
    // In folders that are searched.
    let own = desk.join(".config/oct/trusted.d/odd.pub");
    pipe(&own);
    assert!(named(&["trust", "list"], None, 6).contains("odd.pub"));
    fs::remove_file(own).unwrap();
    pipe(&desk.join(".config/oct/config.toml"));
    let said = named(&["trust", "list"], None, 2);
    assert!(said.contains("config.toml") && said.contains("a pipe"), "{said}");
    fs::remove_file(desk.join(".config/oct/config.toml")).unwrap();
    fs::File::create(desk.join(".config/oct/config.toml")).unwrap().set_len(1 << 40).unwrap();
    assert!(named(&["trust", "list"], None, 2).contains("too large"));
}

#[test]
fn what_an_earlier_run_or_a_carrier_left_does_not_hang_a_command() {
    let desk = Desk::new();
    let server = server(30, 4);
    fs::create_dir(desk.join("out")).unwrap();
    pipe(&desk.join("out/.oct-partial-left"));
    pipe(&desk.join("out/catalog-2999010100.tar.zst"));
    fs::write(desk.join("out/.oct-partial-old"), "").unwrap();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let bundle =
        ["bundle", "--out", "out", "--catalog-url", &catalog, "--charts-url", &charts, "--retain", "1", "--json"];
    let report = run(desk.command(&bundle)).expect(0).json();
    let archive = report["archive"].as_str().unwrap().to_owned();
    assert!(desk.join("out/.oct-partial-left").exists() && !desk.join("out/.oct-partial-old").exists());
    for suffix in ["sha256", "minisig"] {
        let sidecar = desk.join(format!("{archive}.{suffix}"));
        fs::rename(&sidecar, desk.join("kept")).unwrap();
        pipe(&sidecar);
        assert!(run(desk.command(&["verify", &archive])).expect(4).err.contains("a pipe"));
        fs::remove_file(&sidecar).unwrap();
        fs::File::create(&sidecar).unwrap().set_len(1 << 40).unwrap();
        assert!(run(desk.command(&["verify", &archive])).expect(4).err.contains("far too large"));
        fs::rename(desk.join("kept"), &sidecar).unwrap();
    }
    run(desk.command(&["import", &archive, "--to", "db"])).expect(0);
    let page = fs::read_dir(desk.join("db/data/operators")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&page).unwrap();
    pipe(&page);
    run(desk.command(&["verify", "db"])).expect(4);
    let said = run(desk.command(&["check", "--db", "db", "operator", "nothing.v1"]));
    assert!(said.code != Some(0), "{}", said.out);
}

#[test]
fn foreign_names_forge_no_line_and_steer_no_terminal() {
    let desk = Desk::new();
    let forged = "x\nerror: forged \u{1b}[2J\u{9b}2J\u{202e}\u{7f}";
    for arguments in [
        &["verify", forged][..],
        &["import", forged],
        &["inspect", forged],
        &["check", "--from", forged],
        &["trust", "add", forged],
        &["trust", "remove", forged],
        &["status", forged],
        &["status", "x", forged],
        &[forged],
        &["import", "x", "--max-age", forged],
    ] {
        let run = desk.run(arguments);
        let odd = |c: char| oct::base::text::is_unsafe(c) && c != '\n';
        assert!(!run.err.contains(odd) && !run.out.contains(odd), "{arguments:?}: {:?} {:?}", run.out, run.err);
        let forged = |text: &str| text.lines().any(|line| line.starts_with("error: forged"));
        assert!(!forged(&run.err) && !forged(&run.out), "{arguments:?}: {} {}", run.out, run.err);
        // The document is the same text, with escapes.
        let run = desk.run(&[arguments, &["--json"]].concat());
        assert!(!run.out.contains(odd), "{arguments:?}: {:?}", run.out);
    }
    // The value of a variable, and the keys and the path of a configuration file.
    fs::create_dir_all(desk.join("c\nerror: forged/oct")).unwrap();
    for (variable, value, config) in [
        ("OCT_JOBS", forged, ""),
        ("OCT_COLOR", forged, ""),
        ("OCT_SINCE", forged, ""),
        ("OCT_X", "", "\"x\\nerror: forged\" = 1"),
        ("OCT_X", "", "[\"x\\nerror: forged\"]\ny = 1"),
        ("OCT_X", "", "color = \"x\\nerror: forged\""),
        ("OCT_X", "", "\"x\\nerror: forged\" = 1\n\"x\\nerror: forged\" = 1"),
        ("OCT_X", "", "error: forged"),
    ] {
        fs::write(desk.join("c\nerror: forged/oct/config.toml"), config).unwrap();
        let mut command = desk.command(&["probe"]);
        command.env("XDG_CONFIG_HOME", desk.join("c\nerror: forged")).env(variable, value);
        let run = Run::from(command.output().unwrap());
        assert!(run.code == Some(2), "{variable} {config}: {}", run.err);
        let begins = run.err.lines().filter(|line| line.starts_with("error:")).count();
        assert!(!run.err.contains(|c| oct::base::text::is_unsafe(c) && c != '\n') && begins == 1, "{}", run.err);
        assert!(!config.is_empty() || run.err.contains(variable), "{}", run.err);
    }
    // A path that a document quotes is itself again when it is parsed.
    let status = desk.run(&["status", "d\u{9b}\u{202e}b", "--json"]);
    assert!(status.out.contains("\\u009b\\u202e"), "{}", status.out);
    assert_eq!(status.json()["dir"], "d\u{9b}\u{202e}b");
}
