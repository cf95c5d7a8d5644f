//! Tests of [`super`]: every form with the shapes that exist in the wild, and what is refused in each.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::limits;

const DIGEST: &str = "sha256:b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184";
const OTHER: &str = "sha256:591785b794601e212b260e25925636fd591785b794601e212b260e25925636fd";

fn cluster(ocp: Option<&str>, kube: Option<&str>) -> Cluster {
    Cluster { ocp: ocp.map(str::to_owned), kube: kube.map(str::to_owned) }
}

fn shown(questions: &Questions) -> Vec<String> {
    let row = |row: &Row| {
        let standing = match &row.standing {
            Standing::Asked => String::new(),
            Standing::Fails(why) => format!(" FAILS {}", why.why),
            Standing::NotAsked(why) => format!(" NOT ASKED {}", why.code()),
        };
        match &row.question {
            Ok(question) => format!("{}: {} {question}{standing}", row.label, question.kind()),
            Err(refused) => format!("{}: {refused}{standing}", row.label),
        }
    };
    questions.rows.iter().map(row).collect()
}

/// The rows as text: label, kind, question and standing, or label and refusal.
fn rows(text: &str, given: &Cluster) -> Vec<String> {
    shown(&parse(text.as_bytes(), given, false).expect("readable"))
}

fn refusal(input: &[u8]) -> String {
    let error = parse(input, &Cluster::default(), false).expect_err("refused");
    format!("{error}; hint: {}", error.hint().unwrap_or_default())
}

#[test]
fn lines_say_their_kind_or_show_it() {
    let text = format!(
        "\u{feff}# what runs here\n\nimage quay.io/acme/web:1\n  quay.io/acme/web@{DIGEST}\t\r\ndocker://quay.io/acme/web\n\
         operator acme-db\nacme-db.v1.2.3\nacme-db.v1.2.3 4.14\noperator acme-db.v1 v4.15.3\n\
         chart acme 1.0.0\nchart acme 1.0.0 v1.29.1\nredis:7@{DIGEST}\n{DIGEST}\n"
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
            format!("line 12: image redis:7@{DIGEST}"),
            format!("line 13: image {DIGEST}"),
        ]
    );
    assert_eq!(
        rows("acme-db.v1.0.0\nchart acme 1", &Cluster::default()),
        ["line 1: operator acme-db.v1.0.0", "line 2: chart acme 1"]
    );
}

#[test]
fn lists_of_other_tools_are_lines_with_counts_dashes_and_columns() {
    let text = format!(
        "IMAGE\n     12 quay.io/acme/web:1\n      1 quay.io/acme/db@{DIGEST}\n- quay.io/acme/a:1\n* \"quay.io/acme/b:2\",\n\
         - image: 'quay.io/acme/c:3'\n        image: quay.io/acme/d:4\nquay.io/acme/e:5   3 weeks ago   120 MB\n\
         quay.io/acme/f:6,quay.io/acme/g:7\n2 acme-db.v1.2.3\nacme-db.v1.2.3   Acme DB   1.2.3   Succeeded\n\
         clusterserviceversion.operators.coreos.com/open.1.0.0\nnon_registry/acme/h:8\n"
    );
    assert_eq!(
        rows(&text, &Cluster::default()),
        [
            "line 2: image quay.io/acme/web:1".to_owned(),
            format!("line 3: image quay.io/acme/db@{DIGEST}"),
            "line 4: image quay.io/acme/a:1".to_owned(),
            "line 5: image quay.io/acme/b:2".to_owned(),
            "line 6: image quay.io/acme/c:3".to_owned(),
            "line 7: image quay.io/acme/d:4".to_owned(),
            "line 8: image quay.io/acme/e:5".to_owned(),
            "line 9: image quay.io/acme/f:6".to_owned(),
            "line 9: image quay.io/acme/g:7".to_owned(),
            "line 10: operator acme-db.v1.2.3".to_owned(),
            "line 11: operator acme-db.v1.2.3".to_owned(),
            "line 12: operator open.1.0.0".to_owned(),
            "line 13: image non_registry/acme/h:8".to_owned(),
        ]
    );
}

