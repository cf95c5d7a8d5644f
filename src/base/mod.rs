//! What every layer uses: digests, limits, text, classes of failure, progress, checked member paths.

pub mod digest;
pub mod failure;
pub mod limits;
pub mod member;
pub mod progress;
pub mod text;
