//! Semantic operators on Apache DataFusion: SQL functions that ask a language model about every row, and the session,
//! tables and output files around them.
//!
//! A semantic function is an ordinary function to its user and may stand wherever SQL allows one. A plan rewrite lifts
//! every call out of its expression into a plan node of its own, and a streaming operator runs it: many calls under way
//! at once, equal inputs asked once, rows out in the order in which they came in, memory bounded, and nothing more asked
//! once the stream is dropped. A row without an answer is NULL, and `outcome(call)` tells why.
//!
//! This crate never speaks to a model itself: it hands calls to whatever implements [`Ask`](corsac_dispatch::Ask).
//!
//! ```
//! use std::sync::Arc;
//!
//! use corsac_dispatch::{Answer, Ask, Call, Outcome, Source};
//! use corsac_frame::{Session, SessionOptions};
//! use futures::TryStreamExt;
//!
//! /// Answers every call with the question itself, in capitals.
//! #[derive(Debug)]
//! struct Echo;
//!
//! #[async_trait::async_trait]
//! impl Ask for Echo {
//!     async fn ask(&self, call: Call) -> Outcome {
//!         let value = Arc::new(call.user.to_uppercase().into());
//!         let (model, cost) = ("echo".into(), corsac_wire::Usd::ZERO);
//!         Ok(Answer { value, model, provider: None, cost, attempts: 1, source: Source::Asked, usage: Default::default() })
//!     }
//!
//!     fn window(&self) -> usize {
//!         64
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let ledger = corsac_ledger::Ledger::in_memory()?;
//! # let start = corsac_ledger::RunStart {
//! #     started_ms: 0,
//! #     command: String::new(),
//! #     query: String::new(),
//! #     settings: Default::default(),
//! #     engine: String::new(),
//! #     model: String::new(),
//! #     pid: 0,
//! # };
//! # let run = ledger.start_run(start)?;
//! let session = Session::new(Arc::new(Echo), run, SessionOptions::default());
//! let query = session.plan("SELECT semantic_map('Say {{ word }}', word) AS said FROM (VALUES ('yes'), ('no')) AS t (word)").await?;
//! let batches: Vec<_> = query.stream().await?.try_collect().await?;
//! assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
//! # Ok(())
//! # }
//! ```

mod answer_type;
mod bind;
mod catalog;
mod cell;
mod error;
mod estimate;
mod examples;
mod execute;
mod explain;
mod function;
mod functions;
mod join;
mod named;
mod names;
mod node;
mod optimize;
mod options;
mod planner;
mod program;
mod progress;
mod query;
mod rewrite;
mod session;
mod table;
mod text;
mod write;

pub use catalog::{Change, Destination, Keep, Statement};
/// Rows under way, as the query engine hands them out.
pub use datafusion::execution::SendableRecordBatchStream;
pub use error::FrameError;
pub use estimate::{Asking, AskingRange, OperatorEstimate, Rows, Sampled};
pub use execute::OperatorFigures;
pub use explain::Explain;
pub use progress::{FailureCount, Progress};
pub use query::{Asked, OperatorReport, Query, Watch};
pub use session::{OnError, RowLimits, Session, SessionOptions};
pub use write::{Existing, Format, Target, Written, write};
