//! `oct status` for monitoring: metrics and the line of a plugin, and the rules and units that go with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::cli_support::{Desk, Run};
use crate::forge::{Forge, Layers};

/// A desk with an archive, and its key in `oct.pub`.
fn desk(created: &str) -> Desk {
    let desk = Desk::bare();
    let mut forge = Forge::new();
    forge.layers = Layers::valid(1, created);
    fs::write(desk.join("oct.pub"), forge.key.public().text()).unwrap();
    fs::write(desk.join("archive"), forge.valid()).unwrap();
    desk
}

/// A catalog that is installed and an hour old.
fn installed() -> Desk {
    let created = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let desk = desk(&created.round(jiff::Unit::Second).unwrap().to_string());
    desk.ok(&["import", "archive", "--to", "db", "--key", "oct.pub"]);
    desk
}

fn status(desk: &Desk, arguments: &[&str]) -> Run {
    desk.run(&[&["status", "db"], arguments].concat())
}

/// The samples by name and labels but `dir`; every line is looked at, and promtool too where it is.
fn samples(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut described = BTreeSet::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let name = match line.strip_prefix("# HELP ") {
            Some(help) => {
                let (name, help) = help.split_once(' ').expect(line);
                assert!(help.ends_with('.') && described.insert(name.to_owned()), "{line}");
                assert_eq!(lines.next(), Some(&*format!("# TYPE {name} gauge")));
                name
            }
            None => panic!("{line}"),
        };
        let mut some = false;
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (labels, value) = sample.strip_prefix(name).expect(sample).split_once("} ").expect(sample);
            let labels = labels.strip_prefix("{dir=\"/").and_then(|rest| rest.split_once('"')).expect(sample).1;
            value.parse::<f64>().expect(sample);
            assert!(found.insert(format!("{name}{labels}"), value.to_owned()).is_none(), "{sample}");
            some = true;
        }
        assert!(some, "{name} has no sample");
    }
    promtool(text);
    found
}

