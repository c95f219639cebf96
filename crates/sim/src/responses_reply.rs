//! An answer, a stream and an error in the shape of OpenAI's Responses.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::completion_json::{Served, logprob, tokens};
use crate::fault::FaultKind;
use crate::skin::{error_type, error_type_of, named_event};
use crate::stream::{disconnected, ends_early, pieces_of};

/// What a response repeats of its request, and what it says where the request said nothing.
const REPEATED: &[(&str, Value)] = &[
    ("frequency_penalty", Value::Null),
    ("instructions", Value::Null),
    ("max_output_tokens", Value::Null),
    ("max_tool_calls", Value::Null),
    ("metadata", Value::Null),
    ("parallel_tool_calls", Value::Bool(true)),
    ("presence_penalty", Value::Null),
    ("prompt_cache_key", Value::Null),
    ("reasoning", Value::Null),
    ("safety_identifier", Value::Null),
    ("service_tier", Value::Null),
    ("temperature", Value::Null),
    ("text", Value::Null),
    ("tool_choice", Value::Null),
    ("tools", Value::Null),
    ("top_p", Value::Null),
    ("truncation", Value::Null),
    ("user", Value::Null),
];

/// The whole body; of several answers only the first, for this shape knows no others.
pub(crate) fn render(served: &Served<'_>, answers: &[Answer], body: &[u8]) -> Vec<u8> {
    let Some(answer) = answers.first() else {
        return b"{}".to_vec();
    };
    response(served, answer, body).to_string().into_bytes()
}

fn response(served: &Served<'_>, answer: &Answer, body: &[u8]) -> Value {
    let status = match answer.finish {
        "error" => "failed",
        "length" | "content_filter" => "incomplete",
        _ => "completed",
    };
    let mut response = skeleton(served, body, status);
    response.insert("output".to_owned(), Value::Array(items(served, answer)));
    response.insert("completed_at".to_owned(), json!(served.created));
    response.insert("usage".to_owned(), usage(served));
    if status == "incomplete" {
        let reason = if answer.finish == "length" { "max_output_tokens" } else { "content_filter" };
        response.insert("incomplete_details".to_owned(), json!({ "reason": reason }));
    }
    if let Some(error) = &answer.error {
        response.insert("error".to_owned(), json!({ "code": "server_error", "message": error.get("message") }));
        response.insert("error_type".to_owned(), json!("provider_unavailable"));
    }
    if let Some(metadata) = &served.metadata {
        response.insert("openrouter_metadata".to_owned(), metadata.clone());
    }
    Value::Object(response)
}

/// A response without any output yet.
fn skeleton(served: &Served<'_>, body: &[u8], status: &str) -> Map<String, Value> {
    let request: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut response = Map::new();
    let own = json!({
        "id": served.id.replacen("gen-", "resp_", 1),
        "object": "response",
        "created_at": served.created,
        "completed_at": null,
        "status": status,
        "model": served.model,
        "provider": served.provider,
        "error": null,
        "incomplete_details": null,
        "output": [],
        "background": false,
        "previous_response_id": null,
        "store": false,
    });
    response.extend(own.as_object().cloned().unwrap_or_default());
    for (name, unsaid) in REPEATED {
        response.insert((*name).to_owned(), request.get(*name).cloned().unwrap_or(unsaid.clone()));
    }
    for (name, unsaid) in [("tools", json!([])), ("tool_choice", json!("auto")), ("text", json!({ "format": { "type": "text" } }))] {
        if response.get(name).is_none_or(Value::is_null) {
            response.insert(name.to_owned(), unsaid);
        }
    }
    response
}

