//! `oct check`.

mod table;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};
use serde_json::json;

use super::context::Context;
use super::flags::{DbFlag, KeyArgs};
use super::{Answer, Outcome, documents};
use crate::base::{limits, text};
use crate::certify::questions::{ChartQuestion, OperatorQuestion};
use crate::ops::check::{self, CheckReport, Cluster, Comparison, ImageReference, Question, Row, Verdict, minor_ocp};
use crate::ops::{Error, UsageError};

/// Say whether images, operators and charts are certified, as certsuite would say offline
///
/// Answers from an installed folder what certsuite's offline reader would answer, by its rules and defaults, and says
/// why. The folder is taken as it lies there: where it is unsigned or its key is not trusted here, a warning says so.
/// An archive is verified first, as by `oct verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct check image registry.connect.redhat.com/acme/web:1.2
  oct check operator acme-db.v1.2.3 --ocp 4.16
  oct check chart acme-db 1.2.3 --kube v1.29.5 --db /opt/tnf/offline-db
  oc get pods -A -o json | oct check --from -
  helm ls -A -o json | oct check --from - --kube v1.29.5
  oct check --from claim.json --online-rules

Exit codes: 0 all are certified, 1 something is not. With --online-rules the online verdicts count.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Take the questions from a file: one a line, or JSON of `oc get pods`, `helm ls`, or a claim.json; - is stdin
    #[arg(long, value_name = "FILE", env = "OCT_FROM", value_hint = ValueHint::FilePath)]
    from: Option<PathBuf>,
    #[command(flatten)]
    db: DbFlag,
    /// OpenShift version of the cluster, for operators; any where none is given
    #[arg(long, global = true, value_name = "VERSION", env = "OCT_OCP", value_parser = ocp)]
    ocp: Option<String>,
    /// Kubernetes version of the cluster, for charts
    #[arg(long, global = true, value_name = "VERSION", env = "OCT_KUBE")]
    kube: Option<String>,
    /// Give the verdicts of certsuite's online check on the same data, and say where and why they differ
    #[arg(long, global = true, env = "OCT_ONLINE_RULES")]
    online_rules: bool,
    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Images by tag or digest
    Image {
        /// Registry, repository, and tag or digest, such as quay.io/acme/web:1.2
        #[arg(value_name = "REF", required = true)]
        references: Vec<String>,
    },
    /// Operators by CSV name
    Operator {
        /// Name of the ClusterServiceVersion, such as acme-db.v1.2.3
        #[arg(value_name = "CSV", required = true)]
        csvs: Vec<String>,
    },
    /// A Helm chart by name and version
    Chart {
        /// The chart's name
        #[arg(value_name = "NAME")]
        name: String,
        /// The chart's version
        #[arg(id = "chart_version", value_name = "VERSION")]
        version: String,
    },
}

fn ocp(text: &str) -> Result<String, String> {
    minor_ocp(text).ok_or_else(|| format!("`{text}` is no OpenShift version like 4.16"))
}

/// Asks and answers.
pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let rows = questions(&args)?;
    let keyring = context.keyring(&args.keys)?;
    let report = check::check(&args.db.db, rows, &keyring, context.now(), &*context.progress())?;
    for warning in &report.warnings {
        context.out.warn(warning);
    }
    let summary = Summary::of(&report, args.online_rules);
    let facts = table::facts(&report, &summary, args.online_rules);
    context.out.answer(&document(&report, &summary, args.online_rules), &facts);
    Ok(if summary.certified == report.rows.len() { Answer::Yes } else { Answer::No })
}

