//! A day at the desk: one place for the folder, values as people write them, quiet, plain terminals, and where a value
//! comes from.

use std::fs;

use serde_json::json;

use crate::cli_support::{Desk, Run, json_lines, server};
use crate::forge::{Forge, Layers};

/// A desk with an archive `new`, signed by the trusted `oct.pub`.
fn desk() -> Desk {
    let desk = Desk::bare();
    let mut forge = Forge::new();
    forge.layers = Layers::valid(1, "2026-03-04T05:06:07Z");
    fs::write(desk.join("new"), forge.valid()).unwrap();
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    desk.run(&["trust", "add", "oct.pub"]).expect(0);
    desk
}

fn with(desk: &Desk, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    desk.command(arguments).envs(variables.iter().copied()).output().unwrap().into()
}

#[test]
fn one_variable_or_key_names_the_folder_for_every_command() {
    let desk = desk();
    let set: &[_] = &[("OCT_DB", "here")];
    with(&desk, set, &["import", "new"]).expect(0);
    assert!(desk.join("here/data").is_dir() && !desk.join("offline-db").exists());
    with(&desk, set, &["status"]).expect(0);
    with(&desk, set, &["check", "operator", "nobody.v1"]).expect(1);
    with(&desk, set, &["diff", "new"]).expect(0);
    with(&desk, set, &["rollback"]).expect(6);
    // A flag or an argument is stronger, a file weaker.
    with(&desk, set, &["status", "elsewhere"]).expect(1);
    fs::create_dir_all(desk.join(".config/oct")).unwrap();
    fs::write(desk.join(".config/oct/config.toml"), "db = '~/here'\n").unwrap();
    desk.run(&["status"]).expect(0);
    desk.run(&["check", "operator", "nobody.v1"]).expect(1);
    with(&desk, &[("OCT_DB", "elsewhere")], &["status"]).expect(1);
}

#[test]
fn what_finds_nothing_says_where_the_last_import_went() {
    let desk = desk();
    assert!(desk.run(&["status"]).expect(1).out.contains("`oct import` an archive"));
    desk.run(&["import", "new", "--to", "deep/db", "--dry-run"]).expect(0);
    assert!(!desk.join(".local/state/oct").exists(), "a dry run leaves nothing");
    desk.run(&["import", "new", "--to", "deep/db"]).expect(0);
    let there = format!("the last import went to `{}`", fs::canonicalize(desk.join("deep/db")).unwrap().display());
    assert!(desk.run(&["status"]).expect(1).out.contains(&there));
    for arguments in [&["check", "operator", "nobody.v1"][..], &["rollback"]] {
        let run = desk.run(arguments);
        assert!(run.err.contains(&there), "{}", run.err);
    }
    // A folder that was named is what was meant.
    assert!(!desk.run(&["status", "elsewhere"]).expect(1).out.contains("last import"));
    // The file is a hint and no more.
    let state = desk.join(".local/state/oct/last-import");
    for odd in ["../x\n", "/no/such/place\n", "\u{1b}[2J\n", ""] {
        fs::write(&state, odd).unwrap();
        let run = desk.run(&["status"]).expect(1);
        assert!(!run.out.contains("last import") && !run.out.contains('\u{1b}'), "{}", run.out);
    }
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    desk.run(&["status"]).expect(1);
    desk.run(&["import", "new", "--to", "deep/db"]).expect(0);
}

