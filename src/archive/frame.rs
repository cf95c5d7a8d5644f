//! The framing of the archive, byte for byte (RFC 8878, "Zstandard Compression").

use crate::base::limits;

/// A zstd frame without content: magic, descriptor (single segment, one byte of content size), content size 0, and one
/// raw block of length 0 that is the last.
pub const EMPTY_FRAME: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];

/// Magic of a zstd frame, little endian 0xFD2FB528.
pub const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Magic of the skippable frame that carries the header, little endian 0x184D2A50.
pub const HEADER_MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// Bytes before the header: the empty frame, the magic and the length.
pub const PREFIX_BYTES: usize = EMPTY_FRAME.len() + HEADER_MAGIC.len() + 4;

/// The bytes before a header of `length` bytes, or `None` where readers would refuse it as too large.
pub fn prefix(length: usize) -> Option<[u8; PREFIX_BYTES]> {
    let length = u32::try_from(length).ok().filter(|length| u64::from(*length) <= limits::HEADER_BYTES)?;
    let mut prefix = [0; PREFIX_BYTES];
    prefix[..9].copy_from_slice(&EMPTY_FRAME);
    prefix[9..13].copy_from_slice(&HEADER_MAGIC);
    prefix[13..].copy_from_slice(&length.to_le_bytes());
    Some(prefix)
}

/// The length of the header that `prefix` announces, if these are exactly the bytes that come before one; `Err` has a
/// length above [`limits::HEADER_BYTES`].
pub fn header_length(prefix: &[u8; PREFIX_BYTES]) -> Option<Result<usize, u32>> {
    let (frame, rest) = prefix.split_at(EMPTY_FRAME.len());
    let (magic, length) = rest.split_at(HEADER_MAGIC.len());
    if frame != EMPTY_FRAME || magic != HEADER_MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
    Some(if u64::from(length) <= limits::HEADER_BYTES { Ok(length as usize) } else { Err(length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_frame_is_what_zstd_reads_as_nothing() {
        assert_eq!(zstd::decode_all(&EMPTY_FRAME[..]).unwrap(), b"");
    }

    #[test]
    fn length_round_trips_within_the_limit() {
        let max = limits::HEADER_BYTES as usize;
        assert_eq!(header_length(&prefix(max).unwrap()), Some(Ok(max)));
        assert_eq!(prefix(max + 1), None);
        let mut too_long = prefix(max).unwrap();
        too_long[13..].copy_from_slice(&(max as u32 + 1).to_le_bytes());
        assert_eq!(header_length(&too_long), Some(Err(max as u32 + 1)));
    }
}
