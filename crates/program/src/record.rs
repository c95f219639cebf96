//! Values by field: what goes into a module, what comes out of it, and what stands in an example.

use std::collections::BTreeMap;
use std::sync::Arc;

use corsac_dispatch::Source;
use corsac_wire::Usd;
use serde_json::{Map, Value};

/// Values by field, in order.
pub type Record = Map<String, Value>;

/// A record of these values.
pub fn record<const N: usize>(pairs: [(&str, Value); N]) -> Record {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A row of data: values, and which of them a program is given. The others are what it is measured by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Example {
    /// All values.
    pub values: Record,
    /// The names of those a program is given.
    pub inputs: Arc<[String]>,
}

impl Example {
    /// An example whose inputs are named.
    pub fn new<'a>(values: Record, inputs: impl IntoIterator<Item = &'a str>) -> Example {
        Example { values, inputs: inputs.into_iter().map(str::to_owned).collect() }
    }

    /// What a program is given.
    pub fn inputs(&self) -> Record {
        self.values.iter().filter(|(name, _)| self.inputs.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What it is measured by.
    pub fn labels(&self) -> Record {
        self.values.iter().filter(|(name, _)| !self.inputs.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// One answered call behind a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The predictor that asked, by its path in the program.
    pub predictor: Arc<str>,
    /// The model that served.
    pub model: Arc<str>,
    /// The provider that served, if one was named.
    pub provider: Option<Arc<str>>,
    /// What all attempts cost; zero where it came from memory.
    pub cost: Usd,
    /// Requests sent.
    pub attempts: u32,
    /// Where the answer came from.
    pub source: Source,
}

/// What a module gives: outputs, and who served them at what cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prediction {
    /// The outputs by field.
    pub outputs: Record,
    /// The calls behind them, in order.
    pub served: Vec<Served>,
}

impl Prediction {
    /// Outputs without any call behind them.
    pub fn of(outputs: Record) -> Prediction {
        Prediction { outputs, served: Vec::new() }
    }

    /// With the calls behind another prediction, before one's own.
    #[must_use]
    pub fn after(mut self, earlier: &Prediction) -> Prediction {
        self.served.splice(0..0, earlier.served.iter().cloned());
        self
    }

    /// An output.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.outputs.get(name)
    }

    /// An output that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.outputs.get(name).and_then(Value::as_str)
    }

    /// The model that served last.
    pub fn model(&self) -> Option<&str> {
        self.served.last().map(|served| &*served.model)
    }

    /// The provider that served last.
    pub fn provider(&self) -> Option<&str> {
        self.served.last().and_then(|served| served.provider.as_deref())
    }

    /// What all calls cost.
    pub fn cost(&self) -> Usd {
        self.served.iter().map(|served| served.cost).sum()
    }

    /// Requests sent for all calls.
    pub fn attempts(&self) -> u32 {
        self.served.iter().map(|served| served.attempts).sum()
    }

    /// What the calls cost by predictor.
    pub fn cost_by_predictor(&self) -> BTreeMap<Arc<str>, Usd> {
        let mut costs = BTreeMap::new();
        for served in &self.served {
            let cost: &mut Usd = costs.entry(Arc::clone(&served.predictor)).or_default();
            *cost += served.cost;
        }
        costs
    }
}
