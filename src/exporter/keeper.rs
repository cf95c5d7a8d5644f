//! The keeper: one task that owns the listings and the files on disk. Walks report to it by a channel.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::error::SourceError;
use super::limits;
use super::listing::{Key, Listing, Place};
use super::work_folder::{Begun, Content, Unit, WorkFolder, WorkState};
use crate::base::progress::Progress;
use crate::catalog::document::{Image, Operator};
use crate::pyxis::{At, Body, Document, Interval};

/// Reports that may wait, a page each. A walk that is faster than the disk waits.
const WAITING: usize = 16;

/// What a walk reports, and what it wants to know.
pub enum Report {
    /// How the collection was begun.
    Begun(Begun),
    /// These are all documents in an interval.
    Found(Interval, Vec<Document>),
    /// Some documents.
    Seen(Vec<Document>),
    /// The documents of these keys, already seen, are all in an interval.
    Settled(Interval, BTreeSet<Key>),
    /// These documents, already seen, have only this date now.
    Moved(Vec<Key>),
    /// A question about the listing.
    Look(Look),
}

/// A question about a listing, and how its collection was begun.
pub type Look = Box<dyn FnOnce(&Listing, Option<Begun>) + Send>;

/// One end of the channel, for the walk of one collection.
#[derive(Clone)]
pub struct Sink {
    collection: Arc<str>,
    reports: mpsc::Sender<(Arc<str>, Report)>,
}

impl Sink {
    /// Reports.
    ///
    /// # Errors
    /// If the keeper has ended; its own result says why.
    pub async fn report(&self, report: Report) -> Result<(), SourceError> {
        let sent = self.reports.send((Arc::clone(&self.collection), report)).await;
        sent.map_err(|_| io::Error::other("what was fetched cannot be kept").into())
    }

    /// Asks the listing, and how the collection was begun.
    ///
    /// # Errors
    /// If the keeper has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Listing, Option<Begun>) -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let (answer, answered) = oneshot::channel();
        let look = move |listing: &Listing, begun: Option<Begun>| {
            // If the fetch is ending, nobody waits for the answer.
            let _ = answer.send(look(listing, begun));
        };
        self.report(Report::Look(Box::new(look))).await?;
        answered.await.map_err(|_| io::Error::other("what was fetched cannot be read").into())
    }
}

/// Owns the listings and the files.
pub struct Keeper {
    listings: BTreeMap<Arc<str>, Listing>,
    state: WorkState,
    work: WorkFolder,
    progress: Arc<dyn Progress>,
    odd: BTreeMap<Arc<str>, BTreeSet<String>>,
}

impl Keeper {
    /// A keeper of `collections`, with the documents that an earlier run left in `work`; also their number.
    pub fn open<'a>(
        mut work: WorkFolder,
        collections: impl Iterator<Item = &'a str>,
        begin: WorkState,
        now: jiff::Timestamp,
        fresh: bool,
        progress: Arc<dyn Progress>,
    ) -> Result<(Self, u64), SourceError> {
        let mut listings: BTreeMap<Arc<str>, Listing> =
            collections.map(|name| (name.into(), Listing::default())).collect();
        let mut odd: BTreeMap<Arc<str>, BTreeSet<String>> = BTreeMap::new();
        let state = work.resume(now, fresh, |unit| {
            let Some((name, listing)) = listings.iter_mut().find(|(name, _)| ***name == *unit.collection) else {
                return Ok(());
            };
            odd.entry(Arc::clone(name)).or_default().extend(restore(unit, listing)?);
            Ok(())
        })?;
        let state = state.unwrap_or(begin);
        work.save_state(&state)?;
        let resumed = listings.values().map(|listing| listing.count(Interval::ALL)).sum();
        Ok((Self { listings, state, work, progress, odd }, resumed))
    }

    /// The channel to a keeper.
    pub fn channel<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<Sink>, mpsc::Receiver<(Arc<str>, Report)>) {
        let (reports, received) = mpsc::channel(WAITING);
        (names.map(|name| Sink { collection: name.into(), reports: reports.clone() }).collect(), received)
    }

    /// Takes reports until all walks have ended, on a thread that may wait for the disk.
    pub fn run(mut self, mut reports: mpsc::Receiver<(Arc<str>, Report)>) -> Result<Kept, SourceError> {
        while let Some((collection, report)) = reports.blocking_recv() {
            self.take(&collection, report)?;
        }
        Ok(self.close())
    }

    /// What the keeper has kept.
    pub fn close(self) -> Kept {
        Kept { listings: self.listings, created: self.state.created, work: self.work, odd: self.odd }
    }

    /// Takes one report.
    pub fn take(&mut self, name: &Arc<str>, report: Report) -> Result<(), SourceError> {
        let Some(listing) = self.listings.get_mut(name) else { return Ok(()) };
        let odd = self.odd.entry(Arc::clone(name)).or_default();
        match report {
            Report::Begun(begun) => {
                self.state.begun.insert(name.to_string(), begun);
                self.work.save_state(&self.state)?;
            }
            Report::Found(interval, documents) => {
                let unit = self.work.save(name, Content::All(interval), &documents)?;
                listing.replace(interval, places(unit, &documents));
                note_odd(odd, &documents);
                self.progress.advance(name, documents.len() as u64);
            }
            Report::Seen(documents) => {
                let unit = self.work.save(name, Content::Some, &documents)?;
                let before = listing.count(Interval::ALL);
                listing.add(places(unit, &documents));
                note_odd(odd, &documents);
                self.progress.advance(name, listing.count(Interval::ALL) - before);
            }
            Report::Settled(interval, keys) => {
                self.work.save(name, Content::Keys(interval), &keys.iter().collect::<Vec<_>>())?;
                listing.settle(interval, &keys);
            }
            Report::Moved(keys) => listing.moved(&keys),
            Report::Look(look) => look(listing, self.state.begun.get(&**name).copied()),
        }
        Ok(())
    }
}

