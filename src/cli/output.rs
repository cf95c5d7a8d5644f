//! Printing: answers to stdout, everything else to stderr.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::wrap::fit;
use crate::model::failure::Classified;
use crate::model::text;
use crate::ops::Error;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Answers are JSON.
    pub json: bool,
    /// Only errors and what was asked for.
    pub quiet: bool,
    /// Colours on stdout.
    pub color_out: bool,
    /// Colours on stderr.
    pub color_err: bool,
    /// Columns of the terminal that stdout is.
    pub width_out: Option<usize>,
    /// Columns of the terminal that stderr is.
    pub width_err: Option<usize>,
    /// Columns of tables, be stdout a terminal or not.
    pub width_table: usize,
}

impl Output {
    /// Prints the answer: `document` as JSON, or `text`, which may have several lines.
    pub fn answer(&self, document: &impl Serialize, text: &str) {
        if self.json {
            // Documents are made of strings, numbers and lists.
            let document = serde_json::to_string_pretty(document).unwrap_or_default();
            self.stdout(&document);
        } else {
            self.stdout(&self.width_out.map_or_else(|| text.to_owned(), |width| fit(text, width)));
        }
    }

    /// Prints what was done, unless nothing but what was asked for is wanted: `document` as JSON, or `text`.
    pub fn summary(&self, document: &impl Serialize, text: &str) {
        if self.json || !self.quiet {
            self.answer(document, text);
        }
    }

    /// Prints text that is no document, `--json` or not.
    pub fn plain(&self, text: &str) {
        self.stdout(text);
    }

    /// Prints a heading in bold.
    pub fn bold(&self, heading: &str) -> String {
        if self.color_out { format!("\u{1b}[1m{heading}\u{1b}[0m") } else { heading.to_owned() }
    }

    /// A reader that has gone away, as `| head` does, is no failure.
    fn stdout(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    }

    fn stderr(&self, label: &str, color: u8, text: &str) {
        let label = if self.color_err { format!("\u{1b}[1;{color}m{label}:\u{1b}[0m") } else { format!("{label}:") };
        let line = format!("{label} {text}");
        let line = self.width_err.map_or_else(|| line.clone(), |width| fit(&line, width));
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Warns of something that is no failure.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.stderr("warning", 33, text);
        }
    }

    /// Says why a command failed, and what to do.
    pub fn error(&self, error: &Error) {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        let message = text::sanitize_long(&message);
        let hint = error.hint();
        if self.json {
            let (class, exit) = (error.class().name(), error.class().exit_code());
            let document = json!({
                "schema": "oct.error.v1",
                "error": { "class": class, "exit": exit, "message": message, "hint": hint },
            });
            self.stdout(&format!("{document:#}"));
        }
        self.stderr("error", 31, &message);
        if let Some(hint) = hint {
            self.stderr("hint", 36, &text::sanitize_long(&hint));
        }
    }
}
