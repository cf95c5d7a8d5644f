//! Sorts more records than the memory holds: an external merge sort.
//!
//! Records go into a buffer. A full buffer is sorted and written after the earlier ones as a *run*; at the end the
//! runs are merged. What fits into one buffer is never written.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use super::TooLarge;
use crate::base::{limits, text};

/// Bytes of records that are held in memory.
pub(super) const ROOM: usize = 8 << 20;
/// Bytes of a run that are read at once, at least; they share [`ROOM`] otherwise.
const MIN_READ: usize = 4 << 10;
/// The most.
const MAX_READ: usize = 256 << 10;
/// Bytes before key and value: their lengths.
const LENGTHS: usize = 8;

/// Takes records in any order.
pub(super) struct Sorter<S> {
    spill: S,
    room: usize,
    held: Held,
    /// The end of each run in `spill`; each begins where the last one ends.
    ends: Vec<u64>,
    total: u64,
}

/// Records in memory: two lengths, key and value, one behind another, and an order of them.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where records begin, each with the first bytes of its key, which decide nearly every comparison.
    order: Vec<(u128, u32)>,
}

impl Held {
    fn size(&self) -> usize {
        self.bytes.len() + self.order.len() * size_of::<(u128, u32)>()
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        // Both are far below 4 GiB: `Sorter::push` has checked them.
        self.order.push((prefix(key), self.bytes.len() as u32));
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Orders the records by key, those of one key as they came.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.order.sort_unstable_by(|(a, i), (b, j)| {
            a.cmp(b).then_with(|| split(bytes, *i).0.cmp(split(bytes, *j).0)).then_with(|| i.cmp(j))
        });
    }
}

