//! The layers: who may use whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, with those below it that it may use.
const LAYERS: [(&str, &[&str]); 11] = [
    ("cli", &["ops", "certify", "trust", "catalog", "base"]),
    ("ops", &["exporter", "pyxis", "http", "archive", "importer", "certify", "trust", "catalog", "base"]),
    ("exporter", &["pyxis", "http", "catalog", "base"]),
    ("pyxis", &["http", "catalog", "base"]),
    ("archive", &["trust", "catalog", "base"]),
    ("importer", &["trust", "catalog", "base"]),
    ("certify", &["catalog", "base"]),
    ("trust", &["catalog", "base"]),
    ("catalog", &["base"]),
    ("http", &["base"]),
    ("base", &[]),
];

/// Every source file below a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The layers that a source names: `crate::base::…`, and each of `crate::{archive, base::…}`.
fn used(code: &str) -> Vec<String> {
    let mut layers = Vec::new();
    for part in code.split("crate::").skip(1) {
        let name = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
        match part.strip_prefix('{') {
            None => layers.push(name(part)),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            layers.push(name(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    layers
}

#[test]
fn no_layer_imports_upward_or_sideways() {
    let allowed: BTreeMap<_, _> = LAYERS.into_iter().collect();
    let root = Path::new(crate::ROOT).join("src");
    let mut wrong = Vec::new();
    for file in sources(&root) {
        let inner = file.strip_prefix(&root).unwrap();
        let layer = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let Some(below) = allowed.get(layer) else {
            assert!(["lib", "main"].contains(&layer), "{layer} is in no layer");
            continue;
        };
        for name in used(&fs::read_to_string(&file).unwrap()) {
            if allowed.contains_key(name.as_str()) && name != layer && !below.contains(&name.as_str()) {
                wrong.push(format!("{} uses {name}", inner.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn groups_of_imports_are_seen() {
    assert_eq!(used("use crate::{archive::{A, B}, base};\ncrate::trust::x()"), ["archive", "base", "trust"]);
}
