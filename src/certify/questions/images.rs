//! Images on a host, as `crictl images -o json`, `podman images --format json` and `docker images --format json` print them.
//!
//! An image is asked for by each of its digests, with its tag in the same repository for people to read; one without a
//! digest by its tags. `<none>` is what docker prints for nothing.

use std::collections::HashMap;

use super::record::Record;
use super::{Question, Refused, Row};
use crate::certify::reference::ImageReference;

/// Whether the record is of an image.
pub(super) fn is_image(record: &Record) -> bool {
    record.repo_tags.0.is_some()
        || record.repo_digests.0.is_some()
        || record.names.0.is_some()
        || record.repository.get().is_some()
}

/// The rows of an image.
pub(super) fn rows(record: &Record) -> Vec<Row> {
    let label = format!("image {}", short(record.id.get().unwrap_or("without id")));
    let given = |text: &'_ &str| !text.contains("<none>");
    let listed = record.repo_tags.iter().chain(record.names.iter()).filter_map(|text| text.get());
    let mut tags: Vec<String> = listed.filter(given).map(str::to_owned).collect();
    let mut digests: Vec<String> =
        record.repo_digests.iter().filter_map(|text| text.get()).filter(given).map(str::to_owned).collect();
    let repository = record.repository.get().filter(given);
    if let (Some(repository), Some(tag)) = (repository, record.tag.get().filter(given)) {
        tags.push(format!("{repository}:{tag}"));
    }
    let digest = record.digest.get().filter(given);
    if let (true, Some(digest)) = (digests.is_empty(), digest) {
        let named = repository.map(str::to_owned).into_iter().chain(tags.iter().map(|tag| without_tag(tag).to_owned()));
        digests.extend(named.map(|name| format!("{name}@{digest}")));
    }
    digests.sort_unstable();
    digests.dedup();
    tags.sort_unstable();
    tags.dedup();
    let mut tag_of = HashMap::new();
    for tag in &tags {
        tag_of.entry(without_tag(tag)).and_modify(|tag| *tag = None).or_insert(Some(tag.as_str()));
    }
    let texts: Vec<_> = digests.iter().map(|digest| with_tag(digest, &tag_of)).collect();
    let texts = if digests.is_empty() { tags } else { texts };
    if texts.is_empty() {
        return vec![Row::new(label, Err(Refused::Missing { field: "repository with tag or digest" }))];
    }
    let row = |text: String| {
        let question = ImageReference::parse(&text).map(Question::Image).map_err(Refused::from);
        Row::new(label.clone(), question)
    };
    texts.into_iter().map(row).collect()
}

/// `repository@digest` with the tag that the image has in this repository, if it is one.
fn with_tag(reference: &str, tag_of: &HashMap<&str, Option<&str>>) -> String {
    let tagged = reference.split_once('@').and_then(|(name, digest)| Some(((*tag_of.get(name)?)?, digest)));
    tagged.map_or_else(|| reference.to_owned(), |(tag, digest)| format!("{tag}@{digest}"))
}

fn without_tag(reference: &str) -> &str {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => reference,
    }
}

/// An image's id as the tools print it.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).filter(|c| !c.is_control()).collect()
}
