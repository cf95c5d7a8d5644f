//! Reading a catalog as certsuite does: any folder in the TNF layout, of whatever origin, or the members of an archive.
//!
//! Nothing is written and no lock is taken: the folder may be read-only, or may not come from oct.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::base::{limits, text};
use crate::catalog::document::Operator;
use crate::catalog::{
    ArchiveJson, ChartIndex, ContainerEntry, OperatorPages, PageStated, TnfError, layout, read_containers,
};

/// Receives what is read.
pub trait Visitor {
    /// An entry of `containers.db`: see [`read_containers`].
    ///
    /// # Errors
    /// One ends the reading.
    fn container(&mut self, digest: &str, entry: Option<&ContainerEntry>) -> Result<(), TnfError>;

    /// A row of an operator page, as certsuite has it: see [`OperatorPages`].
    fn operator(&mut self, operator: &Operator);

    /// The chart index.
    fn charts(&mut self, index: ChartIndex);
}

/// Reads the files of a catalog one after another: operator pages in the order of their names.
#[derive(Debug, Default)]
pub struct Reader {
    pages: OperatorPages,
    /// What each operator page that counts states about itself.
    pub stated: Vec<PageStated>,
    /// What certsuite logs and passes over, one text for each file.
    pub warnings: Vec<String>,
}

impl Reader {
    /// Reads the file at `path`, relative to the folder that holds `data`. A file that certsuite does not look at is
    /// passed over.
    ///
    /// # Errors
    /// If certsuite could not load the catalog, or a limit is passed, or `visitor` fails.
    pub fn read(&mut self, path: &str, content: impl Read, visitor: &mut impl Visitor) -> Result<(), TnfError> {
        match path {
            layout::CONTAINERS_DB => {
                read_containers(content, |digest, entry| visitor.container(digest, entry)).map(drop)
            }
            layout::HELM_DB => {
                visitor.charts(ChartIndex::read(content)?);
                Ok(())
            }
            _ if is_operator_file(path) => match self.pages.read(content, |operator| visitor.operator(operator)) {
                Ok(stated) => {
                    self.stated.push(stated);
                    Ok(())
                }
                Err(error) => self.pass_over(path, error),
            },
            _ => Ok(()),
        }
    }

    /// Records that the operator file at `path` cannot be read: certsuite logs that and continues.
    ///
    /// # Errors
    /// `cause`, if the file is not an operator file or exceeds a limit of `oct`.
    pub fn pass_over(&mut self, path: &str, cause: TnfError) -> Result<(), TnfError> {
        if !is_operator_file(path) || !matches!(cause, TnfError::Io(_) | TnfError::Json(_)) {
            return Err(cause);
        }
        let path = text::sanitize(path);
        self.warnings.push(format!("`{path}` is not an operator page; certsuite skips it: {cause}"));
        Ok(())
    }
}

fn is_operator_file(path: &str) -> bool {
    path.strip_prefix(layout::OPERATORS_DIR).is_some_and(|name| name.starts_with('/'))
}

/// A folder that holds a `data` of whatever origin.
#[derive(Debug, Clone)]
pub struct TnfFolder {
    root: PathBuf,
}

/// A file of such a folder that cannot be read as certsuite reads it.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {cause}", path.display())]
pub struct FolderError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: TnfError,
}

fn at<T>(path: &Path, result: Result<T, impl Into<TnfError>>) -> Result<T, FolderError> {
    result.map_err(|cause| FolderError { path: path.to_owned(), cause: cause.into() })
}

