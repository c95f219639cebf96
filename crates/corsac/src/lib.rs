//! Ask a language model about every row of a table, reliably, and prove what it got and what it cost.
//!
//! This crate is the front door for Rust programs: it re-exports the parts and adds nothing. The command line lives in
//! `corsac-cli`; [`frame`] holds sessions and SQL, [`dispatch`] the engine that asks, [`ledger`] what it remembers.
//!
//! ```no_run
//! use std::sync::Arc;
//! use corsac::dispatch::{Dispatcher, HttpExchange, LateAsk, SystemClock, config::Config};
//! use corsac::frame::{Format, Session, SessionOptions, Target, write};
//! use corsac::ledger::{Ledger, RunId, RunStart};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(None, &std::env::current_dir()?, None, &|name| std::env::var(name).ok())?;
//! let exchange = Arc::new(HttpExchange::new(&config.http_options(256))?);
//! let ledger = Ledger::open("corsac.sqlite".as_ref())?;
//! let dispatcher = Arc::new(Dispatcher::new(exchange, ledger.clone(), Arc::new(SystemClock::new()), config.settings(None)?));
//!
//! let door = Arc::new(LateAsk::default());
//! let session = Session::new(door.clone(), RunId::unrecorded(), SessionOptions::default());
//! let query = session.plan("SELECT text, semantic_classify(text, ['praise', 'complaint']) AS kind FROM 'reviews.csv'").await?;
//!
//! let run = ledger.start_run(RunStart {
//!     started_ms: 0,
//!     command: "my program".into(),
//!     query: String::new(),
//!     settings: Default::default(),
//!     engine: "openrouter".into(),
//!     model: "openai/gpt-4o-mini".into(),
//!     pid: std::process::id(),
//! })?;
//! door.open(dispatcher.clone(), run);
//! write(query.stream().await?, Format::Csv, Target::File("kinds.csv".into())).await?;
//! println!("{}", dispatcher.tally().summary().cost);
//! # Ok(())
//! # }
//! ```

pub use corsac_dispatch as dispatch;
pub use corsac_frame as frame;
pub use corsac_ledger as ledger;
pub use corsac_policy as policy;
pub use corsac_program as program;
pub use corsac_schema as schema;
pub use corsac_wire as wire;
