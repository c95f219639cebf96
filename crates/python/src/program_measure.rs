//! Measuring and improving programs for Python: `evaluate` and `tune`, with metrics by name or as functions of Python's.

use std::sync::Arc;

use async_trait::async_trait;
use corsac_program::evaluate::{Interval, Report, named_metric};
use corsac_program::{Context, Evaluate, Evaluation, Example, Metric, ModuleError, Prediction, Record};
use corsac_tune::{Budget, OPTIMIZERS, Optimizer, Task, TuneError, Tuned, named_optimizer};
use corsac_wire::Usd;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::PyEngine;
use crate::errors::usage;
use crate::program::{Asking, PyProgram, of_module, prediction_json};
use crate::runtime;

/// A function of Python's as a metric: it takes the example's values and the prediction as JSON.
struct PythonMetric {
    name: String,
    score: Arc<Py<PyAny>>,
}

#[async_trait]
impl Metric for PythonMetric {
    fn name(&self) -> &str {
        &self.name
    }

    async fn score(&self, _: &Context, example: &Example, prediction: &Prediction) -> Result<f64, ModuleError> {
        let (values, prediction) = (Value::Object(example.values.clone()).to_string(), prediction_json(prediction));
        let score = Arc::clone(&self.score);
        let scored = tokio::task::spawn_blocking(move || {
            Python::attach(|py| score.call1(py, (values, prediction))?.extract::<f64>(py)).map_err(|error| error.to_string())
        });
        let fails = |why: String| ModuleError::other("metric", why);
        scored.await.map_err(|error| fails(error.to_string()))?.map_err(fails)
    }
}

/// A metric by name, or a function.
fn metric_of(py: Python<'_>, metric: &Bound<'_, PyAny>, field: Option<&str>) -> PyResult<Arc<dyn Metric>> {
    if let Ok(name) = metric.extract::<String>() {
        return named_metric(&name, field).map_err(|error| usage(error.to_string()));
    }
    let name = metric.getattr("__name__").and_then(|name| name.extract()).unwrap_or_else(|_| "metric".to_owned());
    Ok(Arc::new(PythonMetric { name, score: Arc::new(metric.clone().unbind().clone_ref(py)) }))
}

/// Rows of data, and the names of those that a program is given.
#[derive(Debug, Deserialize)]
struct Row {
    values: Record,
    inputs: Vec<String>,
}

fn examples_of(text: &str) -> PyResult<Vec<Example>> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|error| usage(format!("the examples: {error}")))?;
    Ok(rows.into_iter().map(|row| Example { values: row.values, inputs: row.inputs.into() }).collect())
}

fn interval_json(interval: Option<Interval>) -> Value {
    interval.map_or(Value::Null, |interval| json!({"mean": interval.mean, "low": interval.low, "high": interval.high}))
}

fn evaluation_json(evaluation: &Evaluation, examples: &[Example], seed: u64) -> String {
    let outcomes = evaluation.outcomes.iter().map(|outcome| {
        json!({
            "row": outcome.row,
            "prediction": outcome.prediction.as_ref().ok().and_then(|one| serde_json::from_str::<Value>(&prediction_json(one)).ok()),
            "score": outcome.score.as_ref().ok(),
            "error": outcome.score.as_ref().err().map(ToString::to_string),
            "error_kind": outcome.score.as_ref().err().map(|error| error.kind().name()),
            "cost": outcome.cost.as_f64(),
            "attempts": outcome.attempts,
        })
    });
    json!({
        "metric": evaluation.metric,
        "score": evaluation.score(),
        "interval": interval_json(evaluation.interval(seed)),
        "failed": evaluation.failed(),
        "failures": evaluation.failures(),
        "cost": evaluation.cost().as_f64(),
        "stopped_early": evaluation.stopped_early(),
        "outcomes": outcomes.collect::<Vec<_>>(),
        "report": Report { evaluation, examples, by: None, seed }.to_string(),
    })
    .to_string()
}

async fn evaluated(
    engine: PyEngine,
    program: PyProgram,
    asking: Asking,
    examples: Vec<Example>,
    metric: Arc<dyn Metric>,
    at_once: usize,
    seed: u64,
) -> PyResult<String> {
    let opened = engine.core.opened().await?;
    let evaluate = Evaluate::new(examples).at_once(at_once);
    let evaluation = evaluate.run(&Context::new(&asking.lm(&opened)), program.module.as_ref(), metric.as_ref()).await;
    Ok(evaluation_json(&evaluation, evaluate.examples(), seed))
}

