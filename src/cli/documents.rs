//! Parts of JSON documents that several commands print.

use std::fmt::Display;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::failure::Class;

/// The document of a [`failure`].
pub(super) fn error(failure: &Value) -> Value {
    json!({ "schema": "oct.error.v1", "error": failure })
}

/// The fields of a failure.
pub(super) fn failure(class: Class, code: &str, message: &str, hint: Option<&str>) -> Value {
    json!({ "class": class.name(), "code": code, "exit": class.exit_code(), "message": message, "hint": hint })
}

/// A path as text. Bytes that are not UTF-8 are replaced.
pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Each item of a list, as text.
pub(super) fn texts(list: &[impl Display]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}
