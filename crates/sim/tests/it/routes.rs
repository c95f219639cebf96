//! The shape of every route.

use std::time::Duration;

use corsac_sim::SimRequest;
use serde_json::{Value, json};

use crate::{KEY, chat, get, json_of, question, simulator};

/// Every name in a JSON value with the kind of what it holds; of lists the first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("yes or no"),
        Value::Null => Value::Null,
    }
}

#[test]
fn a_chat_answer() {
    let reply = chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let body = json_of(&reply);
    assert_eq!(reply.header("X-Generation-Id"), body["id"].as_str());
    insta::assert_json_snapshot!("chat", body);
}

#[test]
fn the_catalog() {
    let simulator = simulator("");
    let all = json_of(&get(&simulator, "/api/v1/models"));
    insta::assert_json_snapshot!("models_shape", shape(&all));
    let ids = |path: &str| -> Vec<String> {
        let body = json_of(&get(&simulator, path));
        body["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    insta::assert_json_snapshot!("model_ids", ids("/models"));
    assert_eq!(ids("/models/user"), ids("/models"));
    assert_eq!(ids("/models?output_modalities=embeddings"), ["openai/text-embedding-3-small"]);
    assert_eq!(ids("/embeddings/models"), ["openai/text-embedding-3-small"]);
    assert!(ids("/models?output_modalities=all").len() > ids("/models").len());
    assert!(!ids("/models?supported_parameters=structured_outputs").contains(&"anthropic/claude-3-haiku".to_owned()));
    assert_eq!(ids("/models?q=HAIKU&limit=1&offset=1"), ["anthropic/claude-haiku-4.5"]);
    assert_eq!(ids("/models?sort=context-high-to-low&limit=1"), ["google/gemini-2.5-flash"]);
    let page = json_of(&get(&simulator, "/models?limit=2"));
    assert_eq!(page["links"]["next"], "/api/v1/models?offset=2&limit=2");
    let count = json_of(&get(&simulator, "/models/count"));
    assert_eq!(count["data"]["count"].as_u64().unwrap() as usize, ids("/models").len());
}

#[test]
fn one_model_and_its_endpoints() {
    let simulator = simulator("");
    let model = json_of(&get(&simulator, "/model/openai/gpt-4o-mini"));
    insta::assert_json_snapshot!("model", model);
    let listed = json_of(&get(&simulator, "/models/meta-llama/llama-3.3-70b-instruct/endpoints"));
    insta::assert_json_snapshot!("endpoints_shape", shape(&listed));
    let free = get(&simulator, "/models/meta-llama/llama-3.3-70b-instruct%3Afree/endpoints");
    assert_eq!(json_of(&free)["data"]["endpoints"][0]["provider_name"], "Venice");
    let without = simulator.handle(
        &SimRequest { method: "GET".into(), path: "/models/openai/gpt-4o/endpoints".into(), ..SimRequest::default() },
        Duration::ZERO,
    );
    assert_eq!(json_of(&without)["data"]["endpoints"][0]["latency_last_30m"], Value::Null);
    assert_eq!(get(&simulator, "/model/acme/none").status, 404);
}

#[test]
fn keys_and_credits() {
    let simulator = simulator("[keys]\nmanagement = ['sk-or-v1-manager-key']\ncredits_dollars = '12.5'");
    insta::assert_json_snapshot!("key", json_of(&get(&simulator, "/key")));
    assert_eq!(json_of(&get(&simulator, "/auth/key")), json_of(&get(&simulator, "/key")));
    assert_eq!(get(&simulator, "/credits").status, 403);
    chat(&simulator, &question("openai/gpt-4o"), Duration::ZERO);
    let reply = simulator.handle(&SimRequest::get("/credits", "sk-or-v1-manager-key"), Duration::ZERO);
    let credits = json_of(&reply);
    assert_eq!(credits["data"]["total_credits"].as_f64(), Some(12.5));
    assert_eq!(credits["data"]["total_usage"].to_string(), simulator.seen().cost_dollars.to_string());
    let inference = SimRequest::post("/chat/completions", "sk-or-v1-manager-key", question("openai/gpt-4o").to_string());
    assert_eq!(simulator.handle(&inference, Duration::ZERO).status, 403);
}

#[test]
fn keys_are_asked_for() {
    let asked = |script: &str, key: Option<&str>| {
        let mut request = SimRequest::post("/chat/completions", "", question("openai/gpt-4o").to_string());
        request.headers.retain(|(name, _)| name != "authorization");
        if let Some(key) = key {
            request.headers.push(("Authorization".into(), format!("Bearer {key}")));
        }
        let reply = simulator(script).handle(&request, Duration::ZERO);
        (reply.status, json_of(&reply)["error"]["message"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(asked("", None), (401, "Missing Authentication header".to_owned()));
    assert_eq!(asked("", Some("")), (401, "No auth credentials found".to_owned()));
    assert_eq!(asked("", Some("sk-other")), (401, "User not found.".to_owned()));
    assert_eq!(asked("", Some("sk-or-v1-x")).0, 200);
    assert_eq!(asked("[keys]\naccepted = ['one']", Some("sk-or-v1-x")).0, 401);
    assert_eq!(asked("[keys]\naccepted = ['one']", Some("one")).0, 200);
    assert_eq!(asked("[keys]\nopen = true", None).0, 200);
    assert_eq!(asked("[keys]\nopen = true", Some("anything")).0, 200);
}

#[test]
fn embeddings() {
    let simulator = simulator("");
    let ask = |extra: Value| {
        let mut body = json!({ "model": "openai/text-embedding-3-small", "input": ["red shoes", "a tax form"], "dimensions": 8 });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        simulator.handle(&SimRequest::post("/embeddings", KEY, body.to_string()), Duration::ZERO)
    };
    let reply = ask(json!({}));
    let body = json_of(&reply);
    assert_eq!(body["data"][1]["embedding"].as_array().unwrap().len(), 8);
    assert_eq!((body["usage"]["prompt_tokens"].as_u64(), body["usage"]["cost"].to_string()), (Some(6), "1.2e-7".to_owned()));
    assert!(String::from_utf8(reply.body_bytes()).unwrap().contains("\"cost\":0.00000012,"));
    let encoded = json_of(&ask(json!({ "encoding_format": "base64", "input": "red shoes" })));
    assert_eq!(encoded["data"][0]["embedding"].as_str().unwrap().len(), (8 * 4usize).div_ceil(3) * 4);
    assert_eq!(json_of(&ask(json!({ "input": [[1, 2, 3]] })))["usage"]["total_tokens"], 3);
    assert_eq!(ask(json!({ "model": "openai/gpt-4o" })).status, 400);
    assert_eq!(ask(json!({ "input": [] })).status, 400);
}

#[test]
fn a_generation_is_found_half_a_second_later() {
    let simulator = simulator("latency_ms = 1000");
    let reply = chat(&simulator, &question("openai/gpt-4o-mini"), Duration::from_secs(10));
    let id = json_of(&reply)["id"].as_str().unwrap().to_owned();
    let look = |milliseconds| {
        let request = SimRequest::get(&format!("/generation?id={id}"), KEY);
        simulator.handle(&request, Duration::from_millis(milliseconds))
    };
    assert_eq!(look(11_400).status, 404);
    let found = json_of(&look(11_500));
    assert_eq!(found["data"]["total_cost"], json_of(&reply)["usage"]["cost"]);
    insta::assert_json_snapshot!("generation_shape", shape(&found));
    assert_eq!(get(&simulator, "/generation").status, 400);
}

#[test]
fn what_is_wrong_gets_the_status_of_the_contract() {
    let simulator = simulator("");
    let mut body = question("acme/fake-1.0");
    let error = json_of(&chat(&simulator, &body, Duration::ZERO));
    assert_eq!(error["error"]["message"], "acme/fake-1.0 is not a valid model ID");
    assert_eq!(error["error"]["availability"]["code"], "model_not_found");
    body["model"] = json!("openai/text-embedding-3-small");
    assert_eq!(chat(&simulator, &body, Duration::ZERO).status, 400);
    let garbage = SimRequest::post("/chat/completions", KEY, "{\"model\":");
    assert_eq!(simulator.handle(&garbage, Duration::ZERO).status, 400);
    assert_eq!(get(&simulator, "/chat/completions").status, 405);
    assert_eq!(get(&simulator, "/nowhere").status, 404);
}

#[test]
fn what_was_seen_is_told_without_keys() {
    let simulator = simulator("");
    let mut request = SimRequest::post("/chat/completions", KEY, question("openai/gpt-4o-mini").to_string());
    request.headers.push(("X-OpenRouter-Title".into(), "Corsac test".into()));
    request.headers.push(("HTTP-Referer".into(), "https://corsac.invalid".into()));
    for _ in 0..120 {
        assert_eq!(simulator.handle(&request, Duration::ZERO).status, 200);
    }
    chat(&simulator, &question("acme/none"), Duration::ZERO);
    let seen = json_of(&get(&simulator, "/sim/seen"));
    assert_eq!(seen["requests"], 121);
    assert_eq!(seen["by_status"], json!({ "200": 120, "400": 1 }));
    assert_eq!(seen["by_model"], json!({ "openai/gpt-4o-mini": 120 }));
    assert_eq!(seen["distinct_chat_bodies"], 2);
    assert_eq!(seen["attribution_titles"], json!(["Corsac test"]));
    assert_eq!(seen["without_attribution"], 1);
    assert_eq!(seen["recent"].as_array().unwrap().len(), 100);
    let last = seen["recent"][99]["body"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(last).unwrap()["model"], "acme/none");
    let text = seen.to_string();
    assert!(text.contains("Bearer …cdef") && !text.contains("0123456789"), "{text}");
}

#[test]
fn metadata_comes_when_asked_for() {
    let simulator = simulator("down = [{ model = 'openai/gpt-4o', fault = 'http_503' }]");
    let mut body = question("openai/gpt-4o");
    body["models"] = json!(["anthropic/claude-3-haiku"]);
    let mut request = SimRequest::post("/chat/completions", KEY, body.to_string());
    request.headers.push(("X-OpenRouter-Metadata".into(), "enabled".into()));
    let answer = json_of(&simulator.handle(&request, Duration::ZERO));
    assert_eq!(answer["openrouter_metadata"]["attempt"], 2);
    assert_eq!(answer["openrouter_metadata"]["strategy"], "fallback");
    assert!(json_of(&chat(&simulator, &body, Duration::ZERO))["openrouter_metadata"].is_null());
}

#[test]
fn a_script_changes_the_catalog() {
    let simulator = simulator(
        "[[model]]\nid = 'acme/tiny'\ncontext_length = 100\nprompt_price = '0.000001'\n\
         [[model.endpoint]]\nprovider = 'groq'\nsupported_parameters = ['max_tokens']\n\
         [[model]]\nid = 'openai/gpt-4o'\nremove = true",
    );
    assert!(simulator.model_ids().all(|id| id != "openai/gpt-4o"));
    let answer =
        json_of(&chat(&simulator, &json!({ "model": "acme/tiny", "messages": [{ "role": "user", "content": "hi" }] }), Duration::ZERO));
    assert_eq!(answer["provider"], "Groq");
    let long = json!({ "model": "acme/tiny", "messages": [{ "role": "user", "content": "word ".repeat(200) }] });
    let error = json_of(&chat(&simulator, &long, Duration::ZERO));
    assert!(error["error"]["message"].as_str().unwrap().contains("maximum context length is 100 tokens"), "{error}");
}
