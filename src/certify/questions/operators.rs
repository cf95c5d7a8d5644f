//! Operators by their ClusterServiceVersions.
//!
//! A cluster lists a copy in every namespace that the operator serves; certsuite asks for each name once, and so does oct.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::record::Record;
use super::{Cluster, Refused, Row, label};

/// The operators of an input, each name once.
#[derive(Default)]
pub(super) struct Operators {
    rows: Vec<Listed>,
    by_name: HashMap<String, usize>,
}

struct Listed {
    row: Row,
    /// Further namespaces with the same name.
    others: usize,
    is_copy: bool,
}

impl Operators {
    /// Adds a ClusterServiceVersion.
    pub(super) fn add_csv(&mut self, csv: &Record, cluster: &Cluster) {
        let metadata = csv.metadata.0.as_ref();
        let is_copy = csv.status.0.as_ref().and_then(|status| status.reason.get()) == Some("Copied");
        let namespace = metadata.and_then(|metadata| metadata.namespace.get());
        self.add(namespace, metadata.and_then(|metadata| metadata.name.get()), is_copy, cluster);
    }

    /// Adds an operator by the name of its ClusterServiceVersion.
    pub(super) fn add(&mut self, namespace: Option<&str>, csv: Option<&str>, is_copy: bool, cluster: &Cluster) {
        let question = csv.map(|csv| cluster.operator(csv)).ok_or(Refused::Missing { field: "name" });
        let row = Row::new(label(&[namespace, csv]), question);
        let Some(csv) = csv else { return self.rows.push(Listed { row, others: 0, is_copy }) };
        match self.by_name.entry(csv.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(self.rows.len());
                self.rows.push(Listed { row, others: 0, is_copy });
            }
            Entry::Occupied(known) => {
                if let Some(listed) = self.rows.get_mut(*known.get()) {
                    listed.others += 1;
                    if listed.is_copy && !is_copy {
                        (listed.row, listed.is_copy) = (row, false);
                    }
                }
            }
        }
    }

    pub(super) fn into_rows(self) -> impl Iterator<Item = Row> {
        self.rows.into_iter().map(|Listed { mut row, others, .. }| {
            match others {
                0 => {}
                1 => row.label.push_str(" (and in 1 more namespace)"),
                more => row.label.push_str(&format!(" (and in {more} more namespaces)")),
            }
            row
        })
    }
}
