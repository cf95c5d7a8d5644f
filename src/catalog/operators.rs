//! Operator pages.

use std::borrow::Borrow;
use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::json::{Json, JsonError, Value};
use super::slice::{Slice, Slot};
use crate::base::limits;
use crate::catalog::TnfError;
use crate::catalog::document::Operator;
use crate::catalog::layout::OPERATORS_PER_PAGE;

const PAGE: [&str; 5] = ["data", "page", "page_size", "total", "nodename"];
const ROW: [&str; 3] = ["csv_name", "ocp_version", "channel_name"];

/// Reads the files of `operators/` as certsuite does, in the order of their names.
///
/// certsuite decodes every file into the same page, and Go's decoder does not change what is absent or `null`: such
/// a field keeps what an earlier file had in the same row, and a file without `data` has the rows of the one before.
#[derive(Debug, Default)]
pub struct OperatorPages {
    rows: Slice<Row>,
    /// Whether the rows were given to a visitor as they are.
    is_given: bool,
    /// Rows and bytes of text that were given to visitors.
    given: (u64, u64),
}

/// A row of the page, as far as certsuite knows it.
#[derive(Debug, Clone, Default)]
struct Row {
    csv: String,
    ocp: String,
    channel: String,
}

/// What a page states about itself; `None` if it does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageStated {
    /// Zero-based number of the page.
    pub page: Option<u64>,
    /// Bundles on a page, as stated; `oct` writes [`OPERATORS_PER_PAGE`], on the last page too.
    pub page_size: Option<u64>,
    /// Bundles on all pages.
    pub total: Option<u64>,
    /// Rows that stand on the page. 0 where the page has no `data` and the rows of the one before were read already.
    pub rows: u64,
    /// Whether every row has all three fields, so that none keeps what an earlier page had.
    pub is_complete: bool,
}

impl fmt::Display for PageStated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
        let (page, size, total) = (shown(self.page), shown(self.page_size), shown(self.total));
        let whole = if self.is_complete { "complete" } else { "incomplete" };
        write!(f, "page {page}, page_size {size}, total {total}, {} rows, {whole}", self.rows)
    }
}

