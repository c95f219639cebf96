//! Signatures, saved programs and replies, whole and in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/program/tests/bodies/program.rs"]
mod body;

fuzz_target!(|data: &[u8]| body::run(data));
