//! The answers as every form of output shows them.

use std::collections::BTreeMap;

use crate::certify::reason::Cause;
use crate::ops::check::{Answered, CheckReport, ClaimOrigin, Standing, Verdict};

/// The result of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Certified,
    NotCertified,
    Unclear,
    NotAsked,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Certified => "yes",
            Self::NotCertified => "NO",
            Self::Unclear => "unclear",
            Self::NotAsked => "not asked",
        }
    }
}

/// Rows that are not certified for one reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) code: &'static str,
    pub(super) reason: &'static str,
    pub(super) rows: usize,
}

/// The number of rows of each state.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) certified: usize,
    pub(super) not_certified: usize,
    pub(super) unclear: usize,
    pub(super) not_asked: usize,
    pub(super) differing: usize,
    /// The reasons of the rows that are not certified, the most frequent first.
    pub(super) groups: Vec<Group>,
}

impl Summary {
    /// The number of rows that count as a question.
    pub(super) fn questions(&self) -> usize {
        self.certified + self.not_certified + self.unclear
    }
}

/// The report, with its summary by the chosen rules.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) report: &'a CheckReport,
    pub(super) claim: Option<&'a ClaimOrigin>,
    pub(super) online: bool,
    pub(super) summary: Summary,
}

impl<'a> View<'a> {
    pub(super) fn new(report: &'a CheckReport, claim: Option<&'a ClaimOrigin>, online: bool) -> Self {
        let mut view = View { report, claim, online, summary: Summary::default() };
        let mut summary = Summary::default();
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for answered in &report.rows {
            let state = view.state(answered);
            match state {
                State::Certified => summary.certified += 1,
                State::NotCertified => summary.not_certified += 1,
                State::Unclear => summary.unclear += 1,
                State::NotAsked => summary.not_asked += 1,
            }
            if state != State::NotAsked && answered.comparison.as_ref().is_some_and(|both| both.difference.is_some()) {
                summary.differing += 1;
            }
            if let (State::NotCertified, Some(Verdict::NotCertified(cause))) = (state, view.verdict(answered)) {
                groups.entry(cause.code()).or_insert_with(|| group(cause)).rows += 1;
            }
        }
        summary.groups = groups.into_values().collect();
        summary.groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
        view.summary = summary;
        view
    }

    /// The verdict by the chosen rules.
    pub(super) fn verdict<'b>(&self, answered: &'b Answered) -> Option<&'b Verdict> {
        answered.comparison.as_ref().map(|both| if self.online { &both.online } else { &both.offline })
    }

    pub(super) fn state(&self, answered: &Answered) -> State {
        match (&answered.row.standing, self.verdict(answered)) {
            (Standing::NotAsked(_), _) => State::NotAsked,
            (_, None) => State::Unclear,
            (_, Some(verdict)) if verdict.certified() => State::Certified,
            (_, Some(_)) => State::NotCertified,
        }
    }

    /// The question, for people.
    pub(super) fn asked(&self, answered: &Answered) -> String {
        match &answered.row.question {
            Ok(question) => format!("{} {question}", question.kind()),
            Err(_) => answered.row.label.clone(),
        }
    }

    /// The reason of a row and the notes on it, one sentence each.
    pub(super) fn reasons(&self, answered: &Answered) -> Vec<String> {
        let mut reasons = Vec::new();
        let row = &answered.row;
        if let Standing::NotAsked(reason) = &row.standing {
            reasons.push(reason.to_string());
        }
        match (&row.question, &answered.comparison) {
            (Err(refused), _) => reasons.push(refused.to_string()),
            (Ok(_), Some(both)) => {
                reasons.extend(self.verdict(answered).map(ToString::to_string));
                if let Some(difference) = both.difference.filter(|_| self.online) {
                    let word = if both.offline.certified() { "certified" } else { "not certified" };
                    reasons.push(format!("offline: {word}, {}; {difference}", both.offline));
                }
            }
            (Ok(_), None) => {}
        }
        reasons.extend(answered.note.map(|note| format!("note: {note}")));
        reasons
    }

    pub(super) fn all_certified(&self) -> bool {
        self.summary.certified == self.summary.questions()
    }
}

fn group(cause: &Cause) -> Group {
    Group { code: cause.code(), reason: cause.summary(), rows: 0 }
}
