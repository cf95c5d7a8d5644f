//! `oct status --format nagios`: one line and an exit code, as monitoring plugins of Nagios, Icinga and their kind have them.

use jiff::SignedDuration;

use crate::base::text::{age, aged, sanitize_long};
use crate::ops::status::{State, Status};

/// What a plugin says, with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Level {
    /// All is well.
    Ok = 0,
    /// Look at it soon.
    Warning = 1,
    /// Act.
    Critical = 2,
    /// The catalog could not be looked at.
    Unknown = 3,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The line that says so. A `|` would begin the figures.
    pub(in super::super) fn line(self, text: &str) -> String {
        format!("OCT {} - {}", self.word(), sanitize_long(text).replace('|', "/"))
    }
}

/// The level and its line, with figures where something is known.
pub(super) fn judge(found: &Status, warn: Option<SignedDuration>) -> (Level, String) {
    let dir = found.dir.display();
    let (level, text) = match &found.state {
        State::Nothing => (Level::Critical, format!("no catalog is installed in {dir}")),
        State::Unsigned(cause) | State::NotProvable { cause } => (Level::Critical, cause.to_string()),
        State::NotAsSigned { cause, .. } => (Level::Critical, cause.to_string()),
        State::Intact { manifest, age: seconds, stale, forbidden } => {
            let what = format!(
                "catalog of {} in {dir}, {}, signed by {}",
                manifest.created,
                aged(*seconds, "old"),
                manifest.signer().key_id
            );
            let limit = |limit: Option<SignedDuration>| age(limit.unwrap_or_default().as_secs());
            if let Some(rule) = forbidden {
                (Level::Critical, format!("{what}: {rule}"))
            } else if *stale {
                (Level::Critical, format!("{what}: more than {} old", limit(found.max_age)))
            } else if warn.is_some_and(|warn| *seconds > warn.as_secs()) {
                (Level::Warning, format!("{what}: more than {} old", limit(warn)))
            } else if let Some(warning) = found.warnings.first() {
                (Level::Warning, format!("{what}: {warning}"))
            } else {
                (Level::Ok, what)
            }
        }
    };
    let mut line = level.line(&text);
    if let State::Intact { manifest, age, .. } = &found.state {
        let limit = |limit: Option<SignedDuration>| limit.map(|limit| limit.as_secs().to_string()).unwrap_or_default();
        let counts = manifest.counts;
        line.push_str(&format!(
            " | age={age}s;{};{} containers={} operators={} charts={}",
            limit(warn),
            limit(found.max_age),
            counts.containers,
            counts.operators,
            counts.charts
        ));
    }
    (level, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_and_has_no_figures_by_accident() {
        assert_eq!(Level::Unknown.line("a|b\nc"), "OCT UNKNOWN - a/b c");
    }
}
