//! Several tries at the same question, and the best of them by a measure of one's own.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Module, Named, nested, nested_calls};
use crate::{Context, ModuleError, Prediction, Record, Signature};

/// How good a prediction is for its inputs; higher is better.
pub type Reward = Arc<dyn Fn(&Record, &Prediction) -> f64 + Send + Sync>;

/// Runs a module up to `n` times and gives the first prediction whose reward reaches the threshold, or else the best.
#[derive(Clone)]
pub struct BestOfN {
    module: Arc<dyn Module>,
    n: u32,
    reward: Reward,
    threshold: f64,
    most_failures: u32,
}

/// Tries differ only where the model samples.
pub(crate) const SAMPLING: f64 = 1.0;

impl BestOfN {
    /// Over a module. All but the last of the tries may fail.
    pub fn new(
        module: Arc<dyn Module>,
        n: u32,
        threshold: f64,
        reward: impl Fn(&Record, &Prediction) -> f64 + Send + Sync + 'static,
    ) -> BestOfN {
        BestOfN { module, n: n.max(1), reward: Arc::new(reward), threshold, most_failures: n }
    }

    /// Gives up at the first failure beyond so many.
    #[must_use]
    pub fn with_most_failures(self, most_failures: u32) -> BestOfN {
        BestOfN { most_failures, ..self }
    }
}

#[async_trait]
impl Module for BestOfN {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let mut tries = Tries::new(cx, self.most_failures);
        for number in 1..=self.n {
            let place = cx.sampled(number, SAMPLING);
            let result = self.module.forward(&place, inputs).await;
            let reward = result.as_ref().map_or(f64::NEG_INFINITY, |prediction| (self.reward)(inputs, prediction));
            if tries.take(&place, result, reward)? || reward >= self.threshold {
                break;
            }
        }
        tries.best()
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        nested("module", &self.module)
    }

    fn kind(&self) -> &'static str {
        "BestOfN"
    }

    fn interface(&self) -> Option<Signature> {
        self.module.interface()
    }

    fn most_calls(&self) -> Vec<(String, u32)> {
        nested_calls("module", &self.module, self.n)
    }
}

/// The tries so far.
pub(crate) struct Tries<'a> {
    cx: &'a Context,
    best: Option<(f64, Prediction, crate::context::Log)>,
    last_error: Option<ModuleError>,
    failures: u32,
    most_failures: u32,
    served: Vec<crate::Served>,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(cx: &'a Context, most_failures: u32) -> Tries<'a> {
        Tries { cx, best: None, last_error: None, failures: 0, most_failures, served: Vec::new() }
    }

    /// Takes a try in. True where nothing more can be asked; an error where too many failed.
    pub(crate) fn take(&mut self, place: &Context, result: Result<Prediction, ModuleError>, reward: f64) -> Result<bool, ModuleError> {
        let log = place.log();
        self.served.extend(log.served.iter().cloned());
        self.cx.absorb(log.clone(), false);
        match result {
            Ok(prediction) => {
                if self.best.as_ref().is_none_or(|(best, ..)| reward > *best) {
                    self.best = Some((reward, prediction, log));
                }
                Ok(false)
            }
            Err(error) => {
                self.failures += 1;
                let over = error.ends_asking();
                if self.failures > self.most_failures {
                    return Err(error);
                }
                self.last_error = Some(error);
                Ok(over)
            }
        }
    }

    /// The best prediction, with the calls of all tries behind it.
    pub(crate) fn best(self) -> Result<Prediction, ModuleError> {
        match (self.best, self.last_error) {
            (Some((_, prediction, log)), _) => {
                log.steps.into_iter().for_each(|step| self.cx.step(step));
                Ok(Prediction { served: self.served, ..prediction })
            }
            (None, Some(error)) => Err(error),
            (None, None) => Err(ModuleError::other("BestOfN", "nothing was tried".to_owned())),
        }
    }
}
