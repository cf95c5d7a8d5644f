//! What every layer uses: digests, limits, text, classes of failure, progress, checked member paths, small files and who
//! may change them.

pub mod digest;
pub mod failure;
pub mod fs;
pub mod limits;
pub mod member;
pub mod owner;
pub mod progress;
pub mod text;
