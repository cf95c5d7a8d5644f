//! A snapshot: everything that was fetched, and the files that it becomes.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use jiff::Timestamp;

use super::TooLarge;
use crate::base::digest::HashingWriter;
use crate::base::member::MemberPath;
use crate::base::{limits, text};
use crate::catalog::document::Operator;
use crate::catalog::layout::{self, File, Kind, OPERATORS_PER_PAGE};
use crate::catalog::provenance::{Counts, Partial, Source};
use crate::catalog::{ArchiveJson, ChartIndex, ContainersBuilder, write_operator_page};

/// A whole catalog at one time, without its images. They do not stay in memory, but go to a [`ContainersBuilder`] one by
/// one.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When it began.
    pub created: Timestamp,
    /// What limits it, if anything does.
    pub partial: Option<Partial>,
    /// How many image documents there are.
    pub images: u64,
    /// Operator bundles, one for each document.
    pub operators: Vec<Operator>,
    /// The chart index as served.
    pub chart_index: ChartIndex,
    /// Where all this comes from.
    pub sources: Vec<Source>,
}

/// Why a snapshot was not laid out.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Readers would refuse it.
    #[error("the catalog is larger than readers accept: {0}")]
    TooLarge(#[from] TooLarge),
    /// Images were lost on the way.
    #[error("{due} images were fetched, but {found} came to the archive")]
    Images {
        /// That were given.
        found: u64,
        /// That the snapshot counts.
        due: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for LayoutError {
    fn from(error: io::Error) -> Self {
        error.downcast::<TooLarge>().map_or_else(Self::Io, Self::TooLarge)
    }
}

/// A catalog laid out as files, one behind another in `area`. Any two snapshots with the same documents give the same
/// bytes.
pub struct Layout<A> {
    counts: Counts,
    files: Vec<File>,
    area: A,
}

impl Snapshot {
    /// Lays the snapshot with these `containers` out as files in `area`, which is empty.
    ///
    /// # Errors
    /// As [`LayoutError`] tells.
    pub fn lay_out<S, A>(&self, containers: ContainersBuilder<S>, mut area: A) -> Result<Layout<A>, LayoutError>
    where
        S: Read + Write + Seek,
        A: Read + Write + Seek,
    {
        if let Some(found) = containers.images().filter(|found| *found != self.images) {
            return Err(LayoutError::Images { found, due: self.images });
        }
        if self.operators.len() > layout::MAX_OPERATORS {
            let max = text::count(layout::MAX_OPERATORS as u64);
            return Err(TooLarge(format!("it has more than {max} operators")).into());
        }
        let charts = self.chart_index.versions().len() as u64;
        let mut operators: Vec<&Operator> = self.operators.iter().collect();
        operators.sort_unstable();
        let mut counts = Counts { containers: self.images, digests: 0, operators: operators.len() as u64, charts };
        let (mut files, mut containers) = (Vec::new(), Some(containers));
        for path in layout::paths(operators.len()).into_iter().filter_map(|path| MemberPath::new(path).ok()) {
            let mut out = BufWriter::with_capacity(1 << 16, HashingWriter::new(Capped::new(&mut area)));
            match Kind::of(&path) {
                Some(Kind::ArchiveJson) => {
                    let Counts { containers, operators, charts, .. } = counts;
                    out.write_all(&ArchiveJson { containers, operators, charts }.to_bytes())?;
                }
                Some(Kind::Containers) => {
                    if let Some(containers) = containers.take() {
                        counts.digests = containers.finish(&mut out)?;
                    }
                }
                Some(Kind::Helm) => out.write_all(self.chart_index.yaml())?,
                Some(Kind::OperatorPage { number, .. }) => {
                    let data = operators.chunks(OPERATORS_PER_PAGE).nth(number).unwrap_or_default();
                    write_operator_page(data, number, operators.len(), &mut out)?;
                }
                None => {}
            }
            let (_, size, sha256) = out.into_inner().map_err(io::IntoInnerError::into_error)?.finish();
            files.push(File { path, size, sha256 });
        }
        Ok(Layout { counts, files, area })
    }
}

impl<A: Read + Seek> Layout<A> {
    /// How much it holds.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Every file, sorted by path.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Hands each file with its bytes to `visit`, sorted by path.
    ///
    /// # Errors
    /// Those of `visit`, and of the area.
    pub fn read(&mut self, mut visit: impl FnMut(&File, &mut dyn Read) -> io::Result<()>) -> io::Result<()> {
        let mut start = 0;
        for file in &self.files {
            self.area.seek(SeekFrom::Start(start))?;
            visit(file, &mut (&mut self.area).take(file.size))?;
            start += file.size;
        }
        Ok(())
    }
}

/// Passes on as much as a member may have.
struct Capped<W> {
    inner: W,
    left: u64,
}

impl<W> Capped<W> {
    fn new(inner: W) -> Self {
        Self { inner, left: limits::MEMBER_BYTES }
    }
}

impl<W: Write> Write for Capped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| {
            let max = text::size(limits::MEMBER_BYTES);
            TooLarge(format!("one of its files has more than {max}"))
        })?;
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::base::digest::Sha256Digest;
    use crate::catalog::document::{Image, ObjectId};

    fn snapshot(images: u64, operators: usize) -> Snapshot {
        let operator = |number| Operator {
            csv_name: format!("op.v{}", number % 7).into(),
            ocp_version: "4.16".into(),
            channel_name: "stable".into(),
        };
        Snapshot {
            created: Timestamp::UNIX_EPOCH,
            partial: None,
            images,
            operators: (0..operators).map(operator).collect(),
            chart_index: ChartIndex::parse("entries: {}").unwrap(),
            sources: vec![],
        }
    }

    fn containers(images: u8) -> ContainersBuilder<Cursor<Vec<u8>>> {
        let mut containers = ContainersBuilder::new(Cursor::new(Vec::new()));
        for id in 0..images {
            let image = Image {
                id: ObjectId::parse(&format!("{id:024x}")).unwrap(),
                creation_date: "".into(),
                architecture: "".into(),
                certified: true,
                image_id: None,
                repositories: Box::new([]),
            };
            containers.image(&image).unwrap();
        }
        containers
    }

    #[test]
    fn files_are_as_they_were_measured() {
        let snapshot = snapshot(3, 1_100);
        let mut layout = snapshot.lay_out(containers(3), Cursor::new(Vec::new())).unwrap();
        let counts = Counts { containers: 3, digests: 3, operators: 1_100, charts: 0 };
        assert_eq!((layout.counts(), layout.files().len()), (counts, 6));
        let mut rows = 0;
        let read = layout.read(|file, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            assert_eq!((file.size, file.sha256), (bytes.len() as u64, Sha256Digest::of(&bytes)), "{}", file.path);
            rows += String::from_utf8(bytes).unwrap().matches("csv_name").count();
            Ok(())
        });
        read.unwrap();
        assert_eq!(rows, 1_100);
    }

    #[test]
    fn an_image_that_got_lost_is_noticed() {
        let laid_out = snapshot(4, 0).lay_out(containers(3), Cursor::new(Vec::new()));
        assert!(matches!(laid_out.err(), Some(LayoutError::Images { found: 3, due: 4 })));
    }

    #[test]
    fn what_readers_would_refuse_and_what_the_disk_refuses_are_told_apart() {
        let laid_out = snapshot(0, layout::MAX_OPERATORS + 1).lay_out(containers(0), Cursor::new(Vec::new()));
        assert!(matches!(laid_out.err(), Some(LayoutError::TooLarge(_))));
        let mut capped = Capped { inner: Vec::new(), left: 3 };
        capped.write_all(b"abc").unwrap();
        let error = LayoutError::from(capped.write_all(b"d").unwrap_err());
        assert!(matches!(error, LayoutError::TooLarge(_)), "{error}");
        let mut small = [0; 100];
        let laid_out = snapshot(3, 0).lay_out(containers(3), Cursor::new(&mut small[..]));
        assert!(matches!(laid_out.err(), Some(LayoutError::Io(_))));
    }
}
