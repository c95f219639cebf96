//! One run: its place in the ledger, its session, its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corsac_dispatch::{Catalog, Clock, Dispatcher, FailureKind, LateAsk, SystemClock};
use corsac_frame::{Destination, Format, SendableRecordBatchStream, Target};
use corsac_frame::{FrameError, Query, Session, SessionOptions, Written, write};
use corsac_ledger::{EndState, Ledger, RunEnd, RunId, RunStart};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::engine::Prepared;
use crate::exit::{Exit, Stop, of_kind};
use crate::{home, interrupt, notice, progress, report};

/// How long the end of a run waits for requests that nobody needs any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run is recorded as.
pub(crate) struct Told {
    pub(crate) command: &'static str,
    pub(crate) query: String,
    pub(crate) settings: Value,
    pub(crate) quiet: bool,
}

/// A session whose queries are planned before anything is opened.
pub(crate) struct Planning {
    pub(crate) session: Session,
    door: Arc<LateAsk>,
}

impl Planning {
    pub(crate) fn new(options: SessionOptions) -> Planning {
        let door = Arc::new(LateAsk::remembering(home::ledger_if_any));
        let session = Session::new(Arc::clone(&door) as _, RunId::unrecorded(), options);
        Planning { session, door }
    }

    /// Tells who plans what calls will cost.
    pub(crate) fn know(&self, prepared: &Prepared) {
        self.door.know(prepared.settings.clone());
    }
}

/// A run under way.
pub(crate) struct Job {
    planning: Planning,
    dispatcher: Arc<Dispatcher>,
    ledger: Ledger,
    run: RunId,
    engine: &'static str,
    model: String,
    coming: Option<JoinHandle<()>>,
    started: Instant,
    quiet: bool,
    rows: u64,
}

impl Job {
    /// Opens the engine and begins a run.
    pub(crate) async fn begin(planning: Planning, prepared: Prepared, ledger: Ledger, told: Told) -> Result<Job, Stop> {
        let engine = prepared.open(ledger.clone()).await?;
        let run = ledger.start_run(RunStart {
            started_ms: SystemClock::new().epoch_ms(),
            command: told.command.to_owned(),
            query: told.query,
            settings: told.settings,
            engine: engine.name.to_owned(),
            model: engine.model.clone(),
            pid: std::process::id(),
        })?;
        planning.door.open(Arc::clone(&engine.dispatcher), run.clone());
        Ok(Job {
            planning,
            dispatcher: engine.dispatcher,
            ledger,
            run,
            engine: engine.name,
            model: engine.model,
            coming: engine.coming,
            started: Instant::now(),
            quiet: told.quiet,
            rows: 0,
        })
    }

    pub(crate) fn run_id(&self) -> &RunId {
        &self.run
    }

    pub(crate) fn session(&self) -> &Session {
        &self.planning.session
    }

    /// Runs a query to its end and writes its rows.
    pub(crate) async fn run(&mut self, query: Query, format: Format, target: Target) -> Result<Written, FrameError> {
        self.run_into(query, |rows| write(rows, format, target)).await
    }

    /// Runs a query to its end and keeps its rows where its statement says.
    pub(crate) async fn keep(&mut self, query: Query, destination: Destination) -> Result<Written, FrameError> {
        self.run_into(query, |rows| destination.fill(rows)).await
    }

    async fn run_into<F>(&mut self, query: Query, into: impl FnOnce(SendableRecordBatchStream) -> F) -> Result<Written, FrameError>
    where
        F: Future<Output = Result<Written, FrameError>>,
    {
        let asks = query.has_semantic_calls();
        let _watch = interrupt::watch(&self.dispatcher);
        let _told = (!self.quiet).then(|| notice::watch(Arc::clone(&self.dispatcher)));
        let shown = (!self.quiet).then(|| progress::show(self.session().progress(), Arc::clone(&self.dispatcher)));
        let written = into(query.stream().await?).await;
        drop(shown);
        if let (Ok(written), true) = (&written, asks) {
            self.rows += written.rows;
        }
        written
    }

    /// Ends the run in the ledger, reports, and says how the command exits.
    pub(crate) async fn end(mut self, result: Result<(), FrameError>) -> Result<Exit, Stop> {
        // answers that a LIMIT no longer needs are paid for: they are kept
        self.dispatcher.drain(PATIENCE).await;
        let failures: Vec<_> =
            self.session().progress().failures().into_iter().filter(|(kind, _)| *kind != FailureKind::Interrupted).collect();
        let gone = matches!(&result, Err(error) if error.is_closed_pipe());
        let (exit, stop) = match result {
            Ok(()) => (exit_of(failures.iter().map(|(kind, _)| *kind)), None),
            Err(_) if gone => (Exit::Done, None),
            Err(error) => {
                let unknown = matches!(&error, FrameError::Stopped(failure) if failure.kind == FailureKind::NoSuchModel);
                let mut stop = Stop::from(error);
                if unknown {
                    stop.message.push_str(&self.nearest_models().await);
                }
                (stop.exit, Some(stop))
            }
        };
        let state = match exit {
            Exit::Done | Exit::RowsFailed if stop.is_none() => EndState::Completed,
            Exit::Interrupted => EndState::Interrupted,
            Exit::BudgetReached => EndState::BudgetReached,
            _ => EndState::Failed,
        };
        let note = stop.as_ref().map(|stop| stop.message.clone());
        let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state, rows: self.rows, note };
        let ended = self.ledger.finish_run(&self.run, end).await;
        if !self.quiet {
            let job = report::Report {
                run: &self.run,
                engine: self.engine,
                summary: &self.dispatcher.tally().summary(),
                failures: &failures,
                limits: &self.dispatcher.learned_limits(),
                rows: self.rows,
                took: self.started.elapsed(),
                exit,
            };
            report::print(&job);
        }
        ended?;
        match stop {
            Some(stop) => Err(stop),
            None => Ok(exit),
        }
    }
}

impl Job {
    /// The models with names like the one that nobody knows, once the catalog is here.
    async fn nearest_models(&mut self) -> String {
        if let Some(coming) = self.coming.take() {
            // without a catalog the message is only shorter
            let _ = tokio::time::timeout(Duration::from_secs(5), coming).await;
        }
        let kept = home::catalog_file(&self.dispatcher.address()).ok().and_then(|file| Catalog::kept(&file, &self.dispatcher.address()));
        match kept.map(|catalog| catalog.resolve(&self.model)) {
            Some(Err(unknown)) if !unknown.nearest.is_empty() => format!("; did you mean {}?", unknown.nearest.join(", ")),
            _ => String::new(),
        }
    }
}

fn exit_of(kinds: impl Iterator<Item = FailureKind>) -> Exit {
    let exits: Vec<Exit> = kinds.map(of_kind).collect();
    if exits.is_empty() {
        Exit::Done
    } else if exits.contains(&Exit::BudgetReached) {
        Exit::BudgetReached
    } else {
        Exit::RowsFailed
    }
}
