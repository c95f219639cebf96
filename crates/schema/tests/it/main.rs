//! The crate seen from outside: texts into schemas, schemas into dialects, answers into values.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_text;
mod dialects;
mod documents;
mod laws;
mod reading;
mod refusing;
mod short_form;
