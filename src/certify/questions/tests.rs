//! Tests of [`super`]: every form with the shapes that exist in the wild, and what is refused in each.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const DIGEST: &str = "sha256:b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184";
const OTHER: &str = "sha256:591785b794601e212b260e25925636fd591785b794601e212b260e25925636fd";

fn cluster(ocp: Option<&str>, kube: Option<&str>) -> Cluster {
    Cluster { ocp: ocp.map(str::to_owned), kube: kube.map(str::to_owned) }
}

/// The rows as text: label, kind and question, or label and refusal; a `*` where there is a note.
fn rows(text: &str, given: &Cluster) -> Vec<String> {
    let questions = parse(text, given).expect("readable");
    let row = |row: &Row| {
        let note = if row.note.is_some() { "*" } else { "" };
        match &row.question {
            Ok(question) => format!("{}{note}: {} {question}", row.label, question.kind()),
            Err(refused) => format!("{}{note}: {refused}", row.label),
        }
    };
    questions.rows.iter().map(row).collect()
}

#[test]
fn lines_say_their_kind_or_show_it() {
    let text = format!(
        "\u{feff}# what runs here\n\nimage quay.io/acme/web:1\n  quay.io/acme/web@{DIGEST}\t\r\ndocker://quay.io/acme/web\n\
         operator acme-db\nacme-db.v1.2.3\nacme-db.v1.2.3 4.14\noperator acme-db.v1 v4.15.3\n\
         chart acme 1.0.0\nacme 1.0.0 v1.29.1\n"
    );
    assert_eq!(
        rows(&text, &cluster(Some("4.16.2"), Some("1.28"))),
        [
            "line 3: image quay.io/acme/web:1".to_owned(),
            format!("line 4: image quay.io/acme/web@{DIGEST}"),
            "line 5: image quay.io/acme/web".to_owned(),
            "line 6: operator acme-db on OpenShift 4.16".to_owned(),
            "line 7: operator acme-db.v1.2.3 on OpenShift 4.16".to_owned(),
            "line 8: operator acme-db.v1.2.3 on OpenShift 4.14".to_owned(),
            "line 9: operator acme-db.v1 on OpenShift 4.15".to_owned(),
            "line 10: chart acme 1.0.0 on Kubernetes 1.28".to_owned(),
            "line 11: chart acme 1.0.0 on Kubernetes v1.29.1".to_owned(),
        ]
    );
    assert_eq!(
        rows("acme-db.v1\nacme 1", &Cluster::default()),
        ["line 1: operator acme-db.v1", "line 2: chart acme 1"]
    );
}

#[test]
fn lines_that_cannot_be_asked_keep_their_row() {
    assert_eq!(
        rows("redis\nredis:7\nimage\na b c d\nx.v1 soon\noperator a 4.1 x\nchart a\nacme/web", &Cluster::default()),
        [
            "line 1: `redis` could be anything; hint: begin the line with image, operator or chart",
            "line 2: `redis:7` is not an image reference: it names no registry; hint: write the whole name, such as \
             registry.connect.redhat.com/redis:7 or docker.io/redis:7",
            "line 3: `image` does not fit; hint: write image REFERENCE",
            "line 4: `a b c d` could be anything; hint: begin the line with image, operator or chart",
            "line 5: `x.v1 soon` does not fit; hint: write operator CSV [OCP], with OCP such as 4.16",
            "line 6: `operator a 4.1 x` does not fit; hint: write operator CSV [OCP]",
            "line 7: `chart a` does not fit; hint: write chart NAME VERSION [KUBE]",
            "line 8: `acme/web` is not an image reference: it names no registry; hint: write the whole name, such as \
             registry.connect.redhat.com/acme/web or docker.io/acme/web",
        ]
    );
}

fn pod_json() -> serde_json::Value {
    json!({
        "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "shop"},
        "spec": {
            "initContainers": [{"name": "wait", "image": "quay.io/acme/wait:1"}],
            "containers": [
                {"name": "web", "image": format!("quay.io/acme/web:2@{OTHER}")},
                {"name": "cache", "image": "redis:7"},
                {"name": "odd", "image": "Not An Image"},
                {"name": "none"},
            ],
            "ephemeralContainers": [{"name": "look", "image": "quay.io/acme/look"}],
        },
        "status": {
            "initContainerStatuses": [{"name": "wait", "imageID": format!("quay.io/acme/wait@{OTHER}")}],
            "containerStatuses": [
                {"name": "cache", "imageID": format!("docker-pullable://docker.io/library/redis@{DIGEST}")},
                {"name": "odd", "imageID": DIGEST},
                {"name": "web", "imageID": format!("mirror.bastion:5000/acme/web@{DIGEST}"), "ready": true},
            ],
            "ephemeralContainerStatuses": null,
        },
    })
}

