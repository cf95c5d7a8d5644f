//! The server does not manage or accept a question: which other way the walk takes, and with how many questions.

use std::time::Duration;

use super::disagreement::{in_order, just_now, spread};
use super::paper::{Ask, BUNDLES, Date, Entry, Fetch, Fetched, Say, with_walk};
use crate::exporter::{SourceError, limits};
use crate::http::{Fault, HttpError};
use crate::pyxis::Page;

const SECOND: i64 = 1_000_000;

/// `tie` documents of one second above `before` others.
fn tied(before: usize, tie: usize) -> Vec<Entry> {
    let mut entries = spread(before + tie);
    let Date::At(date) = entries[before].date else { unreachable!() };
    entries[before..].iter_mut().for_each(|entry| entry.date = Date::At(date));
    entries
}

fn html() -> Say {
    Say::fault(Fault::Html)
}

fn forbidden() -> Say {
    Say::fault(Fault::Status { code: 401, detail: String::new(), html: false, retry_after: None })
}

fn whole(fetched: &Fetched) -> (&str, Option<u32>) {
    assert_eq!(fetched.found, fetched.truth);
    (&fetched.checks().walked, fetched.checks().passes)
}

/// Sizes of the questions of a kind, in order.
fn sizes(fetched: &Fetched, kind: impl Fn(&Ask) -> bool) -> Vec<usize> {
    fetched.asks.iter().filter(|ask| kind(ask)).map(|ask| ask.size).collect()
}

fn is_later_page(ask: &Ask) -> bool {
    ask.is_keyset() && ask.high < just_now()
}

