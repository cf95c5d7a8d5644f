//! Everything about a stand-in's behaviour that can be turned, also while it runs.

use std::collections::VecDeque;
use std::time::Duration;

pub use crate::order::TieOrder;
use crate::upstream::{Access, DateCompare, DateForm, Outage, Ping, Profile, SlowPaths};

/// The behaviour of a stand-in. The default is a quick and faultless server.
#[derive(Debug, Clone, PartialEq)]
pub struct Knobs {
    /// Time from a request to its answer.
    pub latency: Duration,
    /// Further time between nothing and this, another for each request.
    pub jitter: Duration,
    /// Further time for each 10,000 images that a page lies behind the first.
    pub deep_latency: Duration,
    /// Pages of images that start behind this many documents get status 504 with HTML.
    pub deep_limit: Option<usize>,
    /// How long the server seems to work before it gives up on such a page.
    pub deep_stall: Duration,
    /// Further time for images unless the request takes the fast index: bounded by
    /// `creation_date` and sorted by it.
    pub slow_path_latency: Duration,
    /// Further time for an answer about images that has a `total`.
    pub total_latency: Duration,
    /// Status 504 with HTML for an answer about images that has a `total`.
    pub fail_total: bool,
    /// Added to every `total`, which is then wrong.
    pub total_error: i64,
    /// Page size if the request names none.
    pub default_page_size: usize,
    /// Largest page size.
    pub max_page_size: usize,
    /// What happens above the largest page size.
    pub oversized: Oversized,
    /// Requests that may be under way at once; past that, status 429 at once.
    pub max_concurrent: Option<usize>,
    /// What those refusals say about coming back.
    pub retry_after: RetryAfter,
    /// The time that refusals name, in seconds; also that of the faults with status 429.
    pub retry_after_seconds: u32,
    /// Probability that a request fails.
    pub fault_share: f64,
    /// Decides which requests fail, by their number.
    pub fault_seed: u64,
    /// The faults that happen then.
    pub faults: Vec<Fault>,
    /// How they are chosen from the list.
    pub fault_choice: FaultChoice,
    /// Which requests may fail.
    pub fault_scope: Scope,
    /// Faults of the next requests within the scope, whatever `fault_share` says; `None` lets one
    /// pass unharmed.
    pub next_faults: VecDeque<Option<Fault>>,
    /// How long a stall lasts.
    pub stall: Duration,
    /// Bytes that endless bodies send before the connection closes, lest a test run for ever.
    pub endless_cap: u64,
    /// Page `n` starts `n²` documents too late, while the envelope looks right.
    pub skip_pages: bool,
    /// `sort_by` is accepted and ignored.
    pub ignore_sort: bool,
    /// `filter` is accepted and ignored.
    pub ignore_filter: bool,
    /// The order of documents that are equal under the sort key.
    pub tie_order: TieOrder,
    /// After this many requests since the start, all connections are refused.
    pub die_after: Option<u64>,
    /// Documents that change while served.
    pub churn: Churn,
    /// Whether answers are compressed for clients that accept gzip.
    pub compression: bool,
    /// Sends bodies slowly.
    pub drip: Option<Drip>,
    /// Prints a line on standard error for each request that has been answered.
    pub print_requests: bool,
    /// Questions that are answered slowly or not at all.
    pub slow: SlowPaths,
    /// How filters compare dates.
    pub date_compare: DateCompare,
    /// Which dates filters may hold.
    pub date_form: DateForm,
    /// What the front end wants to see.
    pub access: Access,
    /// A time in which nothing is answered rightly.
    pub outage: Outage,
    /// What `/ping` answers.
    pub ping: Ping,
    /// The JSON text that stands for every `total`, whatever is true: `1000000000`, `null`, `-1`.
    pub total_is: Option<String>,
    /// Pages of documents never end: behind the last document come made-up ones, as far as the
    /// page has room, with dates that go on in the direction of the order within its bounds.
    pub endless_catalog: bool,
    /// Before each of these requests (by their numbers) a tag moves from the newest certified
    /// image with tags to the oldest, and `last_update_date` of both moves to now.
    pub move_tag_at: Vec<u64>,
    /// How far the server's clock is behind ours: in `Date`, and when a tag moves.
    pub clock_behind: Duration,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            deep_latency: Duration::ZERO,
            deep_limit: None,
            deep_stall: Duration::ZERO,
            slow_path_latency: Duration::ZERO,
            total_latency: Duration::ZERO,
            fail_total: false,
            total_error: 0,
            default_page_size: 100,
            max_page_size: 500,
            oversized: Oversized::Cap,
            max_concurrent: None,
            retry_after: RetryAfter::Seconds,
            retry_after_seconds: 1,
            fault_share: 0.0,
            fault_seed: 1,
            faults: Fault::EVERY.to_vec(),
            fault_choice: FaultChoice::InTurn,
            fault_scope: Scope::default(),
            next_faults: VecDeque::new(),
            stall: Duration::from_secs(60),
            endless_cap: 1 << 30,
            skip_pages: false,
            ignore_sort: false,
            ignore_filter: false,
            tie_order: TieOrder::Stable,
            die_after: None,
            churn: Churn::default(),
            compression: true,
            drip: None,
            print_requests: false,
            slow: SlowPaths::default(),
            date_compare: DateCompare::default(),
            date_form: DateForm::default(),
            access: Access::default(),
            outage: Outage::default(),
            ping: Ping::default(),
            total_is: None,
            endless_catalog: false,
            move_tag_at: Vec::new(),
            clock_behind: Duration::ZERO,
        }
    }
}

