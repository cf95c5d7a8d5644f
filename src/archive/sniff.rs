//! Says what a file is if it is not an archive of `oct`.

use super::frame::{EMPTY_FRAME, ZSTD_MAGIC};

/// Bytes from the start of a file that are enough to tell.
pub const SNIFF_BYTES: usize = 512;

/// What a file that begins with `start` is, as the end of the sentence "it is …".
pub fn describe(start: &[u8]) -> &'static str {
    let begins = |magic: &[u8]| start.starts_with(magic);
    let text = start.trim_ascii_start();
    let has = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    if start.is_empty() {
        "an empty file"
    } else if start.iter().all(|byte| *byte == 0) {
        "a file of zeros, as an interrupted copy leaves it"
    } else if begins(&[0x1f, 0x8b]) {
        "gzip, not zstd"
    } else if begins(b"\xfd7zXZ\0") {
        "xz, not zstd"
    } else if begins(b"BZh") {
        "bzip2, not zstd"
    } else if begins(b"PK\x03\x04") {
        "a zip file"
    } else if begins(&EMPTY_FRAME) {
        "a zstd file whose header is missing or damaged"
    } else if begins(&ZSTD_MAGIC) {
        "a zstd file without oct's signed header"
    } else if begins(&[0x50, 0x2a, 0x4d, 0x18]) {
        "a zstd file whose first frame is missing"
    } else if start.get(257..262) == Some(b"ustar") {
        "a tar file that is not compressed"
    } else if has(b"<!doctype html") || has(b"<html") {
        "an HTML page, such as a proxy or a portal sends"
    } else if has(b"untrusted comment:") {
        "a minisign key or signature file"
    } else if has(b"{") || has(b"[") {
        "JSON"
    } else if text.len() > 66 && text[..64].iter().all(u8::is_ascii_hexdigit) && text[64] == b' ' {
        "a checksum file"
    } else if std::str::from_utf8(start).is_ok() {
        "a text file"
    } else {
        "of another or damaged format"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_named() {
        for (start, what) in [
            (&b""[..], "empty"),
            (&[0; 64], "zeros"),
            (&[0x1f, 0x8b, 8, 0], "gzip"),
            (b"<!DOCTYPE HTML><p>", "HTML"),
            (b"\n <html>", "HTML"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x24], "without oct's"),
            (b"untrusted comment: x\n", "minisign"),
            (b"{\"data\":[]}", "JSON"),
            (&[0xff, 0xfe, 1], "another"),
            (format!("{}  x", "0".repeat(64)).as_bytes(), "a checksum"),
            (format!("{}  ", "0".repeat(64)).as_bytes(), "a text"),
        ] {
            assert!(describe(start).contains(what), "{start:?}: {}", describe(start));
        }
    }
}
