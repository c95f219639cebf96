//! The decisions as a whole: every sample exchange classified and followed to its end, a test for each thing the engine is
//! to do by itself, and the laws that hold whatever comes back.
#![expect(clippy::panic, clippy::expect_used, reason = "helpers of tests end the test that uses them")]

mod golden;
mod laws;
mod model_ids;
mod remedies;
mod routes;
mod samples;
mod travel;
