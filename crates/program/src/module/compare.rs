//! Several chains of thought, and a last look at all of them.

use async_trait::async_trait;
use futures::future::join_all;

use super::{ChainOfThought, Module, Named, Predict, in_line, nested, nested_calls};
use crate::{Context, Field, ModuleError, Prediction, Record, Side, Signature, SignatureError};

/// Asks for `m` chains of thought, shows them to a predictor as `reasoning_attempt_1` to `reasoning_attempt_m`, and gives
/// what that one concludes, with a `rationale`. Its predictors are `predict`, which compares, and `chain.predict`.
#[derive(Debug, Clone)]
pub struct MultiChainComparison {
    chain: ChainOfThought,
    predict: Predict,
    m: u32,
    temperature: f64,
    last: String,
}

impl MultiChainComparison {
    /// Over a signature: three attempts at temperature 0.7, as in DSPy.
    ///
    /// # Errors
    /// The signature uses one of the names that are added.
    pub fn new(signature: Signature) -> Result<MultiChainComparison, SignatureError> {
        MultiChainComparison::with_attempts(signature, 3, 0.7)
    }

    /// With so many attempts at a temperature.
    ///
    /// # Errors
    /// The signature uses one of the names that are added.
    pub fn with_attempts(signature: Signature, m: u32, temperature: f64) -> Result<MultiChainComparison, SignatureError> {
        let last = signature.outputs().last().map(|field| field.name.clone()).unwrap_or_default();
        let mut comparing = signature.clone();
        for number in 1..=m {
            let field = Field {
                prefix: Some(format!("Student Attempt #{number}:")),
                ..Field::text(attempt_name(number)).described("An earlier attempt, which may be right or wrong")
            };
            comparing = comparing.append(Side::Input, field)?;
        }
        let rationale = Field::text("rationale").described("What is right and wrong in the attempts, and what follows");
        let comparing = comparing.prepend(Side::Output, rationale)?;
        Ok(MultiChainComparison { chain: ChainOfThought::new(signature), predict: Predict::new(comparing), m, temperature, last })
    }

    /// Compares attempts that are there already, each with its reasoning (`reasoning` or `rationale`) and outputs.
    ///
    /// # Errors
    /// There is another number of attempts than the module takes, or the call fails.
    pub async fn compare(&self, cx: &Context, attempts: &[Record], inputs: &Record) -> Result<Prediction, ModuleError> {
        if attempts.len() != self.m as usize {
            let why = format!("{} attempts are compared here, and {} were given", self.m, attempts.len());
            return Err(ModuleError::other("MultiChainComparison", why));
        }
        let mut given = inputs.clone();
        for (number, attempt) in (1..).zip(attempts) {
            let reasoning = attempt.get("rationale").or_else(|| attempt.get("reasoning")).map(in_line).unwrap_or_default();
            let answer = attempt.get(&self.last).map(in_line).unwrap_or_default();
            let text = format!("Thoughts: {}\nConclusion: {}", reasoning.trim(), answer.trim());
            given.insert(attempt_name(number), text.into());
        }
        self.predict.forward(cx, &given).await
    }
}

fn attempt_name(number: u32) -> String {
    format!("reasoning_attempt_{number}")
}

#[async_trait]
impl Module for MultiChainComparison {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let places: Vec<Context> = (1..=self.m).map(|number| cx.sampled(number, self.temperature)).collect();
        let attempts = join_all(places.iter().map(|place| self.chain.forward(place, inputs))).await;
        places.iter().for_each(|place| cx.absorb(place.log(), true));
        let attempts = attempts.into_iter().collect::<Result<Vec<Prediction>, ModuleError>>()?;
        let outputs: Vec<Record> = attempts.iter().map(|attempt| attempt.outputs.clone()).collect();
        let compared = self.compare(cx, &outputs, inputs).await?;
        Ok(attempts.iter().rev().fold(compared, Prediction::after))
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        let mut named = nested("predict", &self.predict);
        named.extend(nested("chain", &self.chain));
        named
    }

    fn kind(&self) -> &'static str {
        "MultiChainComparison"
    }

    fn interface(&self) -> Option<Signature> {
        let given = self.chain.predict().signature().inputs().to_vec();
        let comparing = self.predict.signature();
        Signature::new(comparing.name(), comparing.instructions(), given, comparing.outputs().to_vec()).ok()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        nested_calls("chain", &self.chain, self.m)
    }
}
