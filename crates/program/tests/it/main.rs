//! Programs over the engine and the simulator, under virtual time.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod adapters;
mod bodies;
mod derived;
mod evaluation;
mod golden;
mod modules;
mod saved;
mod signatures;
mod streaming;
mod trouble;
mod world;
