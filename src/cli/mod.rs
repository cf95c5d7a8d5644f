//! The command line: arguments, printing, exit codes. The only layer that reads the environment and the clock, and the
//! only one that prints.

mod bundle;
mod check;
mod completions;
mod config;
mod context;
mod diff;
mod doctor;
mod documents;
mod dump;
mod facts;
mod fetch;
mod flags;
mod import;
mod inspect;
mod keygen;
mod keys;
mod last_import;
mod list;
mod logging;
mod man;
mod output;
mod probe;
mod progress;
mod prune;
mod publish;
mod pull;
mod rollback;
mod runtime;
mod status;
mod trust;
mod usage;
mod values;
mod verify;
mod version;
mod wrap;
mod xdg;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::base::failure::{Class, Classified as _};
use crate::base::text;
use crate::ops::Error;
use context::Context;
use flags::Globals;

/// Carry Red Hat's certified-artifact catalog across an air gap.
///
/// On a connected host, `oct bundle` fetches the catalog into one signed archive. Someone carries the archive to the
/// bastion. There, `oct import` verifies it and installs the folder that certsuite reads with `--offline-db`.
#[derive(Debug, Parser)]
#[command(name = "oct", bin_name = "oct", version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Configuration: each flag takes its default from /etc/oct/config.toml, $XDG_CONFIG_HOME/oct/config.toml, or its \
variable; the later one wins, and a flag on the command line wins over all. `jobs = 4` below `[bundle]` means \
--jobs 4, and so does OCT_JOBS=4. `oct config show` shows each value and where it comes from.

Examples:
  oct keygen                           once, on the connected host
  oct bundle --out /srv/catalogs       then daily
  oct import /media/stick --to /opt/tnf/offline-db
                                       on the bastion

Exit codes: 0 done · 1 the answer is no · 2 usage · 3 the source · 4 verification · 5 policy · 6 this host · 130 \
interrupted · 143 terminated";

#[derive(Debug, Subcommand)]
enum Command {
    Bundle(Box<bundle::Args>),
    Check(Box<check::Args>),
    Import(import::Args),
    Publish(publish::Args),
    List(Box<list::Args>),
    Pull(Box<pull::Args>),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Status(status::Args),
    Rollback(rollback::Args),
    Prune(prune::Args),
    Diff(diff::Args),
    Keygen(keygen::Args),
    Trust(trust::Args),
    Dump(Box<dump::Args>),
    Probe(Box<probe::Args>),
    Doctor(Box<doctor::Args>),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
}

impl Command {
    /// Whether it needs the configuration.
    fn is_configured(&self) -> bool {
        !matches!(self, Self::Config(_) | Self::Completions(_) | Self::Man(_) | Self::Version(_))
    }
}

/// How a command that did not fail ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Done, or yes.
    Yes,
    /// No: exit code 1.
    No,
    /// A source does not give what is needed: exit code 3.
    NotToBeHad,
    /// The data are not what was signed: exit code 4.
    NotAsSigned,
    /// What a monitoring plugin says: its own exit codes.
    Plugin(status::Level),
}

/// The definition of the command line: help, completions and man pages are all made from it.
#[must_use]
pub fn command() -> clap::Command {
    flags::complete(Cli::command())
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let caught = runtime::catch();
    runtime::open_umask();
    let (cli, unread) = match parse() {
        Ok(parsed) => parsed,
        // Help and version.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            let error = usage::harmless(error);
            usage::tell(&error);
            return if status::is_plugin() {
                exit_code(status::unknown(&usage::message(&error)))
            } else {
                ExitCode::from(Class::Usage.exit_code())
            };
        }
    };
    let context = Context::new(cli.globals);
    let leaves = match &cli.command {
        Command::Import(_) | Command::Rollback(_) | Command::Dump(_) => {
            Some("the next run of oct on this folder cleans up what this one has left there")
        }
        _ => None,
    };
    if let Err(error) = caught.map_err(Error::from).and_then(|()| runtime::watch(&context, leaves)) {
        context.out.error(&error);
        return ExitCode::from(error.class().exit_code());
    }
    let unread = unread.filter(|_| cli.command.is_configured());
    let result = unread.map_or_else(|| run(&context, cli.command), Err);
    runtime::end_if_signalled();
    progress::clear();
    let result = result.and_then(|answer| output::lost().map_or(Ok(answer), |cause| Err(Error::Stdout(cause))));
    match result {
        Ok(answer) => exit_code(answer),
        Err(error) if status::is_plugin() => {
            output::Output { json: false, ..context.out }.error(&error);
            exit_code(status::unknown(&text::with_causes(&error)))
        }
        Err(error) => {
            context.out.error(&error);
            ExitCode::from(error.class().exit_code())
        }
    }
}

fn run(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Bundle(args) => bundle::run(context, *args),
        Command::Check(args) => check::run(context, *args),
        Command::Import(args) => import::run(context, args),
        Command::Publish(args) => publish::run(context, args),
        Command::List(args) => list::run(context, *args),
        Command::Pull(args) => pull::run(context, *args),
        Command::Verify(args) => verify::run(context, args),
        Command::Inspect(args) => inspect::run(context, args),
        Command::Status(args) => status::run(context, args),
        Command::Rollback(args) => rollback::run(context, args),
        Command::Prune(args) => prune::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::Dump(args) => dump::run(context, *args),
        Command::Doctor(args) => doctor::run(context, *args),
        Command::Probe(args) => probe::run(context, *args),
        Command::Config(args) => config::run(context, args),
        Command::Completions(args) => completions::run(context, args),
        Command::Man(args) => man::run(context, args),
        Command::Version(args) => version::run(context, args),
        Command::Keygen(args) => keygen::run(context, args),
        Command::Trust(args) => trust::run(context, args),
    }
}

fn exit_code(answer: Answer) -> ExitCode {
    match answer {
        Answer::Yes => ExitCode::SUCCESS,
        Answer::No => ExitCode::from(1),
        Answer::NotToBeHad => ExitCode::from(Class::Source.exit_code()),
        Answer::NotAsSigned => ExitCode::from(Class::Verification.exit_code()),
        Answer::Plugin(level) => ExitCode::from(level as u8),
    }
}

/// The command line, with the defaults of the configuration files; and why these could not be read.
fn parse() -> Result<(Cli, Option<Error>), clap::Error> {
    let (mut command, unread) = match config::apply(command(), &config::files()) {
        Ok(command) => (command, None),
        Err(error @ Error::Configuration(_)) => (command(), Some(error)),
        // Help must work even if the configuration is broken.
        Err(error) => match command().try_get_matches() {
            Err(error) if !error.use_stderr() => return Err(error),
            _ => return Err(command().error(ErrorKind::InvalidValue, text::sanitize_long(&error.to_string()))),
        },
    };
    let matches = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => matches,
        Err(error) => return Err(usage::blame_variable(&mut command, error)),
    };
    let conflict = match matches.subcommand() {
        Some(("bundle", matches)) => bundle::conflict(matches),
        Some(("status", matches)) => status::conflict(matches),
        _ => None,
    };
    if let Some(message) = conflict {
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    Ok((Cli::from_arg_matches(&matches)?, unread))
}

/// The outcome of a command.
type Outcome = Result<Answer, Error>;