fn questions(args: &Args) -> Result<Vec<Row>, Error> {
    let asked = |question| Row { label: String::new(), question: Ok(question), note: None };
    let rows = match (&args.what, &args.from) {
        (Some(_), Some(_)) => {
            return Err(UsageError::TwoSources.into());
        }
        (None, None) => {
            return Err(UsageError::NothingAsked.into());
        }
        (None, Some(file)) => {
            let cluster = Cluster { ocp: args.ocp.clone(), kube: args.kube.clone() };
            let questions = check::parse(&input(file)?, &cluster);
            questions.map_err(|cause| UsageError::Questions { path: file.clone(), cause })?.rows
        }
        (Some(What::Image { references }), None) => references
            .iter()
            .map(|text| ImageReference::parse(text).map(|image| asked(Question::Image(image))))
            .collect::<Result<_, _>>()
            .map_err(UsageError::from)?,
        (Some(What::Operator { csvs }), None) => csvs
            .iter()
            .map(|csv| asked(Question::Operator(OperatorQuestion { csv: csv.clone(), ocp: args.ocp.clone() })))
            .collect(),
        (Some(What::Chart { name, version }), None) => {
            let (name, version) = (name.clone(), version.clone());
            vec![asked(Question::Chart(ChartQuestion { name, version, kube: args.kube.clone() }))]
        }
    };
    Ok(rows)
}

/// The text of `--from`.
fn input(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let limit = limits::QUESTIONS_BYTES;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        fs_err::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        return Err(UsageError::TooLong { path: path.to_owned(), limit }.into());
    }
    String::from_utf8(bytes).map_err(|_| UsageError::NotText(path.to_owned()).into())
}

/// The verdict that counts.
fn counting(comparison: &Comparison, online: bool) -> &Verdict {
    if online { &comparison.online } else { &comparison.reader }
}

/// Whether certsuite would find the row in order; `None` where nothing could be asked. What a row's note says, it says
/// of any verdict.
fn certified(row: &Row, comparison: Option<&Comparison>, online: bool) -> Option<bool> {
    comparison.map(|both| counting(both, online).certified() && row.note.is_none())
}

/// How many of each.
#[derive(Debug, Default)]
struct Summary {
    certified: usize,
    not_certified: usize,
    unclear: usize,
    differing: usize,
}

impl Summary {
    fn of(report: &CheckReport, online: bool) -> Self {
        let mut summary = Self::default();
        for (row, comparison) in &report.rows {
            match certified(row, comparison.as_ref(), online) {
                None => summary.unclear += 1,
                Some(true) => summary.certified += 1,
                Some(false) => summary.not_certified += 1,
            }
            summary.differing += usize::from(comparison.as_ref().is_some_and(|both| both.difference.is_some()));
        }
        summary
    }
}

fn verdict(verdict: &Verdict) -> serde_json::Value {
    json!({ "certified": verdict.certified(), "code": verdict.code(), "reason": text::sanitize_long(&verdict.to_string()) })
}

fn document(report: &CheckReport, summary: &Summary, online: bool) -> serde_json::Value {
    let rows = report.rows.iter().map(|(row, comparison)| {
        let mut shown = json!({
            "label": row.label,
            "question": row.question.as_ref().ok(),
            "certified": certified(row, comparison.as_ref(), online),
            "offline": comparison.as_ref().map(|both| verdict(&both.reader)),
            "refused": row.question.as_ref().err().map(|refused| text::sanitize_long(&refused.to_string())),
            "note": row.note.map(|note| note.to_string()),
        });
        if online {
            shown["online"] = json!(comparison.as_ref().map(|both| verdict(&both.online)));
            shown["difference"] = json!(
                comparison
                    .as_ref()
                    .and_then(|both| both.difference)
                    .map(|difference| json!({ "code": difference.code(), "reason": difference.to_string() }))
            );
        }
        shown
    });
    let manifest = report.manifest.as_ref();
    json!({
        "schema": "oct.check.v1",
        "db": documents::path(&report.path),
        "kind": if report.is_archive { "archive" } else { "folder" },
        "created": manifest.map(|manifest| manifest.created),
        "key_id": manifest.map(|manifest| &manifest.signer().key_id),
        "rules": if online { "online" } else { "offline" },
        "summary": {
            "questions": report.rows.len(),
            "certified": summary.certified,
            "not_certified": summary.not_certified,
            "unclear": summary.unclear,
            "differing": if online { json!(summary.differing) } else { json!(null) },
        },
        "rows": rows.collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}
