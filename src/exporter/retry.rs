//! Which answers are worth another try, and when. Pure: no clock, no network.

use std::time::Duration;

use jiff::Timestamp;

/// The longest that a server's `Retry-After` is obeyed; a longer one is most likely a mistake.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(120);

/// What came instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// Nothing came for longer than the stall timeout.
    #[error("nothing came for {} s", .0.as_secs())]
    Stall(Duration),
    /// The connection ended in the middle of the answer.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// An HTTP status other than success.
    #[error("HTTP status {code}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Status {
        /// The status.
        code: u16,
        /// What the server says of it, made harmless.
        detail: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// HTML where data are due.
    #[error("an HTML page came where data are due")]
    Html,
    /// A body that cannot be decoded, such as JSON cut at its end.
    #[error("the answer cannot be read: {0}")]
    Decode(String),
    /// Documents that were not asked for, or in another order.
    #[error("the answer does not fit the question: {0}")]
    Disorder(String),
    /// More than a page can have.
    #[error("the answer has more than {} MB", .0 >> 20)]
    TooLarge(usize),
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
            Self::TooLarge(_) => "answer-too-large",
        }
    }

    /// Whether asking again can help.
    #[must_use]
    pub fn again(&self) -> bool {
        match self {
            // 403 comes from the front end as well, as HTML, and passes.
            Self::Status { code, .. } => matches!(code, 403 | 408 | 425 | 429 | 500..=599),
            _ => true,
        }
    }

    /// Whether the next try should use a new connection: some servers answer 500 on one until it is renewed.
    #[must_use]
    pub fn wants_new_connection(&self) -> bool {
        matches!(self, Self::Status { code: 500, .. } | Self::Stall(_))
    }

    /// Whether the server asks for fewer requests.
    #[must_use]
    pub fn is_pushback(&self) -> bool {
        matches!(self, Self::Status { code: 429 | 503, .. })
    }
}

/// How patiently a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// How often a request is sent at most.
    pub tries: u32,
    /// The first wait; each further one is twice as long.
    pub base: Duration,
    /// The longest wait of its own.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    /// 8 tries over about half a minute, or longer where the server says so.
    fn default() -> Self {
        Self { tries: 8, base: Duration::from_millis(250), cap: Duration::from_secs(15) }
    }
}

impl RetryPolicy {
    /// How long to wait after try number `tries` (from 1) ended with `fault`, or `None` to give up. `jitter` in 0..1
    /// spreads the waits over the half below their full length.
    #[must_use]
    pub fn wait(&self, tries: u32, fault: &Fault, jitter: f64) -> Option<Duration> {
        if tries >= self.tries || !fault.again() {
            return None;
        }
        let full = self.base.saturating_mul(1 << (tries - 1).min(16)).min(self.cap);
        let own = full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        let asked = match fault {
            Fault::Status { retry_after: Some(asked), .. } => (*asked).min(RETRY_AFTER_CAP),
            _ => Duration::ZERO,
        };
        Some(own.max(asked))
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
        Fault::Status { code, detail: String::new(), retry_after: None }
    }

    #[test]
    fn which_answers_are_worth_another_try() {
        for (fault, again, renew, pushback) in [
            (status(400), false, false, false),
            (status(401), false, false, false),
            (status(403), true, false, false),
            (status(404), false, false, false),
            (status(408), true, false, false),
            (status(410), false, false, false),
            (status(429), true, false, true),
            (status(500), true, true, false),
            (status(502), true, false, false),
            (status(503), true, false, true),
            (status(504), true, false, false),
            (Fault::Html, true, false, false),
            (Fault::Decode("EOF".into()), true, false, false),
            (Fault::Broken("reset".into()), true, false, false),
            (Fault::Stall(Duration::from_secs(60)), true, true, false),
            (Fault::Connect("refused".into()), true, false, false),
            (Fault::Disorder("order".into()), true, false, false),
            (Fault::TooLarge(1), true, false, false),
        ] {
            let found = (fault.again(), fault.wants_new_connection(), fault.is_pushback());
            assert_eq!(found, (again, renew, pushback), "{fault}");
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let policy = RetryPolicy { tries: 5, base: Duration::from_secs(1), cap: Duration::from_secs(3) };
        let waits: Vec<_> = (1..=5).map(|tries| policy.wait(tries, &Fault::Html, 1.0).map(|w| w.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(3), Some(3), None]);
        assert_eq!(policy.wait(1, &Fault::Html, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(policy.wait(1, &status(404), 0.0), None);
    }

    #[test]
    fn the_server_may_ask_for_longer() {
        let policy = RetryPolicy::default();
        let asks = |seconds| Fault::Status {
            code: 429,
            detail: String::new(),
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(policy.wait(1, &asks(7), 0.0), Some(Duration::from_secs(7)));
        assert_eq!(policy.wait(1, &asks(100_000), 0.0), Some(RETRY_AFTER_CAP));
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
