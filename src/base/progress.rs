//! How libraries report their progress, without knowing the listener.

/// A listener. Calls may come from several threads; each is quick.
pub trait Progress: Send + Sync {
    /// Work on `source` begins, or its size becomes known: `total` documents are expected.
    fn begin(&self, source: &str, total: Option<u64>);
    /// Work on `source` begins: `total` bytes are expected.
    fn begin_bytes(&self, source: &str, total: u64) {
        self.begin(source, Some(total));
    }
    /// An earlier run did `items` of `source`, which has begun.
    fn resume(&self, _source: &str, _items: u64) {}
    /// `items` more of `source` are done.
    fn advance(&self, source: &str, items: u64);
    /// The work on `source` is done.
    fn end(&self, source: &str);
    /// A message on a line of its own, such as a note on a wait.
    fn note(&self, text: &str);
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, _: u64) {}
    fn end(&self, _: &str) {}
    fn note(&self, _: &str) {}
}
