//! Helm releases: as `helm ls -A -o json` prints them, and as a claim holds them.
//!
//! `helm ls` makes the field `chart` of the chart's name, a hyphen and its version, and never takes it apart again, though
//! both halves may have hyphens. See [`split_chart`] for the rule here.

use super::record::{Chart, Record};
use super::{Cluster, Refused, Row, label};
use crate::certify::version::Version;

/// The row of a release.
pub(super) fn row(release: &Record, cluster: &Cluster) -> Row {
    let question = match &release.chart.0 {
        None => Err(Refused::Missing { field: "chart" }),
        Some(Chart::Joined(chart)) => match split_chart(chart) {
            Some((name, version)) => Ok(cluster.chart(name, version)),
            None => Err(Refused::Chart { chart: crate::base::text::sanitize(chart) }),
        },
        Some(Chart::Named(chart)) => {
            let metadata = chart.metadata.0.as_ref();
            let named = metadata.and_then(|metadata| metadata.name.get().zip(metadata.version.get()));
            named
                .map(|(name, version)| cluster.chart(name, version))
                .ok_or(Refused::Missing { field: "chart.metadata with name and version" })
        }
    };
    Row::new(label(&[release.namespace.get(), release.name.get()]), question)
}

/// Cuts `name-version` at the first hyphen after which a whole SemVer 2 version stands, else at the first after which
/// a shorter one stands, such as `1.2`.
///
/// Charts are versioned by SemVer 2, so the first rule finds all but careless ones. It reads `hub-2-1.0.0-1` as
/// version `1.0.0-1` of `hub-2`.
///
/// ```
/// # use oct::certify::questions::split_chart;
/// assert_eq!(split_chart("acme-db-1.4.0-rc.1"), Some(("acme-db", "1.4.0-rc.1")));
/// assert_eq!(split_chart("acme-db"), None);
/// ```
#[must_use]
pub fn split_chart(chart: &str) -> Option<(&str, &str)> {
    let cuts = || {
        chart
            .match_indices('-')
            .map(|(at, hyphen)| (&chart[..at], &chart[at + hyphen.len()..]))
            .filter(|(name, version)| !name.is_empty() && Version::parse(version).is_ok())
    };
    cuts().find(|(_, version)| has_three_numbers(version)).or_else(|| cuts().next())
}

fn has_three_numbers(version: &str) -> bool {
    let core = version.find(['-', '+']).map_or(version, |end| &version[..end]);
    core.split('.').count() == 3
}
