//! Lines of text: a question each, in the words of this program or as other tools list things.
//!
//! ```text
//! # a comment; empty lines are skipped too
//! image REFERENCE
//! operator CSV [OCP]
//! chart NAME VERSION [KUBE]
//! ```
//!
//! The kind may be left out where a line is unmistakable: an image with registry and repository or with a digest, or an
//! operator's `name.vX.Y.Z`, alone or behind its resource type as `oc get csv -o name` prints it. Such a line may begin
//! with a dash, an asterisk or a count, as `sort | uniq -c` prints it, and end in further columns. A chart cannot be told
//! from two words of anything. Every other line is unclear, with the reason. What a line does not give comes from
//! [`Cluster`].

use thiserror::Error;

use super::{ChartQuestion, Cluster, InputError, OperatorQuestion, Question, Questions, Refused, Row, typed_ocp};
use crate::base::limits;
use crate::base::text::sanitize;
use crate::certify::reference::ImageReference;

/// Why the question of a line is not clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unclear {
    /// It has none of the signs.
    #[error("could be anything; hint: begin the line with image, operator or chart")]
    Anything,
    /// Another column may be the tag, and without it the answer would be of another image.
    #[error("has further columns, one of which may be the tag; hint: write image REPOSITORY:TAG, or REPOSITORY@DIGEST")]
    TagColumn,
    /// Some words are questions, some are not.
    #[error("holds more than one question beside other words; hint: write one a line")]
    Several,
    /// An object of the cluster, whose name does not tell its images.
    #[error("names an object of the cluster, not an image; hint: ask with `oc get pods -A -o json`")]
    Resource,
    /// The second word may be the operator's own version.
    #[error("may give the operator's own version or OpenShift's; hint: write operator CSV OCP, with OCP such as 4.16")]
    OwnVersion,
}

/// The types of an operator's resource.
const CSV_TYPES: [&str; 4] = [
    "clusterserviceversion.operators.coreos.com",
    "clusterserviceversions.operators.coreos.com",
    "clusterserviceversion",
    "csv",
];

/// Whether a word is a kind of question, in any case, so that `image:` of a manifest is one, too.
pub(super) fn is_kind(word: &str) -> bool {
    ["image", "operator", "chart"].iter().any(|kind| kind.eq_ignore_ascii_case(word))
}

pub(super) fn parse(text: &str, cluster: &Cluster) -> Result<Questions, InputError> {
    let mut lines: Vec<_> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .take(limits::QUESTIONS + 1)
        .collect();
    require_few(lines.len())?;
    // The heading of a single column; no name of an image or an operator is upper-case.
    if lines.len() > 1 && lines[0].1.bytes().all(|b| b.is_ascii_uppercase()) {
        lines.remove(0);
    }
    let mut rows = Vec::new();
    for (number, line) in &lines {
        match questions(line, cluster) {
            Ok(questions) => rows.extend(questions.into_iter().map(|it| Row::new(format!("line {number}"), Ok(it)))),
            Err(refused) => rows.push(Row::new(format!("line {number}"), Err(refused))),
        }
        require_few(rows.len())?;
    }
    require_question(&rows)?;
    Ok(Questions { rows, ..Questions::default() })
}

/// Refuses more questions than are answered at once.
pub(super) fn require_few(questions: usize) -> Result<(), InputError> {
    if questions > limits::QUESTIONS { Err(InputError::TooMany) } else { Ok(()) }
}

/// Refuses an input of lines none of which is a question: it is of something else.
pub(super) fn require_question(rows: &[Row]) -> Result<(), InputError> {
    let of_line = |row: &Row| match &row.question {
        Err(refused @ (Refused::Unclear { .. } | Refused::Usage { .. } | Refused::Reference(_))) => {
            Some(refused.clone())
        }
        _ => None,
    };
    match rows.first().and_then(of_line) {
        Some(first) if rows.iter().all(|row| of_line(row).is_some()) => {
            Err(InputError::NoQuestion { lines: rows.len(), first: Box::new(first) })
        }
        _ => Ok(()),
    }
}

/// The questions of a line: one, or one for each word where every word is an image.
pub(super) fn questions(line: &str, cluster: &Cluster) -> Result<Vec<Question>, Refused> {
    let separates = |c: char| c.is_whitespace() || c == ',';
    let words = line.split(separates).map(bare).filter(|word| !word.is_empty());
    // One more than are answered, so that the rest is not left out silently.
    let words: Vec<&str> = words.take(limits::QUESTIONS + 1).collect();
    let words = without_mark(&words);
    let one = |question: Result<Question, Refused>| question.map(|question| vec![question]);
    let unclear = |why| Err(Refused::Unclear { line: sanitize(line), why });
    let Some((first, rest)) = words.split_first() else { return unclear(Unclear::Anything) };
    let is = |kind: &str| first.trim_end_matches(':').eq_ignore_ascii_case(kind);
    if is("image") {
        return one(image(line, rest));
    }
    if is("operator") {
        return one(operator(line, rest, cluster));
    }
    if is("chart") {
        return one(chart(line, rest, cluster));
    }
    if let Some(csv) = typed_csv(first) {
        return one(Ok(cluster.operator(csv)));
    }
    if is_csv(first) {
        return match rest {
            [version] if typed_ocp(version).is_some() => match typed_ocp(version).filter(|_| !is_own(first, version)) {
                Some(ocp) => one(Ok(Question::Operator(OperatorQuestion { csv: (*first).to_owned(), ocp: Some(ocp) }))),
                None => unclear(Unclear::OwnVersion),
            },
            _ => one(Ok(cluster.operator(first))),
        };
    }
    if is_resource(first) {
        return unclear(Unclear::Resource);
    }
    if !is_image(first) {
        return unclear(Unclear::Anything);
    }
    let reference = ImageReference::parse(first)?;
    if rest.is_empty()
        || (rest.iter().all(|word| !is_image(word)) && (reference.tag.is_some() || reference.digest.is_some()))
    {
        return one(Ok(Question::Image(reference)));
    }
    if words.iter().all(|word| is_image(word)) {
        return words.iter().map(|word| Ok(Question::Image(ImageReference::parse(word)?))).collect();
    }
    unclear(if rest.iter().any(|word| is_image(word)) { Unclear::Several } else { Unclear::TagColumn })
}

