//! The whole engine against the simulator, under virtual time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
mod ceilings;
mod configured;
mod faults;
mod found;
mod hidden;
mod http;
mod limits;
mod memory;
mod opened;
mod reference;
mod refusals;
mod routes;
mod seeds;
mod spoken;
mod unasked;
mod world;
