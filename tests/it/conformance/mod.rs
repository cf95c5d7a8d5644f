//! `oct`'s reading and verdicts, compared with a model of certsuite's offline reader in Go.
//!
//! The model (`tests/conformance`) is not certsuite's own module: that cannot be had everywhere. It is made of the
//! libraries that the module uses, encoding/json, yaml.v3 and semver, with the rules around them as published.
//!
//! A run makes 5,000 comparisons; `OCT_TEST_CONFORMANCE` asks for more. What `oct` refuses and the model reads is counted
//! by cause and printed (`--nocapture` shows it); a verdict of another kind fails.

mod generate;
mod index;
mod model;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oct::catalog::folder::{Contents, FolderError, TnfFolder};
use oct::catalog::{ChartIndex, ContainerEntry};
use oct::certify::constraint::satisfies;
use oct::certify::lookup::Lookup;
use oct::certify::offline;
use oct::certify::questions::{ChartQuestion, OperatorQuestion, Question};
use oct::certify::reference::ImageReference;
use serde_json::{Value, json};

use crate::cli_support::{Desk, server};
use generate::{Files, Generator};
use model::Model;

/// Comparisons of a normal run.
const COMPARISONS: u64 = 5_000;
/// Questions to each folder.
const QUESTIONS: u64 = 8;

/// What was compared.
#[derive(Default)]
struct Tally {
    compared: u64,
    /// By cause: what `oct` refuses and the model reads.
    refused: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

impl Tally {
    fn refuse(&mut self, cause: &str) {
        // The same cause at another place is the same cause.
        let cause = cause.rsplit("` : ").next().unwrap_or(cause);
        let mut shown = String::new();
        let mut quoted = false;
        for c in cause.chars() {
            match c {
                '`' => quoted = !quoted,
                _ if quoted => {}
                '0'..='9' if shown.ends_with('0') => {}
                '0'..='9' => shown.push('0'),
                c => shown.push(c),
            }
        }
        *self.refused.entry(shown).or_default() += 1;
    }

