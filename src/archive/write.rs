//! Packs a catalog into an archive's body.

use std::io::{self, BufWriter, Read, Seek, Write};

use tar::{EntryType, Header};

use crate::base::digest::HashingWriter;
use crate::base::member::MemberPath;
use crate::catalog::snapshot::Layout;
use crate::trust::manifest::{Body, File};

/// Threads of the compressor. The bytes do not depend on their number, only on there being any.
const COMPRESSION_THREADS: u32 = 2;

/// Bytes that a thread compresses at a time. The default takes 100 MiB of buffers.
const COMPRESSION_JOB_BYTES: u32 = 4 << 20;

/// Bytes of a tar block; headers and members fill whole ones.
pub(super) const BLOCK: u64 = 512;

/// Writes the compressed body with the files of `layout` to `out`. Equal catalogs and equal levels give equal bytes.
///
/// # Errors
/// Those of `out`, and of the layout's area.
pub fn pack(layout: &mut Layout<impl Read + Seek>, level: i32, out: impl Write) -> io::Result<Body> {
    let out = HashingWriter::new(BufWriter::with_capacity(1 << 18, out));
    let mut encoder = zstd::Encoder::new(out, level)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(tar_size(layout.files())))?;
    encoder.include_contentsize(true)?;
    encoder.multithread(COMPRESSION_THREADS)?;
    encoder.set_parameter(zstd::zstd_safe::CParameter::JobSize(COMPRESSION_JOB_BYTES))?;
    let mut tar = BufWriter::with_capacity(1 << 18, encoder);
    layout.read(|file, content| {
        tar.write_all(header(&file.path, file.size).as_bytes())?;
        if io::copy(content, &mut tar)? != file.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tar.write_all(&vec![0; padding(file.size)])
    })?;
    tar.write_all(&[0; 2 * BLOCK as usize])?;
    let encoder = tar.into_inner().map_err(io::IntoInnerError::into_error)?;
    let (mut out, size, sha256) = encoder.finish()?.finish();
    out.flush()?;
    Ok(Body { size, sha256 })
}

/// The one header that a member of this path and size has: a plain file of mode 0644, owner 0, at the epoch.
///
/// The reader compares the 512 bytes with those that it finds, which leaves no room for links, devices, long names,
/// extensions or lies about sizes.
pub(super) fn header(path: &MemberPath, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    if let Some(name) = header.as_mut_bytes().get_mut(..path.as_str().len()) {
        name.copy_from_slice(path.as_str().as_bytes());
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

/// Zeros after a member of `size` bytes, up to the next block.
pub(super) fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK) - size) as usize
}

/// Bytes of the tar with these files: a header and whole blocks for each, and two blocks of zeros.
pub(super) fn tar_size(files: &[File]) -> u64 {
    files.iter().map(|file| BLOCK + file.size.next_multiple_of(BLOCK)).sum::<u64>() + 2 * BLOCK
}