#[test]
fn lines_that_nobody_can_tell_keep_their_row_with_the_reason() {
    let anything = "could be anything; hint: begin the line with image, operator or chart";
    let object = "names an object of the cluster, not an image; hint: ask with `oc get pods -A -o json`";
    for (line, reason) in [
        ("redis", anything),
        ("redis:7", anything),
        ("acme 1.0.0", anything),
        ("acme 1.0.0 v1.29.1", anything),
        ("12 acme", anything),
        ("apiVersion: v1", anything),
        ("notes.v1.txt", anything),
        ("open.1.0.0", anything),
        ("acme-db.v1", anything),
        ("shop web-0 quay.io/acme/web:1", anything),
        ("acme/web", anything),
        ("pod/web-0", object),
        ("deployment.apps/web", object),
        ("route.route.openshift.io/web", object),
        (
            "quay.io/acme/web 1.2 120 MB",
            "has further columns, one of which may be the tag; hint: write image REPOSITORY:TAG, or REPOSITORY@DIGEST",
        ),
        (
            "quay.io/acme/web:1 and quay.io/acme/db:2",
            "holds more than one question beside other words; hint: write one a line",
        ),
        (
            "acme-db.v4.12.0 4.12.0",
            "may give the operator's own version or OpenShift's; hint: write operator CSV OCP, with OCP such as 4.16",
        ),
    ] {
        let text = format!("chart a 1\n{line}");
        assert_eq!(rows(&text, &Cluster::default())[1], format!("line 2: `{line}` {reason}"));
    }
    for (line, usage) in [
        ("image", "image REFERENCE"),
        ("image a b", "image REFERENCE"),
        ("operator a 4.1 x", "operator CSV [OCP]"),
        ("operator x.v1 soon", "operator CSV [OCP], with OCP such as 4.16"),
        ("chart a", "chart NAME VERSION [KUBE]"),
    ] {
        let text = format!("chart a 1\n{line}");
        assert_eq!(
            rows(&text, &Cluster::default())[1],
            format!("line 2: `{line}` has the wrong number of words; hint: write {usage}")
        );
    }
    assert!(rows("chart a 1\nimage redis:7", &Cluster::default())[1].contains("names no registry"));
    assert!(rows("chart a 1\nhttps://quay.io/a/b", &Cluster::default())[1].contains("does not name a registry"));
    assert_eq!(
        rows("registry.k8s.io/pause\nsha256.example/a", &Cluster::default()),
        ["line 1: image registry.k8s.io/pause", "line 2: image sha256.example/a"],
        "a registry that looks like an API group"
    );
    assert_eq!(
        refusal(b"pod/web-0\n\npod/web-1"),
        format!("none of the 2 lines or items is a question; the first: `pod/web-0` {object}; hint: ")
    );
}

