//! The index from which `check` answers without reading the catalog.
//!
//! ```text
//! block …                                blocks, each a file of its own in memory
//! {"format":"oct-index","version":1,…}   the table of contents: what it is bound to, size and SHA-256 of each block
//! size, LE u32 | SHA-256, hexadecimal | "octindex"   the trailer, 76 bytes
//! ```
//!
//! The first 256 blocks are rows of 17 bytes, the fingerprint of a text (see [`super::catalog`]) and its listing, in the
//! order of the fingerprints; the others are JSON, operators by name and charts by name. Only the blocks that a
//! question touches are read, and each is checked against its SHA-256 before it answers: a question costs some
//! 100 kB, and damage is found where it would matter. Nothing is mapped into memory.
//!
//! Fingerprints are as good as random, so a trie or a finite-state map of them is larger than the plain rows, and making
//! one takes longer than the rest of an import.
//!
//! It is a cache, no proof: whoever can write into the folder can replace it, as they can the data. `oct verify` reads
//! the data.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};

use super::catalog::{
    BundleRow, Catalog, ChartRow, FINGERPRINT, Fingerprint, IMAGE_BLOCKS, digest_print, repository_print, tag_print,
};
use super::digest::{HashingWriter, Sha256Digest};
use super::verdict::{Bundle, ChartEntry, Listing, Lookup};

const FORMAT: &str = "oct-index";
const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"octindex";
const TRAILER: usize = 76;
/// Bytes of a row: a fingerprint and the code of its listing.
const ROW: usize = FINGERPRINT + 1;
/// Blocks of operators, and as many of charts.
const NAME_BLOCKS: usize = 64;
/// Bytes of a table of contents. Stops a damaged trailer from asking for all memory; 384 blocks take 30 kB.
const MAX_CONTENTS: u64 = 1 << 20;
/// Bytes of a block. Stops the same in the table; the largest of 200,000 images has 150 kB.
const MAX_BLOCK: u64 = 64 << 20;

/// What an index answers for, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// SHA-256 of the manifest's text.
    pub manifest: Sha256Digest,
    /// The manifest's digest over the files' contents.
    pub content: Sha256Digest,
    /// SHA-256 over names, sizes and times of the files as they lie in the folder, so that an index does not outlive a
    /// change of the data.
    pub files: Sha256Digest,
}

