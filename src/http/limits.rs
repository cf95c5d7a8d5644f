//! Limits on what a server may send, with its unit, what it stops, and a real figure beside it.

/// Bytes of an error's body that are read. Stops an endless error page; a problem document has 300.
pub const ERROR_BYTES: usize = 64 << 10;

/// Redirects that one request follows. Stops a loop; the real servers send none.
pub const REDIRECTS: usize = 5;

/// Answers that are decoded at once. Stops the memory of eight hostile pages from adding up; the processor decodes no
/// more at once anyway.
pub const DECODERS: usize = 2;
