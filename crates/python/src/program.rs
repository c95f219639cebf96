//! Programs for Python: modules of the Rust core, run through an engine. Signatures and values cross as JSON; what Python's
//! types make of them is Python's business.

use std::sync::Arc;

use corsac_dispatch::{CallSettings, Opened, Source};
use corsac_program::{
    Adapter, BestOfN, ChainOfThought, Context, Lm, Module, ModuleError, MultiChainComparison, Predict, Prediction, ReAct, Record, Refine,
    SavedProgram, Signature, ToolUse,
};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::PyEngine;
use crate::errors::{configuration, of_failure, usage};
use crate::program_python::{PythonModule, python_reward, python_tools};
use crate::runtime;

/// A program and, where it has one, its signature.
#[pyclass(frozen, from_py_object, name = "Program", module = "corsac._corsac")]
#[derive(Clone)]
pub(crate) struct PyProgram {
    pub(crate) module: Arc<dyn Module>,
    signature: Option<Signature>,
}

/// How a predictor is asked where it says nothing else.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asking {
    model: Option<String>,
    profile: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    fresh: bool,
    adapter: Option<Adapter>,
}

impl Asking {
    pub(crate) fn read(text: Option<&str>) -> PyResult<Asking> {
        let Some(text) = text else { return Ok(Asking::default()) };
        serde_json::from_str(text).map_err(|error| configuration(format!("settings of a program: {error}")))
    }

    fn settings(&self) -> CallSettings {
        CallSettings {
            model: self.model.clone(),
            profile: self.profile.clone(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            fresh: self.fresh,
            ..CallSettings::default()
        }
    }

    /// The model that programs ask, in the name of an engine's run.
    pub(crate) fn lm(&self, opened: &Opened) -> Lm {
        Lm::from(opened).with_settings(self.settings()).with_adapter(self.adapter.clone().unwrap_or_default())
    }
}

/// Reads a signature: text, or field by field as JSON.
fn signature_of(text: &str) -> PyResult<Signature> {
    let signature: Result<Signature, _> = serde_json::from_str(text);
    signature.map_err(|error| usage(error.to_string()))
}

/// A predictor with settings of its own.
fn set(predict: Predict, asking: &Asking) -> Predict {
    let predict = predict.with_settings(asking.settings());
    match &asking.adapter {
        Some(adapter) => predict.with_adapter(adapter.clone()),
        None => predict,
    }
}

#[pymethods]
impl PyProgram {
    /// A module over a signature: `Predict`, `ChainOfThought` or `MultiChainComparison`.
    #[staticmethod]
    #[pyo3(signature = (kind, signature, settings = None))]
    fn over_signature(kind: &str, signature: &str, settings: Option<&str>) -> PyResult<PyProgram> {
        let (signature, asking) = (signature_of(signature)?, Asking::read(settings)?);
        let module: Arc<dyn Module> = match kind {
            "Predict" => Arc::new(set(Predict::new(signature.clone()), &asking)),
            "ChainOfThought" => Arc::new(ChainOfThought::new(signature.clone()).with_predict(|predict| set(predict, &asking))),
            "MultiChainComparison" => Arc::new(MultiChainComparison::new(signature.clone()).map_err(|error| usage(error.to_string()))?),
            other => return Err(usage(format!("there is no module {other}"))),
        };
        Ok(PyProgram { module, signature: Some(signature) })
    }

    /// Calls functions of Python's until it knows enough. A tool is its name, what it does, its fields as JSON, and the function.
    #[staticmethod]
    #[pyo3(signature = (signature, tools, *, most_steps = 20, native = None))]
    fn react(
        signature: &str,
        tools: Vec<(String, String, String, Py<PyAny>)>,
        most_steps: usize,
        native: Option<bool>,
    ) -> PyResult<PyProgram> {
        let signature = signature_of(signature)?;
        let react = ReAct::new(signature.clone(), python_tools(tools)?).map_err(|error| usage(error.to_string()))?;
        let tool_use = match native {
            None => ToolUse::Auto,
            Some(true) => ToolUse::Native,
            Some(false) => ToolUse::Prompted,
        };
        let react = react.with_most_steps(most_steps).with_tool_use(tool_use);
        Ok(PyProgram { module: Arc::new(react), signature: Some(signature) })
    }