impl TnfFolder {
    /// The folder that has `data` in it, or `data` itself.
    ///
    /// # Errors
    /// If it is neither.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let root = [dir.to_owned(), dir.parent().unwrap_or(dir).to_owned()]
            .into_iter()
            .find(|root| (root == dir || dir == root.join("data")) && root.join(layout::CONTAINERS_DB).is_file());
        let what = format!("no `{}` in it", layout::CONTAINERS_DB);
        root.map(|root| Self { root }).ok_or_else(|| FolderError {
            path: dir.to_owned(),
            cause: TnfError::Io(io::Error::new(ErrorKind::NotFound, what)),
        })
    }

    /// Where `data` lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads the whole folder as certsuite does.
    ///
    /// # Errors
    /// If certsuite could not load it, or a limit is passed; names the file.
    pub fn read(&self, visitor: &mut impl Visitor) -> Result<Reader, FolderError> {
        let mut reader = Reader::default();
        for path in self.files()? {
            let full = self.root.join(&path);
            let read = match open_regular(&full) {
                Ok(file) => reader.read(&path, file, visitor),
                Err(error) => reader.pass_over(&path, error.into()),
            };
            at(&full, read)?;
        }
        Ok(reader)
    }

    /// The files that certsuite reads, relative to [`Self::root`], in its order. Entries of `operators/` can have any
    /// name and type.
    ///
    /// # Errors
    /// If `operators/` cannot be listed, which certsuite needs as well.
    pub fn files(&self) -> Result<Vec<String>, FolderError> {
        let folder = self.root.join(layout::OPERATORS_DIR);
        let mut names = Vec::new();
        for entry in at(&folder, fs::read_dir(&folder))? {
            names.push(at(&folder, entry)?.file_name());
            if names.len() > limits::MEMBERS {
                let cause = TnfError::Limit(format!("more than {} files", limits::MEMBERS));
                return Err(FolderError { path: folder, cause });
            }
        }
        names.sort();
        let mut files = vec![layout::CONTAINERS_DB.to_owned()];
        for name in names {
            let Some(name) = name.to_str() else {
                let cause = TnfError::Mismatch("the name of a file in it is not UTF-8".into());
                return Err(FolderError { path: folder, cause });
            };
            files.push(format!("{}/{name}", layout::OPERATORS_DIR));
        }
        files.push(layout::HELM_DB.to_owned());
        Ok(files)
    }

    /// Reads `containers.db` alone: see [`read_containers`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn containers(
        &self,
        visit: impl FnMut(&str, Option<&ContainerEntry>) -> Result<(), TnfError>,
    ) -> Result<u64, FolderError> {
        let path = self.root.join(layout::CONTAINERS_DB);
        at(&path, open_regular(&path).map_err(TnfError::from).and_then(|file| read_containers(file, visit)))
    }

    /// Everything that certsuite reads, with remarks on what is odd. The images go to `entries` one by one, in the
    /// order of the file. If a key occurs twice, `entries` gets both, and the last one counts. A `null` entry is passed
    /// as an empty one: certsuite finds its digest, but can crash when it looks for a tag.
    ///
    /// Pages that add up to the totals that they state are taken as they are. Where they do not, as after a dump into a
    /// folder with older pages, each bundle is taken once: the pages overlap, most likely.
    ///
    /// # Errors
    /// Those of [`Self::read`] and of `entries`.
    pub fn contents(
        &self,
        entries: impl FnMut(&str, &ContainerEntry) -> Result<(), TnfError>,
    ) -> Result<Contents, FolderError> {
        let mut all = All { entries, contents: Contents::default() };
        let Reader { stated, warnings, .. } = self.read(&mut all)?;
        let mut contents = all.contents;
        contents.remarks.extend(warnings);
        let found = contents.operators.len() as u64;
        let mut totals: Vec<u64> = stated.iter().filter_map(|page| page.total).collect();
        totals.sort_unstable();
        totals.dedup();
        if totals.iter().any(|total| *total != found) {
            contents.operators.sort_unstable();
            contents.operators.dedup();
            let totals: Vec<String> = totals.into_iter().map(text::count).collect();
            contents.remarks.push(format!(
                "the operator pages in `{}` hold {} bundles where they state {}: each distinct one is taken once, {} in all",
                self.root.join(layout::OPERATORS_DIR).display(),
                text::count(found),
                totals.join(" and "),
                text::count(contents.operators.len() as u64),
            ));
        }
        Ok(contents)
    }

    /// What `archive.json` says, if there is one. certsuite does not read it.
    ///
    /// # Errors
    /// If it is not what the name says.
    pub fn archive_json(&self) -> Result<Option<ArchiveJson>, FolderError> {
        let path = self.root.join(layout::ARCHIVE_JSON);
        match open_regular(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => at(&path, opened.map_err(TnfError::from).and_then(ArchiveJson::read)).map(Some),
        }
    }
}

/// Everything in a folder but its images.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every operator bundle.
    pub operators: Vec<Operator>,
    /// The chart index.
    pub charts: ChartIndex,
    /// Warnings about odd data.
    pub remarks: Vec<String>,
}

struct All<E> {
    entries: E,
    contents: Contents,
}

impl<E: FnMut(&str, &ContainerEntry) -> Result<(), TnfError>> Visitor for All<E> {
    fn container(&mut self, digest: &str, entry: Option<&ContainerEntry>) -> Result<(), TnfError> {
        match entry {
            Some(entry) => (self.entries)(digest, entry),
            None => {
                if self.contents.remarks.len() < limits::REMARKS {
                    let shown = text::sanitize(digest);
                    let remark = format!("the entry of `{shown}` is null; certsuite crashes when a tag is asked for");
                    self.contents.remarks.push(remark);
                }
                (self.entries)(digest, &ContainerEntry::default())
            }
        }
    }

    fn operator(&mut self, operator: &Operator) {
        self.contents.operators.push(operator.clone());
    }

    fn charts(&mut self, index: ChartIndex) {
        self.contents.charts = index;
    }
}

/// Opens a regular file, also behind a link, and does not wait for the other end of a pipe.
///
/// # Errors
/// If there is none.
pub fn open_regular(path: &Path) -> io::Result<File> {
    Ok(crate::base::fs::open(path)?.into_parts().0)
}
