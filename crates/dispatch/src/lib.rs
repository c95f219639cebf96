//! The one door to a model: resolve, recall, admit, exchange, read, remedy, record.

mod call;

pub use call::{Answer, Ask, Call, CallSettings, Contract, Failure, FailureKind, Origin, Outcome, Source};
