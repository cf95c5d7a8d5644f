//! `oct check`.

mod document;
mod html;
mod junit;
mod table;
mod view;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::context::Context;
use super::flags::{DbFlag, KeyArgs};
use super::{Answer, Outcome};
use crate::base::fs::{self, FileError};
use crate::base::limits;
use crate::base::text::sanitize;
use crate::certify::questions::{ChartQuestion, OperatorQuestion};
use crate::ops::check::{self, Cluster, ImageReference, Question, Questions, Refused, Row, typed_ocp};
use crate::ops::{Error, UsageError};
use view::View;

/// Check whether images, operators and charts are certified
///
/// Gives the answer that certsuite would give offline, by its rules and defaults, and the reason. Reads the folder as it
/// is: a warning says if it is unsigned, or signed by a key that is not trusted here. Verifies an archive first, as
/// `oct verify` does.
///
/// certsuite asks only about containers of running pods. The others are listed as not asked, and do not count.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  oct check image registry.connect.redhat.com/acme/web:1.2
  oct check operator acme-db.v1.2.3 --ocp 4.16
  oct check chart acme-db 1.2.3 --kube v1.29.5 --db /opt/tnf/offline-db
  oct check image sha256:b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184
  oc get pods -A -o json | oct check --from -
  oc get csv -A -o json | oct check --from - --ocp 4.16
  helm ls -A -o json | oct check --from - --kube v1.29.5
  oct check --from claim.json --html evidence.html

Exit codes: 0 all are certified, 1 something is not. With --online-rules, the online verdicts count.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Read the questions from a file: lines, a claim.json, or JSON or YAML of oc, helm, crictl or podman; - is stdin
    #[arg(long, value_name = "FILE", env = "OCT_FROM", value_hint = ValueHint::FilePath)]
    from: Option<PathBuf>,
    #[command(flatten)]
    db: DbFlag,
    /// OpenShift version of the cluster, for operators; without it, any version counts
    #[arg(long, global = true, value_name = "VERSION", env = "OCT_OCP", value_parser = ocp)]
    ocp: Option<String>,
    /// Kubernetes version of the cluster, for charts
    #[arg(long, global = true, value_name = "VERSION", env = "OCT_KUBE")]
    kube: Option<String>,
    /// Answer by the rules of certsuite's online check, and say where and why the offline answer differs
    #[arg(long, global = true, env = "OCT_ONLINE_RULES")]
    online_rules: bool,
    /// Ask about every container of the pods, even those that certsuite skips
    #[arg(long, global = true, env = "OCT_ALL_CONTAINERS")]
    all_containers: bool,
    /// Write the answers as one HTML page that needs no network
    #[arg(long, global = true, value_name = "FILE", env = "OCT_HTML", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Write the answers as a JUnit report
    #[arg(long, global = true, value_name = "FILE", env = "OCT_JUNIT", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Images by tag or digest
    Image {
        /// Registry, repository, and tag or digest, such as quay.io/acme/web:1.2; or a digest alone
        #[arg(value_name = "REF", required_unless_present = "digest")]
        references: Vec<String>,
        /// Digest of a manifest or of a manifest list, such as sha256:b1946ac9…
        #[arg(long, value_name = "DIGEST", env = "OCT_DIGEST")]
        digest: Vec<String>,
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

pub(super) fn ocp(text: &str) -> Result<String, String> {
    typed_ocp(text).ok_or_else(|| format!("`{}` is not an OpenShift version such as 4.16", sanitize(text)))
}

pub(super) fn run(context: &Context, args: Args) -> Outcome {
    let Questions { rows, claim, remarks } = questions(&args)?;
    let keyring = context.keyring(&args.keys)?;
    let mut report = check::check(&args.db.db, rows, &keyring, context.now(), &*context.progress())?;
    if args.from.is_none()
        && let Some(refused) = report.rows.iter().find_map(|answered| answered.row.question.as_ref().err())
    {
        return Err(UsageError::Question(refused.clone()).into());
    }
    report.warnings.extend(remarks);
    for warning in &report.warnings {
        context.out.warn(warning);
    }
    let view = View::new(&report, claim.as_ref(), args.online_rules);
    if let Some(file) = &args.html {
        check::write_report(file, &html::page(&view, context.now()))?;
    }
    if let Some(file) = &args.junit {
        check::write_report(file, &junit::report(&view))?;
    }
    context.out.answer(&document::document(&view), &table::facts(&view));
    Ok(if view.all_certified() { Answer::Yes } else { Answer::No })
}

fn questions(args: &Args) -> Result<Questions, Error> {
    let of_rows = |rows| Questions { rows, ..Questions::default() };
    Ok(match (&args.what, &args.from) {
        (Some(_), Some(_)) => return Err(UsageError::TwoSources.into()),
        (None, None) => return Err(UsageError::NothingAsked.into()),
        (None, Some(file)) => {
            let cluster = Cluster { ocp: args.ocp.clone(), kube: args.kube.clone() };
            check::parse(&input(file)?, &cluster, args.all_containers)
                .map_err(|cause| UsageError::Questions { path: file.clone(), cause })?
        }
        (Some(What::Image { references, digest }), None) => {
            let references = references.iter().map(|text| ImageReference::parse(text));
            let images = references.chain(digest.iter().map(|text| ImageReference::of_digest(text)));
            let rows = images.map(|image| image.map(|image| Row::asked(Question::Image(image))));
            let refused = |error| UsageError::Question(Refused::Reference(error));
            of_rows(rows.collect::<Result<_, _>>().map_err(refused)?)
        }
        (Some(What::Operator { csvs }), None) => {
            let question = |csv: &String| OperatorQuestion { csv: csv.clone(), ocp: args.ocp.clone() };
            of_rows(csvs.iter().map(|csv| Row::asked(Question::Operator(question(csv)))).collect())
        }
        (Some(What::Chart { name, version }), None) => {
            let (name, version) = (name.clone(), version.clone());
            of_rows(vec![Row::asked(Question::Chart(ChartQuestion { name, version, kube: args.kube.clone() }))])
        }
    })
}

/// The bytes of a file with questions.
pub(super) fn input(path: &Path) -> Result<Vec<u8>, Error> {
    let limit = limits::QUESTIONS_BYTES;
    let is_stdin = path == Path::new("-");
    let read = if is_stdin { fs::bounded(&mut std::io::stdin().lock(), path, limit) } else { fs::read(path, limit) };
    read.map_err(|error| match error {
        FileError::TooLarge { path, limit } => UsageError::TooLong { path, limit }.into(),
        FileError::Kind { path, what } => UsageError::NoFile { path, what }.into(),
        other => std::io::Error::from(other).into(),
    })
}
