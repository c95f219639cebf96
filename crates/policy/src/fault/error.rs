//! From an error body to a kind of fault. What the service says in its own fields counts first, then the texts that are
//! known, then the status.

use corsac_wire::{ErrorBody, ErrorCode};

use super::{FaultClass, numbers};
use crate::{Effort, Efforts, Parameter};

/// What an error says, in the forms in which it is looked at.
struct Said<'a> {
    error: &'a ErrorBody,
    status: u16,
    /// Outer message and inner reason, in lower case.
    text: String,
    /// The routing step that left nobody.
    step: &'a str,
    /// Whose limit.
    source: &'a str,
    /// The availability code.
    code: &'a str,
    /// The class in the service's own vocabulary.
    kind: &'a str,
    /// Whether a provider was named, in the error or around it.
    by_provider: bool,
}

/// The status that counts: the body's number, else what its vocabulary means, else the one around it.
pub(super) fn status_of(error: &ErrorBody, around: u16) -> u16 {
    if error.status().is_some() {
        return around;
    }
    let code = match &error.code {
        Some(ErrorCode::Text(text)) => text.as_str(),
        _ => "",
    };
    [error.error_type.as_deref().unwrap_or_default(), code].into_iter().find_map(status_of_kind).unwrap_or(around)
}

fn status_of_kind(kind: &str) -> Option<u16> {
    Some(match kind {
        "context_length_exceeded"
        | "max_tokens_exceeded"
        | "token_limit_exceeded"
        | "string_too_long"
        | "invalid_request"
        | "invalid_request_error"
        | "invalid_prompt"
        | "content_policy_violation"
        | "refusal"
        | "invalid_image"
        | "image_too_large"
        | "image_too_small"
        | "unsupported_image_format"
        | "image_download_failed" => 400,
        "authentication" | "authentication_error" => 401,
        "payment_required" | "billing_error" => 402,
        "permission_denied" | "permission_error" => 403,
        "not_found" | "not_found_error" | "image_not_found" => 404,
        "precondition_failed" => 412,
        "payload_too_large" => 413,
        "unprocessable" => 422,
        "rate_limit_exceeded" | "rate_limit_error" => 429,
        "server" | "server_error" | "api_error" | "unmapped" => 500,
        "provider_unavailable" => 502,
        "provider_overloaded" | "overloaded_error" => 503,
        "timeout" | "timeout_error" => 504,
        _ => return None,
    })
}

/// The kind of fault in a body that is no reply.
pub(super) fn class_of_unreadable(status: u16, excerpt: &str) -> FaultClass {
    match status {
        // a gateway's block page is no word on the key
        401 => FaultClass::Unauthorized,
        402 => FaultClass::OutOfCredits,
        404 | 405 => FaultClass::NotTheService,
        408 | 504 | 522 | 524 => FaultClass::Timeout,
        413 => FaultClass::PayloadTooLarge,
        429 => FaultClass::RateLimited,
        502 | 503 | 529 => FaultClass::Overloaded,
        500..=599 => FaultClass::ServerError,
        403 if excerpt.to_ascii_lowercase().contains("cloudflare") => FaultClass::Overloaded,
        403 => FaultClass::Forbidden,
        400..=499 => FaultClass::BadRequest,
        _ => FaultClass::Garbled,
    }
}

/// The kind of fault in an error body, by the status that counts; `by_provider` where a provider was named.
pub(super) fn class_of(error: &ErrorBody, status: u16, by_provider: bool) -> FaultClass {
    let said = Said {
        error,
        status,
        text: format!("{} {}", error.message, error.reason()).to_ascii_lowercase(),
        step: error.text("failed_routing_step").unwrap_or_default(),
        source: error.text("limit_source").unwrap_or_default(),
        code: error.availability.as_ref().and_then(|said| said.get("code")).and_then(|code| code.as_str()).unwrap_or_default(),
        kind: error.error_type.as_deref().unwrap_or_default(),
        by_provider,
    };
    said.too_long()
        .or_else(|| said.by_availability())
        .or_else(|| match status {
            401 => Some(FaultClass::Unauthorized),
            402 => Some(said.payment()),
            403 => Some(said.forbidden()),
            400 | 412 | 422 => Some(said.refused()),
            404 => Some(said.not_found()),
            405 => Some(FaultClass::NotTheService),
            408 | 504 | 522 | 524 => Some(FaultClass::Timeout),
            413 => Some(FaultClass::PayloadTooLarge),
            429 => Some(said.limited()),
            _ => None,
        })
        .unwrap_or_else(|| said.server())
}