/// A word without its quotes.
fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '`'])
}

/// The words behind a dash, an asterisk or a count.
fn without_mark<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    match words {
        [mark, rest @ ..]
            if !rest.is_empty() && (matches!(*mark, "-" | "*" | "•") || mark.bytes().all(|b| b.is_ascii_digit())) =>
        {
            without_mark(rest)
        }
        _ => words,
    }
}

/// Whether a word is an image and can be nothing else: it names registry and repository, or a digest.
fn is_image(word: &str) -> bool {
    let first = word.split_once('/').map(|(first, _)| first);
    let has_registry = first.is_some_and(|first| first == "localhost" || first.contains(['.', ':']));
    has_registry || word.contains("@sha") || ["sha256:", "sha384:", "sha512:"].iter().any(|start| word.starts_with(start))
        // Only the catalog knows whether it has such a registry.
        || (first.is_some() && word.contains(':') && ImageReference::parse(word).is_ok())
}

/// Whether a word is an operator's `name.vX.Y.Z` and can be nothing else.
fn is_csv(word: &str) -> bool {
    let Some((name, version)) = word.split_once(".v") else { return false };
    let is_name = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let mut numbers = version.splitn(3, '.');
    let is_number =
        |part: Option<&str>| part.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    let begins_with_digit =
        |part: Option<&str>| part.is_some_and(|it| it.bytes().next().is_some_and(|b| b.is_ascii_digit()));
    is_name
        && is_number(numbers.next())
        && is_number(numbers.next())
        && begins_with_digit(numbers.next())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_'))
}

/// The CSV name behind its resource type.
fn typed_csv(word: &str) -> Option<&str> {
    let (resource, name) = word.split_once('/')?;
    (CSV_TYPES.contains(&resource) && !name.is_empty()).then_some(name)
}

/// Whether `version` is the one that the CSV name states itself.
fn is_own(csv: &str, version: &str) -> bool {
    csv.ends_with(&format!(".v{}", version.trim_start_matches('v')))
}

/// Whether a word is `type/name` or `type.group/name`, as `oc get … -o name` prints it.
fn is_resource(word: &str) -> bool {
    let Some((resource, name)) = word.split_once('/') else { return false };
    let labels = resource.split('.').count();
    let in_group =
        [".k8s.io", ".openshift.io", ".coreos.com", ".x-k8s.io"].iter().any(|group| resource.ends_with(group));
    let core =
        ["pod", "pods", "service", "node", "deployment", "configmap", "secret", "job", "namespace", "imagestream"];
    !name.contains(['/', '@', ':'])
        && (core.contains(&resource)
            || (labels == 2
                && [".apps", ".batch", ".autoscaling", ".policy"].iter().any(|group| resource.ends_with(group)))
            || (labels >= 4 && in_group))
}

fn usage(line: &str, usage: &'static str) -> Refused {
    Refused::Usage { line: sanitize(line), usage }
}

fn image(line: &str, words: &[&str]) -> Result<Question, Refused> {
    match words {
        [reference] => Ok(Question::Image(ImageReference::parse(reference)?)),
        _ => Err(usage(line, "image REFERENCE")),
    }
}

fn operator(line: &str, words: &[&str], cluster: &Cluster) -> Result<Question, Refused> {
    match words {
        [csv] => Ok(cluster.operator(typed_csv(csv).unwrap_or(csv))),
        [csv, ocp] => Ok(Question::Operator(OperatorQuestion {
            csv: typed_csv(csv).unwrap_or(csv).to_owned(),
            ocp: Some(typed_ocp(ocp).ok_or_else(|| usage(line, "operator CSV [OCP], with OCP such as 4.16"))?),
        })),
        _ => Err(usage(line, "operator CSV [OCP]")),
    }
}

fn chart(line: &str, words: &[&str], cluster: &Cluster) -> Result<Question, Refused> {
    match words {
        [name, version] => Ok(cluster.chart(name, version)),
        [name, version, kube] => Ok(Question::Chart(ChartQuestion {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            kube: Some((*kube).to_owned()),
        })),
        _ => Err(usage(line, "chart NAME VERSION [KUBE]")),
    }
}