    fn report(self, what: &str) {
        eprintln!("{what}: {} compared", self.compared);
        for (cause, count) in &self.refused {
            eprintln!("  {count} refused: {cause}");
        }
        let shown: Vec<_> = self.wrong.iter().take(5).cloned().collect();
        assert!(self.wrong.is_empty(), "{} wrong:\n{}", self.wrong.len(), shown.join("\n\n"));
    }
}

/// How many comparisons are this part's, of `parts`.
fn share(part: u64, parts: u64) -> u64 {
    let all = std::env::var("OCT_TEST_CONFORMANCE").map_or(COMPARISONS, |all| all.parse().unwrap());
    all * part / parts
}

/// What the model answers, sorted.
fn answers(answer: &Value) -> Vec<&str> {
    answer["answers"].as_array().unwrap().iter().map(|answer| answer.as_str().unwrap()).collect()
}

#[test]
fn constraints_are_decided_as_by_semver() {
    let Some(mut model) = Model::start() else { return };
    let (mut tally, mut generator) = (Tally::default(), Generator::new(1));
    for _ in 0..share(2, 10) {
        let (constraint, version) = (generator.constraint(), generator.version());
        let answer = model.ask(&json!({"kind": "semver", "constraint": constraint, "version": version}));
        let decided = satisfies(&constraint, &version).map_or("panic".to_owned(), |fits| fits.to_string());
        tally.compared += 1;
        if answers(&answer) != [decided.as_str()] {
            tally.wrong.push(format!("`{constraint}` on `{version}`: {decided}, the model {answer}"));
        }
    }
    tally.report("constraints");
}

#[test]
fn chart_indexes_are_read_as_by_yaml_v3() {
    let Some(mut model) = Model::start() else { return };
    let (mut tally, mut generator) = (Tally::default(), Generator::new(2));
    for _ in 0..share(4, 10) {
        let yaml = generator.index();
        let answer = model.ask(&json!({"kind": "index", "yaml": BASE64_STANDARD.encode(&yaml)}));
        tally.compared += 1;
        let shown = || String::from_utf8_lossy(&yaml).into_owned();
        match ChartIndex::parse(&*yaml) {
            Ok(index) if answers(&answer) == ["ok"] => {
                if rows(&answer) != chart_rows(&index) {
                    tally.wrong.push(format!("{}\n{:?}\nthe model {answer}", shown(), index.versions()));
                }
            }
            Ok(_) => tally.wrong.push(format!("{}\nread, the model {answer}", shown())),
            Err(error) if answers(&answer) == ["ok"] => tally.refuse(&error.to_string()),
            Err(_) => {}
        }
    }
    tally.report("chart indexes");
}

fn chart_rows(index: &ChartIndex) -> Vec<Vec<String>> {
    let row = |chart: &oct::catalog::chart::ChartVersion| {
        vec![chart.list.clone(), chart.name.clone(), chart.version.clone(), chart.kube_version.clone()]
    };
    index.versions().iter().map(row).collect()
}

fn rows(answer: &Value) -> Vec<Vec<String>> {
    serde_json::from_value(answer["rows"].clone()).unwrap_or_default()
}

#[test]
fn folders_are_read_and_answer_as_the_model() {
    let Some(mut model) = Model::start() else { return };
    let (mut tally, mut generator) = (Tally::default(), Generator::new(3));
    let scratch = scratch();
    while tally.compared < share(4, 10) {
        let root = scratch.path().join("db");
        let files = generator.folder();
        lay(&root, &files);
        let before = tally.wrong.len();
        compare_folder(&mut model, &root, &mut generator, &mut tally);
        if tally.wrong.len() > before {
            let shown = files.iter().map(|(path, bytes)| format!("{path}: {}", String::from_utf8_lossy(bytes)));
            tally.wrong.push(shown.collect::<Vec<_>>().join("\n"));
        }
        fs::remove_dir_all(&root).unwrap();
    }
    tally.report("folders");
}

#[test]
fn folders_that_import_made_answer_as_the_model() {
    let Some(mut model) = Model::start() else { return };
    let (mut tally, mut generator) = (Tally::default(), Generator::new(4));
    let (desk, server) = (Desk::new(), server(300, 8));
    desk.bundle(&server, "out", &[]).expect(0);
    desk.run(&["import", &desk.archive("out"), "--to", "db"]).expect(0);
    let (images, contents) = read(&desk.join("db")).unwrap();
    generator.learn(&images, &contents);
    assert_eq!(answers(&model.ask(&json!({"kind": "load", "dir": desk.join("db")}))), ["ok"]);
    compare_contents(&images, &contents, &model.ask(&json!({"kind": "contents"})), &mut tally);
    let mut yes = 0;
    for _ in 0..100 {
        yes += compare_verdicts(&mut model, &desk.join("db"), &mut generator, &mut tally);
    }
    assert!(yes > 50, "{yes} of {} are certified", tally.compared);
    tally.report("imported folders");
}

/// A folder for folders, in memory where that can be.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn lay(root: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match bytes.strip_prefix(b"link:") {
            Some(target) => {
                std::os::unix::fs::symlink(std::str::from_utf8(target).unwrap(), path).unwrap();
            }
            None if path.to_str().unwrap().ends_with("/folder") => fs::create_dir(path).unwrap(),
            None => fs::write(path, bytes).unwrap(),
        }
    }
}

fn compare_folder(model: &mut Model, root: &Path, generator: &mut Generator, tally: &mut Tally) {
    let loaded = model.ask(&json!({"kind": "load", "dir": root}));
    tally.compared += 1;
    match read(root) {
        Ok((images, contents)) if answers(&loaded) == ["ok"] => {
            let skipped = loaded["skipped"].as_array().map_or(0, Vec::len);
            let passed_over = contents.remarks.iter().filter(|remark| remark.contains("skips it")).count();
            if skipped != passed_over {
                tally.wrong.push(format!("{:?}\nthe model skips {}", contents.remarks, loaded["skipped"]));
            }
            compare_contents(&images, &contents, &model.ask(&json!({"kind": "contents"})), tally);
            generator.learn(&images, &contents);
            compare_verdicts(model, root, generator, tally);
        }
        Ok(_) => tally.wrong.push(format!("read, the model {loaded}")),
        Err(error) if answers(&loaded) == ["ok"] => tally.refuse(&error.cause.to_string()),
        Err(_) => {}
    }
}

type Images = BTreeMap<String, ContainerEntry>;

/// A folder as `oct` reads it.
fn read(root: &Path) -> Result<(Images, Contents), FolderError> {
    let mut images = Images::new();
    let contents = TnfFolder::open(root).unwrap().contents(|digest, entry| {
        images.insert(digest.to_owned(), entry.clone());
        Ok(())
    })?;
    Ok((images, contents))
}

