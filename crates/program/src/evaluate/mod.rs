//! How good a program is on data: every example's outcome, a score with its interval, what it cost.

mod classes;
mod interval;
mod metric;
mod report;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use corsac_wire::Usd;
use futures::stream::{StreamExt, iter};
use serde_json::Value;

pub use self::classes::{Class, Classes};
pub use self::interval::{Interval, Paired, bootstrap, paired};
pub use self::metric::{Classify, Exact, F1, Measure, Metric, SemanticF1};
pub use self::report::{METRICS, Report, named_metric};
pub use self::text::{normalized, word_f1};
use crate::context::run_in;
use crate::{Context, Example, Module, ModuleError, Prediction};

/// Runs a program over examples, as many at once as the engine's window holds.
#[derive(Debug, Clone)]
pub struct Evaluate {
    examples: Arc<[Example]>,
    at_once: Option<usize>,
}

/// What became of one example.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its place among the examples.
    pub row: usize,
    /// What the program gave, or why it gave nothing.
    pub prediction: Result<Prediction, ModuleError>,
    /// Its score; an error where the program failed or the metric could not measure.
    pub score: Result<f64, ModuleError>,
    /// The label it has and the one predicted, where the metric compares labels.
    pub labels: Option<(String, String)>,
    /// What program and metric cost for it, failures included.
    pub cost: Usd,
    /// Requests sent for it.
    pub attempts: u32,
}

/// What an evaluation came to. Failures are no zeros: they are counted apart.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The metric's name.
    pub metric: String,
    /// Every example's outcome, in order.
    pub outcomes: Vec<Outcome>,
}

impl Evaluate {
    /// Over these examples.
    pub fn new(examples: impl Into<Arc<[Example]>>) -> Evaluate {
        Evaluate { examples: examples.into(), at_once: None }
    }

    /// At most so many at once.
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Evaluate {
        Evaluate { at_once: Some(at_once.max(1)), ..self }
    }

    /// The examples.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Runs the program on every example. Run again after it was stopped, what was answered is taken from memory.
    pub async fn run(&self, cx: &Context, program: &dyn Module, metric: &dyn Metric) -> Evaluation {
        let runs = (0..self.examples.len()).map(|row| async move {
            let example = &self.examples[row];
            let place = cx.fork(row as u64);
            let prediction = run_in(&place, program, &example.inputs()).await;
            let score = match &prediction {
                Ok(prediction) => metric.score(&place, example, prediction).await,
                Err(error) => Err(error.clone()),
            };
            let labels = prediction.as_ref().ok().and_then(|prediction| metric.labels(example, prediction));
            let log = place.log();
            let cost = log.served.iter().map(|served| served.cost).sum::<Usd>() + log.lost;
            let attempts = log.served.iter().map(|served| served.attempts).sum();
            Outcome { row, prediction, score, labels, cost, attempts }
        });
        let outcomes = iter(runs).buffered(self.at_once.unwrap_or_else(|| cx.lm.window())).collect().await;
        Evaluation { metric: metric.name().to_owned(), outcomes }
    }
}

impl Evaluation {
    /// Scores by example, `None` where there is none.
    pub fn scores(&self) -> Vec<Option<f64>> {
        self.outcomes.iter().map(|outcome| outcome.score.as_ref().ok().copied()).collect()
    }

    /// The mean over examples that have a score, with its interval. `None` where none has.
    pub fn interval(&self, seed: u64) -> Option<Interval> {
        bootstrap(&self.scores().into_iter().flatten().collect::<Vec<_>>(), seed)
    }

    /// The mean over examples that have a score.
    pub fn score(&self) -> Option<f64> {
        let scores: Vec<f64> = self.scores().into_iter().flatten().collect();
        (!scores.is_empty()).then(|| interval::mean(&scores))
    }

    /// The mean with failures counted as zeros, as DSPy does: what optimizers go by.
    pub fn score_with_zeros(&self) -> f64 {
        interval::mean(&self.scores().into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>())
    }

    /// Examples without a score.
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.score.is_err()).count()
    }

    /// Why examples failed, and how many each.
    pub fn failures(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for error in self.outcomes.iter().filter_map(|outcome| outcome.score.as_ref().err()) {
            *kinds.entry(error.kind().name()).or_default() += 1;
        }
        kinds
    }

    /// What all of it cost.
    pub fn cost(&self) -> Usd {
        self.outcomes.iter().map(|outcome| outcome.cost).sum()
    }

    /// Whether asking ended before all examples were through, at a ceiling or because the run was stopped.
    pub fn stopped_early(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.score.as_ref().is_err_and(ModuleError::ends_asking))
    }

    /// Precision, recall and confusion by label, where the metric compares labels.
    pub fn classes(&self) -> Option<Classes> {
        let pairs: Vec<(String, String)> = self.outcomes.iter().filter_map(|outcome| outcome.labels.clone()).collect();
        (!pairs.is_empty()).then(|| Classes::of(pairs))
    }

    /// The outcomes by the value of a column: examples, failures, mean and interval of each.
    pub fn by(&self, examples: &[Example], column: &str, seed: u64) -> BTreeMap<String, (usize, usize, Option<Interval>)> {
        let mut groups: BTreeMap<String, (usize, Vec<f64>)> = BTreeMap::new();
        for (outcome, example) in self.outcomes.iter().zip(examples) {
            let name = match example.get(column) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "(none)".to_owned(),
            };
            let (all, scores) = groups.entry(name).or_default();
            *all += 1;
            scores.extend(outcome.score.as_ref().ok());
        }
        groups.into_iter().map(|(name, (all, scores))| (name, (all, all - scores.len(), bootstrap(&scores, seed)))).collect()
    }

    /// Compares another program on the same examples: how much better it is than this one.
    pub fn compare(&self, other: &Evaluation, seed: u64) -> Option<Paired> {
        paired(&self.scores(), &other.scores(), seed)
    }
}
