//! `oct diff`: two catalogs side by side, read as streams, without writing into either.

mod only;

use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;

use super::open::{self, VerifiedArchive};
use super::{Error, from_db};
use crate::archive::ArchiveError;
use crate::base::{limits, text};
use crate::catalog::chart::ChartVersion;
use crate::catalog::diff::{Diff, ImageDiff, Side};
use crate::catalog::document::Operator;
use crate::catalog::folder::TnfFolder;
use crate::catalog::layout::Kind;
use crate::catalog::snapshot::LayoutError;
use crate::catalog::{ChartIndex, ContainersBuilder, JsonError, OperatorPages, TnfError, diff, split_line};
use crate::trust::Keyring;
use crate::trust::manifest::Manifest;
use crate::trust::signed::VerifiedManifest;

pub use only::{OnlyReport, Turn, Turned, only};

/// Bytes of lines that a reader sends to the comparison at once.
const CHUNK: usize = 256 << 10;
/// Such chunks that may wait.
const WAITING: usize = 4;

/// One of the two catalogs.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Archive or folder.
    pub path: PathBuf,
    /// Whether it is an archive, which was verified.
    pub is_archive: bool,
    /// When its snapshot began, by its manifest.
    pub created: Option<Timestamp>,
}

/// What was found.
#[derive(Debug)]
pub struct DiffReport {
    /// The first catalog.
    pub old: Compared,
    /// The second one.
    pub new: Compared,
    /// What differs.
    pub diff: Diff,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// Compares the archives or folders `old` and `new`. Archives are verified; folders are read as they are. Differing
/// images beyond `details` are only counted.
///
/// # Errors
/// If one of them cannot be read or verified.
pub fn diff(old: &Path, new: &Path, keyring: &Keyring, details: usize) -> Result<DiffReport, Error> {
    let (old, new) = (Input::open(old, keyring)?, Input::open(new, keyring)?);
    let (described_old, described_new) = (old.describe(), new.describe());
    let skip = Skip::between(old.verified(), new.verified());
    let mut images = ImageDiff::new(details);
    let (left, right) = std::thread::scope(|scope| {
        let (send_old, receive_old) = sync_channel(WAITING);
        let (send_new, receive_new) = sync_channel(WAITING);
        let left = scope.spawn(move || old.read(skip, &send_old));
        let right = scope.spawn(move || new.read(skip, &send_new));
        let merged = merge(Lines::new(receive_old), Lines::new(receive_new), &mut images);
        let join = |side: std::thread::ScopedJoinHandle<'_, Result<Rest, Error>>| {
            side.join().map_err(|_| std::io::Error::other("a reader stopped"))?
        };
        // If a reader failed, its error says why its lines ended.
        let sides = (join(left)?, join(right)?);
        merged.map_err(|(side, cause)| {
            let path = if side == Side::Old { &described_old.path } else { &described_new.path };
            Error::Content { path: path.clone(), cause }
        })?;
        Ok::<_, Error>(sides)
    })?;
    let images =
        images.finish().map_err(|cause| Error::Content { path: described_new.path.clone(), cause: cause.into() });
    let diff = Diff {
        images: images?,
        operators: diff::operators(&left.operators, &right.operators),
        charts: diff::charts(&left.charts, &right.charts),
    };
    let (differing, listed) = (diff.images.total(), diff.images.list.len());
    let shortened = listed < details && differing > listed as u64;
    let shortened = shortened.then(|| {
        let (differing, listed) = (text::count(differing), text::count(listed as u64));
        format!("of {differing} differing images only {listed} are listed")
    });
    let warnings = left.remarks.into_iter().chain(right.remarks).chain(shortened).collect();
    Ok(DiffReport { old: described_old, new: described_new, diff, warnings })
}

/// Kinds of files that are the same on both sides, by their signed digests.
#[derive(Debug, Clone, Copy, Default)]
struct Skip {
    containers: bool,
    operators: bool,
    charts: bool,
}

impl Skip {
    fn between(old: Option<&VerifiedManifest>, new: Option<&VerifiedManifest>) -> Self {
        let (Some(old), Some(new)) = (old, new) else { return Self::default() };
        let same = |kind: fn(Kind) -> bool| {
            let files = |manifest: &Manifest| -> Vec<_> {
                let files = manifest.files.iter().filter(|file| Kind::of(&file.path).is_some_and(kind));
                files.map(|file| (file.path.clone(), file.sha256)).collect()
            };
            files(old) == files(new)
        };
        Self {
            containers: same(|kind| kind == Kind::Containers),
            operators: same(|kind| matches!(kind, Kind::OperatorPage { .. })),
            charts: same(|kind| kind == Kind::Helm),
        }
    }
}

