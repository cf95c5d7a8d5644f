//! The files of the TNF layout, read into a [`Lookup`] in one pass.

use std::io::BufRead;

use serde::Deserialize;

use super::lookup::Lookup;
use crate::catalog::{TnfError, chart, layout, read_containers};

/// Takes the files of a catalog, one by one.
#[derive(Debug)]
pub struct Reader {
    lookup: Lookup,
    /// The slice of Go's decoder with all that it ever held; a later page begins with what an earlier one left.
    slots: Vec<[String; 2]>,
}

impl Reader {
    /// Reads what `lookup` asks for.
    #[must_use]
    pub fn new(lookup: Lookup) -> Self {
        Self { lookup, slots: Vec::new() }
    }

    /// Reads the file at `path`, relative to the catalog's folder: operator pages in the order of their names.
    ///
    /// # Errors
    /// Where certsuite could not read it either.
    pub fn read(&mut self, path: &str, content: impl BufRead) -> Result<(), TnfError> {
        match path {
            layout::ARCHIVE_JSON => Ok(()),
            layout::CONTAINERS_DB => {
                read_containers(content, |key, entry| {
                    self.lookup.add_image(key, Some(&entry));
                    Ok(())
                })?;
                Ok(())
            }
            layout::HELM_DB => {
                let mut content = content;
                self.lookup.add_charts(chart::read_index(&mut content)?);
                Ok(())
            }
            _ => self.read_operator_page(content),
        }
    }

    /// Reads an operator page of any tool, as certsuite does. The pages have to come in the order of their names.
    ///
    /// certsuite decodes every page into one and the same slice, and Go's decoder leaves a field alone that is absent
    /// or `null`: such a field keeps what an earlier page had in the same row. A page without `data` leaves the rows of
    /// the page before; one with `null` or an empty list begins anew.
    ///
    /// # Errors
    /// Where certsuite could not read it either.
    fn read_operator_page(&mut self, file: impl BufRead) -> Result<(), TnfError> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default, deserialize_with = "present")]
            data: Option<Option<Vec<Option<RawRow>>>>,
        }
        #[derive(Deserialize)]
        struct RawRow {
            csv_name: Option<String>,
            ocp_version: Option<String>,
        }
        /// Tells `null` from nothing at all.
        fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
            T::deserialize(from).map(Some)
        }
        let raw: Raw = serde_json::from_reader(file)?;
        let Some(rows) = raw.data else { return Ok(()) };
        // For an empty list Go makes a new slice, as it does for `null`.
        let rows = rows.unwrap_or_default();
        if rows.is_empty() {
            self.slots.clear();
        }
        for (position, row) in rows.into_iter().enumerate() {
            if position == self.slots.len() {
                self.slots.push(Default::default());
            }
            let Some(slot) = self.slots.get_mut(position) else { continue };
            if let Some(RawRow { csv_name, ocp_version }) = row {
                let [csv, ocp] = slot;
                *csv = csv_name.unwrap_or_else(|| std::mem::take(csv));
                *ocp = ocp_version.unwrap_or_else(|| std::mem::take(ocp));
            }
            let [csv, ocp] = slot.clone();
            self.lookup.add_operator(&csv, &ocp);
        }
        Ok(())
    }

    /// The answers, when every file was read.
    #[must_use]
    pub fn finish(mut self) -> Lookup {
        self.lookup.finish();
        self.lookup
    }
}
