//! Programs over language models: a signature says what goes in and what comes out, an adapter puts it to a model,
//! modules are composed of them in plain Rust, and a program can be measured, saved and loaded. The built-in semantic
//! operators stand beside them.
//!
//! It never speaks HTTP and knows no provider: all asking goes through [`corsac_dispatch`].
//!
//! ```no_run
//! use corsac_program::{ChainOfThought, Lm, Signature, record};
//!
//! # async fn example(lm: Lm) -> Result<(), Box<dyn std::error::Error>> {
//! let signature = Signature::parse("review -> sentiment: Literal['good', 'bad'], stars: int")?
//!     .with_instructions("Judge a product review.");
//! let judge = ChainOfThought::new(signature);
//! let prediction = lm.run(&judge, &record([("review", "Broke after a day.".into())])).await?;
//! println!("{:?}, because {:?}, for {}", prediction.get("sentiment"), prediction.text("reasoning"), prediction.cost());
//! # Ok(())
//! # }
//! ```

mod adapter;
mod allowance;
mod chance;
mod context;
mod data;
mod error;
pub mod evaluate;
mod failure;
mod lm;
pub mod module;
mod operator;
mod record;
mod saved;
mod signature;
mod template;
mod typed;

pub use adapter::{Adapter, Piece, Rendered, Scanner, Unreadable};
pub use allowance::Allowance;
pub use chance::Chance;
pub use context::{Context, Log, Step};
pub use corsac_macros::{FieldValue, Signature};
pub use data::{DataError, misfit, read_cell, read_examples};
pub use error::ProgramError;
pub use evaluate::{Evaluate, Evaluation, Metric};
pub use failure::ModuleError;
pub use lm::Lm;
pub use module::{
    BestOfN, ChainOfThought, Change, Embedder, Knn, Module, MultiChainComparison, Named, Overlaid, Overlay, Parallel, Predict,
    PredictorState, ReAct, Refine, Told, Tool, ToolFailure, ToolUse, Tools, majority, nested,
};
pub use operator::{Composed, Demo, Group, Label, Output, OverlayError, Part, Program, Prompt, Stage, Summary};
pub use record::{Example, Prediction, Record, Served, record};
pub use saved::{About, Sampling, SavedError, SavedProgram};
#[doc(hidden)]
pub use serde_json::Value;
pub use signature::{Constraints, Field, FieldType, Member, Side, Signature, SignatureError, Types, inferred_prefix};
pub use template::Template;
pub use typed::{Answered, FieldValue, Misfit, SignatureType, Typed, nested_type};
#[doc(hidden)]
pub use typed::{number, read_field};