enum Input {
    Archive(PathBuf, Box<VerifiedArchive>),
    Folder(PathBuf, TnfFolder, Option<Box<Manifest>>),
}

/// Everything but the images, which were sent before.
#[derive(Default)]
struct Rest {
    operators: Vec<Operator>,
    charts: Vec<ChartVersion>,
    remarks: Vec<String>,
}

impl Input {
    fn open(path: &Path, keyring: &Keyring) -> Result<Self, Error> {
        if path.is_dir() {
            let folder = TnfFolder::open(path)?;
            let manifest = from_db::manifest_beside(&folder).map(Box::new);
            return Ok(Self::Folder(path.to_owned(), folder, manifest));
        }
        Ok(Self::Archive(path.to_owned(), Box::new(open::archive(path, keyring)?)))
    }

    fn describe(&self) -> Compared {
        let (path, is_archive, created) = match self {
            Self::Archive(path, archive) => (path, true, Some(archive.manifest.created)),
            Self::Folder(path, _, manifest) => (path, false, manifest.as_ref().map(|manifest| manifest.created)),
        };
        Compared { path: path.clone(), is_archive, created }
    }

    fn verified(&self) -> Option<&VerifiedManifest> {
        match self {
            Self::Archive(_, archive) => Some(&archive.manifest),
            Self::Folder(..) => None,
        }
    }

    fn read(self, skip: Skip, lines: &SyncSender<Vec<u8>>) -> Result<Rest, Error> {
        match self {
            Self::Archive(path, archive) => read_archive(&path, *archive, skip, lines),
            Self::Folder(_, folder, _) => read_folder(&folder, lines),
        }
    }
}

fn read_archive(path: &Path, archive: VerifiedArchive, skip: Skip, lines: &SyncSender<Vec<u8>>) -> Result<Rest, Error> {
    let (mut rest, mut pages) = (Rest::default(), OperatorPages::default());
    archive.body.unpack::<Error>(|file, content| {
        let content_error = |cause| match cause {
            TnfError::Io(cause) => Error::from(ArchiveError::of_body(path, "", cause)),
            cause => open::content_error(path, &file.path, cause),
        };
        match Kind::of(&file.path) {
            Some(Kind::Containers) if !skip.containers => {
                let mut sender = Sender::new(lines);
                match io::copy(content, &mut sender).and_then(|_| sender.finish()) {
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(content_error(error.into())),
                    _ => {}
                }
            }
            Some(Kind::Helm) if !skip.charts => {
                let index = ChartIndex::read(content).map_err(TnfError::from).map_err(content_error)?;
                rest.charts = index.into_versions();
            }
            Some(Kind::OperatorPage { .. }) if !skip.operators => {
                let read = pages.read(content, |operator| rest.operators.push(operator.clone()));
                read.map_err(content_error)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(rest)
}

/// A folder may have its images in any order and spelling: they are sorted here, in a file without a name if there are
/// many.
fn read_folder(folder: &TnfFolder, lines: &SyncSender<Vec<u8>>) -> Result<Rest, Error> {
    let mut containers = ContainersBuilder::new(tempfile::tempfile()?);
    let contents = from_db::read_images(folder, &mut containers, |_, _| {})?;
    let mut sender = Sender::new(lines);
    match containers.finish(&mut sender).and_then(|_| sender.finish()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(LayoutError::from(error).into()),
        _ => {}
    }
    Ok(Rest { operators: contents.operators, charts: contents.charts.into_versions(), remarks: contents.remarks })
}

/// Sends what is written to it, in whole lines, many at once. If the other side failed and nobody receives any more, a
/// write fails as a broken pipe.
struct Sender<'a> {
    lines: &'a SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    /// Bytes of the chunk's whole lines.
    whole: usize,
}

impl<'a> Sender<'a> {
    fn new(lines: &'a SyncSender<Vec<u8>>) -> Self {
        Self { lines, chunk: Vec::with_capacity(2 * CHUNK), whole: 0 }
    }

    fn send(&mut self, rest: Vec<u8>) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, rest);
        self.lines.send(chunk).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.send(Vec::new()) }
    }
}

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
            self.whole = self.chunk.len() + end + 1;
        }
        self.chunk.extend_from_slice(bytes);
        if self.whole >= CHUNK {
            let mut rest = Vec::with_capacity(2 * CHUNK);
            rest.extend_from_slice(&self.chunk[self.whole..]);
            self.chunk.truncate(std::mem::take(&mut self.whole));
            self.send(rest)?;
        } else if self.chunk.len() - self.whole > limits::ENTRY_BYTES {
            let max = text::size(limits::ENTRY_BYTES as u64);
            let what = format!("an entry of containers.db has more than {max}");
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of one side, one after another.
struct Lines {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    next: usize,
    line: Option<Range<usize>>,
    previous: String,
}

impl Lines {
    fn new(chunks: Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), next: 0, line: None, previous: String::new() }
    }

    fn current(&self) -> Option<&[u8]> {
        self.line.clone().map(|line| &self.chunk[line])
    }

    /// Goes to the next entry, past the lines that open and close the object.
    fn advance(&mut self) -> Result<(), TnfError> {
        loop {
            if self.next == self.chunk.len() {
                let Ok(chunk) = self.chunks.recv() else {
                    self.line = None;
                    return Ok(());
                };
                (self.chunk, self.next) = (chunk, 0);
                continue;
            }
            let start = self.next;
            let length = self.chunk[start..].iter().position(|byte| *byte == b'\n');
            let end = length.map_or(self.chunk.len(), |length| start + length);
            self.next = (end + 1).min(self.chunk.len());
            let line = &self.chunk[start..end];
            let entry = line.strip_suffix(b",").unwrap_or(line);
            if matches!(entry, b"{" | b"}" | b"") {
                continue;
            }
            let Some((key, _)) = split_line(entry) else {
                return Err(TnfError::Mismatch("a line of containers.db is not one entry".into()));
            };
            if !self.previous.is_empty() && *key <= *self.previous {
                let key = text::sanitize(&key);
                return Err(TnfError::Mismatch(format!("the key `{key}` is a duplicate or out of order")));
            }
            self.previous.clear();
            self.previous.push_str(&key);
            self.line = Some(start..start + entry.len());
            return Ok(());
        }
    }
}

