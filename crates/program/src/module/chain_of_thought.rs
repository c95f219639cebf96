//! A predictor that writes down how it gets to its answer before it gives it.

use async_trait::async_trait;

use super::{Module, Named, Predict, nested};
use crate::{Context, Field, ModuleError, Prediction, Record, Side, Signature};

/// Asks for `reasoning` before the signature's own outputs. Its predictor has the path `predict`.
#[derive(Debug, Clone)]
pub struct ChainOfThought {
    predict: Predict,
}

/// The output that comes first.
pub(crate) const REASONING: &str = "reasoning";

impl ChainOfThought {
    /// Over a signature. One that has an output `reasoning` already is taken as it is.
    pub fn new(signature: Signature) -> ChainOfThought {
        let field = Field::text(REASONING);
        // the only thing that can be wrong with the field is that there is one of its name
        let signature = signature.prepend(Side::Output, field).unwrap_or(signature);
        ChainOfThought { predict: Predict::new(signature) }
    }

    /// Over a predictor, whose settings and adapter it keeps.
    #[must_use]
    pub fn with_predict(self, change: impl FnOnce(Predict) -> Predict) -> ChainOfThought {
        ChainOfThought { predict: change(self.predict) }
    }

    /// The predictor inside.
    pub fn predict(&self) -> &Predict {
        &self.predict
    }
}

#[async_trait]
impl Module for ChainOfThought {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        self.predict.forward(cx, inputs).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        nested("predict", &self.predict)
    }

    fn kind(&self) -> &'static str {
        "ChainOfThought"
    }

    fn interface(&self) -> Option<Signature> {
        Some(self.predict.signature().clone())
    }
}
