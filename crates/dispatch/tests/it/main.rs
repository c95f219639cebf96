//! The whole engine against the simulator, under virtual time.

mod faults;
mod http;
mod limits;
mod memory;
mod world;
