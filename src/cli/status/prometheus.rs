//! `oct status --format prometheus`: the text format of Prometheus, for node_exporter's textfile collector.
//!
//! Instants are exported, not ages: an age is true only at the moment at which it was written.

use std::fmt::Write as _;
use std::path::absolute;

use jiff::Timestamp;

use super::documents;
use crate::base::text::one_line;
use crate::ops::status::{Action, State, Status};

/// Every word for a state, as `--json` has them.
const STATES: [&str; 6] = ["nothing", "intact", "stale", "unsigned", "not-provable", "not-as-signed"];

/// Metrics, each with its help and type before its samples.
struct Page {
    text: String,
    /// The label that each sample of the folder has.
    dir: String,
}

impl Page {
    /// A metric with a sample for each set of labels; none, where there are no samples.
    fn gauge(&mut self, name: &str, help: &str, samples: &[(String, String)]) -> &mut Self {
        if !samples.is_empty() {
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        }
        for (labels, value) in samples {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = writeln!(self.text, "{name}{{dir=\"{}\"{comma}{labels}}} {value}", self.dir);
        }
        self
    }

    fn number(&mut self, name: &str, help: &str, value: impl ToString) -> &mut Self {
        self.gauge(name, help, &[(String::new(), value.to_string())])
    }

    fn flag(&mut self, name: &str, help: &str, value: bool) -> &mut Self {
        self.number(name, help, u8::from(value))
    }
}

/// The metrics of what was found at `now`.
pub(super) fn text(found: &Status, word: &str, now: Timestamp) -> String {
    let dir = absolute(&found.dir).unwrap_or_else(|_| found.dir.clone());
    let mut page = Page { text: String::new(), dir: escaped(&documents::path(&dir)) };
    let states = STATES.map(|state| (label("state", state), u8::from(state == word).to_string()));
    let manifest = match &found.state {
        State::Intact { manifest, .. } => Some(manifest),
        _ => None,
    };
    let forbidden = matches!(found.state, State::Intact { forbidden: Some(_), .. });
    page.number("oct_status_timestamp_seconds", "When the catalog was verified.", now.as_second())
        .gauge(
            "oct_status_info",
            "The version of oct that verified it.",
            &[(label("version", env!("CARGO_PKG_VERSION")), "1".into())],
        )
        .flag("oct_catalog_installed", "Whether a catalog is installed.", !matches!(found.state, State::Nothing))
        .flag("oct_catalog_intact", "Whether every file is as a trusted key signed it.", manifest.is_some())
        .flag("oct_catalog_signer_known", "Whether a key that is trusted here signed it.", signer_known(&found.state))
        .flag("oct_catalog_forbidden", "Whether a rule of the host's policy forbids it, its age apart.", forbidden)
        .gauge("oct_catalog_state", "The state, in the words of `oct status --json`.", &states)
        .number("oct_catalog_warnings", "Things worth knowing that are no failure.", found.warnings.len());
    if let Some(manifest) = manifest {
        let counts = manifest.counts;
        let entries = [
            ("containers", counts.containers),
            ("digests", counts.digests),
            ("operators", counts.operators),
            ("charts", counts.charts),
        ];
        let fetched = manifest.sources.iter().filter_map(|source| {
            let finished = source.fetch.as_ref()?.finished.as_second();
            Some((label("source", &source.name), finished.to_string()))
        });
        let fetched: Vec<_> = fetched.collect();
        let info =
            [label("key_id", &manifest.signer().key_id.to_string()), label("content", &manifest.content.to_string())];
        page.number("oct_catalog_created_timestamp_seconds", "When its snapshot began.", manifest.created.as_second())
            .gauge(
                "oct_catalog_source_timestamp_seconds",
                "When a source was fetched, where the manifest says it.",
                &fetched,
            )
            .gauge(
                "oct_catalog_entries",
                "How much it holds.",
                &entries.map(|(kind, n)| (label("kind", kind), n.to_string())),
            )
            .flag("oct_catalog_partial", "Whether it is partial.", manifest.partial.is_some())
            .gauge(
                "oct_catalog_info",
                "The key that signed it, and the digest of its content.",
                &[(info.join(","), "1".into())],
            );
    }
    let changes = found.last.iter().map(|(action, time)| {
        let word = match action {
            Action::Install => "install",
            Action::Rollback => "rollback",
        };
        (label("action", word), time.as_second().to_string())
    });
    let changes: Vec<_> = changes.collect();
    page.gauge("oct_catalog_change_timestamp_seconds", "When a catalog was last installed, or rolled back.", &changes);
    page.text
}

/// Whether a key that is trusted here signed the manifest, whatever became of the files.
fn signer_known(state: &State) -> bool {
    match state {
        State::Intact { .. } => true,
        State::NotAsSigned { is_signed, .. } => *is_signed,
        State::Nothing | State::Unsigned(_) | State::NotProvable { .. } => false,
    }
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", escaped(value))
}

/// A label's value as the format wants it, in one line.
fn escaped(value: &str) -> String {
    one_line(value).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_hold_any_text() {
        assert_eq!(label("dir", "a\\b\"c\nd"), "dir=\"a\\\\b\\\"c\u{fffd}d\"");
    }
}
