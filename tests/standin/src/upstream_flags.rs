//! The flags of the knobs in `upstream`.

use clap::builder::EnumValueParser;
use clap::{Arg, ArgMatches, ValueEnum};

use crate::flags::{limit, millis, set};
use crate::knobs::Knobs;
use crate::upstream::{DateCompare, DateForm, Form, OutageForm, Ping, Profile, SlowEnd, Treatment};

/// Flags for knobs; only what is given is turned. The profile is for the caller, who applies it
/// before any knob.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Upstream's behaviour")]
pub(crate) struct UpstreamArgs {
    /// Several knobs at once, before all others
    #[arg(long)]
    pub(crate) profile: Option<Profile>,
    /// How long questions stall
    #[arg(long, value_name = "MS")]
    slow_stall: Option<u64>,
    /// What comes after a stall
    #[arg(long)]
    slow_end: Option<SlowEnd>,
    /// Offset behind which pages of images are deep
    #[arg(long, value_name = "N")]
    slow_offset: Option<usize>,
    /// Largest page that is not large
    #[arg(long, value_name = "N")]
    slow_page: Option<usize>,
    #[command(flatten)]
    forms: Forms,
    /// How filters compare dates
    #[arg(long)]
    date_compare: Option<DateCompare>,
    /// Which dates filters may hold
    #[arg(long)]
    date_form: Option<DateForm>,
    /// How the User-Agent must begin, lest status 403 come; empty is any
    #[arg(long, value_name = "TEXT")]
    user_agent_prefix: Option<String>,
    /// A header that must be there; empty is none
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    required_header: Option<Header>,
    /// The status without that header: 401 or 403
    #[arg(long, value_name = "STATUS")]
    required_header_status: Option<u16>,
    /// Requests after which an outage begins; 0 is never
    #[arg(long, value_name = "N")]
    outage_after: Option<u64>,
    /// Its length
    #[arg(long, value_name = "MS")]
    outage_length: Option<u64>,
    /// What requests get meanwhile
    #[arg(long)]
    outage_form: Option<OutageForm>,
    /// What /ping answers
    #[arg(long)]
    ping: Option<Ping>,
    /// JSON text that stands for every total; empty leaves them as they are
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    total_is: Option<String>,
    /// Pages never end: made-up documents follow behind the last
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    endless_catalog: Option<bool>,
    /// Requests before which a tag moves from the newest certified image to the oldest
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    move_tag_at: Option<Vec<u64>>,
    /// How far the clock of the server is behind
    #[arg(long, value_name = "MS")]
    clock_behind: Option<u64>,
}

impl UpstreamArgs {
    pub(crate) fn turn(&self, knobs: &mut Knobs) {
        /// Where an empty text stands for nothing.
        fn text(knob: &mut Option<String>, value: &Option<String>) {
            set(knob, &value.as_ref().map(|text| Some(text.clone()).filter(|text| !text.is_empty())));
        }
        millis(&mut knobs.slow.stall, self.slow_stall);
        set(&mut knobs.slow.end, &self.slow_end);
        set(&mut knobs.slow.offset, &self.slow_offset);
        set(&mut knobs.slow.page, &self.slow_page);
        knobs.slow.forms.extend(self.forms.0.iter().copied());
        set(&mut knobs.date_compare, &self.date_compare);
        set(&mut knobs.date_form, &self.date_form);
        text(&mut knobs.access.user_agent, &self.user_agent_prefix);
        set(&mut knobs.access.header, &self.required_header.clone().map(|header| header.0));
        set(&mut knobs.access.header_status, &self.required_header_status);
        limit(&mut knobs.outage.after, self.outage_after);
        millis(&mut knobs.outage.length, self.outage_length);
        set(&mut knobs.outage.form, &self.outage_form);
        set(&mut knobs.ping, &self.ping);
        text(&mut knobs.total_is, &self.total_is);
        set(&mut knobs.endless_catalog, &self.endless_catalog);
        set(&mut knobs.move_tag_at, &self.move_tag_at);
        millis(&mut knobs.clock_behind, self.clock_behind);
    }
}

