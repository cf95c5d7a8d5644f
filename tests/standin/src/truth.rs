//! What a complete and faithful client must, and what it may, bring home.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::doc::{ALIVE, Doc};
use crate::json_text;
use crate::projection::Projection;
use crate::store::Collection;

const IMAGE_FIELDS: &str = "_id,architecture,certified,creation_date,image_id,\
    repositories.registry,repositories.repository,repositories.tags.name,\
    repositories.manifest_list_digest,repositories.manifest_schema2_digest";

const BUNDLE_FIELDS: &str = "_id,channel_name,creation_date,csv_name,ocp_version,organization";

/// Where Red Hat's own images are.
const RED_HAT_REGISTRY: &str = "registry.access.redhat.com";

/// A moment in the life of a served catalog: what changed before, and what after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(crate) u64);

impl Mark {
    /// When serving began.
    pub const START: Mark = Mark(0);
}

/// The documents of a catalog, sorted out and reduced to what matters. Each list is in order of
/// creation.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Certified partner images.
    pub certified: Vec<Document>,
    /// Red Hat's own images.
    pub red_hat: Vec<Document>,
    /// All other images: they must not come through.
    pub uncertified: Vec<Document>,
    /// Bundles by organization.
    pub bundles: BTreeMap<String, Vec<Document>>,
    /// The chart index.
    pub charts: Vec<ChartVersion>,
}

/// What a client that fetched between a mark and now may return.
#[derive(Debug, Clone)]
pub struct Since {
    /// Documents that were there all the time: they must come.
    pub throughout: Truth,
    /// Documents that were there at some time: nothing else may come.
    pub ever: Truth,
}

/// A document, reduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its `_id`.
    pub id: String,
    /// The date of its creation as served; empty if it has none.
    pub creation_date: String,
    /// The reduced forms it had, as JSON, the latest last.
    versions: Vec<String>,
}

impl Document {
    /// Its latest form. Images have `_id`, `architecture`, `certified`, `creation_date`,
    /// `image_id` and of `repositories` the `registry`, `repository`, `tags.name`,
    /// `manifest_list_digest` and `manifest_schema2_digest`; bundles have `_id`, `channel_name`,
    /// `creation_date`, `csv_name`, `ocp_version` and `organization`: each as far as the served
    /// document has it.
    pub fn reduced(&self) -> Value {
        self.versions.last().map_or(Value::Null, |text| value(text))
    }

    /// All forms it had in the time in question, the latest last.
    pub fn versions(&self) -> Vec<Value> {
        self.versions.iter().map(|text| value(text)).collect()
    }

