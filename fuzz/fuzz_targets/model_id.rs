//! Model ids as people write them.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/policy/tests/bodies/model_id.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
