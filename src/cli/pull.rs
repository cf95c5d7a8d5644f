//! `oct pull`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::HttpArgs;
use super::flags::KeyArgs;
use super::runtime::until_signal;
use super::{Answer, Outcome, documents, values, xdg};
use crate::base::text::{count, size};
use crate::ops::pull::{self, Outcome as Pulled, PullOptions, PullReport};

/// Download the newest archive of a site, and verify it
///
/// A site is a folder that `oct bundle` wrote, on any web server. Its list must be signed by a trusted key, like an archive.
/// A broken download continues, in the next run too. Several URLs are mirrors: the first good answer counts. The archive
/// gets its name only after it is verified.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct pull https://example.com/catalogs --out /srv/catalogs --retain 3
  oct pull --check https://example.com/catalogs     exits with 1 when there is a newer one
  oct pull https://one.example/catalogs https://two.example/catalogs")]
pub(super) struct Args {
    /// The site, and its mirrors in the order in which to try them
    #[arg(value_name = "URL", required = true, env = "OCT_SITE", value_delimiter = ' ', value_parser = values::url, value_hint = ValueHint::Url)]
    url: Vec<reqwest::Url>,
    /// Folder for the archive
    #[arg(long, value_name = "DIR", default_value = ".", env = "OCT_OUT", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Only say whether the site has a newer archive than the folder: exit code 1 means yes
    #[arg(long, env = "OCT_CHECK")]
    check: bool,
    /// Keep the newest N archives in the folder; remove older ones with their side files
    #[arg(long, value_name = "N", env = "OCT_RETAIN", value_parser = values::at_least_one)]
    retain: Option<usize>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    http: HttpArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = Arc::new(context.keyring(&args.keys)?);
    let options = PullOptions {
        mirrors: args.url,
        out: args.out,
        check: args.check,
        retain: args.retain,
        http: args.http.resolve(1)?,
        state: xdg::state(),
        now: context.now(),
    };
    let progress = context.progress();
    let report = until_signal(pull::pull(&options, &keyring, &progress))?;
    tell(context, &report);
    Ok(if matches!(report.outcome, Pulled::Newer(_)) { Answer::No } else { Answer::Yes })
}

fn tell(context: &Context, report: &PullReport) {
    for warning in &report.warnings {
        context.out.warn(warning);
    }
    let (word, headline, archive, bytes) = match &report.outcome {
        Pulled::Pulled { archive, size, .. } => ("pulled", "Pulled", documents::path(archive), Some(*size)),
        Pulled::Unchanged(archive) => ("unchanged", "Unchanged:", documents::path(archive), None),
        Pulled::Newer(listed) => ("newer", "Newer:", listed.name.to_string(), Some(listed.size)),
    };
    let mut facts = Facts::new(headline, &archive);
    facts.row("from", &report.site);
    if let Some(manifest) = &report.manifest {
        facts.created(manifest.created, context.now()).partial(manifest.partial.as_ref()).signer(manifest.signer());
        facts.counts(manifest.counts);
    }
    if let Some(bytes) = bytes {
        facts.row("size", size(bytes));
    }
    let resumed = if let Pulled::Pulled { resumed, .. } = report.outcome { resumed } else { 0 };
    let requests =
        if report.requests == 1 { "1 request".to_owned() } else { format!("{} requests", count(report.requests)) };
    let mut asked = format!("{requests}, {} received", size(report.bytes));
    if resumed > 0 {
        asked.push_str(&format!(", {} from an earlier run", size(resumed)));
    }
    facts.row("network", asked);
    for removed in &report.removed {
        facts.row("removed", documents::path(removed));
    }
    let document = json!({
        "schema": "oct.pull.v1",
        "outcome": word,
        "site": report.site,
        "archive": archive,
        "size": bytes,
        "created": report.manifest.as_ref().map(|manifest| manifest.created),
        "key_id": report.manifest.as_ref().map(|manifest| &manifest.signer().key_id),
        "list": report.list.as_ref().map(|list| json!({
            "written": list.written,
            "next": list.next,
            "overdue": list.is_overdue,
            "publishers": list.publishers,
        })),
        "requests": report.requests,
        "bytes": report.bytes,
        "resumed": resumed,
        "removed": report.removed.iter().map(|path| documents::path(path)).collect::<Vec<_>>(),
        "warnings": report.warnings,
    });
    context.out.answer(&document, &facts);
}
