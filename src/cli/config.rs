//! Configuration files, whose values become the defaults of the flags of the same name; `oct config`.
//!
//! A key at the top sets a global flag; a key below `[bundle]` sets a flag of `oct bundle`. A file can therefore set only
//! what the command line can. Variables and flags override the file.

mod example;
mod show;

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, Subcommand};
use toml::{Table, Value};

use super::context::Context;
use super::flags::DB_VARIABLE;
use super::{Outcome, xdg};
use crate::base::fs::FileError;
use crate::base::{fs, limits};
use crate::ops::{Error, UsageError};

/// The administrator's file.
const SYSTEM: &str = "/etc/oct/config.toml";

/// The key at the top that names the catalog's folder for every command.
const DB_KEY: &str = "db";

/// Show the configuration, or print an example of one
///
/// Each flag takes its default from /etc/oct/config.toml, $XDG_CONFIG_HOME/oct/config.toml, or its variable; the later one
/// wins, and a flag on the command line wins over all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct config show
  oct config example > ~/.config/oct/config.toml")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show each value, and where it comes from
    Show,
    /// Print a configuration file with every key, each as a comment
    Example,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    match args.action {
        Action::Show => show::run(context),
        Action::Example => example::run(),
    }
}

/// The configuration files; a later one overrides an earlier one.
pub(super) fn files() -> Vec<PathBuf> {
    let user = xdg::config().map(|folder| folder.join("config.toml"));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
}

/// A value in a file.
struct Setting {
    file: PathBuf,
    /// `["bundle", "jobs"]`.
    path: Vec<String>,
    value: Value,
}

impl Setting {
    fn key(&self) -> String {
        self.path.join(".")
    }

    /// The error message `what`, with the file and the key.
    fn refuse(&self, what: &str) -> String {
        format!("`{}`: `{}` {what}", self.file.display(), self.key())
    }
}

/// Every value in `files`. A missing file has none.
fn read(files: &[PathBuf]) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for file in files {
        let read = fs::if_there(fs::read_text(file, limits::CONFIG_FILE_BYTES));
        let Some(text) = read.map_err(|error| match error {
            FileError::Io(cause) => Error::Configuration(cause),
            other => UsageError::Config(other.to_string()).into(),
        })?
        else {
            continue;
        };
        let table: Table = text.parse().map_err(|error| UsageError::Config(not_toml(file, &text, &error)))?;
        flatten(file, &[], table, &mut settings);
    }
    Ok(settings)
}

fn not_toml(file: &Path, text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = 1 + before.matches('\n').count();
    format!("`{}` is not TOML: line {line}: {}", file.display(), error.message())
}

fn flatten(file: &Path, above: &[String], table: Table, settings: &mut Vec<Setting>) {
    for (key, value) in table {
        let path = [above, &[key]].concat();
        match value {
            Value::Table(inner) => flatten(file, &path, inner, settings),
            value => settings.push(Setting { file: file.to_owned(), path, value }),
        }
    }
}

/// `command` with the defaults that `files` set.
///
/// # Errors
/// Names the file that cannot be read, or the file and the key that is wrong.
pub(super) fn apply(command: Command, files: &[PathBuf]) -> Result<Command, Error> {
    let applied = read(files)?.iter().try_fold(command, |command, setting| match &setting.path[..] {
        [key] if key == DB_KEY => set_db(command, setting),
        path => set(command, setting, path),
    });
    Ok(applied.map_err(UsageError::Config)?)
}

/// Gives every flag and argument that names the catalog's folder a new default.
fn set_db(command: Command, setting: &Setting) -> Result<Command, String> {
    let Some(folder) = setting.value.as_str().filter(|folder| !folder.is_empty()).map(str::to_owned) else {
        return Err(setting.refuse("must be the path of a folder"));
    };
    Ok(command.mut_subcommands(|inner| {
        inner.mut_args(|arg| if is_db(&arg) { arg.default_value(folder.clone()) } else { arg })
    }))
}

fn is_db(arg: &Arg) -> bool {
    arg.get_env().is_some_and(|variable| variable == DB_VARIABLE)
}

/// Gives the flag that `path` names, from `command` on, a new default.
fn set(command: Command, setting: &Setting, path: &[String]) -> Result<Command, String> {
    if let [name, below @ ..] = path
        && !below.is_empty()
    {
        let Some(inner) = command.find_subcommand(name).cloned() else {
            return Err(format!("`{}`: there is no command `{name}`", setting.file.display()));
        };
        let inner = set(inner, setting, below)?;
        return Ok(command.mut_subcommand(name, |_| inner));
    }
    let key = path.first().map(String::as_str);
    let Some(arg) = command.get_arguments().find(|arg| arg.get_long().is_some() && arg.get_long() == key).cloned()
    else {
        return Err(setting.refuse("is not a setting"));
    };
    let values = texts(&arg, &setting.value).map_err(|what| setting.refuse(&what))?;
    // The flag's own parser checks the value here, so that the message can name the file.
    if let Some(bad) = values.iter().find(|value| !takes(&arg, value)) {
        return Err(setting.refuse(&format!("does not take the value {bad:?}")));
    }
    let id = arg.get_id().clone();
    Ok(command.mut_arg(id, |arg| arg.default_values(values)))
}

