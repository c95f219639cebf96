//! A model door over a simulator in the same process, which keeps the bodies that were sent.

use std::sync::Arc;

use async_trait::async_trait;
use corsac_dispatch::{Catalog, Dispatcher, Exchange, ExchangeError, OpenReply, RawReply, Request, Settings, VirtualClock};
use corsac_ledger::{Ledger, RunId, RunStart};
use corsac_program::{Lm, Record};
use corsac_sim::{SimConfig, SimExchange, Simulator};
use parking_lot::Mutex;
use serde_json::Value;

const START_MS: i64 = 1_795_305_600_000;

/// Notes what is sent.
#[derive(Debug)]
struct Noting {
    inner: SimExchange,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Noting {
    fn note(&self, request: &Request) {
        if let Some(body) = &request.body {
            self.bodies.lock().push(serde_json::from_slice(body).unwrap());
        }
    }
}

#[async_trait]
impl Exchange for Noting {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        self.note(&request);
        self.inner.exchange(request).await
    }

    async fn open(&self, request: Request) -> Result<OpenReply, ExchangeError> {
        self.note(&request);
        self.inner.open(request).await
    }

    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn window(&self) -> usize {
        self.inner.window()
    }
}

pub(crate) struct World {
    pub(crate) lm: Lm,
    pub(crate) dispatcher: Arc<Dispatcher>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl World {
    pub(crate) fn new(script: &str) -> World {
        World::over(script, Ledger::in_memory().unwrap())
    }

    pub(crate) fn over(script: &str, ledger: Ledger) -> World {
        World::of(SimConfig::from_script(script).unwrap(), ledger)
    }

    pub(crate) fn of(config: SimConfig, ledger: Ledger) -> World {
        let simulator = Simulator::new(config).unwrap();
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let inner = SimExchange::new(simulator, START_MS, vec![("X-OpenRouter-Title".into(), "Tests".into())]);
        let exchange = Noting { inner, bodies: Arc::clone(&bodies) };
        let start = RunStart {
            started_ms: START_MS,
            command: "test".into(),
            query: String::new(),
            settings: Value::Null,
            engine: "sim".into(),
            model: "openai/gpt-4o-mini".into(),
            pid: std::process::id(),
        };
        let run: RunId = ledger.start_run(start).unwrap();
        let clock = Arc::new(VirtualClock::at(START_MS));
        let dispatcher = Arc::new(Dispatcher::new(Arc::new(exchange), ledger, clock, Settings::default()));
        World { lm: Lm::new(Arc::clone(&dispatcher), run), dispatcher, bodies }
    }

    /// Takes the simulator's catalog in, as the command does.
    pub(crate) async fn with_catalog(self) -> World {
        let calm = SimExchange::new(Simulator::new(SimConfig::default()).unwrap(), START_MS, Vec::new());
        let catalog = Catalog::fetch(&calm, true, START_MS).await.unwrap();
        self.dispatcher.learn_catalog(0, &catalog);
        self
    }

    /// The bodies sent so far.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().clone()
    }

    /// The text of the last message that was sent.
    pub(crate) fn last_text(&self) -> String {
        let bodies = self.bodies();
        let messages = bodies.last().unwrap()["messages"].as_array().unwrap().clone();
        messages.last().unwrap()["content"].as_str().unwrap().to_owned()
    }
}

/// A script whose replies to chat requests are these, one after another; the last stays.
pub(crate) fn replies(texts: &[&str]) -> String {
    let mut script = String::new();
    for (place, text) in texts.iter().enumerate() {
        let times = if place + 1 < texts.len() { "times = 1\n" } else { "" };
        script.push_str(&format!("[[rule]]\npath = \"/chat/completions\"\n{times}content = {}\n", Value::from(*text)));
    }
    script
}

/// A script that replies by what stands in the request.
pub(crate) fn replies_to(pairs: &[(&str, &str)]) -> String {
    let rule =
        |(contains, text): &(&str, &str)| format!("[[rule]]\ncontains = {}\ncontent = {}\n", Value::from(*contains), Value::from(*text));
    pairs.iter().map(rule).collect()
}

pub(crate) fn values(json: Value) -> Record {
    json.as_object().unwrap().clone()
}
