//! `oct check`: each rule on a small folder with recorded verdicts, and everything that stands in made-up catalogs.

use std::path::{Path, PathBuf};

use oct::catalog::OperatorPages;
use oct::catalog::document::Operator;
use oct::catalog::folder::Reader;
use oct::certify::lookup::Lookup;
use oct::certify::questions::{OperatorQuestion, Question};
use proptest::prelude::*;
use serde_json::Value;
use standin::{Catalog, Knobs, MadeUp, Standin};

use crate::cli_support::{Desk, text};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(crate::ROOT).join("tests/it/fixtures").join(name)
}

/// Asks all `lines` at once; the rows of the answer.
pub fn ask(host: &Desk, db: &str, lines: &[String]) -> Value {
    std::fs::write(host.join("questions.txt"), lines.join("\n")).unwrap();
    let output =
        host.output(&["check", "--from", "questions.txt", "--db", db, "--json", "--online-rules", "--key", "oct.pub"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn made_up(seed: u64) -> Standin {
    let made_up = MadeUp { images: 700, bundles: 560, charts: 30, seed, ..MadeUp::default() };
    Standin::start(Catalog::made_up(&made_up), Knobs::default())
}

/// A host with an installed catalog of `server` in `db`.
fn installed(server: &Standin) -> Desk {
    let host = Desk::with_key();
    let output = host.fetched(server, &[]);
    assert!(output.status.success(), "{}", text(&output));
    host.ok(&["import", &host.newest(), "--key", "oct.pub", "--to", "db"]);
    host
}

#[test]
fn each_rule_on_the_folder_with_recorded_verdicts() {
    let recorded = std::fs::read_to_string(fixture("rules/verdicts.txt")).unwrap();
    let cases: Vec<_> = recorded.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut lines = Vec::new();
    for case in &cases {
        let mut question = case.split_once(" image ").map(|(_, rest)| format!("image {rest}"));
        for kind in ["operator", "chart"] {
            question = question.or(case.split_once(&format!(" {kind} ")).map(|(_, rest)| format!("{kind} {rest}")));
        }
        let mut question = question.unwrap();
        for digit in "0123456789abcdef".chars() {
            let digest = format!("@sha256:{}", digit.to_string().repeat(64));
            question = question.replace(&format!("@D{digit}"), &digest);
        }
        lines.push(question);
    }
    let host = Desk::with_key();
    let answer = ask(&host, &fixture("rules").display().to_string(), &lines);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), cases.len());
    for (case, row) in cases.iter().zip(rows) {
        let words: Vec<_> = case.split_whitespace().take(3).collect();
        let yes = |value: &Value| if value["certified"] == true { "yes" } else { "no" };
        let given = [yes(&row["offline"]), yes(&row["online"]), row["offline"]["code"].as_str().unwrap()];
        assert_eq!(given, words[..], "{case}: {row:#}");
        assert_eq!(row["difference"].is_null(), words[0] == words[1], "{case}");
    }
}

/// Every way to ask for an image, from its document.
fn image_lines(image: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let own = image["image_id"].as_str();
    for repository in image["repositories"].as_array().into_iter().flatten() {
        let text = |field: &str| repository[field].as_str().filter(|text| !text.is_empty());
        let (Some(registry), Some(path)) = (text("registry"), text("repository")) else { continue };
        let digests = [own, text("manifest_list_digest"), text("manifest_schema2_digest")];
        lines.extend(digests.into_iter().flatten().map(|digest| format!("image {registry}/{path}@{digest}")));
        for tag in repository["tags"].as_array().into_iter().flatten() {
            lines.extend(tag["name"].as_str().map(|tag| format!("image {registry}/{path}:{tag}")));
        }
    }
    lines
}

#[test]
fn everything_certified_is_found_and_nothing_else_by_index_and_without() {
    let seeds = std::env::var("OCT_TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    for seed in 11..11 + seeds {
        let server = made_up(seed);
        let host = installed(&server);
        let truth = server.truth();
        let mut lines: Vec<_> = truth.certified.iter().flat_map(|image| image_lines(&image.reduced())).collect();
        for bundle in ["certified-operators", "redhat-operators"].iter().flat_map(|it| &truth.bundles[*it]) {
            let bundle = bundle.reduced();
            let text = |field: &str| bundle[field].as_str().filter(|text| !text.is_empty());
            if let Some(csv) = text("csv_name").filter(|csv| csv.contains('.')) {
                lines.push(format!("operator {csv}"));
                lines.extend(text("ocp_version").map(|ocp| format!("operator {csv} {ocp}")));
            }
        }
        let charts = truth.charts.iter().filter(|chart| chart.kube_version.is_none());
        lines.extend(charts.map(|chart| format!("chart {} {}", chart.name, chart.version)));
        let certified = lines.len();
        assert!(lines.iter().filter(|line| line.contains('@')).count() > 1_000);
        // The same, made to be something else.
        let strangers: Vec<_> = lines
            .iter()
            .map(|line| {
                let last = line.pop_last();
                match line.split(' ').next() {
                    Some("image") if line.contains('@') => {
                        format!("{}{}", last.0, if last.1 == 'f' { '0' } else { 'f' })
                    }
                    _ => format!("{line}9"),
                }
            })
            .collect();
        lines.extend(strangers);
        let answer = ask(&host, "db", &lines);
        assert_eq!(answer["warnings"], serde_json::json!([]));
        let rows = answer["rows"].as_array().unwrap();
        for (line, row) in lines.iter().zip(rows).take(certified) {
            assert_eq!(row["offline"]["certified"], true, "{line}: {row:#}");
        }
        // Some made-up change hits something that is listed; the plain data must say the same of it.
        let others = rows[certified..].iter().filter(|row| row["offline"]["certified"] == true).count();
        assert!(others * 50 < certified, "{others} of {certified}");
        for (line, row) in lines.iter().zip(rows).skip(certified).filter(|(line, _)| line.contains('@')) {
            assert_eq!(row["offline"]["code"], "no-digest", "{line}");
        }

        let archive = ask(&host, &host.newest(), &lines);
        assert_eq!(archive["kind"], "archive");
        assert!(archive["rows"] == answer["rows"]);
    }
}

trait PopLast {
    fn pop_last(&self) -> (&str, char);
}

impl PopLast for String {
    fn pop_last(&self) -> (&str, char) {
        let last = self.chars().next_back().unwrap();
        (&self[..self.len() - last.len_utf8()], last)
    }
}

#[test]
fn an_image_is_certified_by_the_digest_of_its_manifest_list() {
    let server = made_up(13);
    let host = installed(&server);
    let certified = server.truth().certified;
    let images = certified.iter().map(standin::Document::reduced);
    let lists: Vec<_> = images
        .filter(|image| image["image_id"].is_string())
        .filter_map(|image| Some(image["repositories"][0]["manifest_list_digest"].as_str()?.to_owned()))
        .collect();
    assert!(lists.len() > 50);
    let lines: Vec<_> = lists.iter().map(|digest| format!("registry.example/any/name@{digest}")).collect();
    let answer = ask(&host, "db", &lines);
    assert_eq!(answer["summary"]["certified"], lines.len());
}

#[test]
fn after_a_rollback_the_version_that_was_put_back_answers() {
    let server = made_up(16);
    let host = installed(&server);
    let removed = server.truth().certified.iter().find_map(|image| {
        let line = image_lines(&image.reduced()).into_iter().find(|line| line.contains('@'))?;
        Some((image.id.clone(), line))
    });
    let (id, line) = removed.unwrap();
    server.remove(&id);
    std::fs::create_dir(host.join("second")).unwrap();
    let (catalog, charts) = (server.catalog_url(), server.charts_url());
    host.ok(&["bundle", "--out", "second", "--catalog-url", &catalog, "--charts-url", &charts]);
    host.ok(&["import", "second", "--key", "oct.pub", "--to", "db", "--allow-downgrade"]);
    let state = || {
        let answer = ask(&host, "db", std::slice::from_ref(&line));
        answer["rows"][0]["offline"]["certified"] == true
    };
    assert!(!state());
    host.ok(&["rollback", "db", "--key", "oct.pub"]);
    assert!(state());
}

#[test]
fn exit_codes_hints_and_untrusted_folders() {
    let server = made_up(15);
    let host = installed(&server);
    assert!(host.fails(2, &["check", "image", "redis", "--db", "db"]).contains("names no registry"));
    assert!(host.fails(2, &["check", "--db", "db"]).contains("there is no question"));
    assert!(host.fails(2, &["check", "operator", "a.v1", "--ocp", "new"]).contains("is not an OpenShift version"));
    assert!(host.fails(4, &["check", "operator", "a.v1", "--db", "nowhere"]).contains("holds no catalog"));
    let error = host.fails(1, &["check", "operator", "a.v1", "--db", "db"]);
    assert!(error.contains("is not proved") && error.contains("--key"), "{error}");
    assert!(host.fails(4, &["check", "operator", "a.v1", "--db", &host.newest()]).contains("key"));
    let csv = server.truth().bundles["certified-operators"]
        .iter()
        .map(|bundle| bundle.reduced()["csv_name"].as_str().unwrap_or_default().to_owned())
        .find(|csv| csv.contains('.'))
        .unwrap();
    let answer = host.ok(&["check", "operator", &csv, "--db", "db", "--key", "oct.pub"]);
    assert!(answer.contains("1 of 1 certified"), "{answer}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pages_read_by_one_slice_are_the_triples_that_were_written(
        rows in prop::collection::vec(("[a-c]{0,2}(\\.v[0-3])?", "(4\\.[0-2])?", "[xy]?"), 0..1_300)
    ) {
        let mut written: Vec<_> = rows
            .iter()
            .map(|(csv, ocp, channel)| Operator {
                csv_name: csv.as_str().into(), ocp_version: ocp.as_str().into(), channel_name: channel.as_str().into(),
            })
            .collect();
        written.sort_unstable();
        let question = |csv: &str| Question::Operator(OperatorQuestion { csv: csv.to_owned(), ocp: None });
        let questions: Vec<_> = written.iter().map(|bundle| question(&bundle.csv_name)).collect();
        let (mut lookup, mut reader) = (Lookup::new(&questions), Reader::default());
        let mut slice: Vec<Value> = Vec::new();
        let mut read = Vec::new();
        for (number, page) in written.chunks(500).enumerate() {
            let mut bytes = Vec::new();
            oct::catalog::write_operator_page(page, number, written.len(), &mut bytes).unwrap();
            prop_assert_eq!(OperatorPages::default().read(&bytes[..], |_| {}).unwrap().rows, page.len() as u64);
            reader.read("data/operators/page", &bytes[..], &mut lookup).unwrap();
            // The model of Go's decoder: what a row does not name stays as an earlier page left it.
            let raw: Value = serde_json::from_slice(&bytes).unwrap();
            for (position, row) in raw["data"].as_array().unwrap().iter().enumerate() {
                if position == slice.len() { slice.push(serde_json::json!({})); }
                for (field, value) in row.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
                    slice[position][field] = value.clone();
                }
                read.push(["csv_name", "ocp_version", "channel_name"].map(|it| slice[position][it].as_str().unwrap().to_owned()));
            }
        }
        let triples: Vec<_> = written
            .iter()
            .map(|it| [&it.csv_name, &it.ocp_version, &it.channel_name].map(|field| field.to_string()))
            .collect();
        prop_assert_eq!(&read, &triples);
        for [csv, ocp, _] in &triples {
            let mut found = lookup.operators(oct::certify::offline::operator_name(csv));
            prop_assert!(found.any(|bundle| bundle.csv == *csv && bundle.ocp == *ocp));
        }
    }
}
