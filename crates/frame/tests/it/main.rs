//! The semantic operators from SQL text to rows, with a stand-in for the model.

mod calls;
mod failures;
mod fake;
mod messages;
mod output;
mod plans;
mod streaming;
mod tables;