    /// The best of several tries, by a function of Python's; with `advised`, each try after a bad one is given advice.
    #[staticmethod]
    fn best_of(program: &PyProgram, tries: u32, reward: Py<PyAny>, threshold: f64, advised: bool) -> PyResult<PyProgram> {
        let (inner, reward) = (Arc::clone(&program.module), python_reward(reward));
        let module: Arc<dyn Module> = match advised {
            true => Arc::new(Refine::new(inner, tries, threshold, reward).map_err(|error| usage(error.to_string()))?),
            false => Arc::new(BestOfN::new(inner, tries, threshold, reward)),
        };
        Ok(PyProgram { module, signature: program.signature.clone() })
    }

    /// A program that is written in Python: what it does with its inputs, and the programs inside it by name.
    #[staticmethod]
    fn written(kind: String, forward: Py<PyAny>, parts: Vec<(String, PyProgram)>) -> PyProgram {
        let parts = parts.into_iter().map(|(name, part)| (name, part.module)).collect();
        PyProgram { module: Arc::new(PythonModule::new(kind, forward, parts)), signature: None }
    }

    /// Runs it once. Inside a program that is written in Python, `place` is where that one runs.
    #[pyo3(signature = (engine, inputs, settings = None, place = None))]
    fn run(&self, py: Python<'_>, engine: &PyEngine, inputs: &str, settings: Option<&str>, place: Option<Place>) -> PyResult<String> {
        let work = self.work(engine, inputs, settings, place)?;
        runtime::wait(py, work)?
    }

    /// The same as an awaitable.
    #[pyo3(signature = (engine, inputs, settings = None, place = None))]
    fn run_async<'py>(
        &self,
        py: Python<'py>,
        engine: &PyEngine,
        inputs: &str,
        settings: Option<&str>,
        place: Option<Place>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let work = self.work(engine, inputs, settings, place)?;
        runtime::awaitable(py, work)
    }

    /// The predictors inside by path, each with its signature and demos, as JSON.
    fn predictors(&self) -> String {
        let told = self
            .module
            .predictors()
            .into_iter()
            .map(|named| json!({"path": named.path, "signature": named.state.signature, "demos": &*named.state.demos}));
        Value::Array(told.collect()).to_string()
    }

    /// The signature as JSON, where there is one.
    fn signature(&self) -> Option<String> {
        self.signature.as_ref().and_then(|signature| serde_json::to_string(signature).ok())
    }

    fn kind(&self) -> String {
        self.module.kind().to_owned()
    }

    /// The text of a file that holds it, which DSPy reads too.
    fn saved(&self) -> String {
        SavedProgram::of(self.module.as_ref()).to_text()
    }

    /// The program with what a file says laid over it.
    fn with_saved(&self, text: &str) -> PyResult<PyProgram> {
        let saved = SavedProgram::read(text).map_err(|error| usage(error.to_string()))?;
        let module = saved.over(Arc::clone(&self.module)).map_err(|error| usage(error.to_string()))?;
        Ok(PyProgram { module: Arc::new(module), signature: self.signature.clone() })
    }

    /// The program of a file that says what it is.
    #[staticmethod]
    #[pyo3(signature = (text, module = None, signature = None))]
    fn of_saved(text: &str, module: Option<&str>, signature: Option<&str>) -> PyResult<PyProgram> {
        let saved = SavedProgram::read(text).map_err(|error| usage(error.to_string()))?;
        let kind = module.or(saved.about.module.as_deref()).ok_or_else(|| usage("the saved program does not name its module: give it"))?;
        let signature = match signature {
            Some(text) => signature_of(text)?,
            None => saved.about.signature.clone().ok_or_else(|| usage("the saved program does not name its signature: give it"))?,
        };
        let module = saved.build_as(kind, signature.clone()).map_err(|error| usage(error.to_string()))?;
        Ok(PyProgram { module: Arc::new(module), signature: Some(signature) })
    }

