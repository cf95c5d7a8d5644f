//! `oct config example`: a file with every key, each as a comment.

use std::fmt::Write as _;

use clap::{Arg, ArgAction};

use super::super::wrap::{LongWord, wrap};
use super::super::{Answer, Outcome, output};
use super::keys;

/// Columns of a comment.
const WIDTH: usize = 100;

pub(super) fn run() -> Outcome {
    output::stdout(&text());
    Ok(Answer::Yes)
}

/// The file.
pub(super) fn text() -> String {
    let mut text = String::from(
        "# Configuration of oct: the defaults of its flags. Remove the `#` before a value to set it.\n\
         # A value in $XDG_CONFIG_HOME/oct/config.toml wins over one in /etc/oct/config.toml, a variable over both, and a\n\
         # flag over all.\n",
    );
    let mut section = String::new();
    for (key, arg) in keys(&super::super::command()) {
        let (above, name) = key.rsplit_once('.').unwrap_or(("", &key));
        if above != section {
            section = above.to_owned();
            let _ = write!(text, "\n[{section}]\n");
        }
        text.push('\n');
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let variable = arg.get_env().map(|name| format!(" ({})", name.display())).unwrap_or_default();
        for line in wrap(&format!("{help}{variable}"), WIDTH, WIDTH, LongWord::Whole) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# {name} = {}", value(&arg));
    }
    text
}

/// The flag's default, or a value of its form, as TOML.
fn value(arg: &Arg) -> String {
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let one = defaults.first().map(String::as_str);
    match arg.get_action() {
        ArgAction::SetTrue => one.unwrap_or("false").to_owned(),
        ArgAction::Count => one.unwrap_or("0").to_owned(),
        ArgAction::Append if arg.get_value_delimiter().is_some() => {
            list(&defaults.join(",").split(',').collect::<Vec<_>>())
        }
        ArgAction::Append => list(&[one.unwrap_or(placeholder(arg))]),
        _ => quoted(one.unwrap_or(placeholder(arg))),
    }
}

fn list(values: &[&str]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

fn quoted(value: &str) -> String {
    // Every JSON string is a TOML string.
    if value.parse::<i64>().is_ok() { value.to_owned() } else { serde_json::Value::from(value).to_string() }
}

/// A value for a flag that has no default, by the name of its value.
fn placeholder(arg: &Arg) -> &'static str {
    match arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()) {
        Some("N") => "1",
        Some("DURATION") => "30d",
        Some("WHEN") => "2026-01-31",
        Some("VERSION") if arg.get_long() == Some("kube") => "v1.29.5",
        Some("VERSION") => "4.16",
        Some("DIGEST") => "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        Some("URL") => "https://example.com/",
        Some("DIR") => "/path/to/folder",
        Some("NAME: VALUE") => "X-Example: value",
        Some("FILE") => "/path/to/file",
        _ => "text",
    }
}
