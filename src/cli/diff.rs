//! `oct diff`.

mod only;

use std::path::PathBuf;

use clap::ValueHint;
use serde_json::json;

use super::context::Context;
use super::facts::Facts;
use super::flags::{DbFlag, KeyArgs};
use super::{Answer, Outcome, documents};
use crate::base::text::{count, sanitize};
use crate::catalog::diff::{Change, Changes, ChartChange, ImageChange, Offer, OperatorChange};
use crate::ops::check::Cluster;
use crate::ops::diff::{self, Compared};

/// Changes of each kind that a summary shows.
const SHOWN: usize = 10;
/// Details of a changed image that a summary shows.
const SHOWN_DETAILS: usize = 3;

/// Show what differs between two catalogs
///
/// Compares images by document, operators by name, version and channel, and charts by version. Verifies archives first;
/// reads folders as they are, signed or not. Writes nothing. The exit code is 1 if something differs.
///
/// With --only, asks both catalogs about your images, operators and charts as certsuite would, and shows each answer that
/// differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct diff catalog-2026112320.tar.zst catalog-2026112420.tar.zst
  oct diff /media/stick/catalog-2026112420.tar.zst     with what is installed
  oct diff old-dump /media/stick/catalog-2026112420.tar.zst --full
  oct diff old-dump offline-db --json | jq .images.added
  oc get pods -A -o json | oct diff /media/stick/catalog-2026112420.tar.zst --only -")]
pub(super) struct Args {
    /// Two catalogs, each an archive or a folder; a single one is compared with the installed catalog
    #[arg(value_names = ["OLD", "NEW"], num_args = 1..=2, required = true, value_hint = ValueHint::AnyPath)]
    catalogs: Vec<PathBuf>,
    #[command(flatten)]
    db: DbFlag,
    /// List every change, not only the first ones (at most 10,000 images)
    #[arg(long, env = "OCT_FULL")]
    full: bool,
    /// Show only what changed for the images, operators and charts in a file, in any form that `oct check --from` reads;
    /// - is stdin
    #[arg(long, value_name = "FILE", env = "OCT_ONLY", value_hint = ValueHint::FilePath)]
    only: Option<PathBuf>,
    /// OpenShift version of the cluster, for the operators of --only; without it, any version counts
    #[arg(long, value_name = "VERSION", env = "OCT_OCP", value_parser = super::check::ocp)]
    ocp: Option<String>,
    /// Kubernetes version of the cluster, for the charts of --only
    #[arg(long, value_name = "VERSION", env = "OCT_KUBE")]
    kube: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let keyring = context.keyring(&args.keys)?;
    let all = args.full || context.out.json;
    // A few more than are shown, so that each kind of change has some.
    let details = if all { usize::MAX } else { 100 * SHOWN };
    let (old, new) = match &args.catalogs[..] {
        [old, new] => (old, new),
        one => (&args.db.db, one.first().unwrap_or(&args.db.db)),
    };
    if let Some(file) = &args.only {
        let cluster = Cluster { ocp: args.ocp, kube: args.kube };
        return only::run(context, (old, new), file, &cluster, &keyring);
    }
    let report = diff::diff(old, new, &keyring, details)?;
    for warning in &report.warnings {
        context.out.warn(warning);
    }
    let found = &report.diff;
    let shown = if all { usize::MAX } else { SHOWN };
    let mut facts = Facts::flush();
    facts.strong_row("old", describe(&report.old)).strong_row("new", describe(&report.new)).gap();
    section(&mut facts, "images", &found.images, shown, |image| image_lines(image, all));
    section(&mut facts, "operators", &found.operators, shown, |operator| {
        (operator.change, vec![operator_line(operator)])
    });
    section(&mut facts, "charts", &found.charts, shown, |chart| (chart.change, vec![chart_line(chart)]));
    if found.is_empty() {
        facts.text("No difference.");
    }
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
    context.out.answer(&document, &facts);
    Ok(if found.is_empty() { Answer::Yes } else { Answer::No })
}

fn side(side: &Compared) -> serde_json::Value {
    json!({
        "path": documents::path(&side.path),
        "kind": if side.is_archive { "archive" } else { "folder" },
        "created": side.created,
    })
}

fn describe(side: &Compared) -> String {
    let created = side.created.map(|created| format!(" ({created})")).unwrap_or_default();
    format!("{}{created}", documents::path(&side.path))
}

/// An image by name, with what changed.
fn image_lines(image: &ImageChange, all: bool) -> (Change, Vec<String>) {
    let name = image.names.first().map_or_else(|| image.id.clone(), |name| sanitize(name));
    let more = if image.names.len() > 1 { format!(" and {} more", image.names.len() - 1) } else { String::new() };
    let shown = if all { image.details.len() } else { image.details.len().min(SHOWN_DETAILS) };
    let mut lines = vec![format!("{name}{more} ({})", sanitize(&image.architecture))];
    lines.extend(image.details[..shown].iter().map(|detail| sanitize(detail)));
    if image.details.len() > shown {
        lines.push(format!("… {} more", image.details.len() - shown));
    }
    (image.change, lines)
}

fn operator_line(operator: &OperatorChange) -> String {
    let offers = |list: &[Offer], sign: &str| {
        list.iter().map(|offer| format!("{sign}{} {}", offer.ocp, offer.channel)).collect::<Vec<_>>()
    };
    let offers = match operator.change {
        Change::Added => offers(&operator.added, ""),
        Change::Removed => offers(&operator.removed, ""),
        Change::Changed => [offers(&operator.added, "+"), offers(&operator.removed, "-")].concat(),
    };
    sanitize(&format!("{} {} (OCP {})", operator.name, operator.version, offers.join(", ")))
}

fn chart_line(chart: &ChartChange) -> String {
    let mut line = format!("{} {}", chart.name, chart.version);
    if chart.change == Change::Changed {
        let (old, new) = (chart.old_kube_versions.join(", "), chart.new_kube_versions.join(", "));
        line.push_str(&format!(" (kubeVersion `{old}` -> `{new}`)"));
    }
    sanitize(&line)
}

/// The numbers of one kind, then the first changes of each sort, each with the lines below it.
fn section<T>(
    facts: &mut Facts,
    kind: &str,
    changes: &Changes<T>,
    shown: usize,
    describe: impl Fn(&T) -> (Change, Vec<String>),
) {
    let Changes { added, removed, changed, list } = changes;
    let (added, removed, changed) = (count(*added), count(*removed), count(*changed));
    facts.strong_row(kind, format!("{added} added, {removed} removed, {changed} changed"));
    let mut listed = [0usize; 3];
    let mut left = [changes.added, changes.removed, changes.changed];
    for change in list {
        let (change, lines) = describe(change);
        let (place, sign) = match change {
            Change::Added => (0, '+'),
            Change::Removed => (1, '-'),
            Change::Changed => (2, '~'),
        };
        if listed[place] < shown {
            listed[place] += 1;
            left[place] = left[place].saturating_sub(1);
            let mut lines = lines.iter();
            lines.next().into_iter().for_each(|line| _ = facts.item(4, format!("{sign} {line}")));
            lines.for_each(|line| _ = facts.item(8, line));
        }
    }
    if left.iter().sum::<u64>() > 0 {
        let hint = if shown == usize::MAX { "" } else { "; --full lists them" };
        facts.item(4, format!("… {} more{hint}", count(left.iter().sum())));
    }
    facts.gap();
}
