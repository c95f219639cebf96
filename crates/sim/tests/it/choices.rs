//! What a request can ask of its answers, and what routing and the cache remember between requests.

use std::time::Duration;

use corsac_sim::{SimReply, SimRequest, Simulator};
use serde_json::{Value, json};

use crate::{KEY, chat, content, json_of, question, simulator};

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn several_answers_differ_and_are_all_paid() {
    let body = with(question("openai/gpt-4o-mini"), json!({ "n": 3 }));
    let reply = json_of(&chat(&simulator(""), &body, Duration::ZERO));
    let texts: std::collections::BTreeSet<&str> =
        reply["choices"].as_array().unwrap().iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect();
    assert!(texts.len() > 1, "{texts:?}");
    let single = json_of(&chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO));
    assert_eq!(reply["choices"][0]["message"], single["choices"][0]["message"]);
    assert!(reply["usage"]["completion_tokens"].as_u64() > single["usage"]["completion_tokens"].as_u64());
    let streamed = chat(&simulator(""), &with(body, json!({ "stream": true })), Duration::ZERO);
    let text = String::from_utf8(streamed.body_bytes()).unwrap();
    assert!(text.contains("\"index\":2,\"delta\""), "{text}");
}

#[test]
fn a_seed_chooses_the_answer() {
    let simulator = simulator("");
    let ask = |seed: u32| content(&chat(&simulator, &with(question("openai/gpt-4o-mini"), json!({ "seed": seed })), Duration::ZERO));
    assert_eq!(ask(1), ask(1));
    let answers: std::collections::BTreeSet<String> = (0..10).map(ask).collect();
    assert!(answers.len() > 2, "{answers:?}");
    // a model without a seed does not hear of it
    let claude =
        |seed: u32| content(&chat(&simulator, &with(question("anthropic/claude-3-haiku"), json!({ "seed": seed })), Duration::ZERO));
    assert_eq!(claude(1), claude(2));
}

#[test]
fn a_stop_sequence_ends_the_answer() {
    let simulator = simulator("[[rule]]\ncontent = 'one two three four'");
    let body = with(question("anthropic/claude-3-haiku"), json!({ "stop": ["four", " three"], "provider": { "only": ["anthropic"] } }));
    let reply = json_of(&chat(&simulator, &body, Duration::ZERO));
    let choice = &reply["choices"][0];
    assert_eq!(choice["message"]["content"], "one two");
    assert_eq!((&choice["finish_reason"], &choice["native_finish_reason"]), (&json!("stop"), &json!("stop_sequence")));
}

#[test]
fn probabilities_come_where_an_endpoint_knows_them() {
    let wish = json!({ "logprobs": true, "top_logprobs": 3 });
    let told = |model: &str| json_of(&chat(&simulator(""), &with(question(model), wish.clone()), Duration::ZERO))["choices"][0].clone();
    let choice = told("openai/gpt-4o-mini");
    let tokens = choice["logprobs"]["content"].as_array().unwrap();
    let text: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(choice["message"]["content"], text);
    assert!(tokens.iter().all(|token| token["logprob"].as_f64() <= Some(0.0) && token["top_logprobs"].as_array().unwrap().len() == 3));
    assert_eq!(told("anthropic/claude-3-haiku")["logprobs"], Value::Null);
}

#[test]
fn json_mode_of_openai_wants_the_word() {
    let wish = json!({ "response_format": { "type": "json_object" } });
    let mut body = with(question("openai/gpt-4o-mini"), wish);
    let error = json_of(&chat(&simulator(""), &body, Duration::ZERO));
    assert!(error["error"]["metadata"]["raw"].as_str().unwrap().contains("'json'"), "{error}");
    body["messages"][0]["content"] = json!("Tell me about foxes as JSON");
    assert_eq!(chat(&simulator(""), &body, Duration::ZERO).status, 200);
}

const LLAMA: &str = "meta-llama/llama-3.3-70b-instruct";

