//! Knobs for what the real server is known or feared to do: slow forms of questions, dates that
//! compare as text, a front end that wants to be asked in a certain way, outages.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::filter::Op;
use crate::knobs::Knobs;

/// A form of question that the real server may answer slowly or not at all. A question can have
/// several of them, or none.
///
/// Lookups never have a form for images: questions by `_id`, `image_id`, `docker_image_digest` or
/// one of the digests of `repositories`, and those below `/repositories/`. They have indexes of
/// their own and bring few documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Form {
    /// Images without a condition on creation_date
    ImagesUndated,
    /// Images without a condition on isv_pid (`==null` is one)
    ImagesUnpartnered,
    /// Images with a condition on last_update_date
    ImagesByUpdate,
    /// Images sorted by another field than creation_date; unsorted ones do not count
    ImagesSortedOtherwise,
    /// An answer about images that has a total, asked for or by default
    ImageCount,
    /// Pages of images that start behind --slow-offset documents
    DeepImages,
    /// Documents in pages of more than --slow-page, as far as --max-page-size lets them be asked
    LargePage,
    /// == or =in= on a date
    DateEquality,
    /// Images or bundles sorted by _id
    SortById,
    /// Bundles sorted by another field than _id
    BundlesSorted,
    /// Bundles with a condition on creation_date
    BundlesDated,
    /// Bundles with a condition on last_update_date
    BundlesByUpdate,
    /// An answer about bundles that has a total, asked for or by default
    BundleCount,
}

/// What becomes of questions of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Treatment {
    /// The right answer
    #[default]
    Answer,
    /// Nothing for --slow-stall, then --slow-end
    Stall,
    /// Status 400 at once
    Refuse,
}

/// What comes after a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SlowEnd {
    /// Status 504 with HTML
    Html504,
    /// Status 200 with HTML
    Html200,
    /// One and the other in turn, status 504 first
    Alternate,
}

/// The slow paths. Of several treatments of one question, refusing comes before stalling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowPaths {
    /// What becomes of each form; one that is not named is answered.
    pub forms: BTreeMap<Form, Treatment>,
    /// How long the server seems to work before it gives up.
    pub stall: Duration,
    /// What comes then.
    pub end: SlowEnd,
    /// The largest offset at which a page of images is not `Form::DeepImages`.
    pub offset: usize,
    /// The largest page that is not a `Form::LargePage`.
    pub page: usize,
}

impl Default for SlowPaths {
    fn default() -> Self {
        SlowPaths {
            forms: BTreeMap::new(),
            stall: Duration::from_secs(60),
            end: SlowEnd::Alternate,
            offset: 10_000,
            page: 100,
        }
    }
}

impl SlowPaths {
    /// What becomes of a question that has these forms.
    pub(crate) fn treatment(&self, forms: &[Form]) -> Treatment {
        let of = |form: &Form| self.forms.get(form).copied().unwrap_or_default();
        let treatments: Vec<Treatment> = forms.iter().map(of).collect();
        [Treatment::Refuse, Treatment::Stall]
            .into_iter()
            .find(|treatment| treatments.contains(treatment))
            .unwrap_or_default()
    }
}

/// How filters compare dates. Whatever it is, a literal that is no date is refused, and answers
/// are sorted by instants (for dates in the catalog's own form, texts sort the same way).
///
/// The catalog writes `2020-10-20T18:17:55.675000+00:00`, and `2020-10-20T18:17:55+00:00` where
/// the fraction is zero. Bytes sort as `+` < `.` < digits < `Z`, so among such texts the order is
/// that of time. What goes wrong is a literal in another form:
///
/// - `<…55Z` is true of every document of that second, `>=…55Z` of none of it;
/// - `<…55.675Z` is true of `….675000+00:00`, `>=…55.675Z` is not;
/// - `<…55.675+00:00` is not true of `….675000+00:00`, `>` is;
/// - `<…55.000000+00:00` is true of `…55+00:00`, `>=` is not;
/// - `==` is true of the very same text only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum DateCompare {
    /// As instants
    #[default]
    Instant,
    /// == != =in= =out= byte by byte, < <= > >= as instants
    EqualityText,
    /// Everything byte by byte
    Text,
}