/// Whether a flag takes a value.
fn takes(arg: &Arg, value: &str) -> bool {
    if !arg.get_action().takes_values() {
        return true;
    }
    let alone = Arg::new("value").long("value").action(ArgAction::Append).value_parser(arg.get_value_parser().clone());
    let probe = Command::new("probe").no_binary_name(true).disable_help_flag(true).arg(alone);
    probe.try_get_matches_from([format!("--value={value}")]).is_ok()
}

/// The values as they would stand on the command line, if they are of the flag's type.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Datetime(instant) => Ok(instant.to_string()),
        other => Err(format!("cannot be a {}", other.type_str())),
    };
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(value)) => Ok(vec![value.to_string()]),
        (ArgAction::SetTrue, _) => Err("must be true or false".into()),
        (ArgAction::Count, Value::Integer(number @ 0..=3)) => Ok(vec![number.to_string()]),
        (ArgAction::Count, _) => Err("must be a number from 0 to 3".into()),
        (ArgAction::Append, Value::Array(list)) => list.iter().map(one).collect(),
        (_, Value::Boolean(_)) => Err("takes a value, not true or false".into()),
        (_, value) => Ok(vec![one(value)?]),
    }
}

/// Every flag that a file or a variable can set, with its key, such as `bundle.jobs`.
fn keys(command: &Command) -> Vec<(String, Arg)> {
    let mut keys: Vec<_> = flags(command).map(|arg| (arg.get_long().unwrap_or_default().to_owned(), arg)).collect();
    let db = command.get_subcommands().flat_map(Command::get_arguments).find(|arg| is_db(arg));
    keys.extend(db.map(|arg| (DB_KEY.to_owned(), arg.clone())));
    below(command, "", &mut keys);
    keys
}

fn below(command: &Command, above: &str, keys: &mut Vec<(String, Arg)>) {
    for inner in command.get_subcommands() {
        let path = format!("{above}{}.", inner.get_name());
        keys.extend(
            flags(inner)
                .filter(|arg| !is_db(arg))
                .map(|arg| (format!("{path}{}", arg.get_long().unwrap_or_default()), arg)),
        );
        below(inner, &path, keys);
    }
}

fn flags(command: &Command) -> impl Iterator<Item = Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some() && arg.get_env().is_some()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches as _;

    fn applied(text: &str) -> Result<Command, Error> {
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
    fn one_key_names_the_folder_for_every_command() {
        let command = applied("db = '~/db'").unwrap();
        let folder = |arguments: &[&str], id: &str| {
            let matches = command.clone().try_get_matches_from(arguments).unwrap();
            matches.subcommand().unwrap().1.get_one::<PathBuf>(id).unwrap().clone()
        };
        let db = Path::new(&std::env::var_os("HOME").unwrap()).join("db");
        assert_eq!(folder(&["oct", "status"], "dir"), db);
        assert_eq!(folder(&["oct", "rollback"], "dir"), db);
        assert_eq!(folder(&["oct", "import", "x"], "to"), db);
        assert_eq!(folder(&["oct", "check", "image", "x"], "db"), db);
        assert_eq!(folder(&["oct", "diff", "x"], "db"), db);
        assert_eq!(folder(&["oct", "status", "other"], "dir"), Path::new("other"));
    }

    #[test]
    fn what_no_flag_takes_is_named() {
        for (config, part) in [
            ("jbos = 3", "`jbos` is not a setting"),
            ("[bundle]\njbos = 3", "`bundle.jbos` is not a setting"),
            ("[bundel]\njobs = 3", "no command `bundel`"),
            ("[bundle]\njobs = 0", "`bundle.jobs` does not take the value \"0\""),
            ("[bundle]\njobs = true", "`bundle.jobs` takes a value"),
            ("quiet = 'yes'", "`quiet` must be true or false"),
            ("color = 'blue'", "`color` does not take"),
            ("db = true", "`db` must be the path of a folder"),
            ("x = ", "is not TOML"),
        ] {
            let error = applied(config).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("config.toml"), "{error}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        super::super::command().debug_assert();
    }

    /// Each line of the example, taken as a setting, is accepted.
    #[test]
    fn the_example_is_complete_and_can_be_used() {
        let example = example::text();
        let keys = keys(&super::super::command());
        assert!(keys.len() > 30, "{}", keys.len());
        let lines = example
            .lines()
            .filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).or(Some(line)));
        let used = lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, &used).unwrap();
        let found: std::collections::BTreeSet<_> = read(std::slice::from_ref(&file))
            .unwrap_or_else(|error| panic!("{error}\n{used}"))
            .iter()
            .map(Setting::key)
            .collect();
        assert_eq!(found, keys.into_iter().map(|(key, _)| key).collect());
        apply(super::super::command(), &[file]).unwrap_or_else(|error| panic!("{error}\n{used}"));
        assert_eq!(
            example.lines().filter(|line| !line.starts_with('#') && !line.starts_with('[')).count(),
            example.lines().filter(|line| line.is_empty()).count(),
            "everything is a comment"
        );
    }
}
