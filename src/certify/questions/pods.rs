//! Pods, as `oc get pods -A -o json` prints them, or a single one.
//!
//! Every container of a pod is asked for: `initContainers`, `containers` and `ephemeralContainers`. The image comes
//! from the specification and the digest from the status of the container of the same name, because certsuite pairs
//! them so: what runs is what counts, whatever the specification says. Where the specification names no registry,
//! the name that the engine resolved it to is taken from the status.

use serde::Deserialize;

use super::{Note, Question, Refused, Row, label};
use crate::certify::reference::{ImageReference, ReferenceError};

/// A pod, or any other object, of which only the pods matter.
#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) kind: Option<String>,
    metadata: Option<Metadata>,
    spec: Option<Spec>,
    status: Option<Status>,
}

/// The part of an object's metadata that names it.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
    ephemeral_containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
struct Container {
    name: Option<String>,
    image: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

/// The status of a container.
#[derive(Deserialize)]
pub(super) struct ContainerStatus {
    name: Option<String>,
    #[serde(rename = "imageID")]
    pub(super) image_id: Option<String>,
}

/// The rows of a pod; none for an object of another kind.
pub(super) fn rows(pod: &Pod) -> Vec<Row> {
    let Some(spec) = pod.spec.as_ref().filter(|_| pod.kind.as_deref().is_none_or(|kind| kind == "Pod")) else {
        return Vec::new();
    };
    let status = pod.status.as_ref();
    let kinds = [
        (&spec.init_containers, status.and_then(|status| status.init_container_statuses.as_ref())),
        (&spec.containers, status.and_then(|status| status.container_statuses.as_ref())),
        (&spec.ephemeral_containers, status.and_then(|status| status.ephemeral_container_statuses.as_ref())),
    ];
    let mut rows = Vec::new();
    for (containers, statuses) in kinds {
        for container in containers.iter().flatten() {
            let status = statuses.into_iter().flatten().find(|status| status.name == container.name);
            rows.push(container_row(pod, container, status));
        }
    }
    rows
}

fn container_row(pod: &Pod, container: &Container, status: Option<&ContainerStatus>) -> Row {
    let metadata = pod.metadata.as_ref();
    let label = label(&[
        metadata.and_then(|metadata| metadata.namespace.as_deref()),
        metadata.and_then(|metadata| metadata.name.as_deref()),
        container.name.as_deref(),
    ]);
    image_row(label, container.image.as_deref(), status.and_then(|status| status.image_id.as_deref()))
}

/// The row of an image that a specification names and a status resolves.
pub(super) fn image_row(label: String, image: Option<&str>, image_id: Option<&str>) -> Row {
    let resolved = image_id.and_then(resolved_image);
    let note = resolved.is_none().then_some(Note::NoStatusDigest);
    let question = match image {
        None => Err(Refused::Missing { field: "image" }),
        Some(image) => pair(image, resolved).map(Question::Image).map_err(Refused::from),
    };
    Row { label, question, note }
}

/// What a status says that the engine pulled: a name with a digest. Engines write `docker-pullable://` before it, or
/// only the configuration's digest (`sha256:…`, `docker://sha256:…`), by which nothing can be looked up.
fn resolved_image(image_id: &str) -> Option<ImageReference> {
    ImageReference::parse(image_id).ok().filter(|image| image.digest.is_some())
}

/// The image of the specification with the digest of the status.
fn pair(image: &str, resolved: Option<ImageReference>) -> Result<ImageReference, ReferenceError> {
    match (ImageReference::parse(image), resolved) {
        (Ok(image), Some(resolved)) => Ok(ImageReference { digest: resolved.digest, ..image }),
        (Err(_), Some(resolved)) => Ok(resolved),
        (image, None) => image,
    }
}
