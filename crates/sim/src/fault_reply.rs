//! What a fault looks like that takes the place of an answer.

use serde_json::json;

use crate::account::Account;
use crate::calendar::ResetInterval;
use crate::catalog::Model;
use crate::chat_request::{ChatRequest, Shape};
use crate::fault::FaultKind;
use crate::fault_plan::Answerer;
use crate::reasoning::{self, Form};
use crate::reply::{SimBody, SimReply};
use crate::wire_error::{self, Funnel};

/// How long an upstream asks to wait.
const UPSTREAM_WAIT_S: u64 = 5;

/// What a fault knows about the request it hits; outside chat there is none.
pub(crate) struct Hit<'a> {
    pub(crate) answerer: Answerer<'a>,
    pub(crate) model: Option<&'a Model>,
    pub(crate) request: Option<&'a ChatRequest<'a>>,
    pub(crate) prompt_tokens: u64,
    pub(crate) account: &'a Account,
    pub(crate) now: std::time::Duration,
}

/// The reply; none for a fault that spoils an answer instead of replacing it.
pub(crate) fn reply(kind: FaultKind, hit: &Hit<'_>) -> Option<SimReply> {
    let Answerer { model, provider, .. } = hit.answerer;
    let slugs: Vec<&str> =
        hit.model.map(|model| model.endpoints.iter().map(|endpoint| endpoint.slug.as_str()).collect()).unwrap_or_default();
    let max_tokens = hit.request.and_then(|request| request.max_tokens);
    Some(match kind {
        FaultKind::Http500 => {
            let metadata = json!({ "error_type": "server" });
            wire_error::with_metadata(500, "Internal Server Error", &metadata)
        }
        FaultKind::Http502 => wire_error::from_provider(502, provider, "upstream connect error", "provider_unavailable"),
        FaultKind::Http503 => wire_error::unavailable(model, UPSTREAM_WAIT_S),
        FaultKind::Http504 => {
            let metadata = json!({ "error_type": "timeout", "provider_name": provider });
            wire_error::with_metadata(504, "The provider took too long to answer", &metadata)
        }
        FaultKind::Http524Html => edge_page(524, "The origin did not answer in time."),
        FaultKind::Http529 => wire_error::from_provider(529, provider, "Overloaded", "provider_overloaded"),
        FaultKind::Http408 => wire_error::plain(408, "Operation timed out. Please try again later."),
        FaultKind::RateLimited => hit.account.rate_limited_now(hit.now),
        FaultKind::UpstreamRateLimited => wire_error::upstream_rate_limited(model, provider, UPSTREAM_WAIT_S),
        FaultKind::FreePerDay => hit.account.free_per_day(hit.now),
        FaultKind::CapacityExhausted => wire_error::capacity_exhausted(model, &slugs, UPSTREAM_WAIT_S),
        FaultKind::ErrorIn200 => {
            let error = json!({ "message": "The provider returned no usable answer", "code": 502 });
            SimReply::json(200, &json!({ "error": error }))
        }
        FaultKind::Hang => SimReply { body: SimBody::Hang, ..SimReply::json_bytes(200, Vec::new()) },
        FaultKind::NoCredits402 => wire_error::no_credits(),
        FaultKind::InFlight402 => wire_error::in_flight(UPSTREAM_WAIT_S.into()),
        FaultKind::CannotAfford402 => {
            let requested = max_tokens.or(hit.model.and_then(|model| model.max_completion_tokens)).unwrap_or(65_536);
            wire_error::cannot_afford(requested, requested / 4, false)
        }
        FaultKind::Moderation403 => wire_error::moderation(model, provider, hit.request.map_or("", ChatRequest::last_user_text)),
        FaultKind::Guardrail403 => {
            let metadata = json!({ "patterns": ["ignore all previous instructions"] });
            wire_error::with_metadata(403, "Request blocked: prompt injection patterns detected", &metadata)
        }
        FaultKind::KeyLimit403 => wire_error::key_limit(403, "total"),
        FaultKind::KeyLimit402 => wire_error::key_limit(402, "monthly"),
        FaultKind::Weight402 => wire_error::weight_exceeds_budget(),
        FaultKind::Budget403 => {
            let resets_at = hit.account.next_reset(ResetInterval::Monthly, hit.now);
            wire_error::budget_exceeded("openrouter_guardrail_budget", "member", json!(50), json!(50.2), Some(resets_at))
        }
        FaultKind::Region403 => wire_error::region_restricted(model, provider),
        FaultKind::Harness403 => wire_error::harness_only(model),
        FaultKind::Edge403Html => edge_page(403, "Sorry, you have been blocked"),
        FaultKind::Http400 => wire_error::plain(400, "Invalid request parameters"),
        FaultKind::Http413 => wire_error::plain(413, "Request payload too large"),
        FaultKind::Http422 => {
            let raw = json!({ "error": { "message": "Invalid argument", "type": "invalid_request_error", "param": "messages" } });
            wire_error::from_provider(422, provider, &raw.to_string(), "unprocessable")
        }
        FaultKind::Http524 => wire_error::plain(524, "Request timed out. Please try again later."),
        FaultKind::FreePerMinute => hit.account.free_per_minute(hit.now),
        FaultKind::AllowedProviders404 => {
            wire_error::allowed_providers(model, &slugs, &["nobody".to_owned()], &emptied("Filter by Allowed Providers", &slugs))
        }
        FaultKind::Guardrail404 => {
            let message = "No endpoints available matching your guardrail restrictions and data policy. Configure: \
                           https://openrouter.ai/settings/privacy";
            wire_error::routed_out(message, &emptied("Filter by Guardrails", &slugs))
        }
        FaultKind::Privacy404 => wire_error::privacy_restricted(model, &slugs, None),
        FaultKind::ToolUse404 => {
            let tool = hit.request.and_then(|request| request.tools.first()).map_or("tools", |tool| tool.name.as_ref());
            wire_error::no_tool_use(tool, &emptied("Filter by Tool Compatibility", &slugs))
        }
        FaultKind::ToolChoice404 => wire_error::no_tool_choice(&emptied("Filter by Tool Choice", &slugs)),
        FaultKind::ImageInput404 => {
            wire_error::routed_out("No endpoints found that support image input", &emptied("Filter by Image Support", &slugs))
        }
        FaultKind::FreeEnded404 => wire_error::free_ended(model),
        FaultKind::Deprecated404 => wire_error::deprecated(model),
        FaultKind::UnknownModel400 => wire_error::unknown_model(model),
        FaultKind::ThoughtLost400 => reasoning::lost(Form::Sealed, provider, 1, false),
        FaultKind::EmptyBody => SimReply::json_bytes(200, Vec::new()),
        FaultKind::Unauthorized401 => wire_error::plain(401, "User not found."),
        FaultKind::NoEndpoints404 => wire_error::plain(404, &format!("No endpoints found for {model}.")),
        FaultKind::ParameterFilter404 => wire_error::parameters_filtered(model, &slugs, &emptied("Filter by Parameters", &slugs)),
        FaultKind::DataPolicy404 => {
            let message = "No endpoints found matching your data policy (Free model training). Configure: \
                           https://openrouter.ai/settings/privacy";
            wire_error::routed_out(message, &emptied("Filter by Data Policy", &slugs))
        }
        FaultKind::SchemaRefused400 => {
            schema_refused(provider, hit.request, "'additionalProperties' is required to be supplied and to be false.")
        }
        FaultKind::ContextLength400 => {
            let limit = hit.model.map_or(8_192, |model| model.context_length);
            wire_error::context_length(limit, limit.max(hit.prompt_tokens) + 731, 0, max_tokens.unwrap_or(0))
        }
        FaultKind::ReasoningMandatory400 => wire_error::plain(400, "Reasoning is mandatory for this endpoint and cannot be disabled."),
        FaultKind::GarbageBody => SimReply::json_bytes(200, b"\x1f\x8b<not json at all>".to_vec()),
        FaultKind::StalledStream => {
            let body = SimBody::Stream(crate::stream::stalled());
            SimReply { body, ..SimReply::json_bytes(200, Vec::new()) }.with_header("content-type", "text/event-stream")
        }
        FaultKind::ChoiceError
        | FaultKind::EmptyStop
        | FaultKind::Length
        | FaultKind::MalformedJson
        | FaultKind::WrongSchema
        | FaultKind::FencedJson
        | FaultKind::Refusal
        | FaultKind::ContentFilter
        | FaultKind::Cut
        | FaultKind::Slow
        | FaultKind::TruncatedStream
        | FaultKind::MidstreamError
        | FaultKind::MidstreamErrorNoChoices
        | FaultKind::MidstreamErrorBare
        | FaultKind::ReasoningOnly
        | FaultKind::ToolCallMissing
        | FaultKind::ToolEmptyArguments
        | FaultKind::WrongContentType => return None,
    })
}

