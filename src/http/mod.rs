//! HTTP: how requests are sent, with retries and limits. It does not know what is asked for.
//!
//! [`Http`] sends one request and classifies its failure. [`Client`] asks until there is an answer or the patience is over
//! ([`retry`] has the rules), with a limited number of requests at once ([`Gate`]). [`Mirror`] downloads files.

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