#[test]
fn other_files_are_refused_by_name() {
    for (input, part) in [
        (&b""[..], "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"# only a comment", "is empty"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip; hint: unpack it with `gunzip`"),
        (b"PK\x03\x04", "a zip file"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"\xff\xfe\x00\x00{\x00\x00\x00", "neither in UTF-8 nor in UTF-16"),
        (b"caf\xe9", "neither in UTF-8 nor in UTF-16"),
        (b"ab\0\0cd", "binary data"),
        (b"<!DOCTYPE html><html>", "HTML, perhaps the page of a proxy"),
        (b"\n<?xml version='1.0'?>", "XML or HTML"),
        (b"NAMESPACE   NAME    IMAGE\nshop  web  quay.io/a/b:1", "a table for people"),
        (b"NAME DISPLAY VERSION REPLACES PHASE\n", "`oc get csv -A -o json`"),
        (b"NAME NAMESPACE REVISION UPDATED STATUS CHART APP VERSION\n", "`helm ls -A -o json`"),
        (b"REPOSITORY  TAG  IMAGE ID  CREATED  SIZE\n", "`podman images --format json`"),
        (b"IMAGE  TAG  IMAGE ID  SIZE\n", "`crictl images -o json`"),
        (b"{", "begins like JSON"),
        (b"{\"items\": []}x", "begins like JSON"),
        (b"kind: [", "begins like YAML"),
        (b"{}", "holds no pods"),
        (b"[1, \"redis\"]", "none of the 2 lines or items is a question; the first: `1` could be anything"),
        (b"[{\"name\": \"x\"}]", "holds no pods"),
        (b"{\"openapi\": \"3\"}", "holds no pods"),
        (b"{\"items\": [{\"kind\": \"Service\"}]}", "(but Service)"),
        (b"kind: Deployment\nspec: {template: {}}\n", "(but Deployment)"),
        (b"{\"claim\": {}}", "no `configurations`"),
    ] {
        let text = refusal(input);
        assert!(text.contains(part), "{input:?}: {text}");
    }
    let deep = format!("{}{}", "{\"a\":".repeat(200), "[".repeat(200));
    assert!(refusal(deep.as_bytes()).contains("begins like JSON"));
    let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
    assert!(refusal(&tar).contains("a tar file"));
}

fn many_tags() -> String {
    (0..=limits::QUESTIONS).fold(String::new(), |tags, number| tags + &format!("\"a/b:{number}\","))
}

#[test]
fn what_would_fill_the_memory_is_refused() {
    let many = |text: &str| text.repeat(limits::RECORDS + 1);
    for (input, part) in [
        (format!("[{}{{}}]", many("{},")), "more than 150,000 records"),
        (format!("[{}[]]", "[{},{},{}],".repeat(limits::RECORDS / 3)), "more than 150,000 records"),
        (format!("{{\"items\":[{}{{}}]}}", many("{\"items\":[]},")), "more than 150,000 records"),
        (many("{}"), "more than 150,000 records"),
        (many("- a: b\n"), "more than 150,000 records"),
        (many("a\n"), "more than 50,000 questions"),
        (many("a.b/c:1 "), "more than 50,000 questions"),
        (format!("[\"{}\"]", many("a.b/c:1 ")), "more than 50,000 questions"),
        (format!("{{\"repoTags\":[{}\"\"]}}", many_tags()), "more than 50,000 questions"),
        (format!("{{\"kind\":\"{}\"}}", "x".repeat(limits::RECORDS_TEXT_BYTES + 1)), "more than 48 MB of names"),
    ] {
        let text = refusal(input.as_bytes());
        assert!(text.contains(part), "{text}");
    }
    let wide = [b"a\0".repeat(limits::QUESTIONS_UTF_16_BYTES as usize / 2), b"a\0".to_vec()].concat();
    assert!(refusal(&wide).contains("more than 64 MB of text in UTF-16"));
    // A list of its own for each input.
    assert_eq!(rows("[]", &Cluster::default()), <[&str; 0]>::default());
}

#[test]
fn an_empty_cluster_has_no_question() {
    for empty in [
        "[]",
        "{\"items\": []}",
        "{\"kind\": \"List\", \"items\": null}",
        "{\"kind\": \"PodList\", \"items\": []}",
        "apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: \"\"\n",
        "{\"images\": []}",
        "{\"claim\": {\"configurations\": {\"testContainers\": null}}}",
        "{\"kind\": \"Pod\", \"spec\": {\"containers\": []}}",
    ] {
        assert_eq!(rows(empty, &Cluster::default()), <[&str; 0]>::default(), "{empty}");
    }
}

#[test]
fn utf_16_is_read() {
    let text = "chart acme 1.0.0\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [&[0xff, 0xfe], &little[..]].concat();
    for input in [little, big.clone(), marked, [&[0xfe, 0xff], &big[..]].concat()] {
        assert_eq!(shown(&parse(&input, &Cluster::default(), false).expect("text")), ["line 1: chart acme 1.0.0"]);
    }
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
                {"name": "short", "image": "redis:7"},
                {"name": "odd", "image": "Not An Image"},
                {"name": "my-istio-proxy-2", "image": "quay.io/acme/mesh:1"},
                {"name": "new", "image": "quay.io/acme/new:1"},
                {"name": "none"},
            ],
            "ephemeralContainers": [{"name": "look", "image": "quay.io/acme/look"}],
        },
        "status": {
            "phase": "Running",
            "initContainerStatuses": [{"name": "wait", "imageID": format!("quay.io/acme/wait@{OTHER}")}],
            "containerStatuses": [
                {"name": "cache", "imageID": format!("docker-pullable://redis@{DIGEST}")},
                {"name": "short", "imageID": format!("redis@{DIGEST}")},
                {"name": "odd", "imageID": DIGEST},
                {"name": "new", "imageID": ""},
                {"name": "web", "imageID": format!("mirror.bastion:5000/acme/web@{DIGEST}"), "ready": true},
            ],
            "ephemeralContainerStatuses": null,
        },
    })
}

