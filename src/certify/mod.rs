//! A question becomes a verdict: what certsuite would say of an image, an operator or a chart.

pub mod constraint;
pub mod lookup;
pub mod questions;
pub mod reference;
pub mod verdict;
pub mod version;
