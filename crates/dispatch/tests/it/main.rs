//! The whole engine against the simulator, under virtual time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod faults;
mod http;
mod limits;
mod memory;
mod seeds;
mod world;
