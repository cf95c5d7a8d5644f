//! `oct diff`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::{Answer, Outcome};
use crate::base::text::{count, sanitize};
use crate::catalog::diff::{Change, Changes};
use crate::ops::diff::{self, Compared};

/// Changes of each kind that a summary shows.
const SHOWN: usize = 10;

/// Show what differs between two catalogs
///
/// Compares images by document, operators by name, version and where they are offered, and charts by version. Archives
/// are verified first; folders, of whatever origin, are read as they are. Nothing is written. Exits with 1 where
/// something differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct diff catalog-2026112320.tar.zst catalog-2026112420.tar.zst
  oct diff offline-db /media/stick/catalog-2026112420.tar.zst --full
  oct diff old-dump offline-db --json | jq .images.added")]
pub struct Args {
    /// The catalog to compare with: an archive or a folder
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    old: PathBuf,
    /// The catalog to look at: an archive or a folder
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    new: PathBuf,
    /// List every change, not only the first ones; of images at most 10,000
    #[arg(long, env = "OCT_FULL", hide_env_values = true)]
    full: bool,
    /// Public key to trust besides those of this host
    #[arg(long, value_name = "FILE", env = "OCT_KEY", hide_env_values = true, value_hint = ValueHint::FilePath)]
    key: Vec<PathBuf>,
}

/// Compares.
pub fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.trust(args.key).load()?;
    let all = args.full || context.out.json;
    // A few more than are shown, so that each kind of change has some.
    let details = if all { usize::MAX } else { 100 * SHOWN };
    let report = diff::diff(&args.old, &args.new, &keyring, details)?;
    for warning in &report.warnings {
        context.out.warn(warning);
    }
    let found = &report.diff;
    let shown = if all { usize::MAX } else { SHOWN };
    let mut text = String::new();
    let _ = writeln!(text, "{}  {}", context.out.bold("old"), describe(&report.old));
    let _ = writeln!(text, "{}  {}\n", context.out.bold("new"), describe(&report.new));
    section(&mut text, context, "images", &found.images, shown, |image| {
        let name = image.names.first().map_or_else(|| image.id.clone(), |name| sanitize(name));
        let more = if image.names.len() > 1 { format!(" and {} more", image.names.len() - 1) } else { String::new() };
        let mut line = format!("{name}{more} ({})", sanitize(&image.architecture));
        let details = if all { &image.details[..] } else { &image.details[..image.details.len().min(3)] };
        for detail in details {
            let _ = write!(line, "\n        {}", sanitize(detail));
        }
        if image.details.len() > details.len() {
            let _ = write!(line, "\n        … {} more", image.details.len() - details.len());
        }
        (image.change, line)
    });
    section(&mut text, context, "operators", &found.operators, shown, |operator| {
        let offers = |list: &[crate::catalog::diff::Offer], sign: &str| {
            list.iter().map(|offer| format!("{sign}{} {}", offer.ocp, offer.channel)).collect::<Vec<_>>()
        };
        let offers = match operator.change {
            Change::Added => offers(&operator.added, ""),
            Change::Removed => offers(&operator.removed, ""),
            Change::Changed => [offers(&operator.added, "+"), offers(&operator.removed, "-")].concat(),
        };
        let line = format!("{} {} (OCP {})", operator.name, operator.version, offers.join(", "));
        (operator.change, sanitize(&line))
    });
    section(&mut text, context, "charts", &found.charts, shown, |chart| {
        let mut line = format!("{} {}", chart.name, chart.version);
        if chart.change == Change::Changed {
            let or_none = |list: &[String]| list.join(", ");
            let (old, new) = (or_none(&chart.old_kube_versions), or_none(&chart.new_kube_versions));
            let _ = write!(line, " (kubeVersion `{old}` -> `{new}`)");
        }
        (chart.change, sanitize(&line))
    });
    if found.is_empty() {
        text.push_str("No difference.\n");
    }
    let side = |side: &Compared| {
        json!({
            "path": side.path.display().to_string(),
            "kind": if side.is_archive { "archive" } else { "folder" },
            "created": side.created,
        })
    };
    let document = json!({
        "schema": "oct.diff.v1",
        "equal": found.is_empty(),
        "old": side(&report.old),
        "new": side(&report.new),
        "images": found.images,
        "operators": found.operators,
        "charts": found.charts,
        "warnings": report.warnings,
    });
    context.out.answer(&document, &text);
    Ok(if found.is_empty() { Answer::Yes } else { Answer::No })
}

fn describe(side: &Compared) -> String {
    let created = side.created.map(|created| format!(" ({created})")).unwrap_or_default();
    format!("{}{created}", side.path.display())
}

/// The numbers of one kind, then the first changes of each sort.
fn section<T>(
    text: &mut String,
    context: &Context,
    kind: &str,
    changes: &Changes<T>,
    shown: usize,
    describe: impl Fn(&T) -> (Change, String),
) {
    let Changes { added, removed, changed, list } = changes;
    let (added, removed, changed) = (count(*added), count(*removed), count(*changed));
    let heading = context.out.bold(&format!("{kind:<10}"));
    let _ = writeln!(text, "{heading}  {added} added, {removed} removed, {changed} changed");
    let mut listed = [0usize; 3];
    let mut left = [changes.added, changes.removed, changes.changed];
    for change in list {
        let (change, line) = describe(change);
        let (place, sign) = match change {
            Change::Added => (0, '+'),
            Change::Removed => (1, '-'),
            Change::Changed => (2, '~'),
        };
        if listed[place] < shown {
            listed[place] += 1;
            left[place] = left[place].saturating_sub(1);
            let _ = writeln!(text, "    {sign} {line}");
        }
    }
    if left.iter().sum::<u64>() > 0 {
        let hint = if shown == usize::MAX { "" } else { "; --full lists them" };
        let _ = writeln!(text, "    … {} more{hint}", count(left.iter().sum()));
    }
    text.push('\n');
}