    /// Whether it changed in the time in question.
    pub fn changed(&self) -> bool {
        self.versions.len() > 1
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChartVersion {
    /// The chart's name.
    pub name: String,
    /// Its version, as the index has it.
    pub version: String,
    /// The constraint it puts on Kubernetes.
    pub kube_version: Option<String>,
}

/// Which documents of a collection are in question.
pub(crate) enum Span {
    Now,
    Throughout(Mark),
    Ever(Mark),
}

impl Span {
    fn holds(&self, doc: &Doc) -> bool {
        match self {
            Span::Now => doc.died == ALIVE,
            Span::Throughout(mark) => doc.born <= mark.0 && doc.died == ALIVE,
            Span::Ever(mark) => doc.died > mark.0,
        }
    }

    fn start(&self) -> u64 {
        match self {
            Span::Now => ALIVE,
            Span::Throughout(mark) | Span::Ever(mark) => mark.0,
        }
    }
}

/// Sorts out the documents of a span.
pub(crate) fn truth(images: &Collection, bundles: &Collection, charts: Vec<ChartVersion>, span: &Span) -> Truth {
    let mut truth = Truth { charts, ..Truth::default() };
    for (doc, document) in documents(images, span, IMAGE_FIELDS) {
        let list = if doc.certified == Some(true) && doc.partner {
            &mut truth.certified
        } else if is_red_hats(doc) {
            &mut truth.red_hat
        } else {
            &mut truth.uncertified
        };
        list.push(document);
    }
    for (doc, document) in documents(bundles, span, BUNDLE_FIELDS) {
        let organization = doc.organization.as_deref().unwrap_or_default();
        truth.bundles.entry(organization.to_owned()).or_default().push(document);
    }
    truth
}

fn documents<'a>(collection: &'a Collection, span: &Span, fields: &str) -> Vec<(&'a Doc, Document)> {
    let projection = Projection::new(Some(fields), None);
    let reduce = |text: &str| {
        let mut out = Vec::new();
        projection.write(text, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    let mut earlier: HashMap<u32, Vec<String>> = HashMap::new();
    for form in &collection.earlier {
        if form.until > span.start() {
            earlier.entry(form.slot).or_default().push(reduce(&form.text));
        }
    }
    let mut found: Vec<(&Doc, Document)> = Vec::new();
    for (slot, doc) in (0u32..).zip(&collection.docs) {
        if !span.holds(doc) {
            continue;
        }
        let mut versions = earlier.remove(&slot).unwrap_or_default();
        versions.push(reduce(&doc.text));
        let date = json_text::member(&doc.text, "creation_date").and_then(json_text::string);
        let document =
            Document { id: doc.id.as_ref().to_owned(), creation_date: date.unwrap_or_default().into_owned(), versions };
        found.push((doc, document));
    }
    found.sort_by_key(|(doc, _)| doc.created);
    found
}

fn is_red_hats(doc: &Doc) -> bool {
    let path = ["repositories".to_owned(), "registry".to_owned()];
    let in_registry = json_text::any_value(doc.text.as_bytes(), 0, &path, &mut |registry| {
        json_text::string(registry).as_deref() == Some(RED_HAT_REGISTRY)
    });
    in_registry && !doc.partner
}

/// Reads the versions out of a chart index; none if it is not one.
pub(crate) fn charts(index: &str) -> Vec<ChartVersion> {
    let documents = YamlLoader::load_from_str(index).unwrap_or_default();
    let entries = documents.first().and_then(|index| index["entries"].as_hash());
    let text = |value: &Yaml| match value {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    entries
        .into_iter()
        .flatten()
        .flat_map(|(name, versions)| {
            let versions = versions.as_vec().map(Vec::as_slice).unwrap_or_default();
            versions.iter().map(move |version| ChartVersion {
                name: text(&version["name"]).or(text(name)).unwrap_or_default(),
                version: text(&version["version"]).unwrap_or_default(),
                kube_version: text(&version["kubeVersion"]),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::made_up::{MadeUp, UNPARSABLE_KUBE_VERSIONS};

    #[test]
    fn a_made_up_catalog_is_sorted_out() {
        let made_up = MadeUp { images: 600, bundles: 100, charts: 30, ..MadeUp::default() };
        let catalog = Catalog::made_up(&made_up);
        let charts = charts(&catalog.charts);
        let truth = truth(&catalog.images, &catalog.bundles, charts, &Span::Now);
        assert_eq!(truth.certified.len(), 600);
        assert_eq!(truth.red_hat.len(), 60);
        assert_eq!(truth.uncertified.len(), 50);
        assert_eq!(truth.bundles["certified-operators"].len(), 60);
        assert_eq!(truth.bundles["redhat-operators"].len(), 40);
        assert_eq!(truth.bundles.len(), 4);
        let image = truth.certified[0].reduced();
        assert_eq!(image["certified"], true);
        assert_eq!(image["_id"], truth.certified[0].id.as_str());
        assert!(image.get("isv_pid").is_none());
        let names: std::collections::BTreeSet<_> = truth.charts.iter().map(|chart| &chart.name).collect();
        assert_eq!(names.len(), 30);
        let holes = truth.charts.iter().filter(|c| c.kube_version.is_none());
        assert!(holes.count() > 0);
        let unparsable = truth.charts.iter().filter(|chart| {
            let kube = chart.kube_version.as_deref();
            kube.is_some_and(|kube| UNPARSABLE_KUBE_VERSIONS.contains(&kube))
        });
        assert!((1..=5).contains(&unparsable.count()));
    }

    #[test]
    fn numbers_as_versions_keep_their_text() {
        let index = "entries:\n  a:\n  - version: 1.10\n  - version: 2\n    name: b\n";
        let found: Vec<_> = charts(index).into_iter().map(|c| (c.name, c.version)).collect();
        let expected = [("a", "1.10"), ("b", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(found, expected);
        assert!(charts("- nothing").is_empty());
    }
}
