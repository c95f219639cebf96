//! The ledger from outside: what goes in comes out, sums are exact, processes and threads do not disturb each other,
//! and whatever is wrong with the file is said and left alone.
#![expect(clippy::unwrap_used, reason = "what a test sets up must succeed")]

mod bills;
mod broken;
mod ceilings;
mod format_1;
mod kept;
mod killed;
mod lineage;
mod samples;
mod sums;
mod together;
mod told;