impl Said<'_> {
    fn has(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.has(words))
    }

    fn too_long(&self) -> Option<FaultClass> {
        const WORDS: [&str; 8] = [
            "maximum context length",
            "context_length_exceeded",
            "context window",
            "exceed context limit",
            "exceeds the context",
            "prompt is too long",
            "input is too long",
            "exceeds the maximum number of tokens",
        ];
        let kind = matches!(self.kind, "context_length_exceeded" | "token_limit_exceeded" | "string_too_long");
        if !kind && !self.has_any(&WORDS) {
            return None;
        }
        let (limit, input) = numbers::context(&self.text);
        Some(FaultClass::ContextLength { limit, input })
    }

    /// The newer bodies say exactly what is not to be had, and whether it may pass.
    fn by_availability(&self) -> Option<FaultClass> {
        let said = self.error.availability.as_ref()?;
        let excluded_by = |what: &str| {
            let list = said.get("excluded_by").and_then(|list| list.as_array());
            list.is_some_and(|list| list.iter().filter_map(|item| item.as_str()).any(|item| item.starts_with(what)))
        };
        let may_pass = said.get("retryable").and_then(|said| said.as_bool()) == Some(true);
        match self.code {
            "capacity_exhausted" => Some(FaultClass::AtCapacity),
            // whatever the code: what a reply says of itself counts for more than its status
            _ if may_pass && self.status != 429 && self.status < 500 => Some(FaultClass::Overloaded),
            "model_not_found" => Some(FaultClass::UnknownModel),
            "wrong_endpoint" => Some(FaultClass::WrongEndpoint),
            "model_deprecated" | "model_unavailable_upstream" => Some(FaultClass::ModelGone),
            "free_variant_ended" => Some(FaultClass::FreeEnded),
            "privacy_restricted" => Some(FaultClass::DataPolicy),
            "region_restricted" => Some(FaultClass::Region),
            "temporarily_unavailable" => Some(FaultClass::Overloaded),
            "no_endpoints" => Some(FaultClass::NoEndpoints),
            "constraint_filtered" if excluded_by("require_parameters") => Some(FaultClass::NoEndpointsForParameters),
            "constraint_filtered" if excluded_by("context_length") => Some(FaultClass::ContextLength { limit: None, input: None }),
            "constraint_filtered" if excluded_by("data_policy") => Some(FaultClass::DataPolicy),
            "constraint_filtered" => Some(FaultClass::NoEndpoints),
            _ => None,
        }
    }

    fn payment(&self) -> FaultClass {
        let reason = self.error.text("reason").unwrap_or_default();
        match numbers::after(&self.text, "can only afford") {
            _ if reason == "weight_exceeds_budget" => FaultClass::TooDear,
            _ if self.source == "openrouter_in_flight_budget" => FaultClass::InFlightBudget,
            _ if self.is_key_limit() => FaultClass::KeyLimit,
            Some(affordable) => FaultClass::CannotAfford { affordable: u32::try_from(affordable).unwrap_or(u32::MAX) },
            None if self.has("fewer max_tokens") => FaultClass::TooDear,
            None => FaultClass::OutOfCredits,
        }
    }

    fn is_key_limit(&self) -> bool {
        const SOURCES: [&str; 3] = ["openrouter_key_limit", "openrouter_guardrail_budget", "openrouter_workspace_budget"];
        SOURCES.contains(&self.source) || self.has_any(&["key limit exceeded", "budget limit exceeded"])
    }

    fn forbidden(&self) -> FaultClass {
        let metadata = |key: &str| self.error.metadata.contains_key(key);
        if self.is_key_limit() {
            FaultClass::KeyLimit
        } else if metadata("flagged_input") || self.has_any(&["requires moderation", "was flagged", "flagged for"]) {
            FaultClass::Moderated
        } else if metadata("patterns") || self.has_any(&["request blocked", "guardrail"]) {
            FaultClass::Guardrail
        } else if self.step.contains("Agentic Harness") || self.has("agentic harness") {
            FaultClass::AgenticHarness
        } else if self.has_any(&["your region", "your location", "your country"]) {
            FaultClass::Region
        } else {
            self.content().unwrap_or(FaultClass::Forbidden)
        }
    }

    /// What was said against the content, wherever it is said.
    fn content(&self) -> Option<FaultClass> {
        const WORDS: [&str; 5] = ["content management policy", "content_policy", "content policy", "safety system", "flagged for"];
        match self.kind {
            "refusal" => Some(FaultClass::Declined),
            "content_policy_violation" => Some(FaultClass::Moderated),
            _ => self.has_any(&WORDS).then_some(FaultClass::Moderated),
        }
    }

    fn refused(&self) -> FaultClass {
        let about_reasoning = self.has("reasoning") || self.has("effort");
        if self.has("not a valid model") || self.has("model_not_found") {
            FaultClass::UnknownModel
        } else if about_reasoning && self.has_any(&["mandatory", "cannot be disabled", "can't be disabled"]) {
            FaultClass::ReasoningMandatory
        } else if self.has("effort") && self.is_refusal() {
            FaultClass::EffortUnsupported { supported: self.efforts() }
        } else if self.has_any(&["tool_choice", "support tool", "support function calling", "tool use"]) && self.is_refusal() {
            FaultClass::NoToolSupport
        } else if self.is_about_schema() {
            let strict = ["additionalproperties", "'required' is required", "strict", "all fields must be required"];
            if self.has_any(&strict) { FaultClass::StrictRefused } else { FaultClass::SchemaRefused }
        } else if self.has_any(&["support image", "image input", "image_url"]) && self.is_refusal() {
            FaultClass::ImageUnsupported
        } else if self.kind == "max_tokens_exceeded" {
            let (most, least) = numbers::answer_limits(&self.text);
            FaultClass::MaxTokensRefused { most, least }
        } else if let Some(class) = self.parameter() {
            class
        } else {
            self.content().unwrap_or(FaultClass::BadRequest)
        }
    }

    /// Words by which a value, or a thing as a whole, is turned down.
    fn is_refusal(&self) -> bool {
        const WORDS: [&str; 19] = [
            "invalid",
            "unsupported",
            "not support",
            "not allowed",
            "not permitted",
            "not available",
            "not compatible",
            "unrecognized",
            "unexpected",
            "unknown",
            "unavailable",
            "must be",
            "required to be",
            "too large",
            "too many",
            "recursive",
            "deprecated",
            "cannot be",
            "minimum value",
        ];
        self.has_any(&WORDS)
    }

    /// Providers word it in many ways; each names the schema or the response format and says that it is wrong.
    fn is_about_schema(&self) -> bool {
        const ABOUT: [&str; 7] =
            ["schema", "response_format", "response format", "structured output", "compiled grammar", "grammar", "additionalproperties"];
        self.has_any(&ABOUT) && self.is_refusal()
    }

    /// The efforts a refusal lists as the ones that are taken.
    fn efforts(&self) -> Efforts {
        let listed = ["expected one of", "supported values are", "must be one of", "one of"];
        let list = listed.iter().find_map(|words| self.text.split_once(words)).map_or("", |(_, list)| list);
        list.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(Effort::named).collect()
    }

    /// A parameter that is refused by name: in the field that names it, or in the text.
    fn parameter(&self) -> Option<FaultClass> {
        let named = self.named_field().and_then(|name| Parameter::named(&name));
        let parameter =
            named.or_else(|| Parameter::ALL.into_iter().find(|parameter| self.blames(*parameter)).filter(|_| self.is_refusal()))?;
        if parameter == Parameter::MaxTokens && !self.has("use 'max_completion_tokens'") {
            let (most, least) = numbers::answer_limits(&self.text);
            return Some(FaultClass::MaxTokensRefused { most, least });
        }
        Some(FaultClass::ParameterRefused { parameter })
    }

    /// Whether the text speaks of a parameter. A name that is a word of its own has to be marked as a name.
    fn blames(&self, parameter: Parameter) -> bool {
        let names = [parameter.name()].into_iter().chain(parameter.other_names().iter().copied());
        names.into_iter().any(|name| self.has_name(name, matches!(name, "stop" | "reasoning" | "thinking" | "prediction" | "seed")))
    }

    fn has_name(&self, name: &str, marked: bool) -> bool {
        self.text.match_indices(name).any(|(start, _)| {
            let (head, tail) = (&self.text[..start], &self.text[start + name.len()..]);
            let (before, after) = (head.chars().next_back(), tail.chars().next());
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            let quoted = before.is_some_and(|c| matches!(c, '\'' | '"' | '`'));
            let called = head.ends_with("parameter ") || head.ends_with("parameter: ") || tail.starts_with(" parameter");
            !inside(before) && !inside(after) && (!marked || quoted || called || matches!(after, Some(':' | '.')))
        })
    }

    /// The field `param` of the inner error, which stands in JSON text within JSON text.
    fn named_field(&self) -> Option<String> {
        let raw = self.error.metadata.get("raw")?.to_string();
        let rest = raw.split_once("\"param\\\"").or_else(|| raw.split_once("\"param\""))?.1;
        let value = rest.trim_start_matches(|c: char| c == ':' || c.is_whitespace());
        let value = value.trim_start_matches("\\\"").trim_start_matches('"');
        let end = value.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '['))?;
        value.get(..end).filter(|name| !name.is_empty() && *name != "null").map(str::to_owned)
    }

    fn not_found(&self) -> FaultClass {
        let reason = self.error.reason();
        match self.step {
            "Filter by Parameters" => return FaultClass::NoEndpointsForParameters,
            "Filter by Tool Compatibility" => return FaultClass::NoToolSupport,
            "Filter by Image Support" => return FaultClass::ImageUnsupported,
            "Filter by Data Policy" | "Filter by Guardrails" => return FaultClass::DataPolicy,
            _ => {}
        }
        if self.has("requested parameters") {
            FaultClass::NoEndpointsForParameters
        } else if self.has_any(&["tool use", "tool_choice"]) {
            FaultClass::NoToolSupport
        } else if self.has("image input") {
            FaultClass::ImageUnsupported
        } else if self.has("cache control") {
            FaultClass::ParameterRefused { parameter: Parameter::CacheControl }
        } else if self.has_any(&["data policy", "guardrail"]) {
            FaultClass::DataPolicy
        } else if self.has("not a valid model") || self.kind == "model_not_found" {
            FaultClass::UnknownModel
        } else if self.has("generation gen-") && self.has("not found") {
            FaultClass::NotReady
        } else if reason.trim().trim_end_matches('.').eq_ignore_ascii_case("not found") && self.error.metadata.is_empty() {
            // a web server's own words: the address is wrong
            FaultClass::NotTheService
        } else {
            FaultClass::NoEndpoints
        }
    }

    fn limited(&self) -> FaultClass {
        if self.source == "openrouter_free_tier_daily" || self.has("per-day") {
            FaultClass::DailyQuota
        } else if self.has("free-models-per-min") || self.source == "openrouter_free_tier_minute" {
            FaultClass::FreeRateLimited
        } else if self.source == "upstream_provider_shared_pool" || self.by_provider {
            FaultClass::UpstreamRateLimited
        } else if self.has("at capacity") {
            FaultClass::AtCapacity
        } else {
            FaultClass::RateLimited
        }
    }

    fn server(&self) -> FaultClass {
        if let Some(class) = self.content() {
            return class;
        }
        match self.status {
            // a service unavailable for these routing rules will not be available by waiting
            503 if self.has("routing requirements") => FaultClass::NoEndpoints,
            502 | 503 | 529 => FaultClass::Overloaded,
            413 => FaultClass::PayloadTooLarge,
            400..=499 => FaultClass::BadRequest,
            _ => FaultClass::ServerError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;
    use corsac_wire::Reply;
    use corsac_wire::header::ComeBack;
    use serde_json::{Value, json};

    fn class(status: u16, body: &str) -> FaultClass {
        Fault::of(&Reply::decode(status, body.as_bytes()), ComeBack::default(), 0).expect("a fault").class
    }

    fn said(status: u16, message: &str) -> FaultClass {
        class(status, &json!({"error": {"code": status, "message": message}}).to_string())
    }

    /// What a provider said, as the service passes it on.
    fn upstream(status: u16, raw: &Value) -> FaultClass {
        let metadata = json!({"raw": raw.to_string(), "provider_name": "P"});
        class(status, &json!({"error": {"code": status, "message": "Provider returned error", "metadata": metadata}}).to_string())
    }

    #[test]
    fn an_error_inside_a_success_is_an_error() {
        assert_eq!(class(200, r#"{"error":{"code":502,"message":"Provider returned error"}}"#), FaultClass::Overloaded);
        assert_eq!(class(200, r#"{"choices":[{"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#), FaultClass::RateLimited);
        assert_eq!(class(200, r#"{"error":{"code":"server_error","message":"x"}}"#), FaultClass::ServerError);
        assert_eq!(class(200, r#"{"error":{"message":"x","metadata":{"error_type":"rate_limit_exceeded"}}}"#), FaultClass::RateLimited);
    }

    #[test]
    fn pages_and_noise_never_panic() {
        assert_eq!(class(524, "<!DOCTYPE html><title>524</title>"), FaultClass::Timeout);
        assert_eq!(class(403, "<html><title>Attention Required! | Cloudflare</title>"), FaultClass::Overloaded);
        assert_eq!(class(200, ""), FaultClass::Garbled);
        assert_eq!(class(200, "[1,2"), FaultClass::Garbled);
        assert_eq!(class(404, "not found"), FaultClass::NotTheService);
        assert_eq!(class(503, "{}"), FaultClass::Overloaded);
        assert_eq!(class(400, r#"{"error":"just text"}"#), FaultClass::BadRequest);
    }

    #[test]
    fn money() {
        let paid = |source: &str, reason: &str, message: &str| {
            let metadata = json!({"limit_source": source, "reason": reason});
            class(402, &json!({"error": {"code": 402, "message": message, "metadata": metadata}}).to_string())
        };
        assert_eq!(paid("openrouter_in_flight_budget", "in_flight_budget_exhausted", "wait"), FaultClass::InFlightBudget);
        assert_eq!(paid("openrouter_in_flight_budget", "weight_exceeds_budget", "no"), FaultClass::TooDear);
        assert_eq!(paid("openrouter_credits", "", "You can only afford 1,250."), FaultClass::CannotAfford { affordable: 1_250 });
        assert_eq!(paid("openrouter_credits", "", "Insufficient credits"), FaultClass::OutOfCredits);
        assert_eq!(said(403, "Key limit exceeded (daily limit)"), FaultClass::KeyLimit);
    }

    #[test]
    fn schemas_as_providers_refuse_them() {
        let message = |text: &str| upstream(400, &json!({"error": {"message": text}}));
        assert_eq!(message("invalid schema for response format: x: missing type"), FaultClass::SchemaRefused);
        assert_eq!(message("For 'object' type, 'additionalProperties' must be explicitly set to false"), FaultClass::StrictRefused);
        assert_eq!(message("The compiled grammar is too large"), FaultClass::SchemaRefused);
        assert_eq!(message("This response_format type is unavailable now"), FaultClass::SchemaRefused);
        assert_eq!(message("tool_choice is not supported with this model"), FaultClass::NoToolSupport);
        assert_eq!(message("`deepseek-r1` does not support Function Calling"), FaultClass::NoToolSupport);
    }

    #[test]
    fn parameters_refused_by_name() {
        let refused = |parameter| FaultClass::ParameterRefused { parameter };
        let openai =
            json!({"error": {"message": "Unsupported value: 'temperature' does not support 0.0 with this model.", "param": "temperature"}});
        assert_eq!(upstream(400, &openai), refused(Parameter::Temperature));
        let named_only_there = json!({"error": {"message": "Invalid value", "param": "top_k"}});
        assert_eq!(upstream(400, &named_only_there), refused(Parameter::TopK));
        let newer = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        assert_eq!(said(400, newer), refused(Parameter::MaxTokens));
        assert_eq!(said(422, "seed: Extra inputs are not permitted"), refused(Parameter::Seed));
        assert_eq!(said(400, "logprobs are not supported with this model"), refused(Parameter::Logprobs));
        assert_eq!(
            said(400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"),
            FaultClass::MaxTokensRefused { most: Some(16_384), least: None }
        );
        assert_eq!(
            said(400, "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 8 instead."),
            FaultClass::MaxTokensRefused { most: None, least: Some(16) }
        );
        // a word of its own is no parameter's name
        assert_eq!(said(400, "Invalid request: cannot be stopped while reasoning"), FaultClass::BadRequest);
    }

    #[test]
    fn contents_and_models() {
        assert_eq!(said(400, "The response was filtered by the content management policy"), FaultClass::Moderated);
        assert_eq!(class(400, r#"{"error":{"message":"no","metadata":{"error_type":"refusal"}}}"#), FaultClass::Declined);
        assert_eq!(said(400, "gpt-9 is not a valid model ID"), FaultClass::UnknownModel);
        assert_eq!(said(400, "This model does not support image input"), FaultClass::ImageUnsupported);
        assert_eq!(
            said(404, "No endpoints found that support cache control"),
            FaultClass::ParameterRefused { parameter: Parameter::CacheControl }
        );
        assert_eq!(said(503, "No provider meets your routing requirements"), FaultClass::NoEndpoints);
    }

    #[test]
    fn the_newer_bodies_say_it_themselves() {
        let available = |status: u16, said: Value| {
            class(status, &json!({"error": {"message": "x", "http_status": status, "availability": said}}).to_string())
        };
        assert_eq!(available(404, json!({"code": "constraint_filtered", "excluded_by": ["max_price"]})), FaultClass::NoEndpoints);
        assert_eq!(available(404, json!({"code": "constraint_filtered", "excluded_by": ["data_policy:zdr"]})), FaultClass::DataPolicy);
        assert_eq!(available(400, json!({"code": "wrong_endpoint"})), FaultClass::WrongEndpoint);
        // whatever it is, it is said to pass
        assert_eq!(available(404, json!({"code": "of tomorrow", "retryable": true})), FaultClass::Overloaded);
        assert_eq!(available(404, json!({"code": "of tomorrow", "retryable": false})), FaultClass::NoEndpoints);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_has_a_class(status in 100u16..600, message in ".{0,80}", raw in ".{0,80}", code in ".{0,12}", step in ".{0,12}") {
            let metadata = json!({"raw": raw, "failed_routing_step": step, "resets_at": message, "headers": {"X-RateLimit-Reset": code},
                "previous_errors": [{"provider": raw, "code": code}, raw], "routing_funnel": [step]});
            let body = json!({"error": {"message": message, "code": code, "metadata": metadata, "availability": {"code": raw, "retry_after": 1e300}}});
            class(status, &body.to_string());
        }
    }
}
