//! Helm `kubeVersion` constraints, decided as certsuite's reader decides them.
//!
//! The reader asks Masterminds/semver v3 (`NewConstraint(c).Check(v)`, state of April 2026, release 3.5.0). Sources of
//! the rules: the library's README and release notes, the patterns it matches with, and recorded answers of the Go
//! program. Where those differ the recorded answers count, so a few rules below look odd; they are the library's.
//!
//! # Grammar
//!
//! ```text
//! constraint = group *( "||" group )                       ; at most 512 bytes, at most 32 groups; one must hold
//! group      = ws term *( separator term ) ws              ; all terms must hold
//! separator  = 1*WS / ws "," ws
//! term       = op ws pattern
//! op         = "" / "=" / "!=" / ">" / ">=" / "=>" / "<" / "<=" / "=<" / "~" / "~>" / "^"
//! pattern    = [ "v" ] part [ "." part [ "." part ] ] [ "-" ids ] [ "+" ids ]
//! part       = 1*DIGIT / "x" / "X" / "*"
//! ids        = id *( "." id );  id = 1*( ALPHA / DIGIT / "-" )
//! ws         = *WS;  WS = SPACE / TAB / CR / LF / FF
//! ```
//!
//! A *hyphen range* `A - B` (white space on both sides of the hyphen) is rewritten first, in the whole text and before
//! it is cut into groups, to `>= A, <= B `. The white space around it goes with it, so `1.2 2.0 - 3.0` becomes
//! `1.2>= 2.0, <= 3.0 `, which no longer parses; a comma in between helps.
//!
//! # Meaning
//!
//! A pattern is *open* from its first missing or wildcard part on, whatever follows it: `2`, `2.x` and `2.*.9` are the
//! same. Its bound has zeros there and keeps the pre-release (`1.2.x-0` is bound to `1.2.0-0`).
//!
//! | term | closed `A.B.C` | open minor `A` | open patch `A.B` | all open `*` |
//! |---|---|---|---|---|
//! | none, `=` | equal | `>=A.0.0`, major A | `>=A.B.0`, minor A.B | `>=0.0.0` |
//! | `!=` | not equal | major is not A | minor is not A.B | not 0.0.0 |
//! | `>` | above | major above A | minor above A.B | above 0.0.0 |
//! | `>=`, `=>` | at least | at least A.0.0 | at least A.B.0 | `>=0.0.0` |
//! | `<` | below | below A.0.0 | below A.B.0 | below 0.0.0, so nothing |
//! | `<=`, `=<` | at most | major at most A | minor at most A.B | 0.0.x only |
//! | `~`, `~>` | `>=A.B.C`, minor A.B | `>=A.0.0`, major A | `>=A.B.0`, minor A.B | `>=0.0.0` |
//! | `^` | up to the next major; for `0.B.C` the next minor; `0.0.C` exactly | major A | major A, for `0.B` minor 0.B | 0.0.0 only |
//!
//! `~0.0.0` holds for everything from there on, as `*` does.
//!
//! A pre-release satisfies a group only when some term of that very group names a pre-release; then all terms of the
//! group compare by SemVer precedence. So `>=1.20-0, <1.30` takes `1.25.0-rc.1`, and `>=1.20` does not.
//!
//! An empty constraint, an empty group, a number above 2^64-1 and a pre-release number with a leading zero do not
//! parse. The reader goes on with what it could not parse and crashes, so an `Err` here is a crash there.

use std::borrow::Cow;

use thiserror::Error;

use crate::base::text::sanitize;
use crate::certify::version::{Version, VersionCause, VersionError, compare_prereleases, is_identifier_byte};

/// Longest constraint in bytes, the library's own limit since 3.5.0; it bounds the work of the rewriting below.
pub const MAX_CONSTRAINT_LEN: usize = 512;

/// Most groups between `||`, the library's own limit since 3.5.0.
pub const MAX_CONSTRAINT_GROUPS: usize = 32;

/// A parsed constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    groups: Vec<Vec<Term>>,
}

/// Why a text is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{input}` is not a version constraint: {cause}")]
pub struct ConstraintError {
    /// The constraint as it stands in the index, without control characters.
    pub input: String,
    /// What is wrong with it.
    pub cause: ConstraintCause,
}

/// What is wrong with a constraint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConstraintCause {
    /// Longer than [`MAX_CONSTRAINT_LEN`].
    #[error("it has {len} bytes, at most {MAX_CONSTRAINT_LEN} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// More groups than [`MAX_CONSTRAINT_GROUPS`].
    #[error("it has {count} alternatives between `||`, at most {MAX_CONSTRAINT_GROUPS} are read")]
    TooManyGroups {
        /// How many groups it has.
        count: usize,
    },
    /// The whole constraint, or one side of a `||`, is empty.
    #[error("a part of it is empty")]
    Empty,
    /// No operator and version where one must stand.
    #[error("there is no version, with or without an operator, at `{rest}`")]
    NoTerm {
        /// The text from there on, after the rewriting of hyphen ranges.
        rest: String,
    },
    /// Two terms touch, or something stands after a version that cannot belong to it.
    #[error("there is neither white space nor a comma before `{rest}`")]
    NoSeparator {
        /// The text from there on, after the rewriting of hyphen ranges.
        rest: String,
    },
    /// A version of a term is none.
    #[error("in `{pattern}`, {cause}")]
    Version {
        /// The version with its wildcards.
        pattern: String,
        /// What is wrong with it.
        cause: VersionCause,
    },
}

