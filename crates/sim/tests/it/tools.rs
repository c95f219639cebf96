//! Tools and reasoning over several turns: what is called, what must come back, what is refused.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{chat, content, json_of, simulator};

fn tool(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object",
        "properties": { "city": { "type": "string" } }, "required": ["city"], "additionalProperties": false } } })
}

fn ask(model: &str, text: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "max_tokens": 900, "messages": [{ "role": "user", "content": text }],
        "tools": [tool("weather"), tool("clock"), tool("map")] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn called(body: &Value) -> Vec<String> {
    let reply = json_of(&chat(&simulator(""), body, Duration::ZERO));
    let calls = reply["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    calls.iter().map(|call| call["function"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tools_named_in_the_text_are_called_together_unless_told_otherwise() {
    let both = "Use weather, then clock";
    let model = "openai/gpt-4o";
    assert_eq!(called(&ask(model, both, json!({}))), ["weather", "clock"]);
    assert_eq!(called(&ask(model, both, json!({ "parallel_tool_calls": false }))), ["weather"]);
    assert_eq!(called(&ask(model, both, json!({ "tool_choice": "required" }))), ["weather", "clock"]);
    assert_eq!(called(&ask(model, both, json!({ "tool_choice": { "type": "function", "function": { "name": "map" } } }))), ["map"]);
    assert!(called(&ask(model, both, json!({ "tool_choice": "none" }))).is_empty());
    assert_eq!(called(&ask(model, "weather in Oslo and in Rome", json!({}))), ["weather", "weather"]);
    assert_eq!(called(&ask(model, "no name at all", json!({}))).len(), 1);
}

/// A body whose conversation goes on with the reply's message and a result for each of its calls.
fn continued(mut body: Value, message: &Value) -> Value {
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    for (index, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
        messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": format!("result number {index}") }));
    }
    body
}

#[test]
fn results_lead_to_an_answer_that_tells_them() {
    let simulator = simulator("");
    let body = ask("openai/gpt-4o", "Use weather, then clock", json!({}));
    let first = json_of(&chat(&simulator, &body, Duration::ZERO));
    let next = continued(body, &first["choices"][0]["message"]);
    let said = content(&chat(&simulator, &next, Duration::ZERO));
    assert!(said.contains("result number 0") && said.contains("result number 1"), "{said}");
}

#[test]
fn calls_and_results_must_belong_together() {
    let simulator = simulator("");
    let body = ask("openai/gpt-4o", "Use weather, then clock", json!({}));
    let first = json_of(&chat(&simulator, &body, Duration::ZERO));
    let mut missing = continued(body, &first["choices"][0]["message"]);
    missing["messages"].as_array_mut().unwrap().pop();
    let error = json_of(&chat(&simulator, &missing, Duration::ZERO));
    assert_eq!((&error["error"]["code"], &error["error"]["message"]), (&json!(400), &json!("Provider returned error")));
    assert!(error["error"]["metadata"]["raw"].as_str().unwrap().contains("was not answered"), "{error}");
}

#[test]
fn a_tool_loop_keeps_its_reasoning_where_a_family_insists() {
    let simulator = simulator("");
    for (model, missing) in [
        ("anthropic/claude-sonnet-4", "Expected `thinking`"),
        ("google/gemini-2.5-flash", "reasoning details to be preserved"),
        ("google/gemini-3-pro-preview", "reasoning details to be preserved"),
    ] {
        let body = ask(model, "Use weather", json!({ "reasoning": { "effort": "low" } }));
        let first = json_of(&chat(&simulator, &body, Duration::ZERO));
        let message = &first["choices"][0]["message"];
        assert!(message["reasoning_details"].is_array(), "{first}");
        assert_eq!(chat(&simulator, &continued(body.clone(), message), Duration::ZERO).status, 200, "{model}");

        let mut forgetful = message.clone();
        forgetful.as_object_mut().unwrap().remove("reasoning_details");
        let error = json_of(&chat(&simulator, &continued(body.clone(), &forgetful), Duration::ZERO));
        assert!(error["error"]["metadata"]["raw"].as_str().unwrap().contains(missing), "{error}");

        let mut changed = message.clone();
        changed["reasoning_details"][0]["text"] = json!("something else");
        assert_eq!(chat(&simulator, &continued(body.clone(), &changed), Duration::ZERO).status, 400, "{model}");
    }
    // others do not look, and nobody looks where nothing was thought
    for (model, more) in [("openai/gpt-5-mini", json!({})), ("anthropic/claude-sonnet-4", json!({}))] {
        let body = ask(model, "Use weather", more);
        let first = json_of(&chat(&simulator, &body, Duration::ZERO));
        let mut forgetful = first["choices"][0]["message"].clone();
        forgetful.as_object_mut().unwrap().remove("reasoning_details");
        assert_eq!(chat(&simulator, &continued(body, &forgetful), Duration::ZERO).status, 200, "{model}");
    }
}

#[test]
fn details_have_the_form_of_their_family() {
    let form = |model: &str| {
        let mut body = ask(model, "x", json!({ "reasoning": { "effort": "low" } }));
        body.as_object_mut().unwrap().remove("tools");
        body["provider"] =
            json!({ "order": [match model.split('/').next().unwrap() { "google" => "google-ai-studio", author => author }] });
        let reply = json_of(&chat(&simulator(""), &body, Duration::ZERO));
        let details = reply["choices"][0]["message"]["reasoning_details"].as_array().unwrap().clone();
        details
            .iter()
            .map(|detail| format!("{} {}", detail["type"].as_str().unwrap(), detail["format"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(form("anthropic/claude-sonnet-4"), ["reasoning.text anthropic-claude-v1"]);
    assert_eq!(form("google/gemini-2.5-flash"), ["reasoning.text google-gemini-v1", "reasoning.encrypted google-gemini-v1"]);
    assert_eq!(form("openai/gpt-5-mini"), ["reasoning.summary openai-responses-v1", "reasoning.encrypted openai-responses-v1"]);
    assert_eq!(form("deepseek/deepseek-r1-0528"), ["reasoning.text unknown"]);
}