#[test]
fn every_container_of_a_pod_is_paired_with_its_status() {
    let expected = [
        format!("shop/web-0/wait: image quay.io/acme/wait:1@{OTHER}"),
        format!("shop/web-0/web: image quay.io/acme/web:2@{DIGEST}"),
        format!("shop/web-0/cache: image docker.io/library/redis@{DIGEST}"),
        "shop/web-0/odd*: `Not An Image` is not an image reference: it names no registry; hint: write the whole name, \
         such as registry.connect.redhat.com/Not An Image or docker.io/Not An Image"
            .to_owned(),
        "shop/web-0/none*: the record has no image".to_owned(),
        "shop/web-0/look*: image quay.io/acme/look".to_owned(),
    ];
    let single = pod_json();
    assert_eq!(rows(&single.to_string(), &Cluster::default()), expected);
    let others =
        json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"containers": [{"name": "x", "image": "y"}]}});
    let pending = json!({"metadata": {"name": "p"}, "spec": {"containers": null}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [others, single, pending], "metadata": {}});
    assert_eq!(rows(&list.to_string(), &Cluster::default()), expected);
}

#[test]
fn releases_are_cut_into_name_and_version() {
    let text = json!([
        {"name": "hub", "namespace": "dev", "revision": "3", "chart": "developer-hub-1.2.0", "app_version": "1.2"},
        {"name": "bad", "namespace": "dev", "chart": "nothing"},
        {"name": "empty", "namespace": null},
    ])
    .to_string();
    assert_eq!(
        rows(&text, &cluster(None, Some("1.30"))),
        [
            "dev/hub: chart developer-hub 1.2.0 on Kubernetes 1.30",
            "dev/bad: `nothing` does not end in a chart's version; hint: ask for it with `check chart NAME VERSION`",
            "empty: the record has no chart",
        ]
    );
    for (chart, cut) in [
        ("a-1.0.0", Some(("a", "1.0.0"))),
        ("a-b-v1.0.0-rc.1+x-y", Some(("a-b", "v1.0.0-rc.1+x-y"))),
        ("hub-2-1.0.0-1", Some(("hub-2", "1.0.0-1"))),
        ("a-1.0.0-2.0.0", Some(("a", "1.0.0-2.0.0"))),
        ("a-1.2", Some(("a", "1.2"))),
        ("a-", None),
        ("-1.0.0", None),
        ("1.0.0", None),
        ("", None),
    ] {
        assert_eq!(split_chart(chart), cut, "{chart}");
    }
}

#[test]
fn a_claim_gives_what_certsuite_asked() {
    let claim = json!({"claim": {
        "versions": {"ocp": "4.14.9", "k8s": "v1.27.8+abcdef0", "claimFormat": "v0.5.0"},
        "results": {"x": {"y": [1, 2, 3]}},
        "configurations": {
            "AbnormalEvents": [],
            "testContainers": [
                {
                    "name": "web", "image": "quay.io/acme/web:2", "Namespace": "shop", "Podname": "web-0",
                    "Status": {"name": "web", "imageID": format!("quay.io/acme/web@{OTHER}")},
                    "ContainerImageIdentifier":
                        {"registry": "quay.io", "repository": "acme/web", "tag": "2", "digest": DIGEST},
                },
                {
                    "name": "raw", "image": "quay.io/acme/raw", "Namespace": "shop", "Podname": "web-0",
                    "Status": {"imageID": format!("quay.io/acme/raw@{DIGEST}")},
                    "ContainerImageIdentifier": {"registry": "", "repository": "", "tag": "", "digest": DIGEST},
                },
                {
                    "Data": {"name": "old", "image": "quay.io/acme/old:1"}, "Namespace": "shop", "Podname": "old-0",
                    "Status": {"imageID": ""},
                    "ContainerImageIdentifier": {"name": "old", "repository": "acme", "tag": "1", "digest": ""},
                },
                {
                    "name": "nodigest", "image": "x", "Namespace": "shop", "Podname": "p",
                    "ContainerImageIdentifier": {"registry": "quay.io", "repository": "acme/x", "tag": "", "digest": ""},
                },
            ],
            "testPods": [pod_json()],
            "testOperators": [{"name": "acme-db.v1.2.3", "namespace": "db", "csv": {"spec": {}}}, {"namespace": "db"}],
            "testHelmChartReleases": [
                {"name": "hub", "namespace": "dev", "chart": {"metadata": {"name": "developer-hub", "version": "1.2.0"}}},
                {"name": "odd", "namespace": "dev", "chart": {"metadata": {"name": "x"}}},
            ],
        },
    }})
    .to_string();
    let images = [
        format!("shop/web-0/web: image quay.io/acme/web:2@{DIGEST}"),
        format!("shop/web-0/raw: image quay.io/acme/raw@{DIGEST}"),
        "shop/old-0/old*: image quay.io/acme/old:1".to_owned(),
        "shop/p/nodigest*: image quay.io/acme/x".to_owned(),
    ];
    let rest = |ocp: &str, kube: &str| {
        [
            format!("db/acme-db.v1.2.3: operator acme-db.v1.2.3 on OpenShift {ocp}"),
            "db: the record has no name".to_owned(),
            format!("dev/hub: chart developer-hub 1.2.0 on Kubernetes {kube}"),
            "dev/odd: the record has no chart.metadata with name and version".to_owned(),
        ]
    };
    let expected = [&images[..], &rest("4.14", "v1.27.8+abcdef0")].concat();
    assert_eq!(rows(&claim, &Cluster::default()), expected);
    let expected = [&images[..], &rest("4.18", "1.31")].concat();
    assert_eq!(rows(&claim, &cluster(Some("4.18"), Some("1.31"))), expected);
}

