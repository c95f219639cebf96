//! The crate seen from outside: what it writes, what it reads, and that nothing it is given makes it panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod request;
