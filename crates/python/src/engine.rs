//! An engine for Python: opened from settings when it is first asked, in whatever process that is, and closed when the
//! interpreter ends. Sessions, frames and programs stand upon the same one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use corsac_dispatch::config::{Builder, DoorOptions, Engine as Kind};
use corsac_dispatch::{Clock, InProcess, InProcessDoor, OpenError, Opened, Opening, SystemClock, home};
use corsac_ledger::{EndState, Ledger, LedgerError, RunEnd};
use corsac_local::Places;
use corsac_local::weights::EMBEDDING_NAME;
use corsac_sim::{SimConfig, SimExchange, Simulator};
use corsac_wire::header;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::errors::{configuration, dollars, of_ledger, of_open};
use crate::runtime;

/// How long the end of the interpreter waits for requests under way: they are paid for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Engines of this process that may have to be closed.
static OPENED: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

/// What an engine is opened from, and the engine once it is open.
#[derive(Debug)]
pub(crate) struct Core {
    builder: Builder,
    command: String,
    home: Option<PathBuf>,
    sim_script: Option<PathBuf>,
    /// With the process that it belongs to.
    here: OnceLock<(u32, OnceCell<Opened>)>,
    /// Questions so far, which are the rows of the run.
    asked: AtomicU64,
    /// Of forked children; see `runtime`.
    forked: Mutex<Vec<(u32, Arc<OnceCell<Opened>>)>>,
}

impl Core {
    /// The engine, opened by the first who asks. Others wait for it.
    pub(crate) async fn opened(self: &Arc<Core>) -> PyResult<Opened> {
        let process = std::process::id();
        let (owner, cell) = self.here.get_or_init(|| (process, OnceCell::new()));
        let of_child;
        let cell = if *owner == process {
            cell
        } else {
            of_child = self.of_child(process);
            &of_child
        };
        cell.get_or_try_init(|| self.open()).await.cloned().map_err(|error| of_open(&error))
    }

    fn of_child(&self, process: u32) -> Arc<OnceCell<Opened>> {
        let mut forked = self.forked.lock();
        if let Some((_, cell)) = forked.iter().find(|(owner, _)| *owner == process) {
            return Arc::clone(cell);
        }
        let cell = Arc::new(OnceCell::new());
        forked.push((process, Arc::clone(&cell)));
        cell
    }

    async fn open(self: &Arc<Core>) -> Result<Opened, OpenError> {
        let home = self.home.clone().or_else(home::folder).ok_or(OpenError::NoHome)?;
        let (file, in_process) = (home::ledger_file(&home), InThisProcess { home: home.clone(), script: self.sim_script.clone() });
        let ledger = tokio::task::spawn_blocking(move || Ledger::open(&file)).await;
        let ledger = ledger.map_err(|error| OpenError::NotOpened(error.to_string()))??;
        let opening = Opening { ledger, home: Some(home), command: self.command.clone(), in_process: Some(Arc::new(in_process)) };
        let opened = self.builder.clone().build_with(opening).await?;
        OPENED.lock().push(Arc::downgrade(self));
        Ok(opened)
    }

    /// The engine, if it was opened in this process.
    pub(crate) fn if_opened(&self) -> Option<Opened> {
        let process = std::process::id();
        match self.here.get() {
            Some((owner, cell)) if *owner == process => cell.get().cloned(),
            _ => self.forked.lock().iter().find(|(owner, _)| *owner == process)?.1.get().cloned(),
        }
    }

    /// The number of the next question.
    pub(crate) fn next_row(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed)
    }
}

/// The embedded model and the simulator.
#[derive(Debug)]
struct InThisProcess {
    home: PathBuf,
    script: Option<PathBuf>,
}

impl InProcess for InThisProcess {
    fn open(&self, door: &DoorOptions) -> Result<InProcessDoor, String> {
        match door.engine {
            Kind::Sim => self.simulated(door),
            _ => self.embedded(),
        }
    }
}

impl InThisProcess {
    fn embedded(&self) -> Result<InProcessDoor, String> {
        let places = Places::from_env(Some(&self.home)).map_err(|error| error.to_string())?;
        let model = Some(places.chat_name());
        Ok(InProcessDoor { exchange: Arc::new(places.exchange(drop)), model, embedding_model: Some(EMBEDDING_NAME.to_owned()) })
    }

    fn simulated(&self, door: &DoorOptions) -> Result<InProcessDoor, String> {
        let now_ms = SystemClock::new().epoch_ms();
        let config = SimConfig::load(self.script.as_deref(), now_ms.unsigned_abs() / 1_000).map_err(|error| error.to_string())?;
        let simulator = Simulator::new(config).map_err(|error| error.to_string())?;
        let http = door.http(1);
        let mut headers = http.headers;
        headers.extend(http.app.url.map(|url| (header::REFERER.to_owned(), url)));
        headers.extend(http.app.name.map(|name| (header::TITLE.to_owned(), name)));
        Ok(InProcessDoor { exchange: Arc::new(SimExchange::new(simulator, now_ms, headers)), model: None, embedding_model: None })
    }
}