fn provider(reply: &SimReply) -> String {
    json_of(reply)["provider"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_stays_with_its_endpoint_for_ten_minutes() {
    let simulator = simulator("");
    let ask = |number: u64, session: Option<&str>, seconds| {
        let mut body = with(question(LLAMA), json!({ "user": format!("user {number}") }));
        if let Some(session) = session {
            body["session_id"] = json!(session);
        }
        provider(&chat(&simulator, &body, Duration::from_secs(seconds)))
    };
    let free: std::collections::BTreeSet<String> = (0..40).map(|number| ask(number, None, 0)).collect();
    assert!(free.len() > 1, "{free:?}");
    let stuck: std::collections::BTreeSet<String> = (0..40).map(|number| ask(number, Some("s"), number * 500)).collect();
    assert_eq!(stuck.len(), 1);
    let loose: std::collections::BTreeSet<String> = (0..40).map(|number| ask(number, Some("t"), number * 700)).collect();
    assert!(loose.len() > 1, "{loose:?}");
    let request = |number: u64| {
        let body = with(question(LLAMA), json!({ "user": format!("header {number}") })).to_string();
        let mut request = SimRequest::post("/chat/completions", KEY, body);
        request.headers.push(("X-Session-Id".into(), "from a header".into()));
        provider(&simulator.handle(&request, Duration::ZERO))
    };
    assert_eq!((0..20).map(request).collect::<std::collections::BTreeSet<_>>().len(), 1);
}

#[test]
fn an_endpoint_that_failed_is_tried_last_for_a_while() {
    let simulator = simulator("[[rule]]\nprovider = 'chutes'\nfault = 'http_502'");
    let tries = |simulator: &Simulator| simulator.seen().tries_by_endpoint.get(&format!("{LLAMA} @ chutes")).copied().unwrap_or(0);
    let ask = |from: u64, seconds| {
        for number in from..from + 30 {
            let body = with(question(LLAMA), json!({ "user": format!("user {number}") }));
            assert_eq!(chat(&simulator, &body, Duration::from_secs(seconds)).status, 200);
        }
        tries(&simulator)
    };
    assert_eq!(ask(0, 0), 1);
    assert_eq!(ask(30, 29), 1);
    assert_eq!(ask(60, 31), 2);
}

fn cached(simulator: &Simulator, headers: &[(&str, &str)], seconds: u64) -> SimReply {
    let mut request = SimRequest::post("/chat/completions", KEY, question("openai/gpt-4o-mini").to_string());
    request.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    simulator.handle(&request, Duration::from_secs(seconds))
}

#[test]
fn the_response_cache_answers_for_nothing_until_it_is_too_old() {
    let simulator = simulator("");
    let wish = [("X-OpenRouter-Cache", "true"), ("X-OpenRouter-Cache-TTL", "60")];
    assert_eq!(cached(&simulator, &[], 0).header("x-openrouter-cache-status"), None);
    let first = cached(&simulator, &wish, 1);
    assert_eq!(first.header("x-openrouter-cache-status"), Some("MISS"));
    let spent = simulator.seen().cost_dollars;
    let hit = cached(&simulator, &wish, 11);
    assert_eq!((hit.header("x-openrouter-cache-status"), hit.header("x-openrouter-cache-age")), (Some("HIT"), Some("10")));
    assert_eq!(
        (hit.header("x-openrouter-cache-ttl"), hit.header("x-openrouter-cache-source-id")),
        (Some("50"), first.header("x-generation-id"))
    );
    assert_eq!(content(&hit), content(&first));
    assert_eq!(json_of(&hit)["usage"], json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 }));
    assert_ne!(hit.header("x-generation-id"), first.header("x-generation-id"));
    assert_eq!((simulator.seen().cost_dollars, simulator.seen().cache_hits), (spent, 1));
    let cleared = [wish[0], wish[1], ("X-OpenRouter-Cache-Clear", "true")];
    assert_eq!(cached(&simulator, &cleared, 12).header("x-openrouter-cache-status"), Some("MISS"));
    assert_eq!(cached(&simulator, &wish, 72).header("x-openrouter-cache-status"), Some("MISS"));
}

#[test]
fn metadata_stands_beside_an_error_too() {
    let simulator = simulator("down = [{ model = 'openai/*' }]");
    for name in ["X-OpenRouter-Metadata", "X-OpenRouter-Experimental-Metadata"] {
        let error = json_of(&cached(&simulator, &[(name, "enabled")], 0));
        let metadata = &error["openrouter_metadata"];
        assert_eq!((&metadata["attempt"], &metadata["attempts"][0]["status"]), (&json!(1), &json!(503)), "{error}");
    }
    assert!(json_of(&cached(&simulator, &[("X-OpenRouter-Metadata", "yes")], 0))["openrouter_metadata"].is_null());
}

#[test]
fn service_tiers_serve_those_who_ask_for_them() {
    let simulator = simulator(
        "[[model]]\nid = 'acme/tiered'\n[[model.endpoint]]\nprovider = 'openai'\n\
         [[model.endpoint]]\nprovider = 'openai'\ntag = 'openai/flex'\nprompt_price = '0.00000001'\n\
         [[model.endpoint]]\nprovider = 'openai'\ntag = 'openai/priority'",
    );
    let tried = |more: Value| {
        simulator.reset();
        let reply = chat(&simulator, &with(question("acme/tiered"), more), Duration::ZERO);
        assert_eq!(reply.status, 200, "{}", json_of(&reply));
        simulator.seen().tries_by_endpoint.keys().map(|key| key.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tried(json!({ "provider": { "only": ["openai"] } })), ["openai"]);
    assert_eq!(tried(json!({ "service_tier": "flex" })), ["openai/flex"]);
    assert_eq!(tried(json!({ "provider": { "only": ["openai/priority"] } })), ["openai/priority"]);
    assert_eq!(tried(json!({ "model": "acme/tiered:floor" })), ["openai/flex"]);
}
