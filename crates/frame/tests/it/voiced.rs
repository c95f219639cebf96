//! The simulator with the stand-in's voice: every request goes the whole way through the dispatcher to the simulator and back,
//! and only what the model says is replaced by what the stand-in would say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corsac_dispatch::{Ask, Dispatcher, Exchange, ExchangeError, RawReply, Request, Route, Settings, VirtualClock};
use corsac_frame::{Session, SessionOptions};
use corsac_ledger::{Ledger, RunStart};
use corsac_schema::Schema;
use corsac_sim::{SimConfig, SimExchange, Simulator};
use serde_json::{Value, json};

use crate::fake::{value_of, vector_of};

const STARTED_MS: i64 = 1_795_305_600_000;

#[derive(Debug)]
pub(crate) struct Voiced {
    simulator: SimExchange,
    /// Questions and texts to embed so far.
    asked: AtomicUsize,
    /// What a question about two texts is answered with, where vectors are to be the simulator's own.
    verdict: Option<fn(&str) -> bool>,
}

impl Voiced {
    pub(crate) fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Exchange for Voiced {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let question: Value = request.body.as_ref().map_or(Value::Null, |body| serde_json::from_slice(body).unwrap());
        let mut reply = self.simulator.exchange(request).await?;
        let Ok(mut said) = serde_json::from_slice::<Value>(&reply.body) else { return Ok(reply) };
        if let Some(inputs) = question.get("input") {
            let inputs = inputs.as_array().cloned().unwrap_or_else(|| vec![inputs.clone()]);
            self.asked.fetch_add(inputs.len(), Ordering::SeqCst);
            let Some(vectors) = said.get_mut("data").and_then(Value::as_array_mut) else { panic!("no vectors: {said} for {question}") };
            for (vector, input) in vectors.iter_mut().zip(&inputs).filter(|_| self.verdict.is_none()) {
                vector["embedding"] = vector_of(input.as_str().unwrap());
            }
        } else if let Some(messages) = question.get("messages").and_then(Value::as_array) {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let user = messages.last().and_then(|message| message["content"].as_str()).unwrap();
            if let Some(verdict) = self.verdict {
                said["choices"][0]["message"]["content"] = json!(json!({ "answer": verdict(user) }).to_string());
            } else if user.contains("[fail]") {
                reply.status = 403;
                said = json!({ "error": { "code": 403, "message": "Input flagged", "metadata": { "reasons": ["told to"], "flagged_input": "[fail]" } } });
            } else {
                let schema = &question["response_format"]["json_schema"]["schema"];
                let content = match schema {
                    Value::Null => format!("<{user}>"),
                    schema => value_of(Schema::from_json(schema.clone()).unwrap().kind(), user).to_string(),
                };
                said["choices"][0]["message"]["content"] = json!(content);
            }
        }
        reply.body = said.to_string().into_bytes().into();
        Ok(reply)
    }

    fn engine(&self) -> &'static str {
        self.simulator.engine()
    }

    fn address(&self) -> String {
        self.simulator.address()
    }

    fn window(&self) -> usize {
        64
    }
}

/// A session whose calls go to the simulator. Answers of earlier queries do not count, as with the stand-in.
pub(crate) fn session() -> (Arc<Voiced>, Session) {
    session_with(None)
}

/// The same with the simulator's vectors, and questions answered by a rule.
pub(crate) fn judged(verdict: fn(&str) -> bool) -> (Arc<Voiced>, Session) {
    session_with(Some(verdict))
}

fn session_with(verdict: Option<fn(&str) -> bool>) -> (Arc<Voiced>, Session) {
    let simulator = Simulator::new(SimConfig::from_script("latency_ms = 0\ngeneration_delay_ms = 0").unwrap()).unwrap();
    let voiced = Arc::new(Voiced { simulator: SimExchange::new(simulator, STARTED_MS, Vec::new()), asked: AtomicUsize::new(0), verdict });
    let ledger = Ledger::in_memory().unwrap();
    let start = RunStart {
        started_ms: STARTED_MS,
        command: "test".into(),
        query: String::new(),
        settings: Value::Null,
        engine: "sim".into(),
        model: "openai/gpt-4o-mini".into(),
        pid: 1,
    };
    let run = ledger.start_run(start).unwrap();
    let mut settings = Settings { routes: vec![Route::to("openai/gpt-4o-mini")], ..Settings::default() };
    settings.memory.fresh = true;
    let clock = Arc::new(VirtualClock::at(STARTED_MS));
    let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&voiced) as Arc<dyn Exchange>, ledger, clock, settings));
    (voiced, Session::new(dispatcher as Arc<dyn Ask>, run, SessionOptions::default()))
}
