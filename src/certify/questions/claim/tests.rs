//! One claim, made up, for each change of certsuite's form.

use serde_json::{Value, json};

use crate::certify::questions::{Cluster, Standing, parse};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The origin and the rows of a claim, as text.
fn read(versions: Value, configurations: Value) -> (String, Vec<String>) {
    let claim = json!({"claim": {
        "configurations": configurations, "metadata": {}, "nodes": {}, "rawResults": {}, "versions": versions,
    }});
    let questions = parse(claim.to_string().as_bytes(), &Cluster::default(), false).expect("a claim");
    let row = |row: &crate::certify::questions::Row| {
        let standing = match &row.standing {
            Standing::Asked => String::new(),
            Standing::Fails(why) => format!(" FAILS {why}"),
            Standing::NotAsked(why) => format!(" NOT ASKED {why}"),
        };
        match &row.question {
            Ok(question) => format!("{}: {} {question}{standing}", row.label, question.kind()),
            Err(refused) => format!("{}: {refused}{standing}", row.label),
        }
    };
    (questions.claim.expect("a claim").to_string(), questions.rows.iter().map(row).collect())
}

fn image_id(digest: &str) -> String {
    format!("quay.example/shop/web@{digest}")
}

fn status(name: &str, image_id: &str) -> Value {
    json!({"name": name, "state": {}, "ready": true, "image": "x", "imageID": image_id})
}

/// A container of the first form.
fn by_position(name: &str, status: &Value) -> Value {
    json!({
        "Data": {"name": name, "image": format!("quay.example/shop/{name}:1"), "resources": {}},
        "Status": status, "Namespace": "n", "Podname": "p", "NodeName": "x", "Runtime": "cri-o", "UID": "u",
        "ContainerImageIdentifier": {"name": name, "repository": "shop", "tag": "1", "digest": A},
    })
}

/// A container of the second form.
fn by_name(name: &str, status: &Value, identifier: &Value) -> Value {
    json!({
        "name": name, "image": format!("quay.example/shop/{name}:1"), "ports": [], "resources": {},
        "Status": status, "Namespace": "n", "Podname": "p", "NodeName": "x", "Runtime": "cri-o", "UID": "u",
        "ContainerImageIdentifier": identifier,
    })
}

#[test]
fn versions_one_a_tnf_without_a_form() {
    let versions =
        json!({"k8s": "v1.22.1", "ocClient": "4.9.0", "ocp": "4.9.12", "tnf": "v4.0.0", "tnfGitCommit": "c0ffee"});
    let configurations = json!({
        "K8sVersion": "v1.22.1", "OpenshiftVersion": "4.9.12",
        "testContainers": [by_position("web", &status("web", &image_id(A)))],
        "testPods": null,
        "testCsvs": [{"metadata": {"name": "op.v1.0.0", "namespace": "n"}, "spec": {}, "status": {"phase": "Succeeded"}}],
        "testHelmChartReleases": [
            {"name": "shop", "namespace": "n", "version": 3, "chart": {"metadata": {"name": "web", "version": "1.2.3"}}},
            {"name": "odd", "namespace": "n", "version": 1, "chart": {"metadata": {"name": "x"}}},
        ],
    });
    let (origin, rows) = read(versions, configurations);
    assert_eq!(origin, "certsuite v4.0.0 wrote this claim, OpenShift 4.9.12, Kubernetes v1.22.1");
    assert_eq!(
        rows,
        [
            format!("n/p/web: image quay.example/shop/web:1@{A}"),
            "n/op.v1.0.0: operator op.v1.0.0 on OpenShift 4.9".to_owned(),
            "n/shop: chart web 1.2.3 on Kubernetes v1.22.1".to_owned(),
            "n/odd: the record has no chart.metadata with name and version".to_owned(),
        ]
    );
}

#[test]
fn a_status_by_position_is_looked_up_by_name() {
    let swapped =
        [by_position("web", &status("side", &image_id(B))), by_position("side", &status("web", &image_id(A)))];
    let (_, rows) = read(json!({"tnf": "v4.2.0"}), json!({"testContainers": swapped}));
    assert_eq!(
        rows,
        [
            format!("n/p/web: image quay.example/shop/web:1@{A}"),
            format!("n/p/side: image quay.example/shop/side:1@{B}")
        ]
    );
    // Of another pod it is another container.
    let mut elsewhere = by_position("side", &status("web", &image_id(A)));
    elsewhere["Podname"] = "q".into();
    let alone = by_position("web", &status("side", &image_id(B)));
    let (_, rows) = read(json!({}), json!({"testContainers": [alone, elsewhere]}));
    let silent = |row: &str| row.contains("the claim does not tell this container's digest");
    assert!(rows.iter().all(|row| silent(row)), "{rows:?}");
    assert!(rows[0].contains("is that of `side`"), "{rows:?}");
    // The pod itself has the statuses by name.
    let pods = json!([{"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": []},
                       "status": {"containerStatuses": [status("side", &image_id(B)), status("web", &image_id(A))]}}]);
    let (_, rows) = read(json!({}), json!({"testContainers": [alone], "testPods": pods}));
    assert_eq!(rows, [format!("n/p/web: image quay.example/shop/web:1@{A}")]);
}