/// What makes certsuite's reader crash on a chart's `kubeVersion`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SemverCrash {
    /// The constraint of the chart does not parse.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// The cluster's version does not parse.
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// Whether `version` satisfies `constraint`: the reader's `CompareVersion`.
///
/// # Errors
/// When either text does not parse; there the reader crashes.
pub fn satisfies(constraint: &str, version: &str) -> Result<bool, SemverCrash> {
    let constraint = Constraint::parse(constraint)?;
    let version = Version::parse(version)?;
    Ok(constraint.allows(&version))
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// When the text does not follow the grammar of this module.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        Self::read(text).map_err(|cause| ConstraintError { input: sanitize(text), cause })
    }

    fn read(text: &str) -> Result<Self, ConstraintCause> {
        if text.len() > MAX_CONSTRAINT_LEN {
            return Err(ConstraintCause::TooLong { len: text.len() });
        }
        let rewritten = rewrite_hyphen_ranges(text);
        let count = rewritten.split("||").count();
        if count > MAX_CONSTRAINT_GROUPS {
            return Err(ConstraintCause::TooManyGroups { count });
        }
        let groups = rewritten.split("||").map(read_group).collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Whether the version satisfies the constraint.
    #[must_use]
    pub fn allows(&self, version: &Version) -> bool {
        self.groups.iter().any(|terms| {
            let takes_prereleases = terms.iter().any(|term| term.bound.is_prerelease());
            (takes_prereleases || !version.is_prerelease()) && terms.iter().all(|term| term.allows(version))
        })
    }
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    op: Op,
    bound: Version,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Above,
    AtLeast,
    Below,
    AtMost,
    Tilde,
    Caret,
}

/// From which part on a pattern is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    All,
}

impl Term {
    /// The table of the module's documentation; the pre-release rule is the group's.
    fn allows(&self, version: &Version) -> bool {
        let bound = &self.bound;
        let major = version.major.cmp(&bound.major);
        let minor = version.minor.cmp(&bound.minor);
        match self.op {
            Op::Equal if self.open == Open::Nothing => version == bound,
            Op::Equal | Op::Tilde => self.tilde(version),
            Op::NotEqual => match self.open {
                Open::Nothing | Open::All => version != bound,
                Open::Minor => major.is_ne(),
                Open::Patch => {
                    major.is_ne() || minor.is_ne() || compare_prereleases(version.pre(), bound.pre()).is_ne()
                }
            },
            Op::Above => match self.open {
                Open::Nothing | Open::All => version > bound,
                Open::Minor => major.is_gt(),
                Open::Patch => major.then(minor).is_gt(),
            },
            Op::AtLeast => version >= bound,
            Op::Below => version < bound,
            Op::AtMost => match self.open {
                Open::Nothing => version <= bound,
                Open::Minor => major.is_le(),
                Open::Patch | Open::All => major.then(minor).is_le(),
            },
            Op::Caret => version >= bound && self.caret(version),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let bound = &self.bound;
        let from_zero =
            (bound.major, bound.minor, bound.patch) == (0, 0, 0) && matches!(self.open, Open::Nothing | Open::All);
        let same_branch = version.major == bound.major && (version.minor == bound.minor || self.open == Open::Minor);
        version >= bound && (from_zero || same_branch)
    }

    /// The upper end of a caret range, for a version that is not below its bound.
    fn caret(&self, version: &Version) -> bool {
        let bound = &self.bound;
        if version.major != bound.major {
            return false;
        }
        if bound.major > 0 || self.open == Open::Minor {
            return true;
        }
        if bound.minor > 0 || self.open == Open::Patch {
            return version.minor == bound.minor;
        }
        version.minor == 0 && version.patch == bound.patch
    }
}

/// The pieces of a pattern, before its parts are understood. The parts' alphabet has `|` in it, as in the library:
/// `1|2` is a part that is not a number, and in `1||2 - 3` the hyphen range begins at the first `1`.
struct Pattern<'a> {
    text: &'a str,
    parts: [Option<&'a str>; 3],
    /// With its hyphen.
    pre: &'a str,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

fn is_part_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
}

/// Splits after the longest prefix whose bytes are all `wanted`, which must be ASCII.
fn take_while(text: &str, wanted: fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().position(|b| !wanted(b)).unwrap_or(text.len()))
}

fn skip_space(text: &str) -> &str {
    take_while(text, is_space).1
}

/// Splits a non-empty run of `wanted` after `mark`.
fn take_marked(text: &str, mark: char, wanted: fn(u8) -> bool) -> Option<(&str, &str)> {
    let (run, rest) = take_while(text.strip_prefix(mark)?, wanted);
    (!run.is_empty()).then_some((run, rest))
}

