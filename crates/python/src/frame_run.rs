//! From a plan to its rows: each run has an id in the ledger, its own figures, and somebody who may look on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use corsac_dispatch::{Clock, FailureKind, LateAsk, Opened, SystemClock};
use corsac_frame::{DataFrame, Existing, Format, FrameError, Progress, Query, SendableRecordBatchStream, Target, Watch, write};
use corsac_ledger::{EndState, RunEnd, RunId, RunStart};
use futures::TryStreamExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrow::Rows;
use crate::errors::{dollars, of_ledger};
use crate::frame::PyFrame;
use crate::frame_error::of_frame;
use crate::runtime;
use crate::session::{SessionCore, in_session};

/// How often somebody who looks on is told.
const TELL: Duration = Duration::from_millis(250);
/// How long the end of a run waits for requests that nobody needs any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run is for.
enum Want {
    Rows,
    Count,
    File { path: PathBuf, existing: Existing, format: Format },
    Table { name: String, statement: String },
}

/// What a run gave.
enum Got {
    Rows(Rows),
    Count(u64),
    Written(u64),
}

/// Ends a run in the ledger, also when its future is dropped by Ctrl-C.
struct Ending {
    opened: Opened,
    run: RunId,
    ended: bool,
}

impl Ending {
    async fn end(mut self, state: EndState, rows: u64, note: Option<String>) -> PyResult<()> {
        // answers that a limit no longer needs are paid for: they are kept
        self.opened.dispatcher.drain(PATIENCE).await;
        self.ended = true;
        let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state, rows, note };
        self.opened.ledger.finish_run(&self.run, end).await.map_err(|error| of_ledger(&error))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (ledger, run) = (self.opened.ledger.clone(), self.run.clone());
        let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state: EndState::Interrupted, rows: 0, note: None };
        if let Ok(handle) = runtime::handle() {
            // nobody is left who could be told that it was not written
            handle.spawn(async move { drop(ledger.finish_run(&run, end).await) });
        }
    }
}

/// What a run came to.
#[derive(Debug)]
struct Told {
    run: Option<RunId>,
    rows: u64,
    took: Duration,
    progress: Arc<Progress>,
    watch: Watch,
    ledger: Option<corsac_ledger::RunSummary>,
}

/// What a run gave and came to.
struct Done {
    got: Got,
    told: Told,
}

async fn run(core: Arc<SessionCore>, frame: DataFrame, want: Want, looks_on: Option<Py<PyAny>>) -> PyResult<Done> {
    let started = Instant::now();
    let (session, door) = core.begin()?;
    let frame = in_session(&session, frame.logical_plan().clone()).map_err(of_frame)?;
    let progress = session.progress();
    let (query, place) = match &want {
        Want::Table { name, statement } => {
            session.register_frame(name, &frame).map_err(of_frame)?;
            match session.statement(statement).await.map_err(of_frame)? {
                corsac_frame::Statement::Keep(keep) => {
                    let (query, destination) = keep.into_parts();
                    (query, Some(destination))
                }
                _ => return Err(PyValueError::new_err("the statement keeps no rows")),
            }
        }
        Want::Count => {
            use datafusion::functions_aggregate::count::count_all;
            (frame.aggregate([count_all().alias("rows")]).map_err(of_frame)?.plan().await.map_err(of_frame)?, None)
        }
        Want::Rows | Want::File { .. } => (frame.plan().await.map_err(of_frame)?, None),
    };
    let watch = query.watch();
    let ending = begin(&core, &query, &door).await?;
    let run = ending.as_ref().map(|ending| ending.run.clone());
    let work = work(query, want, place);
    let result = match looks_on {
        Some(told) => looked_on(work, &progress, &told).await,
        None => work.await.map_err(of_frame),
    };
    let (rows, state, note) = match &result {
        Ok(got) => (count(got), state_of(&progress), None),
        Err(error) => (0, EndState::Failed, Some(Python::attach(|py| error.value(py).to_string()))),
    };
    let mut ledger = None;
    if let Some(ending) = ending {
        let opened = ending.opened.clone();
        ending.end(state, rows, note).await?;
        let id = run.clone();
        let read = tokio::task::spawn_blocking(move || id.map(|id| opened.ledger.run(id.as_str()))).await;
        ledger = read.ok().flatten().and_then(Result::ok);
    }
    Ok(Done { got: result?, told: Told { run, rows, took: started.elapsed(), progress, watch, ledger } })
}