    /// The program with these demonstrations for the predictor of a path.
    fn with_demos(&self, path: &str, demos: &str) -> PyResult<PyProgram> {
        let demos: Vec<Record> = serde_json::from_str(demos).map_err(|error| usage(error.to_string()))?;
        let overlay = corsac_program::Overlay::default().with_demos(path, demos);
        let module = corsac_program::Overlaid::new(Arc::clone(&self.module), overlay);
        Ok(PyProgram { module: Arc::new(module), signature: self.signature.clone() })
    }
}

impl PyProgram {
    pub(crate) fn of(module: Arc<dyn Module>, signature: Option<Signature>) -> PyProgram {
        PyProgram { module, signature }
    }

    pub(crate) fn signature_if_any(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    fn work(
        &self,
        engine: &PyEngine,
        inputs: &str,
        settings: Option<&str>,
        place: Option<Place>,
    ) -> PyResult<impl Future<Output = PyResult<String>> + Send + use<>> {
        let inputs: Record = serde_json::from_str(inputs).map_err(|error| usage(format!("the inputs: {error}")))?;
        let (asking, engine, module) = (Asking::read(settings)?, engine.clone(), Arc::clone(&self.module));
        Ok(async move {
            let prediction = match place {
                // what is outside decides who is asked, and collects what was served
                Some(place) => module.forward(&place.cx, &inputs).await,
                None => {
                    let opened = engine.core.opened().await?;
                    let cx = Context::new(&asking.lm(&opened)).fork(engine.core.next_row());
                    cx.run(module.as_ref(), &inputs).await
                }
            };
            prediction.map(|prediction| prediction_json(&prediction)).map_err(|error| of_module(&error))
        })
    }
}

/// Where a program that is written in Python runs: the model, the overlay that is tried, what is written down.
#[pyclass(frozen, from_py_object, module = "corsac._corsac")]
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) cx: Context,
}

/// A prediction as Python reads it.
pub(crate) fn prediction_json(prediction: &Prediction) -> String {
    let served = prediction.served.iter().map(|served| {
        let source = match served.source {
            Source::Asked => "asked",
            Source::Memory => "memory",
            Source::Shared => "shared",
        };
        json!({
            "predictor": served.predictor,
            "model": served.model,
            "provider": served.provider,
            "cost": served.cost.as_f64(),
            "attempts": served.attempts,
            "source": source,
        })
    });
    json!({
        "outputs": prediction.outputs,
        "served": served.collect::<Vec<_>>(),
        "cost": prediction.cost().as_f64(),
        "attempts": prediction.attempts(),
        "model": prediction.model(),
        "provider": prediction.provider(),
    })
    .to_string()
}

/// A program's failure as an exception.
pub(crate) fn of_module(error: &ModuleError) -> PyErr {
    match error {
        ModuleError::Failed { failure, predictor } => {
            let told = corsac_dispatch::Failure { message: format!("{predictor}: {failure}").into(), ..failure.as_ref().clone() };
            of_failure(&told)
        }
        ModuleError::Input { .. } => usage(error.to_string()),
        _ => crate::errors::call_error(error.kind(), &error.to_string()),
    }
}

/// Reads the text form of a signature and gives it field by field, as JSON.
#[pyfunction]
pub(crate) fn parse_signature(text: &str) -> PyResult<String> {
    let signature = Signature::parse(text).map_err(|error| usage(error.to_string()))?;
    serde_json::to_string(&signature).map_err(|error| usage(error.to_string()))
}