/// A provider that does not take the schema; the reason stands as JSON text inside `raw`.
pub(crate) fn schema_refused(provider: &str, request: Option<&ChatRequest<'_>>, why: &str) -> SimReply {
    let name = match request.map(|request| &request.shape) {
        Some(Shape::Schema { name, .. }) => name.as_ref(),
        _ => "answer",
    };
    let raw = json!({
        "error": {
            "message": format!("Invalid schema for response_format '{name}': In context=(), {why}"),
            "type": "invalid_request_error",
            "param": "response_format",
            "code": null,
        },
    });
    wire_error::from_provider(400, provider, &raw.to_string(), "invalid_request")
}

/// A funnel that a step emptied.
fn emptied(step: &'static str, slugs: &[&str]) -> Funnel {
    let mut funnel = Funnel::new(slugs.len());
    funnel.step(step, 0);
    funnel
}

/// What the edge in front of the API shows in its place.
fn edge_page(status: u16, text: &str) -> SimReply {
    let page =
        format!("<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>Error code {status}</h1><p>{text}</p></body></html>");
    SimReply::json_bytes(status, page.into_bytes())
        .with_header("content-type", "text/html; charset=UTF-8")
        .with_header("server", "cloudflare")
        .with_header("cf-ray", "8f2a1c0000000000-SIM")
}
