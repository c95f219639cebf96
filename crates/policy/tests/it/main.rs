//! The decisions as a whole: every sample exchange classified and followed to its end, a test for each thing the engine is
//! to do by itself, and the laws that hold whatever comes back.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests end the test that uses them"
)]

mod golden;
mod laws;
mod model_ids;
mod pacing_chance;
mod pacing_known;
mod pacing_laws;
mod pacing_open;
mod pacing_table;
mod pacing_world;
mod remedies;
mod routes;
mod samples;
mod travel;
