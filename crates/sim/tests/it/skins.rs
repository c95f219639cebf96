//! One inference in other forms: Messages, Responses and text completions, in whole, in streams and in errors.

use std::time::Duration;

use corsac_sim::{SimReply, SimRequest};
use serde_json::{Value, json};

use crate::{KEY, chat, content, json_of, question, simulator};

const TEXT: &str = "Tell me about red foxes";

fn post(script: &str, path: &str, body: &Value) -> SimReply {
    simulator(script).handle(&SimRequest::post(path, KEY, body.to_string()), Duration::ZERO)
}

fn bodies() -> [(&'static str, Value); 3] {
    let model = "openai/gpt-4o-mini";
    [
        ("/messages", json!({ "model": model, "max_tokens": 200, "messages": [{ "role": "user", "content": TEXT }] })),
        ("/responses", json!({ "model": model, "max_output_tokens": 200, "input": TEXT })),
        ("/completions", json!({ "model": model, "max_tokens": 200, "prompt": TEXT })),
    ]
}

#[test]
fn every_form_says_the_same_for_the_same_money() {
    let plain = chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO);
    let text = content(&plain);
    for ((path, body), place) in bodies().into_iter().zip(["/content/0/text", "/output/0/content/0/text", "/choices/0/text"]) {
        let reply = json_of(&post("", path, &body));
        assert_eq!(reply.pointer(place), Some(&json!(text)), "{path}: {reply}");
        assert_eq!(reply["usage"]["cost"], json_of(&plain)["usage"]["cost"], "{path}");
    }
    insta::assert_json_snapshot!("messages", json_of(&post("", "/messages", &bodies()[0].1)));
    insta::assert_json_snapshot!("responses", json_of(&post("", "/responses", &bodies()[1].1)));
    insta::assert_json_snapshot!("completions", json_of(&post("", "/completions", &bodies()[2].1)));
}

/// The names of a stream's events and their data.
fn events(reply: &SimReply) -> Vec<(String, Value)> {
    let text = String::from_utf8(reply.body_bytes()).unwrap();
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':') && *block != "data: [DONE]");
    blocks
        .map(|block| {
            let (name, data) = block.split_once("\ndata: ").unwrap_or(("", block.trim_start_matches("data: ")));
            (name.trim_start_matches("event: ").to_owned(), serde_json::from_str(data).unwrap())
        })
        .collect()
}

fn streamed(script: &str, path: &str, mut body: Value) -> Vec<(String, Value)> {
    body["stream"] = json!(true);
    let reply = post(script, path, &body);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
    events(&reply)
}

#[test]
fn streams_add_up_to_the_whole() {
    let text = content(&chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO));
    let [messages, responses, completions] = bodies();
    let told = streamed("", messages.0, messages.1);
    let pieces: String = told.iter().filter_map(|(_, data)| data.pointer("/delta/text")?.as_str()).collect();
    assert_eq!(pieces, text);
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names[0], names[names.len() - 2], names[names.len() - 1]), ("message_start", "message_delta", "message_stop"));

    let told = streamed("", responses.0, responses.1);
    let pieces: String =
        told.iter().filter(|(name, _)| name == "response.output_text.delta").filter_map(|(_, data)| data["delta"].as_str()).collect();
    assert_eq!(pieces, text);
    assert!(told.iter().enumerate().all(|(number, (name, data))| data["sequence_number"] == number && data["type"] == name.as_str()));
    let (last, data) = told.last().unwrap();
    assert_eq!((last.as_str(), &data["response"]["status"]), ("response.completed", &json!("completed")));

    let told = streamed("", completions.0, completions.1);
    let pieces: String = told.iter().filter_map(|(_, data)| data.pointer("/choices/0/text")?.as_str()).collect();
    assert_eq!(pieces, text);
    assert_eq!(told.iter().filter(|(_, data)| data["usage"].is_object()).count(), 1);
}