fn merge(mut old: Lines, mut new: Lines, images: &mut ImageDiff) -> Result<(), (Side, TnfError)> {
    use std::cmp::Ordering;
    let of = |side| move |cause| (side, cause);
    let json = |side| move |cause: JsonError| (side, TnfError::from(cause));
    old.advance().map_err(of(Side::Old))?;
    new.advance().map_err(of(Side::New))?;
    loop {
        let order = match (old.current(), new.current()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), Some(_)) => old.previous.cmp(&new.previous),
        };
        if order.is_eq() && old.current() == new.current() {
            images.same(old.current().unwrap_or_default());
        } else {
            if let (Some(line), true) = (old.current(), order.is_le()) {
                images.differs(Side::Old, line).map_err(json(Side::Old))?;
            }
            if let (Some(line), true) = (new.current(), order.is_ge()) {
                images.differs(Side::New, line).map_err(json(Side::New))?;
            }
        }
        if order.is_le() {
            old.advance().map_err(of(Side::Old))?;
        }
        if order.is_ge() {
            new.advance().map_err(of(Side::New))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn lines_travel_whole_and_one_without_an_end_is_refused() {
        let (send, receive) = sync_channel(1_000);
        let lines: Vec<String> = (0..3_000).map(|number| format!("{}{number}\n", "x".repeat(number))).collect();
        let all = lines.concat() + "the end";
        let mut sender = Sender::new(&send);
        all.as_bytes().chunks(70_000).for_each(|part| sender.write_all(part).unwrap());
        sender.finish().unwrap();
        let chunks: Vec<Vec<u8>> = receive.try_iter().collect();
        assert_eq!(chunks.concat(), all.as_bytes());
        let (last, whole) = chunks.split_last().unwrap();
        assert!(whole.len() > 10 && whole.iter().all(|chunk| chunk.ends_with(b"\n")) && last.ends_with(b"the end"));

        let mut sender = Sender::new(&send);
        let mut endless = io::repeat(b'x').take(limits::ENTRY_BYTES as u64 * 2);
        let error = io::copy(&mut endless, &mut sender).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(sender.chunk.len() < limits::ENTRY_BYTES + 2 * CHUNK);
    }

    #[test]
    fn where_nobody_receives_sending_ends() {
        let (send, receive) = sync_channel(1);
        drop(receive);
        let error = io::copy(&mut io::repeat(b'\n').take(10 << 20), &mut Sender::new(&send)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}
