//! Which faults are worth another try, when, and what else may help. Pure: no clock, no network.
//!
//! Each rule names where it comes from: PYXIS is what is known of the catalog (its maintainer's tool and public
//! clients), uv and cargo are the practice of the package managers of these names, RFC 9110 is HTTP itself.

use std::time::Duration;

use jiff::Timestamp;

/// The longest `Retry-After` that is obeyed; a longer one is most likely a mistake. (cargo: the same bound.)
const RETRY_AFTER_CAP: Duration = Duration::from_secs(120);
/// The first wait; each further one is twice as long, so that a short fault costs little. (uv: exponential.)
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait. (PYXIS: upstream's tool waits 30 s, 1 min, 2 min.)
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// Waits are at most this part of the patience, so that the end of an outage is noticed within it.
const PATIENCE_PARTS: u32 = 8;

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The name of the host does not exist.
    #[error("the name `{0}` does not exist")]
    NoName(String),
    /// The server's certificate is not accepted; the text says why.
    #[error("the certificate of the server is not accepted: {0}")]
    Certificate(String),
    /// A redirect that is not followed.
    #[error("the server redirects to {0}")]
    Redirect(String),
    /// Nothing came for longer than the stall timeout.
    #[error("the server sent nothing for {} s", .0.as_secs_f32().ceil())]
    Stall(Duration),
    /// The connection ended in the middle of the answer.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// An HTTP status other than success.
    #[error("HTTP status {code}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Status {
        /// The status.
        code: u16,
        /// The server's explanation, without control characters.
        detail: String,
        /// Whether it is an HTML page, which comes from a front end, not from the catalog.
        html: bool,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// HTML instead of JSON.
    #[error("the server sent HTML instead of JSON")]
    Html,
    /// A body that cannot be decoded, such as JSON cut at its end.
    #[error("the answer cannot be read: {0}")]
    Decode(String),
    /// Documents that were not asked for, or in another order.
    #[error("the answer does not match the request: {0}")]
    Disorder(String),
    /// More bytes than a page can have.
    #[error("the answer has more than {} MB", .0 >> 20)]
    TooLarge(usize),
    /// More values than a page can have.
    #[error("the answer has {0} values, more than {1}")]
    TooMany(u64, u64),
}

/// What may help after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Asking again later.
    Later,
    /// A smaller question, now: the server did not manage this one.
    Less,
    /// Another form of the question, now: the server does not accept this one, or answers another.
    Other,
    /// Nothing.
    Nothing,
}

impl Fault {
    /// One word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "no-connection",
            Self::Stall(_) => "stalled",
            Self::Broken(_) => "broken-answer",
            Self::Status { .. } => "http-status",
            Self::Html => "html-answer",
            Self::Decode(_) => "undecodable-answer",
            Self::Disorder(_) => "disordered-answer",
            Self::TooLarge(_) | Self::TooMany(..) => "answer-too-large",
            Self::NoName(_) => "no-such-host",
            Self::Certificate(_) => "certificate",
            Self::Redirect(_) => "redirect",
        }
    }

    /// What may help.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            // uv: another try does not change a certificate. RFC 9110, 15.4: nor a redirect.
            Self::Certificate(_) | Self::NoName(_) | Self::Redirect(_) => Remedy::Nothing,
            // PYXIS: "time out after a minute and answer an HTML page instead of JSON"; 504 with HTML, 200 with HTML.
            Self::Stall(_) | Self::Html | Self::Status { code: 504 | 408, .. } => Remedy::Less,
            Self::TooLarge(_) | Self::TooMany(..) => Remedy::Less,
            // PYXIS: above 500 a page is "unknown (may be capped or refused)"; an unknown field or form is 400.
            Self::Status { code: 400 | 413 | 414 | 422 | 501, .. } | Self::Disorder(_) => Remedy::Other,
            // PYXIS: the front end answers 403 with HTML at times; the catalog itself means it.
            Self::Status { code: 403, html: true, .. } => Remedy::Later,
            // uv, cargo: 429 and all of 5xx are worth another try; RFC 9110, 15.5: other 4xx are not.
            Self::Status { code: 425 | 429 | 500..=599, .. } => Remedy::Later,
            Self::Status { .. } => Remedy::Nothing,
            // cargo: "spurious" errors of the network.
            Self::Connect(_) | Self::Broken(_) | Self::Decode(_) => Remedy::Later,
        }
    }

    /// Whether the next try should use a new connection. PYXIS: 500 until the connection is renewed; 60 s stalls.
    #[must_use]
    pub fn wants_new_connection(&self) -> bool {
        matches!(self, Self::Status { code: 500, .. } | Self::Stall(_))
    }

    /// Whether the server asks for fewer requests. RFC 6585, 4 and RFC 9110, 15.6.4.
    #[must_use]
    pub fn is_pushback(&self) -> bool {
        matches!(self, Self::Status { code: 429 | 503, .. })
    }

    /// Whether a front end refuses, for a reason of its own. PYXIS: "an unknown user agent might be refused".
    #[must_use]
    pub fn is_front_end(&self) -> bool {
        matches!(self, Self::Status { code: 403, html: true, .. })
    }
}

