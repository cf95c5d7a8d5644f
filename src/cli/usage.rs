//! Errors of the command line, which quote what was typed.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use crate::base::text::{is_unsafe, one_line};

/// `error` with every quoted value in one line and without what a terminal obeys: a file name from a foreign stick can
/// stand among the arguments.
pub fn harmless(mut error: clap::Error) -> clap::Error {
    let quoted = |value: &ContextValue| match value {
        ContextValue::String(text) => text.contains(is_unsafe),
        ContextValue::Strings(texts) => texts.iter().any(|text| text.contains(is_unsafe)),
        _ => false,
    };
    if !error.context().any(|(_, value)| quoted(value)) {
        return error;
    }
    let mut clean = Vec::new();
    for (kind, value) in error.context() {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(one_line(text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(|text| one_line(text)).collect()),
            // The usage is clap's own; tips quote, and lose their colours here.
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
    fn an_ordinary_error_stays_as_it_is() {
        let error = || super::super::command().try_get_matches_from(["oct", "imprt", "x"]).unwrap_err();
        assert_eq!(harmless(error()).render().ansi().to_string(), error().render().ansi().to_string());
    }
}
