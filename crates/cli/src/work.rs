//! A run that is no query: the engine opened, the run begun, and its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corsac_dispatch::{Clock, SystemClock};
use corsac_ledger::{EndState, Ledger, RunEnd, RunId, RunStart};
use corsac_program::Lm;
use serde_json::Value;

use crate::args::Asking;
use crate::engine::{self, Engine};
use crate::exit::{Exit, Stop};
use crate::{home, interrupt, notice};

/// How long the end waits for requests under way.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run under way.
pub(crate) struct Work {
    pub(crate) engine: Engine,
    pub(crate) run: RunId,
    ledger: Ledger,
    started: Instant,
    _stops: interrupt::Watch,
    _tells: Option<notice::Watch>,
}

impl Work {
    /// Opens the engine and begins a run. The price is found out first where a budget is set.
    pub(crate) async fn begin(asking: &Asking, command: &str, what: &str, quiet: bool) -> Result<Work, Stop> {
        let mut prepared = engine::prepare(asking)?;
        prepared.price(prepared.settings.ceilings.run.is_some()).await?;
        let ledger = home::ledger()?;
        let engine = prepared.open(ledger.clone()).await?;
        let run = ledger.start_run(RunStart {
            started_ms: SystemClock::new().epoch_ms(),
            command: command.to_owned(),
            query: what.to_owned(),
            settings: Value::Null,
            engine: engine.name.to_owned(),
            model: engine.model.clone(),
            pid: std::process::id(),
        })?;
        Ok(Work {
            _stops: interrupt::watch(&engine.dispatcher),
            _tells: (!quiet).then(|| notice::watch(Arc::clone(&engine.dispatcher))),
            engine,
            run,
            ledger,
            started: Instant::now(),
        })
    }

    /// The model as programs see it.
    pub(crate) fn lm(&self) -> Lm {
        Lm::new(Arc::clone(&self.engine.dispatcher), self.run.clone())
    }

    /// Since the run began.
    pub(crate) fn took(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for what is under way and ends the run.
    pub(crate) async fn end(self, exit: Exit, rows: u64, note: Option<String>) -> Result<(), Stop> {
        self.engine.dispatcher.drain(PATIENCE).await;
        let state = match exit {
            Exit::Done | Exit::RowsFailed => EndState::Completed,
            Exit::BudgetReached => EndState::BudgetReached,
            Exit::Interrupted => EndState::Interrupted,
            Exit::Failure | Exit::Usage | Exit::Configuration => EndState::Failed,
        };
        let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state, rows, note };
        Ok(self.ledger.finish_run(&self.run, end).await?)
    }
}
