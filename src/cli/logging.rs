//! What goes to standard error: logs, warnings, errors, notes of progress; as text, or as one JSON object a line.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::facts::Facts;
use super::flags::{Globals, LogFormat};
use super::progress;

/// Sets up the log. `-q` and `-v` set the level; other crates log only errors, and more only at `-vvv`.
pub(super) fn begin(globals: &Globals) {
    let ours = match (globals.quiet, globals.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let theirs = if globals.verbose > 2 { ours } else { LevelFilter::ERROR };
    let levels = tracing_subscriber::registry().with(Targets::new().with_target("oct", ours).with_default(theirs));
    let layer = tracing_subscriber::fmt::layer().with_writer(Writer).with_target(false);
    // Fails only where a subscriber is set already, as in tests.
    let _ = match globals.log_format {
        LogFormat::Text => levels.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => levels.with(layer.json()).try_init(),
    };
}

/// Writes a line to standard error, above the progress bar if there is one.
pub(super) fn line(text: &str) {
    let write = || {
        // If standard error is closed, the failure cannot be reported.
        let _ = writeln!(io::stderr().lock(), "{text}");
    };
    match progress::bar() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// What a line on standard error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Why a command failed.
    Error,
    /// What to do about it.
    Hint,
    /// Something odd, but not a failure.
    Warning,
    /// How far the work is.
    Note,
}

/// How to write to standard error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stderr {
    /// Text or JSON.
    pub(super) format: LogFormat,
    /// Whether to use colours.
    pub(super) color: bool,
    /// Columns of the terminal.
    pub(super) width: Option<usize>,
}

impl Stderr {
    /// Writes one message; in JSON, `fields` are beside it.
    pub(super) fn say(self, kind: Kind, text: &str, fields: Value) {
        if self.format == LogFormat::Json {
            return line(&object(kind, text, fields).to_string());
        }
        let (label, style) = match kind {
            Kind::Error => ("error:", "1;31"),
            Kind::Hint => ("hint:", "1;36"),
            Kind::Warning => ("warning:", "1;33"),
            Kind::Note => ("", ""),
        };
        line(Facts::message(label, style, text).render(self.width, self.color).trim_end());
    }

    /// Writes why a command failed, and what to do: one object in JSON, two lines as text.
    pub(super) fn fail(self, failure: &Value) {
        self.say(Kind::Error, failure["message"].as_str().unwrap_or_default(), failure.clone());
        if let (LogFormat::Text, Some(hint)) = (self.format, failure["hint"].as_str()) {
            self.say(Kind::Hint, hint, json!({}));
        }
    }
}

/// A line in the same form as the lines of the log.
fn object(kind: Kind, text: &str, mut fields: Value) -> Value {
    let level = match kind {
        Kind::Error => "ERROR",
        Kind::Warning => "WARN",
        Kind::Hint | Kind::Note => "INFO",
    };
    if !fields.is_object() {
        fields = json!({});
    }
    fields["message"] = text.into();
    json!({ "timestamp": format!("{:.6}", Timestamp::now()), "level": level, "fields": fields })
}

/// Sends the log to [`line()`].
struct Writer;

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        line(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// The form that the command line or the environment asks for, read without clap: for a command line that clap refused.
pub(super) fn format_asked() -> LogFormat {
    let arguments: Vec<_> = std::env::args_os().collect();
    let after = arguments.iter().position(|argument| argument == "--log-format").map(|place| place + 1);
    let asked = after.and_then(|place| arguments.get(place)).is_some_and(|value| value == "json")
        || arguments.iter().any(|argument| argument == "--log-format=json")
        || (after.is_none() && std::env::var_os("OCT_LOG_FORMAT").is_some_and(|value| value == "json"));
    if asked { LogFormat::Json } else { LogFormat::Text }
}
