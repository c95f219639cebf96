//! What is written in Python inside a program of the Rust core: whole programs, tools, rewards. Python's functions run on threads
//! that may wait, so that they can ask models themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use corsac_program::module::nested;
use corsac_program::{Context, Field, Module, ModuleError, Named, Prediction, Record, Tool, ToolFailure, Tools};
use parking_lot::Mutex;
use pyo3::prelude::*;
use serde_json::Value;

use crate::errors::usage;
use crate::program::{Place, prediction_json};

/// A program written in Python.
pub(crate) struct PythonModule {
    kind: &'static str,
    forward: Arc<Py<PyAny>>,
    parts: Vec<(String, Arc<dyn Module>)>,
}

impl PythonModule {
    /// `forward` takes the place where it runs and its inputs as JSON, and gives its outputs as JSON.
    pub(crate) fn new(kind: String, forward: Py<PyAny>, parts: Vec<(String, Arc<dyn Module>)>) -> PythonModule {
        PythonModule { kind: kept(kind), forward: Arc::new(forward), parts }
    }
}

/// A name that lives as long as the process; there are as many as there are classes.
fn kept(kind: String) -> &'static str {
    static KINDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kinds = KINDS.lock();
    if let Some(known) = kinds.get(kind.as_str()) {
        return known;
    }
    let kind: &'static str = Box::leak(kind.into_boxed_str());
    kinds.insert(kind);
    kind
}

#[async_trait]
impl Module for PythonModule {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let (forward, place) = (Arc::clone(&self.forward), Place { cx: cx.clone() });
        let inputs = Value::Object(inputs.clone()).to_string();
        let ran = tokio::task::spawn_blocking(move || {
            Python::attach(|py| forward.call1(py, (place, inputs))?.extract::<String>(py)).map_err(|error| error.to_string())
        });
        let fails = |why: String| ModuleError::other(self.kind, why);
        let outputs = ran.await.map_err(|error| fails(error.to_string()))?.map_err(fails)?;
        let outputs: Record = serde_json::from_str(&outputs).map_err(|error| fails(error.to_string()))?;
        Ok(Prediction::of(outputs))
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        self.parts.iter().flat_map(|(name, part)| nested(name, part.as_ref())).collect()
    }

    fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Functions of Python's as tools: a name, what it does, its fields as JSON, and the function, which takes its arguments as JSON
/// and gives JSON.
pub(crate) fn python_tools(tools: Vec<(String, String, String, Py<PyAny>)>) -> PyResult<Tools> {
    let made = tools.into_iter().map(|(name, about, fields, function)| {
        let fields: Vec<Field> = serde_json::from_str(&fields).map_err(|error| usage(format!("tool {name}: {error}")))?;
        let function = Arc::new(function);
        let run = move |arguments: Record| {
            let function = Arc::clone(&function);
            async move {
                let arguments = Value::Object(arguments).to_string();
                let ran = tokio::task::spawn_blocking(move || Python::attach(|py| function.call1(py, (arguments,))?.extract::<String>(py)));
                let given = ran.await.map_err(ToolFailure::new)?.map_err(ToolFailure::new)?;
                serde_json::from_str(&given).map_err(ToolFailure::new)
            }
        };
        Tool::new(&name, &about, fields, run).map_err(|error| usage(error.to_string()))
    });
    Ok(Tools::new(made.collect::<PyResult<Vec<Tool>>>()?))
}

/// A function of Python's that says how good a prediction is: it takes inputs and prediction as JSON. One that fails says that
/// the prediction is worth nothing.
pub(crate) fn python_reward(reward: Py<PyAny>) -> impl Fn(&Record, &Prediction) -> f64 + Send + Sync + 'static {
    move |inputs, prediction| {
        let (inputs, prediction) = (Value::Object(inputs.clone()).to_string(), prediction_json(prediction));
        tokio::task::block_in_place(|| {
            Python::attach(|py| reward.call1(py, (inputs, prediction))?.extract::<f64>(py)).unwrap_or(f64::NEG_INFINITY)
        })
    }
}
