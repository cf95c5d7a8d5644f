//! Progress on stderr: bars on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;

use super::flags::{Globals, LogFormat};
use super::logging::{Kind, Stderr};
use crate::base::progress::{Progress, Silent};
use crate::base::text;

/// Between two plain lines of one source.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Sources whose items are bytes.
const BYTES: [&str; 2] = ["unpacking", "checking"];

/// The bars, where some are shown: what else is written to the terminal goes above them.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// The bars, where some are shown.
pub(super) fn bars() -> Option<&'static MultiProgress> {
    BARS.get()
}

/// The listener for this terminal.
pub(super) fn listener(globals: &Globals, stderr: Stderr) -> Arc<dyn Progress> {
    let is_terminal = std::io::stderr().is_terminal() && !super::context::is_dumb();
    if globals.quiet {
        Arc::new(Silent)
    } else if globals.no_progress {
        Arc::new(Plain { stderr, every: None, sources: Mutex::default() })
    } else if is_terminal && stderr.format == LogFormat::Text {
        Arc::new(Bars { stderr, all: BARS.get_or_init(MultiProgress::new), bars: Mutex::default() })
    } else {
        Arc::new(Plain { stderr, every: Some(PLAIN_EVERY), sources: Mutex::default() })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Bars {
    stderr: Stderr,
    all: &'static MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn style(source: &str, total: bool) -> ProgressStyle {
        // The bar takes what the numbers leave, so that a line fits 60 columns; the prefix has room for the longest source.
        let template = match (BYTES.contains(&source), total) {
            (true, true) => "{prefix:<29} {wide_bar} {bytes} of {total_bytes} {bytes_per_sec} {eta:>3}",
            (true, false) => "{prefix:<29} {bytes} {bytes_per_sec}",
            (false, true) => "{prefix:<29} {wide_bar} {human_pos} of {human_len} {rate}/s {eta:>3}",
            (false, false) => "{prefix:<29} {spinner} {human_pos} {rate}/s",
        };
        // The templates above are tested.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        style.with_key("rate", |state: &ProgressState, line: &mut dyn std::fmt::Write| {
            let _ = write!(line, "{}", text::count(state.per_sec() as u64));
        })
    }
}

impl Progress for Bars {
    fn begin(&self, source: &str, total: Option<u64>) {
        let mut bars = lock(&self.bars);
        let bar = bars.entry(source.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::no_length());
            bar.set_prefix(source.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_style(Self::style(source, total.is_some()));
        if let Some(total) = total {
            bar.set_length(total);
        }
    }

    fn advance(&self, source: &str, items: u64) {
        if let Some(bar) = lock(&self.bars).get(source) {
            bar.inc(items);
        }
    }

    fn end(&self, source: &str) {
        if let Some(bar) = lock(&self.bars).remove(source) {
            bar.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        self.stderr.say(Kind::Note, text, json!({}));
    }
}

struct Plain {
    stderr: Stderr,
    every: Option<Duration>,
    sources: Mutex<HashMap<String, Source>>,
}

struct Source {
    total: Option<u64>,
    done: u64,
    began: Instant,
    told: Instant,
}

impl Plain {
    fn line(&self, text: &str) {
        self.stderr.say(Kind::Note, text, json!({}));
    }
}

impl Progress for Plain {
    fn begin(&self, source: &str, total: Option<u64>) {
        let now = Instant::now();
        let mut sources = lock(&self.sources);
        let entry = sources.entry(source.to_owned());
        entry.or_insert(Source { total, done: 0, began: now, told: now }).total = total;
    }

    fn advance(&self, source: &str, items: u64) {
        let mut sources = lock(&self.sources);
        let Some(state) = sources.get_mut(source) else { return };
        state.done += items;
        let due = self.every.is_some_and(|every| state.told.elapsed() >= every);
        if due {
            state.told = Instant::now();
            let done = amount(source, state.done);
            let line = match state.total.filter(|total| *total > 0) {
                Some(total) => {
                    let share = state.done.min(total) * 100 / total;
                    format!("{source}: {done} of {} ({share} %)", amount(source, total))
                }
                None => format!("{source}: {done}"),
            };
            drop(sources);
            self.line(&line);
        }
    }

    fn end(&self, source: &str) {
        let state = lock(&self.sources).remove(source);
        if let (Some(state), Some(_)) = (state, self.every)
            && state.done > 0
        {
            let seconds = state.began.elapsed().as_secs_f64();
            self.line(&format!("{source}: {} in {seconds:.1} s", amount(source, state.done)));
        }
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}

fn amount(source: &str, items: u64) -> String {
    if BYTES.contains(&source) { text::size(items) } else { text::count(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for source in ["containers", "unpacking"] {
            for total in [true, false] {
                let bar = ProgressBar::hidden();
                bar.set_style(Bars::style(source, total));
            }
        }
    }
}
