//! Tests of [`super`] on a small catalog in memory, one case for each rule.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::catalog::chart::ChartVersion;
use crate::catalog::{ContainerEntry, ContainerRepository, TagName};
use crate::certify::online::{Comparison, Difference, compare};
use crate::certify::questions::Row;

/// Registry, repository and tags.
type Repository = (&'static str, &'static str, Vec<&'static str>);

/// A catalog as the rules see it: images by key, bundles, and chart entries in index order.
#[derive(Default)]
struct Catalog {
    images: BTreeMap<&'static str, (bool, Vec<Repository>)>,
    bundles: Vec<(String, &'static str)>,
    charts: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    /// Keys of entries that are null.
    nulls: Vec<&'static str>,
}

impl Catalog {
    fn lookup(&self, question: &Question) -> Lookup {
        let mut lookup = Lookup::new([question]);
        for (key, (certified, repositories)) in &self.images {
            let repositories = repositories.iter().map(|(registry, repository, tags)| ContainerRepository {
                registry: (*registry).into(),
                repository: (*repository).into(),
                tags: tags.iter().map(|tag| TagName { name: (*tag).into() }).collect(),
            });
            let entry =
                ContainerEntry { certified: *certified, repositories: repositories.collect(), ..Default::default() };
            lookup.add_image(key, Some(&entry));
        }
        self.nulls.iter().for_each(|key| lookup.add_image(key, None));
        self.bundles.iter().for_each(|(csv, ocp)| lookup.add_operator(csv, ocp));
        lookup.add_charts(self.charts.iter().map(|(list, name, version, kube)| ChartVersion {
            list: (*list).into(),
            name: (*name).into(),
            version: (*version).into(),
            kube_version: (*kube).into(),
        }));
        lookup.finish();
        lookup
    }

    fn offline(&self, question: &Question) -> Verdict {
        verdict(&self.lookup(question), question)
    }
}

fn image(registry: &str, repository: &str, tag: Option<&str>, digest: Option<&str>) -> Question {
    Question::Image(ImageReference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    })
}

fn operator(csv: &str, ocp: Option<&str>) -> Question {
    Question::Operator(OperatorQuestion { csv: csv.to_owned(), ocp: ocp.map(str::to_owned) })
}

fn chart(name: &str, version: &str, kube: Option<&str>) -> Question {
    Question::Chart(ChartQuestion { name: name.to_owned(), version: version.to_owned(), kube: kube.map(str::to_owned) })
}

/// Both verdicts with their messages, and the difference.
fn answers(catalog: &Catalog, question: &Question) -> (String, String, Option<Difference>) {
    let lookup = catalog.lookup(question);
    let Comparison { offline, online, difference } =
        compare(&lookup, &Row::asked(question.clone())).expect("a question");
    assert_eq!(difference.is_some(), offline.certified() != online.certified());
    let say = |verdict: &Verdict| {
        let sign = if verdict.certified() { "yes" } else { "no" };
        format!("{sign}, {}: {verdict}", verdict.code())
    };
    (say(&offline), say(&online), difference)
}

fn assert_same(catalog: &Catalog, question: &Question, answer: &str) {
    assert_eq!(answers(catalog, question), (answer.to_owned(), answer.to_owned(), None), "{question}");
}

fn images() -> Catalog {
    let partner = |tags| vec![("quay.io", "acme/web", tags)];
    Catalog {
        images: BTreeMap::from([
            ("sha256:aa", (true, partner(vec!["1", "2"]))),
            ("sha256:bb", (false, vec![("registry.access.redhat.com", "ubi9", vec!["9.4"])])),
            ("sha256:cc", (false, vec![("quay.io", "acme/draft", vec!["latest", "1"])])),
            ("sha256:dd", (true, vec![("quay.io", "acme/tool", vec!["latest"])])),
        ]),
        ..Catalog::default()
    }
}

#[test]
fn with_a_digest_only_the_digest_counts() {
    let catalog = images();
    for (registry, repository, tag) in
        [("quay.io", "acme/web", Some("1")), ("other.io", "any/thing", Some("x")), ("", "", None)]
    {
        assert_same(
            &catalog,
            &image(registry, repository, tag, Some("sha256:aa")),
            "yes, digest-listed: digest sha256:aa is listed",
        );
        assert_same(
            &catalog,
            &image(registry, repository, tag, Some("sha256:AA")),
            "no, no-digest: no entry for digest sha256:AA",
        );
    }
}

#[test]
fn without_a_digest_the_tag_must_stand_in_that_repository() {
    let catalog = images();
    for digest in [None, Some("")] {
        assert_same(
            &catalog,
            &image("quay.io", "acme/web", Some("2"), digest),
            "yes, tag-listed: tag 2 is listed in quay.io/acme/web",
        );
    }
    for (registry, repository, answer) in [
        ("quay.io", "acme/web", "no, no-tag: tag 3 not found in quay.io/acme/web (it holds other images)"),
        ("docker.io", "acme/web", "no, no-repository: no image of docker.io/acme/web is listed"),
        ("quay.io", "web", "no, no-repository: no image of quay.io/web is listed"),
    ] {
        assert_same(&catalog, &image(registry, repository, Some("3"), None), answer);
    }
}

#[test]
fn red_hats_registry_is_looked_up_under_its_other_name() {
    let catalog = images();
    assert_same(
        &catalog,
        &image("registry.redhat.io", "ubi9", Some("9.4"), None),
        "yes, tag-listed: tag 9.4 is listed in registry.access.redhat.com/ubi9 (where registry.redhat.io is looked up)",
    );
    assert_same(
        &catalog,
        &image("registry.redhat.io", "ubi8", Some("1"), None),
        "no, no-repository: no image of registry.access.redhat.com/ubi8 (where registry.redhat.io is looked up) is listed",
    );
    assert_same(
        &catalog,
        &image("registry.access.redhat.com", "ubi9", Some("9.4"), None),
        "yes, tag-listed: tag 9.4 is listed in registry.access.redhat.com/ubi9",
    );
}

#[test]
fn without_a_tag_offline_asks_for_latest_and_online_for_any() {
    let catalog = images();
    assert_eq!(
        answers(&catalog, &image("quay.io", "acme/web", None, None)),
        (
            "no, no-tag: tag latest (the default, because none is given) not found in quay.io/acme/web (it holds other images)"
                .to_owned(),
            "yes, repository-listed: a certified image is listed in quay.io/acme/web".to_owned(),
            Some(Difference::NoTag),
        )
    );
    let (reader, online, difference) = answers(&catalog, &image("quay.io", "acme/tool", Some(""), None));
    assert_eq!(reader, "yes, tag-listed: tag latest, the default where none is given, is listed in quay.io/acme/tool");
    assert_eq!(
        (online.as_str(), difference),
        ("yes, repository-listed: a certified image is listed in quay.io/acme/tool", None)
    );
    assert_same(
        &catalog,
        &image("quay.io", "acme/none", None, None),
        "no, no-repository: no image of quay.io/acme/none is listed",
    );
}

#[test]
fn only_online_looks_at_the_mark() {
    let catalog = images();
    for (question, offline, online) in [
        (
            image("x", "y", None, Some("sha256:cc")),
            "yes, digest-listed: digest sha256:cc is listed",
            "no, uncertified: digest sha256:cc is listed, but not marked certified",
        ),
        (
            image("quay.io", "acme/draft", Some("1"), None),
            "yes, tag-listed: tag 1 is listed in quay.io/acme/draft",
            "no, uncertified: tag 1 of quay.io/acme/draft is listed, but not marked certified",
        ),
        (
            image("quay.io", "acme/draft", None, None),
            "yes, tag-listed: tag latest, the default where none is given, is listed in quay.io/acme/draft",
            "no, uncertified: quay.io/acme/draft is listed, but not marked certified",
        ),
    ] {
        let expected = (offline.to_owned(), online.to_owned(), Some(Difference::Uncertified));
        assert_eq!(answers(&catalog, &question), expected);
    }
    assert_same(&catalog, &image("x", "y", None, Some("sha256:bb")), "yes, digest-listed: digest sha256:bb is listed");
}

#[test]
fn an_entry_that_is_null_is_found_by_digest_and_crashes_the_search_for_a_tag() {
    let catalog = Catalog { nulls: vec!["sha256:00", "sha256:01"], ..images() };
    let (offline, online, difference) = answers(&catalog, &image("quay.io", "acme/web", Some("1"), None));
    assert_eq!(offline, "no, reader-crash: certsuite can crash on the entry sha256:00 of the images, which is null");
    assert!(online.starts_with("yes, tag-listed"), "{online}");
    assert_eq!(difference, Some(Difference::NullImage));
    assert_same(
        &Catalog { nulls: vec!["sha256:00"], ..Catalog::default() },
        &image("x", "y", None, Some("sha256:01")),
        "no, no-digest: no entry for digest sha256:01",
    );
    let (offline, ..) = answers(&catalog, &image("quay.io", "acme/web", Some("9"), None));
    assert!(offline.contains("would crash"), "{offline}");
    let (offline, ..) = answers(&catalog, &image("x", "y", None, Some("sha256:00")));
    assert_eq!(offline, "yes, digest-listed: digest sha256:00 is listed");
}

#[test]
fn the_last_of_two_entries_with_one_key_counts() {
    let question = image("quay.io", "a", Some("1"), None);
    let entry = |tag: &str| ContainerEntry {
        certified: true,
        repositories: vec![ContainerRepository {
            registry: "quay.io".into(),
            repository: "a".into(),
            tags: vec![TagName { name: tag.into() }].into(),
        }]
        .into(),
        ..Default::default()
    };
    for (entries, code) in [
        (vec![("k", Some("1")), ("k", Some("2"))], "no-tag"),
        (vec![("k", Some("2")), ("k", Some("1"))], "tag-listed"),
        (vec![("k", Some("1")), ("l", Some("2"))], "tag-listed"),
        (vec![("k", None), ("k", Some("1"))], "tag-listed"),
        (vec![("k", Some("1")), ("k", None)], "reader-crash"),
    ] {
        let mut lookup = Lookup::new([&question]);
        entries.iter().for_each(|(key, tag)| lookup.add_image(key, tag.map(entry).as_ref()));
        lookup.finish();
        assert_eq!(verdict(&lookup, &question).code(), code, "{entries:?}");
    }
    let mut lookup = Lookup::new([&question]);
    lookup.add_image("k", Some(&entry("1")));
    lookup.add_image("k", Some(&ContainerEntry::default()));
    lookup.finish();
    assert_eq!(verdict(&lookup, &question).code(), "no-repository");
}

fn operators() -> Catalog {
    let bundles = [
        ("acme-db.v1.2.3", "4.9"),
        ("acme-db.v1.2.3", "4.10"),
        ("acme-db.v1.2.4", "4.10"),
        ("plain", "4.10"),
        ("ab.v1.ab.2", "4.10"),
        ("end.", "4.10"),
        (".hidden.v1", "4.10"),
        ("open.v1", ""),
    ];
    Catalog { bundles: bundles.map(|(csv, ocp)| (csv.to_owned(), ocp)).to_vec(), ..Catalog::default() }
}

#[test]
fn a_bundle_must_match_in_name_version_and_ocp() {
    let catalog = operators();
    for (csv, ocp, answer) in [
        ("acme-db.v1.2.3", Some("4.9"), "yes, operator-listed: acme-db.v1.2.3 is listed for OpenShift 4.9"),
        ("acme-db.v1.2.3", None, "yes, operator-listed: acme-db.v1.2.3 is listed"),
        ("acme-db.v1.2.3", Some(""), "yes, operator-listed: acme-db.v1.2.3 is listed"),
        (
            "acme-db.v1.2.3",
            Some("4.11"),
            "no, other-ocp: acme-db.v1.2.3 is not listed for OpenShift 4.11, only for 4.9, 4.10",
        ),
        (
            "acme-db.v1.2.3",
            Some("4.1"),
            "no, other-ocp: acme-db.v1.2.3 is not listed for OpenShift 4.1, only for 4.9, 4.10",
        ),
        (
            "acme-db.v1.2",
            None,
            "no, no-operator-version: acme-db.v1.2 is not listed, but other versions of acme-db are",
        ),
        ("acme-DB.v1.2.3", None, "no, no-operator: no operator acme-DB is listed"),
        ("other.v1", Some("4.9"), "no, no-operator: no operator other is listed"),
        (
            "acme-db",
            None,
            "no, csv-without-dot: `acme-db` names no version; hint: write the whole CSV name, as `oc get csv` prints it",
        ),
        (".hidden.v1", None, "yes, operator-listed: .hidden.v1 is listed"),
        ("open.v1", None, "yes, operator-listed: open.v1 is listed"),
        ("open.v1", Some("4.9"), "no, other-ocp: open.v1 is not listed for OpenShift 4.9, only for no version"),
    ] {
        assert_same(&catalog, &operator(csv, ocp), answer);
    }
}

#[test]
fn csv_names_are_cut_in_odd_ways() {
    for (csv, name, version) in [
        ("a.v1.2", "a", "v1.2"),
        ("a", "a", ""),
        ("", "", ""),
        ("a.", "a", ""),
        (".v1", "", "v1"),
        (".v1.2", "", "v1"),
        ("ab.v1.ab.2", "ab", "v1."),
        ("ab.xab.2", "ab", "x"),
        ("ab.ab.2", "ab", ""),
        ("ä.ö", "ä", "ö"),
    ] {
        assert_eq!(split_csv(csv), (name, version), "{csv}");
    }
    let catalog = operators();
    assert_eq!(
        answers(&catalog, &operator("plain", Some("4.10"))),
        (
            "no, csv-without-dot: `plain` names no version; hint: write the whole CSV name, as `oc get csv` prints it"
                .to_owned(),
            "yes, operator-listed: plain is listed for OpenShift 4.10".to_owned(),
            Some(Difference::CsvWithoutDot),
        )
    );
    for (csv, taken) in [("ab.v1.ab.9", "ab.v1.ab.2"), ("end", "end.")] {
        let (reader, online, difference) = answers(&catalog, &operator(csv, None));
        assert_eq!(reader, format!("yes, operator-listed: {taken} is listed"));
        assert!(online.starts_with("no, "), "{online}");
        assert_eq!(difference, Some(Difference::CsvCut));
    }
}

#[test]
fn charts_go_by_their_own_name_and_the_clusters_version() {
    let catalog = Catalog {
        charts: vec![
            ("acme-vault", "vault", "1.0.0", ""),
            ("acme-vault", "vault", "1.1.0", ">=1.20.0"),
            ("acme-vault", "vault", "1.2.0", ">=1.20.0-0 <1.30"),
        ],
        ..Catalog::default()
    };
    for (name, version, kube, answer) in [
        ("vault", "1.0.0", None, "yes, chart-listed: vault 1.0.0 is listed for every Kubernetes version"),
        ("vault", "1.0.0", Some("nonsense"), "yes, chart-listed: vault 1.0.0 is listed for every Kubernetes version"),
        (
            "vault",
            "1.1.0",
            Some("v1.29.4+f00"),
            "yes, chart-listed: vault 1.1.0 is listed and its kubeVersion `>=1.20.0` is met",
        ),
        (
            "vault",
            "1.1.0",
            Some("1.29.0-rc.1"),
            "no, kube-version: chart vault 1.1.0 wants Kubernetes `>=1.20.0`, which 1.29.0-rc.1 does not meet",
        ),
        (
            "vault",
            "1.2.0",
            Some("1.29.0-rc.1"),
            "yes, chart-listed: vault 1.2.0 is listed and its kubeVersion `>=1.20.0-0 <1.30` is met",
        ),
        (
            "vault",
            "1.2.0",
            None,
            "no, kube-version-needed: chart vault 1.2.0 wants Kubernetes `>=1.20.0-0 <1.30`; hint: give the cluster's Kubernetes version",
        ),
        (
            "vault",
            "1.1.0",
            Some(""),
            "no, reader-crash: certsuite would crash on the kubeVersion of chart vault 1.1.0: `` is not a version: it is empty",
        ),
        ("vault", "v1.0.0", None, "no, no-chart-version: chart vault is not listed in version v1.0.0, only in others"),
        ("acme-vault", "1.0.0", None, "no, no-chart: no chart acme-vault is listed"),
    ] {
        assert_same(&catalog, &chart(name, version, kube), answer);
    }
}

#[test]
fn the_first_entry_of_a_list_that_decides_decides() {
    let charts = |entries: &[(&'static str, &'static str)]| Catalog {
        charts: entries.iter().map(|(list, kube)| (*list, "c", "1", *kube)).collect(),
        ..Catalog::default()
    };
    let code = |entries: &[(&'static str, &'static str)], kube: Option<&str>| {
        charts(entries).offline(&chart("c", "1", kube)).code()
    };
    let kube = Some("1.25");
    assert_eq!(code(&[("l", "<1"), ("l", ">1.20")], kube), "chart-listed");
    assert_eq!(code(&[("l", "<1"), ("l", "")], kube), "chart-listed");
    assert_eq!(code(&[("l", "<1"), ("l", "broken"), ("l", "")], kube), "reader-crash");
    assert_eq!(code(&[("l", ">1.20"), ("l", "broken")], kube), "chart-listed");
    assert_eq!(code(&[("l", "<1"), ("m", "")], kube), "chart-listed");
    assert_eq!(code(&[("l", "<1"), ("l", "")], None), "chart-listed");
    assert_eq!(code(&[("l", "<1"), ("l", ">1")], None), "kube-version-needed");
    assert_eq!(code(&[("l", "<1"), ("l", "broken")], None), "reader-crash");
    for entries in [[("l", ""), ("m", "broken")], [("l", "broken"), ("m", "")]] {
        let verdict = charts(&entries).offline(&chart("c", "1", kube));
        assert_eq!(
            verdict.to_string(),
            "certsuite can crash on the kubeVersion of chart c 1: `broken` is not a version constraint: there is no \
             version, with or without an operator, at `broken`"
        );
    }
}

proptest! {
    #[test]
    fn a_csv_is_its_name_a_dot_and_its_version_unless_the_name_recurs(csv in "[ab]{0,2}\\.[ab.v1]{0,8}") {
        let (name, version) = split_csv(&csv);
        prop_assert!(!name.contains('.'));
        let whole = format!("{name}.{version}");
        let recurs = csv[name.len() + 1..].contains(&csv[..=name.len()]);
        prop_assert_eq!(whole == csv, !recurs);
        prop_assert!(csv.starts_with(&whole));
    }

    #[test]
    fn every_bundle_that_is_listed_is_certified_offline(csvs in prop::collection::vec("[ab]{1,2}\\.[ab.]{0,6}", 1..5)) {
        let catalog = Catalog { bundles: csvs.iter().map(|csv| (csv.clone(), "4.1")).collect(), ..Catalog::default() };
        for csv in &csvs {
            prop_assert!(catalog.offline(&operator(csv, Some("4.1"))).certified());
        }
    }
}
