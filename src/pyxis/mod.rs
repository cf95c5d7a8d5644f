//! The catalog's API, as far as its questions and answers go: which collections there are, how a question is written, how
//! an answer is read and what is wrong with it. Pure: the caller has the network and the clock.

mod at;
mod collection;
mod document;
mod json;
mod limits;
mod page;

pub(crate) use at::{At, DateForm, Interval};
pub(crate) use collection::{Collection, Only, Order, Question, Rung, Way, endpoint, page_sizes};
pub use collection::{decode_images, decode_operators};
pub use document::{Body, Document};
pub(crate) use limits::PAGE_BYTES;
pub(crate) use page::Page;
