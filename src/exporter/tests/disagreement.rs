//! The catalog changes during the walk, or does not agree with itself: what evidence finds, and what it costs.

use std::time::Duration;

use super::paper::{Ask, BUNDLES, Date, Entry, Fetch, IMAGES, NOW, Say};
use crate::catalog::provenance::Check;
use crate::exporter::SourceError;
use crate::exporter::limits;
use crate::http::Fault;

const SECOND: i64 = 1_000_000;
/// When the oldest document was entered.
const OLDEST: i64 = 1_700_000_000 * SECOND;

/// `count` documents, 1,000 s apart, the oldest first.
pub fn spread(count: usize) -> Vec<Entry> {
    (0..count).map(|id| Entry::at(id, OLDEST + id as i64 * 1_000 * SECOND)).collect()
}

/// A second after the catalog's first answer.
pub fn just_now() -> i64 {
    NOW.parse::<jiff::Timestamp>().unwrap().as_microsecond() + SECOND
}

/// Fetches `entries` with one question after another, so that the newest come first.
pub fn in_order(entries: Vec<Entry>) -> Fetch {
    Fetch { jobs: 1, ..Fetch::of(IMAGES, entries) }
}

/// Runs `change` once, before the page number `number`, from 1, of the walk is answered.
fn at_page(number: usize, mut change: impl FnMut(&mut Vec<Entry>) + Send) -> impl FnMut(&Ask, &mut Vec<Entry>) + Send {
    let mut pages = 0;
    move |ask, entries| {
        pages += usize::from(ask.is_keyset());
        if ask.is_keyset() && pages == number {
            change(entries);
        }
    }
}

