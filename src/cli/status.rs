//! `oct status`.

mod nagios;
mod prometheus;

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DbDir, KeyArgs};
use super::{Answer, Outcome, documents, last_import, output, values};
use crate::base::failure::Classified as _;
use crate::base::text::{age, count, sanitize, sanitize_long};
use crate::ops::status::{self, Action, State, Status};

/// Deviations that are printed for people; `--json` has them all.
const SHOWN: usize = 10;

/// Verify the installed catalog again, and show its age
///
/// Hashes every file again and compares it with the signed manifest. Exit code 0: intact, and not older than --max-age;
/// 1: stale, forbidden by the policy, or nothing is installed; 4: altered, not signed, or signed by no key that is
/// trusted here.
///
/// For monitoring: with `--format prometheus` exit code 0 means that the metrics were written, in every state of the
/// catalog. With `--format nagios` the exit codes are those of plugins: 0 OK; 1 WARNING, older than --warn-age or with a
/// warning; 2 CRITICAL, in all other cases of 1 or 4; 3 UNKNOWN, the folder cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct status
  oct status /opt/tnf/offline-db --max-age 30d
  oct status --json | jq -r .state
  oct status --format prometheus > /var/lib/node_exporter/oct.prom
  oct status --format nagios --warn-age 7d --max-age 30d")]
pub(super) struct Args {
    #[command(flatten)]
    db: DbDir,
    /// Report a catalog as stale if it is older than this, such as 30d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t, env = "OCT_STATUS_FORMAT")]
    format: Format,
    /// With --format nagios, warn if the catalog is older than this, such as 7d
    #[arg(long, value_name = "DURATION", env = "OCT_WARN_AGE", value_parser = values::duration)]
    warn_age: Option<SignedDuration>,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, or JSON with --json
    #[default]
    Text,
    /// Metrics for the textfile collector of node_exporter
    Prometheus,
    /// One line and the exit code of a monitoring plugin
    Nagios,
}

/// Flags that contradict each other. `--json` from a variable or a configuration file is meant for other commands.
pub(super) fn conflict(matches: &ArgMatches) -> Option<String> {
    let typed = |name| matches.value_source(name) == Some(ValueSource::CommandLine);
    let format = matches.get_one::<Format>("format").copied().unwrap_or_default();
    if typed("format") && format != Format::Text && typed("json") {
        return Some("--json and --format name two forms of the answer".into());
    }
    if typed("warn_age") && format != Format::Nagios {
        return Some("--warn-age has an effect only with --format nagios".into());
    }
    let duration = |name| matches.get_one::<SignedDuration>(name);
    let never = format == Format::Nagios
        && duration("warn_age").zip(duration("max_age")).is_some_and(|(warn, max)| warn >= max);
    never.then(|| "--warn-age is not below --max-age, so that it would never warn".into())
}

/// Whether a monitoring system runs the command; every failure is then the state UNKNOWN. It reads the variable and the
/// raw command line, because clap may refuse that line.
pub(super) fn is_plugin() -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let asked = arguments.iter().enumerate().any(|(at, argument)| {
        argument == "--format=nagios"
            || argument == "--format" && arguments.get(at + 1).is_some_and(|next| next == "nagios")
    });
    let is_set = std::env::var_os("OCT_STATUS_FORMAT").is_some_and(|format| format == "nagios");
    arguments.iter().any(|argument| argument == "status") && (asked || is_set)
}

/// Tells a monitoring system that the catalog could not be looked at, and why.
pub(super) fn unknown(why: &str) -> Answer {
    output::stdout(&nagios::Level::Unknown.line(why));
    Answer::Plugin(nagios::Level::Unknown)
}

pub(super) use nagios::Level;

/// Looks.
pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    let now = context.now();
    let found = status::status(&args.db.dir, args.max_age, &keyring, now, &*context.progress())?;
    context.out.warn_all(&found.recovered, &found.warnings);
    let (word, answer) = match &found.state {
        State::Nothing => ("nothing", Answer::No),
        State::Intact { stale: true, .. } => ("stale", Answer::No),
        State::Intact { forbidden: Some(_), .. } => ("intact", Answer::No),
        State::Intact { .. } => ("intact", Answer::Yes),
        State::Unsigned(_) => ("unsigned", Answer::NotAsSigned),
        State::NotProvable { .. } => ("not-provable", Answer::NotAsSigned),
        State::NotAsSigned { .. } => ("not-as-signed", Answer::NotAsSigned),
    };
    match args.format {
        Format::Text => {
            context.out.answer(&document(&found, word), &facts(&found, now));
            Ok(answer)
        }
        Format::Prometheus => {
            output::stdout(&prometheus::text(&found, word, now));
            Ok(Answer::Yes)
        }
        Format::Nagios => {
            let (level, line) = nagios::judge(&found, args.warn_age);
            output::stdout(&line);
            Ok(Answer::Plugin(level))
        }
    }
}

