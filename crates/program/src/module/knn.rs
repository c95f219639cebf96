//! The examples nearest to an input, by the vectors of an embedding model.

use std::sync::Arc;

use corsac_dispatch::{CallSettings, Contract};
use futures::stream::{StreamExt, TryStreamExt, iter};
use serde_json::Value;

use super::in_line;
use super::predict::book;
use crate::{Context, Example, ModuleError, Record};

/// Turns texts into vectors through the engine, which sends them together and remembers each.
#[derive(Debug, Clone, Default)]
pub struct Embedder {
    model: Option<String>,
    dimensions: Option<u32>,
}

impl Embedder {
    /// The engine's own embedding model, where it has one.
    pub fn new() -> Embedder {
        Embedder::default()
    }

    /// A model, by id or alias.
    pub fn of_model(model: &str) -> Embedder {
        Embedder { model: Some(model.to_owned()), dimensions: None }
    }

    /// With so many numbers a vector, where the model lets one choose.
    #[must_use]
    pub fn with_dimensions(self, dimensions: u32) -> Embedder {
        Embedder { dimensions: Some(dimensions), ..self }
    }

    /// The vectors of texts, in their order, each of length 1.
    ///
    /// # Errors
    /// A text has no vector.
    pub async fn embed(&self, cx: &Context, texts: &[String]) -> Result<Vec<Vec<f32>>, ModuleError> {
        let path: Arc<str> = "embed".into();
        let path = &path;
        let asked = (0..texts.len()).map(|row| async move {
            let settings = CallSettings { model: self.model.clone(), ..CallSettings::default() };
            let contract = Contract::Embedding { dimensions: self.dimensions };
            let call = cx.lm.call(path, row as u64, "", contract, texts[row].clone(), settings);
            let answer = book(cx, path, cx.lm.ask(call).await, &mut Vec::new())?;
            Ok(unit(numbers(&answer.value)))
        });
        iter(asked).buffered(cx.lm.window()).try_collect().await
    }
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().into_iter().flatten().map(|number| number.as_f64().unwrap_or_default() as f32).collect()
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

/// Examples with their vectors, to find those nearest to an input.
#[derive(Debug, Clone)]
pub struct Knn {
    k: usize,
    embedder: Embedder,
    examples: Arc<[Example]>,
    vectors: Arc<[Vec<f32>]>,
}

impl Knn {
    /// Embeds the inputs of the examples.
    ///
    /// # Errors
    /// An example has no vector.
    pub async fn new(cx: &Context, k: usize, examples: Vec<Example>, embedder: Embedder) -> Result<Knn, ModuleError> {
        let texts: Vec<String> = examples.iter().map(|example| embedded_text(&example.inputs())).collect();
        let vectors = embedder.embed(cx, &texts).await?;
        Ok(Knn { k, embedder, examples: examples.into(), vectors: vectors.into() })
    }

    /// The nearest examples, the nearest first.
    ///
    /// # Errors
    /// The input has no vector.
    pub async fn nearest(&self, cx: &Context, inputs: &Record) -> Result<Vec<Example>, ModuleError> {
        let vectors = self.embedder.embed(cx, &[embedded_text(inputs)]).await?;
        let Some(vector) = vectors.first() else { return Ok(Vec::new()) };
        let mut scored: Vec<(usize, f32)> = self.vectors.iter().map(|other| product(vector, other)).enumerate().collect();
        scored.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        Ok(scored.into_iter().take(self.k).filter_map(|(place, _)| self.examples.get(place).cloned()).collect())
    }
}

fn product(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// An input as one text, as DSPy embeds it: `key: value | key: value`.
fn embedded_text(inputs: &Record) -> String {
    inputs.iter().map(|(name, value)| format!("{name}: {}", in_line(value))).collect::<Vec<_>>().join(" | ")
}
