//! Error replies in OpenRouter's envelope, family by family.

use serde_json::{Value, json};

use crate::reply::SimReply;

const PROVIDER_RETURNED: &str = "Provider returned error";
const ROUTING_HELP: &str = "To learn more about provider routing, visit: https://openrouter.ai/docs/guides/routing/provider-selection";
const USER: &str = "user_simulated";

/// An error with a message and nothing else.
pub(crate) fn plain(status: u16, message: &str) -> SimReply {
    SimReply::json(status, &json!({ "error": { "message": message, "code": status } }))
}

/// An error with metadata.
pub(crate) fn with_metadata(status: u16, message: &str, metadata: &Value) -> SimReply {
    let error = json!({ "message": message, "code": status, "metadata": metadata });
    SimReply::json(status, &json!({ "error": error, "user_id": USER }))
}

/// What a provider said, wrapped the way OpenRouter wraps it.
pub(crate) fn from_provider(status: u16, provider: &str, raw: &str, error_type: &str) -> SimReply {
    let metadata = json!({ "raw": raw, "provider_name": provider, "is_byok": false, "error_type": error_type });
    with_metadata(status, PROVIDER_RETURNED, &metadata)
}

/// An error with the newer `availability` object.
pub(crate) fn availability(status: u16, message: &str, error_type: &str, availability: Value, metadata: Option<Value>) -> SimReply {
    let mut error = json!({
        "message": message,
        "code": status,
        "error_type": error_type,
        "http_status": status,
        "availability": availability,
    });
    if let (Some(metadata), Some(fields)) = (metadata, error.as_object_mut()) {
        fields.insert("metadata".to_owned(), metadata);
    }
    SimReply::json(status, &json!({ "error": error, "user_id": USER }))
}

fn docs(code: &str) -> String {
    format!("https://openrouter.ai/docs/errors#{code}")
}

/// 400 for an id nobody serves.
pub(crate) fn unknown_model(model: &str) -> SimReply {
    availability(
        400,
        &format!("{model} is not a valid model ID"),
        "invalid_request",
        json!({
            "code": "model_not_found",
            "retryable": false,
            "requested_models": [model],
            "docs_url": docs("model_not_found"),
        }),
        None,
    )
}

/// 400 for too many tokens.
pub(crate) fn context_length(limit: u64, text: u64, tools: u64, output: u64) -> SimReply {
    let tools_part = if tools == 0 { String::new() } else { format!(" {tools} of tool input,") };
    let message = format!(
        "This endpoint's maximum context length is {limit} tokens. However, you requested about {} tokens \
         ({text} of text input,{tools_part} {output} in the output). Please reduce the length of either one, or \
         use the context-compression plugin to compress your prompt automatically.",
        text + tools + output
    );
    with_metadata(400, &message, &json!({ "provider_name": null, "error_type": "context_length_exceeded" }))
}

/// 404 after a routing step left nothing.
pub(crate) fn routed_out(message: &str, step: &str, before: usize) -> SimReply {
    let funnel = json!([
        { "step": "Initial Endpoints", "endpoint_count": before },
        { "step": step, "endpoint_count": 0 },
    ]);
    with_metadata(404, message, &json!({ "routing_funnel": funnel, "failed_routing_step": step }))
}

/// 404 because no endpoint lists every parameter of the body.
pub(crate) fn parameters_filtered(model: &str, slugs: &[&str]) -> SimReply {
    let metadata = json!({
        "routing_funnel": [
            { "step": "Initial Endpoints", "endpoint_count": slugs.len() },
            { "step": "Filter by Parameters", "endpoint_count": 0 },
        ],
        "failed_routing_step": "Filter by Parameters",
    });
    availability(
        404,
        &format!("No endpoints found that can handle the requested parameters. {ROUTING_HELP}"),
        "not_found",
        json!({
            "code": "constraint_filtered",
            "retryable": false,
            "requested_models": [model],
            "affected_providers": slugs,
            "excluded_by": ["require_parameters"],
            "constraint": {
                "field": "require_parameters",
                "detail": "No endpoint supports every requested parameter.",
            },
            "docs_url": docs("constraint_filtered"),
        }),
        Some(metadata),
    )
}

