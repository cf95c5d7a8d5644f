//! How libraries tell of their progress, without knowing who listens.

/// A listener. Calls may come from several threads; each is quick.
pub trait Progress: Send + Sync {
    /// Work on `source` begins; `total` items are expected where that is known.
    fn begin(&self, source: &str, total: Option<u64>);
    /// `items` more of `source` are done.
    fn advance(&self, source: &str, items: u64);
    /// The work on `source` is done.
    fn end(&self, source: &str);
    /// Something worth a line of its own that is no error.
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
