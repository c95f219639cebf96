//! An answer, a stream and an error in the shape of Anthropic's Messages.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::completion_json::Served;
use crate::fault::FaultKind;
use crate::skin::{answer_error, error_type, error_type_of, named_event};
use crate::stream::{disconnected, ends_early, pieces_of};

/// The whole body; of several answers only the first, for this shape knows no others.
pub(crate) fn render(served: &Served<'_>, answers: &[Answer]) -> Vec<u8> {
    if let Some(broken) = answer_error(answers) {
        return error(&broken, 502).to_string().into_bytes();
    }
    let Some(answer) = answers.first() else {
        return b"{}".to_vec();
    };
    let mut body = json!({
        "id": message_id(served),
        "type": "message",
        "role": "assistant",
        "model": served.model,
        "provider": served.provider,
        "container": null,
        "content": blocks(answer),
        "stop_reason": stop_reason(answer),
        "stop_sequence": answer.stopped_by,
        "stop_details": null,
        "usage": usage(served),
    });
    if let (Some(metadata), Some(fields)) = (&served.metadata, body.as_object_mut()) {
        fields.insert("openrouter_metadata".to_owned(), metadata.clone());
    }
    body.to_string().into_bytes()
}

/// The events of a stream.
pub(crate) fn events(served: &Served<'_>, answers: &[Answer], fault: Option<FaultKind>) -> Vec<Vec<u8>> {
    let Some(answer) = answers.first() else {
        return Vec::new();
    };
    let event = |name: &str, mut data: Value| {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".to_owned(), json!(name));
        }
        named_event(name, &data)
    };
    let mut started = usage(served);
    if let Some(fields) = started.as_object_mut() {
        fields.insert("output_tokens".to_owned(), json!(0));
        fields.shift_remove("cost");
    }
    let mut events = vec![event(
        "message_start",
        json!({ "message": {
            "id": message_id(served), "type": "message", "role": "assistant", "model": served.model, "provider": served.provider,
            "container": null, "content": [], "stop_reason": null, "stop_sequence": null, "stop_details": null, "usage": started } }),
    )];
    for (index, block) in blocks(answer).into_iter().enumerate() {
        let (opened, deltas) = opened(&block);
        events.push(event("content_block_start", json!({ "index": index, "content_block": opened })));
        events.extend(deltas.into_iter().map(|delta| event("content_block_delta", json!({ "index": index, "delta": delta }))));
        events.push(event("content_block_stop", json!({ "index": index })));
    }
    let broken = answer.error.is_some();
    if ends_early(fault) || broken {
        events.truncate(events.len().div_ceil(2));
        if broken || !matches!(fault, Some(FaultKind::TruncatedStream | FaultKind::Cut)) {
            events.push(named_event("error", &error(&json!({ "error": disconnected() }), 502)));
        }
        return events;
    }
    let delta = json!({ "stop_reason": stop_reason(answer), "stop_sequence": answer.stopped_by, "stop_details": null, "container": null });
    let mut last = json!({ "delta": delta, "usage": usage(served) });
    if let (Some(metadata), Some(fields)) = (&served.metadata, last.as_object_mut()) {
        fields.insert("openrouter_metadata".to_owned(), metadata.clone());
    }
    events.push(event("message_delta", last));
    events.push(event("message_stop", json!({})));
    events
}

/// An error of the chat envelope in this one.
pub(crate) fn error(body: &Value, status: u16) -> Value {
    let inside = body.get("error").cloned().unwrap_or_default();
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 | 524 => "timeout_error",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    let mut dressed = json!({
        "type": "error",
        "error": {
            "type": kind,
            "message": inside.get("message"),
            "error_type": error_type(body).unwrap_or(error_type_of(status)),
        },
        "request_id": null,
    });
    if let Some(fields) = dressed.as_object_mut() {
        let kept = [("metadata", inside.get("metadata")), ("openrouter_metadata", body.get("openrouter_metadata"))];
        fields.extend(kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone()))));
    }
    dressed
}

fn message_id(served: &Served<'_>) -> String {
    served.id.replacen("gen-", "msg_", 1)
}

fn blocks(answer: &Answer) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(reasoning) = &answer.reasoning {
        blocks.push(json!({ "type": "thinking", "thinking": reasoning.text, "signature": reasoning.signature }));
    }
    let text = answer.content.as_deref().or(answer.refusal.as_deref());
    if let Some(text) = text {
        blocks.push(json!({ "type": "text", "text": text, "citations": null }));
    }
    for call in &answer.tool_calls {
        // arguments that are no JSON cannot be told here; a caller gets none
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        blocks.push(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }));
    }
    blocks
}

/// A block as a stream opens it, and the deltas that fill it.
fn opened(block: &Value) -> (Value, Vec<Value>) {
    let field = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("type") {
        "thinking" => {
            let mut deltas: Vec<Value> =
                pieces_of(field("thinking")).into_iter().map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
            deltas.push(json!({ "type": "signature_delta", "signature": field("signature") }));
            (json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas)
        }
        "tool_use" => {
            let input = block.get("input").map(Value::to_string).unwrap_or_default();
            let deltas = pieces_of(&input).into_iter().map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect();
            (json!({ "type": "tool_use", "id": field("id"), "name": field("name"), "input": {} }), deltas)
        }
        _ => {
            let deltas = pieces_of(field("text")).into_iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
            (json!({ "type": "text", "text": "", "citations": null }), deltas)
        }
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        "tool_calls" => "tool_use",
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if answer.refusal.is_some() => "refusal",
        _ if answer.stopped_by.is_some() => "stop_sequence",
        _ => "end_turn",
    }
}

fn usage(served: &Served<'_>) -> Value {
    let usage = served.usage;
    json!({
        // what the cache took part in is counted on its own here
        "input_tokens": usage.prompt_tokens.saturating_sub(usage.cached_tokens + usage.cache_write_tokens),
        "output_tokens": usage.completion_tokens,
        "cache_creation": null,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "inference_geo": null,
        "output_tokens_details": null,
        "server_tool_use": null,
        "service_tier": "standard",
        "cost": usage.cost().json(),
        "is_byok": usage.byok_fee.is_some(),
    })
}
