//! Turns a question into a verdict: what certsuite would say about an image, an operator or a chart.
//!
//! [`questions`] reads what people ask, [`lookup`] finds in one pass what a catalog holds of it, [`offline`] and [`online`]
//! are the rules of certsuite's two checks over that, and [`reason`] says why.

pub mod constraint;
pub mod lookup;
pub mod offline;
pub mod online;
pub mod questions;
pub mod reason;
pub mod reference;
pub mod version;
