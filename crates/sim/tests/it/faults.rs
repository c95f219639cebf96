//! Every kind of fault in process, and how far rules reach over endpoints and models.

use std::time::Duration;

use corsac_sim::{FaultKind, SimBody, SimReply};
use serde_json::{Value, json};

use crate::{chat, json_of, question, simulator, structured};

fn schema() -> Value {
    json!({ "type": "object", "properties": { "label": { "enum": ["positive", "negative", "neutral"] }, "why": { "type": "string" } },
            "required": ["label", "why"], "additionalProperties": false })
}

/// What a structured question gets under a fault.
fn under(kind: FaultKind) -> SimReply {
    let simulator = simulator(&format!("[[rule]]\nfault = '{kind}'"));
    let reply = chat(&simulator, &structured("openai/gpt-4o-mini", "I love it", &schema()), Duration::ZERO);
    assert_eq!(simulator.seen().by_fault.values().sum::<u64>(), 1, "{kind} is counted once");
    reply
}

/// What an answer's text is worth.
fn verdict_on(reply: &SimReply) -> &'static str {
    let body = json_of(reply);
    let content = body["choices"][0]["message"]["content"].as_str().unwrap_or("");
    match serde_json::from_str::<Value>(content) {
        Err(_) => "no JSON",
        Ok(answer) if jsonschema::is_valid(&schema(), &answer) => "good",
        Ok(_) => "against the schema",
    }
}

#[test]
fn faults_in_place_of_an_answer() {
    use FaultKind as Kind;
    for (kind, status, part) in [
        (Kind::Http500, 500, "Internal Server Error"),
        (Kind::Http502, 502, "Provider returned error"),
        (Kind::Http503, 503, "temporarily_unavailable"),
        (Kind::Http504, 504, "timeout"),
        (Kind::Http524Html, 524, "<!DOCTYPE html>"),
        (Kind::Http529, 529, "provider_overloaded"),
        (Kind::Http408, 408, "Operation timed out"),
        (Kind::RateLimited, 429, "Rate limit exceeded"),
        (Kind::UpstreamRateLimited, 429, "upstream_provider_shared_pool"),
        (Kind::FreePerDay, 429, "openrouter_free_tier_daily"),
        (Kind::CapacityExhausted, 429, "capacity_exhausted"),
        (Kind::NoCredits402, 402, "Insufficient credits"),
        (Kind::InFlight402, 402, "openrouter_in_flight_budget"),
        (Kind::CannotAfford402, 402, "can only afford 4096"),
        (Kind::Moderation403, 403, "requires moderation on"),
        (Kind::Guardrail403, 403, "patterns"),
        (Kind::KeyLimit403, 403, "Key limit exceeded"),
        (Kind::Unauthorized401, 401, "User not found."),
        (Kind::NoEndpoints404, 404, "No endpoints found for openai/gpt-4o-mini."),
        (Kind::ParameterFilter404, 404, "Filter by Parameters"),
        (Kind::DataPolicy404, 404, "data policy"),
        (Kind::SchemaRefused400, 400, "Invalid schema for response_format 'answer'"),
        (Kind::ContextLength400, 400, "maximum context length is 128000 tokens"),
        (Kind::ReasoningMandatory400, 400, "Reasoning is mandatory"),
        (Kind::ErrorIn200, 200, "\"error\""),
        (Kind::GarbageBody, 200, "not json at all"),
        (Kind::Http400, 400, "Invalid request parameters"),
        (Kind::Http413, 413, "Request payload too large"),
        (Kind::Http422, 422, "Invalid argument"),
        (Kind::Http524, 524, "Request timed out"),
        (Kind::FreePerMinute, 429, "free-models-per-min"),
        (Kind::Weight402, 402, "weight_exceeds_budget"),
        (Kind::KeyLimit402, 402, "Key limit exceeded (monthly limit)"),
        (Kind::Budget403, 403, "openrouter_guardrail_budget"),
        (Kind::Region403, 403, "region_restricted"),
        (Kind::Harness403, 403, "Gate Free Endpoints by Agentic Harness"),
        (Kind::Edge403Html, 403, "<!DOCTYPE html>"),
        (Kind::AllowedProviders404, 404, "available_providers"),
        (Kind::Guardrail404, 404, "Filter by Guardrails"),
        (Kind::Privacy404, 404, "privacy_restricted"),
        (Kind::ToolUse404, 404, "Filter by Tool Compatibility"),
        (Kind::ToolChoice404, 404, "'tool_choice' value"),
        (Kind::ImageInput404, 404, "support image input"),
        (Kind::FreeEnded404, 404, "free_variant_ended"),
        (Kind::Deprecated404, 404, "model_deprecated"),
        (Kind::UnknownModel400, 400, "is not a valid model ID"),
        (Kind::ThoughtLost400, 400, "reasoning details to be preserved"),
        (Kind::EmptyBody, 200, ""),
    ] {
        let reply = under(kind);
        let text = String::from_utf8_lossy(&reply.body_bytes()).into_owned();
        assert_eq!(reply.status, status, "{kind}");
        assert!(text.contains(part), "{kind}: {text}");
        // some bodies are no JSON, and one error comes without a code
        if ![Kind::Http524Html, Kind::Edge403Html, Kind::GarbageBody, Kind::EmptyBody, Kind::Deprecated404].contains(&kind) {
            let error = json_of(&reply)["error"].clone();
            assert_eq!(error["code"].as_u64(), Some(if status == 200 { 502 } else { u64::from(status) }), "{kind}");
        }
    }
}