fn items(served: &Served<'_>, answer: &Answer) -> Vec<Value> {
    let tail = served.id.rsplit('-').next().unwrap_or_default();
    let mut items = Vec::new();
    if let Some(reasoning) = &answer.reasoning {
        items.push(json!({
            "type": "reasoning", "id": format!("rs_{tail}"), "status": "completed",
            "summary": [{ "type": "summary_text", "text": reasoning.text }],
            "encrypted_content": reasoning.signature,
        }));
    }
    let part = match (&answer.content, &answer.refusal) {
        (_, Some(refusal)) => Some(json!({ "type": "refusal", "refusal": refusal })),
        (Some(text), None) => Some(json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": logprobs(answer, text) })),
        (None, None) => None,
    };
    if let Some(part) = part {
        let status = if answer.finish == "length" { "incomplete" } else { "completed" };
        items.push(json!({ "type": "message", "id": format!("msg_{tail}"), "role": "assistant", "status": status, "content": [part] }));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        items.push(json!({
            "type": "function_call", "id": format!("fc_{tail}{index}"), "call_id": call.id, "name": call.name,
            "arguments": call.arguments, "status": "completed",
        }));
    }
    items
}

fn logprobs(answer: &Answer, text: &str) -> Value {
    let Some(top) = answer.logprobs else {
        return json!([]);
    };
    let told = tokens(text).map(|token| {
        let alternatives: Vec<Value> =
            (0..u64::from(top)).map(|rank| json!({ "token": token, "logprob": logprob(token, rank), "bytes": token.as_bytes() })).collect();
        json!({ "token": token, "logprob": logprob(token, 0), "bytes": token.as_bytes(), "top_logprobs": alternatives })
    });
    told.collect()
}

fn usage(served: &Served<'_>) -> Value {
    let usage = served.usage;
    let (input, output) = if served.from_cache { (0, 0) } else { (usage.prompt_tokens, usage.completion_tokens) };
    let mut told = json!({
        "input_tokens": input,
        "input_tokens_details": { "cached_tokens": usage.cached_tokens },
        "output_tokens": output,
        "output_tokens_details": { "reasoning_tokens": if served.from_cache { 0 } else { usage.reasoning_tokens } },
        "total_tokens": input + output,
    });
    if let Some(fields) = told.as_object_mut().filter(|_| !served.from_cache) {
        fields.insert("cost".to_owned(), usage.cost().json());
        fields.insert("is_byok".to_owned(), json!(usage.byok_fee.is_some()));
        fields.insert(
            "cost_details".to_owned(),
            json!({
                "upstream_inference_cost": usage.upstream_cost().json(),
                "upstream_inference_input_cost": usage.prompt_cost.json(),
                "upstream_inference_output_cost": usage.completion_cost.json(),
            }),
        );
    }
    told
}

/// The events of a stream.
pub(crate) fn events(served: &Served<'_>, answers: &[Answer], body: &[u8], fault: Option<FaultKind>) -> Vec<Vec<u8>> {
    let Some(answer) = answers.first() else {
        return Vec::new();
    };
    let begun = Value::Object(skeleton(served, body, "in_progress"));
    let mut events = vec![("response.created", json!({ "response": begun })), ("response.in_progress", json!({ "response": begun }))];
    for (index, item) in items(served, answer).into_iter().enumerate() {
        item_events(&mut events, index, &item);
    }
    let broken = answer.error.is_some();
    let mut ends_well = false;
    if ends_early(fault) || broken {
        events.truncate(events.len().div_ceil(2));
        if broken || !matches!(fault, Some(FaultKind::TruncatedStream | FaultKind::Cut)) {
            let mut failed = skeleton(served, body, "failed");
            failed.insert("error".to_owned(), json!({ "code": "server_error", "message": disconnected().get("message") }));
            failed.insert("error_type".to_owned(), json!("provider_unavailable"));
            events.push(("response.failed", json!({ "response": failed })));
        }
    } else {
        let done = response(served, answer, body);
        let name = if done.get("status") == Some(&json!("incomplete")) { "response.incomplete" } else { "response.completed" };
        events.push((name, json!({ "response": done })));
        ends_well = true;
    }
    let numbered = events.into_iter().enumerate().map(|(number, (name, mut data))| {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".to_owned(), json!(name));
            fields.insert("sequence_number".to_owned(), json!(number));
        }
        named_event(name, &data)
    });
    numbered.chain(ends_well.then(|| b"data: [DONE]\n\n".to_vec())).collect()
}

