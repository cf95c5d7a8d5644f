//! The questions of certsuite's online check.

use serde_json::{Value, json};
use standin::{Catalog, Fault, Knobs, Profile, Question, Standin};

use crate::client::{BASE, Client, IMAGES};

/// Two images share a digest in two repositories, a third one is Red Hat's own.
fn catalog() -> Catalog {
    let place = |registry: &str, repository: &str, tags: &[&str]| {
        let tags: Vec<Value> = tags.iter().map(|tag| json!({"name": tag})).collect();
        json!({"registry": registry, "repository": repository, "tags": tags, "manifest_list_digest": "sha256:list"})
    };
    let image = |id: &str, digest: &str, certified: bool, places: Vec<Value>| json!({"_id": id, "image_id": digest, "certified": certified, "repositories": places});
    let images = vec![
        image("a", "sha256:1", true, vec![place("r.io", "x/y", &["v1", "latest"]), place("q.io", "x/z", &["old"])]),
        image("b", "sha256:1", false, vec![place("q.io", "x/y", &["v1"])]),
        image("c", "sha256:2", false, vec![place("registry.access.redhat.com", "ubi8", &["8.1"])]),
        json!({"_id": "d", "repositories": [{"registry": "r.io", "repository": "x/y", "tags": null}]}),
    ];
    let bundle = |id: &str, name: &str, organization: &str| json!({"_id": id, "csv_name": name, "organization": organization, "ocp_version": "4.12"});
    let bundles = vec![
        bundle("1", "op.v1.0.0", "certified-operators"),
        bundle("2", "op.v1.0.0", "redhat-operators"),
        bundle("3", "op.v1.0.1", "certified-operators"),
    ];
    Catalog::new(images, bundles, "entries: {}\n".to_owned())
}

fn ids(client: &mut Client, target: &str) -> Vec<String> {
    let answer = client.get(target);
    assert_eq!(answer.status, 200, "{target}");
    let page = answer.json();
    let documents = page["data"].as_array().expect("data is a list");
    let mut ids: Vec<String> = documents.iter().map(|d| d["_id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(page["total"], ids.len(), "{target}");
    ids.sort_unstable();
    ids
}

#[test]
fn images_are_found_by_their_digests() {
    let server = Standin::start(catalog(), Knobs::default());
    let mut client = Client::to(&server);
    let mut by = |filter: &str| ids(&mut client, &format!("{IMAGES}?filter={filter}"));
    assert_eq!(by("image_id==sha256:1"), ["a", "b"]);
    assert_eq!(by("image_id==sha256:1;certified==true"), ["a"]);
    assert_eq!(by("repositories.manifest_list_digest==sha256:list"), ["a", "b", "c"]);
    assert!(by("image_id==sha256:9").is_empty());
    assert_eq!(server.stats().questions[&Question::ImageLookup], 4);
}

#[test]
fn repositories_list_their_images() {
    let server = Standin::start(catalog(), Knobs::default());
    let mut client = Client::to(&server);
    let path = |place: &str| format!("{BASE}/repositories/registry/{place}");
    assert_eq!(ids(&mut client, &path("r.io/repository/x/y/images")), ["a", "d"]);
    assert_eq!(ids(&mut client, &path("r.io/repository/x%2Fy/images?")), ["a", "d"]);
    assert_eq!(ids(&mut client, &path("q.io/repository/x/y/images")), ["b"]);
    assert_eq!(ids(&mut client, &path("registry.access.redhat.com/repository/ubi8/images")), ["c"]);
    let page =
        client.get(&path("r.io/repository/x/y/images?page_size=1&page=1&sort_by=_id&include=data._id,total")).json();
    assert_eq!(page, json!({"data": [{"_id": "d"}], "total": 2}));
    let filtered = path("r.io/repository/x/y/images?filter=certified==true");
    assert_eq!(ids(&mut client, &filtered), ["a"]);
    assert!(ids(&mut client, &filtered.replace("true", "false")).is_empty());
    // Registry and repository of two different places are no place.
    for nowhere in ["r.io/repository/x/z/images", "r.io/repository/x/images", "r.io/repository/x/y"] {
        let answer = client.get(&path(nowhere));
        assert_eq!(answer.status, 404, "{nowhere}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
}

#[test]
fn tags_belong_to_their_repository() {
    let server = Standin::start(catalog(), Knobs::default());
    let mut client = Client::to(&server);
    let path = |place: &str| format!("{BASE}/repositories/registry/{place}");
    assert_eq!(ids(&mut client, &path("r.io/repository/x/y/tag/v1")), ["a"]);
    assert_eq!(ids(&mut client, &path("q.io/repository/x/y/tag/v1")), ["b"]);
    assert_eq!(ids(&mut client, &path("q.io/repository/x/z/tag/old")), ["a"]);
    for nowhere in ["r.io/repository/x/y/tag/old", "r.io/repository/x/y/tag/v", "q.io/repository/x/y/tag/latest"] {
        assert_eq!(client.get(&path(nowhere)).status, 404, "{nowhere}");
    }
    assert_eq!(server.stats().questions[&Question::RepositoryTag], 6);
}

#[test]
fn operators_are_found_by_name_and_organization() {
    let server = Standin::start(catalog(), Knobs::default());
    let mut client = Client::to(&server);
    let mut by = |name: &str, organization: &str| {
        let filter = format!("csv_name=={name};organization=={organization}");
        ids(&mut client, &format!("{BASE}/operators/bundles?page_size=100&page=0&filter={filter}"))
    };
    assert_eq!(by("op.v1.0.0", "certified-operators"), ["1"]);
    assert_eq!(by("op.v1.0.0", "redhat-operators"), ["2"]);
    assert!(by("op.v1.0.1", "redhat-operators").is_empty());
    assert_eq!(server.stats().questions[&Question::BundleLookup], 3);
}

#[test]
fn lookups_pass_in_every_profile() {
    for profile in [Profile::Upstream, Profile::Proven] {
        let server = Standin::start(catalog(), Knobs::of(profile));
        let mut client = Client::to(&server);
        for target in [
            format!("{IMAGES}?filter=image_id==sha256:1"),
            format!("{IMAGES}?filter=repositories.manifest_list_digest==sha256:list"),
            format!("{BASE}/repositories/registry/r.io/repository/x/y/images"),
            format!("{BASE}/repositories/registry/r.io/repository/x/y/tag/v1"),
            format!(
                "{BASE}/operators/bundles?page_size=100&page=0&filter=csv_name==op.v1.0.0;organization==certified-operators"
            ),
        ] {
            assert!(!ids(&mut client, &target).is_empty(), "{profile:?} {target}");
        }
    }
}

#[test]
fn repositories_meet_faults_as_images_do() {
    let server = Standin::start(catalog(), Knobs::default());
    let mut client = Client::to(&server);
    let target = format!("{BASE}/repositories/registry/r.io/repository/x/y/tag/v1");
    server.set(|knobs| knobs.next_faults = [Some(Fault::Unavailable)].into());
    assert_eq!(client.get(&target).status, 503);
    server.set(|knobs| {
        knobs.next_faults = [Some(Fault::Unavailable)].into();
        knobs.fault_scope.images = false;
    });
    assert_eq!(client.get(&target).status, 200);
}
