//! Configuration files, logs, pipes and what comes from outside.

use std::fs;
use std::process::Stdio;

use standin::Knobs;

use crate::cli_support::{Desk, Run, json_lines, server};

#[test]
fn file_environment_flag_in_rising_order() {
    let desk = Desk::new();
    fs::create_dir_all(desk.join(".config/oct")).unwrap();
    fs::write(desk.join(".config/oct/config.toml"), "json = true\n[keygen]\nout = 'from-file'\nno-password = true\n")
        .unwrap();
    assert_eq!(desk.run(&["keygen"]).expect(0).json()["secret_key"], "from-file/oct.key");
    let mut command = desk.command(&["keygen"]);
    let run: Run = command.env("OCT_KEYGEN_OUT", "from-environment").output().unwrap().into();
    assert_eq!(run.expect(0).json()["secret_key"], "from-environment/oct.key");
    let mut command = desk.command(&["keygen", "--out", "from-flag"]);
    let run: Run = command.env("OCT_KEYGEN_OUT", "from-environment").output().unwrap().into();
    assert_eq!(run.expect(0).json()["secret_key"], "from-flag/oct.key");
}

#[test]
fn the_folder_of_a_site_is_no_place_for_a_new_key() {
    let desk = Desk::bare();
    let mut command = desk.command(&["keygen", "--no-password"]);
    let run: Run = command.env("OCT_OUT", "site").output().unwrap().into();
    run.expect(0);
    assert!(desk.join("oct.key").exists() && !desk.join("site").exists());
}

#[test]
fn a_home_is_put_in_and_words_count_in_every_variable() {
    let desk = Desk::with_key();
    let ended = |arguments: &[&str], variables: &[(&str, &str)]| -> Run {
        let mut command = desk.command(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap().into()
    };
    let password = desk.join("password");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ended(&["keygen", "--out", "locked"], &[("OCT_KEY_PASSWORD_FILE", "~/password")]).expect(0);
    let empty = ended(&["keygen", "--out", "empty"], &[("OCT_KEY_PASSWORD_FILE", "")]).expect(6);
    assert!(empty.err.contains("--no-password"), "{}", empty.err);
    // A header of two lines is refused before anything is sent.
    fs::write(desk.join("header"), "two\nlines").unwrap();
    let refused = |arguments: &[&str], variables: &[(&str, &str)]| {
        let run = ended(&[&["probe"], arguments].concat(), variables).expect(2);
        assert!(run.err.contains("X-Key is not one line"), "{}", run.err);
    };
    refused(&["--header", "X-Key: @~/header"], &[]);
    refused(&[], &[("OCT_HEADER", "X-Key: @~/header")]);
    for value in ["", "0", "2", "yes", "true", "No", "false"] {
        ended(&["version"], &[("OCT_VERBOSE", value)]).expect(0);
    }
    let wrong = ended(&["version"], &[("OCT_VERBOSE", "loud")]).expect(2);
    assert!(wrong.err.contains("OCT_VERBOSE") && wrong.err.contains("expected a number"), "{}", wrong.err);
}

#[test]
fn the_configuration_fits_the_terminal() {
    let desk = Desk::bare();
    let mut command = desk.command(&["config", "show"]);
    command.env("COLUMNS", "60").env("OCT_CATALOG_URL", format!("https://{}.example/", "long".repeat(12)));
    let run = Run::from(command.output().unwrap()).expect(0);
    assert!(run.out.lines().all(|line| line.chars().count() <= 60), "{}", run.out);
    assert!(run.out.contains("bundle.jobs") && run.out.contains("8 (default)"), "{}", run.out);
    assert!(run.out.contains("OCT_CATALOG_URL)"), "{}", run.out);
}

#[test]
fn an_unknown_key_is_an_error_that_names_file_and_key() {
    let desk = Desk::bare();
    fs::create_dir_all(desk.join(".config/oct")).unwrap();
    fs::write(desk.join(".config/oct/config.toml"), "[bundle]\njbos = 3\n").unwrap();
    let run = desk.run(&["trust", "list"]).expect(2);
    assert!(run.err.contains(".config/oct/config.toml`: `bundle.jbos` is not a setting"), "{}", run.err);
    assert_eq!(run.out, "");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::bare();
    let mut child =
        desk.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run: Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.expect(0).err).as_str(), "");
}

#[test]
fn help_is_there_although_the_configuration_is_broken() {
    let desk = Desk::bare();
    fs::create_dir_all(desk.join(".config/oct")).unwrap();
    fs::write(desk.join(".config/oct/config.toml"), "garbage").unwrap();
    assert!(desk.run(&["--help"]).expect(0).out.contains("Usage"));
    desk.run(&["import", "--help"]).expect(0);
    desk.run(&["--version"]).expect(0);
    let run = desk.run(&["trust", "list", "--json"]).expect(2);
    assert_eq!(run.json()["error"]["class"], "usage");
    assert!(run.err.contains("config.toml"), "{}", run.err);
}

#[test]
fn an_answer_that_a_full_disk_swallows_is_a_failure() {
    let desk = Desk::bare();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run: Run = desk.command(&["completions", "bash"]).stdout(full).output().unwrap().into();
    assert!(run.expect(6).err.contains("cannot be written to standard output"));
}

#[test]
fn logs_go_to_stderr_in_the_form_and_at_the_level_asked_for() {
    let desk = Desk::new();
    let server = server(300, 8);
    server.set(|knobs: &mut Knobs| knobs.next_faults = [Some(standin::Fault::BadGateway)].into());
    let run = desk.bundle(&server, "out", &["-vv", "--log-format", "json", "--level", "1"]).expect(0);
    run.json();
    let logs = json_lines(&run.err);
    let requests: Vec<_> = logs.iter().filter(|log| log["fields"]["what"].is_string()).collect();
    assert!(requests.len() > 5, "{}", run.err);
    assert!(requests.iter().all(|log| log["fields"]["url"].is_string() && log["fields"]["ms"].is_u64()), "{}", run.err);
    assert_eq!(requests.iter().filter(|log| log["fields"]["fault"].is_string()).count(), 1, "{}", run.err);
    let brief = desk.bundle(&server, "brief", &["-v", "--level", "1"]).expect(0).err;
    assert!(brief.contains("what=\"count\"") && !brief.contains("creation_date"), "{brief}");
    let quiet = desk.bundle(&server, "quiet", &["--quiet", "--level", "1"]).expect(0);
    assert_eq!(quiet.err, "");
}

#[test]
fn remote_text_reaches_the_terminal_without_its_escapes() {
    let desk = Desk::new();
    let server = server(50, 9);
    server.set_charts(
        "entries:\n  a:\n  - name: \"bad\\e]0;owned\\a\"\n    version: 1.0.0\n    kubeVersion: '>= x\\x1b'\n",
    );
    let run = desk.bundle(&server, "out", &["--level", "1"]).expect(0);
    assert!(run.err.contains("certsuite will crash on chart bad"), "{}", run.err);
    assert!(!run.err.contains('\u{1b}') && !run.err.contains('\u{7}'), "{:?}", run.err);
}

#[test]
fn colours_only_where_they_are_wanted() {
    let desk = Desk::new();
    assert!(!desk.run(&["keygen", "--no-password", "--out", "a"]).expect(0).out.contains('\u{1b}'));
    assert!(desk.run(&["keygen", "--no-password", "--out", "b", "--color", "always"]).expect(0).out.contains('\u{1b}'));
}
