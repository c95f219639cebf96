//! Optimizers: they search over programs by data and return programs. A candidate is an overlay over the program, which
//! itself is never changed; every candidate is measured on examples that were held out, and reported with its interval
//! and what it cost.
//!
//! A search is deterministic by its seed, and everything it asks is remembered by the engine's ledger: stopped at its
//! allowance, or killed, it goes on where it was when it is run again, without paying for anything twice.
//!
//! ```no_run
//! use std::sync::Arc;
//! use corsac_program::{ChainOfThought, Context, Example, Lm, Signature, evaluate::Exact};
//! use corsac_tune::{BootstrapRandomSearch, Budget, Optimizer, Task};
//!
//! # async fn example(lm: Lm, examples: Vec<Example>) -> Result<(), Box<dyn std::error::Error>> {
//! let program = Arc::new(ChainOfThought::new(Signature::parse("review -> sentiment: Literal['good', 'bad']")?));
//! let budget = Budget { dollars: Some(corsac_wire::Usd::parse("0.50")?), calls: None };
//! let task = Task::new(&lm, program, examples, Arc::new(Exact::default()), budget);
//! let tuned = BootstrapRandomSearch::default().tune(&task).await?;
//! println!("{tuned}");
//! let better = tuned.program();
//! # let _ = better;
//! # Ok(())
//! # }
//! ```

mod bootstrap;
mod knn;
mod labeled;
mod random_search;
mod task;
mod tuned;

use async_trait::async_trait;

pub use bootstrap::BootstrapFewShot;
pub use knn::{KnnFewShot, KnnProgram};
pub use labeled::LabeledFewShot;
pub use random_search::BootstrapRandomSearch;
pub use task::{Budget, Task};
pub use tuned::{Candidate, Measured, Tuned};

/// Searches over a program.
#[async_trait]
pub trait Optimizer: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Searches. At the end of the allowance it gives what it has found.
    ///
    /// # Errors
    /// Nothing can be asked at all: a wrong key, an unknown model, a run that was stopped.
    async fn tune(&self, task: &Task) -> Result<Tuned, TuneError>;
}

/// The names of [`named_optimizer`].
pub const OPTIMIZERS: [&str; 3] = ["labeled", "bootstrap", "random-search"];

/// An optimizer by its name, with DSPy's constants; `candidates` is how many shuffles a random search tries. `None` where
/// there is no such one.
pub fn named_optimizer(name: &str, candidates: Option<u64>) -> Option<Box<dyn Optimizer>> {
    let search = BootstrapRandomSearch::default();
    Some(match name {
        "labeled" => Box::new(LabeledFewShot::default()),
        "bootstrap" => Box::new(BootstrapFewShot::default()),
        "random-search" => {
            Box::new(BootstrapRandomSearch { num_candidate_programs: candidates.unwrap_or(search.num_candidate_programs), ..search })
        }
        _ => return None,
    })
}

/// Why a search gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// There is nothing to learn from, or nothing to measure by.
    #[error("{0} examples are too few: at least two are needed, one to learn from and one to measure by")]
    TooFew(usize),
    /// No call can succeed.
    #[error(transparent)]
    Stopped(#[from] corsac_program::ModuleError),
}
