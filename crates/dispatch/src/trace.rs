//! A span for every call that is asked, and one below it for every request, with the attribute names of OpenTelemetry's
//! conventions for generative AI. Prompts and answers are no attributes unless the settings ask for it; keys never are.

use corsac_wire::Usd;
use http::Uri;
use serde_json::json;
use tracing::Span;
use tracing::field::Empty;

use crate::door::OpenDoor;
use crate::read::Reading;
use crate::record::{answer_text, usage};
use crate::{Call, Contract, Outcome, Settings};

/// The target of all spans and events.
pub(crate) const TARGET: &str = "corsac";

/// The span of a call with all its attempts.
pub(crate) fn call_span(call: &Call) -> Span {
    tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = &*call.origin.operator,
        otel.kind = "internal",
        otel.status_code = Empty,
        corsac.run = call.origin.run.as_str(),
        corsac.operator = &*call.origin.operator,
        corsac.row = number(call.origin.row),
        corsac.attempts = Empty,
        corsac.cost_usd = Empty,
        error.type = Empty,
    )
}

/// What became of a call.
pub(crate) fn close_call(span: &Span, outcome: &Outcome) {
    if span.is_disabled() {
        return;
    }
    let (attempts, cost) = match outcome {
        Ok(answer) => (answer.attempts, answer.cost),
        Err(failure) => {
            span.record("error.type", failure.kind.name());
            span.record("otel.status_code", "ERROR");
            (failure.attempts, failure.cost)
        }
    };
    span.record("corsac.attempts", i64::from(attempts));
    span.record("corsac.cost_usd", cost.as_f64());
}

/// The span of one request.
pub(crate) fn span(call: &Call, model: &str, max_tokens: u32, temperature: Option<f64>, door: &OpenDoor, settings: &Settings) -> Span {
    let operation = match call.contract {
        Contract::Embedding { .. } => "embeddings",
        _ => "chat",
    };
    let engine = door.exchange.engine();
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = Empty,
        otel.kind = if matches!(engine, "local" | "sim") { "internal" } else { "client" },
        otel.status_code = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = engine,
        gen_ai.request.model = model,
        gen_ai.request.max_tokens = Empty,
        gen_ai.request.temperature = Empty,
        gen_ai.output.type = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.id = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_write.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        gen_ai.system_instructions = Empty,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        server.address = Empty,
        server.port = Empty,
        corsac.run = call.origin.run.as_str(),
        corsac.operator = &*call.origin.operator,
        corsac.row = number(call.origin.row),
        corsac.provider = Empty,
        corsac.cost_usd = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", format!("{operation} {model}"));
    if operation == "chat" {
        span.record("gen_ai.request.max_tokens", i64::from(max_tokens));
        if let Some(temperature) = temperature {
            span.record("gen_ai.request.temperature", temperature);
        }
        span.record("gen_ai.output.type", if matches!(call.contract, Contract::Json(_)) { "json" } else { "text" });
    }
    if let Some((host, port)) = server(&door.exchange.address()) {
        span.record("server.address", host);
        span.record("server.port", i64::from(port));
    }
    if settings.trace_content {
        if !call.system.is_empty() {
            span.record("gen_ai.system_instructions", json!([{ "type": "text", "content": &*call.system }]).to_string());
        }
        let part = json!({ "type": "text", "content": call.input() });
        span.record("gen_ai.input.messages", json!([{ "role": "user", "parts": [part] }]).to_string());
    }
    span
}

/// What came of the request.
pub(crate) fn close(span: &Span, call: &Call, reading: &Reading, cost: Option<Usd>, settings: &Settings) {
    if span.is_disabled() {
        return;
    }
    let used = usage(reading);
    span.record("gen_ai.usage.input_tokens", number(used.prompt_tokens));
    span.record("gen_ai.usage.output_tokens", number(used.completion_tokens));
    let details = [
        ("gen_ai.usage.cache_read.input_tokens", used.cached_tokens),
        ("gen_ai.usage.cache_write.input_tokens", used.cache_write_tokens),
        ("gen_ai.usage.reasoning.output_tokens", used.reasoning_tokens),
    ];
    for (name, tokens) in details.into_iter().filter(|(_, tokens)| *tokens > 0) {
        span.record(name, number(tokens));
    }
    if let Some(model) = &reading.model {
        span.record("gen_ai.response.model", &**model);
    }
    if let Some(id) = &reading.generation_id {
        span.record("gen_ai.response.id", id.as_str());
    }
    if let Some(provider) = &reading.provider {
        span.record("corsac.provider", &**provider);
    }
    if let Some(cost) = cost {
        span.record("corsac.cost_usd", cost.as_f64());
    }
    if let Some(status) = reading.status {
        span.record("http.response.status_code", i64::from(status));
    }
    if let Err(fault) = &reading.result {
        span.record("error.type", fault.class.name());
        span.record("otel.status_code", "ERROR");
    }
    if settings.trace_content && !matches!(call.contract, Contract::Embedding { .. }) {
        let (text, reason) = match &reading.result {
            Ok(validated) => (Some(answer_text(validated)), "stop"),
            Err(_) => (reading.rejected.clone(), "error"),
        };
        if let Some(text) = text {
            let part = json!({ "type": "text", "content": text });
            span.record("gen_ai.output.messages", json!([{ "role": "assistant", "parts": [part], "finish_reason": reason }]).to_string());
        }
    }
}

/// Numbers without a sign would become text on their way to a collector.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Host and port of a base URL.
fn server(address: &str) -> Option<(String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_host_and_a_port() {
        assert_eq!(server("https://openrouter.ai/api/v1"), Some(("openrouter.ai".to_owned(), 443)));
        assert_eq!(server("http://127.0.0.1:8080/api/v1"), Some(("127.0.0.1".to_owned(), 8080)));
        assert_eq!(server("/home/me/model.gguf"), None);
    }
}
