//! `oct config show`: each value, and where it comes from.

use std::path::PathBuf;

use clap::{Arg, Command};
use serde_json::json;

use super::super::context::Context;
use super::super::facts::Facts;
use super::super::{Answer, Outcome, documents};
use super::{Setting, files, keys, read, texts};
use crate::base::text;
use crate::ops::UsageError;

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
    let settings = read(&files).map_err(UsageError::Config)?;
    let shown = shown(&super::super::command(), &settings);
    let mut facts = Facts::bare();
    facts.cells(["KEY", "VALUE", "FROM"].map(str::to_owned).to_vec());
    for Shown { key, value, origin } in &shown {
        let value = value.clone().unwrap_or_else(|| "-".into());
        facts.cells(vec![key.clone(), text::sanitize(&value), origin.text()]);
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
                    texts(&arg, &setting.value).ok().map(|values| values.join(",")),
                    Origin::File(setting.file.clone()),
                ),
                (None, None) => (default(&arg), Origin::Default),
            };
            Shown { key, value: value.map(without_password), origin }
        })
        .collect()
}

fn default(arg: &Arg) -> Option<String> {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A proxy or a mirror may be named with a password, which is nobody's business.
fn without_password(value: String) -> String {
    let Ok(mut url) = value.parse::<reqwest::Url>() else { return value };
    if url.password().is_some() && url.set_password(Some("***")).is_ok() { url.to_string() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("https://u:secret@h/x".into()), "https://u:***@h/x");
        assert_eq!(without_password("https://h/x".into()), "https://h/x");
        assert_eq!(without_password("a:b".into()), "a:b");
    }
}