fn compare_contents(images: &Images, contents: &Contents, read: &Value, tally: &mut Tally) {
    let images: BTreeMap<&str, Value> = images
        .iter()
        .map(|(key, entry)| {
            let repositories = entry.repositories.iter().map(|place| {
                let tags: Vec<_> = place.tags.iter().map(|tag| json!({"name": tag.name})).collect();
                json!({"registry": place.registry, "repository": place.repository, "tags": tags})
            });
            let image = json!({
                "_id": entry.id, "creation_date": entry.creation_date, "architecture": entry.architecture,
                "certified": entry.certified, "repositories": repositories.collect::<Vec<_>>(),
            });
            (key.as_str(), image)
        })
        .collect();
    let mut due = read["images"].as_object().cloned().unwrap_or_default();
    for (key, image) in &mut due {
        match image.as_object_mut() {
            // Where `oct` has the name that old dumps use, certsuite has nothing.
            Some(image) => drop(image.remove("image_id")),
            None => {
                let empty =
                    json!({"_id": "", "creation_date": "", "architecture": "", "certified": false, "repositories": []});
                assert!(contents.remarks.iter().any(|remark| remark.contains("is null")), "{key}");
                *image = empty;
            }
        }
        let lists = image["repositories"].take();
        let filled = lists.as_array().cloned().unwrap_or_default().into_iter().map(|mut place| {
            if place["tags"].is_null() {
                place["tags"] = json!([]);
            }
            place
        });
        image["repositories"] = filled.collect();
    }
    if !images.iter().map(|(key, image)| (*key, image)).eq(due.iter().map(|(key, image)| (key.as_str(), image))) {
        tally.wrong.push(format!("images {images:?}\nthe model {due:?}"));
    }
    let mut operators: Vec<Vec<String>> = contents
        .operators
        .iter()
        .map(|row| [&row.csv_name, &row.ocp_version, &row.channel_name].map(|text| text.to_string()).to_vec())
        .filter(|row| row[0].contains('.'))
        .collect();
    let mut due = rows(read);
    for rows in [&mut operators, &mut due] {
        rows.sort();
        rows.dedup();
    }
    if operators != due {
        tally.wrong.push(format!("operators {operators:?}\nthe model {due:?}"));
    }
}

/// Asks both a few questions; returns how many are answered with yes.
fn compare_verdicts(model: &mut Model, root: &Path, generator: &mut Generator, tally: &mut Tally) -> usize {
    let asked: Vec<Value> = (0..QUESTIONS).map(|_| generator.question()).collect();
    let questions: Vec<Question> = asked.iter().map(question).collect();
    let mut lookup = Lookup::new(&questions);
    TnfFolder::open(root).unwrap().read(&mut lookup).unwrap();
    lookup.finish();
    let mut yes = 0;
    for (asked, question) in asked.iter().zip(&questions) {
        let verdict = offline::verdict(&lookup, question);
        let mut given = model.ask(asked);
        let said = if verdict.code() == "reader-crash" { "panic".to_owned() } else { verdict.certified().to_string() };
        // Without a version of Kubernetes `oct` does not answer; certsuite always has one.
        if verdict.code() == "kube-version-needed" {
            continue;
        }
        tally.compared += 1;
        yes += usize::from(verdict.certified());
        // Where certsuite may crash, `oct` says so.
        let answers = given["answers"].as_array_mut().unwrap();
        if answers.iter().any(|answer| answer == "panic") {
            answers.retain(|answer| answer == "panic");
        }
        if *answers != [json!(said)] {
            tally.wrong.push(format!("{asked}: {verdict}, the model {given}"));
        }
    }
    yes
}

fn question(asked: &Value) -> Question {
    let text = |field: &str| asked[field].as_str().unwrap_or_default().to_owned();
    match asked["kind"].as_str().unwrap() {
        "container" => Question::Image(ImageReference {
            registry: text("registry"),
            repository: text("repository"),
            tag: Some(text("tag")),
            digest: Some(text("digest")),
        }),
        "operator" => Question::Operator(OperatorQuestion { csv: text("csv"), ocp: Some(text("ocp")) }),
        _ => Question::Chart(ChartQuestion { name: text("name"), version: text("version"), kube: Some(text("kube")) }),
    }
}
