//! Pods, as `oc get pods -A -o json` prints them.
//!
//! certsuite asks about `spec.containers` of running pods that are not being deleted, and leaves out those whose name
//! contains `istio-proxy`. The image comes from the specification and the digest from the status of the container of the
//! same name: what runs is what counts, whatever the specification says. The digest is taken by certsuite's own
//! expression, and a container without one fails before any question.

use std::collections::HashMap;

use thiserror::Error;

use super::record::{Container, ContainerStatus, List, Record};
use super::{Question, Refused, Row, Standing, label};
use crate::base::text::sanitize;
use crate::certify::reason::{MissingDigest, NoDigest};
use crate::certify::reference::{ImageReference, name_of_image, status_digest};

/// Why certsuite does not ask about a container.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAsked {
    /// Of `spec.initContainers`.
    #[error("certsuite does not ask about init containers")]
    Init,
    /// Of `spec.ephemeralContainers`.
    #[error("certsuite does not ask about ephemeral containers")]
    Ephemeral,
    /// Its pod is not running.
    #[error("certsuite asks about running pods only, and this one is {phase}")]
    Phase {
        /// The pod's phase, without control characters.
        phase: String,
    },
    /// Its pod is being deleted.
    #[error("certsuite does not ask about pods that are being deleted")]
    Deleted,
    /// certsuite ignores it by name.
    #[error("certsuite leaves out containers whose name contains istio-proxy")]
    IstioProxy,
}

impl NotAsked {
    /// A stable word for the reason, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Init => "init-container",
            Self::Ephemeral => "ephemeral-container",
            Self::Phase { .. } => "pod-not-running",
            Self::Deleted => "pod-being-deleted",
            Self::IstioProxy => "istio-proxy",
        }
    }
}

/// Which pods an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
    /// Those of a cluster, of which certsuite takes some.
    Cluster,
    /// Those that certsuite took.
    Tested,
    /// Those of a cluster, and every container counts.
    AllContainers,
}

/// The rows of a pod.
pub(super) fn rows(pod: &Record, selection: Selection) -> Vec<Row> {
    let Some(spec) = &pod.spec.0 else { return Vec::new() };
    let status = pod.status.0.as_ref();
    let of_pod = if selection == Selection::Cluster { left_out(pod) } else { None };
    let none = List::default();
    let kinds = [
        (&spec.init_containers, status.map_or(&none, |it| &it.init_container_statuses), Some(NotAsked::Init)),
        (&spec.containers, status.map_or(&none, |it| &it.container_statuses), None),
        (
            &spec.ephemeral_containers,
            status.map_or(&none, |it| &it.ephemeral_container_statuses),
            Some(NotAsked::Ephemeral),
        ),
    ];
    let mut rows = Vec::new();
    for (containers, statuses, of_kind) in kinds {
        let mut by_name = HashMap::new();
        for status in statuses.iter().filter_map(|status| status.0.as_ref()) {
            by_name.entry(status.name.get()).or_insert(status);
        }
        for container in containers.iter().filter_map(|container| container.0.as_ref()) {
            let name = container.name.get();
            let by_itself = name.filter(|name| name.contains("istio-proxy")).map(|_| NotAsked::IstioProxy);
            let left_out = of_kind.clone().or(by_itself).or(of_pod.clone());
            let mut row = container_row(pod, container, by_name.get(&name).copied());
            if let Some(reason) = left_out.filter(|_| selection != Selection::AllContainers) {
                row.standing = Standing::NotAsked(reason);
            }
            rows.push(row);
        }
    }
    rows
}

/// Why certsuite does not ask about any container of a pod. A missing phase is not a reason.
fn left_out(pod: &Record) -> Option<NotAsked> {
    let metadata = pod.metadata.0.as_ref();
    if metadata.is_some_and(|metadata| metadata.deletion_timestamp.get().is_some()) {
        return Some(NotAsked::Deleted);
    }
    let phase = pod.status.0.as_ref()?.phase.get()?;
    (phase != "Running").then(|| NotAsked::Phase { phase: sanitize(phase) })
}

fn container_row(pod: &Record, container: &Container, status: Option<&ContainerStatus>) -> Row {
    let metadata = pod.metadata.0.as_ref();
    let label = label(&[
        metadata.and_then(|metadata| metadata.namespace.get()),
        metadata.and_then(|metadata| metadata.name.get()),
        container.name.get(),
    ]);
    image_row(label, container.image.get(), digest(status.map(|status| status.image_id.get().unwrap_or_default())))
}

/// The digest in an `imageID`, or why certsuite finds none; there is no `imageID` if there is no status.
pub(super) fn digest(image_id: Option<&str>) -> Result<&str, NoDigest> {
    let image_id = image_id.ok_or(NoDigest::NoStatus)?;
    status_digest(image_id).ok_or_else(|| match image_id {
        "" => NoDigest::EmptyImageId,
        _ if image_id.contains('@') && !image_id.contains('/') => NoDigest::NoSlash { image_id: sanitize(image_id) },
        _ => NoDigest::NotInImageId { image_id: sanitize(image_id) },
    })
}

/// The row of an image that a specification names and a status resolves.
pub(super) fn image_row(label: String, image: Option<&str>, digest: Result<&str, NoDigest>) -> Row {
    let Some(image) = image else { return Row::new(label, Err(Refused::Missing { field: "image" })) };
    let question = Ok(Question::Image(ImageReference::of_pod(image, digest.as_ref().ok().copied())));
    let standing = match digest {
        Ok(_) => Standing::Asked,
        Err(why) => Standing::Fails(MissingDigest { image: name_of_image(image), why }),
    };
    Row { label, question, standing }
}