/// The first bytes of `key`, in its order. A shorter key has zeros there, the lowest bytes.
fn prefix(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let length = key.len().min(first.len());
    first[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(first)
}

/// Key and value of the record at `at`, and the whole of it.
fn split(bytes: &[u8], at: u32) -> (&[u8], &[u8], &[u8]) {
    let record = &bytes[at as usize..];
    let key_end = LENGTHS + u32_at(record, 0);
    let end = key_end + u32_at(record, 4);
    (&record[LENGTHS..key_end], &record[key_end..end], &record[..end])
}

impl<S: Read + Write + Seek> Sorter<S> {
    /// Holds `room` bytes of records, and writes the rest to `spill`, which is empty.
    pub(super) fn new(spill: S, room: usize) -> Self {
        Self { spill, room, held: Held::default(), ends: Vec::new(), total: 0 }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// [`TooLarge`] beyond the limits, and those of the spill.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = LENGTHS + key.len() + value.len();
        if length > limits::ENTRY_BYTES {
            let key = text::sanitize(&String::from_utf8_lossy(&key[..key.len().min(100)]));
            return Err(TooLarge::entry(&key).into());
        }
        self.total += length as u64;
        if self.total > limits::RECORDS_BYTES {
            let max = text::size(limits::RECORDS_BYTES);
            return Err(TooLarge(format!("the images under all their digests have more than {max}")).into());
        }
        if self.held.size() + length > self.room {
            self.write_run()?;
        }
        self.held.push(key, value);
        Ok(())
    }

    fn write_run(&mut self) -> io::Result<()> {
        if self.held.order.is_empty() {
            return Ok(());
        }
        self.held.sort();
        let mut out = BufWriter::with_capacity(MAX_READ, &mut self.spill);
        for (_, at) in &self.held.order {
            out.write_all(split(&self.held.bytes, *at).2)?;
        }
        out.flush()?;
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(start + self.held.bytes.len() as u64);
        self.held.bytes.clear();
        self.held.order.clear();
        Ok(())
    }

    /// The records in order.
    ///
    /// # Errors
    /// Those of the spill.
    pub(super) fn finish(mut self) -> io::Result<Sorted<S>> {
        if !self.ends.is_empty() {
            self.write_run()?;
        }
        self.held.sort();
        let read_bytes = (self.room / self.ends.len().max(1)).clamp(MIN_READ, MAX_READ);
        let mut held = self.held;
        if !self.ends.is_empty() {
            held = Held::default();
        }
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let runs =
            starts.zip(&self.ends).map(|(next, end)| Run { next, end: *end, read: Vec::new(), at: 0, read_bytes });
        let runs = runs.collect();
        let mut sorted = Sorted { spill: self.spill, held, taken: 0, runs, heads: BinaryHeap::new() };
        for run in 0..sorted.runs.len() {
            sorted.advance(run, Vec::new())?;
        }
        Ok(sorted)
    }
}

/// Records in order.
pub(super) struct Sorted<S> {
    spill: S,
    held: Held,
    /// How many of the records in memory were returned.
    taken: usize,
    runs: Vec<Run>,
    /// The next key of each run, with the length of its value.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize, usize)>>,
}

/// What is left of a run: bytes that were read, and those of the spill.
struct Run {
    next: u64,
    end: u64,
    read: Vec<u8>,
    at: usize,
    read_bytes: usize,
}

impl Run {
    fn is_empty(&self) -> bool {
        self.at == self.read.len() && self.next == self.end
    }

    /// Reads `length` bytes on.
    fn take(&mut self, spill: &mut (impl Read + Seek), mut length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        while length > 0 {
            if self.at == self.read.len() {
                let count = (self.end - self.next).min(self.read_bytes as u64) as usize;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.read.resize(count, 0);
                spill.seek(SeekFrom::Start(self.next))?;
                spill.read_exact(&mut self.read)?;
                (self.next, self.at) = (self.next + count as u64, 0);
            }
            let count = length.min(self.read.len() - self.at);
            into.extend_from_slice(&self.read[self.at..self.at + count]);
            self.at += count;
            length -= count;
        }
        Ok(())
    }
}

impl<S: Read + Seek> Sorted<S> {
    /// Puts the next record into `key` and `value`; returns whether there was one.
    ///
    /// # Errors
    /// Those of the spill.
    pub(super) fn next(&mut self, key: &mut Vec<u8>, value: &mut Vec<u8>) -> io::Result<bool> {
        if let Some((_, at)) = self.held.order.get(self.taken) {
            let record = split(&self.held.bytes, *at);
            key.clear();
            key.extend_from_slice(record.0);
            value.clear();
            value.extend_from_slice(record.1);
            self.taken += 1;
            return Ok(true);
        }
        let Some(Reverse((next, run, length))) = self.heads.pop() else { return Ok(false) };
        self.runs[run].take(&mut self.spill, length, value)?;
        let used = std::mem::replace(key, next);
        self.advance(run, used)?;
        Ok(true)
    }

    /// Reads the next key of `run` into `key`.
    fn advance(&mut self, run: usize, mut key: Vec<u8>) -> io::Result<()> {
        let Some(from) = self.runs.get_mut(run).filter(|run| !run.is_empty()) else { return Ok(()) };
        from.take(&mut self.spill, LENGTHS, &mut key)?;
        let (key_length, value_length) = (u32_at(&key, 0), u32_at(&key, 4));
        from.take(&mut self.spill, key_length, &mut key)?;
        self.heads.push(Reverse((key, run, value_length)));
        Ok(())
    }
}

/// The length that stands at `at`; 0 if there is none.
fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Record = (Vec<u8>, Vec<u8>);

    fn sorted(records: &[Record], room: usize) -> (Vec<Record>, usize) {
        let mut spill = io::Cursor::new(Vec::new());
        let mut sorter = Sorter::new(&mut spill, room);
        records.iter().for_each(|(key, value)| sorter.push(key, value).unwrap());
        let mut sorted = sorter.finish().unwrap();
        let (mut all, mut key, mut value) = (Vec::new(), Vec::new(), Vec::new());
        while sorted.next(&mut key, &mut value).unwrap() {
            all.push((key.clone(), value.clone()));
        }
        (all, spill.into_inner().len())
    }

    proptest! {
        #[test]
        fn sorts_as_in_memory(
            records in prop::collection::vec((prop::collection::vec(0..3_u8, 0..20), prop::collection::vec(0..9_u8, 0..60)), 0..200),
            room in 1..4_000_usize,
        ) {
            let mut due = records.clone();
            // Stable: the records of one key stay as they came.
            due.sort_by(|(a, _), (b, _)| a.cmp(b));
            prop_assert_eq!(sorted(&records, room).0, due);
        }
    }

    #[test]
    fn what_fits_is_not_written() {
        let records: Vec<_> = (0..100_u8).rev().map(|number| (vec![number], vec![1; 100])).collect();
        let size = 100 * (LENGTHS + 101);
        assert_eq!(sorted(&records, size + 100 * size_of::<(u128, u32)>()).1, 0);
        assert_eq!(sorted(&records, size).1, size);
    }

    #[test]
    fn a_record_or_a_sum_beyond_the_limit_is_refused() {
        let mut sorter = Sorter::new(io::Cursor::new(Vec::new()), 100);
        let error = sorter.push(b"sha256:\x1b", &vec![0; limits::ENTRY_BYTES]).unwrap_err();
        assert!(error.downcast::<TooLarge>().unwrap().to_string().contains("`sha256:"));
        sorter.total = limits::RECORDS_BYTES;
        assert!(sorter.push(b"a", b"b").unwrap_err().downcast::<TooLarge>().is_ok());
    }

    #[test]
    fn a_spill_that_is_cut_is_an_error() {
        let mut spill = io::Cursor::new(Vec::new());
        let mut sorter = Sorter::new(&mut spill, 10);
        (0..9_u8).for_each(|number| sorter.push(&[number], &[7; 30]).unwrap());
        sorter.spill.get_mut().truncate(100);
        let (mut sorted, mut key, mut value) = (sorter.finish(), Vec::new(), Vec::new());
        let mut failed = sorted.is_err();
        while let Ok(sorted) = &mut sorted {
            match sorted.next(&mut key, &mut value) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    failed = true;
                    break;
                }
            }
        }
        assert!(failed);
    }
}