/// Begins a run where a model is asked; a query that asks nobody leaves nothing behind.
async fn begin(core: &Arc<SessionCore>, query: &Query, door: &Arc<LateAsk>) -> PyResult<Option<Ending>> {
    if !query.has_semantic_calls() {
        return Ok(None);
    }
    let opened = core.engine.opened().await?;
    let address = opened.dispatcher.address();
    // the engine's own run says who answers
    let of_engine = opened.ledger.run(opened.run.as_str()).map_err(|error| of_ledger(&error))?;
    let run = opened.ledger.start_run(RunStart {
        started_ms: SystemClock::new().epoch_ms(),
        command: "frame".to_owned(),
        query: query.explain(),
        settings: serde_json::json!({ "address": address }),
        engine: of_engine.engine,
        model: of_engine.model,
        pid: std::process::id(),
    });
    let run = run.map_err(|error| of_ledger(&error))?;
    door.open(Arc::clone(&opened.dispatcher), run.clone());
    Ok(Some(Ending { opened, run, ended: false }))
}

async fn work(query: Query, want: Want, place: Option<corsac_frame::Destination>) -> Result<Got, FrameError> {
    let schema = query.schema();
    let stream = query.stream().await?;
    match want {
        Want::Rows => Ok(Got::Rows(Rows::new(schema, gathered(stream).await?))),
        Want::Count => {
            use arrow::array::AsArray;
            let batches = gathered(stream).await?;
            let rows = batches.first().and_then(|batch| batch.columns().first()?.as_primitive_opt::<arrow::datatypes::Int64Type>());
            Ok(Got::Count(rows.filter(|rows| rows.len() == 1).map_or(0, |rows| rows.value(0).unsigned_abs())))
        }
        Want::File { path, existing, format } => Ok(Got::Written(write(stream, format, Target::Place { path, existing }).await?.rows)),
        Want::Table { .. } => match place {
            Some(place) => Ok(Got::Written(place.fill(stream).await?.rows)),
            None => Err(FrameError::Query { message: "the statement keeps no rows".to_owned() }),
        },
    }
}

async fn gathered(stream: SendableRecordBatchStream) -> Result<Vec<RecordBatch>, FrameError> {
    stream.try_collect().await.map_err(FrameError::from)
}

fn count(got: &Got) -> u64 {
    match got {
        Got::Rows(rows) => rows.batches.iter().map(|batch| batch.num_rows() as u64).sum(),
        Got::Count(rows) | Got::Written(rows) => *rows,
    }
}

fn state_of(progress: &Progress) -> EndState {
    let over = progress.failures().iter().any(|(kind, _)| *kind == FailureKind::BudgetReached);
    if over { EndState::BudgetReached } else { EndState::Completed }
}

/// Tells somebody how far the run is while it runs.
async fn looked_on(work: impl Future<Output = Result<Got, FrameError>>, progress: &Progress, told: &Py<PyAny>) -> PyResult<Got> {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(TELL);
    tick.tick().await;
    loop {
        tokio::select! {
            result = work.as_mut() => return result.map_err(of_frame),
            _ = tick.tick() => Python::attach(|py| told.call1(py, (figures(py, progress)?,)).map(drop))?,
        }
    }
}

fn figures<'py>(py: Python<'py>, progress: &Progress) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    told.set_item("rows_total", progress.rows_total())?;
    told.set_item("rows_done", progress.rows_done())?;
    told.set_item("in_flight", progress.in_flight())?;
    told.set_item("answered", progress.answered())?;
    told.set_item("from_memory", progress.from_memory())?;
    told.set_item("failed_rows", progress.failed_rows())?;
    told.set_item("cost", dollars(progress.cost()))?;
    Ok(told)
}

impl Told {
    fn into_dict(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let told = figures(py, &self.progress)?;
        told.set_item("run_id", self.run.as_ref().map(RunId::as_str))?;
        told.set_item("rows", self.rows)?;
        told.set_item("seconds", self.took.as_secs_f64())?;
        told.set_item("calls", self.progress.calls_finished())?;
        if let Some(run) = &self.ledger {
            told.set_item("requests", run.attempts)?;
            told.set_item("prompt_tokens", run.usage.prompt_tokens)?;
            told.set_item("completion_tokens", run.usage.completion_tokens)?;
            told.set_item("cached_tokens", run.usage.cached_tokens)?;
            let served = run.models.iter().map(|by| (by.model.to_string(), by.provider.as_deref().map(str::to_owned), by.answered));
            told.set_item("served", served.collect::<Vec<_>>())?;
        }
        let failures = PyList::empty(py);
        for (kind, count) in self.progress.failures() {
            let one = PyDict::new(py);
            one.set_item("kind", kind.name())?;
            one.set_item("rows", count.rows)?;
            one.set_item("operator", &count.operator)?;
            one.set_item("row", count.row)?;
            one.set_item("input", &count.input)?;
            one.set_item("message", &count.message)?;
            failures.append(one)?;
        }
        told.set_item("failures", failures)?;
        let operators = PyList::empty(py);
        for report in self.watch.read() {
            let one = PyDict::new(py);
            let figures = report.figures;
            one.set_item("operator", &report.operator)?;
            one.set_item("description", &report.description)?;
            one.set_item("rows", figures.rows)?;
            one.set_item("asked", figures.asked)?;
            one.set_item("from_memory", figures.from_memory)?;
            one.set_item("shared", figures.shared)?;
            one.set_item("nothing_to_ask", figures.nothing_to_ask)?;
            one.set_item("failed", figures.failed)?;
            one.set_item("requests", figures.requests)?;
            one.set_item("retried", figures.retried)?;
            one.set_item("cost", dollars(figures.cost))?;
            one.set_item("median_seconds", figures.median.map(|time| time.as_secs_f64()))?;
            one.set_item("p99_seconds", figures.p99.map(|time| time.as_secs_f64()))?;
            operators.append(one)?;
        }
        told.set_item("operators", operators)?;
        Ok(told)
    }
}

