//! `oct doctor`.

use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::{CatalogUrl, HttpArgs};
use super::flags::DbDir;
use super::runtime::until_signal;
use super::{Answer, Outcome, documents, last_import};
use crate::base::text::{count, with_causes};
use crate::ops::doctor::{self, Diagnosis, Reached};

/// Check whether certsuite would use this folder, and can read it
///
/// certsuite asks the online catalog first, and opens the folder only if nothing answers. This command does the same: it
/// is the only command for the bastion that uses the network. Exit code 0: certsuite answers from this folder for every
/// user; 1: it does not, and the output says why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct doctor
  oct doctor /opt/tnf/offline-db
  oct doctor --json | jq -r .ping.answer")]
pub(super) struct Args {
    #[command(flatten)]
    db: DbDir,
    #[command(flatten)]
    catalog: CatalogUrl,
    #[command(flatten)]
    http: HttpArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let http = args.http.resolve(1)?;
    let found = until_signal(doctor::doctor(&args.db.dir, &args.catalog.catalog_url, http))?;
    context.out.answer(&document(&found), &facts(&found));
    Ok(if found.is_well() { Answer::Yes } else { Answer::No })
}

fn facts(found: &Diagnosis) -> Facts {
    let headline = if found.is_well() { "certsuite answers from" } else { "certsuite does not answer from" };
    let mut facts = Facts::new(headline, documents::path(&found.dir));
    match &found.loaded {
        Ok(loaded) => {
            facts.row(
                "loads",
                format!(
                    "yes: {} digests, {} operators, {} chart versions",
                    count(loaded.digests),
                    count(loaded.operators),
                    count(loaded.charts)
                ),
            );
            loaded.warnings.iter().for_each(|warning| _ = facts.below(warning));
        }
        Err(error) => {
            facts.row("loads", format!("no: {}", with_causes(error)));
            let elsewhere = last_import::hint(&found.dir).filter(|_| !found.dir.exists());
            facts.below(
                elsewhere.unwrap_or_else(|| {
                    "certsuite then fails completely; `oct import` an archive into this folder".into()
                }),
            );
        }
    }
    if found.closed.is_empty() {
        facts.row("readable", "yes, for every user of this host");
    }
    for (position, closed) in found.closed.iter().enumerate() {
        let label = if position == 0 { "readable" } else { "" };
        facts.row(
            label,
            format!(
                "only for some: {} has mode {:04o}, user {}",
                documents::path(&closed.path),
                closed.mode,
                closed.owner
            ),
        );
    }
    if found.more_closed > 0 {
        facts.below(format!("and {} more", count(found.more_closed)));
    }
    if !found.closed.is_empty() {
        facts.below("run certsuite as that user, or give the others the right to read: chmod -R a+rX");
    }
    if let Some(label) = &found.label {
        facts.row("SELinux", label);
        facts.below("a container needs the folder mounted with :z");
    }
    match &found.reached {
        Reached::Nobody(cause) => facts.row("catalog", format!("does not answer ({cause}): the folder will be used")),
        Reached::Catalog => facts.row("catalog", "answers: certsuite asks it, and does not open the folder").below(
            "that is right on a connected host; to use the folder here, keep certsuite from reaching the catalog",
        ),
        Reached::Another(what) => facts
            .row("catalog", format!("something else answers in its place: {what}"))
            .below("certsuite takes it for the catalog, and finds nothing certified")
            .below("unset HTTPS_PROXY for certsuite, or let the proxy refuse the connection to the catalog's host"),
    };
    facts
}

fn document(found: &Diagnosis) -> serde_json::Value {
    let (answer, cause) = match &found.reached {
        Reached::Nobody(cause) => ("nobody", Some(cause)),
        Reached::Catalog => ("catalog", None),
        Reached::Another(what) => ("another", Some(what)),
    };
    let loaded = found.loaded.as_ref();
    json!({
        "schema": "oct.doctor.v1",
        "dir": documents::path(&found.dir),
        "well": found.is_well(),
        "loads": loaded.is_ok(),
        "cause": loaded.err().map(|error| with_causes(error)),
        "counts": loaded.ok().map(|loaded| json!({
            "digests": loaded.digests,
            "operators": loaded.operators,
            "charts": loaded.charts,
        })),
        "warnings": loaded.map(|loaded| loaded.warnings.as_slice()).unwrap_or_default(),
        "closed": found.closed.iter().map(|closed| json!({
            "path": documents::path(&closed.path),
            "mode": format!("{:04o}", closed.mode),
            "owner": closed.owner,
        })).collect::<Vec<_>>(),
        "more_closed": found.more_closed,
        "selinux": found.label,
        "ping": { "answer": answer, "cause": cause },
    })
}