/// Which dates filters may hold; others get status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum DateForm {
    /// With Z or with an offset
    #[default]
    Any,
    /// With Z only
    Zulu,
    /// With an offset only
    Offset,
}

impl DateForm {
    pub(crate) fn allows(self, text: &str) -> bool {
        let zulu = text.ends_with(['Z', 'z']);
        match self {
            DateForm::Any => true,
            DateForm::Zulu => zulu,
            DateForm::Offset => !zulu,
        }
    }
}

impl DateCompare {
    /// Whether the operator compares dates byte by byte.
    pub(crate) fn by_text(self, op: Op) -> bool {
        match self {
            DateCompare::Instant => false,
            DateCompare::EqualityText => matches!(op, Op::Eq | Op::Ne | Op::In | Op::Out),
            DateCompare::Text => true,
        }
    }
}

/// What the front end of the catalog wants to see before it lets a request pass. The chart index
/// is elsewhere and wants nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// How the `User-Agent` must begin; otherwise status 403 with HTML.
    pub user_agent: Option<String>,
    /// A header that must be there with exactly this value; otherwise `header_status` with HTML.
    pub header: Option<(String, String)>,
    /// 401 or 403.
    pub header_status: u16,
}

impl Default for Access {
    fn default() -> Self {
        Access { user_agent: None, header: None, header_status: 403 }
    }
}

/// A time in which nothing is answered rightly, the chart index and `/ping` included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// It begins with the request after this many since the start, once.
    pub after: Option<u64>,
    /// How long it lasts.
    pub length: Duration,
    /// What requests get meanwhile.
    pub form: OutageForm,
}

impl Default for Outage {
    fn default() -> Self {
        Outage { after: None, length: Duration::from_secs(90), form: OutageForm::Unavailable }
    }
}

/// What requests get during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutageForm {
    /// Status 503 with HTML
    Unavailable,
    /// Status 200 with HTML
    HtmlOk,
    /// A reset of the connection
    Reset,
}

/// What `/ping` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Ping {
    /// Status 200 with a small JSON document
    #[default]
    Ok,
    /// Status 404
    NotFound,
    /// Status 200 with HTML, as a proxy's block page
    BlockPage,
    /// Status 403 with HTML
    Forbidden,
}

/// Several knobs at once. `Upstream` is what is reported of the real server; `Proven` answers
/// nothing but what public clients are seen to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Every question is answered: the default
    Plain,
    /// Images off the index, their counts and deep pages stall, sort_by=_id is refused, == compares dates as texts
    Upstream,
    /// Beyond that: dates and orders of bundles stall, counts and == on dates are refused
    Proven,
}

impl Profile {
    /// Turns the knobs of the profile: `slow`, `date_compare`, `date_form`, `max_page_size` and
    /// `oversized`.
    pub fn apply(self, knobs: &mut Knobs) {
        let plain = Knobs::default();
        knobs.slow = plain.slow;
        knobs.date_compare = plain.date_compare;
        knobs.date_form = plain.date_form;
        knobs.max_page_size = plain.max_page_size;
        knobs.oversized = plain.oversized;
        let mut treat = |forms: &[Form], treatment: Treatment| {
            knobs.slow.forms.extend(forms.iter().map(|form| (*form, treatment)));
        };
        if self != Profile::Plain {
            let off_index = [
                Form::ImagesUndated,
                Form::ImagesUnpartnered,
                Form::ImagesByUpdate,
                Form::ImagesSortedOtherwise,
                Form::ImageCount,
                Form::DeepImages,
            ];
            treat(&off_index, Treatment::Stall);
            treat(&[Form::SortById], Treatment::Refuse);
        }
        if self == Profile::Proven {
            treat(&[Form::BundlesSorted, Form::BundlesDated, Form::BundlesByUpdate], Treatment::Stall);
            treat(&[Form::DateEquality, Form::ImageCount, Form::BundleCount], Treatment::Refuse);
        }
        if self != Profile::Plain {
            knobs.date_compare = DateCompare::EqualityText;
        }
    }
}
