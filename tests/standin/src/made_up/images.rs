//! Made-up images.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Hole, MadeUp, PARTNERS, PRODUCTS, hole, object_id, timeline, updated_after};
use crate::clock::{self, Micros, SECOND};
use crate::doc::Doc;
use crate::rng::Rng;

/// How many different sets of bulky members there are.
const BULK_VARIANTS: usize = 16;

/// How many recent digests may be repeated by a later document.
const REMEMBERED_DIGESTS: usize = 512;

const ARCHITECTURES: &[&str] = &["amd64", "arm64", "ppc64le", "s390x"];

/// What an image is to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageKind {
    Certified,
    Uncertified,
    RedHat,
}

/// What siblings of several architectures have in common.
struct Release {
    left: usize,
    total: usize,
    list_digest: Option<String>,
    repository: String,
    tags: Vec<String>,
    partner: String,
}

/// Makes image documents one by one.
pub(crate) struct ImageMaker {
    rng: Rng,
    serial: u32,
    release: Option<Release>,
    digests: Vec<String>,
    multi_arch_share: f64,
    duplicate_share: f64,
    hole_share: f64,
}

impl ImageMaker {
    /// `purpose` keeps the draws of several makers with one seed apart; `serial` starts the part
    /// of the ids that makes them unique.
    pub(crate) fn new(made_up: &MadeUp, purpose: &str, serial: u32) -> Self {
        ImageMaker {
            rng: Rng::derived(made_up.seed, purpose),
            serial,
            release: None,
            digests: Vec::new(),
            multi_arch_share: made_up.multi_arch_share,
            duplicate_share: made_up.duplicate_share,
            hole_share: made_up.hole_share,
        }
    }

    /// The next image of a kind, created at the given instant.
    pub(crate) fn image(&mut self, kind: ImageKind, created: Micros) -> Doc {
        let mut text = String::with_capacity(900);
        self.write(kind, created, &mut text);
        let mut doc = Doc::from_text(text);
        doc.bulk = Some((self.serial as usize % BULK_VARIANTS) as u16);
        doc
    }