/// A header by name and value, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header(Option<(String, String)>);

fn header(text: &str) -> Result<Header, String> {
    if text.is_empty() {
        return Ok(Header(None));
    }
    let (name, value) = text.split_once(':').ok_or("a header is written NAME: VALUE")?;
    Ok(Header(Some((name.trim().to_owned(), value.trim().to_owned()))))
}

/// One flag for each form, under the form's name.
#[derive(Debug, Clone, Default)]
struct Forms(Vec<(Form, Treatment)>);

impl clap::Args for Forms {
    fn augment_args(command: clap::Command) -> clap::Command {
        Form::value_variants().iter().filter_map(Form::to_possible_value).fold(command, |command, form| {
            let name = form.get_name().to_owned();
            let arg = Arg::new(name.clone()).long(name).value_name("answer|stall|refuse").hide_possible_values(true);
            let arg = arg.value_parser(EnumValueParser::<Treatment>::new());
            command.arg(match form.get_help() {
                Some(help) => arg.help(help.clone()),
                None => arg,
            })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Forms {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |form: &Form| {
            let name = form.to_possible_value()?;
            matches.get_one::<Treatment>(name.get_name()).map(|treatment| (*form, *treatment))
        };
        Ok(Forms(Form::value_variants().iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::flags::turn;
    use crate::upstream::Access;

    fn turned(knobs: &mut Knobs, settings: &[(&str, &str)]) -> Result<(), String> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        turn(knobs, &settings.iter().map(own).collect::<Vec<_>>())
    }

    #[test]
    fn a_profile_comes_before_single_knobs() {
        let mut knobs = Knobs { latency: Duration::from_millis(3), ..Knobs::default() };
        let settings = [("image-count", "answer"), ("max-page-size", "250"), ("profile", "upstream")];
        assert_eq!(turned(&mut knobs, &settings), Ok(()));
        let mut expected = Knobs::of(Profile::Upstream);
        expected.slow.forms.insert(Form::ImageCount, Treatment::Answer);
        expected.max_page_size = 250;
        expected.latency = Duration::from_millis(3);
        assert_eq!(knobs, expected);
        assert_eq!(turned(&mut knobs, &[("profile", "plain"), ("latency", "0")]), Ok(()));
        assert_eq!(knobs, Knobs::default());
    }

    #[test]
    fn every_form_has_a_flag() {
        let mut knobs = Knobs::default();
        for form in Form::value_variants() {
            let name = form.to_possible_value().expect("no form is skipped");
            assert_eq!(turned(&mut knobs, &[(name.get_name(), "refuse")]), Ok(()));
            assert_eq!(knobs.slow.treatment(&[*form]), Treatment::Refuse);
        }
        assert!(turned(&mut knobs, &[("sort-by-id", "nobody")]).is_err());
    }

    #[test]
    fn texts_and_headers_are_set_and_taken_back() {
        let mut knobs = Knobs::default();
        let settings = [
            ("user-agent-prefix", "oct/"),
            ("required-header", "X-Key: a:b"),
            ("required-header-status", "401"),
            ("total-is", "-1"),
            ("outage-after", "3"),
            ("move-tag-at", "4,9"),
        ];
        assert_eq!(turned(&mut knobs, &settings), Ok(()));
        let header = Some(("X-Key".to_owned(), "a:b".to_owned()));
        assert_eq!(knobs.access, Access { user_agent: Some("oct/".to_owned()), header, header_status: 401 });
        assert_eq!((knobs.total_is.as_deref(), knobs.outage.after), (Some("-1"), Some(3)));
        assert_eq!(knobs.move_tag_at, [4, 9]);
        let back = [("user-agent-prefix", ""), ("required-header", ""), ("total-is", ""), ("outage-after", "0")];
        assert_eq!(turned(&mut knobs, &back), Ok(()));
        assert_eq!((knobs.access.user_agent, knobs.access.header), (None, None));
        assert_eq!((knobs.total_is, knobs.outage.after), (None, None));
        assert!(turned(&mut Knobs::default(), &[("required-header", "no colon")]).is_err());
    }
}
