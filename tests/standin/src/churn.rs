//! Documents that come, go and change while a catalog is served.

use crate::clock::{self, Micros};
use crate::doc::Doc;
use crate::json_text;
use crate::knobs::Churn;
use crate::made_up::MadeUp;
use crate::made_up::bundles::{BundleMaker, ORGANIZATIONS};
use crate::made_up::images::{ImageKind, ImageMaker};
use crate::rng::Rng;
use crate::store::Collection;

/// What churn did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChurnCount {
    /// Rounds that took place.
    pub rounds: u64,
    /// Documents that came.
    pub inserted: u64,
    /// Documents that vanished.
    pub deleted: u64,
    /// Documents that changed in place.
    pub changed: u64,
}

/// Makes the documents that come, and chooses those that go.
pub(crate) struct Churner {
    images: ImageMaker,
    bundles: BundleMaker,
    pub(crate) count: ChurnCount,
}

/// Serial numbers of documents that come while serving begin here, far from those of the start.
const FIRST_SERIAL: u32 = 0x4000_0000;

impl Churner {
    pub(crate) fn new(made_up: &MadeUp) -> Self {
        // Siblings would come in one round and share a date by accident only.
        let made_up = MadeUp { multi_arch_share: 0.0, ..made_up.clone() };
        Churner {
            images: ImageMaker::new(&made_up, "churned images", FIRST_SERIAL),
            bundles: BundleMaker::new(&made_up, "churned bundles", FIRST_SERIAL),
            count: ChurnCount::default(),
        }
    }

    /// One round. Each change counts as an event of its own.
    pub(crate) fn round(&mut self, churn: &Churn, images: &mut Collection, bundles: &mut Collection, event: &mut u64) {
        self.count.rounds += 1;
        let mut rng = Rng::new(churn.seed ^ self.count.rounds.rotate_left(32));
        if churn.images {
            self.change(churn, images, true, &mut rng, event);
        }
        if churn.bundles {
            self.change(churn, bundles, false, &mut rng, event);
        }
    }

    fn change(&mut self, churn: &Churn, collection: &mut Collection, of_images: bool, rng: &mut Rng, event: &mut u64) {
        // Chosen before anything comes, so that nothing goes in the round in which it came.
        let going = draw(collection.living(), churn.delete, rng);
        let left: Vec<u32> = if churn.change == 0 {
            Vec::new()
        } else {
            let stays = |slot: &u32| !going.contains(slot);
            collection.living().iter().copied().filter(stays).collect()
        };
        let changing = draw(&left, churn.change, rng);
        for fresh in 0..churn.insert_new + churn.insert_back_dated {
            let date = if fresh < churn.insert_new { clock::now() / 1000 * 1000 } else { date_among(collection, rng) };
            let doc = if of_images {
                let kind = match rng.below(6) {
                    0 => ImageKind::Uncertified,
                    1 => ImageKind::RedHat,
                    _ => ImageKind::Certified,
                };
                self.images.image(kind, date)
            } else {
                // The first two organizations twice as often.
                let organization = ORGANIZATIONS[[0, 0, 1, 1, 2, 3][rng.below(6)]];
                self.bundles.bundle(organization, date)
            };
            *event += 1;
            insert(collection, doc, *event);
            self.count.inserted += 1;
        }
        for slot in going {
            *event += 1;
            collection.remove(slot, *event);
            self.count.deleted += 1;
        }
        for slot in changing {
            let text = &collection.doc(slot).text;
            let mut text = if of_images {
                changed_tags(text, rng)
            } else {
                let channel = format!("\"channel-{}\"", rng.below(1000));
                json_text::with_member(text, "channel_name", &channel)
            };
            let now = format!("\"{}\"", clock::format(clock::now()));
            text = json_text::with_member(&text, "last_update_date", &now);
            *event += 1;
            collection.replace(slot, text, *event);
            self.count.changed += 1;
        }
    }
}

/// A document from a maker knows the pool of bulky members of made-up catalogs; other catalogs
/// have none.
fn insert(collection: &mut Collection, mut doc: Doc, event: u64) {
    if collection.bulk.is_empty() {
        doc.bulk = None;
    }
    collection.insert(doc, event);
}