/// Restores the content of a file; returns its odd documents.
fn restore(unit: &Unit, listing: &mut Listing) -> io::Result<Vec<String>> {
    if let Content::Keys(interval) = unit.content {
        let keys = unit.lines::<Key>().collect::<io::Result<_>>()?;
        listing.settle(interval, &keys);
        return Ok(Vec::new());
    }
    let documents = unit.lines::<Document>().collect::<io::Result<Vec<_>>>()?;
    match unit.content {
        Content::All(interval) => listing.replace(interval, places(unit.number, &documents)),
        Content::Some | Content::Keys(_) => listing.add(places(unit.number, &documents)),
    }
    Ok(documents.iter().filter_map(Document::oddity).collect())
}

fn places(unit: u32, documents: &[Document]) -> Vec<(Key, Place)> {
    let place = |(line, document): (u32, &Document)| ((document.at, document.id), Place { unit, line });
    (0..).zip(documents).map(place).collect()
}

fn note_odd(odd: &mut BTreeSet<String>, documents: &[Document]) {
    odd.extend(documents.iter().filter_map(Document::oddity).take(limits::NAMED.saturating_sub(odd.len())));
}

/// Everything that was fetched, on disk.
#[derive(Debug)]
pub struct Kept {
    listings: BTreeMap<Arc<str>, Listing>,
    /// When the snapshot began.
    pub created: jiff::Timestamp,
    work: WorkFolder,
    odd: BTreeMap<Arc<str>, BTreeSet<String>>,
}

impl Kept {
    /// How many documents of a collection there are.
    pub fn count(&self, collection: &str) -> u64 {
        self.listings.get(collection).map_or(0, |listing| listing.count(Interval::ALL))
    }

    /// What is odd about documents of a collection, a line each.
    pub fn oddities(&self, collection: &str) -> Vec<String> {
        let mut lines: Vec<_> = self.odd.get(collection).into_iter().flatten().cloned().collect();
        let twins = self.listings.get(collection).map(Listing::twins).unwrap_or_default();
        let twins: BTreeSet<_> = twins.iter().map(|(_, id)| format!("{id} (two documents have this _id)")).collect();
        lines.extend(twins.into_iter().take(limits::NAMED));
        lines
    }

    /// Calls `visit` with each document, in their order on disk; the memory holds one file at a time.
    fn each(&self, wanted: impl Fn(&str) -> bool, mut visit: impl FnMut(Body) -> io::Result<()>) -> io::Result<()> {
        self.work.each(|unit| {
            let listing = self.listings.get(&*unit.collection).filter(|_| wanted(&unit.collection));
            let (Some(listing), false) = (listing, matches!(unit.content, Content::Keys(_))) else { return Ok(()) };
            for (line, document) in (0u32..).zip(unit.lines::<Document>()) {
                let document = document?;
                let place = Place { unit: unit.number, line };
                // An earlier state of a document, or a removed document, is still on disk, but does not count.
                if listing.place(&(document.at, document.id)) == Some(place) {
                    visit(document.body)?;
                }
            }
            Ok(())
        })
    }

