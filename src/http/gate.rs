//! How many requests are under way at once: fewer when the server pushes back, more again when it recovers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Good answers in a row before one more request is allowed at once.
const PATIENCE: u32 = 8;
/// The limit up to which that number is doubled after refused attempts.
const PATIENCE_CAP: u32 = 512;
/// Of this many answers in a row …
const WINDOW: u32 = 10;
/// … this many failed ones count as push-back.
const FAILED_IN_WINDOW: u32 = 5;

/// Lets a limited number of requests through at once; the limit changes.
#[derive(Debug)]
pub struct Gate {
    max: u32,
    state: Mutex<State>,
    freed: Notify,
    /// Whose turn it is. Its queue is fair: a walk with an answer must not keep its place while another one waits.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    limit: u32,
    in_flight: u32,
    /// Requests that wait for their turn.
    waiting: u32,
    /// Good answers since the limit last changed.
    good: u32,
    /// How many are needed to raise it.
    patience: u32,
    /// Whether the limit was raised since it was last lowered, so that a refusal now is the answer to that attempt.
    raised: bool,
    /// Requests that were under way when the limit was lowered; their refusals do not lower it again.
    excused: u32,
    window: u32,
    failed: u32,
}

/// How a request ended, for the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Good,
    /// It failed, for whatever reason.
    Failed,
    /// The server asked for fewer.
    Refused,
}

/// A request that was let through. Dropped without [`Pass::end`], it counts as neither good nor bad.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
}

impl Gate {
    /// Allows `max` requests at once, as long as the answers are good.
    #[must_use]
    pub fn new(max: u32) -> Self {
        let state = State {
            limit: max.max(1),
            in_flight: 0,
            waiting: 0,
            good: 0,
            patience: PATIENCE,
            raised: false,
            excused: 0,
            window: 0,
            failed: 0,
        };
        Self { max: max.max(1), state: Mutex::new(state), freed: Notify::new(), turn: tokio::sync::Mutex::new(()) }
    }

    /// How many requests are allowed at once now.
    pub fn limit(&self) -> u32 {
        self.state().limit
    }

    /// How many more requests could be sent at once.
    pub fn spare(&self) -> u32 {
        let state = self.state();
        state.limit.saturating_sub(state.in_flight + state.waiting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request may be sent. Who came first goes first.
    pub async fn pass(&self) -> Pass<'_> {
        let _waiting = Waiting::new(self);
        let _turn = self.turn.lock().await;
        loop {
            let freed = self.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if state.in_flight < state.limit {
                    state.in_flight += 1;
                    return Pass { gate: self };
                }
            }
            freed.await;
        }
    }
}

/// Counts a request while it waits for its turn.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn new(gate: &'a Gate) -> Self {
        gate.state().waiting += 1;
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl Pass<'_> {
    /// Records how the request ended.
    pub fn end(self, outcome: Outcome) {
        let mut state = self.gate.state();
        state.window += 1;
        state.failed += u32::from(outcome != Outcome::Good);
        let many_failed = state.failed >= FAILED_IN_WINDOW;
        if state.window == WINDOW || many_failed {
            (state.window, state.failed) = (0, 0);
        }
        let was_excused = state.excused > 0;
        state.excused = state.excused.saturating_sub(1);
        if outcome == Outcome::Good && !many_failed {
            state.good += 1;
            if state.good >= state.patience && state.limit < self.gate.max {
                state.limit += 1;
                (state.good, state.raised) = (0, true);
            }
        } else if (outcome == Outcome::Refused || many_failed) && !was_excused {
            if state.raised {
                state.limit -= 1;
                state.patience = (state.patience * 2).min(PATIENCE_CAP);
            } else {
                state.limit /= 2;
            }
            state.limit = state.limit.max(1);
            (state.good, state.raised) = (0, false);
            state.excused = state.in_flight.saturating_sub(1);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.state().in_flight -= 1;
        self.gate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    async fn send(gate: &Gate, server_allows: u32) -> u32 {
        // Fills the gate, then answers everything that is under way.
        let mut passes = Vec::new();
        for _ in 0..gate.limit() {
            passes.push(gate.pass().await);
        }
        let refused = (passes.len() as u32).saturating_sub(server_allows);
        for (index, pass) in passes.into_iter().enumerate() {
            pass.end(if (index as u32) < server_allows { Outcome::Good } else { Outcome::Refused });
        }
        refused
    }

    #[tokio::test]
    async fn settles_at_what_the_server_allows_with_few_refusals() {
        let gate = Gate::new(8);
        let (mut sent, mut refused) = (0, 0);
        while sent < 1_000 {
            sent += gate.limit();
            refused += send(&gate, 4).await;
        }
        assert!((3..=5).contains(&gate.limit()), "{}", gate.limit());
        assert!(refused <= 15, "{refused} of {sent} refused");
    }

    #[tokio::test]
    async fn a_burst_of_refusals_counts_once_and_the_limit_grows_back() {
        let gate = Gate::new(8);
        send(&gate, 0).await;
        assert_eq!(gate.limit(), 4);
        for _ in 0..40 {
            send(&gate, 8).await;
        }
        assert_eq!(gate.limit(), 8);
    }

    #[tokio::test]
    async fn some_failures_do_not_slow_it_and_many_do() {
        let gate = Gate::new(8);
        for index in 0..100 {
            gate.pass().await.end(if index % 5 == 0 { Outcome::Failed } else { Outcome::Good });
        }
        assert_eq!(gate.limit(), 8);
        for _ in 0..50 {
            gate.pass().await.end(Outcome::Failed);
        }
        assert_eq!(gate.limit(), 1);
    }

    #[tokio::test]
    async fn who_waits_longest_is_next_also_after_somebody_gave_up() {
        let gate = Gate::new(1);
        let sent = gate.pass().await;
        let mut waits = Box::pin(gate.pass());
        let mut gives_up = Box::pin(gate.pass());
        assert!(poll!(&mut waits).is_pending() && poll!(&mut gives_up).is_pending());
        sent.end(Outcome::Good);
        let mut comes_late = Box::pin(gate.pass());
        assert!(poll!(&mut comes_late).is_pending());
        waits.await.end(Outcome::Good);
        assert!(poll!(&mut comes_late).is_pending());
        drop(gives_up);
        comes_late.await.end(Outcome::Good);
        assert_eq!(gate.spare(), 1);
    }

    #[tokio::test]
    async fn a_dropped_request_frees_its_place() {
        let gate = Gate::new(1);
        drop(gate.pass().await);
        gate.pass().await.end(Outcome::Good);
    }
}
