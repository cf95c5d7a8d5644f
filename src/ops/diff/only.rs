//! `oct diff --only`: what two catalogs answer to the same questions.

use std::path::Path;

use jiff::Timestamp;

use super::Compared;
use crate::base::progress::Progress;
use crate::ops::Error;
use crate::ops::check::{Answered, CheckReport, Row, Standing, Verdict, check};
use crate::trust::Keyring;

/// How an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Certified now, and not before.
    Gained,
    /// No longer certified.
    Lost,
    /// The same answer for another reason.
    Reason,
}

/// A question that the two catalogs answer differently.
#[derive(Debug)]
pub struct Turned {
    /// The question.
    pub row: Row,
    /// How the answer changed.
    pub turn: Turn,
    /// What the old catalog answers.
    pub old: Verdict,
    /// What the new one answers.
    pub new: Verdict,
}

/// What was found.
#[derive(Debug)]
pub struct OnlyReport {
    /// The first catalog.
    pub old: Compared,
    /// The second one.
    pub new: Compared,
    /// How many questions both were asked.
    pub asked: usize,
    /// Those that are answered differently, in the order of the questions.
    pub turned: Vec<Turned>,
    /// Rows without a question, and why.
    pub unclear: Vec<(String, String)>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Asks the catalogs `old` and `new` what certsuite would ask, by its offline rules.
///
/// # Errors
/// As `oct check`, of either.
pub fn only(
    old: &Path,
    new: &Path,
    rows: &[Row],
    keyring: &Keyring,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<OnlyReport, Error> {
    let rows: Vec<Row> = rows.iter().filter(|row| !matches!(row.standing, Standing::NotAsked(_))).cloned().collect();
    let left = check(old, rows.clone(), keyring, now, progress)?;
    let right = check(new, rows, keyring, now, progress)?;
    let mut report = OnlyReport {
        old: described(&left),
        new: described(&right),
        asked: 0,
        turned: Vec::new(),
        unclear: Vec::new(),
        warnings: left.warnings,
    };
    report
        .warnings
        .extend(right.warnings.into_iter().filter(|warning| !report.warnings.contains(warning)).collect::<Vec<_>>());
    for (left, right) in left.rows.into_iter().zip(right.rows) {
        let Answered { row, comparison, .. } = left;
        match (&row.question, comparison.zip(right.comparison)) {
            (Err(refused), _) => report.unclear.push((row.label, refused.to_string())),
            (Ok(_), None) => {}
            (Ok(_), Some((left, right))) => {
                report.asked += 1;
                if let Some(turn) = turn(&left.offline, &right.offline) {
                    report.turned.push(Turned { row, turn, old: left.offline, new: right.offline });
                }
            }
        }
    }
    Ok(report)
}

fn turn(old: &Verdict, new: &Verdict) -> Option<Turn> {
    match (old.certified(), new.certified()) {
        (false, true) => Some(Turn::Gained),
        (true, false) => Some(Turn::Lost),
        // Names and versions in a reason may differ without meaning: compare only the kind of the reason.
        _ => (old.code() != new.code()).then_some(Turn::Reason),
    }
}

fn described(report: &CheckReport) -> Compared {
    let created = report.manifest.as_ref().map(|manifest| manifest.created);
    Compared { path: report.path.clone(), is_archive: report.is_archive, created }
}