fn pod_rows() -> Vec<String> {
    vec![
        format!("shop/web-0/wait: image quay.io/acme/wait:1@{OTHER} NOT ASKED init-container"),
        format!("shop/web-0/web: image quay.io/acme/web:2@{DIGEST}"),
        format!("shop/web-0/cache: image redis:7@{DIGEST}"),
        format!(
            "shop/web-0/short: image redis:7 FAILS certsuite finds a digest only after a slash, and imageID \
             `redis@{DIGEST}` has no slash"
        ),
        format!("shop/web-0/odd: image Not An Image FAILS imageID `{DIGEST}` names no image with a digest"),
        "shop/web-0/my-istio-proxy-2: image quay.io/acme/mesh:1 NOT ASKED istio-proxy".to_owned(),
        "shop/web-0/new: image quay.io/acme/new:1 FAILS the imageID of its status is empty".to_owned(),
        "shop/web-0/none: the record has no image".to_owned(),
        "shop/web-0/look: image quay.io/acme/look NOT ASKED ephemeral-container".to_owned(),
    ]
}

#[test]
fn of_a_pod_is_asked_what_certsuite_asks() {
    let single = pod_json();
    let others =
        json!({"kind": "Service", "metadata": {"name": "s"}, "spec": {"containers": [{"name": "x", "image": "y"}]}});
    let pending = json!({"metadata": {"name": "p"}, "spec": {"containers": null}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [others, single, pending], "metadata": {}});
    let of_one_kind = json!({"kind": "PodList", "items": [{"metadata": single["metadata"], "spec": single["spec"], "status": single["status"]}]});
    let yaml = serde_json::to_string(&single).expect("JSON");
    for text in [
        single.to_string(),
        json!([single]).to_string(),
        list.to_string(),
        of_one_kind.to_string(),
        format!("{}\n{pending}", single),
        format!("---\n{yaml}\n---\n{pending}\n"),
        format!("var initialjson={single};\n"),
    ] {
        assert_eq!(rows(&text, &Cluster::default()), pod_rows(), "{text}");
    }
    let remarks = parse(list.to_string().as_bytes(), &Cluster::default(), false).expect("pods").remarks;
    assert_eq!(remarks, ["passed over, as certsuite asks about none of them: 1 Service, 1 record without a kind"]);
    let all = parse(single.to_string().as_bytes(), &Cluster::default(), true).expect("pods");
    assert!(all.rows.iter().all(|row| !matches!(row.standing, Standing::NotAsked(_))));
    assert_eq!(all.rows.len(), 9);
}

#[test]
fn pods_as_yaml() {
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: web-0\n    namespace: shop\n  \
         spec:\n    containers:\n    - image: quay.io/acme/web:2\n      name: web\n  status:\n    phase: Running\n    \
         containerStatuses:\n    - imageID: quay.io/acme/web@{DIGEST}\n      name: web\n"
    );
    let expected = [format!("shop/web-0/web: image quay.io/acme/web:2@{DIGEST}")];
    assert_eq!(rows(&text, &Cluster::default()), expected);
}

#[test]
fn pods_that_do_not_run_are_not_asked() {
    let mut pod = pod_json();
    for phase in ["Pending", "Succeeded", "Failed", "Unknown"] {
        pod["status"]["phase"] = phase.into();
        let rows = rows(&pod.to_string(), &Cluster::default());
        assert!(rows[1].ends_with("NOT ASKED pod-not-running"), "{rows:?}");
    }
    pod["status"]["phase"] = "Running".into();
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert!(rows(&pod.to_string(), &Cluster::default())[1].ends_with("NOT ASKED pod-being-deleted"));
    let bare = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "quay.io/a/b:1"}]}});
    assert_eq!(
        rows(&bare.to_string(), &Cluster::default()),
        ["p/c: image quay.io/a/b:1 FAILS the pod has no status for this container"]
    );
}

