//! `oct status`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueHint;
use jiff::{SignedDuration, Unit};
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome, values};
use crate::base::failure::Classified as _;
use crate::base::text::{age, count, sanitize, sanitize_long};
use crate::ops::status::{self, Action, State, Status};

/// Deviations that are printed for people; `--json` has them all.
const SHOWN: usize = 10;

/// Show what is installed, proved again, and how old it is
///
/// Every file is hashed again and compared with the signed manifest. Exit code 0: intact, and not older than --max-age;
/// 1: stale, or nothing installed; 4: not what was signed, or not signed at all.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct status
  oct status /opt/tnf/offline-db --max-age 30d
  oct status --json | jq -r .state")]
pub struct Args {
    /// The folder of the installed catalog
    #[arg(value_name = "DIR", default_value = "offline-db", env = "OCT_TO", hide_env_values = true, value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Call a catalog stale that is older than this, such as 30d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", hide_env_values = true, value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
}

/// Looks.
pub fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.trust(args.key).load()?;
    let found = status::status(&args.dir, args.max_age, &keyring, context.now(), &*context.progress())?;
    context.out.warn_all(&found.recovered, &found.warnings);
    let (word, answer) = match &found.state {
        State::Nothing => ("nothing", Answer::No),
        State::Intact { stale: true, .. } => ("stale", Answer::No),
        State::Intact { forbidden: Some(_), .. } => ("intact", Answer::No),
        State::Intact { .. } => ("intact", Answer::Yes),
        State::Unsigned(_) => ("unsigned", Answer::NotAsSigned),
        State::NotAsSigned { .. } => ("not-as-signed", Answer::NotAsSigned),
    };
    let text = text(context, &found);
    context.out.answer(&document(&found, word), &text);
    Ok(answer)
}

fn text(context: &Context, found: &Status) -> String {
    let dir = found.dir.display();
    let bold = |heading: &str| context.out.bold(heading);
    let mut text = String::new();
    let cause = match &found.state {
        State::Nothing => {
            let _ = writeln!(text, "{} {dir}", bold("Nothing installed in"));
            let _ = writeln!(text, "  hint        `oct import` a bundle");
            None
        }
        State::Intact { manifest, age: seconds, stale, forbidden } => {
            let counts = manifest.counts;
            let _ = writeln!(text, "{} {dir}", bold(if *stale { "Stale:" } else { "Intact:" }));
            let _ = write!(text, "  created     {} ({} ago", manifest.created, age(*seconds));
            let _ = match found.max_age {
                Some(max) if *stale => writeln!(text, ", more than {} allow)", age(max.as_secs())),
                _ => writeln!(text, ")"),
            };
            let _ = writeln!(text, "  signed by   {} ({})", manifest.signer().key_id, manifest.signer().origin);
            let (images, digests) = (count(counts.containers), count(counts.digests));
            let _ = writeln!(text, "  containers  {images} images under {digests} digests");
            let _ = writeln!(text, "  operators   {}", count(counts.operators));
            let _ = writeln!(text, "  charts      {} versions", count(counts.charts));
            if let Some(partial) = &manifest.partial {
                let _ = writeln!(text, "  partial     only containers since {}", partial.since);
            }
            if let Some(forbidden) = forbidden {
                let _ = writeln!(text, "  forbidden   {forbidden}");
            }
            None
        }
        State::Unsigned(cause) => {
            let _ = writeln!(text, "{} {dir}", bold("Unsigned:"));
            Some(cause)
        }
        State::NotAsSigned { cause, deviations, more } => {
            let _ = writeln!(text, "{} {dir}", bold("NOT what was signed:"));
            for deviation in deviations.iter().take(SHOWN) {
                let _ = writeln!(text, "  {deviation}");
            }
            let unshown = deviations.len().saturating_sub(SHOWN) as u64 + more;
            if unshown > 0 {
                let _ = writeln!(text, "  and {} more", count(unshown));
            }
            Some(cause)
        }
    };
    if let Some(cause) = cause {
        if !matches!(&found.state, State::NotAsSigned { deviations, .. } if !deviations.is_empty()) {
            let _ = writeln!(text, "  cause       {}", sanitize_long(&cause.to_string()));
        }
        if let Some(hint) = cause.hint() {
            let _ = writeln!(text, "  hint        {hint}");
        }
    }
    for rule in &found.policy {
        let _ = writeln!(text, "  policy      {rule}");
    }
    for version in &found.previous {
        let created = version.created.map_or_else(|| "of unknown origin".into(), |created| format!("of {created}"));
        let _ = writeln!(text, "  previous    {} {created}", sanitize(&version.name));
    }
    for entry in &found.history {
        let what = match (entry.action, &entry.archive, entry.created) {
            (Action::Install, Some(archive), _) => format!("imported {}", sanitize(archive)),
            (Action::Install, None, _) => "imported a bundle".into(),
            (Action::Rollback, _, Some(created)) => format!("rolled back to the catalog of {created}"),
            (Action::Rollback, _, None) => "rolled back to a catalog of unknown origin".into(),
        };
        let time = entry.time.round(Unit::Second).unwrap_or(entry.time);
        let _ = writeln!(text, "  history     {time} {what}");
    }
    text
}

fn document(found: &Status, word: &str) -> serde_json::Value {
    let mut document = json!({
        "schema": "oct.status.v1",
        "dir": found.dir.display().to_string(),
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
        "recovered": found.recovered.iter().map(ToString::to_string).collect::<Vec<_>>(),
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
        State::Unsigned(cause) => document["cause"] = json!(sanitize_long(&cause.to_string())),
        State::NotAsSigned { cause, deviations, more } => {
            document["cause"] = json!(sanitize_long(&cause.to_string()));
            document["deviations"] = json!(deviations);
            document["more_deviations"] = json!(more);
        }
    }
    document
}
