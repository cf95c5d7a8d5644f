//! Where a catalog comes from, how much it holds, and what limits it: the part of the manifest that the data carry.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::text::{count, sanitize};

/// What limits a partial catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Only containers entered at or after this instant.
    pub since: Timestamp,
}

/// One source of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `containers`, `redhat-images`, `operators:<organization>` or `charts`.
    pub name: String,
    /// Where it was fetched from, without credentials.
    pub url: String,
    /// Documents received, each counted once.
    pub documents: u64,
    /// How many the server itself said there are; `null` if it does not tell.
    pub total: Option<u64>,
    /// How the fetch went. Absent in a reproducible archive, in which everything has to follow from the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
}

/// How a source was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// When its first request was sent.
    pub started: Timestamp,
    /// When its last answer had arrived.
    pub finished: Timestamp,
    /// Requests sent for it, repeated ones included.
    pub requests: u64,
    /// The host that answered last, after all redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What it was checked against; absent for charts, which come in one piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
}

/// What the documents of a source were checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// How they were listed, a few words.
    pub walked: String,
    /// Passes by page number over all of them, of which the last two found the same; absent where each part of the
    /// time line was complete by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<u32>,
    /// The server's own count.
    pub count: Check,
    /// Documents that changed while they were fetched, which were fetched again: how many.
    pub changes: Check,
    /// Documents without a readable date, which no part of the time line holds: how many.
    pub undated: Check,
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// It agrees, with this figure.
    Agrees(u64),
    /// It was not made, for this reason.
    NotChecked(String),
}

impl Checks {
    /// All of it in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("listed {}", sanitize(&self.walked));
        if let Some(passes) = self.passes {
            line.push_str(&format!(" in {passes} passes"));
        }
        let mut missing = Vec::new();
        match &self.count {
            Check::Agrees(total) => line.push_str(&format!("; the server counts {}", count(*total))),
            Check::NotChecked(cause) => missing.push(("count", cause)),
        }
        match &self.changes {
            Check::Agrees(0) => line.push_str("; none changed"),
            Check::Agrees(changed) => line.push_str(&format!("; {} changed", count(*changed))),
            Check::NotChecked(cause) => missing.push(("changes", cause)),
        }
        match &self.undated {
            Check::Agrees(0) => {}
            Check::Agrees(undated) => line.push_str(&format!("; {} without a date", count(*undated))),
            Check::NotChecked(cause) => missing.push(("documents without a date", cause)),
        }
        for (what, cause) in missing {
            line.push_str(&format!("; {what} not checked ({})", sanitize(cause)));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_one_line() {
        let checks = Checks {
            walked: "by date, 500 a page".into(),
            passes: None,
            count: Check::Agrees(25_186),
            changes: Check::Agrees(0),
            undated: Check::Agrees(0),
        };
        assert_eq!(checks.line(), "listed by date, 500 a page; the server counts 25,186; none changed");
        let text = serde_json::to_string(&checks).unwrap();
        assert_eq!(serde_json::from_str::<Checks>(&text).unwrap(), checks);
        let poor = Checks {
            walked: "by page number, 100 a page".into(),
            passes: Some(2),
            count: Check::NotChecked("no answer within 0.2 s".into()),
            changes: Check::Agrees(3),
            undated: Check::Agrees(1),
        };
        assert_eq!(
            poor.line(),
            "listed by page number, 100 a page in 2 passes; 3 changed; 1 without a date; count not checked (no answer within 0.2 s)"
        );
    }
}

/// How much a catalog holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Image documents.
    pub containers: u64,
    /// Keys of `containers.db`: each image stands under every digest by which it can be deployed.
    pub digests: u64,
    /// Operator bundles.
    pub operators: u64,
    /// Chart versions.
    pub charts: u64,
}
