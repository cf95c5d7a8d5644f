//! Printing: answers to stdout, everything else to stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};

use super::facts::Facts;
use super::logging::{Kind, Stderr};
use super::{documents, last_import, runtime};
use crate::base::failure::Classified as _;
use crate::base::text;
use crate::ops::Error;

/// Why an answer, or a part of it, could not be written.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Why an answer could not be written to standard output, if that happened.
pub(super) fn lost() -> Option<io::Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Prints a document.
pub(super) fn document(document: &impl Serialize) {
    // Documents are made of strings, numbers and lists.
    stdout(&text::json(&serde_json::to_string_pretty(document).unwrap_or_default()));
}

/// Whether an answer was printed. Locked while one is printed.
static ANSWERED: Mutex<bool> = Mutex::new(false);

/// Prints a document when a signal ends the program, unless an answer was printed or is being printed. Nothing else is
/// printed afterwards.
pub(super) fn last_document(document: &impl Serialize) {
    if let Ok(answered) = ANSWERED.try_lock()
        && !*answered
    {
        write(&serde_json::to_string_pretty(document).unwrap_or_default());
        std::mem::forget(answered);
    }
}

/// Prints text. A closed pipe, as with `| head`, is not a failure. A full disk is one, and [`lost`] returns it.
pub(super) fn stdout(text: &str) {
    runtime::end_if_signalled();
    let mut answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    *answered = true;
    write(text);
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        *LOST.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// Whether answers are JSON.
    pub(super) json: bool,
    /// Whether to print only errors and the data that were asked for.
    pub(super) quiet: bool,
    /// Whether to use colours on stdout.
    pub(super) color: bool,
    /// Columns of the terminal that stdout is.
    pub(super) width: Option<usize>,
    /// Columns of tables, whether stdout is a terminal or not.
    pub(super) table_width: usize,
    /// Where everything else goes.
    pub(super) stderr: Stderr,
}

impl Output {
    /// Prints data that were asked for, even with `--quiet`: `document` as JSON, or `facts`.
    pub(super) fn data(&self, document: &impl Serialize, facts: &Facts) {
        if self.json {
            self::document(document);
        } else {
            let width = if facts.is_table() { Some(self.table_width) } else { self.width };
            stdout(&facts.render(width, self.color));
        }
    }

    /// Prints what was done or found; with `--quiet` nothing, because the exit code says it too.
    pub(super) fn answer(&self, document: &impl Serialize, facts: &Facts) {
        if self.json || !self.quiet {
            self.data(document, facts);
        }
    }

    /// Prints a warning.
    pub(super) fn warn(&self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Prints a warning, even with `--quiet`.
    pub(super) fn insist(&self, text: &str) {
        self.stderr.say(Kind::Warning, &text::sanitize_long(text), json!({}));
    }

    /// Warns of what an interrupted run left and this run cleaned up, then prints the other warnings.
    pub(super) fn warn_all(&self, recovered: &[impl Display], warnings: &[String]) {
        recovered.iter().for_each(|recovered| self.warn(&format!("after an interrupted run: {recovered}")));
        warnings.iter().for_each(|warning| self.warn(warning));
    }

    /// Prints why a command failed, and what to do.
    pub(super) fn error(&self, error: &Error) {
        let message = text::sanitize_long(&text::with_causes(error));
        let hint = last_import::hint_of(error).or_else(|| error.hint()).map(|hint| text::sanitize_long(&hint));
        self.failure(&documents::failure(error.class(), error.code(), &message, hint.as_deref()));
    }

    /// Prints a failure that [`documents::failure`] made.
    pub(super) fn failure(&self, failure: &Value) {
        if self.json {
            document(&documents::error(failure));
        }
        self.stderr.fail(failure);
    }
}
