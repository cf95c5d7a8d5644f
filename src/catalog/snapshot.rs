//! A snapshot: everything that was fetched, and the files that it becomes.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::base::member::MemberPath;
use crate::catalog::chart::ChartIndexError;
use crate::catalog::document::{Image, Operator};
use crate::catalog::layout::{Kind, OPERATORS_PER_PAGE};
use crate::catalog::provenance::{Counts, Partial, Source};
use crate::catalog::{ArchiveJson, ChartIndex, ContainerEntry, ContainersFile, layout, write_operator_page};

/// A whole catalog at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When it began.
    pub created: Timestamp,
    /// What limits it, if anything does.
    pub partial: Option<Partial>,
    /// Image documents, each id once.
    pub images: Vec<Image>,
    /// In the place of images: the entries of another folder's `containers.db`, in order.
    pub taken_over: Option<TakenOver>,
    /// Operator bundles, one for each document.
    pub operators: Vec<Operator>,
    /// The chart index as served.
    pub chart_index: Vec<u8>,
    /// Where all this comes from.
    pub sources: Vec<Source>,
}

/// Entries of a `containers.db` as they were found. A key need not be one of the digests that its entry tells of, hence
/// no documents are made of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TakenOver {
    /// Key and entry, in ascending order of the keys, each once.
    pub entries: Vec<(String, ContainerEntry)>,
    /// How many image documents these are.
    pub documents: u64,
}

/// A catalog laid out as files: any two snapshots with the same documents give the same bytes.
pub struct Layout<'a> {
    counts: Counts,
    containers: ContainersFile<'a>,
    operators: Vec<Operator>,
    chart_index: &'a [u8],
}

impl Snapshot {
    /// Lays the snapshot out as files.
    ///
    /// # Errors
    /// Where the chart index cannot be read.
    pub fn layout(&self) -> Result<Layout<'_>, ChartIndexError> {
        let charts = ChartIndex::parse(&*self.chart_index)?.versions().len() as u64;
        let (containers, documents) = match &self.taken_over {
            Some(taken) => (ContainersFile::of_entries(&taken.entries), taken.documents),
            None => (ContainersFile::new(&self.images), self.images.len() as u64),
        };
        let mut operators = self.operators.clone();
        operators.sort_unstable();
        let counts =
            Counts { containers: documents, digests: containers.keys(), operators: operators.len() as u64, charts };
        Ok(Layout { counts, containers, operators, chart_index: &self.chart_index })
    }
}

impl Layout<'_> {
    /// How much it holds.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Every path, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<MemberPath> {
        let paths = layout::paths(self.operators.len());
        paths.into_iter().filter_map(|path| MemberPath::new(path).ok()).collect()
    }

    /// Writes the file at `path`.
    ///
    /// # Errors
    /// Those of `out`; `NotFound` for a path that is not one of [`Self::paths`].
    pub fn write(&self, path: &MemberPath, out: &mut dyn Write) -> io::Result<()> {
        match Kind::of(path) {
            Some(Kind::ArchiveJson) => {
                let Counts { containers, operators, charts, .. } = self.counts;
                out.write_all(&ArchiveJson { containers, operators, charts }.to_bytes())
            }
            Some(Kind::Containers) => self.containers.write(out),
            Some(Kind::Helm) => out.write_all(self.chart_index),
            Some(Kind::OperatorPage { number, size }) => {
                let start = number * OPERATORS_PER_PAGE;
                let data = self.operators.get(start..start + size);
                write_operator_page(data.ok_or(io::ErrorKind::NotFound)?, number, self.operators.len(), out)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
