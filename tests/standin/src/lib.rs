//! A stand-in for Red Hat's catalog API and for the chart index, for tests and benchmarks without
//! a network. It serves a made-up catalog of any size, or recorded documents, and fails on demand
//! in every way in which the real servers are known to fail.
//!
//! It is a reading of the API of its own and shares no code with the client it tests.
//!
//! ```
//! use standin::{Catalog, Churn, Fault, Knobs, MadeUp, Standin};
//!
//! let catalog = Catalog::made_up(&MadeUp { images: 200, bundles: 50, ..MadeUp::default() });
//! let server = Standin::start(catalog, Knobs::default());
//! let mark = server.mark();
//!
//! // A fifth of all requests fail, and documents come and go every 20 requests.
//! server.set(|knobs| {
//!     knobs.fault_share = 0.2;
//!     knobs.faults = vec![Fault::Reset, Fault::BadGateway];
//!     knobs.churn = Churn::balanced(20, 3);
//! });
//!
//! // Here the client under test talks to these two:
//! assert!(server.catalog_url().ends_with("/api/containers/v1"));
//! assert!(server.charts_url().ends_with("/index.yaml"));
//!
//! // Then what it brought home is held against the truth.
//! let since = server.since(mark);
//! for image in &since.throughout.certified {
//!     let _must_be_there = (&image.id, image.reduced());
//! }
//! assert!(since.ever.certified.len() >= since.throughout.certified.len());
//! assert_eq!(server.stats().requests, server.requests().len() as u64);
//! ```
//!
//! The server runs in a thread of its own and stops when the handle is dropped.

mod alter;
mod args;
mod catalog;
mod churn;
mod clock;
mod control;
mod doc;
mod endless;
mod fields;
mod filter;
mod flags;
mod form;
mod http;
mod json_text;
mod knobs;
mod log;
mod made_up;
mod order;
mod projection;
mod query;
mod reply;
mod rng;
mod route;
mod server;
mod site;
mod state;
mod store;
mod truth;
mod upstream;
mod upstream_flags;

pub use alter::Undated;
pub use args::Args;
pub use catalog::Catalog;
pub use churn::ChurnCount;
pub use form::Question;
pub use knobs::{Churn, Drip, Fault, FaultChoice, Knobs, Oversized, RetryAfter, Scope, TieOrder};
pub use log::{Request, Stats};
pub use made_up::{MadeUp, UNPARSABLE_KUBE_VERSIONS};
pub use server::Standin;
pub use site::{Asked, Site, SiteKnobs};
pub use truth::{ChartVersion, Document, Mark, Since, Truth};
pub use upstream::{
    Access, DateCompare, DateForm, Form, Outage, OutageForm, Ping, Profile, SlowEnd, SlowPaths, Treatment,
};