/// Runs a program over examples and measures it.
#[pyfunction]
#[pyo3(signature = (engine, program, examples, metric, *, field = None, settings = None, at_once = 64, seed = 0, asynchronous = false))]
#[expect(clippy::too_many_arguments, reason = "Python's keywords")]
pub(crate) fn evaluate_program<'py>(
    py: Python<'py>,
    engine: &PyEngine,
    program: &PyProgram,
    examples: &str,
    metric: &Bound<'py, PyAny>,
    field: Option<&str>,
    settings: Option<&str>,
    at_once: usize,
    seed: u64,
    asynchronous: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (asking, examples, metric) = (Asking::read(settings)?, examples_of(examples)?, metric_of(py, metric, field)?);
    let work = evaluated(engine.clone(), program.clone(), asking, examples, metric, at_once, seed);
    if asynchronous {
        return runtime::awaitable(py, work);
    }
    Ok(runtime::wait(py, work)??.into_pyobject(py)?.into_any())
}

/// What a search is for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Search {
    optimizer: String,
    candidates: Option<u64>,
    dollars: Option<String>,
    calls: Option<u64>,
    held_out: f64,
    seed: u64,
}

impl Default for Search {
    fn default() -> Search {
        Search { optimizer: "random-search".to_owned(), candidates: None, dollars: None, calls: None, held_out: 0.5, seed: 0 }
    }
}

fn tuned_json(tuned: &Tuned) -> Value {
    let best = tuned.best().map(|candidate| candidate.name.clone());
    let candidates = tuned.candidates.iter().map(|candidate| {
        json!({
            "name": candidate.name,
            "score": candidate.measured.as_ref().map(|measured| measured.score),
            "interval": interval_json(candidate.measured.as_ref().and_then(|measured| measured.interval)),
            "failed": candidate.measured.as_ref().map(|measured| measured.failed),
            "cost": candidate.cost.as_f64(),
            "calls": candidate.calls,
            "best": Some(&candidate.name) == best.as_ref(),
        })
    });
    json!({
        "candidates": candidates.collect::<Vec<_>>(),
        "spent": tuned.spent.as_f64(),
        "calls": tuned.calls,
        "complete": tuned.complete,
        "report": tuned.to_string(),
    })
}

/// A search, with all it needs.
struct Searching {
    engine: PyEngine,
    program: PyProgram,
    asking: Asking,
    examples: Vec<Example>,
    held_out: Option<Vec<Example>>,
    metric: Arc<dyn Metric>,
    optimizer: Box<dyn Optimizer>,
    budget: Budget,
    search: Search,
}

impl Searching {
    async fn run(self) -> PyResult<(PyProgram, String)> {
        let opened = self.engine.core.opened().await?;
        let lm = self.asking.lm(&opened);
        let (program, metric, seed) = (Arc::clone(&self.program.module), self.metric, self.search.seed);
        let task = match self.held_out {
            Some(held_out) => Task::with_held_out(&lm, program, self.examples, held_out, metric, self.budget).with_seed(seed),
            None => Task::split(&lm, program, self.examples, self.search.held_out, seed, metric, self.budget),
        };
        let tuned = self.optimizer.tune(&task).await.map_err(|error| match &error {
            TuneError::TooFew(_) => usage(error.to_string()),
            TuneError::Stopped(stopped) => of_module(stopped),
        })?;
        let better = PyProgram::of(Arc::new(tuned.program()), self.program.signature_if_any().cloned());
        Ok((better, tuned_json(&tuned).to_string()))
    }
}

/// Searches for a better program by data.
#[pyfunction]
#[pyo3(signature = (engine, program, examples, metric, search, *, held_out = None, field = None, settings = None, asynchronous = false))]
#[expect(clippy::too_many_arguments, reason = "Python's keywords")]
pub(crate) fn tune_program<'py>(
    py: Python<'py>,
    engine: &PyEngine,
    program: &PyProgram,
    examples: &str,
    metric: &Bound<'py, PyAny>,
    search: &str,
    held_out: Option<&str>,
    field: Option<&str>,
    settings: Option<&str>,
    asynchronous: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let search: Search = serde_json::from_str(search).map_err(|error| usage(format!("the search: {error}")))?;
    let optimizer = named_optimizer(&search.optimizer, search.candidates)
        .ok_or_else(|| usage(format!("there is no optimizer {:?}; there are {}", search.optimizer, OPTIMIZERS.join(", "))))?;
    let dollars = search.dollars.as_deref().map(|text| Usd::parse(text.trim_start_matches('$'))).transpose();
    let dollars = dollars.map_err(|error| usage(format!("budget: {error}")))?;
    let searching = Searching {
        engine: engine.clone(),
        program: program.clone(),
        asking: Asking::read(settings)?,
        examples: examples_of(examples)?,
        held_out: held_out.map(examples_of).transpose()?,
        metric: metric_of(py, metric, field)?,
        optimizer,
        budget: Budget { dollars, calls: search.calls },
        search,
    };
    if asynchronous {
        return runtime::awaitable(py, searching.run());
    }
    Ok(runtime::wait(py, searching.run())??.into_pyobject(py)?.into_any())
}