#[test]
fn switches_take_yes_and_no_and_a_wrong_value_is_blamed_on_its_variable() {
    let desk = Desk::bare();
    for (value, is_json) in [("1", true), ("YES", true), ("true", true), ("0", false), ("no", false), ("", false)] {
        let out = with(&desk, &[("OCT_JSON", value)], &["version"]).expect(0).out;
        assert_eq!(out.starts_with('{'), is_json, "{value:?}");
    }
    for (variable, value, arguments, typed) in [
        ("OCT_JSON", "maybe", &["version"][..], "--json"),
        ("OCT_COLOR", "blue", &["version"], "--color=auto"),
        ("OCT_JOBS", "none", &["bundle"], "--jobs=1"),
        ("OCT_KEEP", "-1", &["import", "x"], "--keep=1"),
        ("OCT_MAX_AGE", "soon", &["status"], "--max-age=1d"),
        ("OCT_CATALOG_URL", "nowhere", &["bundle"], "--catalog-url=http://127.0.0.1:9"),
    ] {
        let run = with(&desk, &[(variable, value)], arguments).expect(2);
        assert!(run.err.contains(&format!("the variable {variable}")), "{}", run.err);
        assert!(run.err.contains(value) && !run.err.contains("for '--"), "{}", run.err);
        let documented = with(&desk, &[(variable, value)], &[arguments, &["--json"]].concat());
        if variable != "OCT_JSON" {
            let error = documented.json()["error"].clone();
            assert_eq!((&error["code"], &error["class"]), (&"bad-value".into(), &"usage".into()));
            assert!(error["message"].as_str().unwrap().contains(variable) && !error.to_string().contains("--help"));
        }
        // A flag of the command decides, and is blamed itself.
        if !["OCT_JSON", "OCT_COLOR"].contains(&variable) {
            let run = with(&desk, &[(variable, value)], &[arguments, &[typed]].concat());
            assert!(run.code != Some(2), "{}", run.err);
        }
        let bad = format!("{}=%", typed.split('=').next().unwrap());
        let run = with(&desk, &[(variable, value)], &[arguments, &[bad.as_str()]].concat()).expect(2);
        assert!(!run.err.contains(variable), "{}", run.err);
    }
}

#[test]
fn a_home_is_put_in_and_a_url_is_no_file() {
    let desk = desk();
    desk.run(&["import", "~/new", "--to=~/db"]).expect(0);
    assert!(desk.join("db/data").is_dir() && !desk.join("~").exists());
    with(&desk, &[("OCT_DB", "~/db")], &["status"]).expect(0);
    for arguments in [&["import", "https://site.example/catalog.tar.zst"][..], &["verify", "http://site.example/x"]] {
        let run = desk.run(arguments).expect(2);
        assert!(run.err.contains("`oct pull`"), "{}", run.err);
    }
}

#[test]
fn quiet_is_quiet_everywhere() {
    let desk = desk();
    fs::write(desk.join("questions"), "operator nobody.v1\n").unwrap();
    for (arguments, code) in [
        (&["import", "new", "--to", "db"][..], 0),
        (&["import", "new", "--to", "db"], 0),
        (&["verify", "db"], 0),
        (&["status", "db"], 0),
        (&["status", "db", "--max-age", "0s"], 1),
        (&["status", "elsewhere"], 1),
        (&["check", "--from", "questions", "--db", "db"], 1),
        (&["diff", "new", "--db", "db"], 0),
        (&["keygen", "--no-password", "--out", "keys"], 0),
        (&["trust", "add", "keys/oct.pub"], 0),
        (&["man", "pages"], 0),
    ] {
        let run = desk.run(&[arguments, &["--quiet"]].concat()).expect(code);
        assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""), "{arguments:?}");
    }
    // Data that were asked for are no talk, and an error is always told.
    assert!(desk.run(&["trust", "list", "-q"]).expect(0).out.contains("fingerprint"));
    assert!(desk.run(&["status", "db", "-q", "--json"]).expect(0).json()["state"] == "intact");
    assert!(desk.run(&["verify", "nowhere", "-q"]).expect(6).err.starts_with("error: "));
}

