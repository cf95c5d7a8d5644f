//! The command line: arguments, printing, exit codes. The only layer that reads the environment and the clock, and the
//! only one that prints.

mod args;
mod bundle;
mod check;
mod context;
mod import;
mod inspect;
mod keygen;
mod output;
mod progress;
mod rollback;
mod status;
mod trust;
mod values;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::failure::{Class, Classified as _};
use crate::ops::Error;
use args::Globals;
use context::Context;

/// Carry Red Hat's certified-artifact catalog across an air gap.
///
/// On a connected host, `oct bundle` fetches the catalog into one signed file. Somebody carries it. On the bastion,
/// `oct import` verifies it and installs the folder that certsuite reads with `--offline-db`.
#[derive(Debug, Parser)]
#[command(name = "oct", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 the answer is no · 2 usage · 3 the source · 4 verification · 5 policy · 6 this host · 130 \
interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    Bundle(Box<bundle::Args>),
    Check(Box<check::Args>),
    Import(import::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Status(status::Args),
    Rollback(rollback::Args),
    Keygen(keygen::Args),
    Trust(trust::Args),
}

/// How a command that did not fail ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Done, or yes.
    Yes,
    /// No: exit code 1.
    No,
    /// What was asked about is not what was signed: exit code 4.
    NotAsSigned,
}

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::new(cli.globals);
    let result = match cli.command {
        Command::Bundle(args) => bundle::run(&context, *args),
        Command::Check(args) => check::run(&context, *args),
        Command::Import(args) => import::run(&context, args),
        Command::Verify(args) => verify::run(&context, args),
        Command::Inspect(args) => inspect::run(&context, args),
        Command::Status(args) => status::run(&context, args),
        Command::Rollback(args) => rollback::run(&context, args),
        Command::Keygen(args) => keygen::run(&context, args),
        Command::Trust(args) => trust::run(&context, args),
    };
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::NotAsSigned) => ExitCode::from(Class::Verification.exit_code()),
        Err(error) => {
            context.out.error(&error);
            ExitCode::from(error.class().exit_code())
        }
    }
}

/// The outcome of a command.
type Outcome = Result<Answer, Error>;
