//! `oct dump`.

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::FetchArgs;
use super::flags::KeyArgs;
use super::runtime::until_signal;
use super::{Answer, Outcome, documents};
use crate::ops::dump::{self, Dumped};
use crate::ops::import::{ImportOptions, Outcome as Imported};

/// Do what the old offline-catalog container did
///
/// Fills the folder that is mounted at /tmp/dump. With OCT_DUMP_ONLY=true it installs the archive of the image; without,
/// it fetches the catalog. A newer catalog in the folder stays, unless OCT_FORCE_REGENERATE_DB is true.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  podman run --rm -v ./offline-db:/tmp/dump:z -e OCT_DUMP_ONLY=true IMAGE
  podman run --rm -v ./db:/tmp/dump:z -e OCT_FORCE_REGENERATE_DB=true IMAGE
  oct dump --target offline-db         the same without a container")]
pub(super) struct Args {
    /// The folder that receives `data`
    #[arg(long, value_name = "DIR", default_value = "/tmp/dump", env = "OCT_DUMP_TARGET", value_hint = ValueHint::DirPath)]
    target: PathBuf,
    /// Folder in the container image with the archive and the public key of its signer
    #[arg(long, value_name = "DIR", default_value = "/usr/share/oct/bundle", env = "OCT_DUMP_BUNDLE", value_hint = ValueHint::DirPath)]
    bundle: PathBuf,
    /// Install the archive of the image; do not fetch
    #[arg(long, env = "OCT_DUMP_ONLY")]
    dump_only: bool,
    /// Replace what is in the folder, even if it is newer
    #[arg(long, env = "OCT_FORCE_REGENERATE_DB")]
    force_regenerate_db: bool,
    #[command(flatten)]
    fetch: FetchArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let target = args.target;
    let options = ImportOptions {
        to: target.clone(),
        allow_downgrade: args.force_regenerate_db,
        adopt: args.force_regenerate_db,
        max_age: None,
        dry_run: false,
        keep: 0,
        now: context.now(),
    };
    let policy = context.trust(&KeyArgs::default()).policy()?;
    let dumped = if args.dump_only {
        dump::baked(&args.bundle, policy, &options, &*context.progress())?
    } else {
        let (plan, fetch) = args.fetch.resolve(context)?;
        let progress = context.progress();
        let (report, dumped) = until_signal(dump::fetched(&plan, &fetch, policy, &options, &progress))?;
        super::bundle::warn_of(context, &report);
        dumped
    };
    let report = match dumped {
        Dumped::Imported(report) => report,
        Dumped::Kept(reason) => {
            let mut facts = Facts::new("Kept", format!("{}: {reason}", documents::path(&target)));
            facts.text("OCT_FORCE_REGENERATE_DB=true replaces it.");
            let document = json!({ "schema": "oct.dump.v1", "outcome": "kept", "target": documents::path(&target),
                "created": null, "counts": null, "content": null, "warnings": [] });
            context.out.answer(&document, &facts);
            return Ok(Answer::Yes);
        }
    };
    report.warnings.iter().for_each(|warning| context.out.warn(warning));
    let manifest = &report.manifest;
    let (outcome, headline) = match report.outcome {
        Imported::AlreadyInstalled => ("unchanged", "Already there, and intact:"),
        Imported::Installed(_) | Imported::WouldInstall => ("dumped", "Dumped into"),
    };
    let mut facts = Facts::new(headline, documents::path(&target.join("data")));
    facts.created(manifest.created, options.now).counts(manifest.counts);
    let document = json!({
        "schema": "oct.dump.v1",
        "outcome": outcome,
        "target": documents::path(&target),
        "created": manifest.created,
        "counts": manifest.counts,
        "content": manifest.content,
        "warnings": report.warnings,
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