/// A pair of what was wanted and the figures, for Python.
impl<'py> IntoPyObject<'py> for Done {
    type Target = pyo3::types::PyTuple;
    type Output = Bound<'py, Self::Target>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let told = self.told.into_dict(py)?;
        match self.got {
            Got::Rows(rows) => (rows, told).into_pyobject(py),
            Got::Count(count) | Got::Written(count) => (count, told).into_pyobject(py),
        }
    }
}

fn file(path: PathBuf, mode: &str, format: &str) -> PyResult<Want> {
    let existing = match mode {
        "overwrite" => Existing::Replace,
        "append" => Existing::Append,
        "error" => Existing::Refuse,
        other => return Err(PyValueError::new_err(format!("{other:?} is no mode: overwrite, append, error, ignore"))),
    };
    let format = match format {
        "csv" => Format::Csv,
        "json" => Format::Json,
        "jsonl" => Format::JsonLines,
        "parquet" => Format::Parquet,
        "arrow" => Format::Arrow,
        "markdown" => Format::Markdown,
        other => return Err(PyValueError::new_err(format!("{other:?} is no format: csv, json, jsonl, parquet, arrow, markdown"))),
    };
    Ok(Want::File { path, existing, format })
}

impl PyFrame {
    fn now<'py>(&self, py: Python<'py>, want: Want, looks_on: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let done = runtime::wait(py, run(Arc::clone(&self.session), self.frame.clone(), want, looks_on))??;
        Ok(done.into_pyobject(py)?.into_any())
    }

    fn later<'py>(&self, py: Python<'py>, want: Want, looks_on: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        runtime::awaitable(py, run(Arc::clone(&self.session), self.frame.clone(), want, looks_on))
    }
}

#[pymethods]
impl PyFrame {
    /// All rows and what they came to. `progress` is called now and then with figures.
    #[pyo3(signature = (progress = None))]
    fn collect<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py, Want::Rows, progress)
    }

    #[pyo3(signature = (progress = None))]
    fn collect_async<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.later(py, Want::Rows, progress)
    }

    /// How many rows there are. Calls whose values nobody reads are not asked.
    #[pyo3(signature = (progress = None))]
    fn count<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py, Want::Count, progress)
    }

    #[pyo3(signature = (progress = None))]
    fn count_async<'py>(&self, py: Python<'py>, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.later(py, Want::Count, progress)
    }

    /// Writes a file, whole or not at all.
    #[pyo3(signature = (path, mode, format, progress = None))]
    fn write<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        mode: &str,
        format: &str,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.now(py, file(path, mode, format)?, progress)
    }

    #[pyo3(signature = (path, mode, format, progress = None))]
    fn write_async<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        mode: &str,
        format: &str,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.later(py, file(path, mode, format)?, progress)
    }

    /// Runs a statement that keeps rows, in which the frame has this name.
    #[pyo3(signature = (name, statement, progress = None))]
    fn keep<'py>(&self, py: Python<'py>, name: String, statement: String, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        self.now(py, Want::Table { name, statement }, progress)
    }

    /// The plan, first as what is asked and then as what is run. Nothing is asked.
    fn explain(&self, py: Python<'_>) -> PyResult<String> {
        let (core, frame) = (Arc::clone(&self.session), self.frame.clone());
        runtime::wait(py, async move {
            let (session, _door) = core.begin()?;
            let frame = in_session(&session, frame.logical_plan().clone()).map_err(of_frame)?;
            frame.explain().await.map_err(of_frame)
        })?
    }
}
