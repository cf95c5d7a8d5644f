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
            containers.iter().filter_map(|it| it.0.as_ref()).map(|it| container_row(it, tested)).collect()
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

fn container_row(container: &TestContainer, tested: &Configurations) -> Row {
    let data = container.data.0.as_ref();
    let of = |own: &'_ Text, inner: fn(&Container) -> &Text| {
        own.get().or(data.and_then(|data| inner(data).get())).map(str::to_owned)
    };
    let name = of(&container.name, |data| &data.name);
    let image = of(&container.image, |data| &data.image).or_else(|| container.identifier.0.as_ref().and_then(named_by));
    let label = label(&[container.namespace.get(), container.pod.get(), name.as_deref()]);
    match status_of(container, name.as_deref(), tested) {
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
    tested: &'a Configurations,
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
    by_name(container, name, tested).map(of_status).ok_or(status.name.get().unwrap_or("a container without a name"))
}

/// The status of that name in the same pod: of another container's record, or of the pod's.
fn by_name<'a>(
    container: &TestContainer,
    name: Option<&str>,
    tested: &'a Configurations,
) -> Option<&'a ContainerStatus> {
    let place = (container.namespace.get(), container.pod.get());
    let beside = tested
        .test_containers
        .iter()
        .filter_map(|it| it.0.as_ref())
        .filter(|it| (it.namespace.get(), it.pod.get()) == place);
    let mut beside = beside.filter_map(|it| it.status.0.as_ref());
    beside.find(|status| status.name.get() == name && name.is_some()).or_else(|| {
        let pod = tested.test_pods.iter().filter_map(|pod| pod.0.as_ref()).find(|pod| {
            pod.metadata.0.as_ref().is_some_and(|metadata| (metadata.namespace.get(), metadata.name.get()) == place)
        })?;
        pods::status_of(&pod.status.0.as_ref()?.container_statuses, name)
    })
}

#[cfg(test)]
mod tests;
