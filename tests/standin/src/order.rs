//! What answers are sorted by.

use std::cmp::Ordering;

use crate::clock::Micros;

/// What answers are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    /// No order was asked for.
    Unsorted,
    Created,
    Updated,
    Id,
    /// By the values of some other field.
    Field,
}

/// An order with its direction; `path` matters for `Order::Field` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sort {
    pub(crate) order: Order,
    pub(crate) path: Vec<String>,
    pub(crate) descending: bool,
}

impl Sort {
    pub(crate) fn unsorted() -> Self {
        Sort { order: Order::Unsorted, path: Vec::new(), descending: false }
    }
}

/// In which order documents stand that are equal under the sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TieOrder {
    /// In the order in which they came into the catalog, as an index would give them.
    #[default]
    Stable,
    /// In another order on each request.
    Shuffled,
}

/// The value of a document under some sort key.
pub(crate) enum SortValue {
    Null,
    Number(f64),
    Date(Micros),
    Text(String),
}

impl SortValue {
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (SortValue::Number(a), SortValue::Number(b)) => a.total_cmp(b),
            (SortValue::Date(a), SortValue::Date(b)) => a.cmp(b),
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            SortValue::Null => 0,
            SortValue::Number(_) => 1,
            SortValue::Text(_) => 2,
            SortValue::Date(_) => 3,
        }
    }
}