fn facts(found: &Status, now: Timestamp) -> Facts {
    let dir = documents::path(&found.dir);
    let mut facts = match &found.state {
        State::Nothing => {
            let mut facts = Facts::new("Nothing installed in", dir);
            facts.row("hint", last_import::hint(&found.dir).unwrap_or_else(|| "`oct import` an archive".into()));
            facts
        }
        State::Intact { manifest, stale, forbidden, .. } => {
            let mut facts = Facts::new(if *stale { "Stale:" } else { "Intact:" }, dir);
            facts.created(manifest.created, now);
            if let (Some(max), true) = (found.max_age, *stale) {
                facts.row("stale", format!("more than {} old", age(max.as_secs())));
            }
            facts.signer(manifest.signer()).counts(manifest.counts).partial(manifest.partial.as_ref());
            if let Some(forbidden) = forbidden {
                facts.row("forbidden", forbidden);
            }
            facts
        }
        State::Unsigned(cause) | State::NotProvable { cause } => {
            let unsigned = matches!(found.state, State::Unsigned(_));
            let mut facts = Facts::new(if unsigned { "Unsigned:" } else { "Not provable here:" }, dir);
            facts.row("cause", sanitize_long(&cause.to_string()));
            facts
        }
        State::NotAsSigned { cause, deviations, more, .. } => {
            // Then the files match the manifest, and another key with the id of a trusted one may have signed it.
            let only_signature = deviations.is_empty() && cause.code() == "bad-signature";
            let heading = if only_signature { "The signature does not match:" } else { "NOT what was signed:" };
            let mut facts = Facts::new(heading, dir);
            for deviation in deviations.iter().take(SHOWN) {
                facts.item(2, deviation);
            }
            let unshown = deviations.len().saturating_sub(SHOWN) as u64 + more;
            if unshown > 0 {
                facts.item(2, format!("and {} more", count(unshown)));
            }
            if deviations.is_empty() {
                facts.row("cause", sanitize_long(&cause.to_string()));
            }
            facts
        }
    };
    if let State::Unsigned(cause) | State::NotProvable { cause } | State::NotAsSigned { cause, .. } = &found.state
        && let Some(hint) = cause.hint()
    {
        facts.row("hint", hint);
    }
    for rule in &found.policy {
        facts.row("policy", rule);
    }
    past(&mut facts, found);
    facts
}

/// The catalogs before this one, and the last changes.
fn past(facts: &mut Facts, found: &Status) {
    for version in &found.previous {
        let created = version.created.map_or_else(|| "of unknown origin".into(), |created| format!("of {created}"));
        facts.row("previous", format!("{} {created}", sanitize(&version.name)));
    }
    for entry in &found.history {
        let what = match (entry.action, &entry.archive, entry.created) {
            (Action::Install, Some(archive), _) => format!("imported {}", sanitize(archive)),
            (Action::Install, None, _) => "imported an archive".into(),
            (Action::Rollback, _, Some(created)) => format!("rolled back to the catalog of {created}"),
            (Action::Rollback, _, None) => "rolled back to a catalog of unknown origin".into(),
        };
        let time = entry.time.round(Unit::Second).unwrap_or(entry.time);
        facts.row("history", format!("{time} {what}"));
    }
}

fn document(found: &Status, word: &str) -> serde_json::Value {
    let mut document = json!({
        "schema": "oct.status.v1",
        "dir": documents::path(&found.dir),
        "state": word,
        "created": null,
        "age_seconds": null,
        "max_age_seconds": found.max_age.map(|max| max.as_secs()),
        "policy": found.policy,
        "forbidden": null,
        "key_id": null,
        "key_origin": null,
        "partial": null,
        "counts": null,
        "content": null,
        "cause": null,
        "deviations": [],
        "more_deviations": 0,
        "previous": found.previous.iter().map(|version| json!({
            "name": version.name, "created": version.created,
        })).collect::<Vec<_>>(),
        "history": found.history,
        "recovered": documents::texts(&found.recovered),
        "warnings": found.warnings,
    });
    match &found.state {
        State::Nothing => {}
        State::Intact { manifest, age, forbidden, .. } => {
            document["forbidden"] = json!(forbidden);
            document["created"] = json!(manifest.created);
            document["age_seconds"] = json!(age);
            document["key_id"] = json!(manifest.signer().key_id);
            document["key_origin"] = json!(manifest.signer().origin);
            document["partial"] = json!(manifest.partial);
            document["counts"] = json!(manifest.counts);
            document["content"] = json!(manifest.content);
        }
        State::Unsigned(cause) | State::NotProvable { cause } => {
            document["cause"] = json!(sanitize_long(&cause.to_string()))
        }
        State::NotAsSigned { cause, deviations, more, .. } => {
            document["cause"] = json!(sanitize_long(&cause.to_string()));
            document["deviations"] = json!(deviations);
            document["more_deviations"] = json!(more);
        }
    }
    document
}