#[test]
fn where_each_value_comes_from() {
    let desk = Desk::bare();
    fs::create_dir_all(desk.join(".config/oct")).unwrap();
    let file = desk.join(".config/oct/config.toml");
    fs::write(&file, "[bundle]\njobs = 3\nlevel = 9\noperators = ['a', 'b']\n").unwrap();
    let set = [("OCT_JOBS", "5"), ("OCT_CATALOG_URL", "https://me:hush@mirror.example/")];
    let found = with(&desk, &set, &["config", "show", "--json"]).expect(0);
    assert!(!found.out.contains("hush"), "{}", found.out);
    let found = found.json();
    let of = |key: &str| {
        let value = found["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap();
        (value["value"].clone(), value["from"].clone())
    };
    let file = file.display().to_string();
    assert_eq!(of("bundle.jobs"), (json!("5"), json!("OCT_JOBS")));
    assert_eq!(of("bundle.level"), (json!("9"), json!(file)));
    assert_eq!(of("bundle.operators"), (json!("a,b"), json!(file)));
    assert_eq!(of("db"), (json!("offline-db"), json!("default")));
    assert_eq!(of("bundle.since"), (json!(null), json!("default")));
    assert_eq!(found["files"][1], json!({ "path": file, "exists": true }));
    let table = with(&desk, &set, &["config", "show"]).expect(0).out;
    assert!(table.lines().any(|line| line.split_whitespace().eq(["bundle.jobs", "5", "(OCT_JOBS)"])), "{table}");
    // The example says nothing until somebody takes a `#` away.
    let example = desk.run(&["config", "example"]).expect(0).out;
    fs::write(desk.join(".config/oct/config.toml"), &example).unwrap();
    let values = desk.run(&["config", "show", "--json"]).expect(0).json();
    assert!(values["values"].as_array().unwrap().iter().all(|value| value["from"] == "default"), "{values}");
}

#[test]
fn every_line_on_stderr_is_an_object_where_that_is_wanted() {
    let desk = Desk::new();
    let server = server(300, 4);
    let run = desk.bundle(&server, "out", &["--level", "1", "--log-format", "json", "-v"]).expect(0);
    let lines = json_lines(&run.err);
    assert!(lines.iter().any(|line| line["fields"]["source"] == "containers"), "{}", run.err);
    let run = desk.run(&["import", "nowhere", "--log-format", "json"]).expect(6);
    let error = &json_lines(&run.err)[0];
    assert_eq!((&error["level"], &error["fields"]["class"]), (&"ERROR".into(), &"host".into()));
    for wrong in [&["bundle", "--log-format", "json", "--jobs", "x"][..], &["bundel", "--log-format=json"]] {
        let error = &json_lines(&desk.run(wrong).expect(2).err)[0];
        assert_eq!((&error["level"], &error["fields"]["exit"]), (&"ERROR".into(), &2.into()));
    }
    let run = with(&desk, &[("OCT_LOG_FORMAT", "json"), ("OCT_JOBS", "x")], &["bundle"]).expect(2);
    assert!(json_lines(&run.err)[0]["fields"]["message"].as_str().unwrap().contains("OCT_JOBS"));
}

#[test]
fn the_version_is_a_command_too() {
    let desk = Desk::bare();
    let version = desk.run(&["--version"]).expect(0).out;
    assert_eq!(desk.run(&["version"]).expect(0).out, version);
    assert!(version.contains(desk.run(&["version", "--json"]).expect(0).json()["version"].as_str().unwrap()));
}

/// A service gets its keys as credentials: while a key is replaced, there are two, and both sign.
#[test]
fn both_keys_of_a_service_sign_while_one_is_replaced() {
    let desk = Desk::new();
    let server = crate::cli_support::server(30, 1);
    desk.ok(&["keygen", "--no-password", "--out", "next"]);
    let credentials = desk.join("credentials");
    fs::create_dir(&credentials).unwrap();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    let signers = |out: &str| {
        let mut command =
            desk.command(&["bundle", "--out", out, "--catalog-url", &catalog, "--charts-url", &charts, "--json"]);
        let run = Run::from(command.env("CREDENTIALS_DIRECTORY", &credentials).output().unwrap()).expect(0);
        run.json()["key_ids"].as_array().unwrap().len()
    };
    for (from, name, number) in [("oct.key", "oct.key", 1), ("next/oct.key", "oct.next.key", 2)] {
        let to = credentials.join(name);
        fs::copy(desk.join(from), &to).unwrap();
        // As it looks behind the access list that systemd sets.
        fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o440)).unwrap();
        assert_eq!(signers(&format!("out-{number}")), number);
    }
    desk.ok(&["verify", &desk.archive("out-2"), "--key", "next/oct.pub"]);
}
