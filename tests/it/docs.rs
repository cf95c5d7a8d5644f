//! The documents: their links lead somewhere, the paths and commands in them exist, and what runs them knows each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The documents that people read first, from the root of the repository.
const DOCUMENTS: [&str; 9] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "packaging/GUIDE.md",
    "packaging/SECURITY.md",
    "packaging/FORMAT.md",
    "packaging/recipes/README.md",
    "packaging/recipes/carriers.md",
    "packaging/vectors/README.md",
];

fn root() -> &'static Path {
    Path::new(crate::ROOT)
}

fn text(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// The targets of Markdown's links and pictures, without those in code.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && !line.starts_with("    ")
    });
    let found = lines.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    found.map(str::to_owned).collect()
}

/// The name that a heading gets as a part of a page.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// What is wrong with the links of the document in `file`.
fn broken(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut wrong = Vec::new();
    for link in links(&text) {
        if link.contains("://") {
            continue;
        }
        let (path, part) = link.split_once('#').unwrap_or((&link, ""));
        let to = if path.is_empty() { file.to_owned() } else { file.parent().unwrap().join(path) };
        let is_there = to.exists();
        let has_part = || {
            let text = fs::read_to_string(&to).unwrap_or_default();
            text.lines().any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == part)
        };
        if !is_there || !part.is_empty() && !has_part() {
            wrong.push(format!("{}: {link}", file.display()));
        }
    }
    wrong
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let wrong: Vec<_> = DOCUMENTS.iter().flat_map(|document| broken(&root().join(document))).collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(links(&text("README.md")).len() > 5);
    assert_eq!(anchor(" Importing while certsuite runs"), "importing-while-certsuite-runs");
}

#[test]
fn every_link_of_the_packaged_documents_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("doc");
    let done = Command::new(root().join("packaging/docs")).arg(&out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut seen = 0;
    for file in crate::cli_support::tree(&out).into_keys().filter(|file| file.extension().is_some_and(|it| it == "md"))
    {
        assert_eq!(broken(&file), Vec::<String>::new());
        // No link may lead out of the folder: the package has nothing there.
        assert!(
            links(&fs::read_to_string(&file).unwrap()).iter().all(|link| !link.contains("../..")),
            "{}",
            file.display()
        );
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
    assert!(out.join("copyright").exists() && out.join("recipes/certsuite.sh").exists());
}

/// The pieces of a document between backquotes, each in one line.
fn code(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_path_in_contributing_exists() {
    let text = text("CONTRIBUTING.md");
    let mut seen = 0;
    for word in code(&text) {
        let word = word.split([' ', ':']).next().unwrap_or_default();
        let is_path =
            ["src/", "tests/", "packaging/", ".ci/", ".github/", "keys/"].iter().any(|top| word.starts_with(top));
        // What the reader is to make has a name in capitals.
        if !is_path || word.contains("NAME") || word.starts_with("packaging/out") {
            continue;
        }
        assert!(root().join(word).exists(), "{word}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    let rooms =
        fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    for room in rooms {
        let name = format!("`src/{}`", room.file_name().unwrap().to_str().unwrap());
        assert!(text.contains(&name), "the map lacks {name}");
    }
}

/// Each command line of `oct` in a block of code, without what the shell does with it.
fn commands(text: &str) -> Vec<String> {
    let mut fence: Option<String> = None;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language.to_owned()) };
            continue;
        }
        let command = match fence.as_deref() {
            Some("console") => line.strip_prefix("$ "),
            Some("sh" | "") => Some(line),
            Some(_) => None,
            None => line.strip_prefix("    "),
        };
        let Some(command) = command.map(str::trim) else { continue };
        let parts = command.split(" | ").map(|part| part.split(" #").next().unwrap_or_default().trim());
        for part in parts {
            let words: Vec<_> = part.split(' ').collect();
            let at = words.iter().position(|word| *word == "oct");
            // `flock FILE oct …`, `sudo oct …`, `VARIABLE=… oct …`
            let is_called = |at: &usize| words[..*at].iter().all(|word| !word.starts_with('-') && *word != "echo");
            let runs_another = ["podman", "dpkg", "rpm", "cargo"].contains(&words[0]);
            if let Some(at) = at.filter(is_called).filter(|_| !runs_another) {
                found.push(words[at..].join(" ").replace('…', ""));
            }
        }
    }
    found
}

/// Words as a shell would part them: quotes of both kinds, no more.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `packaging/check-docs` runs them as they stand; here each is understood at least, at every `cargo test`.
#[test]
fn every_command_of_the_documents_is_one() {
    let mut seen = 0;
    for document in DOCUMENTS {
        for command in commands(&text(document)) {
            let command = command.split(" >").next().unwrap_or_default();
            let parsed = oct::cli::command().try_get_matches_from(words(command));
            match parsed {
                Err(error) if error.use_stderr() => panic!("{document}: {command}\n{error}"),
                _ => seen += 1,
            }
        }
    }
    assert!(seen >= 25, "{seen}");
}

#[test]
fn what_runs_the_commands_reads_these_documents() {
    let script = text("packaging/check-docs");
    for document in ["README.md", "packaging/GUIDE.md"] {
        assert!(script.lines().any(|line| line == format!("page {document}")), "{document}");
    }
}

/// Each recipe says how it was tried, is listed, and stands in the script that tries it.
#[test]
fn every_recipe_says_how_it_was_tried() {
    let (list, script) = (text("packaging/recipes/README.md"), text("packaging/check-recipes"));
    let files: Vec<PathBuf> =
        fs::read_dir(root().join("packaging/recipes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        assert!(fs::read_to_string(&file).unwrap().contains("Tried: "), "{name}");
        assert!(list.contains(&format!("({name})")) && script.contains(&format!("say \"{name}: ")), "{name}");
    }
}

/// Each metric that an alert asks for is one that `oct status` writes.
#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let written = text("src/cli/status/prometheus.rs");
    let mut seen = 0;
    for line in text("packaging/monitoring/oct-alerts.yml").lines().filter(|line| line.contains("expr:")) {
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("oct_"))
        {
            assert!(written.contains(&format!("\"{word}\"")), "{word}");
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen}");
}

/// The units call commands that there are, and a failure of each service calls a unit that there is.
#[test]
fn units_call_what_there_is() {
    let folder = root().join("packaging/systemd");
    let mut seen = 0;
    for (file, bytes) in crate::cli_support::tree(&folder) {
        let unit = String::from_utf8(bytes).unwrap();
        for line in unit.lines() {
            if let Some(call) = line.strip_prefix("ExecStart=").and_then(|rest| rest.split("/usr/bin/").nth(1)) {
                // The host gives the site, as `OCT_SITE`.
                let command = call.split(" >").next().unwrap().replace("oct pull", "oct pull https://catalogs.example");
                oct::cli::command()
                    .try_get_matches_from(words(&command))
                    .unwrap_or_else(|error| panic!("{command}: {error}"));
                seen += 1;
            }
            if let Some(called) = line.strip_prefix("OnFailure=") {
                let template = format!("{}@.service", called.split('@').next().unwrap());
                assert!(folder.join(&template).exists(), "{}: {template}", file.display());
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 8);
}
