//! `oct probe`.

use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::FetchArgs;
use super::runtime::until_signal;
use super::{Answer, Outcome};
use crate::base::text::size;
use crate::ops::probe::{self, Probe, Trial, Use};

/// Show how the catalog server answers each form of question, and how fast
///
/// Asks one small question of each form, once. The table can go into a report: it holds no header and no password. The
/// exit code is 0 if an archive can be made, and 3 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct probe                          the real catalog
  oct probe --json > probe.json      for a report
  oct probe --stall-timeout 10s      wait less for each answer")]
pub(super) struct Args {
    #[command(flatten)]
    fetch: FetchArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let (plan, fetch) = args.fetch.resolve(context)?;
    context.progress().note("asking one question of each form; a server with slow paths takes minutes");
    let probe = until_signal(probe::probe(&plan, fetch.http, context.now()))?;
    context.out.data(&document(&probe), &facts(&probe));
    Ok(if probe.lacking().is_empty() { Answer::Yes } else { Answer::NotToBeHad })
}

fn facts(probe: &Probe) -> Facts {
    let mut facts = Facts::bare();
    let mut source = "";
    for trial in &probe.trials {
        if trial.source != source {
            source = &trial.source;
            facts.heading(source, "");
        }
        facts.row(&trial.form, headline(trial));
        if let Some(cause) = &trial.refused {
            facts.below(cause);
        }
    }
    facts.gap();
    let lacking = probe.lacking();
    facts.text(if lacking.is_empty() {
        "`oct bundle` can fetch all that it needs from here.".to_owned()
    } else {
        format!("`oct bundle` cannot fetch from here: {}.", lacking.join(", "))
    });
    facts
}

fn headline(trial: &Trial) -> String {
    let word = match (trial.use_, trial.refused.is_some()) {
        (Use::Listing | Use::Needed, false) => "used",
        (Use::Evidence, false) => "used to check",
        (Use::Evidence, true) => "not checked",
        (_, false) => "works",
        (_, true) => "no",
    };
    let status = trial.status.map_or("-".to_owned(), |status| status.to_string());
    format!("{word}, {status}, {} ms, {}", trial.took.as_millis(), size(trial.bytes))
}

fn document(probe: &Probe) -> serde_json::Value {
    let trials = probe.trials.iter().map(|trial| {
        json!({
            "source": trial.source,
            "form": trial.form,
            "url": trial.url,
            "status": trial.status,
            "ms": u64::try_from(trial.took.as_millis()).unwrap_or(u64::MAX),
            "bytes": trial.bytes,
            "documents": trial.documents,
            "accepted": trial.refused.is_none(),
            "cause": trial.refused,
            "use": match trial.use_ {
                Use::Listing => "listing",
                Use::Fallback => "fallback",
                Use::Evidence => "evidence",
                Use::Needed => "needed",
                Use::Nothing => "nothing",
            },
        })
    });
    json!({
        "schema": "oct.probe.v1",
        "version": env!("CARGO_PKG_VERSION"),
        "trials": trials.collect::<Vec<_>>(),
        "lacking": probe.lacking(),
    })
}
