//! What the walks of all collections have left to do. To divide a part of the time line costs pages, so a walk does it
//! only if it is behind the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long to wait for the first of all walks.
const NOBODY_BEGAN: Duration = Duration::from_secs(60);

/// All walks of one run.
#[derive(Debug)]
pub struct Crew {
    began: Instant,
    state: Mutex<State>,
    told: Notify,
}

#[derive(Debug)]
struct State {
    /// Pages that each walk estimates to have left; `None` if it has not begun.
    left: BTreeMap<String, Option<f64>>,
    /// When the first walk had its first answer.
    first: Option<Instant>,
}

impl Crew {
    /// A crew of the walks of these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let left = names.map(|name| (name.to_owned(), None)).collect();
        Self { began: Instant::now(), state: Mutex::new(State { left, first: None }), told: Notify::new() }
    }

    /// Records what a walk has left, in pages.
    pub fn tell(&self, name: &str, pages: f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.first.get_or_insert_with(Instant::now);
        state.left.insert(name.to_owned(), Some(pages));
        drop(state);
        self.told.notify_waiters();
    }

    /// Waits until the share is known: a walk that divides its part now knows what the others have to do.
    pub async fn gather(&self) {
        loop {
            let told = self.told.notified();
            let Some(until) = self.waits_until() else { return };
            if tokio::time::timeout_at(until, told).await.is_err() {
                return;
            }
        }
    }

    /// Until when to wait for a walk that has not begun; `None` to not wait.
    fn waits_until(&self) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let until = state.first.map_or(now + NOBODY_BEGAN, |first| first + (first - self.began));
        (state.left.values().any(Option::is_none) && now < until).then_some(until)
    }

    /// How many pages each of `places` questions under way has to do; `None` while some walk has not begun but soon
    /// may: after the first answer of any walk, at most as long again as that answer took.
    pub fn share(&self, places: u32) -> Option<f64> {
        if self.waits_until().is_some() {
            return None;
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(state.left.values().flatten().sum::<f64>() / f64::from(places.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_is_known_when_all_have_begun_or_one_takes_too_long() {
        let crew = Crew::new(["a", "b"].into_iter());
        assert_eq!(crew.share(2), None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        crew.tell("a", 8.0);
        assert_eq!(crew.share(2), None);
        crew.gather().await;
        assert_eq!(crew.began.elapsed(), Duration::from_secs(2));
        assert_eq!(crew.share(2), Some(4.0));
        crew.tell("b", 2.0);
        crew.tell("a", 6.0);
        assert_eq!(crew.share(2), Some(4.0));
        let crew = Crew::new(["a", "b"].into_iter());
        tokio::time::sleep(Duration::from_secs(1)).await;
        crew.tell("a", 8.0);
        tokio::join!(crew.gather(), async { crew.tell("b", 2.0) });
        assert_eq!((crew.began.elapsed(), crew.share(2)), (Duration::from_secs(1), Some(5.0)));
    }
}
