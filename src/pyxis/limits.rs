//! Limits on one answer, with its unit, what it stops, and a real figure beside it.

/// Bytes of one page, decompressed. Stops a gzip answer of 40 kB that unpacks to gigabytes; a page of 500 projected
/// images is about 1 MB.
pub const PAGE_BYTES: usize = 16 << 20;

/// Values in one page, for each document that was asked for. Stops `[{},{},…]`, which takes 30 times its size in
/// memory; a recorded image has 40 values, with 500 tags 540.
pub const VALUES_PER_DOCUMENT: usize = 2_000;
