//! Reading a folder in the TNF layout, of whatever origin: the old container's dump, certsuite's own, one of ours.
//!
//! Nothing is written and no lock is taken: the folder may be read-only, or not of this program at all.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::paths::DATA;
use crate::base::{limits, text};
use crate::catalog::document::Operator;
use crate::catalog::{ContainerEntry, LoosePage, TnfError, chart, layout, read_containers};
use crate::trust::manifest::{MANIFEST_FILE, Manifest};

/// A folder that holds a `data` of unproved origin.
#[derive(Debug, Clone)]
pub struct Foreign {
    root: PathBuf,
}

/// A file of such a folder that cannot be read as certsuite reads it.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {cause}", path.display())]
pub struct ForeignError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: TnfError,
}

type Result<T> = std::result::Result<T, ForeignError>;

fn at<T>(path: &Path, result: std::result::Result<T, impl Into<TnfError>>) -> Result<T> {
    result.map_err(|cause| ForeignError { path: path.to_owned(), cause: cause.into() })
}

impl Foreign {
    /// The folder that has `data` in it, or `data` itself.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn open(dir: &Path) -> Result<Self> {
        let root = [dir.to_owned(), dir.parent().unwrap_or(dir).to_owned()]
            .into_iter()
            .find(|root| (root == dir || dir == root.join(DATA)) && root.join(layout::CONTAINERS_DB).is_file());
        let what = format!("no `{}` in it", layout::CONTAINERS_DB);
        root.map(|root| Self { root }).ok_or_else(|| ForeignError {
            path: dir.to_owned(),
            cause: TnfError::Io(io::Error::new(ErrorKind::NotFound, what)),
        })
    }

    /// Where `data` lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the images.
    #[must_use]
    pub fn containers_path(&self) -> PathBuf {
        self.root.join(layout::CONTAINERS_DB)
    }

    /// Every entry of `containers.db`, sorted by key, each once. Also the paths of odd things that were met.
    ///
    /// # Errors
    /// Where certsuite could not read the file.
    pub fn containers(&self) -> Result<Vec<(String, ContainerEntry)>> {
        let path = self.containers_path();
        let file = at(&path, File::open(&path))?.take(limits::MEMBER_BYTES);
        let mut entries = Vec::new();
        let read = read_containers(BufReader::with_capacity(1 << 18, file), |key, entry| {
            entries.push((key.to_owned(), entry));
            Ok(())
        });
        at(&path, read)?;
        // Of a key that stands twice a JSON reader keeps the last.
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Ok(entries)
    }

    /// Every operator bundle, and a remark where the pages do not add up.
    ///
    /// Pages that add up to the total that each of them states are taken as they are. Where they do not, as after a
    /// dump into a folder with older pages, each bundle is taken once: the pages overlap, most likely.
    ///
    /// # Errors
    /// Where certsuite could not read one of the files.
    pub fn operators(&self) -> Result<(Vec<Operator>, Option<String>)> {
        let folder = self.root.join(layout::OPERATORS_DIR);
        let mut paths = Vec::new();
        for entry in at(&folder, fs::read_dir(&folder))? {
            paths.push(at(&folder, entry)?.path());
        }
        paths.sort();
        if paths.len() > limits::MEMBERS {
            let cause = TnfError::Mismatch(format!("more than {} files", limits::MEMBERS));
            return Err(ForeignError { path: folder, cause });
        }
        let (mut operators, mut totals) = (Vec::<Operator>::new(), Vec::new());
        for path in &paths {
            let file = at(path, File::open(path))?.take(limits::PAGE_BYTES as u64);
            let page: LoosePage = at(path, serde_json::from_reader(BufReader::new(file)))?;
            totals.push(page.total);
            operators.extend(page.data.into_iter().flatten().map(Operator::from));
            if operators.len() > layout::MAX_OPERATORS {
                let cause = TnfError::Mismatch(format!("more than {} bundles", layout::MAX_OPERATORS));
                return Err(ForeignError { path: folder, cause });
            }
        }
        let found = operators.len() as u64;
        if totals.iter().all(|total| *total == Some(found)) {
            return Ok((operators, None));
        }
        operators.sort_unstable();
        operators.dedup();
        let mut stated: Vec<u64> = totals.into_iter().flatten().collect();
        stated.sort_unstable();
        stated.dedup();
        let stated: Vec<String> = stated.into_iter().map(text::count).collect();
        let remark = format!(
            "the operator pages in `{}` hold {} bundles where they state {}: each distinct one is taken once, {} in all",
            folder.display(),
            text::count(found),
            if stated.is_empty() { "no total".to_owned() } else { stated.join(" and ") },
            text::count(operators.len() as u64),
        );
        Ok((operators, Some(remark)))
    }

    /// The chart index as it lies there.
    ///
    /// # Errors
    /// Where certsuite could not read it.
    pub fn charts(&self) -> Result<Vec<u8>> {
        let path = self.root.join(layout::HELM_DB);
        let mut file = at(&path, File::open(&path))?;
        let yaml = at(&path, chart::read_bytes(&mut file))?;
        at(&path, chart::parse_index(&yaml))?;
        Ok(yaml)
    }

    /// What the manifest beside `data` says, **unverified**, if there is one.
    #[must_use]
    pub fn manifest(&self) -> Option<Manifest> {
        let mut text = String::new();
        let file = File::open(self.root.join(MANIFEST_FILE)).ok()?;
        file.take(limits::HEADER_BYTES).read_to_string(&mut text).ok()?;
        Manifest::parse(&text).ok()
    }

    /// When the newest of its files was written.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        let files = [layout::ARCHIVE_JSON, layout::CONTAINERS_DB, layout::HELM_DB];
        files.into_iter().filter_map(|file| fs::metadata(self.root.join(file)).ok()?.modified().ok()).max()
    }
}
