//! The embedded model through its public face: with a tiny synthetic model always, with the real weights when found.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may do what tests may do")]

mod answers;
mod embedding;
mod embedding_exchange;
mod real;
mod synthetic;
mod synthetic_bert;