/// The engine behind models, sessions and programs. It is opened when it is first asked.
#[pyclass(frozen, name = "Engine", module = "corsac._corsac")]
#[derive(Debug, Clone)]
pub(crate) struct PyEngine {
    pub(crate) core: Arc<Core>,
}

#[pymethods]
impl PyEngine {
    /// `settings` is JSON in the form of `corsac.toml`; `environment` says whether variables, `.env` and `corsac.toml` are
    /// looked at below it.
    #[new]
    #[pyo3(signature = (settings, *, environment = true, fresh = false, home = None, sim_script = None, command = None))]
    fn new(
        settings: &str,
        environment: bool,
        fresh: bool,
        home: Option<PathBuf>,
        sim_script: Option<PathBuf>,
        command: Option<String>,
    ) -> PyResult<PyEngine> {
        let given: Value = serde_json::from_str(settings).map_err(|error| configuration(format!("settings: {error}")))?;
        let base = if environment { Builder::from_env().map_err(|error| configuration(error.to_string()))? } else { Builder::new() };
        let mut builder = base.settings(&given);
        if fresh {
            builder = builder.fresh();
        }
        // what is wrong is said here, not with the first question
        builder.clone().into_parts().map_err(|error| configuration(error.to_string()))?;
        Ok(PyEngine {
            core: Arc::new(Core {
                builder,
                command: command.unwrap_or_else(|| "python".to_owned()),
                home,
                sim_script,
                here: OnceLock::new(),
                asked: AtomicU64::new(0),
                forked: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Opens the engine now, rather than with the first question.
    fn open(&self, py: Python<'_>) -> PyResult<()> {
        runtime::wait(py, self.core.opened())?.map(drop)
    }

    /// The run under which calls are recorded; `None` before the first.
    #[getter]
    fn run_id(&self) -> Option<String> {
        self.core.if_opened().map(|opened| opened.run.to_string())
    }

    /// What was done so far: answers, requests, dollars, tokens, who served, which remedies were needed.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let summary = self.core.if_opened().map(|opened| opened.dispatcher.tally().summary()).unwrap_or_default();
        let told = PyDict::new(py);
        told.set_item("answered", summary.answered)?;
        told.set_item("from_memory", summary.from_memory)?;
        told.set_item("failed", summary.failed)?;
        told.set_item("requests", summary.requests)?;
        told.set_item("cost", dollars(summary.cost))?;
        told.set_item("prompt_tokens", summary.usage.prompt_tokens)?;
        told.set_item("completion_tokens", summary.usage.completion_tokens)?;
        told.set_item("cached_tokens", summary.usage.cached_tokens)?;
        let served = PyDict::new(py);
        for (model, provider, count) in &summary.served {
            let by = provider.as_ref().map_or_else(|| model.to_string(), |provider| format!("{model} by {provider}"));
            served.set_item(by, count)?;
        }
        told.set_item("served", served)?;
        let remedies = PyDict::new(py);
        for (name, count) in &summary.remedies {
            remedies.set_item(name, count)?;
        }
        told.set_item("remedies", remedies)?;
        Ok(told)
    }

    /// Asks nothing more; what is under way is waited for by whoever asked.
    fn stop(&self) {
        if let Some(opened) = self.core.if_opened() {
            opened.dispatcher.stop();
        }
    }

    /// Waits for what is under way and ends the run in the ledger.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.core.if_opened() {
            Some(opened) => runtime::wait(py, end(opened))?.map_err(|error| of_ledger(&error)),
            None => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        match self.core.if_opened() {
            Some(opened) => format!("<corsac engine at {}, run {}>", opened.dispatcher.address(), opened.run),
            None => "<corsac engine, not opened yet>".to_owned(),
        }
    }
}

/// Ends a run.
async fn end(opened: Opened) -> Result<(), LedgerError> {
    opened.dispatcher.drain(PATIENCE).await;
    let summary = opened.dispatcher.tally().summary();
    let state = if opened.dispatcher.is_stopped() { EndState::Interrupted } else { EndState::Completed };
    let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state, rows: summary.answered, note: None };
    opened.ledger.finish_run(&opened.run, end).await
}

/// Ends the runs of all engines: called when the interpreter ends.
#[pyfunction]
pub(crate) fn close_engines(py: Python<'_>) -> PyResult<()> {
    let engines: Vec<Opened> = OPENED.lock().drain(..).filter_map(|core| core.upgrade()?.if_opened()).collect();
    if engines.is_empty() {
        return Ok(());
    }
    // that a run could not be written is no news to a program that is over
    runtime::wait(py, async { drop(futures::future::join_all(engines.into_iter().map(end)).await) })
}

/// Where the ledger is kept.
#[pyfunction]
pub(crate) fn home_folder() -> Option<PathBuf> {
    home::folder().as_deref().map(Path::to_owned)
}