/// What a stream says of one item: that it begins, its pieces, and that it is done.
fn item_events(events: &mut Vec<(&'static str, Value)>, index: usize, item: &Value) {
    let field = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut opened = item.clone();
    if let Some(fields) = opened.as_object_mut() {
        fields.insert("status".to_owned(), json!("in_progress"));
        for (name, empty) in [("content", json!([])), ("summary", json!([])), ("arguments", json!(""))] {
            if fields.contains_key(name) {
                fields.insert(name.to_owned(), empty);
            }
        }
    }
    events.push(("response.output_item.added", json!({ "output_index": index, "item": opened })));
    let id = field(item, "id");
    match item.get("type").and_then(Value::as_str) {
        Some("function_call") => {
            let arguments = field(item, "arguments");
            for piece in pieces_of(&arguments) {
                events.push(("response.function_call_arguments.delta", json!({ "item_id": id, "output_index": index, "delta": piece })));
            }
            let done = json!({ "item_id": id, "output_index": index, "name": field(item, "name"), "arguments": arguments });
            events.push(("response.function_call_arguments.done", done));
        }
        Some("reasoning") => {
            let text = item.pointer("/summary/0/text").and_then(Value::as_str).unwrap_or_default();
            let part = |text: &str| json!({ "type": "summary_text", "text": text });
            let with = |name: &str, value: Value| json!({ "item_id": id, "output_index": index, "summary_index": 0, name: value });
            events.push(("response.reasoning_summary_part.added", with("part", part(""))));
            for piece in pieces_of(text) {
                events.push(("response.reasoning_summary_text.delta", with("delta", json!(piece))));
            }
            events.push(("response.reasoning_summary_text.done", with("text", json!(text))));
            events.push(("response.reasoning_summary_part.done", with("part", part(text))));
        }
        _ => {
            let part = item.pointer("/content/0").cloned().unwrap_or_default();
            let refuses = part.get("type") == Some(&json!("refusal"));
            let name = if refuses { "refusal" } else { "text" };
            let text = field(&part, name);
            let mut empty = part.clone();
            if let Some(fields) = empty.as_object_mut() {
                fields.insert(name.to_owned(), json!(""));
            }
            let with = |entries: &[(&str, Value)]| {
                let mut data = json!({ "item_id": id, "output_index": index, "content_index": 0 });
                if let Some(fields) = data.as_object_mut() {
                    fields.extend(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                }
                data
            };
            let (delta, done) = if refuses {
                ("response.refusal.delta", "response.refusal.done")
            } else {
                ("response.output_text.delta", "response.output_text.done")
            };
            events.push(("response.content_part.added", with(&[("part", empty)])));
            for piece in pieces_of(&text) {
                events.push((delta, with(&[("delta", json!(piece)), ("logprobs", json!([]))])));
            }
            events.push((done, with(&[(name, json!(text)), ("logprobs", json!([]))])));
            events.push(("response.content_part.done", with(&[("part", part)])));
        }
    }
    events.push(("response.output_item.done", json!({ "output_index": index, "item": item })));
}

/// An error of the chat envelope, with its stable name at the top.
pub(crate) fn error(body: &Value, status: u16) -> Value {
    let mut dressed = body.clone();
    if let Some(fields) = dressed.as_object_mut() {
        fields.insert("error_type".to_owned(), json!(error_type(body).unwrap_or(error_type_of(status))));
    }
    dressed
}

/// What is too long for the model is here no error but an answer that has no room.
pub(crate) fn too_long() -> Value {
    let served = Served {
        id: "gen-0-0".to_owned(),
        created: 0,
        model: "",
        provider: "",
        fingerprint: None,
        usage: crate::completion_json::Usage::default(),
        from_cache: true,
        metadata: None,
    };
    let answer = Answer { content: Some(String::new()), finish: "length", ..Answer::default() };
    response(&served, &answer, b"{}")
}
