//! The stand-in as a client sees it.

mod client;
mod data;
mod front;
mod online;
mod plain;
mod upstream;
