//! A made-up chart index.

use std::fmt::Write;

use super::{MadeUp, PARTNERS, PRODUCTS};
use crate::rng::Rng;

/// Constraints that charts state in good faith.
const KUBE_VERSIONS: &[&str] = &[
    ">=1.20.0",
    ">= 1.19.0-0",
    ">=1.19.0",
    ">= 1.19",
    "^1.25.0",
    "^1.16.1-0",
    ">=v1.21.0",
    "v1.25.x",
    "1.x",
    "~1.27",
    ">= 1.16.0 < 1.22.0",
    ">=1.20.0, <1.30.0",
    "1.20 - 1.29",
    "^1.20 || ^1.24",
    "!=1.22.0",
    "*",
    "1.27.3",
    ">=1.21.0-0",
];

/// Constraints that Masterminds/semver cannot parse; a made-up index holds a few of them.
pub const UNPARSABLE_KUBE_VERSIONS: &[&str] =
    &[">=1.19 && <1.30", "1.20.0.1", "latest", "!1.22", ">> 1.20", "1.20 or later"];

/// The index as a YAML text.
pub(crate) fn index(made_up: &MadeUp) -> String {
    let mut rng = Rng::derived(made_up.seed, "charts");
    let mut out = String::from("apiVersion: v1\nentries:\n");
    let mut names: Vec<String> =
        (0..made_up.charts).map(|i| format!("{}-{}-{i}", rng.pick(PARTNERS), rng.pick(PRODUCTS))).collect();
    names.sort_unstable();
    if names.is_empty() {
        out = String::from("apiVersion: v1\nentries: {}\n");
    }
    for (i, name) in names.iter().enumerate() {
        let _ = writeln!(out, "  {name}:");
        let versions = rng.between(1, 8);
        let major = rng.below(5);
        for minor in (0..versions).rev() {
            let mut digest = String::new();
            rng.hex(64, &mut digest);
            let kube = match rng.below(10) {
                0 => None,
                // Every seventh chart has one version that no parser likes.
                _ if i % 7 == 3 && minor == 0 => Some(UNPARSABLE_KUBE_VERSIONS[i / 7 % UNPARSABLE_KUBE_VERSIONS.len()]),
                _ => Some(*rng.pick(KUBE_VERSIONS)),
            };
            let version = format!("{major}.{minor}.{}", rng.below(10));
            let _ = write!(
                out,
                "  - annotations:\n      charts.openshift.io/name: {name}\n      \
                 charts.openshift.io/providerType: partner\n    apiVersion: v2\n    \
                 appVersion: '{major}.{minor}'\n    description: Installs {name}\n    \
                 digest: {digest}\n"
            );
            if let Some(kube) = kube {
                let _ = writeln!(out, "    kubeVersion: '{kube}'");
            }
            let _ = write!(
                out,
                "    name: {name}\n    type: application\n    urls:\n    - \
                 https://charts.example.com/{name}-{version}.tgz\n    version: {version}\n"
            );
        }
    }
    out.push_str("generated: '2026-06-30T00:00:00.000000+00:00'\n");
    out
}
