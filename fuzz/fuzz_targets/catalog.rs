//! Lists of models, endpoints and providers.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wire/tests/bodies/catalog.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
