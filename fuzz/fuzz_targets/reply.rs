//! Replies of every kind, errors and headers among them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wire/tests/bodies/reply.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