/// promtool's own judgement, where it is installed.
fn promtool(text: &str) {
    use std::io::Write as _;
    let mut command = Command::new("promtool");
    let command = command.args(["check", "metrics"]).stdin(std::process::Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: promtool is not there");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
}

fn metrics(desk: &Desk, arguments: &[&str]) -> BTreeMap<String, String> {
    samples(&status(desk, &[&["--format", "prometheus"], arguments].concat()).expect(0).out)
}

#[test]
fn metrics_are_valid_and_true_whatever_is_installed() {
    let is = |found: &BTreeMap<String, String>, wanted: &[(&str, &str)]| {
        for (name, value) in wanted {
            assert_eq!(found.get(*name).map(String::as_str), Some(*value), "{name}: {found:#?}");
        }
    };
    let desk = desk("2026-03-04T05:06:07Z");
    let found = metrics(&desk, &[]);
    is(
        &found,
        &[
            ("oct_catalog_installed", "0"),
            ("oct_catalog_intact", "0"),
            ("oct_catalog_signer_known", "0"),
            ("oct_catalog_state,state=\"nothing\"", "1"),
        ],
    );
    assert!(!found.contains_key("oct_catalog_created_timestamp_seconds"), "{found:?}");
    assert!(!desk.join("db").exists(), "looking makes no folder");

    desk.ok(&["import", "archive", "--to", "db", "--key", "oct.pub"]);
    let found = metrics(&desk, &["--key", "oct.pub"]);
    is(
        &found,
        &[
            ("oct_catalog_installed", "1"),
            ("oct_catalog_intact", "1"),
            ("oct_catalog_signer_known", "1"),
            ("oct_catalog_forbidden", "0"),
            ("oct_catalog_partial", "0"),
            ("oct_catalog_state,state=\"intact\"", "1"),
            ("oct_catalog_state,state=\"nothing\"", "0"),
            ("oct_catalog_created_timestamp_seconds", "1772600767"),
            ("oct_catalog_entries,kind=\"containers\"", "4"),
            ("oct_catalog_entries,kind=\"operators\"", "3"),
        ],
    );
    assert!(found.contains_key("oct_catalog_change_timestamp_seconds,action=\"install\""), "{found:?}");
    // Stale is an answer, not a failure: the metrics were written.
    is(&metrics(&desk, &["--key", "oct.pub", "--max-age", "1h"]), &[("oct_catalog_state,state=\"stale\"", "1")]);
    let unknown = [("oct_catalog_signer_known", "0"), ("oct_catalog_state,state=\"not-provable\"", "1")];
    is(&metrics(&desk, &[]), &unknown);

    fs::write(desk.join("db/data/archive.json"), "{}").unwrap();
    let altered = [("oct_catalog_intact", "0"), ("oct_catalog_state,state=\"not-as-signed\"", "1")];
    is(&metrics(&desk, &["--key", "oct.pub"]), &altered);
    is(&metrics(&desk, &["--key", "oct.pub"]), &[("oct_catalog_signer_known", "1")]);
    is(&metrics(&desk, &[]), &[("oct_catalog_signer_known", "0")]);
    fs::remove_file(desk.join("db/manifest.json")).unwrap();
    is(&metrics(&desk, &["--key", "oct.pub"]), &[("oct_catalog_state,state=\"unsigned\"", "1")]);
}

#[test]
fn metrics_tell_when_each_source_was_fetched() {
    let desk = Desk::new();
    let server = crate::cli_support::server(60, 1);
    desk.bundle(&server, "out", &[]).expect(0);
    desk.ok(&["import", "out", "--to", "db"]);
    let found = metrics(&desk, &[]);
    for source in ["containers", "operators:certified-operators", "operators:redhat-operators", "charts"] {
        assert!(found.contains_key(&format!("oct_catalog_source_timestamp_seconds,source=\"{source}\"")), "{found:#?}");
    }
}

#[test]
fn a_folder_of_any_name_makes_valid_metrics() {
    let desk = Desk::bare();
    let text = desk.run(&["status", "a\\b\"c\nd", "--format", "prometheus"]).expect(0).out;
    assert!(
        text.contains(r#"a\\b\"c"#) && text.lines().all(|line| line.starts_with("# ") || line.contains("} ")),
        "{text}"
    );
    promtool(&text);
}

#[test]
fn a_plugin_has_one_line_and_the_codes_of_plugins() {
    let desk = installed();
    let line = |code: i32, word: &str, arguments: &[&str]| {
        let out = status(&desk, &[&["--format", "nagios"], arguments].concat()).expect(code).out;
        assert!(out.starts_with(&format!("OCT {word} - ")) && out.trim_end().lines().count() == 1, "{out}");
        out
    };
    let key = ["--key", "oct.pub"];
    let with = |more: &[&'static str]| [&key[..], more].concat();
    let out = line(0, "OK", &with(&["--warn-age", "7d", "--max-age", "30d"]));
    assert!(out.contains(" in db, "), "{out}");
    let (_, figures) = out.split_once(" | age=").unwrap();
    let (age, rest) = figures.split_once("s;").unwrap();
    assert!((3_590..7_200).contains(&age.parse::<u32>().unwrap()), "{out}");
    assert!(rest.starts_with("604800;2592000 containers=4 operators=3 charts=1"), "{out}");
    line(1, "WARNING", &with(&["--warn-age", "10min"]));
    line(2, "CRITICAL", &with(&["--warn-age", "10min", "--max-age", "30min"]));
    assert!(line(2, "CRITICAL", &[]).contains("db"), "the signer is not known");
    fs::write(desk.join("db/data/archive.json"), "{}").unwrap();
    line(2, "CRITICAL", &key);
    fs::remove_dir_all(desk.join("db")).unwrap();
    line(2, "CRITICAL", &key);
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    let desk = installed();
    for arguments in [&["--key", "nowhere.pub"][..], &["--max-age", "soon"], &["--no-such-flag"]] {
        let run = status(&desk, &[&["--format", "nagios"], arguments].concat()).expect(3);
        assert!(run.out.starts_with("OCT UNKNOWN - ") && run.out.trim_end().lines().count() == 1, "{}", run.out);
        assert!(run.err.contains("error:"), "{}", run.err);
    }
    let never = status(&desk, &["--format", "nagios", "--warn-age", "30d", "--max-age", "30d"]).expect(3);
    assert!(never.out.contains("never warn"), "{}", never.out);
    for variables in [&[("OCT_STATUS_FORMAT", "nagios")][..], &[("OCT_STATUS_FORMAT", "nagios"), ("OCT_JSON", "1")]] {
        let mut command = desk.command(&["status", "db", "--key", "nowhere.pub"]);
        let run = Run::from(command.envs(variables.iter().copied()).output().unwrap()).expect(3);
        assert!(run.out.starts_with("OCT UNKNOWN - ") && run.out.trim_end().lines().count() == 1, "{}", run.out);
    }
}

#[test]
fn forms_that_contradict_each_other_are_refused() {
    let desk = installed();
    assert!(status(&desk, &["--json", "--format", "prometheus"]).expect(2).err.contains("two forms"));
    assert!(status(&desk, &["--warn-age", "1d"]).expect(2).err.contains("--format nagios"));
    // A variable is meant for other commands.
    let mut command = desk.command(&["status", "db", "--format", "prometheus"]);
    samples(&Run::from(command.env("OCT_JSON", "1").output().unwrap()).expect(0).out);
}