/// Why an index does not answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It could not be read.
    #[error("the index cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no index, or its bytes are not what was written.
    #[error("the index is damaged: {0}")]
    Damaged(&'static str),
    /// It was made for something else.
    #[error("the index belongs to {0}")]
    Foreign(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Contents {
    format: String,
    version: u32,
    bound_to: Binding,
    /// Size and digest, in the order of the file.
    blocks: Vec<(u64, Sha256Digest)>,
}

/// Writes the index of `catalog`, block by block.
///
/// # Errors
/// Those of `out`.
pub fn write(catalog: &mut Catalog, bound_to: &Binding, out: &mut dyn Write) -> io::Result<()> {
    let mut blocks = Vec::with_capacity(IMAGE_BLOCKS + 2 * NAME_BLOCKS);
    let mut block = |bytes: &[u8]| {
        blocks.push((bytes.len() as u64, Sha256Digest::of(bytes)));
        out.write_all(bytes)
    };
    let mut rows = Vec::new();
    for part in catalog.image_parts() {
        rows.clear();
        for (fingerprint, listing) in part {
            rows.extend_from_slice(fingerprint);
            rows.push(code(*listing));
        }
        block(&rows)?;
    }
    for bytes in by_name(&catalog.operators)?.iter().chain(&by_name(&catalog.charts)?) {
        block(bytes)?;
    }
    let contents = Contents { format: FORMAT.into(), version: VERSION, bound_to: bound_to.clone(), blocks };
    let mut hashed = HashingWriter::new(Vec::new());
    serde_json::to_writer(&mut hashed, &contents)?;
    let (contents, size, digest) = hashed.finish();
    out.write_all(&contents)?;
    out.write_all(&u32::try_from(size).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(digest.to_string().as_bytes())?;
    out.write_all(MAGIC)
}

/// Rows by name, in blocks by the name's fingerprint, each as JSON.
fn by_name<R: Serialize>(all: &BTreeMap<String, R>) -> io::Result<Vec<Vec<u8>>> {
    let mut blocks = vec![BTreeMap::new(); NAME_BLOCKS];
    for (name, rows) in all {
        blocks[name_block(name)].insert(name, rows);
    }
    blocks.iter().map(|block| serde_json::to_vec(block).map_err(io::Error::from)).collect()
}

fn name_block(name: &str) -> usize {
    usize::from(digest_print(name)[0]) % NAME_BLOCKS
}

fn code(listing: Listing) -> u8 {
    match listing {
        Listing::Absent => 0,
        Listing::Uncertified => 1,
        Listing::Certified => 2,
    }
}

/// An index that is bound to the right data. Its blocks are read when they are asked for, and kept.
pub struct Index<R> {
    inner: RefCell<Inner<R>>,
}

struct Inner<R> {
    file: R,
    /// Start, size and digest.
    blocks: Vec<(u64, u64, Sha256Digest)>,
    images: HashMap<usize, Vec<u8>>,
    operators: HashMap<usize, BTreeMap<String, Vec<BundleRow>>>,
    charts: HashMap<usize, BTreeMap<String, Vec<ChartRow>>>,
}

impl<R: Read + Seek> Index<R> {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// Where the file is no index, damaged, or bound to anything else than `expected`.
    pub fn open(mut file: R, expected: &Binding) -> Result<Self, IndexError> {
        let length = file.seek(SeekFrom::End(0))?;
        let start = length.checked_sub(TRAILER as u64).ok_or(IndexError::Damaged("it is cut"))?;
        file.seek(SeekFrom::Start(start))?;
        let mut trailer = [0; TRAILER];
        file.read_exact(&mut trailer)?;
        let (size, rest) = trailer.split_at(4);
        let (digest, magic) = rest.split_at(64);
        if magic != MAGIC {
            return Err(IndexError::Damaged("it does not end as an index does"));
        }
        let size = u64::from(u32::from_le_bytes(size.try_into().unwrap_or_default()));
        let start = start.checked_sub(size).filter(|_| size <= MAX_CONTENTS);
        let start = start.ok_or(IndexError::Damaged("its table of contents has an impossible size"))?;
        file.seek(SeekFrom::Start(start))?;
        let bytes = read(&mut file, size)?;
        if Sha256Digest::of(&bytes).to_string().as_bytes() != digest {
            return Err(IndexError::Damaged("its table of contents has another SHA-256"));
        }
        let contents: Contents =
            serde_json::from_slice(&bytes).map_err(|_| IndexError::Damaged("its table of contents cannot be read"))?;
        if (contents.format.as_str(), contents.version) != (FORMAT, VERSION) {
            return Err(IndexError::Foreign("another version of oct"));
        }
        if contents.bound_to.manifest != expected.manifest || contents.bound_to.content != expected.content {
            return Err(IndexError::Foreign("another catalog"));
        }
        if contents.bound_to.files != expected.files {
            return Err(IndexError::Foreign("files that were changed or copied since"));
        }
        let mut offset: u64 = 0;
        let mut blocks = Vec::with_capacity(contents.blocks.len());
        for (size, digest) in contents.blocks {
            blocks.push((offset, size, digest));
            offset = offset.saturating_add(size);
        }
        if blocks.len() != IMAGE_BLOCKS + 2 * NAME_BLOCKS || offset != start {
            return Err(IndexError::Damaged("its blocks are not those of its table of contents"));
        }
        let (images, operators, charts) = Default::default();
        Ok(Self { inner: RefCell::new(Inner { file, blocks, images, operators, charts }) })
    }

    /// Reads all of it, and compares each block with its digest.
    ///
    /// # Errors
    /// Where one of them is damaged.
    pub fn check(&self) -> Result<(), IndexError> {
        let mut inner = self.inner.borrow_mut();
        (0..inner.blocks.len()).try_for_each(|number| inner.block(number).map(drop))
    }

    fn find(&self, fingerprint: Fingerprint) -> Result<Listing, IndexError> {
        let mut inner = self.inner.borrow_mut();
        let number = usize::from(fingerprint[0]);
        if !inner.images.contains_key(&number) {
            let block = inner.block(number)?;
            inner.images.insert(number, block);
        }
        let rows = inner.images.get(&number).map_or(&[][..], |block| block.as_chunks::<ROW>().0);
        let found = rows.binary_search_by(|row| row[..FINGERPRINT].cmp(&fingerprint));
        Ok(match found.map(|at| rows[at][FINGERPRINT]) {
            Err(_) | Ok(0) => Listing::Absent,
            Ok(1) => Listing::Uncertified,
            Ok(_) => Listing::Certified,
        })
    }
}

fn read(file: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl<R: Read + Seek> Inner<R> {
    /// The bytes of a block, checked.
    fn block(&mut self, number: usize) -> Result<Vec<u8>, IndexError> {
        let (start, size, digest) = *self.blocks.get(number).ok_or(IndexError::Damaged("a block is missing"))?;
        if size > MAX_BLOCK {
            return Err(IndexError::Damaged("a block has an impossible size"));
        }
        self.file.seek(SeekFrom::Start(start))?;
        let bytes = read(&mut self.file, size)?;
        if Sha256Digest::of(&bytes) != digest {
            return Err(IndexError::Damaged("a block has another SHA-256"));
        }
        Ok(bytes)
    }

    fn names<T: serde::de::DeserializeOwned>(&mut self, number: usize) -> Result<T, IndexError> {
        serde_json::from_slice(&self.block(number)?).map_err(|_| IndexError::Damaged("a block is not JSON"))
    }
}

impl<R: Read + Seek> Lookup for Index<R> {
    type Error = IndexError;

    fn digest(&self, digest: &str) -> Result<Listing, IndexError> {
        self.find(digest_print(digest))
    }

    fn tag(&self, registry: &str, repository: &str, tag: &str) -> Result<Listing, IndexError> {
        self.find(tag_print(registry, repository, tag))
    }

    fn repository(&self, registry: &str, repository: &str) -> Result<Listing, IndexError> {
        self.find(repository_print(registry, repository))
    }

    fn operators(&self, name: &str) -> Result<Vec<Bundle<'_>>, IndexError> {
        let mut inner = self.inner.borrow_mut();
        let number = IMAGE_BLOCKS + name_block(name);
        if !inner.operators.contains_key(&number) {
            let rows = inner.names(number)?;
            inner.operators.insert(number, rows);
        }
        let rows = inner.operators.get(&number).and_then(|block| block.get(name)).into_iter().flatten();
        Ok(rows.map(|(csv, ocp)| Bundle { csv: csv.clone().into(), ocp: ocp.clone().into() }).collect())
    }

    fn charts(&self, name: &str) -> Result<Vec<ChartEntry<'_>>, IndexError> {
        let mut inner = self.inner.borrow_mut();
        let number = IMAGE_BLOCKS + NAME_BLOCKS + name_block(name);
        if !inner.charts.contains_key(&number) {
            let rows = inner.names(number)?;
            inner.charts.insert(number, rows);
        }
        let rows = inner.charts.get(&number).and_then(|block| block.get(name)).into_iter().flatten();
        Ok(rows
            .map(|row| ChartEntry {
                list: row.list.clone().into(),
                version: row.version.clone().into(),
                kube_version: row.kube.clone().into(),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn binding(seed: &str) -> Binding {
        let of = |what: &str| Sha256Digest::of(format!("{seed}{what}").as_bytes());
        Binding { manifest: of("m"), content: of("c"), files: of("f") }
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let entry =
            r#"{"certified":true,"repositories":[{"registry":"r.example","repository":"a","tags":[{"name":"1"}]}]}"#;
        for number in 0..600 {
            catalog.add_image(&format!("d{number}"), &serde_json::from_str(entry).unwrap());
        }
        catalog.add_operator("a.v1", "4.1");
        catalog.read_charts(&b"entries:\n  l:\n  - {name: c, version: 1.0.0, kubeVersion: '*'}\n"[..]).unwrap();
        catalog
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut catalog(), &binding("x"), &mut bytes).unwrap();
        bytes
    }

    fn all(index: &Index<Cursor<Vec<u8>>>) -> Result<(), IndexError> {
        for number in 0..600 {
            assert_eq!(index.digest(&format!("d{number}"))?, Listing::Certified);
            assert_eq!(index.digest(&format!("e{number}"))?, Listing::Absent);
        }
        assert_eq!(index.tag("r.example", "a", "1")?, Listing::Certified);
        assert_eq!(index.repository("r.example", "a")?, Listing::Certified);
        assert_eq!(index.tag("r.example", "a", "2")?, Listing::Absent);
        assert_eq!(index.operators("a")?, catalog().operators("a").unwrap());
        assert_eq!(index.charts("c")?, catalog().charts("c").unwrap());
        assert_eq!((index.operators("b")?.len(), index.charts("l")?.len()), (0, 0));
        Ok(())
    }

    #[test]
    fn it_answers_as_the_catalog_does() {
        all(&Index::open(Cursor::new(written()), &binding("x")).unwrap()).unwrap();
    }

    #[test]
    fn it_does_not_answer_for_other_data() {
        for change in [
            |b: &mut Binding| b.manifest = Sha256Digest::of(b"?"),
            |b: &mut Binding| b.content = Sha256Digest::of(b"?"),
            |b: &mut Binding| b.files = Sha256Digest::of(b"?"),
        ] {
            let mut other = binding("x");
            change(&mut other);
            assert!(matches!(Index::open(Cursor::new(written()), &other), Err(IndexError::Foreign(_))));
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_changes_an_answer() {
        let good = written();
        for position in (0..good.len()).step_by(41).chain(good.len() - 200..good.len()) {
            let mut bytes = good.clone();
            bytes[position] ^= 1 << (position % 8);
            let asked = Index::open(Cursor::new(bytes), &binding("x")).and_then(|index| all(&index));
            assert!(!matches!(asked, Err(IndexError::Foreign(_))), "{position}");
            let cut = good[..position].to_vec();
            assert!(Index::open(Cursor::new(cut), &binding("x")).is_err());
        }
    }
}