    /// Calls `visit` with each image.
    pub fn each_image(&self, mut visit: impl FnMut(Image) -> io::Result<()>) -> io::Result<()> {
        self.each(is_images, |body| match body {
            Body::Image(image) => visit(*image),
            Body::Operator(_) => Ok(()),
        })
    }

    /// How many images there are.
    pub fn images(&self) -> u64 {
        let listings = self.listings.iter().filter(|(name, _)| is_images(name));
        listings.map(|(_, listing)| listing.count(Interval::ALL)).sum()
    }

    /// The operators of all organizations, in order.
    pub fn operators(&self) -> io::Result<Vec<Operator>> {
        let mut operators = Vec::new();
        self.each(
            |name| !is_images(name),
            |body| {
                if let Body::Operator(operator) = body {
                    operators.push(*operator);
                }
                Ok(())
            },
        )?;
        operators.sort_unstable();
        Ok(operators)
    }

    /// Removes the files.
    pub fn remove(self) -> io::Result<()> {
        self.work.remove()
    }
}

fn is_images(collection: &str) -> bool {
    !collection.starts_with("operators:")
}

/// The documents that have a date.
pub const DATED: Interval = Interval::new(At::BEGINNING, At::END);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::progress::Silent;
    use crate::exporter::work_folder::{Asked, Root};

    fn open(cache: &std::path::Path) -> (Keeper, u64) {
        let (root, _) = Root::open(Some(cache), "work").unwrap();
        let asked = Asked { catalog_url: "a".into(), charts_url: "c".into(), collections: vec![], since: None };
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        let names = ["containers", "operators:x"].into_iter();
        let work = WorkFolder::open(root, &asked).unwrap();
        Keeper::open(work, names, WorkState::new(now), now, false, Arc::new(Silent)).unwrap()
    }

    fn bundle(id: u32, odd: bool) -> Document {
        let (ocp_version, channel_name) = ("4.16".into(), "stable".into());
        let operator = Operator { csv_name: format!("a.v{id}").into(), ocp_version, channel_name };
        let id = crate::catalog::document::ObjectId::parse(&format!("{id:024x}")).unwrap();
        let at = At::from_seconds(1_600_000_000.0);
        Document { id, at, body: Body::Operator(Box::new(operator)), odd: odd.then(|| "csv_name".into()) }
    }

    #[test]
    fn what_was_kept_comes_back_with_its_counts_and_oddities() {
        let cache = tempfile::tempdir().unwrap();
        let name: Arc<str> = "operators:x".into();
        let (mut keeper, resumed) = open(cache.path());
        assert_eq!(resumed, 0);
        let seen: Vec<_> = (0..30).map(|id| bundle(id, true)).collect();
        keeper.take(&name, Report::Found(Interval::ALL, vec![bundle(100, false), bundle(101, false)])).unwrap();
        keeper.take(&name, Report::Seen(seen)).unwrap();
        let check = |kept: &Kept| {
            let names: Vec<_> = kept.operators().unwrap().iter().map(|it| it.csv_name.to_string()).collect();
            assert_eq!((names.len(), names[0].as_str()), (32, "a.v0"));
            assert_eq!((kept.count("operators:x"), kept.count("containers"), kept.images()), (32, 0, 0));
            let odd = kept.oddities("operators:x");
            assert!(odd.len() >= limits::NAMED && odd.iter().all(|line| line.ends_with("(csv_name)")), "{odd:?}");
        };
        let kept = keeper.close();
        check(&kept);
        assert_eq!(kept.oddities("operators:x").len(), limits::NAMED);
        drop(kept);

        let (mut keeper, resumed) = open(cache.path());
        assert_eq!(resumed, 32);
        keeper
            .take(&name, Report::Settled(Interval::ALL, BTreeSet::from([(bundle(7, false).at, bundle(7, false).id)])))
            .unwrap();
        drop(keeper);
        let (keeper, resumed) = open(cache.path());
        assert_eq!(resumed, 1);
        let kept = keeper.close();
        assert_eq!(&*kept.operators().unwrap()[0].csv_name, "a.v7");
        kept.remove().unwrap();
        assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
    }
}
