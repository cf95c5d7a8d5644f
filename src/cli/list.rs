//! `oct list`.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::fetch::HttpArgs;
use super::flags::KeyArgs;
use super::runtime::until_signal;
use super::{Answer, Outcome, values};
use crate::base::text::{age, aged, count, size};
use crate::ops::keys::Keyring;
use crate::ops::list::{self, Depth, ListReport, Place, Row, State};
use crate::ops::{Error, pull};

/// Show the archives of a folder, a stick or a site, and which one `oct import` would take
///
/// Checks the signature and the size of each archive; `oct verify DIR` reads them completely. From a site, it fetches only
/// the signed list.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct list /media/stick
  oct list https://example.com/catalogs
  oct list /srv/catalogs --max-age 2d     for monitoring: exits with 1 when the newest good one is older")]
pub(super) struct Args {
    /// A folder with archives, or the URL of one
    #[arg(value_name = "DIR|URL", default_value = ".", env = "OCT_OUT", value_parser = values::place())]
    place: Place,
    /// Exit with 1 if the newest good archive is older than this, such as 3d
    #[arg(long, value_name = "DURATION", env = "OCT_MAX_AGE", value_parser = values::duration)]
    max_age: Option<SignedDuration>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    http: HttpArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    let (now, progress) = (context.now(), context.progress());
    let report = match args.place {
        Place::Folder(folder) => list::folder(&folder, &keyring, Depth::Header, now, &*progress)?,
        Place::Site(url) => {
            let http = args.http.resolve(1)?;
            let (site, found) = until_signal(pull::list(&url, http, &keyring, &Arc::clone(&progress)))?;
            list::listed(site, &found, &keyring, now)
        }
    };
    warn(context, &report);
    context.out.data(&document(&report, args.max_age, now), &facts(&report, args.max_age, now));
    Ok(if args.max_age.is_none_or(|max| report.is_fresh(max, now)) { Answer::Yes } else { Answer::No })
}

/// Shows the archives of a folder to a command that was given it instead of one archive.
pub(super) fn of_folder(context: &Context, folder: &Path, keyring: &Keyring, depth: Depth) -> Result<bool, Error> {
    let now = context.now();
    let report = list::folder(folder, keyring, depth, now, &*context.progress())?;
    warn(context, &report);
    let (document, facts) = (document(&report, None, now), facts(&report, None, now));
    match depth {
        Depth::Header => context.out.data(&document, &facts),
        Depth::Whole => context.out.answer(&document, &facts),
    }
    Ok(report.is_good())
}

fn warn(context: &Context, report: &ListReport) {
    report.warnings.iter().for_each(|warning| context.out.warn(warning));
}

fn facts(report: &ListReport, max_age: Option<SignedDuration>, now: Timestamp) -> Facts {
    let mut facts = Facts::new(&report.place, "");
    for row in &report.rows {
        facts.row(&row.name, headline(row, now));
        if let Some(said) = &row.said {
            let counts = said.counts;
            facts.below(format!(
                "{} images, {} operators, {} charts; signed by {}",
                count(counts.containers),
                count(counts.operators),
                count(counts.charts),
                said.signers.join(", ")
            ));
        }
        row.cause.iter().for_each(|cause| _ = facts.below(cause));
    }
    facts.gap();
    let newer = report.takes.unwrap_or(report.rows.len());
    facts.text(match report.takes.and_then(|row| report.rows.get(row)) {
        Some(row) => format!("`oct import` would take {}.", row.name),
        None if report.rows.is_empty() => "There is no archive.".to_owned(),
        None => "`oct import` would take none of them.".to_owned(),
    });
    match report.takes_over_full.and_then(|row| report.rows.get(row)) {
        _ if report.takes == report.takes_over_full => {}
        Some(row) => _ = facts.text(format!("If a full catalog is installed, it would take {}.", row.name)),
        None => _ = facts.text("If a full catalog is installed, it would take none."),
    }
    for row in report.rows.iter().take(newer).filter(|_| report.takes.is_some()) {
        facts.text(format!("It would not take the newer {}, which is {}.", row.name, row.state.name()));
    }
    if let Some(max) = max_age.filter(|max| report.takes.is_some() && !report.is_fresh(*max, now)) {
        facts.text(format!("That one is older than {}.", age(max.as_secs())));
    }
    if let Some(next) = report.site.as_ref().and_then(|site| site.next) {
        facts.text(format!("The publisher promises the next list by {next}."));
    }
    facts
}

fn headline(row: &Row, now: Timestamp) -> String {
    let mut parts = vec![row.state.name().to_owned()];
    if let Some(said) = &row.said {
        if let Some(partial) = &said.partial {
            parts.push(format!("partial (images since {})", partial.since));
        }
        parts.push(aged(now.duration_since(said.created).as_secs(), "old"));
    }
    parts.push(size(row.size));
    parts.join(", ")
}

fn document(report: &ListReport, max_age: Option<SignedDuration>, now: Timestamp) -> serde_json::Value {
    let archives: Vec<_> = report
        .rows
        .iter()
        .map(|row| {
            let said = row.said.as_ref();
            json!({
                "name": row.name,
                "state": word(row.state),
                "cause": row.cause,
                "size": row.size,
                "created": said.map(|said| said.created),
                "age_seconds": said.map(|said| now.duration_since(said.created).as_secs()),
                "counts": said.map(|said| said.counts),
                "partial": said.and_then(|said| said.partial.clone()),
                "signers": said.map(|said| &said.signers),
            })
        })
        .collect();
    json!({
        "schema": "oct.list.v1",
        "place": report.place,
        "archives": archives,
        "takes": report.takes.and_then(|row| report.rows.get(row)).map(|row| &row.name),
        "takes_over_full": report.takes_over_full.and_then(|row| report.rows.get(row)).map(|row| &row.name),
        "fresh": max_age.map(|max| report.is_fresh(max, now)),
        "site": report.site.as_ref().map(|site| json!({
            "written": site.written,
            "next": site.next,
            "overdue": site.is_overdue,
            "publishers": site.publishers,
        })),
        "warnings": report.warnings,
    })
}

fn word(state: State) -> &'static str {
    match state {
        State::NotTrusted => "not-trusted",
        other => other.name(),
    }
}
