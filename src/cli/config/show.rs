//! `oct config show`: each value, and where it comes from.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};
use serde_json::json;

use super::super::context::Context;
use super::super::facts::Facts;
use super::super::{Answer, Outcome, documents};
use super::{Setting, files, keys, read, texts};
use crate::base::text;

/// The name of a value that is a header.
const HEADER: &str = "NAME: VALUE";

/// A value in force.
struct Shown {
    key: String,
    value: Option<String>,
    origin: Origin,
}

/// Where a value comes from.
enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
}

impl Origin {
    fn text(&self) -> String {
        match self {
            Self::Default => "default".into(),
            Self::File(file) => documents::path(file),
            Self::Variable(name) => name.clone(),
        }
    }
}

/// Shows the values.
pub(super) fn run(context: &Context) -> Outcome {
    let files = files();
    let settings = read(&files)?;
    let shown = shown(&super::super::command(), &settings);
    let mut facts = Facts::table();
    facts.strong_row("KEY", "VALUE (FROM)");
    for Shown { key, value, origin } in &shown {
        let value = value.as_deref().map_or_else(|| "-".into(), text::sanitize);
        facts.row(key, format!("{value} ({})", origin.text()));
    }
    let values = shown.iter().map(|it| json!({ "key": it.key, "value": it.value, "from": it.origin.text() }));
    let document = json!({
        "schema": "oct.config.v1",
        "files": files.iter().map(|file| json!({ "path": documents::path(file), "exists": file.exists() })).collect::<Vec<_>>(),
        "values": values.collect::<Vec<_>>(),
    });
    context.out.data(&document, &facts);
    Ok(Answer::Yes)
}

fn shown(command: &Command, settings: &[Setting]) -> Vec<Shown> {
    keys(command)
        .into_iter()
        .map(|(key, arg)| {
            let setting = settings.iter().rev().find(|setting| setting.key() == key);
            let variable = arg.get_env().and_then(|name| Some((name, std::env::var_os(name)?)));
            let (value, origin) = match (variable, setting) {
                (Some((name, value)), _) => {
                    (Some(value.to_string_lossy().into_owned()), Origin::Variable(name.to_string_lossy().into_owned()))
                }
                (None, Some(setting)) => (
                    texts(&arg, &setting.value).ok().map(|values| values.join(separator(&arg))),
                    Origin::File(setting.file.clone()),
                ),
                (None, None) => (default(&arg), Origin::Default),
            };
            Shown { key, value: value.map(|value| without_secret(&arg, value)), origin }
        })
        .collect()
}

/// The text between several values of one flag.
fn separator(arg: &Arg) -> &'static str {
    if arg.get_value_delimiter().is_some() { "," } else { "\n" }
}

fn default(arg: &Arg) -> Option<String> {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    match arg.get_action() {
        _ if !values.is_empty() => Some(values.join(",")),
        ArgAction::SetTrue => Some("false".into()),
        ArgAction::Count => Some("0".into()),
        _ => None,
    }
}

/// The value without its secrets: the content of a header, the password and the query of a URL.
fn without_secret(arg: &Arg, value: String) -> String {
    if arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == HEADER)) {
        let headers = value.split('\n').map(|header| header.split(':').next().unwrap_or_default());
        return headers.map(|name| format!("{name}: ***")).collect::<Vec<_>>().join(", ");
    }
    let Ok(mut url) = value.parse::<reqwest::Url>() else { return value };
    let has_password = url.password().is_some() && url.set_password(Some("***")).is_ok();
    let has_query = url.query().is_some();
    if has_query {
        url.set_query(Some("***"));
    }
    if has_password || has_query { url.to_string() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let (url, header) = (Arg::new("url"), Arg::new("header").value_name(HEADER));
        assert_eq!(without_secret(&url, "https://u:secret@h/x".into()), "https://u:***@h/x");
        assert_eq!(without_secret(&url, "https://h/x?token=secret".into()), "https://h/x?***");
        assert_eq!(without_secret(&url, "https://h/x".into()), "https://h/x");
        assert_eq!(without_secret(&url, "a:b".into()), "a:b");
        assert_eq!(without_secret(&header, "X-API-KEY: secret: s\nX-Two: secret".into()), "X-API-KEY: ***, X-Two: ***");
    }
}
