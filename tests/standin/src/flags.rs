//! The flags that turn knobs, on the command line and by the control endpoint.

use std::fmt;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::knobs::{Drip, Fault, FaultChoice, Knobs, Oversized, RetryAfter, TieOrder};
use crate::upstream_flags::UpstreamArgs;

/// Turns knobs by the names and values of command-line flags.
pub(crate) fn turn(knobs: &mut Knobs, settings: &[(String, String)]) -> Result<(), String> {
    #[derive(Parser)]
    #[command(name = "set", disable_help_flag = true, color = clap::ColorChoice::Never)]
    struct Settings {
        #[command(flatten)]
        knobs: KnobArgs,
    }
    let words = settings.iter().map(|(name, value)| format!("--{name}={value}"));
    let settings =
        Settings::try_parse_from(std::iter::once("set".to_owned()).chain(words)).map_err(|error| error.to_string())?;
    settings.knobs.turn(knobs);
    Ok(())
}

/// Flags for knobs; only what is given is turned.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Behaviour")]
pub(crate) struct KnobArgs {
    /// Time from request to answer
    #[arg(long, value_name = "MS")]
    latency: Option<u64>,
    /// Further time, up to this
    #[arg(long, value_name = "MS")]
    jitter: Option<u64>,
    /// Further time for each 10,000 images before the page
    #[arg(long, value_name = "MS")]
    deep_latency: Option<u64>,
    /// Offset in images behind which pages fail with status 504; 0 is none
    #[arg(long, value_name = "N")]
    deep_limit: Option<usize>,
    /// Time until such a page fails
    #[arg(long, value_name = "MS")]
    deep_stall: Option<u64>,
    /// Further time for images unless bounded and sorted by creation_date
    #[arg(long, value_name = "MS")]
    slow_path_latency: Option<u64>,
    /// Further time for a total of images
    #[arg(long, value_name = "MS")]
    total_latency: Option<u64>,
    /// Status 504 for a total of images
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    fail_total: Option<bool>,
    /// Added to every total
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    total_error: Option<i64>,
    /// Page size where none is asked for
    #[arg(long, value_name = "N")]
    default_page_size: Option<usize>,
    /// Largest page size
    #[arg(long, value_name = "N")]
    max_page_size: Option<usize>,
    /// What happens above the largest page size
    #[arg(long)]
    oversized: Option<Oversized>,
    /// Requests at once, past which status 429 comes; 0 is any number
    #[arg(long, value_name = "N")]
    max_concurrent: Option<usize>,
    /// What those refusals say about coming back
    #[arg(long)]
    retry_after: Option<RetryAfter>,
    /// The time they name
    #[arg(long, value_name = "SECONDS")]
    retry_after_seconds: Option<u32>,
    /// Probability that a request fails
    #[arg(long, value_name = "SHARE")]
    fault_share: Option<f64>,
    /// Decides which requests fail
    #[arg(long, value_name = "SEED")]
    fault_seed: Option<u64>,
    /// The faults that happen [default: all from which a client can recover]
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<Fault>>,
    /// How they are chosen
    #[arg(long)]
    fault_choice: Option<FaultChoice>,
    /// Length of a stall
    #[arg(long, value_name = "MS")]
    stall: Option<u64>,
    /// Page n starts n² documents too late
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    skip_pages: Option<bool>,
    /// sort_by is ignored
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    ignore_sort: Option<bool>,
    /// filter is ignored
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    ignore_filter: Option<bool>,
    /// Order of documents with equal sort keys
    #[arg(long)]
    tie_order: Option<TieOrder>,
    /// Requests after which all connections are refused; 0 is never
    #[arg(long, value_name = "N")]
    die_after: Option<u64>,
    /// A round of churn every so many requests; 0 is never
    #[arg(long, value_name = "N")]
    churn_every: Option<u64>,
    /// At most so many rounds; 0 is any number
    #[arg(long, value_name = "N")]
    churn_rounds: Option<u64>,
    /// New documents a round, dated now
    #[arg(long, value_name = "N")]
    churn_insert_new: Option<usize>,
    /// New documents a round, dated among the others
    #[arg(long, value_name = "N")]
    churn_insert_back_dated: Option<usize>,
    /// Documents that vanish a round
    #[arg(long, value_name = "N")]
    churn_delete: Option<usize>,
    /// Documents that change a round
    #[arg(long, value_name = "N")]
    churn_change: Option<usize>,
    /// Decides what comes and goes
    #[arg(long, value_name = "SEED")]
    churn_seed: Option<u64>,
    /// Whether answers are compressed for clients that take it
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    compression: Option<bool>,
    /// Bytes that go out at once, with --drip-pause; 0 is all
    #[arg(long, value_name = "BYTES")]
    drip_bytes: Option<usize>,
    /// The pause after them
    #[arg(long, value_name = "MS")]
    drip_pause: Option<u64>,
    /// Prints a line on standard error for each request
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    print_requests: Option<bool>,
    #[command(flatten)]
    upstream: UpstreamArgs,
}

