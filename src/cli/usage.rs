//! A command line that was not understood.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use serde_json::Value;

use super::flags::{Color, LogFormat};
use super::{context, documents, logging};
use crate::base::failure::Class;
use crate::base::text::{self, is_unsafe, one_line};

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
        // With clap's colours, and its usage below. If stderr is closed, the failure cannot be reported.
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
pub(super) fn message(error: &clap::Error) -> String {
    let rendered = error.to_string();
    let paragraph = rendered.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    paragraph.trim_start_matches("error: ").to_owned()
}

/// The same error, but with the name of the variable if the bad value comes from the environment.
pub(super) fn blame_variable(command: &mut Command, error: clap::Error) -> clap::Error {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let kind = error.kind();
    let (shown, value) = (text_of(ContextKind::InvalidArg), text_of(ContextKind::InvalidValue));
    command.build();
    let arguments: Vec<_> = std::env::args_os().collect();
    let Some(arg) = find(command, &shown).filter(|arg| !is_typed(arg, &value, &arguments)) else { return error };
    let Some(variable) = arg.get_env().filter(|variable| std::env::var_os(variable).is_some()) else { return error };
    let name = format!("the variable {}", variable.display());
    let message = message(&harmless(error)).replacen(&format!("'{shown}'"), &name, 1);
    command.error(kind, message)
}

/// The argument of `command` or of its subcommands that clap shows as `shown`.
fn find(command: &Command, shown: &str) -> Option<Arg> {
    let own = command.get_arguments().find(|arg| arg.get_env().is_some() && arg.to_string() == shown);
    own.cloned().or_else(|| command.get_subcommands().find_map(|inner| find(inner, shown)))
}

/// Whether the command line gives this value to the flag. clap reads the variable of a global flag even if the flag is
/// typed after the command.
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

/// `error` with every quoted value in one line and without control characters: an argument can be a file name from a
/// foreign stick.
pub(super) fn harmless(mut error: clap::Error) -> clap::Error {
    let quoted = |value: &ContextValue| match value {
        ContextValue::String(text) => text.contains(is_unsafe),
        ContextValue::Strings(texts) => texts.iter().any(|text| text.contains(is_unsafe)),
        _ => false,
    };
    // What a flag's own parser says is not among the values, and cannot be changed there.
    if std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains(is_unsafe)) {
        return clap::Error::raw(error.kind(), one_line(&message(&error)) + "\n");
    }
    if !error.context().any(|(_, value)| quoted(value)) {
        return error;
    }
    let mut clean = Vec::new();
    for (kind, value) in error.context() {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(one_line(text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| one_line(text)).collect()),
            // The usage quotes nothing. Tips quote arguments: they are cleaned, and lose their colours.
            ContextValue::StyledStr(text) if kind != ContextKind::Usage => ContextValue::StyledStr(plain(text)),
            ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(plain).collect()),
            _ => continue,
        };
        clean.push((kind, value));
    }
    for (kind, value) in clean {
        error.insert(kind, value);
    }
    error
}

fn plain(text: &StyledStr) -> StyledStr {
    StyledStr::from(one_line(&text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal would get, without the colours that clap itself sets.
    fn shown(arguments: &[&str]) -> String {
        let error = super::super::command().try_get_matches_from(arguments).unwrap_err();
        let shown = harmless(error).render().ansi().to_string();
        let mut parts = shown.split('\u{1b}');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_once('m').unwrap_or_else(|| panic!("no colour: {shown:?}"));
            assert!(code.starts_with('[') && code[1..].bytes().all(|b| b.is_ascii_digit() || b == b';'), "{shown:?}");
            text.push_str(rest);
        }
        text
    }

    #[test]
    fn what_was_typed_cannot_steer_the_terminal_or_forge_a_line() {
        for odd in ["\u{1b}]0;owned\u{7}", "\u{9b}2J", "x\nerror: forged", "\u{202e}x", "\u{7f}"] {
            let long = format!("--{odd}");
            let value = format!("--max-age={odd}");
            let color = format!("--color={odd}");
            let jobs = format!("--jobs={odd}");
            let tries = [
                &["oct", odd][..],
                &["oct", "import", &long],
                &["oct", "import", "x", &value],
                &["oct", "import", "x", "y", odd],
                &["oct", "status", &color],
                &["oct", "bundle", &jobs],
                &["oct", "bundle", "--catalog-url", odd],
                &["oct", "bundle", "--since", odd],
                &["oct", "bundle", "--operators", odd],
                &["oct", "check", "operator", "a", "--ocp", odd],
                &["oct", "completions", odd],
                &["oct", "trust", "list", odd],
            ];
            for arguments in tries {
                let text = shown(arguments);
                assert!(!text.contains(|c| is_unsafe(c) && c != '\n'), "{arguments:?}: {text:?}");
                assert!(!text.contains("\nerror: forged"), "{arguments:?}: {text:?}");
            }
        }
    }

    #[test]
    fn what_the_parser_of_a_flag_says_cannot_steer_the_terminal_either() {
        let parser = |text: &str| Err::<String, _>(format!("`{text}` is odd"));
        let command = clap::Command::new("oct").arg(Arg::new("odd").long("odd").value_parser(parser));
        let error = command.try_get_matches_from(["oct", "--odd", "\u{1b}[2J\nerror: forged"]).unwrap_err();
        let shown = harmless(error).render().to_string();
        assert!(!shown.contains(|c| is_unsafe(c) && c != '\n') && shown.lines().count() == 1, "{shown:?}");
        assert!(shown.contains("--odd") && shown.contains("is odd"), "{shown:?}");
    }

    #[test]
    fn an_ordinary_error_stays_as_it_is() {
        let error = || super::super::command().try_get_matches_from(["oct", "imprt", "x"]).unwrap_err();
        assert_eq!(harmless(error()).render().ansi().to_string(), error().render().ansi().to_string());
    }
}
