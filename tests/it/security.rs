//! Each promise of SECURITY.md has a test, which is there.

use std::fs;
use std::path::Path;

use crate::ROOT;
use crate::layers::sources;

/// The tests named in the text, as `module::name` in code quotes.
fn named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    quoted.filter_map(|word| word.split_once("::")).filter(|(module, name)| is_word(module) && is_word(name)).collect()
}

#[test]
fn each_promise_names_tests_that_are_there() {
    let text = fs::read_to_string(Path::new(ROOT).join("packaging/SECURITY.md")).unwrap();
    let files: Vec<_> = ["src", "tests/it"].iter().flat_map(|folder| sources(&Path::new(ROOT).join(folder))).collect();
    let codes: Vec<_> = files.iter().map(|file| (file, fs::read_to_string(file).unwrap())).collect();
    let tests = named(&text);
    assert!(tests.len() > 30, "{tests:?}");
    for (module, name) in tests {
        let is_of = |file: &Path| {
            file.file_stem().is_some_and(|stem| stem == module)
                || file.parent().is_some_and(|parent| parent.ends_with(module))
        };
        let is_test = |code: &str| {
            let at = code.find(&format!("fn {name}("));
            at.is_some_and(|at| code[..at].rsplit("\n\n").next().is_some_and(|head| head.contains("#[test]")))
        };
        assert!(codes.iter().any(|(file, code)| is_of(file) && is_test(code)), "there is no test `{module}::{name}`");
    }
    let (promises, _) = text.split_once("## What is not promised").unwrap();
    let (_, against) = promises.split_once("## Against whom").unwrap();
    for promise in against.split("\n- **").skip(1) {
        assert!(!named(promise).is_empty(), "this promise names no test: {promise}");
    }
}
