//! The semantic operators from SQL text to rows, with a stand-in for the model.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod calls;
mod cluster;
mod dataframe;
mod embed;
mod failures;
mod fake;
mod figures;
mod formats;
mod joins;
mod messages;
mod naive;
mod named;
mod order;
mod output;
mod plans;
mod programs;
mod reduce;
mod similarity;
mod slt;
mod statements;
mod streaming;
mod tables;
mod text;
mod voiced;
