//! Progress on stderr: one bar over all sources on a terminal, a line now and then elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;

use super::flags::{Globals, LogFormat};
use super::logging::{Kind, Stderr};
use crate::base::progress::{Progress, Silent};
use crate::base::text::{age, count, size};

/// Time between two lines if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Time between two updates of the bar.
const TICK: Duration = Duration::from_millis(200);
/// Time before which a rate says little.
const RATE_AFTER: Duration = Duration::from_secs(2);

/// The bar, while one is shown: what else is written to the terminal goes above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The bar, while one is shown.
pub(super) fn bar() -> Option<ProgressBar> {
    lock(&BAR).clone()
}

/// Removes the bar, before a command prints its answer.
pub(super) fn clear() {
    lock(&BAR).take().inspect(ProgressBar::finish_and_clear);
}

/// The listener for this terminal.
pub(super) fn listener(globals: &Globals, stderr: Stderr) -> Arc<dyn Progress> {
    if globals.quiet {
        return Arc::new(Silent);
    }
    let is_terminal = std::io::stderr().is_terminal() && !super::context::is_dumb();
    let has_bar = !globals.no_progress && is_terminal && stderr.format == LogFormat::Text;
    let every = (!globals.no_progress && !has_bar).then_some(LINE_EVERY);
    Arc::new(Listener { stderr, has_bar, every, work: Arc::default() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work in progress, over all its sources.
#[derive(Debug, Default)]
struct Work {
    sources: BTreeMap<String, Source>,
    /// Since the first of these sources began.
    began: Option<Instant>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Source {
    is_bytes: bool,
    total: Option<u64>,
    done: u64,
    /// How many of them by an earlier run.
    resumed: u64,
    began: Instant,
    is_over: bool,
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sum {
    /// One source, or several.
    name: String,
    is_bytes: bool,
    done: u64,
    /// `None` unless every source has a total.
    total: Option<u64>,
    elapsed: Duration,
    left: Option<Duration>,
}

impl Work {
    /// How far it is; `None` between two pieces of work.
    fn sum(&self, now: Instant) -> Option<Sum> {
        let began = self.began?;
        let open: Vec<_> = self.sources.iter().filter(|(_, source)| !source.is_over).map(|(name, _)| name).collect();
        let name = match open[..] {
            _ if self.sources.len() > 1 => "fetching".to_owned(),
            [name] => name.clone(),
            _ => return None,
        };
        let all = || self.sources.values();
        let (done, resumed) = all().fold((0, 0), |(done, resumed), it| (done + it.done, resumed + it.resumed));
        let total = all().map(|it| if it.is_over { Some(it.done) } else { it.total.map(|total| total.max(it.done)) });
        let total = total.sum::<Option<u64>>().filter(|total| *total > 0);
        let elapsed = now.saturating_duration_since(began);
        let own = done - resumed;
        let left = total
            .filter(|_| elapsed >= RATE_AFTER && own > 0)
            .map(|total| Duration::from_secs_f64(elapsed.as_secs_f64() * (total - done) as f64 / own as f64));
        Some(Sum { name, is_bytes: all().any(|it| it.is_bytes), done, total, elapsed, left })
    }
}

impl Sum {
    fn amount(&self, items: u64) -> String {
        if self.is_bytes { size(items) } else { count(items) }
    }

    /// The numbers: `41,200 of 60,031 documents, 3 min left`; only the time where nothing can be counted yet.
    fn numbers(&self) -> String {
        let unit = if self.is_bytes { "" } else { " documents" };
        let mut text = match self.total {
            Some(total) => format!("{} of {}{unit}", self.amount(self.done), self.amount(total)),
            None if self.done > 0 => format!("{}{unit}", self.amount(self.done)),
            None => return age(seconds(self.elapsed)),
        };
        if let Some(left) = self.left.filter(|left| !left.is_zero()) {
            let _ = write!(text, ", {} left", age(seconds(left).max(1)));
        }
        text
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

struct Listener {
    stderr: Stderr,
    has_bar: bool,
    /// Between two lines; `None` for notes alone.
    every: Option<Duration>,
    work: Arc<Mutex<Work>>,
}

impl Listener {
    fn start(&self, name: &str, total: Option<u64>, is_bytes: bool) {
        let now = Instant::now();
        let mut work = lock(&self.work);
        work.began.get_or_insert(now);
        work.told.get_or_insert(now);
        let source = Source { is_bytes, total, done: 0, resumed: 0, began: now, is_over: false };
        let source = work.sources.entry(name.to_owned()).or_insert(source);
        (source.total, source.is_over) = (total.or(source.total), false);
        drop(work);
        self.draw();
    }

    /// Brings the bar up to date. Its own ticks draw it.
    fn draw(&self) {
        if !self.has_bar {
            return;
        }
        // The lock is released here: drawing the bar takes it again.
        let sum = lock(&self.work).sum(Instant::now());
        let mut shown = lock(&BAR);
        let Some(sum) = sum else {
            shown.take().inspect(ProgressBar::finish_and_clear);
            return;
        };
        let bar = shown.get_or_insert_with(ProgressBar::no_length);
        if bar.length() != sum.total || bar.prefix() != sum.name {
            bar.set_style(style(sum.total.is_some(), &self.work));
            match sum.total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
            bar.set_prefix(sum.name);
            bar.enable_steady_tick(TICK);
        }
        bar.set_position(sum.done);
    }

    /// Writes a line, if one is due.
    fn line(&self) {
        let now = Instant::now();
        let mut work = lock(&self.work);
        let is_due = |told: &Instant| self.every.is_some_and(|every| now.duration_since(*told) >= every);
        if !work.told.as_ref().is_some_and(is_due) {
            return;
        }
        work.told = Some(now);
        let Some(sum) = work.sum(now) else { return };
        drop(work);
        let share = sum.total.map(|total| format!(" ({} %)", sum.done * 100 / total)).unwrap_or_default();
        let fields = json!({
            "source": sum.name, "done": sum.done, "total": sum.total, "seconds_left": sum.left.map(|left| left.as_secs()),
        });
        self.stderr.say(Kind::Note, &format!("{}: {}{share}", sum.name, sum.numbers()), fields);
    }
}

/// The bar takes what the numbers leave, so that a line fits 60 columns.
fn style(has_total: bool, work: &Arc<Mutex<Work>>) -> ProgressStyle {
    let template = if has_total { "{prefix} {wide_bar} {numbers}" } else { "{prefix} {spinner} {numbers}" };
    // The templates are tested.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let work = Arc::clone(work);
    style.with_key("numbers", move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
        if let Some(sum) = lock(&work).sum(Instant::now()) {
            let _ = write!(line, "{}", sum.numbers());
        }
    })
}

impl Progress for Listener {
    fn begin(&self, source: &str, total: Option<u64>) {
        self.start(source, total, false);
    }

    fn begin_bytes(&self, source: &str, total: u64) {
        self.start(source, Some(total), true);
    }

    fn resume(&self, source: &str, items: u64) {
        if let Some(source) = lock(&self.work).sources.get_mut(source) {
            source.done += items;
            source.resumed += items;
        }
        self.draw();
    }

    fn advance(&self, source: &str, items: u64) {
        if let Some(source) = lock(&self.work).sources.get_mut(source) {
            source.done += items;
        }
        self.draw();
        self.line();
    }

    fn end(&self, source: &str) {
        let mut work = lock(&self.work);
        let Some(state) = work.sources.get_mut(source) else { return };
        state.is_over = true;
        let (done, resumed, is_bytes) = (state.done, state.resumed, state.is_bytes);
        let took = state.began.elapsed().as_secs_f64();
        if work.sources.values().all(|source| source.is_over) {
            *work = Work::default();
        }
        drop(work);
        self.draw();
        if self.every.is_some() && done > 0 {
            let amount = if is_bytes { size(done) } else { format!("{} documents", count(done)) };
            let earlier = if resumed > 0 { format!(", {} of them earlier", count(resumed)) } else { String::new() };
            let fields = json!({ "source": source, "done": done, "total": done, "seconds_left": 0 });
            self.stderr.say(Kind::Note, &format!("{source}: {amount} in {took:.1} s{earlier}"), fields);
        }
    }

    fn note(&self, text: &str) {
        self.stderr.say(Kind::Note, text, json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(total: Option<u64>, done: u64, resumed: u64, began: Instant) -> Source {
        Source { is_bytes: false, total, done, resumed, began, is_over: false }
    }

    fn work(sources: &[(&str, Option<u64>, u64, u64)], began: Instant) -> Work {
        let sources = sources
            .iter()
            .map(|(name, total, done, resumed)| ((*name).to_owned(), source(*total, *done, *resumed, began)));
        Work { sources: sources.collect(), began: Some(began), told: None }
    }

    #[test]
    fn one_total_whose_time_left_is_right_after_a_resume() {
        let began = Instant::now();
        let now = began + Duration::from_secs(100);
        let mut two =
            work(&[("containers", Some(60_000), 41_000, 40_000), ("operators", Some(5_000), 1_000, 0)], began);
        let sum = two.sum(now).unwrap();
        // 2,000 documents in 100 s by this run; 23,000 are left.
        assert_eq!((sum.done, sum.total, sum.left), (42_000, Some(65_000), Some(Duration::from_secs(1_150))));
        assert_eq!(sum.numbers(), "42,000 of 65,000 documents, 19 min left");
        // What is over counts with what it had.
        if let Some(operators) = two.sources.get_mut("operators") {
            operators.is_over = true;
        }
        assert_eq!(two.sum(now).unwrap().total, Some(61_000));
    }

    #[test]
    fn nothing_is_said_of_a_total_that_is_not_known() {
        let began = Instant::now();
        let numbers =
            |sources: &[_], seconds| work(sources, began).sum(began + Duration::from_secs(seconds)).unwrap().numbers();
        assert_eq!(numbers(&[("containers", None, 0, 0), ("operators", Some(5_000), 0, 0)], 1), "1 s");
        assert_eq!(numbers(&[("containers", None, 500, 0), ("operators", Some(5_000), 0, 0)], 9), "500 documents");
        assert_eq!(numbers(&[("verifying", None, 0, 0)], 3), "3 s");
        assert_eq!(numbers(&[("empty", Some(0), 0, 0)], 3), "3 s", "never 0 of 0");
        assert_eq!(numbers(&[("containers", Some(9), 0, 0)], 90), "0 of 9 documents", "no rate, no time left");
        assert_eq!(numbers(&[("containers", Some(9), 9, 0)], 90), "9 of 9 documents");
        assert_eq!(numbers(&[("containers", Some(9), 12, 0)], 90), "12 of 12 documents", "more than was foretold");
    }

    #[test]
    fn templates_are_valid() {
        for has_total in [true, false] {
            let bar = ProgressBar::hidden();
            bar.set_style(style(has_total, &Arc::default()));
        }
    }
}
