//! Replies to chat requests: what is kept for a tool loop and a report, and errors wherever they stand.

use corsac_wire::{ChatReply, ChatRequest, Message, Reply, Usd};
use serde_json::{Value, json};

use crate::samples::{sample, samples};

fn chat(body: &[u8]) -> ChatReply {
    match Reply::decode(200, body) {
        Reply::Chat(chat) => chat,
        other => panic!("not an answer: {other:?}"),
    }
}

fn of_message(message: &str) -> ChatReply {
    chat(format!(r#"{{"choices":[{{"message":{message}}}]}}"#).as_bytes())
}

fn verbatim(message: &str) -> String {
    of_message(message).message().unwrap().verbatim().get().to_owned()
}

#[test]
fn a_message_is_handed_back_with_every_letter_that_counts() {
    let details = r#"[{"type":"reasoning.text", "text":"hm","signature":"s=="},{"type":"reasoning.encrypted","data":"AA","n":1.50}]"#;
    let calls = r#"[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\" : 1}"},"extra_content":{"thought":"x"}}]"#;
    let came = format!(
        r#"{{"annotations":[{{"type":"file"}}],"content":null,"refusal":null,"tool_calls":{calls},"reasoning_details":{details},"role":"assistant","reasoning":"hm","audio":null,"new_field":12345678901234567890123}}"#
    );
    let back = format!(
        r#"{{"role":"assistant","content":null,"reasoning":"hm","annotations":[{{"type":"file"}}],"tool_calls":{calls},"reasoning_details":{details},"new_field":12345678901234567890123}}"#
    );
    assert_eq!(verbatim(&came), back);
    assert_eq!(verbatim(&back), back, "and the same again");
    let chat = of_message(&came);
    let message = chat.message().unwrap().verbatim();
    let next = ChatRequest { messages: vec![Message::Verbatim(&message), Message::tool("c1", "2")], ..ChatRequest::default() };
    assert!(String::from_utf8(next.to_json()).unwrap().contains(&back));
    assert_eq!(chat.message().unwrap().reasoning_details()[1], json!({"type": "reasoning.encrypted", "data": "AA", "n": 1.5}));
    assert_eq!(chat.message().unwrap().annotations(), [json!({"type": "file"})]);
    assert_eq!(chat.message().unwrap().images(), [] as [Value; 0]);
}

#[test]
fn only_what_would_be_refused_is_put_right() {
    let calls = |arguments: &str| format!(r#"[{{"id":"c","z":1.0,"function":{{"name":"f"{arguments}}}}}]"#);
    for (came, back) in [
        (r#","arguments":"""#, r#","arguments":"{}""#),
        (r#","arguments":" ""#, r#","arguments":"{}""#),
        (r#","arguments":null"#, r#","arguments":"{}""#),
        ("", r#","arguments":"{}""#),
        (r#","arguments":{"x":1}"#, r#","arguments":"{\"x\":1}""#),
    ] {
        let message = |arguments: &str| format!(r#"{{"role":"assistant","content":"","tool_calls":{},"a":1}}"#, calls(arguments));
        assert_eq!(verbatim(&message(came)), message(back));
    }
    assert_eq!(verbatim(r#"{"content":"a"}"#), r#"{"role":"assistant","content":"a"}"#);
    assert_eq!(verbatim(r#"{"role":"","content":"a"}"#), r#"{"role":"assistant","content":"a"}"#);
    assert_eq!(verbatim(r#"{"role":"critic","content":"a"}"#), r#"{"content":"a","role":"critic"}"#);
    assert_eq!(verbatim("null"), r#"{"role":"assistant","content":null}"#);
    let parts = r#"{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"image_url"},{"text":"b"}]}"#;
    assert_eq!((verbatim(parts).as_str(), of_message(parts).text()), (parts, Some("ab")));
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let chat = chat(&sample("chat_toolcall_empty_arguments").body);
    assert_eq!(chat.arguments("get_all_tabs"), Some("{}"));
    assert_eq!(of_message(r#"{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}"#).arguments("f"), Some(r#"{"x":1}"#));
}

#[test]
fn reasoning_under_either_name() {
    assert_eq!(of_message(r#"{"reasoning_content":"a"}"#).message().unwrap().reasoning.as_deref(), Some("a"));
    assert_eq!(of_message(r#"{"reasoning":"b","reasoning_content":"a"}"#).message().unwrap().reasoning.as_deref(), Some("b"));
}

#[test]
fn usage_and_cost_in_full() {
    let body = br#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cost":0.00002,
        "is_byok":true,"cost_details":{"upstream_inference_cost":0.0004,"upstream_inference_prompt_cost":1e-4,"server_tool_cost":null},
        "prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":9},
        "server_tool_use_details":{"web_search_requests":2,"tool_calls_executed":2}}}"#;
    let usage = chat(body).usage.unwrap();
    assert_eq!((usage.cached_tokens(), usage.cache_write_tokens(), usage.reasoning_tokens()), (4, 3, 9));
    assert_eq!((usage.cost, usage.upstream_inference_cost()), (Usd::parse("0.00002").ok(), Usd::parse("0.0004").ok()));
    assert_eq!((usage.is_byok, usage.total_tokens), (Some(true), Some(15)));
    assert_eq!(usage.server_tool_use.and_then(|tools| tools.web_search_requests), Some(2));
}

#[test]
fn how_it_was_routed() {
    let chat = chat(&sample("chat_success_model_fallback_with_metadata").body);
    let routed = chat.openrouter_metadata.unwrap();
    assert_eq!(
        (routed.requested.as_deref(), routed.strategy.as_deref(), routed.attempt),
        (Some("deepseek/deepseek-v3.2"), Some("fallback"), Some(2))
    );
    let tried: Vec<_> = routed.attempts.iter().map(|attempt| (attempt.provider.as_deref().unwrap(), attempt.status.unwrap())).collect();
    assert_eq!(tried, [("DeepInfra", 429), ("Together", 200)]);
    assert_eq!((routed.endpoints.total, routed.endpoints.available.iter().filter(|endpoint| endpoint.selected).count()), (Some(3), 1));
}

/// A reply in which one field has an unexpected type is read field by field, and says the same in all others.
#[test]
fn one_odd_field_costs_that_field_alone() {
    for sample in samples("chat_success") {
        let straight = format!("{:?}", Reply::decode(200, &sample.body));
        let mut odd = sample.json();
        odd["system_fingerprint"] = json!("same");
        odd["choices"][0]["message"]["audio"] = Value::Null;
        odd["service_tier"] = json!(7);
        let body = serde_json::to_vec(&odd).unwrap();
        let read = format!("{:?}", Reply::decode(200, &body));
        assert_eq!(read, straight, "{}", sample.name);
    }
    let odd = br#"{"choices":[{"message":{"content":"a","tool_calls":"x","refusal":3},"finish_reason":7}],"usage":{"prompt_tokens":"12","cost":"0.5","prompt_tokens_details":"y"},"model":["z"]}"#;
    let chat = chat(odd);
    let usage = chat.usage.unwrap();
    assert_eq!((chat.text(), usage.prompt_tokens, usage.cost), (Some("a"), 12, Usd::parse("0.5").ok()));
}

#[test]
fn an_error_counts_wherever_it_stands() {
    let error = |status: u16, body: &str| match Reply::decode(status, body.as_bytes()) {
        Reply::Error { error, status, .. } => (status, error.message),
        other => panic!("{body}: {other:?}"),
    };
    assert_eq!(
        error(200, r#"{"error":{"code":"server_error","message":"m"},"error_type":"authentication"}"#),
        (401, "m".into()),
        "beside it"
    );
    assert_eq!(
        error(401, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#),
        (401, "m".into()),
        "the status was told"
    );
    assert_eq!(error(200, r#"{"error":{"type":"overloaded_error","message":"m"}}"#), (529, "m".into()));
    assert_eq!(error(200, r#"{"error":{"message":"m","metadata":{"error_type":"provider_overloaded"}}}"#), (503, "m".into()));
    assert_eq!(error(500, r#"{"error":{"code":0,"message":"m"}}"#), (500, "m".into()));
    assert_eq!(error(200, "\u{FEFF}{\"error\":\"m\"}"), (502, "m".into()));
}

#[test]
fn no_error_of_the_samples_is_taken_for_an_answer() {
    for sample in samples("error_") {
        match Reply::decode(sample.status, &sample.body) {
            Reply::Error { error, status, .. } => {
                assert_eq!(status, sample.status, "{}", sample.name);
                assert!(!error.reason().is_empty(), "{}", sample.name);
            }
            Reply::Unreadable { html, .. } => assert!(html, "{}", sample.name),
            Reply::Chat(chat) => panic!("{}: {chat:?}", sample.name),
        }
    }
}

#[test]
fn what_was_tried_before_in_both_shapes() {
    let errors = |name: &str| match Reply::decode(429, &sample(name).body) {
        Reply::Error { error, .. } => error.previous_errors(),
        other => panic!("{other:?}"),
    };
    let old = errors("error_legacy_previous_errors");
    let told: Vec<_> = old.iter().map(|error| (error.provider.as_deref(), error.status, error.message.as_deref())).collect();
    assert_eq!(told, [(Some("SiliconFlow"), Some(400), Some("Unexpected message role.")), (Some("DeepInfra"), Some(422), Some("{...}"))]);
    let body =
        br#"{"error":{"message":"m","metadata":{"previous_errors":[{"provider":"Groq","code":"rate_limit_exceeded","status":429},7]}}}"#;
    let Reply::Error { error, .. } = Reply::decode(503, body) else { panic!("no error") };
    let new = error.previous_errors();
    assert_eq!(
        (new[0].provider.as_deref(), new[0].status, new[0].message.as_deref()),
        (Some("Groq"), Some(429), Some("rate_limit_exceeded"))
    );
    assert_eq!(new[1].status, None);
}