#[test]
fn some_faults_say_when_to_come_back() {
    for kind in [FaultKind::Http503, FaultKind::UpstreamRateLimited, FaultKind::InFlight402, FaultKind::CapacityExhausted] {
        assert_eq!(under(kind).header("Retry-After"), Some("5"), "{kind}");
    }
}

#[test]
fn faults_that_spoil_an_answer() {
    use FaultKind as Kind;
    for (kind, finish, worth) in [
        (Kind::ChoiceError, "error", "no JSON"),
        (Kind::EmptyStop, "stop", "no JSON"),
        (Kind::Length, "length", "no JSON"),
        (Kind::MalformedJson, "stop", "no JSON"),
        (Kind::WrongSchema, "stop", "against the schema"),
        (Kind::FencedJson, "stop", "no JSON"),
        (Kind::Refusal, "stop", "no JSON"),
        (Kind::ContentFilter, "content_filter", "no JSON"),
        (Kind::WrongContentType, "stop", "good"),
        (Kind::MidstreamError, "error", "no JSON"),
        (Kind::MidstreamErrorNoChoices, "error", "no JSON"),
        (Kind::MidstreamErrorBare, "error", "no JSON"),
        (Kind::ReasoningOnly, "stop", "no JSON"),
        (Kind::ToolCallMissing, "tool_calls", "no JSON"),
        (Kind::ToolEmptyArguments, "stop", "good"),
        (Kind::Slow, "stop", "good"),
    ] {
        let reply = under(kind);
        assert_eq!(reply.status, 200, "{kind}");
        assert_eq!(json_of(&reply)["choices"][0]["finish_reason"], finish, "{kind}");
        assert_eq!(verdict_on(&reply), worth, "{kind}: {}", json_of(&reply)["choices"][0]);
    }
    assert!(json_of(&under(Kind::ChoiceError))["choices"][0]["error"]["code"].is_u64());
    assert_eq!(json_of(&under(Kind::EmptyStop))["usage"]["completion_tokens"], 0);
    assert_eq!(json_of(&under(Kind::EmptyStop))["usage"]["cost"], 0);
    assert_eq!(under(Kind::WrongContentType).header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(under(Kind::Slow).delay, Duration::from_secs(30));
    assert!(json_of(&under(Kind::Refusal))["choices"][0]["message"]["refusal"].is_string());
}

#[test]
fn faults_of_the_connection() {
    assert!(matches!(under(FaultKind::Hang).body, SimBody::Hang));
    assert!(matches!(under(FaultKind::StalledStream).body, SimBody::Hang), "no stream was asked for");
    for kind in [FaultKind::Cut, FaultKind::TruncatedStream] {
        assert!(matches!(under(kind).body, SimBody::CutAfter(bytes) if !bytes.is_empty()), "{kind}");
    }
}

#[test]
fn a_tool_without_arguments() {
    let body = json!({ "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": "x" }],
        "tools": [{ "type": "function", "function": { "name": "f", "parameters": { "type": "object", "properties": {} } } }] });
    let reply = chat(&simulator("[[rule]]\nfault = 'tool_empty_arguments'"), &body, Duration::ZERO);
    assert_eq!(json_of(&reply)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "");
}

