//! Listing by page number: a second with more documents than a page has, or a whole collection if the server does not
//! manage keyset paging.
//!
//! A document that comes or goes between two pages of a pass shifts others across the border between them, so one pass
//! proves nothing: two in a row have to find the same documents. For a single second, the server's own count is as good.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};

use super::keeper::Report;
use super::limits;
use super::listing::Key;
use super::spans::Longest;
use super::walk::{End, Walk};
use crate::http::{Fault, React, Remedy, shown};
use crate::pyxis::{At, DateForm, Interval, Order, Page, Question};

/// Pages of a pass that are asked for at the same time if the end is not known: all but one may be past the end.
const AHEAD: usize = 3;
/// How often one page may fail until the pass starts again with smaller pages.
const STRIKES: u32 = 2;

/// What a pass found.
struct Pass {
    keys: BTreeSet<Key>,
    total: Option<u64>,
    /// A document came twice: the order is not the same for all pages.
    doubled: bool,
}

impl Walk<'_> {
    /// The question for the whole collection by page number, in the server's own order.
    pub(super) fn numbered(&self) -> Question {
        let interval = if self.collection.numbered_whole() {
            Interval::ALL
        } else {
            Interval::new(self.collection.low, At::HORIZON)
        };
        Question { order: Order::Own, ..self.question("numbered page", interval, self.form()) }
    }

    /// Lists the whole collection.
    pub(super) async fn all_by_number(&self) -> Result<(), End> {
        let passes = self.settle(self.numbered(), false).await?;
        self.passes.set(Some(passes));
        Ok(())
    }

    /// Lists `cell`, which is a second or a part of one.
    pub(super) async fn tie(&self, cell: Interval, form: DateForm) -> Result<(), End> {
        self.settle(self.question("tie", cell, form), true).await.map(drop)
    }

    /// Makes passes over what `question` selects until two agree; with `few`, a count that agrees is enough.
    async fn settle(&self, question: Question, few: bool) -> Result<u32, End> {
        let mut question = question;
        let (mut union, mut previous) = (BTreeSet::new(), None);
        for pass in 1..=limits::PASSES {
            question.count = few && self.counted.get().is_some();
            let found = loop {
                question.size = self.sizes.borrow().proven();
                match self.pass(&question, few).await {
                    // Sorting by id helps, but is not needed.
                    Err(End::Stuck(_)) if question.order == Order::ById => {
                        self.sorts_by_id.set(Some(false));
                        question.order = Order::NewestFirst;
                    }
                    Err(End::Stuck(_)) if self.sizes.borrow_mut().failed(question.size) => {}
                    found => break found?,
                }
            };
            union.extend(found.keys.iter().copied());
            let counted = found.total == Some(union.len() as u64);
            let agreed = !found.doubled && previous.as_ref() == Some(&found.keys);
            if agreed || counted {
                let keys = if agreed { found.keys } else { union };
                self.sink.report(Report::Settled(question.interval, keys)).await?;
                return Ok(pass);
            }
            let unstable = found.doubled || previous.is_some();
            if few && unstable && self.sorts_by_id.get() != Some(false) && question.order != Order::ById {
                question.order = Order::ById;
                previous = None;
            } else {
                previous = Some(found.keys);
            }
        }
        let what = question.interval.low.instant().filter(|_| few).map(|at| format!(" of {at}")).unwrap_or_default();
        Err(self.moving(format!("{} passes by page number{what} never found the same twice", limits::PASSES)).into())
    }

    /// One pass over the pages of `question`.
    async fn pass(&self, question: &Question, few: bool) -> Result<Pass, End> {
        let first = self.numbered_page(question, 0).await?;
        let limit = if few { limits::TIE_DOCUMENTS } else { limits::COLLECTION_DOCUMENTS };
        let total = first.total;
        if total.is_some_and(|total| total > limit) {
            return Err(self.endless("documents at once", total.unwrap_or_default(), limit).into());
        }
        let mut pass = Pass { keys: BTreeSet::new(), total, doubled: false };
        let mut longest = Longest::default();
        let full = first.size.unwrap_or(question.size).max(1);
        // The count gives the last page; but the count can be wrong.
        let last = total.map_or(u32::MAX, |total| (total.div_ceil(u64::from(full)) as u32).max(1));
        let ahead = if total.is_some() { self.client.gate.limit() as usize } else { AHEAD };
        let rest = Question { count: false, ..question.clone() };
        let ask = |number: u32| self.numbered_page(&rest, number);
        let mut pages = std::pin::pin!(stream::iter(1..last).map(ask).buffered(ahead));
        let mut page = first;
        loop {
            let count = page.documents.len();
            let is_last = longest.is_last(&page);
            for document in &page.documents {
                pass.doubled |= !pass.keys.insert((document.at, document.id));
            }
            if count > 0 {
                self.sink.report(Report::Seen(page.documents)).await?;
            }
            if pass.keys.len() as u64 > limit {
                return Err(self.endless("documents at once", pass.keys.len() as u64, limit).into());
            }
            if is_last {
                break;
            }
            match pages.next().await {
                Some(next) => page = next?,
                None => break,
            }
        }
        Ok(pass)
    }

    /// One page of a pass. The size stays the same, because page numbers of another size mean other documents.
    pub(super) async fn numbered_page(&self, question: &Question, number: u32) -> Result<Page, End> {
        let question = Question { page: number, ..question.clone() };
        let (mut strikes, mut stuck) = (0, false);
        let attempt = async |tries| self.once(&question, tries, true).await;
        let react = |fault: &Fault| match fault.remedy() {
            Remedy::Later => React::Wait,
            Remedy::Nothing => React::Stop,
            Remedy::Less | Remedy::Other => {
                strikes += 1;
                stuck = strikes >= STRIKES;
                if stuck { React::Stop } else { React::Wait }
            }
        };
        let shown = || shown(&self.collection.url(&question));
        match self.client.persist(&self.source, attempt, react, shown).await {
            Ok(page) => {
                self.within_bounds(&page)?;
                Ok(page)
            }
            Err(error) if stuck => Err(End::Stuck(error)),
            Err(error) => Err(End::Failed(error.into())),
        }
    }
}
