//! Ask a language model about every row of a table, reliably, and prove what it got and what it cost.
//!
//! This crate is the front door for Rust programs: it re-exports the parts and adds nothing. The command line lives in
//! `corsac-cli`; [`frame`] holds sessions, frames and SQL, [`program`] signatures and modules, [`tune`] optimizers, [`dispatch`] the
//! engine that asks, [`ledger`] what it remembers.
//!
//! ```no_run
//! use std::sync::Arc;
//! use corsac::dispatch::{Builder, LateAsk};
//! use corsac::frame::{Format, Session, SessionOptions, Target, write};
//! use corsac::ledger::RunId;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // the environment, `.env` and `corsac.toml`, as for the command
//! let engine = Builder::from_env()?.model("openai/gpt-4o-mini").fallback("anthropic/claude-3-haiku").build().await?;
//!
//! let door = Arc::new(LateAsk::default());
//! let session = Session::new(door.clone(), RunId::unrecorded(), SessionOptions::default());
//! let query = session.plan("SELECT text, semantic_classify(text, ['praise', 'complaint']) AS kind FROM 'reviews.csv'").await?;
//!
//! door.open(engine.dispatcher.clone(), engine.run.clone());
//! write(query.stream().await?, Format::Csv, Target::File("kinds.csv".into())).await?;
//! println!("{}", engine.dispatcher.tally().summary().cost);
//! engine.finish().await?;
//! # Ok(())
//! # }
//! ```

pub use corsac_dispatch as dispatch;
pub use corsac_frame as frame;
pub use corsac_ledger as ledger;
pub use corsac_policy as policy;
pub use corsac_program as program;
pub use corsac_schema as schema;
pub use corsac_text as text;
pub use corsac_tune as tune;
pub use corsac_wire as wire;

/// The examples of `docs/programs.md` are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/programs.md")]
pub struct ProgramsPage;

/// The examples of `docs/rust.md` are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
pub struct FramesPage;
