//! Modules: what turns inputs into outputs by asking models. They are composed in plain Rust.

mod best_of;
mod chain_of_thought;
mod compare;
mod knn;
mod majority;
mod overlay;
mod parallel;
mod predict;
mod react;
mod refine;
mod stream;
mod tool;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

pub use self::best_of::{BestOfN, Reward};
pub use self::chain_of_thought::ChainOfThought;
pub use self::compare::MultiChainComparison;
pub use self::knn::{Embedder, Knn};
pub use self::majority::majority;
pub use self::overlay::{Change, Overlaid, Overlay};
pub use self::parallel::Parallel;
pub use self::predict::{Predict, PredictorId, PredictorState};
pub(crate) use self::predict::{book, reply_text, settings_in};
pub use self::react::{ReAct, ToolUse};
pub use self::refine::Refine;
pub use self::stream::Told;
pub use self::tool::{Tool, ToolFailure, Tools};

use crate::{Context, ModuleError, Prediction, Record, Signature};

/// Something that turns inputs into outputs.
#[async_trait]
pub trait Module: Send + Sync {
    /// Runs it once.
    ///
    /// # Errors
    /// Where an input is missing, or a call inside failed for good.
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError>;

    /// The predictors inside by path, as they will run, in the order in which DSPy names them.
    fn predictors(&self) -> Vec<Named<'_>>;

    /// The name of the module for saved programs and reports.
    fn kind(&self) -> &'static str {
        "Program"
    }

    /// What it takes and gives as a whole, where it says that: a program that does can be a function of SQL.
    fn interface(&self) -> Option<Signature> {
        None
    }

    /// How often at most each predictor is called in one run, by path; those that are not named, once.
    fn most_calls(&self) -> Vec<(String, u32)> {
        Vec::new()
    }
}

/// The most calls of a part of a program, under the part's name, for so many runs of it.
pub(crate) fn nested_calls(name: &str, part: &dyn Module, runs: u32) -> Vec<(String, u32)> {
    let own = part.most_calls();
    let times = |path: &str| own.iter().find(|(known, _)| known == path).map_or(1, |(_, times)| *times);
    part.predictors()
        .into_iter()
        .map(|one| {
            let calls = times(&one.path).saturating_mul(runs);
            (if one.path.is_empty() { name.to_owned() } else { format!("{name}.{}", one.path) }, calls)
        })
        .collect()
}

/// A predictor and where it stands in a program.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// Its path: `predict`, `extract.predict`; empty for a predictor that is the whole program.
    pub path: String,
    /// The predictor.
    pub predict: &'a Predict,
    /// What it is, overlays applied.
    pub state: PredictorState,
}

/// The predictors of a part of a program, under the part's name.
pub fn nested<'a>(name: &str, part: &'a dyn Module) -> Vec<Named<'a>> {
    let under = |path: &str| if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") };
    part.predictors().into_iter().map(|one| Named { path: under(&one.path), ..one }).collect()
}

#[async_trait]
impl<M: Module + ?Sized> Module for Arc<M> {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        self.as_ref().forward(cx, inputs).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        self.as_ref().predictors()
    }

    fn kind(&self) -> &'static str {
        self.as_ref().kind()
    }

    fn interface(&self) -> Option<Signature> {
        self.as_ref().interface()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        self.as_ref().most_calls()
    }
}

/// A value as one line for a prompt: texts as they are.
pub(crate) fn in_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
