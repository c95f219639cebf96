//! A dispatcher over a simulator in the same process, with its own ledger.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{Ask, Call, CallSettings, Contract, Deadlines, Dispatcher, Origin, Outcome, Settings, VirtualClock};
use corsac_ledger::{Ledger, RunId, RunStart};
use corsac_schema::Schema;
use corsac_sim::{Seen, SimConfig, SimExchange, Simulator};
use futures::future::join_all;

pub(crate) const PRIMARY: &str = "openai/gpt-4o-mini";
pub(crate) const FALLBACK: &str = "anthropic/claude-3-haiku";
pub(crate) const START_MS: i64 = 1_795_305_600_000;

pub(crate) struct World {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) ledger: Ledger,
    pub(crate) run: RunId,
    simulator: Simulator,
}

impl World {
    pub(crate) fn new(script: &str, settings: Settings) -> World {
        World::over(script, settings, Ledger::in_memory().unwrap())
    }

    pub(crate) fn over(script: &str, settings: Settings, ledger: Ledger) -> World {
        let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
        let exchange = SimExchange::new(simulator.clone(), START_MS, vec![("X-OpenRouter-Title".into(), "Tests".into())]);
        let run = ledger
            .start_run(RunStart {
                started_ms: START_MS,
                command: "test".into(),
                query: String::new(),
                settings: serde_json::Value::Null,
                engine: "sim".into(),
                model: PRIMARY.into(),
                pid: std::process::id(),
            })
            .unwrap();
        let clock = Arc::new(VirtualClock::at(START_MS));
        let dispatcher = Arc::new(Dispatcher::new(Arc::new(exchange), ledger.clone(), clock, settings));
        World { dispatcher, ledger, run, simulator }
    }

    /// A classification of a text.
    pub(crate) fn call(&self, row: u64, text: &str) -> Call {
        classification(&self.run, row, text)
    }

    pub(crate) async fn ask(&self, text: &str) -> Outcome {
        self.dispatcher.ask(self.call(0, text)).await
    }

    /// Asks so many different questions at once.
    pub(crate) async fn ask_many(&self, count: u64) -> Vec<Outcome> {
        join_all((0..count).map(|row| {
            let call = self.call(row, &format!("text number {row}"));
            let dispatcher = Arc::clone(&self.dispatcher);
            async move { dispatcher.ask(call).await }
        }))
        .await
    }

    pub(crate) fn seen(&self) -> Seen {
        self.simulator.seen()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen().by_route.iter().filter(|(route, _)| route.contains("chat")).map(|(_, count)| count).sum()
    }
}

pub(crate) fn with_fallback() -> Settings {
    Settings::of_models([PRIMARY, FALLBACK])
}

/// So many seconds for one request.
pub(crate) fn patient(seconds: u64) -> Deadlines {
    Deadlines { request: Duration::from_secs(seconds), ..Deadlines::default() }
}

/// A classification of a text in the name of a run.
pub(crate) fn classification(run: &RunId, row: u64, text: &str) -> Call {
    Call {
        origin: Origin { run: run.clone(), operator: "semantic_classify".into(), row },
        system: "Classify the text the user sends as one of:\n- good\n- bad\nAnswer as JSON.".into(),
        user: text.to_owned(),
        contract: Contract::Json(Schema::labels(&["good".into(), "bad".into()]).unwrap()),
        settings: Arc::new(CallSettings::default()),
    }
}