fn not_checked(check: &Check) -> &str {
    match check {
        Check::NotChecked(cause) => cause,
        Check::Agrees(figure) => panic!("agrees with {figure}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_does_not_change_costs_its_pages_and_a_few_questions() {
    let fetched = in_order(spread(1_200)).run(|_, _| Say::default()).await;
    assert_eq!(fetched.found, fetched.truth);
    let checks = fetched.checks();
    let agree = (Check::Agrees(1_200), Check::Agrees(0), Check::Agrees(0));
    assert_eq!((checks.count.clone(), checks.changes.clone(), checks.undated.clone()), agree);
    assert_eq!((checks.walked.as_str(), checks.passes), ("by date, 500 a page", None));
    // Three pages, the count, the changes.
    assert_eq!(fetched.asks.len(), 5);
    assert!(fetched.asks.iter().all(|ask| !ask.is_count() || ask.order.is_empty()), "to sort costs the server time");
    assert_eq!(fetched.advanced, 1_200);
    assert!(fetched.notes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn changes_in_place_are_fetched_again() {
    // Pages overlap by one document; a short page counts as the last one only after a longer page.
    for (changed, pages) in [(1, 1), (499, 2), (500, 2), (1_100, 3)] {
        let mut change = at_page(3, move |entries| {
            for entry in entries.iter_mut().rev().take(changed) {
                (entry.state, entry.changed) = (1, just_now());
            }
        });
        let fetched = in_order(spread(1_200))
            .run(move |ask, entries| {
                change(ask, entries);
                Say::default()
            })
            .await;
        assert_eq!(fetched.found, fetched.truth, "{changed}");
        assert_eq!(fetched.checks().changes, Check::Agrees(changed as u64));
        assert_eq!(fetched.asked(|ask| ask.changed_since.is_some()), pages, "{changed}");
        assert_eq!(fetched.asked(Ask::is_keyset), 3, "{changed}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_changes_in_one_second_than_a_page_has_are_fetched_again() {
    let mut entries = spread(1_200);
    for entry in &mut entries[100..800] {
        entry.date = Date::At(OLDEST);
    }
    let mut changed = false;
    let fetched = in_order(entries)
        .run(move |ask, entries| {
            if ask.changed_since.is_some() && !std::mem::replace(&mut changed, true) {
                entries.iter_mut().for_each(|entry| (entry.state, entry.changed) = (1, just_now()));
            }
            Say::default()
        })
        .await;
    assert_eq!(fetched.found, fetched.truth);
}

#[tokio::test(start_paused = true)]
async fn more_pages_of_changes_than_a_minute_can_bring_are_not_followed() {
    let mut change = at_page(3, |entries| entries.iter_mut().for_each(|entry| entry.changed = just_now()));
    let fetch = Fetch { page_size: 50, ..in_order(spread(2_200)) };
    let fetched = fetch
        .run(move |ask, entries| {
            change(ask, entries);
            Say::default()
        })
        .await;
    assert_eq!(fetched.found, fetched.truth);
    assert_eq!(not_checked(&fetched.checks().changes), "more than 40 pages changed");
    assert_eq!(fetched.asked(|ask| ask.changed_since.is_some()), limits::CHANGES_PAGES as usize);
}

/// A document whose date moves to a page that was walked already is on none of the pages.
#[tokio::test(start_paused = true)]
async fn a_document_that_moved_out_of_reach_is_found_by_changes_or_by_counting() {
    for changes_work in [true, false] {
        let mut change = at_page(3, |entries| {
            let above = OLDEST + 1_100_500 * SECOND;
            (entries[5].date, entries[5].changed) = (Date::At(above), just_now());
        });
        let fetched = in_order(spread(1_200))
            .run(move |ask, entries| {
                change(ask, entries);
                if ask.changed_since.is_some() && !changes_work { Say::refused() } else { Say::default() }
            })
            .await;
        assert_eq!(fetched.found, fetched.truth, "{changes_work}");
        assert_eq!(fetched.checks().count, Check::Agrees(1_200));
        let difference = "containers: the server counts 1,200 documents, 1,199 were found; looking for the difference";
        assert_eq!(fetched.notes, if changes_work { vec![] } else { vec![difference] });
        // To find it costs the count of everything again, twice, and that of halves, a few at a time.
        let counts = fetched.asked(Ask::is_count);
        assert!(if changes_work { counts <= 2 } else { (5..=12).contains(&counts) }, "{counts} counts");
        // And then it is one or two more pages, of the part that differs.
        let pages = fetched.asked(Ask::is_keyset);
        assert!(if changes_work { pages == 3 } else { (4..=5).contains(&pages) }, "{pages} pages");
    }
}

/// A document whose date moves from a page that was walked already to a later one is on two of them.
#[tokio::test(start_paused = true)]
async fn a_document_that_moved_into_reach_is_there_once() {
    for undated in [false, true] {
        let mut change = at_page(3, move |entries| {
            // Another one loses its date, which no question but the one for these shows.
            entries[1_150].date = if undated { Date::Null } else { entries[1_150].date };
            entries[1_195].date = Date::At(OLDEST + 500 * SECOND);
        });
        let fetched = in_order(spread(1_200))
            .run(move |ask, entries| {
                change(ask, entries);
                if ask.is_count() || ask.changed_since.is_some() {
                    return Say::refused();
                }
                Say { undated_too: undated, ..Say::default() }
            })
            .await;
        assert_eq!(fetched.found, fetched.truth, "{undated}");
        assert_eq!(fetched.counts, [1_200]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_entered_after_the_snapshot_began_is_no_difference() {
    let mut first = true;
    let mut change = at_page(3, |entries| {
        let newest = OLDEST + 1_199_000 * SECOND;
        entries.extend((1..4).map(|i| Entry::at(5_000 + i as usize, newest + i * 1_000 * SECOND)));
    });
    let fetched = in_order(spread(1_200))
        .run(move |ask, entries| {
            change(ask, entries);
            if ask.counts_all() && std::mem::take(&mut first) { Say::total(1_203) } else { Say::default() }
        })
        .await;
    assert_eq!((fetched.found.len(), fetched.truth.len()), (1_200, 1_203));
    assert_eq!(fetched.checks().count, Check::Agrees(1_200));
    assert!(fetched.notes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_count_that_stays_different_fails_the_fetch() {
    for (counted, found) in [(1_201, "1,201"), (1_199, "1,199")] {
        let script = move |ask: &Ask, _: &mut Vec<Entry>| {
            if ask.counts_all() { Say::total(counted) } else { Say::default() }
        };
        let fetched = in_order(spread(1_200)).run(script).await;
        let Err(SourceError::Moving { cause, .. }) = fetched.result else { panic!("{counted}") };
        assert_eq!(cause, format!("the server counts {found} documents, 1,200 were found"));
        assert_eq!(fetched.notes.len(), limits::ROUNDS as usize);
    }
}

/// Counts one document too many `wrong` times, and then refuses to count.
fn counts_wrongly_then_refuses(wrong: usize) -> impl FnMut(&Ask, &mut Vec<Entry>) -> Say + Send {
    let mut counts = 0;
    move |ask, _| {
        counts += usize::from(ask.counts_all());
        match (ask.counts_all(), counts <= wrong) {
            (true, true) => Say::total(1_201),
            (true, false) => Say::refused(),
            (false, _) => Say::default(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_cannot_be_counted_again_fails_the_fetch() {
    let fetched = in_order(spread(1_200)).run(counts_wrongly_then_refuses(2)).await;
    assert!(matches!(fetched.result, Err(SourceError::Moving { .. })));
}

/// A count that was wrong once, and is not had again, says nothing.
#[tokio::test(start_paused = true)]
async fn a_count_that_cannot_be_repeated_is_no_disagreement() {
    let fetched = in_order(spread(1_200)).run(counts_wrongly_then_refuses(1)).await;
    assert_eq!(fetched.found, fetched.truth);
    assert!(not_checked(&fetched.checks().count).starts_with("HTTP status 400"));
}

/// A count that takes a little longer than the walk is waited for.
#[tokio::test(start_paused = true)]
async fn a_count_may_come_after_the_walk() {
    for (late, counts) in [(280, true), (900, false)] {
        let script = move |ask: &Ask, _: &mut Vec<Entry>| {
            let late = Duration::from_millis(if ask.counts_all() { late } else { 0 });
            Say { late, ..Say::default() }
        };
        let fetched = in_order(spread(1_200)).run(script).await;
        assert_eq!(fetched.found, fetched.truth);
        assert_eq!(fetched.checks().count == Check::Agrees(1_200), counts, "{:?}", fetched.checks().count);
    }
}

/// While the difference is looked for, the catalog goes on changing.
#[tokio::test(start_paused = true)]
async fn each_further_round_begins_with_the_changes() {
    let mut counts = 0;
    let fetched = in_order(spread(1_200))
        .run(move |ask, entries| {
            counts += usize::from(ask.counts_all());
            if ask.counts_all() && counts == 2 {
                (entries[700].state, entries[700].changed) = (1, just_now());
            }
            if ask.counts_all() && counts <= 2 { Say::total(1_201) } else { Say::default() }
        })
        .await;
    assert_eq!(fetched.found, fetched.truth);
    assert_eq!(fetched.checks().count, Check::Agrees(1_200));
    // The one that brings a document is followed by another, to see that it was all.
    assert_eq!(fetched.asked(|ask| ask.changed_since.is_some()), 3);
}

/// A date may be any, as long as a question can name it.
#[tokio::test(start_paused = true)]
async fn documents_of_the_far_future_are_found() {
    for counts in [true, false] {
        let mut entries = spread(1_200);
        for (id, date) in
            [(2_000, "2099-01-01T00:00:00Z"), (2_001, "2099-01-01T00:00:00Z"), (2_002, "9998-12-31T00:00:00Z")]
        {
            entries.push(Entry::at(id, date.parse::<jiff::Timestamp>().unwrap().as_microsecond()));
        }
        let fetched = in_order(entries)
            .run(move |ask, _| if ask.is_count() && !counts { Say::refused() } else { Say::default() })
            .await;
        assert_eq!(fetched.found, fetched.truth, "{counts}");
    }
}

/// Two documents of one id and one date are two.
#[tokio::test(start_paused = true)]
async fn twins_are_kept() {
    for counts in [true, false] {
        for date in [Date::At(OLDEST + 700_000 * SECOND), Date::Null] {
            let mut entries = spread(1_200);
            entries.extend((1..4).map(|state| Entry { date, state, ..Entry::at(7, OLDEST) }));
            let fetched = in_order(entries)
                .run(move |ask, _| if ask.is_count() && !counts { Say::refused() } else { Say::default() })
                .await;
            assert_eq!(fetched.found, fetched.truth, "{counts} {date:?}");
            assert_eq!(fetched.advanced, 1_203);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn documents_without_a_date_are_found() {
    for (odd, null) in [(3, 3), (0, 1), (130, 120), (50, 50)] {
        for counts in [true, false] {
            let mut entries = spread(300);
            entries.extend(
                (0..odd + null).map(|i| Entry {
                    date: if i < odd { Date::Odd } else { Date::Null },
                    ..Entry::at(1_000 + i, OLDEST)
                }),
            );
            let fetch = Fetch { page_size: 50, ..in_order(entries) };
            let fetched =
                fetch.run(move |ask, _| if ask.is_count() && !counts { Say::refused() } else { Say::default() }).await;
            assert_eq!(fetched.found, fetched.truth, "{odd} {null} {counts}");
            assert_eq!(fetched.checks().undated, Check::Agrees((odd + null) as u64));
            if !counts {
                let full = |count: usize| count / 50 + 1;
                let absent = full(null) + usize::from(null % 50 > 0);
                assert_eq!(fetched.asked(|ask| ask.undated), absent, "{odd} {null}");
                assert_eq!(fetched.asked(|ask| ask.order == "creation_date[asc]"), full(odd + null), "{odd} {null}");
            }
        }
    }
}

/// Whichever way a collection is listed, unless that way brings them itself.
#[tokio::test(start_paused = true)]
async fn documents_without_a_date_are_asked_for_after_every_walk_that_has_none() {
    for (collection, by_date) in [(IMAGES, false), (BUNDLES, true), (BUNDLES, false)] {
        let mut entries = spread(300);
        entries.extend((0..3).map(|i| Entry { date: Date::Odd, ..Entry::at(1_000 + i, OLDEST) }));
        let script = move |ask: &Ask, _: &mut Vec<Entry>| {
            if ask.is_count() || ask.is_keyset() && !by_date { Say::refused() } else { Say::default() }
        };
        let fetched = Fetch { jobs: 1, ..Fetch::of(collection, entries) }.run(script).await;
        assert_eq!(fetched.found, fetched.truth, "{collection} {by_date}");
        assert_eq!(fetched.checks().undated, Check::Agrees(3));
    }
}

#[tokio::test(start_paused = true)]
async fn documents_without_a_date_among_others_are_kept_where_no_question_for_them_works() {
    let mut entries = spread(300);
    entries.extend((0..7).map(|i| Entry { date: Date::Null, ..Entry::at(1_000 + i, OLDEST) }));
    let fetched = in_order(entries)
        .run(
            |ask, _| {
                if ask.is_whole() || ask.total { Say::refused() } else { Say { undated_too: true, ..Say::default() } }
            },
        )
        .await;
    assert_eq!(fetched.found, fetched.truth);
    assert!(not_checked(&fetched.checks().undated).starts_with("HTTP status 400"));
}

#[tokio::test(start_paused = true)]
async fn many_pages_without_a_date_all_come_or_the_fetch_fails() {
    for fails in [false, true] {
        let mut entries = spread(300);
        entries.extend((0..2_200).map(|i| Entry { date: Date::Null, ..Entry::at(1_000 + i, OLDEST) }));
        let fetch = Fetch { page_size: 50, ..in_order(entries) };
        let fetched = fetch
            .run(move |ask, _| {
                let is_late = fails && ask.undated && ask.page == 30;
                if ask.is_count() || is_late { Say::refused() } else { Say::default() }
            })
            .await;
        if fails {
            assert!(matches!(fetched.result, Err(SourceError::Http(_))));
        } else {
            assert_eq!(fetched.found, fetched.truth);
            assert_eq!(fetched.checks().undated, Check::Agrees(2_200));
        }
    }
}

/// A question that stalls costs some time; what is left out then is said.
#[tokio::test(start_paused = true)]
async fn documents_without_a_date_get_some_time() {
    for (late, found) in [(4, 303), (6, 300)] {
        let mut entries = spread(300);
        entries.extend((0..3).map(|i| Entry { date: Date::Odd, ..Entry::at(1_000 + i, OLDEST) }));
        let fetched = in_order(entries)
            .run(move |ask, _| match ask.order.as_str() {
                "creation_date[asc]" => Say { late: Duration::from_secs(late), ..Say::default() },
                _ if ask.is_count() => Say::refused(),
                _ => Say::default(),
            })
            .await;
        assert_eq!(fetched.found.len(), found);
        assert!(fetched.seconds < 6.0);
        if found == 300 {
            assert_eq!(not_checked(&fetched.checks().undated), "no answer within 5.0 s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_without_a_date_that_came_late_is_found_by_the_count() {
    let mut late = true;
    let fetched = in_order(spread(300))
        .run(move |ask, entries| {
            if ask.changed_since.is_some() && std::mem::take(&mut late) {
                let entry = Entry { date: Date::Null, changed: just_now(), ..Entry::at(900, OLDEST) };
                entries.push(entry);
                return Say::refused();
            }
            Say::default()
        })
        .await;
    // The first count did not include it, and after a count that agrees only changes are asked for.
    assert_eq!(fetched.checks().count, Check::Agrees(301));
    assert_eq!(fetched.found, fetched.truth);
}

#[tokio::test(start_paused = true)]
async fn a_count_may_take_its_time_again() {
    let mut counts = 0;
    let fetch = Fetch { latency: Duration::from_millis(500), ..in_order(spread(6_000)) };
    let fetched = fetch
        .run(move |ask, _| {
            counts += usize::from(ask.counts_all());
            match (ask.counts_all(), counts) {
                (true, 1) => Say { late: Duration::from_secs(5), ..Say::total(6_001) },
                (true, _) => Say { late: Duration::from_secs(20), ..Say::default() },
                (false, _) => Say::default(),
            }
        })
        .await;
    assert_eq!(fetched.checks().count, Check::Agrees(6_000));
}

#[tokio::test(start_paused = true)]
async fn a_question_of_evidence_is_asked_again_unless_it_stalls() {
    let script = |fault: fn() -> Say, failures: usize| {
        let mut changes = 0;
        move |ask: &Ask, _: &mut Vec<Entry>| {
            changes += usize::from(ask.changed_since.is_some());
            if ask.changed_since.is_some() && changes <= failures { fault() } else { Say::default() }
        }
    };
    let broken = || Say::fault(Fault::Broken("cut".into()));
    let quick = || Fetch { latency: Duration::from_millis(20), ..in_order(spread(300)) };
    let fetched = quick().run(script(broken, 2)).await;
    assert_eq!(fetched.checks().changes, Check::Agrees(0));
    let fetched = quick().run(script(broken, 3)).await;
    assert!(not_checked(&fetched.checks().changes).contains("broke off"));
    let fetched = in_order(spread(300)).run(script(|| Say::fault(Fault::Stall(Duration::ZERO)), 3)).await;
    assert!(not_checked(&fetched.checks().changes).contains("the server sent nothing"));
    assert_eq!(fetched.asked(|ask| ask.changed_since.is_some()), 1);
}