#[tokio::test(start_paused = true)]
async fn one_wrong_answer_is_asked_for_again_as_it_was() {
    for fault in [Fault::Html, Fault::Disorder("a stray document".into())] {
        let mut later = 0;
        let fetched = in_order(spread(1_200))
            .run(move |ask, _| {
                later += usize::from(is_later_page(ask));
                if is_later_page(ask) && later == 1 { Say::fault(fault.clone()) } else { Say::default() }
            })
            .await;
        assert_eq!(whole(&fetched), ("by date, 500 a page", None));
        assert_eq!(sizes(&fetched, is_later_page), [500, 500, 500]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_question_itself_causes_is_asked_smaller_at_once() {
    for fault in [Fault::Stall(Duration::ZERO), Fault::TooLarge(9), Fault::TooMany(9, 8)] {
        let fetched = in_order(spread(700))
            .run(
                move |ask, _| {
                    if is_later_page(ask) && ask.size > 100 { Say::fault(fault.clone()) } else { Say::default() }
                },
            )
            .await;
        assert_eq!(fetched.found, fetched.truth);
        assert_eq!(sizes(&fetched, is_later_page)[..4], [500, 250, 100, 100]);
        // 0.1 s for each of 8 questions one after the other, and the count and the changes beside them.
        assert!(fetched.seconds < 1.0, "{} s: nothing waits", fetched.seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_is_stuck_takes_another_way() {
    let script = |ask: &Ask, _: &mut Vec<Entry>| if is_later_page(ask) { html() } else { Say::default() };
    let fetched = in_order(spread(700)).run(script).await;
    assert_eq!(whole(&fetched), ("by page number, 500 a page", Some(2)));
    // Each size twice, the smallest as often as a walk bears; then once more before page numbers are taken for good.
    assert_eq!(sizes(&fetched, is_later_page), [500, 500, 250, 250, 100, 100, 50, 50, 50, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_was_stuck_for_a_while_goes_on_by_date() {
    let mut later = 0;
    let fetched = in_order(spread(700))
        .run(move |ask, _| {
            later += usize::from(is_later_page(ask));
            if is_later_page(ask) && later < 10 { html() } else { Say::default() }
        })
        .await;
    assert_eq!(whole(&fetched), ("by date, 500 a page", None));
    assert_eq!(sizes(&fetched, is_later_page)[9..], [500, 500, 500]);
    let numbered = fetched.asked(|ask| ask.documents && ask.order.is_empty());
    assert_eq!(numbered, 1, "page numbers were tried, and not needed");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_ends_at_once() {
    let fetched =
        in_order(spread(1_200)).run(|ask, _| if is_later_page(ask) { forbidden() } else { Say::default() }).await;
    assert!(matches!(fetched.result, Err(SourceError::Http(HttpError::Request { tries: 1, .. }))));
    assert_eq!(fetched.asked(is_later_page), 1);
    assert!(fetched.asks.len() <= 3);
}

#[tokio::test(start_paused = true)]
async fn each_form_of_the_first_question_is_refused_twice_at_most() {
    let fetched = in_order(spread(10)).run(|ask, _| if ask.is_count() { html() } else { Say::refused() }).await;
    assert!(matches!(fetched.result, Err(SourceError::Http(_))));
    // Keyset and page numbers in four sizes each, and two other forms of dates.
    assert_eq!(fetched.asked(|ask| ask.documents), 20);
}

#[tokio::test(start_paused = true)]
async fn an_empty_collection_costs_one_question_whichever_way() {
    for dates in [true, false] {
        let fetched = Fetch::of(BUNDLES, vec![])
            .run(
                move |ask, _| {
                    if ask.is_count() || !dates && !ask.order.is_empty() { Say::refused() } else { Say::default() }
                },
            )
            .await;
        whole(&fetched);
        assert_eq!(fetched.asked(|ask| ask.documents && ask.order.is_empty()), usize::from(!dates));
    }
}

#[tokio::test(start_paused = true)]
async fn page_numbers_begin_where_dates_are_not_accepted() {
    let no_dates = |ask: &Ask, _: &mut Vec<Entry>| {
        if ask.order.is_empty() && !ask.is_count() { Say::default() } else { Say::refused() }
    };
    let fetched = Fetch::of(BUNDLES, spread(1_200)).run(no_dates).await;
    assert_eq!(whole(&fetched), ("by page number, 500 a page", Some(2)));
    assert_eq!(fetched.asked(|ask| ask.total && ask.documents), 0, "this count was refused");
    assert!(fetched.asks.iter().all(|ask| !ask.documents || ask.page < 8), "few pages past the end");
    // 0.1 s for each of 8 questions one after the other.
    assert!(fetched.seconds < 0.9, "{} s: nothing waits before another form is tried", fetched.seconds);
}

fn by_number(ask: &Ask) -> bool {
    ask.documents && ask.order.is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_document_that_one_pass_missed_is_found_by_the_next() {
    let mut pages = 0;
    let fetched = Fetch { jobs: 1, ..Fetch::of(BUNDLES, spread(1_200)) }
        .run(move |ask, entries| {
            if !by_number(ask) {
                return Say::refused();
            }
            pages += 1;
            // The first page is asked for twice, because the opening asks for it too. Now its first document goes: the
            // first document of page 1 moves to page 0, and this pass misses it.
            if pages == 3 {
                entries.remove(0);
            }
            Say::default()
        })
        .await;
    assert_eq!(whole(&fetched), ("by page number, 500 a page", Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_pass_goes_on_after_one_wrong_page_and_with_smaller_pages_after_two() {
    for failures in [1, 2] {
        let mut failed = 0;
        let fetched = Fetch { jobs: 1, ..Fetch::of(BUNDLES, spread(1_200)) }
            .run(move |ask, _| {
                if !by_number(ask) {
                    return Say::refused();
                }
                failed += usize::from(ask.page == 1);
                if ask.page == 1 && failed <= failures { html() } else { Say::default() }
            })
            .await;
        whole(&fetched);
        let largest = sizes(&fetched, by_number).last().copied();
        assert_eq!(largest, Some(if failures == 1 { 500 } else { 250 }));
        assert!(fetched.asked(|ask| !by_number(ask)) < 40);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_fails_at_every_size_ends() {
    let deep = |ask: &Ask| by_number(ask) && ask.page == 1;
    let script = move |ask: &Ask, _: &mut Vec<Entry>| match by_number(ask) {
        true if ask.page == 0 => Say::default(),
        true => html(),
        false => Say::refused(),
    };
    let fetched = Fetch { jobs: 1, ..Fetch::of(BUNDLES, spread(1_200)) }.run(script).await;
    assert!(fetched.result.is_err());
    assert_eq!(sizes(&fetched, deep)[..8], [500, 500, 250, 250, 100, 100, 50, 50]);
    let script = move |ask: &Ask, _: &mut Vec<Entry>| match by_number(ask) {
        true if ask.page == 0 => Say::default(),
        true => forbidden(),
        false => Say::refused(),
    };
    let fetched = Fetch { jobs: 1, ..Fetch::of(BUNDLES, spread(1_200)) }.run(script).await;
    assert!(matches!(fetched.result, Err(SourceError::Http(HttpError::Request { tries: 1, .. }))));
    assert_eq!(fetched.asked(deep), 1);
}

/// A question for documents of one second.
fn is_tie(ask: &Ask) -> bool {
    ask.documents && ask.changed_since.is_none() && ask.high.saturating_sub(ask.low) == SECOND
}

#[tokio::test(start_paused = true)]
async fn a_tie_with_a_count_needs_one_pass() {
    let fetched = in_order(tied(200, 1_200)).run(|_, _| Say::default()).await;
    whole(&fetched);
    assert_eq!(fetched.asked(|ask| is_tie(ask) && ask.total), 1, "only the first page counts");
    assert_eq!(fetched.asked(is_tie), 3);
    assert_eq!(fetched.advanced, 1_400);
}

#[tokio::test(start_paused = true)]
async fn a_tie_without_a_count_needs_two_passes_that_agree() {
    let script = |ask: &Ask, _: &mut Vec<Entry>| if ask.is_count() { Say::refused() } else { Say::default() };
    let fetched = in_order(tied(200, 1_200)).run(script).await;
    whole(&fetched);
    let mut orders: Vec<_> =
        fetched.asks.iter().filter(|ask| is_tie(ask)).map(|ask| (ask.order.clone(), ask.total)).collect();
    orders.dedup();
    assert_eq!(orders, [("creation_date[desc]".to_owned(), false)], "both in the order of the index");
    assert_eq!(fetched.asked(|ask| is_tie(ask) && ask.page == 0), 2);
    assert_eq!(fetched.advanced, 1_400);
}

#[tokio::test(start_paused = true)]
async fn a_tie_in_an_order_that_changes_is_sorted_by_id() {
    for refused in [false, true] {
        let mut pages = 0;
        let fetched = in_order(tied(200, 1_200))
            .run(move |ask, _| {
                if ask.is_count() || refused && ask.order == "_id[asc]" {
                    return Say::refused();
                }
                pages += usize::from(is_tie(ask));
                // The order changes for the first pass alone if the server does not sort by id.
                Say { reversed: is_tie(ask) && ask.order != "_id[asc]" && pages == 2, ..Say::default() }
            })
            .await;
        whole(&fetched);
        let orders: Vec<_> = fetched.asks.iter().filter(|ask| is_tie(ask) && ask.page == 0).collect();
        let by_id = orders.iter().filter(|ask| ask.order == "_id[asc]").count();
        // A page of a pass may fail twice. Where ids work, two passes by id agree.
        assert_eq!(by_id, 2, "{refused}");
        assert_eq!(orders[1].order, "_id[asc]", "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tie_has_a_limit() {
    let absurd = |total: u64| {
        move |ask: &Ask, _: &mut Vec<Entry>| {
            if is_tie(ask) && ask.total { Say::total(total) } else { Say::default() }
        }
    };
    let fetched = in_order(tied(20, 700)).run(absurd(1_000_000_000)).await;
    assert!(matches!(fetched.result, Err(SourceError::Endless { .. })));
    assert_eq!(fetched.asked(is_tie), 1);
    let fetched = in_order(tied(20, 700)).run(absurd(limits::TIE_DOCUMENTS)).await;
    whole(&fetched);
}

#[tokio::test(start_paused = true)]
async fn a_tie_that_is_not_counted_has_the_same_limit() {
    let documents = limits::TIE_DOCUMENTS as usize + 1;
    let fetch = Fetch { page_size: 20_000, largest: 20_000, ..in_order(tied(1, documents)) };
    let script = |ask: &Ask, _: &mut Vec<Entry>| if ask.total { Say::refused() } else { Say::default() };
    let Err(SourceError::Endless { what, .. }) = fetch.run(script).await.result else { panic!() };
    assert_eq!(what, "100,001 documents at once");
}

/// Pages that bring nothing new are limited as well.
#[tokio::test(start_paused = true)]
async fn answers_have_a_limit() {
    with_walk(|walk| {
        let empty = Page { documents: Vec::new(), size: None, total: None };
        for _ in 0..limits::COLLECTION_PAGES {
            walk.within_bounds(&empty).unwrap();
        }
        let Err(SourceError::Endless { what, .. }) = walk.within_bounds(&empty) else { panic!() };
        assert_eq!(what, "100,001 answers");
    });
}

#[tokio::test(start_paused = true)]
async fn a_catalog_with_many_more_documents_than_it_counts_is_endless() {
    let script = |ask: &Ask, _: &mut Vec<Entry>| if ask.total { Say::total(1) } else { Say::default() };
    let fetch = Fetch { page_size: 5_000, largest: 5_000, ..in_order(spread(26_000)) };
    let Err(SourceError::Endless { what, limit, .. }) = fetch.run(script).await.result else { panic!() };
    assert!(what.ends_with(" documents"), "{what}");
    assert_eq!(limit, "at most 20,004");
}

/// The server takes one form of dates and compares them as texts, so that paging by keyset loses documents.
#[tokio::test(start_paused = true)]
async fn the_form_of_dates_that_was_accepted_is_kept_for_page_numbers() {
    let is_zulu = |ask: &Ask| !ask.filter.contains("+00:00");
    let script = move |ask: &Ask, _: &mut Vec<Entry>| match is_zulu(ask) {
        true if is_later_page(ask) => html(),
        true => Say::default(),
        false => Say::refused(),
    };
    let fetched = in_order(spread(700)).run(script).await;
    assert_eq!(whole(&fetched), ("by page number, 500 a page", Some(2)));
    assert_eq!(fetched.checks().changes, crate::catalog::provenance::Check::Agrees(0));
}
