//! JSON objects: pods, or the `claim.json` that certsuite writes.
//!
//! A claim holds certsuite's whole test environment under `claim.configurations`, as its Go structures print it, and
//! the cluster's versions under `claim.versions` (`ocp`, `k8s`). Read are, as the releases since 2022 write them:
//!
//! - `testContainers[]`: the container's own fields beside `Status`, `Namespace`, `Podname` and
//!   `ContainerImageIdentifier` (`registry`, `repository`, `tag`, `digest`), which is what certsuite asks the catalog
//!   for. The first releases kept the container's fields under `Data` and had no `registry` in the identifier; there
//!   the image and the status are read as in a pod. So are they where certsuite made nothing of an image without a
//!   tag and left its registry empty.
//! - `testPods[]`, pods with all their fields, where there are no `testContainers`.
//! - `testOperators[]` with `name`, the CSV name, and `namespace`; else `testCsvs[]`, whole ClusterServiceVersions.
//! - `testHelmChartReleases[]` with `name`, `namespace` and `chart.metadata` (`name`, `version`).
//!
//! Go prints an empty list as `null`, so every field may be null. Everything else in the file is skipped unread.

use serde::Deserialize;

use super::pods::{self, ContainerStatus, Metadata, Pod};
use super::{Cluster, Form, InputError, Note, Question, Refused, Row, label};
use crate::certify::reference::ImageReference;

/// Any object that may be given.
#[derive(Deserialize)]
struct Object {
    claim: Option<Claim>,
    items: Option<Vec<Pod>>,
    #[serde(flatten)]
    pod: Pod,
}

#[derive(Deserialize)]
struct Claim {
    configurations: Option<Configurations>,
    versions: Option<Versions>,
}

#[derive(Deserialize)]
struct Versions {
    ocp: Option<String>,
    k8s: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configurations {
    test_containers: Option<Vec<TestContainer>>,
    test_pods: Option<Vec<Pod>>,
    test_operators: Option<Vec<TestOperator>>,
    test_csvs: Option<Vec<Csv>>,
    test_helm_chart_releases: Option<Vec<Release>>,
}

#[derive(Deserialize)]
struct TestContainer {
    name: Option<String>,
    image: Option<String>,
    #[serde(rename = "Data")]
    data: Option<ContainerData>,
    #[serde(rename = "Status")]
    status: Option<ContainerStatus>,
    #[serde(rename = "Namespace")]
    namespace: Option<String>,
    #[serde(rename = "Podname")]
    pod: Option<String>,
    #[serde(rename = "ContainerImageIdentifier")]
    identifier: Option<Identifier>,
}

#[derive(Deserialize)]
struct ContainerData {
    name: Option<String>,
    image: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct TestOperator {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Csv {
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Release {
    name: Option<String>,
    namespace: Option<String>,
    chart: Option<Chart>,
}

#[derive(Deserialize)]
struct Chart {
    metadata: Option<ChartMetadata>,
}

#[derive(Deserialize)]
struct ChartMetadata {
    name: Option<String>,
    version: Option<String>,
}

pub(super) fn parse_object(text: &str, given: &Cluster) -> Result<(Form, Vec<Row>), InputError> {
    let object: Object = serde_json::from_str(text)?;
    if let Some(claim) = object.claim {
        return Ok((Form::Claim, claim_rows(claim, given)));
    }
    let single = pods::rows(&object.pod);
    let rows: Vec<Row> = object.items.iter().flatten().flat_map(pods::rows).chain(single).collect();
    let is_empty_list = object.items.as_ref().is_some_and(Vec::is_empty);
    if rows.is_empty() && !is_empty_list {
        return Err(InputError::OtherJson);
    }
    Ok((Form::Pods, rows))
}

fn claim_rows(claim: Claim, given: &Cluster) -> Vec<Row> {
    let stated = claim.versions.map(|versions| Cluster { ocp: versions.ocp, kube: versions.k8s });
    let cluster = given.or(stated.unwrap_or_default());
    let Some(tested) = claim.configurations else {
        return Vec::new();
    };
    let mut rows = match tested.test_containers {
        Some(containers) => containers.into_iter().map(container_row).collect(),
        None => tested.test_pods.iter().flatten().flat_map(pods::rows).collect::<Vec<_>>(),
    };
    match tested.test_operators {
        Some(operators) => {
            rows.extend(operators.iter().map(|it| operator_row(it.namespace.as_deref(), it.name.as_deref(), &cluster)));
        }
        None => rows.extend(tested.test_csvs.iter().flatten().map(|csv| {
            let metadata = csv.metadata.as_ref();
            let namespace = metadata.and_then(|metadata| metadata.namespace.as_deref());
            operator_row(namespace, metadata.and_then(|metadata| metadata.name.as_deref()), &cluster)
        })),
    }
    rows.extend(tested.test_helm_chart_releases.iter().flatten().map(|release| release_row(release, &cluster)));
    rows
}

fn container_row(container: TestContainer) -> Row {
    let data = container.data.as_ref();
    let name = container.name.as_deref().or(data.and_then(|data| data.name.as_deref()));
    let label = label(&[container.namespace.as_deref(), container.pod.as_deref(), name]);
    let image = container.image.as_deref().or(data.and_then(|data| data.image.as_deref()));
    let image_id = container.status.as_ref().and_then(|status| status.image_id.as_deref());
    match container.identifier.and_then(asked_image) {
        Some(asked) => {
            let note = asked.digest.is_none().then_some(Note::NoStatusDigest);
            Row { label, question: Ok(Question::Image(asked)), note }
        }
        None => pods::image_row(label, image, image_id),
    }
}

/// The image as certsuite asked for it, where it knew registry and repository.
fn asked_image(identifier: Identifier) -> Option<ImageReference> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Some(ImageReference {
        registry: filled(identifier.registry)?,
        repository: filled(identifier.repository)?,
        tag: filled(identifier.tag),
        digest: filled(identifier.digest),
    })
}

fn operator_row(namespace: Option<&str>, csv: Option<&str>, cluster: &Cluster) -> Row {
    let question = csv.map(|csv| cluster.operator(csv)).ok_or(Refused::Missing { field: "name" });
    Row::new(label(&[namespace, csv]), question)
}

fn release_row(release: &Release, cluster: &Cluster) -> Row {
    let metadata = release.chart.as_ref().and_then(|chart| chart.metadata.as_ref());
    let named = metadata.and_then(|metadata| metadata.name.as_deref().zip(metadata.version.as_deref()));
    let question = named
        .map(|(name, version)| cluster.chart(name, version))
        .ok_or(Refused::Missing { field: "chart.metadata with name and version" });
    Row::new(label(&[release.namespace.as_deref(), release.name.as_deref()]), question)
}