#[test]
fn each_operator_of_a_cluster_is_asked_once() {
    let csv = |name: &str, namespace: &str, reason: &str| {
        json!({"kind": "ClusterServiceVersion", "metadata": {"name": name, "namespace": namespace},
               "spec": {"displayName": "Acme"}, "status": {"phase": "Succeeded", "reason": reason}})
    };
    let list = json!({"kind": "List", "items": [
        csv("acme-db.v1.2.3", "shop", "Copied"),
        csv("acme-db.v1.2.3", "operators", "InstallSucceeded"),
        csv("acme-db.v1.2.3", "team", "Copied"),
        csv("open.1.0.0", "operators", ""),
        {"kind": "ClusterServiceVersion", "metadata": {"namespace": "odd"}},
    ]});
    let expected = [
        "operators/acme-db.v1.2.3 (and in 2 more namespaces): operator acme-db.v1.2.3 on OpenShift 4.16",
        "operators/open.1.0.0: operator open.1.0.0 on OpenShift 4.16",
        "odd: the record has no name",
    ];
    assert_eq!(rows(&list.to_string(), &cluster(Some("4.16.2"), None)), expected);
    assert_eq!(rows(&list["items"].to_string(), &cluster(Some("4.16.2"), None)), expected);
    let yaml = "kind: ClusterServiceVersion\nmetadata:\n  name: acme-db.v1.2.3\n  namespace: db\n";
    assert_eq!(rows(yaml, &Cluster::default()), ["db/acme-db.v1.2.3: operator acme-db.v1.2.3"]);
}

