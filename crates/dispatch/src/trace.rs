//! A span for every request, with the attribute names of OpenTelemetry's conventions for generative AI. Prompts and
//! answers are no attributes: what was asked stays in the ledger.

use corsac_wire::Usd;
use tracing::Span;
use tracing::field::Empty;

use crate::door::OpenDoor;
use crate::read::Reading;
use crate::record::usage;
use crate::{Call, Contract};

/// The target of all spans and events.
pub(crate) const TARGET: &str = "corsac";

/// The span of one request.
pub(crate) fn span(call: &Call, model: &str, max_tokens: u32, door: &OpenDoor) -> Span {
    let operation = if matches!(call.contract, Contract::Embedding { .. }) { "embeddings" } else { "chat" };
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = door.exchange.engine(),
        gen_ai.request.model = model,
        gen_ai.request.max_tokens = max_tokens,
        gen_ai.response.model = Empty,
        gen_ai.response.id = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        corsac.run = call.origin.run.as_str(),
        corsac.operator = &*call.origin.operator,
        corsac.row = call.origin.row,
        corsac.provider = Empty,
        corsac.cost_usd = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{operation} {model}"));
    }
    span
}

/// What came of the request.
pub(crate) fn close(span: &Span, reading: &Reading, cost: Option<Usd>) {
    if span.is_disabled() {
        return;
    }
    let used = usage(reading);
    span.record("gen_ai.usage.input_tokens", used.prompt_tokens);
    span.record("gen_ai.usage.output_tokens", used.completion_tokens);
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
        span.record("corsac.cost_usd", cost.to_string());
    }
    if let Some(status) = reading.status {
        span.record("http.response.status_code", status);
    }
    if let Err(fault) = &reading.result {
        span.record("error.type", fault.class.name());
        span.record("otel.status_code", "ERROR");
    }
}
