//! Help, completions and man pages, which all come from one definition.

use std::collections::BTreeSet;
use std::fs;

use crate::cli_support::Desk;

/// Columns of the terminal on which the help is looked at.
const WIDTH: usize = 80;

/// Every command with its path: `oct`, `oct bundle`, `oct trust add`, …
fn commands() -> Vec<(String, clap::Command)> {
    let mut all = Vec::new();
    let mut command = oct::cli::command().disable_help_subcommand(true);
    command.build();
    let mut pending = vec![("oct".to_owned(), command)];
    while let Some((path, command)) = pending.pop() {
        for inner in command.get_subcommands() {
            pending.push((format!("{path} {}", inner.get_name()), inner.clone()));
        }
        all.push((path, command));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn every_help_as_people_see_it() {
    for (path, command) in commands() {
        let help = command.clone().color(clap::ColorChoice::Never).term_width(WIDTH).render_long_help().to_string();
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(path.replace(' ', "-"), help) });
    }
}

#[test]
fn every_help_has_examples_and_every_flag_a_variable() {
    for (path, command) in commands() {
        let help = command.clone().render_long_help().to_string();
        if command.get_subcommands().next().is_none() && path.matches(' ').count() == 1 {
            assert!(help.contains("Examples:\n  oct ") || help.contains("Examples:\n  podman "), "{path}");
        }
        for arg in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
            let standard = ["help", "version"].contains(&arg.get_id().as_str());
            assert!(standard || arg.get_env().is_some(), "{path} --{}", arg.get_long().unwrap());
        }
    }
}

#[test]
fn completions_know_every_command_and_flag() {
    let desk = Desk::bare();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&["completions", shell]).expect(0).out;
        for (path, command) in commands() {
            assert!(script.contains(path.split(' ').next_back().unwrap()), "{shell}: {path}");
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                let spelled = if shell == "fish" { format!("-l {flag}") } else { format!("--{flag}") };
                assert!(script.contains(&spelled), "{shell}: {path} --{flag}");
            }
        }
    }
}

#[test]
fn man_pages_are_there_for_every_command() {
    let desk = Desk::bare();
    desk.run(&["man", "pages"]).expect(0);
    let pages: BTreeSet<_> =
        fs::read_dir(desk.join("pages")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let due: BTreeSet<_> = commands().iter().map(|(path, _)| format!("{}.1", path.replace(' ', "-"))).collect();
    assert_eq!(pages, due);
    for (path, command) in commands() {
        let page = fs::read_to_string(desk.join("pages").join(format!("{}.1", path.replace(' ', "-")))).unwrap();
        let page = page.replace("\\-", "-");
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{flag}")), "{path} --{flag}");
        }
        let (options, rest) = page.split_once(".SH \"EXIT STATUS\"").expect(&path);
        for variable in command.get_arguments().filter_map(clap::Arg::get_env) {
            let variable = variable.to_str().unwrap();
            assert!(options.contains(variable) && rest.contains(variable), "{path} {variable}");
        }
        for part in [".SH ENVIRONMENT", ".SH FILES", "/etc/oct/config.toml", "\n\\fB143\\fR\n"] {
            assert!(rest.contains(part), "{path} {part}");
        }
        assert!(!page.contains(".SH EXTRA"), "{path}");
    }
    let signs = fs::read_to_string(desk.join("pages/oct-bundle.1")).unwrap();
    assert!(signs.contains("OCT_KEY_PASSWORD_FILE"), "{signs}");
    let opens_none = fs::read_to_string(desk.join("pages/oct-import.1")).unwrap();
    assert!(!opens_none.contains("OCT_KEY_PASSWORD_FILE") && opens_none.contains("/etc/oct/policy.toml"));
}

/// Every variable that the program reads stands in the page of `oct`, or is a flag's.
#[test]
fn every_variable_that_is_read_is_in_a_man_page() {
    let desk = Desk::bare();
    desk.run(&["man", "pages"]).expect(0);
    let all: String =
        fs::read_dir(desk.join("pages")).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
    // What the shell or sudo sets, and nobody for oct.
    let theirs = ["HOME", "SUDO_UID", "SUDO_HOME"];
    let mut seen = 0;
    for file in crate::layers::sources(&std::path::Path::new(crate::ROOT).join("src/cli")) {
        let code = fs::read_to_string(file).unwrap();
        for part in code.split("env::var").skip(1) {
            let name = part.trim_start_matches("_os").strip_prefix("(\"").and_then(|rest| rest.split('"').next());
            let Some(name) = name.filter(|name| !theirs.contains(name)) else { continue };
            assert!(all.contains(name), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen}");
}