#[test]
fn older_claims_have_pods_and_csvs() {
    let claim = json!({"claim": {
        "versions": {"ocp": "0.0.0", "k8s": null},
        "configurations": {
            "testContainers": null,
            "testPods": [{
                "metadata": {"name": "p", "namespace": "n"},
                "spec": {"containers": [{"name": "c", "image": "quay.io/acme/c:1"}]},
                "Containers": [],
            }],
            "testCsvs": [{"metadata": {"name": "acme-db.v1", "namespace": "db"}}],
            "testHelmChartReleases": null,
        },
    }})
    .to_string();
    assert_eq!(
        rows(&claim, &Cluster::default()),
        ["n/p/c*: image quay.io/acme/c:1", "db/acme-db.v1: operator acme-db.v1"]
    );
}

#[test]
fn what_holds_no_question_is_refused_whole() {
    let given = Cluster::default();
    for empty in ["", "\u{feff} \n", "# only a comment", "[]", "{\"items\": []}", "{\"claim\": {}}"] {
        assert!(matches!(parse(empty, &given), Err(InputError::Empty)), "{empty}");
    }
    for other in ["{}", "{\"items\": [{\"kind\": \"Service\"}]}", "[{\"name\": \"x\"}]", "{\"openapi\": \"3\"}"] {
        assert!(matches!(parse(other, &given), Err(InputError::OtherJson)), "{other}");
    }
    let deep = format!("{}{}", "{\"a\":".repeat(200), "[".repeat(200));
    for broken in ["{", "[1]", "[\"quay.io/a\"]", "{\"items\": 3}", "{\"claim\": []}x", deep.as_str()] {
        assert!(matches!(parse(broken, &given), Err(InputError::Json(_))), "{broken}");
    }
    assert_eq!(parse("a 1", &given).expect("line").form, Form::Lines);
}

#[test]
fn minor_versions_are_cut_as_certsuite_cuts_them() {
    for (version, minor) in [
        ("4.16", Some("4.16")),
        ("4.16.3", Some("4.16")),
        (" v4.9.0-rc.1 ", Some("4.9")),
        ("4", None),
        ("0.0.0", None),
        ("n/a", None),
        ("4.x", None),
        ("", None),
    ] {
        assert_eq!(minor_ocp(version).as_deref(), minor, "{version}");
    }
}

proptest! {
    #[test]
    fn a_chart_and_its_version_are_found_again(
        name in "[a-z][a-z0-9]{0,4}(-[a-z][a-z0-9]{0,4}){0,2}",
        version in "v?(0|[1-9][0-9]?)(\\.(0|[1-9][0-9]?)){2}(-[a-z][a-z0-9-]{0,4}(\\.[0-9a-z]{1,2}x)?)?(\\+[0-9a-z-]{1,4})?",
    ) {
        let chart = format!("{name}-{version}");
        prop_assert_eq!(split_chart(&chart), Some((name.as_str(), version.as_str())));
    }

    #[test]
    fn no_text_makes_it_panic(text in "([{}\\[\\]\":,a-z ]|\\PC){0,60}") {
        let _ = parse(&text, &Cluster::default());
    }
}
