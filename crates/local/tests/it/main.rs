//! The embedded model through its public face: with a tiny synthetic model always, with the real weights when found.

mod answers;
mod real;
mod synthetic;
