//! Several tries at the same question, each told what was wanting in the one before.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::best_of::{SAMPLING, Tries};
use super::{Module, Named, Predict, Reward, nested, nested_calls};
use crate::{Adapter, Context, Field, FieldType, ModuleError, Prediction, Record, Signature, SignatureError, record};

/// Runs a module up to `n` times. After a try that does not reach the threshold, a model looks at what every predictor was
/// given and wrote, and gives each of them advice, which its next prompt carries as the input `hint_`.
#[derive(Clone)]
pub struct Refine {
    module: Arc<dyn Module>,
    n: u32,
    reward: Reward,
    threshold: f64,
    most_failures: u32,
    advise: Arc<Predict>,
}

impl Refine {
    /// Over a module.
    ///
    /// # Errors
    /// The signature of the predictor that advises cannot be built, which no caller can bring about.
    pub fn new(
        module: Arc<dyn Module>,
        n: u32,
        threshold: f64,
        reward: impl Fn(&Record, &Prediction) -> f64 + Send + Sync + 'static,
    ) -> Result<Refine, SignatureError> {
        let advise = Arc::new(advisor()?);
        Ok(Refine { module, n: n.max(1), reward: Arc::new(reward), threshold, most_failures: n, advise })
    }

    /// Gives up at the first failure beyond so many.
    #[must_use]
    pub fn with_most_failures(self, most_failures: u32) -> Refine {
        Refine { most_failures, ..self }
    }

    /// What each predictor should do differently, by its path.
    async fn advice(
        &self,
        cx: &Context,
        place: &Context,
        inputs: &Record,
        prediction: &Prediction,
        reward: f64,
    ) -> Option<HashMap<Arc<str>, String>> {
        let named = self.module.predictors();
        let paths: Vec<Arc<str>> = named.iter().map(|one| cx.path_of(one.predict)).collect();
        let tasks =
            named.iter().zip(&paths).map(|(one, path)| format!("{path}: {} ({})", one.state.signature, one.state.signature.instructions()));
        let steps = place.log().steps.into_iter().map(|step| {
            // only a program of one part has one without a path
            let name = if step.path.is_empty() { paths.first().cloned().unwrap_or_default() } else { step.path };
            format!("{name} was given {} and wrote {}", Value::Object(step.inputs), Value::Object(step.outputs))
        });
        let given = record([
            ("parts", tasks.collect::<Vec<_>>().join("\n").into()),
            ("inputs", Value::Object(inputs.clone()).to_string().into()),
            ("steps", steps.collect::<Vec<_>>().join("\n").into()),
            ("result", Value::Object(prediction.outputs.clone()).to_string().into()),
            ("reward", reward.into()),
            ("wanted", self.threshold.into()),
        ]);
        let advised = self.advise.forward(cx, &given).await.ok()?;
        let told = advised.get("advice")?.as_object()?;
        let pairs = paths.into_iter().filter_map(|path| Some((Arc::clone(&path), told.get(&*path)?.as_str()?.to_owned())));
        Some(pairs.collect())
    }
}

fn advisor() -> Result<Predict, SignatureError> {
    let instructions = "A program made of several parts was run, and its result was graded with the number in `reward`; \
                        `wanted` would be good enough. Find out which part fell short and why. Then give every part that can do \
                        better one piece of concrete advice for the next run, under its name. Advise on how to work, not on what \
                        to answer.";
    let inputs = vec![
        Field::text("parts").described("The parts by name, with what each is given, writes and should do"),
        Field::text("inputs").described("What the program was given"),
        Field::text("steps").described("What each part was given and wrote"),
        Field::text("result"),
        Field::new("reward", FieldType::Number),
        Field::new("wanted", FieldType::Number),
    ];
    let outputs =
        vec![Field::text("analysis"), Field::new("advice", FieldType::map(FieldType::Text)).described("Advice by the name of the part")];
    let signature = Signature::new("advise", instructions, inputs, outputs)?;
    Ok(Predict::new(signature).with_adapter(Adapter::Json))
}

#[async_trait]
impl Module for Refine {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let mut tries = Tries::new(cx, self.most_failures);
        let mut advised = cx.clone();
        for number in 1..=self.n {
            let place = advised.sampled(number, SAMPLING);
            let result = self.module.forward(&place, inputs).await;
            let reward = result.as_ref().map_or(f64::NEG_INFINITY, |prediction| (self.reward)(inputs, prediction));
            let prediction = result.as_ref().ok().cloned();
            if tries.take(&place, result, reward)? || reward >= self.threshold || number == self.n {
                break;
            }
            if let Some(prediction) = prediction
                && let Some(hints) = self.advice(cx, &place, inputs, &prediction, reward).await
            {
                advised = cx.with_hints(hints);
            }
        }
        tries.best()
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        nested("module", &self.module)
    }

    fn kind(&self) -> &'static str {
        "Refine"
    }

    fn interface(&self) -> Option<Signature> {
        self.module.interface()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        nested_calls("module", &self.module, self.n)
    }
}
