//! A command line that was not understood.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use serde_json::Value;

use super::flags::{Color, LogFormat};
use super::{context, documents, logging};
use crate::base::failure::Class;
use crate::base::text;

/// Says what is wrong, on stderr, and with `--json` on stdout too.
pub(super) fn tell(error: &clap::Error) {
    let is_given = |flag: &str| std::env::args_os().any(|argument| argument == flag);
    let message = text::sanitize_long(&message(error));
    let failure: Value = documents::failure(Class::Usage, code(error.kind()), &message, None);
    if is_given("--json") {
        super::output::document(&documents::error(&failure));
    }
    match logging::format_asked() {
        LogFormat::Json => context::stderr(Color::Never, LogFormat::Json).fail(&failure),
        // With clap's colours and its usage below; where stderr is gone, nobody can be told.
        LogFormat::Text => _ = error.print(),
    }
}

fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8 => "bad-value",
        ErrorKind::UnknownArgument => "unknown-flag",
        ErrorKind::InvalidSubcommand => "unknown-command",
        ErrorKind::MissingSubcommand | ErrorKind::MissingRequiredArgument => "missing-argument",
        ErrorKind::ArgumentConflict => "conflict",
        _ => "usage",
    }
}

/// What is wrong, without the usage that clap adds.
fn message(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let paragraph = rendered.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    paragraph.trim_start_matches("error: ").to_owned()
}

/// The error that names the variable, where a value in the environment is what is wrong, and not one that was typed.
pub(super) fn blame_variable(command: &mut Command, error: clap::Error) -> clap::Error {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let (shown, value) = (text_of(ContextKind::InvalidArg), text_of(ContextKind::InvalidValue));
    command.build();
    let arguments: Vec<_> = std::env::args_os().collect();
    let Some(arg) = find(command, &shown).filter(|arg| !is_typed(arg, &value, &arguments)) else { return error };
    let Some(variable) = arg.get_env().filter(|variable| std::env::var_os(variable).is_some()) else { return error };
    let name = format!("the variable {}", variable.display());
    let message = message(&error).replacen(&format!("'{shown}'"), &name, 1);
    command.error(error.kind(), message)
}

/// The argument that clap shows so, of `command` or of one below it.
fn find(command: &Command, shown: &str) -> Option<Arg> {
    let own = command.get_arguments().find(|arg| arg.get_env().is_some() && arg.to_string() == shown);
    own.cloned().or_else(|| command.get_subcommands().find_map(|inner| find(inner, shown)))
}

/// Whether the command line gives this value to the flag; a global one may be typed behind a command, and the variable is
/// looked at nevertheless.
fn is_typed(arg: &Arg, value: &str, arguments: &[OsString]) -> bool {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let is_given = arguments.iter().filter_map(|argument| argument.to_str()).any(|argument| {
        long.as_ref().is_some_and(|long| argument == long || argument.starts_with(&format!("{long}=")))
            || short.as_ref().is_some_and(|short| argument.starts_with(short))
    });
    let mut values = arguments.iter().map(|argument| argument.to_string_lossy());
    is_given && values.any(|typed| typed == value || typed.ends_with(&format!("={value}")))
}
