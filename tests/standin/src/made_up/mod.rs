//! A made-up catalog of any size from a seed.

pub(crate) mod bundles;
pub(crate) mod charts;
pub(crate) mod images;

use crate::clock::{self, Micros, SECOND};
use crate::rng::Rng;

pub use charts::UNPARSABLE_KUBE_VERSIONS;

/// What to make up. Equal values give equal catalogs.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeUp {
    /// Decides everything else.
    pub seed: u64,
    /// Certified partner images: those that a client should carry. Others come on top.
    pub images: usize,
    /// Red Hat's own images; a tenth of `images` if `None`.
    pub red_hat_images: Option<usize>,
    /// Partner images that are not certified; a twelfth of `images` if `None`.
    pub uncertified_images: Option<usize>,
    /// Bundles of `certified-operators` and `redhat-operators` together (three to two).
    pub bundles: usize,
    /// Bundles of the two other organizations; a sixth of `bundles` if `None`.
    pub other_bundles: Option<usize>,
    /// Names in the chart index; each has a few versions.
    pub charts: usize,
    /// Share of documents whose creation date another document has too (beside the longest tie).
    pub tie_share: f64,
    /// Certified images on one instant; `None` is 1,700, or a twelfth of `images` if that is less.
    pub longest_tie: Option<usize>,
    /// Share of documents dated to the full second, so that the date's text has no fraction.
    pub full_second_share: f64,
    /// Share of certified images that have siblings of other architectures under one list digest.
    pub multi_arch_share: f64,
    /// Share of certified images that repeat the `image_id` of an earlier document.
    pub duplicate_share: f64,
    /// Share, for each field that may be missing, of documents where it is absent, null or empty.
    pub hole_share: f64,
}

impl Default for MadeUp {
    fn default() -> Self {
        MadeUp {
            seed: 1,
            images: 1000,
            red_hat_images: None,
            uncertified_images: None,
            bundles: 300,
            other_bundles: None,
            charts: 20,
            tie_share: 0.05,
            longest_tie: None,
            full_second_share: 0.03,
            multi_arch_share: 0.2,
            duplicate_share: 0.04,
            hole_share: 0.02,
        }
    }
}

impl MadeUp {
    pub(crate) fn red_hat_count(&self) -> usize {
        self.red_hat_images.unwrap_or(self.images / 10)
    }

    pub(crate) fn uncertified_count(&self) -> usize {
        self.uncertified_images.unwrap_or(self.images / 12)
    }

    pub(crate) fn other_bundle_count(&self) -> usize {
        self.other_bundles.unwrap_or(self.bundles / 6)
    }

    fn longest_tie(&self) -> usize {
        self.longest_tie.unwrap_or((self.images / 12).min(1700)).min(self.images)
    }
}

/// The first day of every made-up catalog.
pub(crate) fn first_day() -> Micros {
    clock::midnight(2017, 5, 1)
}

/// The day on which every made-up catalog ends.
pub(crate) fn last_day() -> Micros {
    clock::midnight(2026, 6, 30)
}

/// How strongly the catalog grows: with 1 each year would bring as much as any other.
const GROWTH: f64 = 2.6;

/// Ascending dates of creation, denser and denser, with some ties of two to nine.
fn timeline(count: usize, made_up: &MadeUp, rng: &mut Rng) -> Vec<Micros> {
    const MILLISECOND: Micros = 1000;
    let span = (last_day() - first_day()) as f64;
    let mut dates: Vec<Micros> = (0..count)
        .map(|i| {
            let place = (i as f64 + rng.unit()) / count as f64;
            let date = first_day() + (span * place.powf(1.0 / GROWTH)) as Micros;
            let unit = if rng.chance(made_up.full_second_share) { SECOND } else { MILLISECOND };
            date - date.rem_euclid(unit)
        })
        .collect();
    dates.sort_unstable();
    // A tie of n makes n documents share; on average 5.5.
    let start_tie = made_up.tie_share / 5.5;
    let mut i = 0;
    while i < count {
        if rng.chance(start_tie) {
            let end = (i + rng.between(2, 9)).min(count);
            let date = dates[i];
            dates[i..end].fill(date);
            i = end;
        } else {
            i += 1;
        }
    }
    dates
}

/// A new `_id`: seconds of its date, then digits that no other document has.
fn object_id(created: Micros, serial: u32, rng: &mut Rng) -> String {
    let mut id = format!("{:08x}", created.div_euclid(SECOND) as u32);
    rng.hex(8, &mut id);
    id.push_str(&format!("{serial:08x}"));
    id
}

/// A date of the last change, some days after creation but not after the catalog's end.
fn updated_after(created: Micros, days: usize, rng: &mut Rng) -> String {
    let later = created + rng.below(days * 86_400_000) as Micros * 1000;
    clock::format(later.min(last_day()).max(created))
}

/// Whether a field is there, and how it is missing otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hole {
    None,
    Absent,
    Null,
    Empty,
}

/// Draws a hole, with `Empty` among its forms if the field is a list.
fn hole(share: f64, is_list: bool, rng: &mut Rng) -> Hole {
    if !rng.chance(share) {
        return Hole::None;
    }
    match rng.below(if is_list { 3 } else { 2 }) {
        0 => Hole::Absent,
        1 => Hole::Null,
        _ => Hole::Empty,
    }
}

const PARTNERS: &[&str] = &[
    "acorn",
    "birchware",
    "cobaltio",
    "dunestack",
    "emberlake",
    "fjordlabs",
    "granite",
    "harborix",
    "inletops",
    "junipera",
    "kestrel",
    "lumenfold",
    "meadowsoft",
    "northgate",
    "obsidian",
    "pinecrest",
    "quarryhq",
    "ravenna",
    "saltmarsh",
    "tundra",
    "umbrella-works",
    "vellum",
    "willowtech",
    "xenonsys",
    "yarrow",
    "zephyrion",
];

const PRODUCTS: &[&str] = &[
    "agent",
    "backup",
    "broker",
    "cache",
    "collector",
    "console",
    "controller",
    "database",
    "exporter",
    "gateway",
    "ingest",
    "init",
    "manager",
    "monitor",
    "operator",
    "proxy",
    "queue",
    "registry",
    "scanner",
    "scheduler",
    "server",
    "sidecar",
    "storage",
    "webhook",
    "worker",
];