#[test]
fn releases_are_cut_into_name_and_version() {
    let text = json!([
        {"name": "hub", "namespace": "dev", "revision": "3", "status": "deployed", "chart": "developer-hub-1.2.0", "app_version": "1.2"},
        {"name": "bad", "namespace": "dev", "chart": "nothing"},
        {"name": "empty", "namespace": null, "chart": {}},
    ])
    .to_string();
    let expected = [
        "dev/hub: chart developer-hub 1.2.0 on Kubernetes 1.30",
        "dev/bad: `nothing` does not end in a chart's version; hint: ask for it with `check chart NAME VERSION`",
        "empty: the record has no chart.metadata with name and version",
    ];
    assert_eq!(rows(&text, &cluster(None, Some("1.30"))), expected);
    let yaml = "- app_version: \"1.2\"\n  chart: developer-hub-1.2.0\n  name: hub\n  namespace: dev\n  revision: \"3\"\n  status: deployed\n";
    assert_eq!(rows(yaml, &cluster(None, Some("1.30"))), expected[..1]);
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
fn images_of_a_host_are_asked_by_digest() {
    let crictl = json!({"images": [
        {"id": DIGEST, "repoTags": ["quay.io/acme/web:2"], "repoDigests": [format!("quay.io/acme/web@{DIGEST}")], "size": "1", "pinned": false},
        {"id": "sha256:0123456789abcdef", "repoTags": ["quay.io/acme/db:1"], "repoDigests": []},
        {"id": "f00", "repoTags": [], "repoDigests": null},
    ]});
    let expected = [
        format!("image b1946ac92492: image quay.io/acme/web:2@{DIGEST}"),
        "image 0123456789ab: image quay.io/acme/db:1".to_owned(),
        "image f00: the record has no repository with tag or digest".to_owned(),
    ];
    assert_eq!(rows(&crictl.to_string(), &Cluster::default()), expected);
    let podman = json!([
        {"Id": "b1946ac92492d2347c", "RepoTags": null, "Names": ["quay.io/acme/web:2", "localhost/web:dev"], "Digest": OTHER,
         "RepoDigests": [format!("quay.io/acme/web@{OTHER}"), format!("quay.io/acme/web@{DIGEST}")], "Labels": {"a": "b"}, "Created": 1},
        {"Id": "0123456789abcdef", "Names": ["quay.io/acme/db:1"], "Digest": DIGEST},
    ]);
    assert_eq!(
        rows(&podman.to_string(), &Cluster::default()),
        [
            format!("image b1946ac92492: image quay.io/acme/web:2@{OTHER}"),
            format!("image b1946ac92492: image quay.io/acme/web:2@{DIGEST}"),
            format!("image 0123456789ab: image quay.io/acme/db@{DIGEST}"),
        ]
        .map(|row| row.replace("acme/db@", "acme/db:1@"))
    );
    let docker = format!(
        "{}\n{}\n",
        json!({"ID": "abc", "Repository": "quay.io/acme/web", "Tag": "2", "Digest": "<none>"}),
        json!({"ID": "def", "Repository": "quay.io/acme/db", "Tag": "<none>", "Digest": DIGEST}),
    );
    assert_eq!(
        rows(&docker, &Cluster::default()),
        ["image abc: image quay.io/acme/web:2".to_owned(), format!("image def: image quay.io/acme/db@{DIGEST}")]
    );
    let listed = json!(["quay.io/acme/web:1", "redis"]).to_string();
    let rows = rows(&listed, &Cluster::default());
    assert_eq!(rows[0], "item 1: image quay.io/acme/web:1");
    assert!(rows[1].starts_with("item 2: `redis` could be anything"), "{rows:?}");
}

#[test]
fn versions_are_cut_as_certsuite_cuts_them() {
    for (version, asked) in [
        ("4.16", Some("4.16")),
        ("4.16.3", Some("4.16")),
        ("4.16-rc1.2", Some("4.16-rc1")),
        ("4.x.1", Some("4.x")),
        ("4.9.0-rc.1", Some("4.9")),
        ("4", Some("4")),
        ("0.0.0", None),
        ("n/a, (non-OpenShift cluster)", None),
        ("", None),
    ] {
        assert_eq!(asked_ocp(version).as_deref(), asked, "{version}");
    }
    for (version, asked) in [
        ("4.16", Some("4.16")),
        (" v4.9.0-rc.1 ", Some("4.9")),
        ("4.16-rc1.2", Some("4.16-rc1")),
        ("4", None),
        ("new", None),
        ("4.", None),
        ("n/a", None),
        ("", None),
    ] {
        assert_eq!(typed_ocp(version).as_deref(), asked, "{version}");
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
    fn no_text_makes_it_panic(text in "([{}\\[\\]\":,a-z -]|\\PC){0,60}") {
        let _ = parse(text.as_bytes(), &Cluster::default(), false);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&bytes, &Cluster::default(), false);
    }

    #[test]
    fn two_or_three_words_are_no_chart(words in prop::collection::vec("[a-z][a-z0-9.-]{0,8}", 2..4)) {
        prop_assume!(!lines::is_kind(&words[0]));
        let text = format!("chart a 1\n{}", words.join(" "));
        let questions = parse(text.as_bytes(), &Cluster::default(), false).expect("a chart");
        prop_assert!(!matches!(questions.rows[1].question, Ok(Question::Chart(_))));
    }
}

/// Each looked through all the others once.
#[test]
fn many_in_one_record_take_no_longer_than_in_many() {
    let list = |piece: fn(usize) -> String| (0..30_000).map(piece).collect::<Vec<_>>().join(",");
    let containers = list(|n| format!(r#"{{"name":"c{n}","image":"a.b/c:1"}}"#));
    let statuses = list(|n| format!(r#"{{"name":"c{n}","imageID":"a.b/c@sha256:{n:064x}"}}"#));
    let pod = format!(
        r#"{{"kind":"Pod","spec":{{"containers":[{containers}]}},"status":{{"containerStatuses":[{statuses}]}}}}"#
    );
    let tags = list(|n| format!(r#""a.b/c{n:05}:1""#));
    let digests = list(|n| format!(r#""a.b/c{n:05}@sha256:{n:064x}""#));
    let image = format!(r#"{{"repoTags":[{tags}],"repoDigests":[{digests}]}}"#);
    let tested = list(|n| {
        let other = (n + 1) % 30_000;
        format!(
            r#"{{"name":"c{n}","image":"a.b/c:1","Status":{{"name":"c{other}","imageID":"a.b/c@sha256:{other:064x}"}}}}"#
        )
    });
    let claim = format!(r#"{{"claim":{{"configurations":{{"testContainers":[{tested}]}}}}}}"#);
    for input in [pod, image, claim] {
        let rows = parse(input.as_bytes(), &Cluster::default(), false).unwrap().rows;
        let Ok(Question::Image(last)) = &rows.last().unwrap().question else { panic!("{:?}", rows.last()) };
        assert_eq!((rows.len(), last.digest.as_deref()), (30_000, Some(&*format!("sha256:{:064x}", 29_999))));
    }
}
