//! Answers held against a schema, and schemas themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/schema/tests/bodies/reader.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
