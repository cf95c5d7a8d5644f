//! Configuration files: their values become the defaults of the flags of the same name.
//!
//! A key at the top is a global flag, one below `[bundle]` a flag of `oct bundle`. So a file can say nothing that the
//! command line could not, `--help` shows what applies, and environment and flags stay above it.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use super::flags::DB_VARIABLE;
use super::xdg;

/// The key at the top that names the catalog's folder for every command.
const DB_KEY: &str = "db";

/// The administrator's file.
const SYSTEM: &str = "/etc/oct/config.toml";

/// The files, the one that decides last.
pub(super) fn files() -> Vec<PathBuf> {
    let user = xdg::config().map(|folder| folder.join("config.toml"));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
}

/// `command` with the defaults that `files` set. Files that are not there set none.
///
/// # Errors
/// Names the file and the key that is wrong.
pub(super) fn apply(mut command: Command, files: &[PathBuf]) -> Result<Command, String> {
    for file in files {
        let text = match fs_err::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.to_string()),
        };
        let table: Table = text.parse().map_err(|error| format!("`{}` is not TOML: {error}", file.display()))?;
        for (key, value) in table {
            match value {
                Value::Table(section) => command = in_section(command, file, &key, section)?,
                value if key == DB_KEY => command = set_db(command, file, &value)?,
                value => command = set(command, file, &key, &key, value)?,
            }
        }
    }
    Ok(command)
}

fn in_section(command: Command, file: &Path, name: &str, section: Table) -> Result<Command, String> {
    let Some(mut inner) = command.find_subcommand(name).cloned() else {
        return Err(format!("`{}`: there is no command `{name}`", file.display()));
    };
    for (key, value) in section {
        inner = set(inner, file, &key, &format!("{name}.{key}"), value)?;
    }
    Ok(command.mut_subcommand(name, |_| inner))
}

/// Gives every flag and argument that names the catalog's folder a new default.
fn set_db(command: Command, file: &Path, value: &Value) -> Result<Command, String> {
    let Some(folder) = value.as_str().filter(|folder| !folder.is_empty()).map(str::to_owned) else {
        return Err(format!("`{}`: `{DB_KEY}` must be the path of a folder", file.display()));
    };
    Ok(command.mut_subcommands(|inner| {
        inner.mut_args(|arg| {
            let is_db = arg.get_env().is_some_and(|variable| variable == DB_VARIABLE);
            if is_db { arg.default_value(folder.clone()) } else { arg }
        })
    }))
}

/// Gives the flag `key` of `command` a new default.
fn set(command: Command, file: &Path, key: &str, full_key: &str, value: Value) -> Result<Command, String> {
    let refuse = |what: String| format!("`{}`: `{full_key}` {what}", file.display());
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(key)).cloned() else {
        return Err(refuse("is no setting".into()));
    };
    let values = texts(&arg, value).map_err(&refuse)?;
    // The flag itself decides what it accepts; asked here, the answer names the file.
    let flag = !arg.get_action().takes_values();
    if !flag {
        let alone = arg.clone().required(false).global(false);
        let alone =
            Arg::new("value").long("value").action(ArgAction::Append).value_parser(alone.get_value_parser().clone());
        let probe = Command::new("probe").no_binary_name(true).disable_help_flag(true).arg(alone);
        if let Some(bad) =
            values.iter().find(|value| probe.clone().try_get_matches_from([format!("--value={value}")]).is_err())
        {
            return Err(refuse(format!("does not take the value {bad:?}")));
        }
    }
    let id = arg.get_id().clone();
    Ok(command.mut_arg(id, |arg| arg.default_values(values)))
}

/// The values as they would stand on the command line, if they are of the flag's type.
fn texts(arg: &Arg, value: Value) -> Result<Vec<String>, String> {
    let one = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Datetime(instant) => Ok(instant.to_string()),
        other => Err(format!("cannot be a {}", other.type_str())),
    };
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(value)) => Ok(vec![value.to_string()]),
        (ArgAction::SetTrue, _) => Err("is either true or false".into()),
        (ArgAction::Count, Value::Integer(number @ 0..=3)) => Ok(vec![number.to_string()]),
        (ArgAction::Count, _) => Err("is a number from 0 to 3".into()),
        (ArgAction::Append, Value::Array(list)) => list.into_iter().map(one).collect(),
        (_, Value::Boolean(_)) => Err("takes a value, not true or false".into()),
        (_, value) => Ok(vec![one(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn applied(text: &str) -> Result<Command, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        apply(super::super::command(), &[folder.path().join("none"), file])
    }

    #[test]
    fn values_are_defaults_below_flags() {
        let config = "color = 'never'\n[bundle]\njobs = 3\nforce = true\nout = '/srv'\noperators = ['a', 'b']\n";
        let parse = |arguments: &[&str]| {
            let matches = applied(config).unwrap().try_get_matches_from(arguments).unwrap();
            assert!(super::super::Cli::from_arg_matches(&matches).is_ok());
            let bundle = matches.subcommand_matches("bundle").unwrap();
            (*bundle.get_one::<u32>("jobs").unwrap(), bundle.get_flag("force"))
        };
        assert_eq!(parse(&["oct", "bundle"]), (3, true));
        assert_eq!(parse(&["oct", "bundle", "--jobs", "5"]), (5, true));
    }

    #[test]
    fn what_no_flag_takes_is_named() {
        for (config, part) in [
            ("jbos = 3", "`jbos` is no setting"),
            ("[bundle]\njbos = 3", "`bundle.jbos` is no setting"),
            ("[bundel]\njobs = 3", "no command `bundel`"),
            ("[bundle]\njobs = 0", "`bundle.jobs` does not take the value \"0\""),
            ("[bundle]\njobs = true", "`bundle.jobs` takes a value"),
            ("quiet = 'yes'", "`quiet` is either true or false"),
            ("color = 'blue'", "`color` does not take"),
            ("x = ", "is not TOML"),
        ] {
            let error = applied(config).unwrap_err();
            assert!(error.contains(part) && error.contains("config.toml"), "{error}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        super::super::command().debug_assert();
    }
}
