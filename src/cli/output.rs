//! Printing: answers to stdout, everything else to stderr.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;

use super::wrap::fit;
use crate::base::failure::{Class, Classified};
use crate::base::text;
use crate::ops::Error;

/// Whether an answer, or a part of it, could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether an answer was lost on its way to standard output.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints the document of a command line that was not understood, before anything else is known of it.
pub fn usage_document(message: &str) {
    let message = text::sanitize_long(message.trim_start_matches("error: "));
    let document = format!("{:#}", error_document(Class::Usage, &message, None));
    let _ = writeln!(io::stdout().lock(), "{}", text::json(&document));
}

fn error_document(class: Class, message: &str, hint: Option<&str>) -> serde_json::Value {
    json!({
        "schema": "oct.error.v1",
        "error": { "class": class.name(), "exit": class.exit_code(), "message": message, "hint": hint },
    })
}

/// `answer` with nothing that could steer a terminal but line ends and the two codes of [`Output::bold`].
fn harmless(answer: &str) -> String {
    let mut kept = String::with_capacity(answer.len());
    for (position, c) in answer.char_indices() {
        let bold = || ["\u{1b}[1m", "\u{1b}[0m"].iter().any(|code| answer[position..].starts_with(code));
        kept.push(if text::is_unsafe(c) && c != '\n' && !(c == '\u{1b}' && bold()) { '\u{fffd}' } else { c });
    }
    kept
}

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
            self.stdout(&text::json(&document));
        } else {
            self.stdout(&fit(&harmless(text), self.width_out));
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

    /// A reader that has gone away, as `| head` does, is no failure; a full disk is one, which [`is_lost`] tells.
    fn stdout(&self, text: &str) {
        let mut out = io::stdout().lock();
        let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            LOST.store(true, Ordering::Relaxed);
            self.stderr("error", 31, &format!("the answer cannot be written to standard output: {error}"));
        }
    }

    fn stderr(&self, label: &str, color: u8, text: &str) {
        let label = if self.color_err { format!("\u{1b}[1;{color}m{label}:\u{1b}[0m") } else { format!("{label}:") };
        let _ = writeln!(io::stderr().lock(), "{}", fit(&format!("{label} {text}"), self.width_err));
    }

    /// Warns of something that is no failure.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.stderr("warning", 33, &text::sanitize_long(text));
        }
    }

    /// Warns of what a crash had left, and was settled, and of the rest.
    pub fn warn_all(&self, recovered: &[impl std::fmt::Display], warnings: &[String]) {
        recovered.iter().for_each(|recovered| self.warn(&format!("after an interrupted run: {recovered}")));
        warnings.iter().for_each(|warning| self.warn(warning));
    }

    /// Says why a command failed, and what to do.
    pub fn error(&self, error: &Error) {
        let message = text::sanitize_long(&text::with_causes(error));
        let hint = error.hint();
        if self.json {
            let document = error_document(error.class(), &message, hint.as_deref());
            self.stdout(&text::json(&format!("{document:#}")));
        }
        self.stderr("error", 31, &message);
        if let Some(hint) = hint {
            self.stderr("hint", 36, &text::sanitize_long(&hint));
        }
    }
}
