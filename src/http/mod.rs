//! HTTP: how servers are asked, patiently and within bounds. It knows nothing of what is asked for.
//!
//! [`Http`] sends one request and says what its failure means. [`Client`] asks until there is an answer or the patience
//! is over ([`retry`] has the rules), a bounded number of questions at once ([`Gate`]). [`Mirror`] downloads files.

mod client;
mod download;
mod error;
mod gate;
mod limits;
mod retry;
mod web;

pub use client::{Answer, Client, Get, React, Source, Web, is_html, shown};
pub use download::{Downloaded, Mirror, Small, Target, Validators};
pub use error::HttpError;
pub use gate::Gate;
pub use limits::ERROR_BYTES;
pub use retry::{Fault, Remedy, RetryPolicy};
pub use web::{Http, HttpOptions, USER_AGENT};
