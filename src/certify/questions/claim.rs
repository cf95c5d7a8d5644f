//! The `claim.json` that certsuite writes.
//!
//! A claim holds certsuite's whole test environment under `claim.configurations`, as its Go structures print it, and the
//! cluster's versions under `claim.versions`. Since 2021 the forms changed thus:
//!
//! - `versions`: `tnf` and `tnfGitCommit`; then `claimFormat` beside them; then `certSuite` in place of `tnf`.
//! - `testContainers[]`: first the container lies under `Data`, the identifier has only the last part of the repository, and
//!   `Status` is the one at the same position, which may be another container's; then the container's fields lie beside
//!   `Status`, the identifier has a `registry`, and `Status` goes by name; then `PreflightResults` come with them.
//! - `testCsvs[]`, whole ClusterServiceVersions; then `testOperators[]`, with the CSV's name in `name`.
//! - `testPods[]`: read if there are no containers, and for the statuses by name that `testContainers` may lack.
//! - `testHelmChartReleases[]`: Helm's own releases.
//!
//! So a status counts only where its name is the container's. Else it is looked up by name among those of the same pod, or
//! the row says that the claim does not tell. Go prints an empty list as `null`, so every field may be null.

use std::collections::HashMap;

use super::operators::Operators;
use super::pods::{self, Selection};
use super::record::{Claim, Configurations, Container, ContainerStatus, Identifier, TestContainer, Text, Versions};
use super::{ClaimOrigin, Cluster, InputError, Refused, Row, helm, label};
use crate::base::text::sanitize;
use crate::certify::reason::NoDigest;

pub(super) fn rows(claim: &Claim, given: &Cluster) -> Result<(Vec<Row>, ClaimOrigin), InputError> {
    let tested = claim.configurations.0.as_ref().ok_or(InputError::ClaimWithoutTests)?;
    let no_versions = Versions::default();
    let versions = claim.versions.0.as_ref().unwrap_or(&no_versions);
    let either = |one: &Text, other: &Text| one.get().or(other.get()).map(str::to_owned);
    let stated = Cluster {
        ocp: either(&versions.ocp, &tested.openshift_version),
        kube: either(&versions.k8s, &tested.kube_version),
    };
    let shown = |text: Option<String>| text.map(|text| sanitize(&text));
    let origin = ClaimOrigin {
        suite: shown(either(&versions.cert_suite, &versions.tnf)),
        format: shown(versions.claim_format.get().map(str::to_owned)),
        ocp: shown(stated.ocp.clone()),
        kube: shown(stated.kube.clone()),
    };
    let cluster = given.or(stated);
    let mut rows: Vec<Row> = match &tested.test_containers.0 {
        Some(containers) => {
            let statuses = statuses(tested);
            containers.iter().filter_map(|it| it.0.as_ref()).map(|it| container_row(it, &statuses)).collect()
        }
        None => {
            let pods = tested.test_pods.iter().filter_map(|pod| pod.0.as_ref());
            pods.flat_map(|pod| pods::rows(pod, Selection::Tested)).collect()
        }
    };
    let mut operators = Operators::default();
    match &tested.test_operators.0 {
        Some(list) => list
            .iter()
            .filter_map(|it| it.0.as_ref())
            .for_each(|it| operators.add(it.namespace.get(), it.name.get(), false, &cluster)),
        None => {
            tested.test_csvs.iter().filter_map(|it| it.0.as_ref()).for_each(|it| operators.add_csv(it, &cluster));
        }
    }
    rows.extend(operators.into_rows());
    let releases = tested.test_helm_chart_releases.iter().filter_map(|release| release.0.as_ref());
    rows.extend(releases.map(|release| helm::row(release, &cluster)));
    Ok((rows, origin))
}

fn container_row(container: &TestContainer, statuses: &HashMap<Place<'_>, &ContainerStatus>) -> Row {
    let data = container.data.0.as_ref();
    let of = |own: &'_ Text, inner: fn(&Container) -> &Text| {
        own.get().or(data.and_then(|data| inner(data).get())).map(str::to_owned)
    };
    let name = of(&container.name, |data| &data.name);
    let image = of(&container.image, |data| &data.image).or_else(|| container.identifier.0.as_ref().and_then(named_by));
    let label = label(&[container.namespace.get(), container.pod.get(), name.as_deref()]);
    match status_of(container, name.as_deref(), statuses) {
        Ok(digest) => pods::image_row(label, image.as_deref(), digest),
        Err(other) => Row::new(label, Err(Refused::OtherStatus { other: sanitize(other) })),
    }
}

/// The image's name by the identifier of the second form on; the first form has no registry and half a repository.
fn named_by(identifier: &Identifier) -> Option<String> {
    let (registry, repository) = identifier.registry.get().zip(identifier.repository.get())?;
    let tag = identifier.tag.get().map(|tag| format!(":{tag}")).unwrap_or_default();
    Some(format!("{registry}/{repository}{tag}"))
}

/// The digest of the container, or why certsuite finds none; the name of the other container where the only status at hand is
/// that of another.
fn status_of<'a>(
    container: &'a TestContainer,
    name: Option<&str>,
    statuses: &HashMap<Place<'_>, &'a ContainerStatus>,
) -> Result<Result<&'a str, NoDigest>, &'a str> {
    let identified = container.identifier.0.as_ref().and_then(|identifier| identifier.digest.get());
    let Some(status) = &container.status.0 else {
        return Ok(identified.ok_or(NoDigest::NoStatus));
    };
    let of_status = |status: &'a ContainerStatus| pods::digest(Some(status.image_id.get().unwrap_or_default()));
    if status.name.get() == name {
        return Ok(identified.map_or_else(|| of_status(status), Ok));
    }
    if status.name.get().is_none() && status.image_id.get().is_none() {
        return Ok(Err(NoDigest::NoStatus));
    }
    let by_name = statuses.get(&(container.namespace.get(), container.pod.get(), name));
    by_name.map(|status| of_status(status)).ok_or(status.name.get().unwrap_or("a container without a name"))
}

/// Namespace, pod and name of a container.
type Place<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// The statuses by what they are of: of the containers' records, then of the pods'.
fn statuses(tested: &Configurations) -> HashMap<Place<'_>, &ContainerStatus> {
    let containers = tested.test_containers.iter().filter_map(|it| it.0.as_ref());
    let beside = containers.filter_map(|it| Some((it.namespace.get(), it.pod.get(), it.status.0.as_ref()?)));
    let beside = beside.filter(|(.., status)| status.name.get().is_some());
    let pods = tested.test_pods.iter().filter_map(|pod| pod.0.as_ref());
    let of_pods =
        pods.filter_map(|pod| pod.metadata.0.as_ref().zip(pod.status.0.as_ref())).flat_map(|(pod, status)| {
            let statuses = status.container_statuses.iter().filter_map(|status| status.0.as_ref());
            statuses.map(|status| (pod.namespace.get(), pod.name.get(), status))
        });
    let mut statuses = HashMap::new();
    for (namespace, pod, status) in beside.chain(of_pods) {
        statuses.entry((namespace, pod, status.name.get())).or_insert(status);
    }
    statuses
}

#[cfg(test)]
mod tests;