    fn write(&mut self, kind: ImageKind, created: Micros, out: &mut String) {
        self.serial += 1;
        let release = match self.release.take() {
            Some(release) if kind == ImageKind::Certified && release.left > 0 => release,
            _ => self.new_release(kind),
        };
        let rng = &mut self.rng;
        let architecture = if release.total > 1 {
            ARCHITECTURES[release.total - release.left]
        } else if rng.chance(0.9) {
            "amd64"
        } else {
            *rng.pick(ARCHITECTURES)
        };
        let digest = if self.digests.is_empty() || !rng.chance(self.duplicate_share) {
            let digest = rng.digest();
            if self.digests.len() < REMEMBERED_DIGESTS {
                self.digests.push(digest.clone());
            } else {
                let place = rng.below(REMEMBERED_DIGESTS);
                self.digests[place].clone_from(&digest);
            }
            digest
        } else {
            rng.pick(&self.digests).clone()
        };
        let id = object_id(created, self.serial, rng);
        let created_text = clock::format(created);
        let updated = updated_after(created, 40, rng);
        let _ = write!(out, r#"{{"_id":"{id}","architecture":"{architecture}""#);
        match (kind, rng.below(4)) {
            (ImageKind::Certified, _) => out.push_str(r#","certified":true"#),
            (ImageKind::RedHat, 0) => {}
            (ImageKind::Uncertified, 0) => {}
            (ImageKind::Uncertified, 1) => out.push_str(r#","certified":null"#),
            _ => out.push_str(r#","certified":false"#),
        }
        let _ = write!(out, r#","creation_date":"{created_text}""#);
        if rng.chance(0.6) {
            let _ = write!(out, r#","docker_image_digest":"{digest}""#);
        }
        let _ = write!(out, r#","docker_image_id":"{}""#, rng.digest());
        match hole(self.hole_share, false, rng) {
            Hole::None => {
                let _ = write!(out, r#","image_id":"{digest}""#);
            }
            Hole::Null => out.push_str(r#","image_id":null"#),
            Hole::Absent | Hole::Empty => {}
        }
        if kind != ImageKind::RedHat {
            let _ = write!(out, r#","isv_pid":"{}""#, release.partner);
        }
        let _ = write!(out, r#","last_update_date":"{updated}","object_type":"containerImage","repositories":["#);
        let places = match kind {
            ImageKind::Certified if rng.chance(self.hole_share / 8.0) => 0,
            ImageKind::Certified if rng.chance(0.12) => 2,
            _ => 1,
        };
        for place in 0..places {
            if place > 0 {
                out.push(',');
            }
            let registry = match (kind, place) {
                (ImageKind::RedHat, _) => "registry.access.redhat.com",
                (_, 0) if rng.chance(0.8) => "registry.connect.redhat.com",
                (_, 0) => "quay.io",
                _ => "registry.rhc4tp.openshift.com",
            };
            write_place(registry, &release, &digest, &created_text, self.hole_share, rng, out);
        }
        out.push_str("]}");
        if release.left > 1 {
            self.release = Some(Release { left: release.left - 1, ..release });
        }
    }

    fn new_release(&mut self, kind: ImageKind) -> Release {
        let rng = &mut self.rng;
        // A release of several architectures brings three documents on average.
        let total = if kind == ImageKind::Certified && rng.chance(self.multi_arch_share / 3.0) {
            rng.between(2, ARCHITECTURES.len())
        } else {
            1
        };
        let listed = total > 1 || (kind == ImageKind::RedHat && rng.chance(0.5));
        let partner = rng.pick(PARTNERS);
        let product = rng.pick(PRODUCTS);
        let repository = match kind {
            ImageKind::RedHat => format!("ubi{}/{product}-{}", rng.between(7, 9), rng.below(40)),
            _ => format!("{partner}/{product}-{}", rng.below(60)),
        };
        let version = format!("{}.{}.{}", rng.below(9), rng.below(30), rng.below(50));
        let mut tags = Vec::new();
        if rng.chance(0.3) {
            tags.push("latest".to_owned());
        }
        if rng.chance(0.3) {
            tags.push(format!("v{version}-rc{}", rng.below(9)));
        }
        tags.push(version);
        let partner = format!("ospid-{partner}-{}", rng.below(9));
        Release { left: total, total, list_digest: listed.then(|| rng.digest()), repository, tags, partner }
    }
}

/// Writes one of the places where an image is.
fn write_place(
    registry: &str,
    release: &Release,
    digest: &str,
    date: &str,
    hole_share: f64,
    rng: &mut Rng,
    out: &mut String,
) {
    out.push('{');
    match &release.list_digest {
        Some(list) => {
            let _ = write!(out, r#""manifest_list_digest":"{list}","#);
        }
        None if rng.chance(0.3) => out.push_str(r#""manifest_list_digest":null,"#),
        None => {}
    }
    if rng.chance(0.1) {
        out.push_str(r#""manifest_schema2_digest":null,"#);
    } else if rng.chance(0.05) {
        let _ = write!(out, r#""manifest_schema2_digest":"{}","#, rng.digest());
    } else {
        let _ = write!(out, r#""manifest_schema2_digest":"{digest}","#);
    }
    let published = rng.chance(0.95);
    let _ = write!(
        out,
        r#""published":{published},"push_date":"{date}","registry":"{registry}","repository":"{}""#,
        release.repository
    );
    match hole(hole_share, true, rng) {
        Hole::None => {
            out.push_str(r#","tags":["#);
            for (i, tag) in release.tags.iter().enumerate() {
                let comma = if i > 0 { "," } else { "" };
                let _ = write!(out, r#"{comma}{{"added_date":"{date}","name":"{tag}"}}"#);
            }
            out.push(']');
        }
        Hole::Null => out.push_str(r#","tags":null"#),
        Hole::Empty => out.push_str(r#","tags":[]"#),
        Hole::Absent => {}
    }
    out.push('}');
}

/// All images of a made-up catalog, in the order in which they came.
pub(crate) fn images(made_up: &MadeUp) -> Vec<Doc> {
    let mut rng = Rng::derived(made_up.seed, "image dates");
    let mut dates = timeline(made_up.images, made_up, &mut rng);
    let tie = made_up.longest_tie();
    if tie > 1 {
        // The tie takes the place of that many neighbours, somewhere in the denser half.
        let start = (made_up.images - tie) * 6 / 10;
        let date = dates[start] - dates[start].rem_euclid(SECOND);
        let at = dates.partition_point(|other| *other < date);
        let at = at.min(made_up.images - tie);
        dates[at..at + tie].fill(date);
        dates.sort_unstable();
    }
    let mut plan: Vec<(Micros, ImageKind)> = dates.iter().map(|d| (*d, ImageKind::Certified)).collect();
    for (kind, count) in
        [(ImageKind::RedHat, made_up.red_hat_count()), (ImageKind::Uncertified, made_up.uncertified_count())]
    {
        let own = timeline(count, made_up, &mut rng);
        for date in own {
            // Some of them share their instant with a certified image.
            let shared = !dates.is_empty() && rng.chance(made_up.tie_share);
            let date = if shared { *rng.pick(&dates) } else { date };
            plan.push((date, kind));
        }
    }
    plan.sort_by_key(|(date, _)| *date);
    let mut maker = ImageMaker::new(made_up, "images", 0);
    plan.into_iter().map(|(date, kind)| maker.image(kind, date)).collect()
}

/// The bulky members of images, which a client has no use for.
pub(crate) fn bulk(seed: u64) -> Vec<Value> {
    let mut rng = Rng::derived(seed, "image bulk");
    (0..BULK_VARIANTS)
        .map(|_| {
            let labels: Vec<Value> = (0..12)
                .map(|i| {
                    let mut value = String::new();
                    rng.hex(40, &mut value);
                    json!({"name": format!("label-{i}"), "value": value})
                })
                .collect();
            let layers: Vec<String> = (0..6).map(|_| rng.digest()).collect();
            let grades: Vec<Value> = ["A", "B", "C"]
                .iter()
                .map(|grade| json!({"grade": grade, "creation_date": "2022-01-01T00:00:00+00:00"}))
                .collect();
            json!({
                "_links": {"vendors": {"href": "/v1/vendors/label"}},
                "content_sets": ["base-rpms", "extra-rpms"],
                "cpe_ids": ["cpe:/a:example:product:1"],
                "freshness_grades": grades,
                "parsed_data": {
                    "command": "/bin/start",
                    "docker_version": "20.10",
                    "env_variables": ["PATH=/usr/bin", "HOME=/"],
                    "labels": labels,
                    "layers": layers,
                },
                "sum_layer_size_bytes": rng.below(900_000_000),
                "top_layer_id": layers.last(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn made_up() -> MadeUp {
        MadeUp { images: 3000, longest_tie: Some(170), ..MadeUp::default() }
    }

    #[test]
    fn a_seed_gives_one_catalog() {
        let texts = |seed| -> Vec<_> {
            let docs = images(&MadeUp { seed, ..made_up() });
            docs.into_iter().map(|doc| doc.text).collect()
        };
        assert_eq!(texts(5), texts(5));
        assert_ne!(texts(5), texts(6));
    }

    #[test]
    fn counts_ties_and_growth_are_as_asked() {
        let docs = images(&made_up());
        assert_eq!(docs.len(), 3000 + 300 + 250);
        let certified: Vec<_> = docs.iter().filter(|d| d.certified == Some(true) && d.partner).collect();
        assert_eq!(certified.len(), 3000);
        let mut per_date: HashMap<_, usize> = HashMap::new();
        for doc in &certified {
            *per_date.entry(doc.created).or_default() += 1;
        }
        let longest = per_date.values().max().copied().unwrap_or(0);
        assert!((170..190).contains(&longest), "{longest}");
        let tied: usize = per_date.values().filter(|n| (2..20).contains(*n)).sum();
        assert!((50..300).contains(&tied), "{tied}");
        let half = clock::midnight(2021, 12, 1);
        let early = docs.iter().filter(|d| d.created < Some(half)).count();
        assert!(early * 3 < docs.len(), "{early}");
    }

    #[test]
    fn the_rare_forms_are_there_and_all_is_json() {
        let docs = images(&made_up());
        let values: Vec<Value> =
            docs.iter().map(|doc| serde_json::from_str(&doc.text).expect("made-up documents are JSON")).collect();
        let mut ids: Vec<_> = docs.iter().map(|doc| &doc.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), docs.len());
        assert!(ids.iter().all(|id| id.len() == 24));
        let count = |test: &dyn Fn(&Value) -> bool| values.iter().filter(|v| test(v)).count();
        assert!(count(&|v| v.get("image_id").is_none()) > 5);
        assert!(count(&|v| v.get("image_id") == Some(&Value::Null)) > 5);
        let tags = |v: &Value| v.pointer("/repositories/0/tags").cloned();
        let first = |v: &Value| v.pointer("/repositories/0").is_some();
        assert!(count(&|v| first(v) && tags(v).is_none()) > 5);
        assert!(count(&|v| tags(v) == Some(Value::Null)) > 5);
        assert!(count(&|v| tags(v) == Some(json!([]))) > 5);
        let whole = |v: &Value| !v["creation_date"].as_str().unwrap_or(".").contains('.');
        assert!(count(&whole) > 170);
        let mut lists: HashMap<String, Vec<String>> = HashMap::new();
        for value in &values {
            if let Some(list) = value.pointer("/repositories/0/manifest_list_digest").and_then(Value::as_str) {
                let arch = value["architecture"].as_str().unwrap_or_default();
                lists.entry(list.to_owned()).or_default().push(arch.to_owned());
            }
        }
        assert!(lists.values().filter(|archs| archs.len() > 1).count() > 50);
        let duplicates = values.len() - {
            let mut digests: Vec<_> = values.iter().filter_map(|v| v["image_id"].as_str()).collect();
            digests.sort_unstable();
            digests.dedup();
            digests.len()
        };
        assert!(duplicates > 50);
    }
}
