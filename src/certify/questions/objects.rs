//! Documents of JSON or YAML: each record goes to the file that knows its form.

use std::collections::BTreeMap;

use super::operators::Operators;
use super::pods::Selection;
use super::record::{Node, Record};
use super::{Cluster, InputError, Questions, Row, claim, helm, images, lines, pods};
use crate::base::text::sanitize;

/// What was found so far.
struct Found<'a> {
    cluster: &'a Cluster,
    selection: Selection,
    questions: Questions,
    operators: Operators,
    /// Whether a list was met that could hold questions, be it empty.
    recognised: bool,
    /// How many objects of other kinds there are.
    others: BTreeMap<String, usize>,
}

pub(super) fn parse(nodes: Vec<Node>, cluster: &Cluster, all_containers: bool) -> Result<Questions, InputError> {
    let selection = if all_containers { Selection::AllContainers } else { Selection::Cluster };
    let mut found = Found {
        cluster,
        selection,
        questions: Questions::default(),
        operators: Operators::default(),
        recognised: false,
        others: BTreeMap::new(),
    };
    for node in nodes {
        found.document(node)?;
    }
    let Found { mut questions, operators, recognised, others, .. } = found;
    questions.rows.extend(operators.into_rows());
    lines::require_few(questions.rows.len())?;
    let nothing = questions.rows.is_empty() && (!recognised || !others.is_empty());
    if nothing && questions.claim.is_none() {
        return Err(InputError::Other { kinds: others.into_keys().collect() });
    }
    lines::require_question(&questions.rows)?;
    if !others.is_empty() {
        let listed: Vec<_> = others.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        questions.remarks.push(format!("passed over, as certsuite asks about none of them: {}", listed.join(", ")));
    }
    Ok(questions)
}

impl Found<'_> {
    fn document(&mut self, node: Node) -> Result<(), InputError> {
        match node {
            Node::List(nodes) => {
                self.recognised = true;
                nodes.into_iter().try_for_each(|node| self.element(node, None))
            }
            node => self.element(node, None),
        }
    }

    /// Adds a record; `kind` is that of the list in which it stands, for lists that do not repeat it.
    fn element(&mut self, node: Node, kind: Option<&str>) -> Result<(), InputError> {
        lines::require_few(self.questions.rows.len())?;
        let record = match node {
            Node::Record(record) => record,
            Node::List(nodes) => return nodes.into_iter().try_for_each(|node| self.element(node, kind)),
            Node::Text(text) => {
                self.text(&text);
                return Ok(());
            }
            Node::Other => {
                self.other("value");
                return Ok(());
            }
        };
        if let Some(claim) = &record.claim.0 {
            let (rows, origin) = claim::rows(claim, self.cluster)?;
            self.questions.rows.extend(rows);
            self.questions.claim = Some(origin);
            return Ok(());
        }
        let kind = record.kind.get().or(kind).map(str::to_owned);
        if let Some(listed) = kind.as_deref().and_then(|kind| kind.strip_suffix("List")) {
            self.recognised |= matches!(listed, "" | "Pod" | "ClusterServiceVersion");
            let listed = Some(listed).filter(|listed| !listed.is_empty());
            let items = record.items.0.unwrap_or_default();
            return items.into_iter().try_for_each(|item| self.element(item, listed));
        }
        if kind.is_none() && record.items.0.is_some() {
            self.recognised = true;
            return record.items.0.into_iter().flatten().try_for_each(|item| self.element(item, None));
        }
        self.record(*record, kind.as_deref())
    }

    fn record(&mut self, record: Record, kind: Option<&str>) -> Result<(), InputError> {
        let has_containers = record.spec.0.as_ref().is_some_and(|spec| spec.containers.0.is_some());
        match kind {
            Some("Pod") => self.pod(&record),
            Some("ClusterServiceVersion") => self.operators.add_csv(&record, self.cluster),
            Some(other) => self.other(other),
            None if has_containers => self.pod(&record),
            None if record.chart.0.is_some() => self.questions.rows.push(helm::row(&record, self.cluster)),
            None if images::is_image(&record) => self.questions.rows.extend(images::rows(&record)),
            None => match record.images.0 {
                Some(images) => {
                    self.recognised = true;
                    images.into_iter().try_for_each(|image| self.element(image, None))?;
                }
                None => self.other("record without a kind"),
            },
        }
        Ok(())
    }

    fn pod(&mut self, pod: &Record) {
        self.recognised = true;
        self.questions.rows.extend(pods::rows(pod, self.selection));
    }

    /// A text in a list is read as a line is.
    fn text(&mut self, text: &str) {
        let label = format!("item {}", self.questions.rows.len() + 1);
        match lines::questions(text, self.cluster) {
            Ok(questions) => {
                let row = |question| Row { label: label.clone(), ..Row::asked(question) };
                self.questions.rows.extend(questions.into_iter().map(row));
            }
            Err(refused) => self.questions.rows.push(Row::new(label, Err(refused))),
        }
    }

    fn other(&mut self, kind: &str) {
        *self.others.entry(sanitize(kind)).or_default() += 1;
    }
}
