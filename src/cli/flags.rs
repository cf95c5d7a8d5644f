//! Flags that several commands share.

use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Args, Command, ValueEnum, ValueHint};

use super::values;

/// The default folder of the installed catalog.
pub(super) const DEFAULT_DB: &str = "offline-db";
/// The variable that names it, for every command.
pub(super) const DB_VARIABLE: &str = "OCT_DB";

/// Gives every flag what all flags have: the help shows the name of its variable, but not the value; the variable of a
/// switch takes words for yes and no; a path may begin with `~`.
pub(super) fn complete(command: Command) -> Command {
    command.mut_args(complete_flag).mut_subcommands(complete)
}

fn complete_flag(arg: Arg) -> Arg {
    let is_path = arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>();
    let arg = arg.hide_env_values(true);
    match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(values::yes_or_no),
        ArgAction::Count => arg.value_parser(values::level),
        _ if is_path => arg.value_parser(ValueParser::new(values::path())),
        _ => arg,
    }
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// Print only errors and the data that you asked for
    #[arg(short, long, global = true, env = "OCT_QUIET")]
    pub(super) quiet: bool,
    /// Print each request on stderr; -vv also prints its URL
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "OCT_VERBOSE")]
    pub(super) verbose: u8,
    /// Print one JSON document on stdout
    #[arg(long, global = true, env = "OCT_JSON")]
    pub(super) json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, env = "OCT_COLOR")]
    pub(super) color: Color,
    /// Show no progress
    #[arg(long, global = true, env = "OCT_NO_PROGRESS")]
    pub(super) no_progress: bool,
    /// Form of the lines on stderr
    #[arg(long, global = true, value_enum, default_value_t, env = "OCT_LOG_FORMAT")]
    pub(super) log_format: LogFormat,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On terminals, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Form of the lines on stderr.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Keys to trust.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct KeyArgs {
    /// Public key to trust, in addition to those of this host
    #[arg(long, global = true, value_name = "FILE", env = "OCT_KEY", value_hint = ValueHint::FilePath)]
    pub(super) key: Vec<PathBuf>,
}

/// The folder of the installed catalog, as the argument of a command.
#[derive(Debug, Clone, Args)]
pub(super) struct DbDir {
    /// The folder of the installed catalog
    #[arg(value_name = "DIR", default_value = DEFAULT_DB, env = DB_VARIABLE, value_hint = ValueHint::DirPath)]
    pub(super) dir: PathBuf,
}

/// The catalog to ask, as a flag.
#[derive(Debug, Clone, Args)]
pub(super) struct DbFlag {
    /// The folder of the installed catalog, or an archive
    #[arg(long, global = true, value_name = "DIR|ARCHIVE", default_value = DEFAULT_DB, env = DB_VARIABLE, value_hint = ValueHint::AnyPath)]
    pub(super) db: PathBuf,
}
