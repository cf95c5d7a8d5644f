//! Making the index for `oct check` at the end of an import. It is a cache: where that fails, a warning is all.

use std::fs::File;

use crate::importer::Locked;
use crate::model::catalog::Catalog;
use crate::model::index::{self, Index};
use crate::model::manifest::VerifiedManifest;
use crate::model::text::with_causes;

use super::{Error, check};

/// Writes the index of a catalog that was just installed; returns a warning where it cannot.
pub(super) fn build(locked: &Locked, manifest: &VerifiedManifest, mut catalog: Catalog) -> Option<String> {
    let written = locked
        .index_binding(manifest)
        .and_then(|binding| locked.write_index(manifest, |out| index::write(&mut catalog, &binding, out)));
    written.err().map(|error| warning(&error.into()))
}

/// Sees to it that the installed catalog has its index; returns a warning where that fails.
pub(super) fn ensure(locked: &Locked, manifest: &VerifiedManifest) -> Option<String> {
    if usable(locked, manifest).is_ok_and(|index| index.is_some_and(|index| index.check().is_ok())) {
        return None;
    }
    match check::read_folder(locked, Some(manifest), &mut Vec::new()) {
        Ok(catalog) => build(locked, manifest, catalog),
        Err(error) => Some(warning(&error)),
    }
}

/// Opens the index of the installed catalog: none where there is none, an error where it is not usable.
pub(super) fn usable(
    folder: &crate::importer::Folder,
    manifest: &VerifiedManifest,
) -> Result<Option<Index<File>>, String> {
    let opened = folder.open_index(manifest).map_err(|error| with_causes(&error))?;
    let Some(file) = opened else { return Ok(None) };
    let binding = folder.index_binding(manifest).map_err(|error| with_causes(&error))?;
    Index::open(file, &binding).map(Some).map_err(|error| error.to_string())
}

fn warning(error: &Error) -> String {
    format!("no index for `oct check` was made, so it will read all the data: {}", with_causes(error))
}