/// Up to `count` different ones.
fn draw(from: &[u32], count: usize, rng: &mut Rng) -> Vec<u32> {
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count.min(from.len()) {
        let slot = *rng.pick(from);
        if !drawn.contains(&slot) {
            drawn.push(slot);
        }
    }
    drawn
}

/// A date between the first and the last; at times one that another document has already.
fn date_among(collection: &Collection, rng: &mut Rng) -> Micros {
    let living = collection.living();
    if living.is_empty() {
        return clock::now();
    }
    let first = collection.doc(living[0]).created.unwrap_or_default();
    let some = collection.doc(*rng.pick(living)).created.unwrap_or_default();
    if rng.chance(0.2) {
        some
    } else {
        let past = rng.below(3_600_000) as Micros * 1000;
        (some - past).max(first)
    }
}

/// The document with a further tag, or with fewer, in its first repository.
fn changed_tags(text: &str, rng: &mut Rng) -> String {
    let mut document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let place = document.pointer_mut("/repositories/0");
    if let Some(serde_json::Value::Object(place)) = place {
        let tags = place.entry("tags").or_insert_with(|| serde_json::json!([]));
        match tags {
            serde_json::Value::Array(tags) if tags.len() > 1 && rng.chance(0.3) => {
                tags.truncate(1);
            }
            serde_json::Value::Array(tags) => {
                tags.push(serde_json::json!({"name": format!("moved-{}", rng.below(100_000))}));
            }
            other => *other = serde_json::json!([{"name": "moved"}]),
        }
    }
    document.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::truth::{Mark, Span, truth};

    #[test]
    fn rounds_are_kept_in_the_books() {
        let made_up = MadeUp { images: 300, bundles: 60, ..MadeUp::default() };
        let Catalog { mut images, mut bundles, .. } = Catalog::made_up(&made_up);
        let mut churner = Churner::new(&made_up);
        let mut event = 0;
        let churn = Churn { insert_new: 2, insert_back_dated: 3, delete: 4, change: 5, ..Churn::default() };
        let before = images.living().len();
        churner.round(&churn, &mut images, &mut bundles, &mut event);
        let mark = Mark(event);
        churner.round(&churn, &mut images, &mut bundles, &mut event);
        churner.round(&churn, &mut images, &mut bundles, &mut event);
        assert_eq!(event, 3 * 2 * 14);
        assert_eq!(images.living().len(), before + 3);
        let expected = ChurnCount { rounds: 3, inserted: 30, deleted: 24, changed: 30 };
        assert_eq!(churner.count, expected);

        let images_of = |span| {
            let t = truth(&images, &bundles, Vec::new(), &span);
            [t.certified, t.red_hat, t.uncertified].concat()
        };
        let (now, throughout, ever) =
            (images_of(Span::Now), images_of(Span::Throughout(mark)), images_of(Span::Ever(mark)));
        assert_eq!(now.len(), before + 3);
        assert_eq!(ever.len(), before + 3 + 8);
        let died_after_coming = 10 - (now.len() - throughout.len());
        assert!(died_after_coming <= 4);
        assert!(now.iter().all(|doc| !doc.changed()));
        let changed = ever.iter().filter(|doc| doc.changed()).count();
        assert!((5..=10).contains(&changed), "{changed}");
    }

    #[test]
    fn a_seed_repeats_the_same_churn() {
        let run = || {
            let made_up = MadeUp::default();
            let catalog = Catalog::made_up(&made_up);
            let (mut images, mut bundles) = (catalog.images, catalog.bundles);
            let mut churner = Churner::new(&made_up);
            let churn = Churn::balanced(1, 7);
            let mut event = 0;
            for _ in 0..3 {
                churner.round(&churn, &mut images, &mut bundles, &mut event);
            }
            let ids: Vec<_> = images.docs.iter().map(|d| (d.id.clone(), d.died)).collect();
            ids
        };
        assert_eq!(run(), run());
    }
}