#[test]
fn streams_break_in_their_own_words() {
    let script = "[[rule]]\nfault = 'midstream_error'";
    let [messages, responses, completions] = bodies();
    let (name, data) = streamed(script, messages.0, messages.1).pop().unwrap();
    assert_eq!((name.as_str(), &data["error"]["type"]), ("error", &json!("api_error")));
    let (name, data) = streamed(script, responses.0, responses.1.clone()).pop().unwrap();
    assert_eq!((name.as_str(), &data["response"]["error"]["code"]), ("response.failed", &json!("server_error")));
    let (_, data) = streamed(script, completions.0, completions.1).pop().unwrap();
    assert_eq!(data["error"]["code"], 502);
    let cut = streamed("[[rule]]\nfault = 'truncated_stream'", "/responses", responses.1);
    assert!(cut.iter().all(|(name, _)| !name.contains("completed") && !name.contains("failed")));
}

#[test]
fn errors_wear_the_envelope_of_their_form() {
    let [messages, responses, completions] = bodies();
    for (fault, status, kind) in [
        ("http_400", 400, "invalid_request_error"),
        ("unauthorized_401", 401, "authentication_error"),
        ("no_credits_402", 402, "billing_error"),
        ("moderation_403", 403, "permission_error"),
        ("no_endpoints_404", 404, "not_found_error"),
        ("http_408", 408, "timeout_error"),
        ("rate_limited", 429, "rate_limit_error"),
        ("http_500", 500, "api_error"),
        ("http_503", 503, "overloaded_error"),
        ("http_529", 529, "overloaded_error"),
    ] {
        let script = format!("[[rule]]\nfault = '{fault}'");
        let reply = post(&script, messages.0, &messages.1);
        let body = json_of(&reply);
        assert_eq!((reply.status, &body["type"], &body["error"]["type"]), (status, &json!("error"), &json!(kind)), "{fault}");
        let body = json_of(&post(&script, responses.0, &responses.1));
        assert!(body["error"]["message"].is_string() && body["error_type"].is_string(), "{fault}: {body}");
        assert_eq!(json_of(&post(&script, completions.0, &completions.1))["error"]["code"], status, "{fault}");
    }
    let page = post("[[rule]]\nfault = 'http_524_html'", messages.0, &messages.1);
    assert!(String::from_utf8(page.body_bytes()).unwrap().contains("<html>"));
    let body = json_of(&post("[[rule]]\nfault = 'error_in_200'", messages.0, &messages.1));
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("api_error")));
    // what a script writes out is sent as it is written
    let written = "[[rule]]\nreply = { status = 409, body = { error = { message = 'as written' } } }";
    assert_eq!(json_of(&post(written, messages.0, &messages.1)), json!({ "error": { "message": "as written" } }));
    let without_key = SimRequest { method: "POST".into(), path: "/messages".into(), ..SimRequest::default() };
    let body = json_of(&simulator("").handle(&without_key, Duration::ZERO));
    assert_eq!(body["error"]["type"], "authentication_error");
}

#[test]
fn a_conversation_too_long_is_an_unfinished_response() {
    let long = json!({ "model": "cohere/none", "input": "x" });
    assert_eq!(post("", "/responses", &long).status, 400);
    let long = json!({ "model": "openai/gpt-4o", "input": "word ".repeat(200_000) });
    let reply = post("", "/responses", &long);
    let body = json_of(&reply);
    assert_eq!((reply.status, &body["status"]), (200, &json!("incomplete")));
    assert_eq!(body["incomplete_details"]["reason"], "max_output_tokens");
}

#[test]
fn tools_in_every_form() {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let messages = json!({ "model": "openai/gpt-4o", "max_tokens": 200, "messages": [{ "role": "user", "content": "weather" }],
        "tools": [{ "name": "weather", "input_schema": schema }], "tool_choice": { "type": "any" } });
    let body = json_of(&post("", "/messages", &messages));
    assert_eq!((&body["stop_reason"], &body["content"][0]["type"]), (&json!("tool_use"), &json!("tool_use")));
    assert!(body["content"][0]["input"]["city"].is_string());
    let responses = json!({ "model": "openai/gpt-4o", "input": "weather", "tool_choice": "required",
        "tools": [{ "type": "function", "name": "weather", "parameters": schema }] });
    let body = json_of(&post("", "/responses", &responses));
    assert_eq!((&body["output"][0]["type"], &body["output"][0]["name"]), (&json!("function_call"), &json!("weather")));
    let told = streamed("", "/responses", responses);
    let arguments: String = told
        .iter()
        .filter(|(name, _)| name == "response.function_call_arguments.delta")
        .filter_map(|(_, data)| data["delta"].as_str())
        .collect();
    assert_eq!(json!(arguments), body["output"][0]["arguments"]);
}
