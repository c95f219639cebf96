//! The `corsac` binary as a person meets it: every test starts the real program with a home of its own, and a simulated
//! provider on the loopback where one is needed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod ask;
mod attribution;
mod commands;
mod configuration;
mod doctor;
mod embed;
mod explain;
mod failover;
mod functions;
mod gate;
mod input;
mod keys;
mod killed;
mod limits;
mod lineage;
mod memory;
mod named;
mod objects;
mod output;
mod programs;
mod rows;
mod shell;
mod simulated;
mod spending;
mod statements;
mod stopped;
mod telemetry;
mod trouble;
mod usage;
