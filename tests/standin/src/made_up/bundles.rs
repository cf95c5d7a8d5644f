//! Made-up operator bundles.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Hole, MadeUp, PARTNERS, PRODUCTS, hole, object_id, timeline, updated_after};
use crate::clock::{self, Micros};
use crate::doc::Doc;
use crate::rng::Rng;

/// How many different sets of bulky members there are.
const BULK_VARIANTS: usize = 12;

/// The four organizations; the first two are those that a client carries by default.
pub(crate) const ORGANIZATIONS: [&str; 4] =
    ["certified-operators", "redhat-operators", "redhat-marketplace", "community-operators"];

const CHANNELS: &[&str] = &["stable", "alpha", "beta", "fast", "candidate", "stable-v2"];

/// Makes bundle documents one by one.
pub(crate) struct BundleMaker {
    rng: Rng,
    serial: u32,
    hole_share: f64,
}

impl BundleMaker {
    /// The arguments are those of `ImageMaker::new`.
    pub(crate) fn new(made_up: &MadeUp, purpose: &str, serial: u32) -> Self {
        BundleMaker { rng: Rng::derived(made_up.seed, purpose), serial, hole_share: made_up.hole_share }
    }

    /// The next bundle of an organization, created at the given instant.
    pub(crate) fn bundle(&mut self, organization: &str, created: Micros) -> Doc {
        self.serial += 1;
        let rng = &mut self.rng;
        let mut out = String::with_capacity(800);
        let id = object_id(created, self.serial, rng);
        let package = format!("{}-{}", rng.pick(PARTNERS), rng.pick(PRODUCTS));
        let version = format!("{}.{}.{}", rng.below(6), rng.below(20), rng.below(40));
        let suffix = if rng.chance(0.1) { format!("-{}", rng.below(90)) } else { String::new() };
        let csv = match rng.below(20) {
            0 => format!("{package}.{version}{suffix}"),
            1 => format!("{package}-v{}", rng.below(9)),
            _ => format!("{package}.v{version}{suffix}"),
        };
        let ocp = format!("4.{}", rng.between(5, 20));
        let channel = *rng.pick(CHANNELS);
        let digest = rng.digest();
        let latest = rng.chance(0.2);
        let default = rng.chance(0.5);
        let created_text = clock::format(created);
        let updated = updated_after(created, 700, rng);
        let _ = write!(
            out,
            r#"{{"_id":"{id}","bundle_path":"registry.connect.redhat.com/{package}/bundle@{digest}","bundle_path_digest":"{digest}""#
        );
        // Holes in these three are rare in truth, so they get a quarter of the share.
        let rare = self.hole_share / 4.0;
        write_text("channel_name", channel, hole(rare, false, rng), &mut out);
        let _ = write!(out, r#","creation_date":"{created_text}""#);
        write_text("csv_name", &csv, hole(rare, false, rng), &mut out);
        let _ = write!(
            out,
            r#","in_index_img":true,"is_default_channel":{default},"last_update_date":"{updated}","latest_in_channel":{latest}"#
        );
        write_text("ocp_version", &ocp, hole(rare, false, rng), &mut out);
        let _ = write!(out, r#","organization":"{organization}","package":"{package}""#);
        let replaces = if rng.chance(0.2) { Hole::None } else { Hole::Null };
        write_text("replaces", &format!("{package}.v0.0.1"), replaces, &mut out);
        let range = if rng.chance(0.3) { Hole::None } else { Hole::Null };
        write_text("skip_range", &format!(">=0.0.1 <{version}"), range, &mut out);
        let _ = write!(out, r#","version":"{version}","version_original":"{version}{suffix}"}}"#);
        let mut doc = Doc::from_text(out);
        doc.bulk = Some((self.serial as usize % BULK_VARIANTS) as u16);
        doc
    }
}

fn write_text(key: &str, value: &str, hole: Hole, out: &mut String) {
    let _ = match hole {
        Hole::None => write!(out, r#","{key}":"{value}""#),
        Hole::Null => write!(out, r#","{key}":null"#),
        Hole::Absent | Hole::Empty => Ok(()),
    };
}

/// All bundles of a made-up catalog, in the order in which they came.
pub(crate) fn bundles(made_up: &MadeUp) -> Vec<Doc> {
    let mut rng = Rng::derived(made_up.seed, "bundle dates");
    let certified = made_up.bundles - made_up.bundles * 2 / 5;
    let marketplace = made_up.other_bundle_count() / 3;
    let counts = [certified, made_up.bundles - certified, marketplace, made_up.other_bundle_count() - marketplace];
    let mut plan: Vec<(Micros, &str)> = Vec::new();
    for (organization, count) in ORGANIZATIONS.into_iter().zip(counts) {
        let dates = timeline(count, made_up, &mut rng);
        plan.extend(dates.into_iter().map(|date| (date, organization)));
    }
    plan.sort_by_key(|(date, _)| *date);
    let mut maker = BundleMaker::new(made_up, "bundles", 0);
    plan.into_iter().map(|(date, organization)| maker.bundle(organization, date)).collect()
}

/// The bulky members of bundles, which a client has no use for.
pub(crate) fn bulk(seed: u64) -> Vec<Value> {
    let mut rng = Rng::derived(seed, "bundle bulk");
    (0..BULK_VARIANTS)
        .map(|i| {
            let apis: Vec<Value> = (0..3)
                .map(|api| json!({"group": "example.com", "kind": format!("Kind{api}"), "plural": format!("kind{api}s"), "version": "v1"}))
                .collect();
            let images: Vec<Value> = (0..3)
                .map(|image| json!({"digest": rng.digest(), "name": format!("image-{image}")}))
                .collect();
            json!({
                "alm_examples": [],
                "annotations": {"infrastructure_features": [], "valid_subscription": []},
                "architectures": if i % 2 == 0 { json!([]) } else { json!(["amd64"]) },
                "capabilities": ["Basic Install"],
                "csv_description": "What the operator does, told at some length. ".repeat(8),
                "csv_display_name": format!("Operator {i}"),
                "csv_metadata_description": "In short.",
                "install_modes": ["OwnNamespace", "AllNamespaces"],
                "provided_apis": apis,
                "provider": if i % 4 == 0 { Value::Null } else { json!("A Vendor") },
                "related_images": images,
                "skips": [],
                "source_index_container_path": "registry.example.com/index:v4",
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_organizations_and_holes_are_there() {
        let made_up = MadeUp { bundles: 2000, other_bundles: Some(90), ..MadeUp::default() };
        let docs = bundles(&made_up);
        assert_eq!(docs.len(), 2090);
        let of = |name: &str| docs.iter().filter(|doc| doc.organization.as_deref() == Some(name)).count();
        assert_eq!(ORGANIZATIONS.map(of), [1200, 800, 30, 60]);
        let mut holes = 0;
        for doc in &docs {
            let value: Value = serde_json::from_str(&doc.text).expect("bundles are JSON");
            for key in ["csv_name", "ocp_version", "channel_name"] {
                holes += usize::from(!value[key].is_string());
            }
        }
        assert!((5..120).contains(&holes), "{holes}");
    }
}
