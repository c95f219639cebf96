//! The simulator as its callers see it: by `handle` under virtual time, and through a socket.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod answers;
mod choices;
mod determinism;
mod exchange;
mod faults;
mod keys;
mod limits;
mod oracle;
mod prices;
mod routes;
mod scripts;
mod skins;
mod socket;
mod streams;
mod tools;

use std::time::Duration;

use corsac_sim::{SimConfig, SimReply, SimRequest, Simulator};
use serde_json::{Value, json};

const KEY: &str = "sk-or-v1-0123456789abcdef";

/// A simulator from a script.
fn simulator(script: &str) -> Simulator {
    Simulator::new(SimConfig::from_script(script).unwrap()).unwrap()
}

/// Asks a chat question.
fn chat(simulator: &Simulator, body: &Value, now: Duration) -> SimReply {
    simulator.handle(&SimRequest::post("/api/v1/chat/completions", KEY, body.to_string()), now)
}

/// The body as JSON.
fn json_of(reply: &SimReply) -> Value {
    let bytes = reply.body_bytes();
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}

fn get(simulator: &Simulator, path: &str) -> SimReply {
    simulator.handle(&SimRequest::get(path, KEY), Duration::ZERO)
}

/// A plain question to a model.
fn question(model: &str) -> Value {
    json!({ "model": model, "max_tokens": 200, "messages": [{ "role": "user", "content": "Tell me about red foxes" }] })
}

/// A question that must be answered by the schema.
fn structured(model: &str, text: &str, schema: &Value) -> Value {
    json!({
        "model": model,
        "messages": [{ "role": "user", "content": text }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } },
    })
}

/// The text of the first choice.
fn content(reply: &SimReply) -> String {
    let body = json_of(reply);
    body.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_else(|| panic!("{body:#}")).to_owned()
}
