//! The fields that filters and sort keys may name. An unknown one is an error (status 400).

use std::collections::HashMap;

use serde_json::Value;

use crate::clock;

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Date,
    Flag,
    Number,
    /// Objects, and fields that were only ever seen null: comparable with `null` alone.
    Opaque,
}

/// The known fields of one kind of document, by dotted path.
#[derive(Debug, Clone)]
pub(crate) struct Fields(HashMap<String, FieldKind>);

const IMAGE_FIELDS: &[(&str, FieldKind)] = &[
    ("_id", FieldKind::Text),
    ("architecture", FieldKind::Text),
    ("certified", FieldKind::Flag),
    ("creation_date", FieldKind::Date),
    ("docker_image_digest", FieldKind::Text),
    ("docker_image_id", FieldKind::Text),
    ("image_id", FieldKind::Text),
    ("isv_pid", FieldKind::Text),
    ("last_update_date", FieldKind::Date),
    ("object_type", FieldKind::Text),
    ("repositories.manifest_list_digest", FieldKind::Text),
    ("repositories.manifest_schema2_digest", FieldKind::Text),
    ("repositories.published", FieldKind::Flag),
    ("repositories.published_date", FieldKind::Date),
    ("repositories.push_date", FieldKind::Date),
    ("repositories.registry", FieldKind::Text),
    ("repositories.repository", FieldKind::Text),
    ("repositories.tags.added_date", FieldKind::Date),
    ("repositories.tags.name", FieldKind::Text),
];

const BUNDLE_FIELDS: &[(&str, FieldKind)] = &[
    ("_id", FieldKind::Text),
    ("bundle_path", FieldKind::Text),
    ("bundle_path_digest", FieldKind::Text),
    ("channel_name", FieldKind::Text),
    ("creation_date", FieldKind::Date),
    ("csv_name", FieldKind::Text),
    ("in_index_img", FieldKind::Flag),
    ("is_default_channel", FieldKind::Flag),
    ("last_update_date", FieldKind::Date),
    ("latest_in_channel", FieldKind::Flag),
    ("ocp_version", FieldKind::Text),
    ("organization", FieldKind::Text),
    ("package", FieldKind::Text),
    ("replaces", FieldKind::Text),
    ("skip_range", FieldKind::Text),
    ("source_index_container_path", FieldKind::Text),
    ("version", FieldKind::Text),
    ("version_original", FieldKind::Text),
];

impl Fields {
    pub(crate) fn of_images() -> Self {
        Self::from_list(IMAGE_FIELDS)
    }

    pub(crate) fn of_bundles() -> Self {
        Self::from_list(BUNDLE_FIELDS)
    }

    fn from_list(list: &[(&str, FieldKind)]) -> Self {
        let mut fields = Fields(HashMap::new());
        for (path, kind) in list {
            for (dot, _) in path.match_indices('.') {
                fields.add(&path[..dot], FieldKind::Opaque);
            }
            fields.add(path, *kind);
        }
        fields
    }

    fn add(&mut self, path: &str, kind: FieldKind) {
        let known = self.0.entry(path.to_owned()).or_insert(kind);
        if *known == FieldKind::Opaque {
            *known = kind;
        }
    }

    /// Takes in the fields of a sample document.
    pub(crate) fn learn(&mut self, document: &Value) {
        self.learn_below("", document);
    }

    fn learn_below(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.add(&below, FieldKind::Opaque);
                    self.learn_below(&below, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_below(path, item)),
            Value::Null => {}
            Value::Bool(_) => self.add(path, FieldKind::Flag),
            Value::Number(_) => self.add(path, FieldKind::Number),
            Value::String(text) => {
                let date = path.ends_with("_date") && clock::parse(text).is_some();
                self.add(path, if date { FieldKind::Date } else { FieldKind::Text });
            }
        }
    }

    /// How the field compares; `None` if there is no such field.
    pub(crate) fn kind(&self, path: &str) -> Option<FieldKind> {
        self.0.get(path).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_and_learned_fields_are_known() {
        let mut fields = Fields::of_images();
        assert_eq!(fields.kind("repositories.tags"), Some(FieldKind::Opaque));
        assert_eq!(fields.kind("creation_date"), Some(FieldKind::Date));
        assert_eq!(fields.kind("sizes.layer"), None);
        fields.learn(&serde_json::json!({"sizes": [{"layer": 3}], "certified": null}));
        assert_eq!(fields.kind("sizes.layer"), Some(FieldKind::Number));
        assert_eq!(fields.kind("certified"), Some(FieldKind::Flag));
    }
}
