//! Error replies in OpenRouter's envelope, family by family.

use serde_json::{Value, json};

use crate::reply::SimReply;

const PROVIDER_RETURNED: &str = "Provider returned error";
const ROUTING_HELP: &str = "To learn more about provider routing, visit: https://openrouter.ai/docs/guides/routing/provider-selection";
pub(crate) const USER: &str = "user_simulated";

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

/// 400 for a model that is asked on another path.
pub(crate) fn wrong_endpoint(model: &str) -> SimReply {
    availability(
        400,
        &format!("{model} cannot be used with this endpoint"),
        "invalid_request",
        json!({
            "code": "wrong_endpoint",
            "retryable": false,
            "requested_models": [model],
            "docs_url": docs("wrong_endpoint"),
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

/// The endpoints left after each step of routing, first all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Funnel(Vec<(&'static str, usize)>);

impl Funnel {
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![("Initial Endpoints", count)])
    }

    pub(crate) fn step(&mut self, step: &'static str, left: usize) {
        self.0.push((step, left));
    }

    /// The metadata of a request that a step left without endpoints.
    fn metadata(&self) -> Value {
        let steps: Vec<Value> = self.0.iter().map(|(step, count)| json!({ "step": step, "endpoint_count": count })).collect();
        json!({ "routing_funnel": steps, "failed_routing_step": self.0.last().map(|(step, _)| step) })
    }
}

/// 404 after a routing step left nothing.
pub(crate) fn routed_out(message: &str, funnel: &Funnel) -> SimReply {
    with_metadata(404, message, &funnel.metadata())
}

/// 404 after a constraint of the request left nothing, with the constraint named.
fn constraint_filtered(message: &str, model: &str, slugs: &[&str], (field, detail): (&str, &str), funnel: &Funnel) -> SimReply {
    availability(
        404,
        message,
        "not_found",
        json!({
            "code": "constraint_filtered",
            "retryable": false,
            "requested_models": [model],
            "affected_providers": slugs,
            "excluded_by": [field],
            "constraint": { "field": field, "detail": detail },
            "docs_url": docs("constraint_filtered"),
        }),
        Some(funnel.metadata()),
    )
}

/// 404 because no endpoint lists every parameter of the body.
pub(crate) fn parameters_filtered(model: &str, slugs: &[&str], funnel: &Funnel) -> SimReply {
    let message = format!("No endpoints found that can handle the requested parameters. {ROUTING_HELP}");
    constraint_filtered(&message, model, slugs, ("require_parameters", "No endpoint supports every requested parameter."), funnel)
}

/// 404 because of prices.
pub(crate) fn price_filtered(model: &str, slugs: &[&str], funnel: &Funnel) -> SimReply {
    let message = format!("No endpoints found for {model} within the requested max_price. {ROUTING_HELP}");
    constraint_filtered(&message, model, slugs, ("max_price", "Every endpoint costs more."), funnel)
}

/// 404 because of the weights' precision.
pub(crate) fn quantization_filtered(model: &str, slugs: &[&str], funnel: &Funnel) -> SimReply {
    let message = format!("No endpoints found for {model} with the requested quantizations. {ROUTING_HELP}");
    constraint_filtered(&message, model, slugs, ("quantization", "No endpoint has one of the quantizations."), funnel)
}

/// 404 because none of the endpoints takes tools.
pub(crate) fn no_tool_use(tool: &str, funnel: &Funnel) -> SimReply {
    routed_out(&format!("No endpoints found that support tool use. Try disabling \"{tool}\". {ROUTING_HELP}"), funnel)
}

/// 404 because none of the endpoints takes the `tool_choice`.
pub(crate) fn no_tool_choice(funnel: &Funnel) -> SimReply {
    routed_out(&format!("No endpoints found that support the provided 'tool_choice' value. {ROUTING_HELP}"), funnel)
}

/// 404 because `only` and the model's providers have nothing in common.
pub(crate) fn allowed_providers(model: &str, available: &[&str], requested: &[String], funnel: &Funnel) -> SimReply {
    let message = format!(
        "No allowed providers are available for the selected model. Providers serving {model}: {}, but your \
         request's `provider.only` preference permits only: {}.",
        available.join(", "),
        requested.join(", ")
    );
    let mut metadata = funnel.metadata();
    if let Some(fields) = metadata.as_object_mut() {
        fields.insert("available_providers".to_owned(), json!(available));
        fields.insert("requested_providers".to_owned(), json!(requested));
    }
    with_metadata(404, &message, &metadata)
}

/// 404 in the newer form because no endpoint keeps nothing.
pub(crate) fn privacy_restricted(model: &str, slugs: &[&str], metadata: Option<Value>) -> SimReply {
    availability(
        404,
        &format!(
            "No endpoints for {model} match your data policy (zero data retention). Adjust at https://openrouter.ai/settings/privacy."
        ),
        "not_found",
        json!({
            "code": "privacy_restricted",
            "retryable": false,
            "requested_models": [model],
            "affected_providers": slugs,
            "excluded_by": ["data_policy:zdr"],
            "docs_url": docs("privacy_restricted"),
        }),
        metadata,
    )
}

/// 404 because the free variant has ended.
pub(crate) fn free_ended(model: &str) -> SimReply {
    availability(
        404,
        "The free promotion for this model has ended.",
        "not_found",
        json!({
            "code": "free_variant_ended",
            "retryable": false,
            "requested_models": [model],
            "fallback_models": [model.trim_end_matches(":free")],
            "docs_url": docs("free_variant_ended"),
        }),
        None,
    )
}

/// 404 because the model is gone; this one comes without `code`, as some do.
pub(crate) fn deprecated(model: &str) -> SimReply {
    let error = json!({
        "message": format!("{model} was taken out of service. A newer model of its family takes its place."),
        "error_type": "not_found",
        "http_status": 404,
        "availability": {
            "code": "model_deprecated",
            "retryable": false,
            "requested_models": [model],
            "fallback_models": ["openai/gpt-4o-mini"],
            "docs_url": docs("model_deprecated"),
        },
    });
    SimReply::json(404, &json!({ "error": error }))
}

/// 403 because the model is not served where the request comes from.
pub(crate) fn region_restricted(model: &str, provider: &str) -> SimReply {
    availability(
        403,
        &format!("{model} is not available in your region: {provider} blocks requests originating from your location"),
        "permission_denied",
        json!({
            "code": "region_restricted",
            "retryable": false,
            "requested_models": [model],
            "excluded_by": ["geo"],
            "docs_url": docs("region_restricted"),
        }),
        None,
    )
}

/// 403 because the free model is for certain applications only.
pub(crate) fn harness_only(model: &str) -> SimReply {
    let message = format!(
        "{model} is only available on agentic harnesses. Try plugging it into a coding agent or productivity app listed on \
         https://openrouter.ai/apps"
    );
    let mut funnel = Funnel::new(1);
    funnel.step("Gate Free Endpoints by Agentic Harness", 0);
    with_metadata(403, &message, &funnel.metadata())
}

/// 403 because a budget is used up.
pub(crate) fn budget_exceeded(source: &str, scope: &str, limit: Value, spent: Value, resets_at: Option<String>) -> SimReply {
    let metadata = json!({ "limit_source": source, "scope": scope, "limit_usd": limit, "spend_usd": spent, "resets_at": resets_at });
    with_metadata(403, "Budget limit exceeded", &metadata)
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

/// 402 because the longest possible answer costs more than is left to the account or to the key.
pub(crate) fn cannot_afford(requested: u64, affordable: u64, by_key: bool) -> SimReply {
    let (remedy, source) = if by_key {
        ("keys and create a key with a higher monthly limit", "openrouter_key_limit")
    } else {
        ("credits and upgrade to a paid account", "openrouter_credits")
    };
    let message = format!(
        "This request requires more credits, or fewer max_tokens. You requested up to {requested} tokens, but can \
         only afford {affordable}. To increase, visit https://openrouter.ai/settings/{remedy}"
    );
    with_metadata(402, &message, &json!({ "provider_name": null, "limit_source": source }))
}

/// 402 because the prompt alone costs more than is left.
pub(crate) fn prompt_unaffordable(requested: u64, affordable: u64) -> SimReply {
    let message = format!(
        "Prompt tokens limit exceeded: {requested} > {affordable}. To increase, visit https://openrouter.ai/settings/credits and upgrade \
         to a paid account"
    );
    with_metadata(402, &message, &json!({ "provider_name": null, "limit_source": "openrouter_credits" }))
}

/// 402 because of what is already in flight.
pub(crate) fn in_flight(retry_after_s: u128) -> SimReply {
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

/// 403, or 402 as the documentation has it, because the key's own limit is used up; `span` is total, daily, weekly or
/// monthly.
pub(crate) fn key_limit(status: u16, span: &str) -> SimReply {
    let metadata = json!({
        "limit_source": "openrouter_key_limit",
        "remedy_hint": "Raise the key's credit limit or wait for it to reset.",
    });
    let message = format!("Key limit exceeded ({span} limit). Manage it using https://openrouter.ai/settings/keys");
    with_metadata(status, &message, &metadata)
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
    changed(reply, |body| {
        if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
            let metadata = error.entry("metadata").or_insert_with(|| json!({}));
            if let Some(fields) = metadata.as_object_mut() {
                fields.insert("previous_errors".to_owned(), json!(previous));
            }
        }
    })
}

/// Adds `openrouter_metadata` beside the error, where the error is OpenRouter's own JSON and tells more than a 500.
pub(crate) fn add_router_metadata(reply: SimReply, metadata: Option<Value>) -> SimReply {
    let Some(metadata) = metadata.filter(|_| !matches!(reply.status, 200..=299 | 401 | 500)) else {
        return reply;
    };
    changed(reply, |body| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("openrouter_metadata".to_owned(), metadata);
        }
    })
}

fn changed(reply: SimReply, change: impl FnOnce(&mut Value)) -> SimReply {
    let crate::reply::SimBody::Bytes(bytes) = &reply.body else {
        return reply;
    };
    let Ok(mut body) = serde_json::from_slice::<Value>(bytes) else {
        return reply;
    };
    change(&mut body);
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
