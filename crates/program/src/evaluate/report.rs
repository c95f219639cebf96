//! An evaluation as a person reads it, and metrics by the names a person gives them.

use std::fmt;
use std::sync::Arc;

use super::{Classify, Evaluation, Exact, F1, Metric, SemanticF1};
use crate::{Example, ProgramError};

/// The names of [`named_metric`].
pub const METRICS: [&str; 4] = ["exact", "f1", "semantic_f1", "classify"];

/// A metric by its name, over one field or the last output that has a label.
///
/// # Errors
/// There is no such metric.
pub fn named_metric(name: &str, field: Option<&str>) -> Result<Arc<dyn Metric>, ProgramError> {
    Ok(match (name, field) {
        ("exact", None) => Arc::new(Exact::default()),
        ("exact", Some(field)) => Arc::new(Exact::of(field)),
        ("f1", None) => Arc::new(F1::default()),
        ("f1", Some(field)) => Arc::new(F1::of(field)),
        ("classify", None) => Arc::new(Classify::default()),
        ("classify", Some(field)) => Arc::new(Classify::of(field)),
        ("semantic_f1", field) => {
            let metric = SemanticF1::new(field).map_err(|error| ProgramError::Metric { name: name.to_owned(), why: error.to_string() })?;
            Arc::new(metric)
        }
        _ => {
            let why = format!("there are {}", METRICS.join(", "));
            return Err(ProgramError::Metric { name: name.to_owned(), why });
        }
    })
}

/// An evaluation as text: the score and its interval, failures by kind, groups, labels, the cost.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What is told.
    pub evaluation: &'a Evaluation,
    /// The examples it was over.
    pub examples: &'a [Example],
    /// The column to group by.
    pub by: Option<&'a str>,
    /// The seed of intervals.
    pub seed: u64,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (evaluation, all) = (self.evaluation, self.examples.len());
        match evaluation.interval(self.seed) {
            Some(score) => write!(
                f,
                "{}  {:.3}  (95 %: {:.3}–{:.3})  over {} of {all} examples",
                evaluation.metric,
                score.mean,
                score.low,
                score.high,
                all - evaluation.failed()
            )?,
            None => write!(f, "{}  no example of {all} has a score", evaluation.metric)?,
        }
        let failures: Vec<String> = evaluation.failures().into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        if !failures.is_empty() {
            write!(f, "\nfailed  {}  ({})", evaluation.failed(), failures.join(", "))?;
        }
        if let Some(column) = self.by {
            write!(f, "\n\n{column:<24} {:>8} {:>7} {:>7}  95 %", "examples", "failed", "score")?;
            for (name, (examples, failed, score)) in evaluation.by(self.examples, column, self.seed) {
                let name: String = name.chars().take(24).collect();
                write!(f, "\n{name:<24} {examples:>8} {failed:>7} ")?;
                match score {
                    Some(score) => write!(f, "{:>7.3}  {:.3}–{:.3}", score.mean, score.low, score.high)?,
                    None => write!(f, "{:>7}", "–")?,
                }
            }
        }
        if let Some(classes) = evaluation.classes() {
            write!(f, "\n\n{:<24} {:>8} {:>9} {:>7} {:>7}", "label", "examples", "precision", "recall", "f1")?;
            for class in classes.figures() {
                let name: String = class.label.chars().take(24).collect();
                write!(f, "\n{name:<24} {:>8} {:>9.3} {:>7.3} {:>7.3}", class.examples, class.precision, class.recall, class.f1)?;
            }
            write!(f, "\n{:<24} {:>34.3}", "mean", classes.macro_f1())?;
        }
        let attempts: u64 = evaluation.outcomes.iter().map(|outcome| u64::from(outcome.attempts)).sum();
        write!(f, "\n\n{attempts} requests, {}", evaluation.cost())
    }
}