/// What happens to requests for too large a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Oversized {
    /// The largest page size is used, and the envelope says so.
    Cap,
    /// Status 400.
    Refuse,
}

/// What a refusal says about coming back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds,
    /// A date as HTTP writes it, to the second.
    Date,
    /// Nothing.
    Absent,
}

/// Slow sending: some bytes, then a pause, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drip {
    /// How many bytes go out at once.
    pub bytes: usize,
    /// The pause after them.
    pub pause: Duration,
}

/// How the next fault is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FaultChoice {
    /// One after the other, and again from the start.
    InTurn,
    /// By the request's number.
    Drawn,
}

/// Which requests faults may hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Requests for images.
    pub images: bool,
    /// Requests for bundles.
    pub bundles: bool,
    /// Requests for the chart index.
    pub charts: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Scope { images: true, bundles: true, charts: true }
    }
}

/// What can go wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Fault {
    /// Nothing for the length of a stall, then the right answer.
    Stall,
    /// Half of the body, nothing for the length of a stall, then the rest.
    StallInBody,
    /// Status 504 with HTML.
    GatewayTimeout,
    /// Status 503 with HTML.
    Unavailable,
    /// Status 502 with HTML.
    BadGateway,
    /// Status 200 with HTML.
    HtmlOk,
    /// Status 500 for this request and all further ones on its connection.
    ErrorUntilReconnect,
    /// The declared length is not reached: the connection closes after half of the body.
    ShortBody,
    /// JSON cut in half, under a declared length that fits the half.
    CutJson,
    /// The connection is reset after half of the body.
    Reset,
    /// Status 429 with `Retry-After` in seconds.
    TooManySeconds,
    /// Status 429 with `Retry-After` as a date.
    TooManyDate,
    /// Status 429 without `Retry-After`.
    TooMany,
    /// Status 403 with HTML.
    Forbidden,
    /// The page starts `page²` documents too late, while the envelope looks right.
    SkipPages,
    /// A body of white space after the start of the envelope, without end.
    Endless,
    /// The same, compressed: little to send, much to unpack.
    GzipBomb,
}

impl Fault {
    /// Every fault that a patient client gets over: all but wrong pages and endless bodies.
    pub const EVERY: &[Fault] = &[
        Fault::Stall,
        Fault::GatewayTimeout,
        Fault::Unavailable,
        Fault::BadGateway,
        Fault::HtmlOk,
        Fault::ErrorUntilReconnect,
        Fault::ShortBody,
        Fault::CutJson,
        Fault::Reset,
        Fault::TooManySeconds,
        Fault::TooManyDate,
        Fault::TooMany,
        Fault::Forbidden,
        Fault::StallInBody,
    ];
}

/// Documents that come, go and change while the catalog is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Churn {
    /// A round takes place before every request whose number is a multiple of this; 0 is never.
    pub every: u64,
    /// At most this many rounds.
    pub rounds: Option<u64>,
    /// New documents a round, dated now.
    pub insert_new: usize,
    /// New documents a round, dated somewhere among the others.
    pub insert_back_dated: usize,
    /// Documents that vanish a round, anywhere.
    pub delete: usize,
    /// Documents that change in place a round (the tags of images, the channel of bundles), with
    /// `last_update_date` moved to now.
    pub change: usize,
    /// Whether images churn.
    pub images: bool,
    /// Whether bundles churn.
    pub bundles: bool,
    /// Decides what comes and goes.
    pub seed: u64,
}

impl Default for Churn {
    fn default() -> Self {
        Churn {
            every: 0,
            rounds: None,
            insert_new: 0,
            insert_back_dated: 0,
            delete: 0,
            change: 0,
            images: true,
            bundles: true,
            seed: 1,
        }
    }
}

impl Knobs {
    /// The knobs of a profile.
    pub fn of(profile: Profile) -> Self {
        let mut knobs = Knobs::default();
        profile.apply(&mut knobs);
        knobs
    }
}

impl Churn {
    /// As many documents come (back-dated) as go, so that counts stay equal.
    pub fn balanced(every: u64, documents: usize) -> Self {
        Churn { every, insert_back_dated: documents, delete: documents, ..Churn::default() }
    }
}
