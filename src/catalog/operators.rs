//! Operator pages.

use std::borrow::Borrow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::catalog::document::Operator;
use crate::catalog::layout::OPERATORS_PER_PAGE;

/// A page of operator bundles as read back. Every field has to be there and be a string.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OperatorPage {
    /// The bundles.
    pub data: Vec<Operator>,
    /// Zero-based number of the page.
    pub page: u64,
    /// [`OPERATORS_PER_PAGE`], on the last page too.
    pub page_size: u64,
    /// Bundles on all pages.
    pub total: u64,
}

/// A page of any origin: fields that are absent or `null` are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LoosePage {
    /// The bundles.
    #[serde(default)]
    pub data: Option<Vec<LooseOperator>>,
    /// Bundles on all pages, by the page's own account.
    #[serde(default)]
    pub total: Option<u64>,
}

/// A bundle on a [`LoosePage`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LooseOperator {
    #[serde(default)]
    csv_name: Option<Box<str>>,
    #[serde(default)]
    ocp_version: Option<Box<str>>,
    #[serde(default)]
    channel_name: Option<Box<str>>,
}

impl From<LooseOperator> for Operator {
    fn from(loose: LooseOperator) -> Self {
        Self {
            csv_name: loose.csv_name.unwrap_or_default(),
            ocp_version: loose.ocp_version.unwrap_or_default(),
            channel_name: loose.channel_name.unwrap_or_default(),
        }
    }
}

/// Writes page `page` of `total` bundles, with the bundles `data`.
///
/// # Errors
/// Those of `out`.
pub fn write_operator_page<O: Borrow<Operator> + Serialize>(
    data: &[O],
    page: usize,
    total: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Page<'a, O> {
        data: &'a [O],
        page: usize,
        page_size: usize,
        total: usize,
    }
    serde_json::to_writer(out, &Page { data, page, page_size: OPERATORS_PER_PAGE, total }).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_written_as_empty_text() {
        let operator = Operator { csv_name: "a.v1".into(), ocp_version: "".into(), channel_name: "".into() };
        let mut bytes = Vec::new();
        write_operator_page(&[operator], 0, 1, &mut bytes).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            r#"{"data":[{"csv_name":"a.v1","ocp_version":"","channel_name":""}],"page":0,"page_size":500,"total":1}"#
        );
    }
}