/// The length of `mark ids` at the beginning of `text`, 0 if none stands there.
fn identifiers_len(text: &str, mark: char) -> usize {
    let mut rest = text;
    let mut next = mark;
    while let Some((_, after)) = take_marked(rest, next, is_identifier_byte) {
        rest = after;
        next = '.';
    }
    text.len() - rest.len()
}

/// The longest pattern at the beginning of `text`, and what follows it.
fn take_pattern(text: &str) -> Option<(Pattern<'_>, &str)> {
    let (first, mut rest) = take_while(text.strip_prefix('v').unwrap_or(text), is_part_byte);
    if first.is_empty() {
        return None;
    }
    let mut parts = [Some(first), None, None];
    for part in &mut parts[1..] {
        if let Some((run, after)) = take_marked(rest, '.', is_part_byte) {
            *part = Some(run);
            rest = after;
        }
    }
    let (pre, after) = rest.split_at(identifiers_len(rest, '-'));
    let rest = &after[identifiers_len(after, '+')..];
    let text = &text[..text.len() - rest.len()];
    Some((Pattern { text, parts, pre }, rest))
}

/// A hyphen range at the very beginning of `text`: its two ends and what follows it.
fn take_hyphen_range(text: &str) -> Option<(&str, &str, &str)> {
    let (low, rest) = take_pattern(skip_space(text))?;
    let (_, rest) = take_space(rest)?;
    let (_, rest) = take_space(rest.strip_prefix('-')?)?;
    let (high, rest) = take_pattern(rest)?;
    Some((low.text, high.text, skip_space(rest)))
}

fn take_space(text: &str) -> Option<(&str, &str)> {
    let (space, rest) = take_while(text, is_space);
    (!space.is_empty()).then_some((space, rest))
}

/// Turns every `A - B` into `>= A, <= B `. The library looks for the ranges in the text as given and then replaces
/// the first occurrence of each in the text as rewritten so far, and so does this.
fn rewrite_hyphen_ranges(text: &str) -> Cow<'_, str> {
    let mut rewritten = Cow::Borrowed(text);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match take_hyphen_range(rest) {
            Some((low, high, after)) => {
                let range = &rest[..rest.len() - after.len()];
                let terms = format!(">= {low}, <= {high} ");
                rewritten = Cow::Owned(rewritten.replacen(range, &terms, 1));
                after
            }
            None => &rest[first.len_utf8()..],
        };
    }
    rewritten
}

fn read_group(group: &str) -> Result<Vec<Term>, ConstraintCause> {
    let mut rest = skip_space(group);
    if rest.is_empty() {
        return Err(ConstraintCause::Empty);
    }
    let mut terms = Vec::new();
    loop {
        let (term, after) = read_term(rest)?;
        terms.push(term);
        let next = skip_space(after);
        if next.is_empty() {
            return Ok(terms);
        }
        rest = match next.strip_prefix(',') {
            Some(next) => skip_space(next),
            None if next.len() < after.len() => next,
            None => {
                return Err(ConstraintCause::NoSeparator { rest: after.to_owned() });
            }
        };
    }
}

fn read_term(text: &str) -> Result<(Term, &str), ConstraintCause> {
    let (op, rest) = take_op(text);
    let (pattern, rest) =
        take_pattern(skip_space(rest)).ok_or_else(|| ConstraintCause::NoTerm { rest: text.to_owned() })?;
    let (bound, open) = bound_of(&pattern)
        .map_err(|error| ConstraintCause::Version { pattern: pattern.text.to_owned(), cause: error.cause })?;
    Ok((Term { op, bound, open }, rest))
}

fn take_op(text: &str) -> (Op, &str) {
    const OPS: [(&str, Op); 11] = [
        ("!=", Op::NotEqual),
        (">=", Op::AtLeast),
        ("=>", Op::AtLeast),
        ("<=", Op::AtMost),
        ("=<", Op::AtMost),
        ("~>", Op::Tilde),
        ("=", Op::Equal),
        (">", Op::Above),
        ("<", Op::Below),
        ("~", Op::Tilde),
        ("^", Op::Caret),
    ];
    OPS.iter().find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?))).unwrap_or((Op::Equal, text))
}

/// What a pattern is bound to: the version that is left when zeros stand for everything from its first open part on.
/// The parts behind that one are not looked at, and metadata counts only in a closed pattern.
fn bound_of(pattern: &Pattern<'_>) -> Result<(Version, Open), VersionError> {
    let pre = pattern.pre;
    let (bound, open) = match pattern.parts.map(|part| part.filter(|part| !matches!(*part, "x" | "X" | "*"))) {
        [None, _, _] => (format!("0.0.0{pre}"), Open::All),
        [Some(major), None, _] => (format!("{major}.0.0{pre}"), Open::Minor),
        [Some(major), Some(minor), None] => (format!("{major}.{minor}.0{pre}"), Open::Patch),
        [Some(_), Some(_), Some(_)] => (pattern.text.to_owned(), Open::Nothing),
    };
    Ok((Version::parse(&bound)?, open))
}

#[cfg(test)]
mod tests;
