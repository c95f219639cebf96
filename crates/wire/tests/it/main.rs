//! The crate seen from outside: what it writes, what it reads, and that nothing it is given makes it panic.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod catalog;
mod embeddings;
mod events;
mod golden;
mod mutated;
mod replies;
mod request;
mod samples;
mod streams;