/// How long a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// How long one source may fail without progress. The number of tries has no limit, except for unreadable answers
    /// in a row.
    pub patience: Duration,
}

impl Default for RetryPolicy {
    /// A quarter of an hour. PYXIS: "outages of minutes happen".
    fn default() -> Self {
        Self { patience: Duration::from_secs(15 * 60) }
    }
}

impl RetryPolicy {
    /// How long to wait after `failures` (from 1) in a row, the last of which is `fault`. `jitter` in 0..1 spreads the
    /// waits over the half below their full length. (uv: jitter, so that clients do not come back all at once.)
    #[must_use]
    pub fn wait(&self, failures: u32, fault: &Fault, jitter: f64) -> Duration {
        let cap = LONGEST_WAIT.min(self.patience / PATIENCE_PARTS);
        let full = FIRST_WAIT.saturating_mul(1 << (failures.max(1) - 1).min(16)).min(cap);
        let own = full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        let asked = match fault {
            Fault::Status { retry_after: Some(asked), .. } => (*asked).min(RETRY_AFTER_CAP),
            _ => Duration::ZERO,
        };
        own.max(asked)
    }

    /// How long a source may fail with `fault`. The time is shorter if the source never answered and its front end
    /// refuses, because that rarely changes.
    #[must_use]
    pub fn bears(&self, fault: &Fault, ever_answered: bool) -> Duration {
        if fault.is_front_end() && !ever_answered { self.patience / PATIENCE_PARTS } else { self.patience }
    }
}

/// How long a `Retry-After` header asks to wait (RFC 9110, 10.2.3): seconds, or an HTTP date, which is read against the
/// server's own `Date`.
#[must_use]
pub fn retry_after(value: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(value)?.duration_since(date?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// Reads an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
#[must_use]
pub fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Fault {
        Fault::Status { code, detail: String::new(), html: false, retry_after: None }
    }

    fn html(code: u16) -> Fault {
        Fault::Status { code, detail: String::new(), html: true, retry_after: None }
    }

    #[test]
    fn what_helps() {
        use Remedy::{Later, Less, Nothing, Other};
        for (fault, remedy, renew, pushback) in [
            (status(400), Other, false, false),
            (status(401), Nothing, false, false),
            (status(403), Nothing, false, false),
            (html(403), Later, false, false),
            (html(401), Nothing, false, false),
            (status(404), Nothing, false, false),
            (status(407), Nothing, false, false),
            (status(408), Less, false, false),
            (status(410), Nothing, false, false),
            (status(413), Other, false, false),
            (status(422), Other, false, false),
            (status(425), Later, false, false),
            (status(429), Later, false, true),
            (status(500), Later, true, false),
            (status(501), Other, false, false),
            (status(502), Later, false, false),
            (status(503), Later, false, true),
            (status(504), Less, false, false),
            (Fault::Html, Less, false, false),
            (Fault::Decode("EOF".into()), Later, false, false),
            (Fault::Broken("reset".into()), Later, false, false),
            (Fault::Stall(Duration::from_secs(60)), Less, true, false),
            (Fault::Connect("refused".into()), Later, false, false),
            (Fault::NoName("x".into()), Nothing, false, false),
            (Fault::Certificate("old".into()), Nothing, false, false),
            (Fault::Redirect("http://x".into()), Nothing, false, false),
            (Fault::Disorder("order".into()), Other, false, false),
            (Fault::TooLarge(1), Less, false, false),
            (Fault::TooMany(2, 1), Less, false, false),
        ] {
            let found = (fault.remedy(), fault.wants_new_connection(), fault.is_pushback());
            assert_eq!(found, (remedy, renew, pushback), "{fault}");
        }
    }

    #[test]
    fn waits_double_up_to_minutes_or_a_part_of_the_patience() {
        let waits = |patience| {
            let policy = RetryPolicy { patience: Duration::from_secs(patience) };
            [1, 2, 3, 9, 10, 100].map(|failures| policy.wait(failures, &Fault::Html, 1.0).as_millis())
        };
        assert_eq!(waits(900), [250, 500, 1_000, 64_000, 112_500, 112_500]);
        assert_eq!(waits(3_600), [250, 500, 1_000, 64_000, 120_000, 120_000]);
        assert_eq!(waits(4), [250, 500, 500, 500, 500, 500]);
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(1, &Fault::Html, 0.0), FIRST_WAIT / 2);
    }

    #[test]
    fn the_server_may_ask_for_longer() {
        let policy = RetryPolicy::default();
        let asks = |seconds| Fault::Status {
            code: 429,
            detail: String::new(),
            html: false,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(policy.wait(1, &asks(7), 0.0), Duration::from_secs(7));
        assert_eq!(policy.wait(1, &asks(100_000), 0.0), RETRY_AFTER_CAP);
    }

    #[test]
    fn a_front_end_that_refuses_from_the_start_is_borne_for_less_time() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.bears(&html(403), false), policy.patience / PATIENCE_PARTS);
        assert_eq!(policy.bears(&html(403), true), policy.patience);
        assert_eq!(policy.bears(&html(503), false), policy.patience);
    }

    #[test]
    fn both_forms_of_retry_after() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(retry_after("12", None), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", date), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(retry_after("soon", date), None);
    }
}