#[test]
fn a_model_that_is_down_leads_to_the_next() {
    for kind in ["http_503", "no_endpoints_404", "upstream_rate_limited", "http_502"] {
        let simulator = simulator(&format!("down = [{{ model = 'openai/gpt-4o', fault = '{kind}' }}]"));
        let mut body = question("openai/gpt-4o");
        assert_ne!(chat(&simulator, &body, Duration::ZERO).status, 200, "{kind}");
        body["models"] = json!(["openai/gpt-4o", "anthropic/claude-sonnet-4"]);
        let answer = json_of(&chat(&simulator, &body, Duration::ZERO));
        assert_eq!(answer["model"], "anthropic/claude-4-sonnet-20250522", "{kind}");
    }
}

#[test]
fn the_last_error_carries_those_before_it() {
    let simulator = simulator("down = [{ model = 'openai/*' }, { model = 'anthropic/*', fault = 'http_502' }]");
    let mut body = question("openai/gpt-4o");
    body["models"] = json!(["anthropic/claude-3-haiku"]);
    let error = json_of(&chat(&simulator, &body, Duration::ZERO));
    assert_eq!(error["error"]["code"], 502);
    let previous = error["error"]["metadata"]["previous_errors"].as_array().unwrap();
    assert_eq!(previous.len(), 1);
    assert_eq!((&previous[0]["status"], &previous[0]["code"]), (&json!(503), &json!("temporarily_unavailable")));
}

#[test]
fn a_rule_for_a_provider_leaves_the_others() {
    let script = "[[rule]]\nprovider = 'openai'\nfault = 'http_502'";
    let mut body = question("openai/gpt-4o");
    for number in 0..10 {
        body["user"] = json!(number.to_string());
        let answer = json_of(&chat(&simulator(script), &body, Duration::ZERO));
        assert_eq!(answer["provider"], "Azure");
    }
    body["provider"] = json!({ "only": ["openai"] });
    assert_eq!(chat(&simulator(script), &body, Duration::ZERO).status, 502);
    body["provider"] = json!({ "order": ["openai", "azure"], "allow_fallbacks": false });
    assert_eq!(chat(&simulator(script), &body, Duration::ZERO).status, 502);
}

#[test]
fn a_strict_schema_outside_the_subset_is_refused_by_those_who_insist() {
    let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let mut body = structured("openai/gpt-4o-mini", "text", &open);
    assert_eq!(chat(&simulator(""), &body, Duration::ZERO).status, 200, "not strict");
    body["response_format"]["json_schema"]["strict"] = json!(true);
    let error = json_of(&chat(&simulator(""), &body, Duration::ZERO));
    assert_eq!(error["error"]["message"], "Provider returned error");
    let raw: Value = serde_json::from_str(error["error"]["metadata"]["raw"].as_str().unwrap()).unwrap();
    assert!(raw["error"]["message"].as_str().unwrap().contains("additionalProperties"), "{raw}");
    assert_eq!(chat(&simulator("strict_schemas = false"), &body, Duration::ZERO).status, 200);
    body["model"] = json!("mistralai/mistral-small-3.2-24b-instruct");
    assert_eq!(chat(&simulator(""), &body, Duration::ZERO).status, 200);
}

#[test]
fn fixed_replies_and_contents() {
    let simulator = simulator(
        "[[rule]]\ncontains = 'teapot'\nreply = { status = 418, headers = { X-Kind = 'tea' }, body = { short = true } }\n\
         [[rule]]\npath = '/models'\nreply = { status = 503, body = 'closed' }\n\
         [[rule]]\nlatency_ms = 77\ncontent = 'forty-two'",
    );
    let mut body = question("openai/gpt-4o");
    let reply = chat(&simulator, &body, Duration::ZERO);
    assert_eq!((crate::content(&reply).as_str(), reply.delay), ("forty-two", Duration::from_millis(77)));
    body["messages"][0]["content"] = json!("I am a teapot");
    let reply = chat(&simulator, &body, Duration::ZERO);
    assert_eq!((reply.status, reply.header("x-kind"), json_of(&reply)), (418, Some("tea"), json!({ "short": true })));
    let models = crate::get(&simulator, "/models");
    assert_eq!((models.status, models.body_bytes()), (503, b"closed".to_vec()));
}
