//! Records to put in, and a way to wait without a runtime of many threads.

use std::future::Future;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use corsac_ledger::*;
use corsac_wire::Usd;

pub(crate) const NOON: Millis = 1_790_000_000_000;

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint::of([&number.to_le_bytes()[..]])
}

pub(crate) fn start(query: &str) -> RunStart {
    RunStart {
        started_ms: NOON,
        command: "corsac sql".into(),
        query: query.into(),
        settings: serde_json::json!({"budget": "2.00", "fallback": ["anthropic/claude-3-haiku"]}),
        engine: "openrouter".into(),
        model: "openai/gpt-4o-mini".into(),
        pid: std::process::id(),
    }
}

pub(crate) fn end(state: EndState) -> RunEnd {
    RunEnd { ended_ms: NOON + 5_000, state, rows: 3, note: None }
}

pub(crate) fn attempt(pico: i64) -> AttemptRecord {
    AttemptRecord {
        started_ms: NOON + 10,
        duration_ms: 640,
        model_asked: "openai/gpt-4o-mini".into(),
        model_served: Some("openai/gpt-4o-mini".into()),
        provider: Some("OpenAI".into()),
        strategy: "response_format".into(),
        http_status: Some(200),
        fault: None,
        message: None,
        remedy: None,
        usage: Usage { prompt_tokens: 180, completion_tokens: 12, cached_tokens: 128, ..Usage::default() },
        cost: Usd::from_pico(pico),
        cost_source: CostSource::Reported,
        generation_id: Some("gen-1790000000-x".into()),
        ..AttemptRecord::default()
    }
}

pub(crate) fn answer(body: &str, pico: i64) -> StoredAnswer {
    StoredAnswer {
        body: body.into(),
        model: "openai/gpt-4o-mini".into(),
        provider: Some("OpenAI".into()),
        cost: Usd::from_pico(pico),
        usage: Usage { prompt_tokens: 180, completion_tokens: 12, cached_tokens: 128, ..Usage::default() },
        created_ms: NOON + 650,
        repaired: false,
    }
}

pub(crate) fn answered(run: &RunId, number: u64) -> CallRecord {
    CallRecord {
        run: run.clone(),
        fingerprint: fingerprint(number),
        operator: "semantic_classify".into(),
        row: number,
        input: format!("parcel {number} came late"),
        schema: None,
        outcome: CallOutcome::Answered(answer(&format!("answer {number}"), 14_250_000)),
        attempts: vec![attempt(14_250_000)],
    }
}

pub(crate) fn failed(run: &RunId, number: u64, kind: &str, message: &str) -> CallRecord {
    let fault = AttemptRecord {
        http_status: Some(503),
        fault: Some(Arc::from(kind)),
        message: Some(message.into()),
        remedy: Some("gave up: no attempts left".into()),
        model_served: None,
        provider: None,
        ..attempt(0)
    };
    CallRecord {
        outcome: CallOutcome::Failed { kind: kind.into(), message: message.into() },
        attempts: vec![fault.clone(), fault],
        ..answered(run, number)
    }
}

pub(crate) fn from_memory(run: &RunId, number: u64) -> CallRecord {
    CallRecord { outcome: CallOutcome::FromMemory, attempts: vec![], ..answered(run, number) }
}

/// A process of its own that does what this test does when the variable names a file, and the lines it writes.
pub(crate) fn spawn(test: &str, variable: &str, file: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(variable, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}