impl OperatorPages {
    /// Reads the next file, and gives `visit` each row of the page as certsuite then has it, unless it was given before.
    ///
    /// # Errors
    /// [`TnfError::Io`] and [`TnfError::Json`] where certsuite passes over the file: no row of it counts, but what it says
    /// up to there may show in later pages. Where the JSON is well-formed and a value has another type than its field, all
    /// others are kept; else nothing is. [`TnfError::Limit`] where the file is larger than [`limits`] has it.
    pub fn read(&mut self, file: impl Read, mut visit: impl FnMut(&Operator)) -> Result<PageStated, TnfError> {
        let mut text = Vec::new();
        file.take(limits::OPERATOR_PAGE_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > limits::OPERATOR_PAGE_BYTES {
            return Err(TnfError::Limit(format!("more than {} bytes", limits::OPERATOR_PAGE_BYTES)));
        }
        // Go looks at the whole text before it decodes any of it.
        let mut json = Json::new(&text[..]);
        let value = json.value()?;
        json.skip(value)?;
        json.end()?;
        let mut json = Json::new(&text[..]);
        let mut stated = PageStated { is_complete: true, ..PageStated::default() };
        let value = json.value()?;
        self.decode(&mut json, value, &mut stated)?;
        json.end()?;
        if std::mem::replace(&mut self.is_given, true) {
            return Ok(stated);
        }
        stated.rows = self.rows.len() as u64;
        self.given.0 += stated.rows;
        self.given.1 +=
            self.rows.iter().map(|row| (row.csv.len() + row.ocp.len() + row.channel.len()) as u64).sum::<u64>();
        if self.given.0 > limits::OPERATORS || self.given.1 > limits::OPERATOR_BYTES {
            let (most, bytes) = (limits::OPERATORS, limits::OPERATOR_BYTES);
            return Err(TnfError::Limit(format!("more than {most} bundles or {bytes} bytes of them, with this file")));
        }
        for row in &self.rows {
            visit(&Operator {
                csv_name: row.csv.as_str().into(),
                ocp_version: row.ocp.as_str().into(),
                channel_name: row.channel.as_str().into(),
            });
        }
        Ok(stated)
    }

    fn decode<R: Read>(&mut self, json: &mut Json<R>, value: Value, stated: &mut PageStated) -> Result<(), JsonError> {
        let mut room = limits::OPERATOR_PAGE_ROWS;
        json.fields(value, &PAGE, |json, field, value| match field {
            0 => {
                self.is_given = false;
                json.list_into(value, &mut self.rows, &mut |json, value, row| {
                    room = room.checked_sub(1).ok_or_else(|| {
                        json.limit(format!("more than {} bundles on one page", limits::OPERATOR_PAGE_ROWS))
                    })?;
                    let fields = row.decode(json, value)?;
                    stated.is_complete &= fields == [true; 3];
                    Ok(())
                })
            }
            1 => json.number_into(value, &mut stated.page),
            2 => json.number_into(value, &mut stated.page_size),
            3 => json.number_into(value, &mut stated.total),
            _ => json.text_into(value, &mut String::new()),
        })
    }
}

impl Row {
    /// Which of the three fields are there.
    fn decode<R: Read>(&mut self, json: &mut Json<R>, value: Value) -> Result<[bool; 3], JsonError> {
        let mut there = [false; 3];
        json.fields(value, &ROW, |json, field, value| {
            let target = match field {
                0 => &mut self.csv,
                1 => &mut self.ocp,
                _ => &mut self.channel,
            };
            if let Some(there) = there.get_mut(field) {
                *there |= value == Value::Text;
            }
            json.text_into(value, target)
        })?;
        Ok(there)
    }
}

impl Slot for Row {
    fn reset(&mut self) {
        [&mut self.csv, &mut self.ocp, &mut self.channel].into_iter().for_each(Slot::reset);
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

    /// The rows of each page, or nothing where certsuite passes over it.
    fn rows(pages: &[&str]) -> Vec<Option<String>> {
        let mut reader = OperatorPages::default();
        let mut read = |page: &&str| {
            let mut rows = Vec::new();
            let read = reader.read(page.as_bytes(), |row| rows.push(format!("{} {}", row.csv_name, row.ocp_version)));
            assert!(!matches!(read, Err(TnfError::Limit(_) | TnfError::Io(_))));
            read.ok().map(|_| rows.join(", "))
        };
        pages.iter().map(&mut read).collect()
    }

    #[test]
    fn a_field_that_is_not_there_keeps_what_an_earlier_page_had() {
        for (page, due) in [
            (r#"{"data":[{"csv_name":"a.v1","ocp_version":"4.1"},{"csv_name":"b.v1","ocp_version":"4.2"}]}"#, "a.v1 4.1, b.v1 4.2"),
            (r#"{"data":[{"csv_name":"c.v1","ocp_version":null}]}"#, "c.v1 4.1"),
            (r#"{"data":[null,{"ocp_version":"4.9"}]}"#, "c.v1 4.1, b.v1 4.9"),
            ("{}", ""),
            ("null", ""),
            (r#"{"data":[{}, {}]}"#, "c.v1 4.1, b.v1 4.9"),
            (r#"{"data":null}"#, ""),
            (r#"{"Data":[{"CSV_NAME":"d.v1"}]}"#, "d.v1 "),
            (r#"{"data":[{"csv_name":"e.v1","ocp_version":"4.3"}],"data":[{"csv_name":"f.v1"},{"csv_name":"g.v1"}]}"#, "f.v1 4.3, g.v1 "),
            (r#"{"data":[]}"#, ""),
            (r#"{"data":[{"csv_name":"h.v1"}]}"#, "h.v1 "),
        ]
        .iter()
        .scan(Vec::new(), |before, (page, due)| {
            before.push(*page);
            Some((before.clone(), *due))
        }) {
            assert_eq!(rows(&page).pop(), Some(Some(due.to_owned())), "{page:?}");
        }
    }

    #[test]
    fn a_page_that_is_passed_over_leaves_what_it_says_only_where_it_is_json() {
        let stale = r#"{"data":[{"csv_name":"b.v1"}]}"#;
        for (odd, then) in [
            ("<html>", "b.v1 "),
            (r#"{"data":[{"csv_name":"a.v1","ocp_version":"4.1"}]}x"#, "b.v1 "),
            (r#"{"data":[{"csv_name":"a.v1","ocp_version":"4.1","channel_name":1}]}"#, "b.v1 4.1"),
            (r#"{"data":[{"ocp_version":"4.1"}],"total":-1}"#, "b.v1 4.1"),
            (r#"{"data":[{"ocp_version":"4.1"}],"total":1.0}"#, "b.v1 4.1"),
            (r#"[{"data":[{"ocp_version":"4.1"}]}]"#, "b.v1 "),
            (r#"{"data":[{"ocp_version":"4.1"},7]}"#, "b.v1 4.1"),
            (r#"{"nodeName":7}"#, "b.v1 "),
        ] {
            assert_eq!(rows(&[odd, stale]), [None, Some(then.to_owned())], "{odd}");
        }
    }

    #[test]
    fn a_page_says_what_it_states() {
        let read = |page: &str| OperatorPages::default().read(page.as_bytes(), |_| {}).unwrap();
        let whole = read(
            r#"{"data":[{"csv_name":"a","ocp_version":"","channel_name":""}],"page":1,"page_size":500,"total":7}"#,
        );
        let due = PageStated { page: Some(1), page_size: Some(500), total: Some(7), rows: 1, is_complete: true };
        assert_eq!(whole, due);
        assert!(!read(r#"{"data":[{"csv_name":"a","ocp_version":"","channel_name":null}]}"#).is_complete);
    }

    #[test]
    fn a_page_is_bounded() {
        let long = vec![b' '; limits::OPERATOR_PAGE_BYTES as usize + 1];
        assert!(matches!(OperatorPages::default().read(&long[..], |_| {}), Err(TnfError::Limit(_))));
        let many = format!(r#"{{"data":[{}{{}}]}}"#, "{},".repeat(limits::OPERATOR_PAGE_ROWS));
        assert!(matches!(OperatorPages::default().read(many.as_bytes(), |_| {}), Err(TnfError::Limit(_))));
    }

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