/// Sets a knob if there is a value for it.
pub(crate) fn set<T: Clone>(knob: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        knob.clone_from(value);
    }
}

/// Sets a time given in milliseconds.
pub(crate) fn millis(knob: &mut Duration, value: Option<u64>) {
    set(knob, &value.map(Duration::from_millis));
}

/// Sets a limit; 0 stands for none.
pub(crate) fn limit<T: Copy + PartialEq + Default>(knob: &mut Option<T>, value: Option<T>) {
    set(knob, &value.map(|n| (n != T::default()).then_some(n)));
}

impl KnobArgs {
    /// Turns what is given; a profile comes first.
    pub(crate) fn turn(&self, knobs: &mut Knobs) {
        if let Some(profile) = self.upstream.profile {
            profile.apply(knobs);
        }
        self.upstream.turn(knobs);
        millis(&mut knobs.latency, self.latency);
        millis(&mut knobs.jitter, self.jitter);
        millis(&mut knobs.deep_latency, self.deep_latency);
        limit(&mut knobs.deep_limit, self.deep_limit);
        millis(&mut knobs.deep_stall, self.deep_stall);
        millis(&mut knobs.slow_path_latency, self.slow_path_latency);
        millis(&mut knobs.total_latency, self.total_latency);
        set(&mut knobs.fail_total, &self.fail_total);
        set(&mut knobs.total_error, &self.total_error);
        set(&mut knobs.default_page_size, &self.default_page_size);
        set(&mut knobs.max_page_size, &self.max_page_size);
        set(&mut knobs.oversized, &self.oversized);
        limit(&mut knobs.max_concurrent, self.max_concurrent);
        set(&mut knobs.retry_after, &self.retry_after);
        set(&mut knobs.retry_after_seconds, &self.retry_after_seconds);
        set(&mut knobs.fault_share, &self.fault_share);
        set(&mut knobs.fault_seed, &self.fault_seed);
        set(&mut knobs.faults, &self.faults);
        set(&mut knobs.fault_choice, &self.fault_choice);
        millis(&mut knobs.stall, self.stall);
        set(&mut knobs.skip_pages, &self.skip_pages);
        set(&mut knobs.ignore_sort, &self.ignore_sort);
        set(&mut knobs.ignore_filter, &self.ignore_filter);
        set(&mut knobs.tie_order, &self.tie_order);
        limit(&mut knobs.die_after, self.die_after);
        set(&mut knobs.churn.every, &self.churn_every);
        limit(&mut knobs.churn.rounds, self.churn_rounds);
        set(&mut knobs.churn.insert_new, &self.churn_insert_new);
        set(&mut knobs.churn.insert_back_dated, &self.churn_insert_back_dated);
        set(&mut knobs.churn.delete, &self.churn_delete);
        set(&mut knobs.churn.change, &self.churn_change);
        set(&mut knobs.churn.seed, &self.churn_seed);
        set(&mut knobs.compression, &self.compression);
        if self.drip_bytes.is_some() || self.drip_pause.is_some() {
            let mut drip = knobs.drip.unwrap_or(Drip { bytes: 1024, pause: Duration::from_millis(10) });
            set(&mut drip.bytes, &self.drip_bytes);
            millis(&mut drip.pause, self.drip_pause);
            knobs.drip = (drip.bytes > 0).then_some(drip);
        }
        set(&mut knobs.print_requests, &self.print_requests);
    }
}

impl fmt::Display for Fault {
    /// The fault's name on the command line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        out.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_turn_what_they_name() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
            list.iter().map(own).collect()
        };
        let mut knobs = Knobs::default();
        let settings = pairs(&[
            ("latency", "200"),
            ("max-concurrent", "4"),
            ("faults", "reset,html-ok"),
            ("skip-pages", "true"),
            ("total-error", "-1"),
            ("drip-bytes", "7"),
        ]);
        assert_eq!(turn(&mut knobs, &settings), Ok(()));
        assert_eq!(knobs.latency, Duration::from_millis(200));
        assert_eq!(knobs.max_concurrent, Some(4));
        assert_eq!(knobs.faults, [Fault::Reset, Fault::HtmlOk]);
        assert!(knobs.skip_pages);
        assert_eq!(knobs.total_error, -1);
        assert_eq!(knobs.drip.map(|drip| drip.bytes), Some(7));
        let back = pairs(&[("max-concurrent", "0"), ("skip-pages", "false")]);
        assert_eq!(turn(&mut knobs, &back), Ok(()));
        assert_eq!((knobs.max_concurrent, knobs.skip_pages), (None, false));
        assert!(turn(&mut knobs, &pairs(&[("nobody", "1")])).is_err());
        assert_eq!(Fault::HtmlOk.to_string(), "html-ok");
    }
}
