//! How good a prediction is: measures over its outputs and an example's labels, some of which ask a model.

use async_trait::async_trait;
use serde_json::Value;

use super::text::{normalized, word_f1};
use crate::{ChainOfThought, Context, Example, Field, FieldType, Module, ModuleError, Prediction, Signature, SignatureError, record};

/// Measures a prediction against an example: 0 for wrong to 1 for right.
#[async_trait]
pub trait Metric: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// The score.
    ///
    /// # Errors
    /// The example has no label to measure by, or a call failed.
    async fn score(&self, cx: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError>;

    /// The label an example has and the one that was predicted, where the metric compares labels.
    fn labels(&self, _example: &Example, _prediction: &Prediction) -> Option<(String, String)> {
        None
    }
}

/// A metric that is a function.
pub struct Measure<F> {
    name: String,
    measure: F,
}

impl<F: Fn(&Example, &Prediction) -> f64 + Send + Sync> Measure<F> {
    /// A function as a metric.
    pub fn new(name: &str, measure: F) -> Measure<F> {
        Measure { name: name.to_owned(), measure }
    }
}

#[async_trait]
impl<F: Fn(&Example, &Prediction) -> f64 + Send + Sync> Metric for Measure<F> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn score(&self, _: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        Ok((self.measure)(example, prediction))
    }
}

/// What is compared of a prediction and an example: one field, or the last output that the example has a label for.
#[derive(Debug, Clone, Default)]
struct Compared {
    field: Option<String>,
}

impl Compared {
    fn find<'a>(&'a self, example: &'a Example, prediction: &'a Prediction) -> Result<(&'a str, &'a Value, &'a Value), ModuleError> {
        let has_label = |name: &str| !example.inputs.iter().any(|input| input == name) && example.values.contains_key(name);
        let name = match &self.field {
            Some(field) => Some(field.as_str()),
            None => prediction.outputs.keys().rev().map(String::as_str).find(|name| has_label(name)),
        };
        let found = name.and_then(|name| Some((name, example.get(name)?, prediction.get(name)?)));
        found.ok_or_else(|| {
            let outputs = prediction.outputs.keys().cloned().collect::<Vec<_>>().join(", ");
            let labels = example.labels().keys().cloned().collect::<Vec<_>>().join(", ");
            let wanted = self.field.as_deref().map_or_else(|| "nothing".to_owned(), |field| format!("no {field}"));
            let labels = if labels.is_empty() { "and there is no label".to_owned() } else { format!("the labels {labels}") };
            ModuleError::other("metric", format!("there is {wanted} to compare: the outputs are {outputs}, {labels}"))
        })
    }
}

/// A label, or several of which the best counts.
fn golds(gold: &Value) -> Vec<&Value> {
    match gold {
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_same(predicted: &Value, gold: &Value) -> bool {
    predicted == gold
        || match (predicted.as_f64(), gold.as_f64()) {
            (Some(one), Some(other)) => one == other,
            _ => normalized(&as_text(predicted)) == normalized(&as_text(gold)),
        }
}

/// 1 where the output is the label, texts compared without case, punctuation and articles. A label that is a list holds
/// several right answers.
#[derive(Debug, Clone, Default)]
pub struct Exact(Compared);

impl Exact {
    /// Compares one field.
    pub fn of(field: &str) -> Exact {
        Exact(Compared { field: Some(field.to_owned()) })
    }
}

#[async_trait]
impl Metric for Exact {
    fn name(&self) -> &str {
        "exact"
    }

    async fn score(&self, _: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        let (_, gold, predicted) = self.0.find(example, prediction)?;
        let right = predicted == gold || golds(gold).into_iter().any(|gold| is_same(predicted, gold));
        Ok(f64::from(u8::from(right)))
    }
}

/// The F1 of common words; of several right answers the nearest counts.
#[derive(Debug, Clone, Default)]
pub struct F1(Compared);

impl F1 {
    /// Compares one field.
    pub fn of(field: &str) -> F1 {
        F1(Compared { field: Some(field.to_owned()) })
    }
}

#[async_trait]
impl Metric for F1 {
    fn name(&self) -> &str {
        "f1"
    }

    async fn score(&self, _: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        let (_, gold, predicted) = self.0.find(example, prediction)?;
        let predicted = as_text(predicted);
        Ok(golds(gold).into_iter().map(|gold| word_f1(&predicted, &as_text(gold))).fold(0.0, f64::max))
    }
}

/// As [`Exact`], and labels are counted one by one: the evaluation tells precision, recall and confusion.
#[derive(Debug, Clone, Default)]
pub struct Classify(Compared);

impl Classify {
    /// Compares one field.
    pub fn of(field: &str) -> Classify {
        Classify(Compared { field: Some(field.to_owned()) })
    }
}

#[async_trait]
impl Metric for Classify {
    fn name(&self) -> &str {
        "classify"
    }

    async fn score(&self, _: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        let (_, gold, predicted) = self.0.find(example, prediction)?;
        Ok(f64::from(u8::from(is_same(predicted, gold))))
    }

    fn labels(&self, example: &Example, prediction: &Prediction) -> Option<(String, String)> {
        let (_, gold, predicted) = self.0.find(example, prediction).ok()?;
        // a prediction that differs only in its form counts as the label it means
        let meant = if is_same(predicted, gold) { gold } else { predicted };
        Some((as_text(gold), as_text(meant)))
    }
}

/// A model compares what is said: which share of the label's points the output has (recall), which share of the output's
/// points the label has (precision), and their harmonic mean.
pub struct SemanticF1 {
    compared: Compared,
    judge: ChainOfThought,
}

impl SemanticF1 {
    /// Compares one field, or the last output with a label.
    ///
    /// # Errors
    /// The signature of the judge cannot be built, which no caller can bring about.
    pub fn new(field: Option<&str>) -> Result<SemanticF1, SignatureError> {
        let share = |name: &str, text: &str| Field::new(name, FieldType::Number).described(text);
        let signature = Signature::new(
            "semantic_f1",
            "Compare what `system_response` says with what `ground_truth` says, point by point, as answers to `question`. Wording \
             does not matter.",
            vec![Field::text("question"), Field::text("ground_truth"), Field::text("system_response")],
            vec![
                share("recall", "which share of the ground truth's points the response has, from 0 to 1"),
                share("precision", "which share of the response's points the ground truth has, from 0 to 1"),
            ],
        )?;
        Ok(SemanticF1 { compared: Compared { field: field.map(str::to_owned) }, judge: ChainOfThought::new(signature) })
    }
}

#[async_trait]
impl Metric for SemanticF1 {
    fn name(&self) -> &str {
        "semantic_f1"
    }

    async fn score(&self, cx: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        let (_, gold, predicted) = self.compared.find(example, prediction)?;
        let inputs = example.inputs();
        let question = match inputs.get("question") {
            Some(question) => as_text(question),
            None => inputs.iter().map(|(name, value)| format!("{name}: {}", as_text(value))).collect::<Vec<_>>().join("\n"),
        };
        let given =
            record([("question", question.into()), ("ground_truth", as_text(gold).into()), ("system_response", as_text(predicted).into())]);
        let judged = self.judge.forward(cx, &given).await?;
        let share = |name: &str| judged.get(name).and_then(Value::as_f64).unwrap_or_default().clamp(0.0, 1.0);
        let (recall, precision) = (share("recall"), share("precision"));
        Ok(if recall + precision == 0.0 { 0.0 } else { 2.0 * recall * precision / (recall + precision) })
    }
}
