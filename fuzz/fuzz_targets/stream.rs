//! Event streams and the replies put together from them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wire/tests/bodies/stream.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