/// 404 because none of the endpoints takes tools.
pub(crate) fn no_tool_use(tool: &str, before: usize) -> SimReply {
    let message = format!("No endpoints found that support tool use. Try disabling \"{tool}\". {ROUTING_HELP}");
    routed_out(&message, "Filter by Tool Compatibility", before)
}

/// 404 because `only` and the model's providers have nothing in common.
pub(crate) fn allowed_providers(model: &str, available: &[&str], requested: &[String]) -> SimReply {
    let message = format!(
        "No allowed providers are available for the selected model. Providers serving {model}: {}, but your \
         request's `provider.only` preference permits only: {}.",
        available.join(", "),
        requested.join(", ")
    );
    let metadata = json!({
        "available_providers": available,
        "requested_providers": requested,
        "failed_routing_step": "Filter by Allowed Providers",
    });
    with_metadata(404, &message, &metadata)
}

/// 404 because of prices.
pub(crate) fn price_filtered(model: &str, slugs: &[&str]) -> SimReply {
    availability(
        404,
        &format!("No endpoints found for {model} within the requested max_price. {ROUTING_HELP}"),
        "not_found",
        json!({
            "code": "constraint_filtered",
            "retryable": false,
            "requested_models": [model],
            "affected_providers": slugs,
            "excluded_by": ["max_price"],
            "constraint": { "field": "max_price", "detail": "Every endpoint costs more." },
            "docs_url": docs("constraint_filtered"),
        }),
        Some(json!({ "failed_routing_step": "Filter by Price" })),
    )
}

/// 429 all providers of a model are at capacity.
pub(crate) fn capacity_exhausted(model: &str, slugs: &[&str], retry_after_s: u64) -> SimReply {
    availability(
        429,
        &format!("All providers for {model} are at capacity. Retry after {retry_after_s} seconds."),
        "rate_limit_exceeded",
        json!({
            "code": "capacity_exhausted",
            "retryable": true,
            "retry_after": retry_after_s,
            "requested_models": [model],
            "affected_providers": slugs,
            "docs_url": docs("capacity_exhausted"),
        }),
        None,
    )
    .with_header("retry-after", retry_after_s.to_string())
}

/// 503 with a time to come back.
pub(crate) fn unavailable(model: &str, retry_after_s: u64) -> SimReply {
    availability(
        503,
        &format!("All providers for {model} are temporarily unavailable."),
        "provider_overloaded",
        json!({
            "code": "temporarily_unavailable",
            "retryable": true,
            "retry_after": retry_after_s,
            "requested_models": [model],
            "docs_url": docs("temporarily_unavailable"),
        }),
        None,
    )
    .with_header("retry-after", retry_after_s.to_string())
}

/// 429 of a provider's shared pool.
pub(crate) fn upstream_rate_limited(model: &str, provider: &str, retry_after_s: u64) -> SimReply {
    let metadata = json!({
        "raw": format!(
            "{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key to \
             accumulate your rate limits: https://openrouter.ai/settings/integrations"
        ),
        "provider_name": provider,
        "is_byok": false,
        "limit_source": "upstream_provider_shared_pool",
        "remedy_hint": "Retry shortly, add your own provider key, or route to another provider.",
        "retry_after_seconds": retry_after_s,
        "headers": { "Retry-After": retry_after_s.to_string() },
        "error_type": "rate_limit_exceeded",
    });
    with_metadata(429, PROVIDER_RETURNED, &metadata).with_header("retry-after", retry_after_s.to_string())
}

/// 429 of a free-model quota; the reset stands in the headers and again in the metadata.
pub(crate) fn free_quota(message: &str, limit: u32, reset_epoch_ms: u64, source: Option<&str>) -> SimReply {
    let (limit, reset) = (limit.to_string(), reset_epoch_ms.to_string());
    let mut metadata = json!({
        "headers": { "X-RateLimit-Limit": limit, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset },
        "provider_name": null,
    });
    if let (Some(source), Some(fields)) = (source, metadata.as_object_mut()) {
        fields.insert("limit_source".to_owned(), json!(source));
    }
    with_metadata(429, message, &metadata)
        .with_header("x-ratelimit-limit", limit)
        .with_header("x-ratelimit-remaining", "0")
        .with_header("x-ratelimit-reset", reset)
}

