//! `oct probe`: what a server answers to each form of question.

use jiff::Timestamp;

pub use crate::exporter::probe::{Probe, Trial, Use};
use crate::exporter::{self, Plan};
use crate::http::HttpOptions;

use super::Error;

/// Asks one small question of each form that `bundle` may use.
///
/// # Errors
/// Where HTTP cannot be set up. What the server fails at is in the report.
pub async fn probe(plan: &Plan, http: HttpOptions, now: Timestamp) -> Result<Probe, Error> {
    Ok(exporter::probe::probe(plan, http, now).await?)
}
