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
mod cluster;
mod dataframe;
mod error;
mod estimate;
mod examples;
mod execute;
mod explain;
mod function;
mod functions;
mod join;
mod lineage;
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
pub mod semantic;
mod session;
mod session_core;
mod table;
mod table_function;
mod text;
mod write;

/// The columns in memory that rows come in, of the version the query engine stands on.
pub use arrow;
pub use catalog::{Change, Destination, Keep, Statement};
pub use dataframe::{Clusters, DataFrame, Grouped, IntoExpr, IntoSort, Metric, asc, col, desc, ident};
/// The query engine under the frame.
pub use datafusion;
/// How two sides of a join go together.
pub use datafusion::common::JoinType;
/// Rows under way, as the query engine hands them out.
pub use datafusion::execution::SendableRecordBatchStream;
/// What stands in verbs: columns, literals, comparisons, calls.
pub use datafusion::logical_expr::{Expr, lit, when};
pub use error::FrameError;
pub use estimate::{Asking, AskingRange, OperatorEstimate, Rows, Sampled};
pub use execute::OperatorFigures;
pub use explain::Explain;
pub use progress::{FailureCount, Progress};
pub use query::{Asked, OperatorReport, Query, Watch};
pub use session::{OnError, RowLimits, Session, SessionOptions};
pub use write::{Existing, Format, Target, Written, write};

/// The query engine's own functions as expressions: texts, numbers, dates, lists.
pub mod scalars {
    pub use datafusion::functions::expr_fn::*;
    pub use datafusion::functions_nested::expr_fn::*;
}

/// Aggregates, for [`Grouped::aggregate`].
pub mod aggregates {
    pub use datafusion::functions_aggregate::count::count_all;
    pub use datafusion::functions_aggregate::expr_fn::*;
}

/// Windows, for [`DataFrame::with_column`].
pub mod windows {
    pub use datafusion::functions_window::expr_fn::*;
    pub use datafusion::logical_expr::ExprFunctionExt;
}

/// What programs over frames use most.
pub mod prelude {
    pub use datafusion::logical_expr::{ExprFunctionExt, cast, exists, in_list, not, try_cast};

    pub use crate::aggregates;
    pub use crate::scalars;
    pub use crate::semantic::{self, Demo, Label, Summary};
    pub use crate::{
        Clusters, DataFrame, Existing, Expr, Format, FrameError, IntoExpr, IntoSort, JoinType, Metric, Query, Session, SessionOptions,
        Target, asc, col, desc, ident, lit, when,
    };
}