#[test]
fn versions_two_state_the_form_and_containers_lie_flat() {
    let versions = json!({"claimFormat": "v0.4.0", "k8s": "v1.27.8+abcdef0", "ocp": "4.14.9", "tnf": "Unreleased build post v4.5.0"});
    let registry = |digest: &str, tag: &str| json!({"repository": "shop/web", "registry": "quay.example", "tag": tag, "digest": digest});
    let mut nameless = by_name("gone", &status("gone", &image_id(A)), &registry(A, "7"));
    nameless["image"] = Value::Null;
    let configurations = json!({
        "testContainers": [
            by_name("web", &status("web", &image_id(A)), &registry(A, "1")),
            by_name("new", &status("", ""), &registry("", "1")),
            by_name("late", &status("late", ""), &registry("", "1")),
            nameless,
        ],
        "testOperators": [
            {"name": "op.v1.0.0", "namespace": "n", "csv": {"spec": {}}, "subscriptionName": "s", "packag": "op", "Org": "x", "Version": "1.0.0"},
            {"namespace": "n"},
        ],
        "testHelmChartReleases": null,
    });
    let (origin, rows) = read(versions, configurations);
    assert_eq!(
        origin,
        "certsuite Unreleased build post v4.5.0 wrote this claim, format v0.4.0, OpenShift 4.14.9, Kubernetes v1.27.8+abcdef0"
    );
    let fails = "FAILS Missing digest field (registry=quay.example";
    assert_eq!(
        rows,
        [
            format!("n/p/web: image quay.example/shop/web:1@{A}"),
            format!(
                "n/p/new: image quay.example/shop/new:1 {fails}, repository=shop/new): the pod has no status for this container"
            ),
            format!(
                "n/p/late: image quay.example/shop/late:1 {fails}, repository=shop/late): the imageID of its status is empty"
            ),
            format!("n/p/gone: image quay.example/shop/web:7@{A}"),
            "n/op.v1.0.0: operator op.v1.0.0 on OpenShift 4.14".to_owned(),
            "n: the record has no name".to_owned(),
        ]
    );
}

#[test]
fn versions_three_name_certsuite_and_preflight_results_come() {
    let versions = json!({"certSuite": "v5.5.0", "certSuiteGitCommit": "c0ffee", "claimFormat": "v0.5.0",
                          "k8s": "v1.29.6", "ocp": "n/a, (non-OpenShift cluster)"});
    let mut container = by_name(
        "web",
        &status("web", &image_id(A)),
        &json!({"repository": "shop/web", "registry": "quay.example", "tag": format!("1@{A}"), "digest": A}),
    );
    container["image"] = format!("quay.example/shop/web:1@{A}").into();
    container["PreflightResults"] = json!({"Passed": null, "Failed": null, "Errors": null});
    let configurations = json!({
        "testContainers": [container],
        "testOperators": [{
            "name": "op.v1.0.0", "namespace": "n", "isClusterWide": false, "csvphase": "Succeeded", "package": "op",
            "org": "certified-operators", "version": "1.0.0", "channel": "stable", "PreflightResults": {},
        }],
        "AllOperators": [{"name": "other.v1.0.0", "namespace": "n"}],
        "AllPods": [{"metadata": {"name": "other"}, "spec": {"containers": [{"name": "c", "image": "quay.example/c:1"}]}}],
    });
    let (origin, rows) = read(versions, configurations);
    assert_eq!(
        origin,
        "certsuite v5.5.0 wrote this claim, format v0.5.0, OpenShift n/a, (non-OpenShift cluster), Kubernetes v1.29.6"
    );
    assert_eq!(
        rows,
        [format!("n/p/web: image quay.example/shop/web:1@{A}"), "n/op.v1.0.0: operator op.v1.0.0".to_owned()]
    );
}

#[test]
fn pods_are_read_where_there_are_no_containers() {
    let pod = json!({
        "metadata": {"name": "p", "namespace": "n", "deletionTimestamp": "2024-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "web", "image": "quay.example/shop/web:1"}, {"name": "istio-proxy", "image": "m"}]},
        "status": {"phase": "Failed", "containerStatuses": [status("web", &image_id(A))]},
        "Containers": [by_name("web", &status("web", &image_id(B)), &json!({}))],
        "IsOperator": false,
    });
    let (origin, rows) = read(json!({"ocp": "0.0.0", "k8s": null}), json!({"testContainers": null, "testPods": [pod]}));
    assert_eq!(origin, "the claim does not say which release of certsuite wrote it, OpenShift 0.0.0");
    assert_eq!(
        rows,
        [
            format!("n/p/web: image quay.example/shop/web:1@{A}"),
            "n/p/istio-proxy: image m NOT ASKED certsuite leaves out containers whose name contains istio-proxy"
                .to_owned(),
        ],
        "certsuite has chosen the pods already"
    );
}

#[test]
fn what_is_given_goes_before_what_the_claim_says() {
    let claim = json!({"claim": {
        "versions": {"ocp": "4.14.9", "k8s": "v1.27.8"},
        "configurations": {
            "testOperators": [{"name": "op.v1.0.0"}],
            "testHelmChartReleases": [{"name": "r", "chart": {"metadata": {"name": "c", "version": "1"}}}],
        },
    }});
    let given = Cluster { ocp: Some("4.18".into()), kube: Some("1.31".into()) };
    let questions = parse(claim.to_string().as_bytes(), &given, false).expect("a claim");
    let asked: Vec<_> =
        questions.rows.iter().map(|row| row.question.as_ref().expect("a question").to_string()).collect();
    assert_eq!(asked, ["op.v1.0.0 on OpenShift 4.18", "c 1 on Kubernetes 1.31"]);
}
