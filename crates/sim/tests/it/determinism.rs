//! The same seed and the same requests give the same replies, byte by byte.

use std::time::Duration;

use serde_json::json;

use crate::{chat, question, simulator};

const SCRIPT: &str = "latency_ms = [10, 90]
[[rule]]
probability = 0.3
fault = 'http_502'
[[rule]]
every = 4
fault = 'malformed_json'";

/// Everything a hundred requests get.
fn trace(seed: u64) -> Vec<(u16, Duration, Vec<u8>)> {
    let simulator = simulator(&format!("seed = {seed}\n{SCRIPT}"));
    (0..100)
        .map(|number| {
            let mut body = question("meta-llama/llama-3.3-70b-instruct");
            body["stream"] = json!(number % 3 == 0);
            body["user"] = json!(format!("user {number}"));
            let reply = chat(&simulator, &body, Duration::from_millis(number * 50));
            (reply.status, reply.delay, reply.body_bytes())
        })
        .collect()
}

#[test]
fn one_seed_one_trace() {
    assert!(trace(1) == trace(1));
    assert!(trace(1) != trace(2));
}

#[test]
fn an_answer_depends_on_seed_and_text_only() {
    let simulator = simulator("seed = 5");
    let first = crate::content(&chat(&simulator, &question("openai/gpt-4o"), Duration::ZERO));
    let later = crate::content(&chat(&simulator, &question("openai/gpt-4o"), Duration::from_secs(99)));
    assert_eq!(first, later);
}

#[test]
fn reset_starts_everything_anew() {
    let simulator = simulator("fault_every = [{ every = 2, fault = 'http_500' }]");
    let statuses = || -> Vec<u16> { (0..3).map(|_| chat(&simulator, &question("openai/gpt-4o"), Duration::ZERO).status).collect() };
    let before = statuses();
    assert_eq!(before, [200, 500, 200]);
    let reset = corsac_sim::SimRequest::post("/api/v1/sim/reset", crate::KEY, "");
    assert_eq!(simulator.handle(&reset, Duration::ZERO).status, 200);
    assert_eq!(simulator.seen().requests, 0);
    assert_eq!(statuses(), before);
}
