//! `oct status`.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DbDir, KeyArgs};
use super::{Answer, Outcome, documents, last_import, values};
use crate::base::text::{age, count, sanitize, sanitize_long};
use crate::ops::status::{self, Action, State, Status};

/// Deviations that are printed for people; `--json` has them all.
const SHOWN: usize = 10;

/// Verify the installed catalog again, and show its age
///
/// Hashes every file again and compares it with the signed manifest. Exit code 0: intact, and not older than --max-age;
/// 1: stale, or nothing is installed; 4: altered, not signed, or signed by no key that is trusted here.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct status
  oct status /opt/tnf/offline-db --max-age 30d
  oct status --json | jq -r .state")]
pub(super) struct Args {
    #[command(flatten)]
    db: DbDir,
    /// Report a catalog as stale if it is older than this, such as 30d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    #[command(flatten)]
    keys: KeyArgs,
}

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
    let facts = facts(&found, now);
    context.out.answer(&document(&found, word), &facts);
    Ok(answer)
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
        State::NotAsSigned { cause, deviations, more } => {
            let mut facts = Facts::new("NOT what was signed:", dir);
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
        State::NotAsSigned { cause, deviations, more } => {
            document["cause"] = json!(sanitize_long(&cause.to_string()));
            document["deviations"] = json!(deviations);
            document["more_deviations"] = json!(more);
        }
    }
    document
}