/// 402 without any credits left.
pub(crate) fn no_credits() -> SimReply {
    let metadata = json!({
        "limit_source": "openrouter_credits",
        "remedy_hint": "Add credits at https://openrouter.ai/settings/credits.",
    });
    with_metadata(402, "Insufficient credits. Add more using https://openrouter.ai/credits", &metadata)
}

/// 402 because the longest possible answer costs more than is left.
pub(crate) fn cannot_afford(requested: u64, affordable: u64) -> SimReply {
    let message = format!(
        "This request requires more credits, or fewer max_tokens. You requested up to {requested} tokens, but can \
         only afford {affordable}. To increase, visit https://openrouter.ai/settings/credits and upgrade to a paid \
         account"
    );
    with_metadata(402, &message, &json!({ "provider_name": null, "limit_source": "openrouter_credits" }))
}

/// 402 because of what is already in flight.
pub(crate) fn in_flight(retry_after_s: u64) -> SimReply {
    let metadata = json!({
        "reason": "in_flight_budget_exhausted",
        "limit_source": "openrouter_in_flight_budget",
        "remedy_hint": "Retry after your in-flight requests settle (see the Retry-After header), or add credits.",
    });
    let message = "This request would exceed your available credits given your current in-flight requests. \
                   Retry after in-flight requests settle, or add credits.";
    with_metadata(402, message, &metadata).with_header("retry-after", retry_after_s.to_string())
}

/// 402 because this one request alone is above the in-flight budget.
pub(crate) fn weight_exceeds_budget() -> SimReply {
    let metadata = json!({
        "reason": "weight_exceeds_budget",
        "limit_source": "openrouter_credits",
        "remedy_hint": "Lower max_tokens or the prompt size, or add credits.",
    });
    with_metadata(402, "This request requires more credits, or fewer max_tokens.", &metadata)
}

/// 403 because the input was flagged.
pub(crate) fn moderation(model: &str, provider: &str, input: &str) -> SimReply {
    let metadata = json!({
        "reasons": ["violence"],
        "flagged_input": excerpt(input),
        "provider_name": provider,
        "model_slug": model,
    });
    let message = format!("{model} requires moderation on {provider}. Your input was flagged for \"violence\". No credits were charged.");
    with_metadata(403, &message, &metadata)
}

/// 403 because the key's own limit is used up.
pub(crate) fn key_limit() -> SimReply {
    let metadata = json!({
        "limit_source": "openrouter_key_limit",
        "remedy_hint": "Raise the key's credit limit or wait for it to reset.",
    });
    let message = "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys";
    with_metadata(403, message, &metadata)
}

/// At most 100 characters of a text, cut in the middle.
fn excerpt(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= 100 {
        return text.to_owned();
    }
    let start: String = characters.iter().take(48).collect();
    let end: String = characters.iter().skip(characters.len() - 48).collect();
    format!("{start}...{end}")
}

/// Adds the errors of earlier attempts to an error reply.
pub(crate) fn add_previous(reply: SimReply, previous: &[Value]) -> SimReply {
    if previous.is_empty() {
        return reply;
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body_bytes()) else {
        return reply;
    };
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        let metadata = error.entry("metadata").or_insert_with(|| json!({}));
        if let Some(fields) = metadata.as_object_mut() {
            fields.insert("previous_errors".to_owned(), json!(previous));
        }
    }
    SimReply { body: crate::reply::SimBody::Bytes(body.to_string().into_bytes()), ..reply }
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn flagged_input_is_cut_in_the_middle() {
        let cut = excerpt(&"é".repeat(300));
        assert_eq!(cut.chars().count(), 99);
        assert!(cut.contains("..."));
        assert_eq!(excerpt("short"), "short");
    }
}
