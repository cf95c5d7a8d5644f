//! `oct publish`.

use std::path::PathBuf;

use clap::ValueHint;
use jiff::SignedDuration;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::{Answer, Outcome, documents, keys, values};
use crate::base::text::{count, with_causes};
use crate::ops::publish::{self, Promise};

/// Write and sign the list of a folder's archives, so that the folder is a site
///
/// `oct bundle` writes the list by itself. This command writes it again, for a folder that was moved or cleaned by hand. It
/// verifies every archive completely; it names those that are not good, or that your key did not sign, and leaves them
/// out. Any web server can then serve the folder, and `oct pull` downloads archives from it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct publish /srv/catalogs
  oct publish /srv/catalogs --next-within 2d")]
pub(super) struct Args {
    /// The folder with the archives
    #[arg(value_name = "DIR", default_value = ".", env = "OCT_OUT", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Secret key to sign with; give two during a key rotation [default: oct.key here or in the configuration folder]
    #[arg(long, value_name = "FILE", env = "OCT_SECRET_KEY", value_hint = ValueHint::FilePath)]
    secret_key: Vec<PathBuf>,
    /// Promise in the list that the next one comes within this time; `oct pull` warns if it is late
    #[arg(long, value_name = "DURATION", env = "OCT_NEXT_WITHIN", value_parser = values::duration)]
    next_within: Option<SignedDuration>,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keys = keys::open_secret_keys(context, &args.secret_key)?;
    let promise = Promise { now: context.now(), next_within: args.next_within };
    let report = publish::publish(&args.dir, &keys, promise, &*context.progress())?;
    let catalogs = &report.catalogs;
    for (path, error) in &report.left_out {
        context.out.warn(&format!("left out: `{}`: {}", path.display(), with_causes(error)));
    }
    let mut facts = Facts::new("Published", documents::path(&args.dir));
    facts.row("archives", count(catalogs.archives.len() as u64));
    if let Some(newest) = catalogs.archives.first() {
        facts.row("newest", newest.name.as_str());
    }
    facts.row("written", catalogs.written.to_string());
    if let Some(next) = catalogs.next {
        facts.row("next by", next.to_string());
    }
    facts.row("signed by", report.key_ids.join(", "));
    let document = json!({
        "schema": "oct.publish.v1",
        "list": documents::path(&report.list),
        "signature": documents::path(&report.signature),
        "written": catalogs.written,
        "next": catalogs.next,
        "archives": catalogs.archives,
        "left_out": report.left_out.iter().map(|(path, error)| json!({
            "path": documents::path(path), "cause": with_causes(error),
        })).collect::<Vec<_>>(),
        "key_ids": report.key_ids,
    });
    context.out.answer(&document, &facts);
    Ok(Answer::Yes)
}
