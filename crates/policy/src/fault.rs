//! From what came back to a class of fault. The texts looked for are the contract's; where a text is unknown, the status decides.

use std::time::Duration;

use corsac_wire::header::ComeBack;
use corsac_wire::{ErrorBody, Reply};

/// Something that went wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What kind of thing.
    pub class: FaultClass,
    /// What was said, for a person.
    pub message: String,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The provider that replied, if it was named.
    pub provider: Option<String>,
    /// How long to wait, if that was said.
    pub come_back: Option<Duration>,
}

/// The classes of fault, each with its own remedy.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultClass {
    /// The key is missing, wrong or revoked.
    Unauthorized,
    /// The account or the key has nothing left to spend.
    OutOfCredits,
    /// The credits cover so many answer tokens, fewer than asked for.
    CannotAfford {
        /// Tokens that can be paid for.
        affordable: u32,
    },
    /// Too much is reserved by requests under way; it passes.
    InFlightBudget,
    /// The input or the answer was stopped by moderation or a guardrail.
    Moderated,
    /// The key may not do this.
    Forbidden,
    /// The model's id is not known.
    UnknownModel,
    /// Nobody serves the model with these parameters.
    NoEndpointsForParameters,
    /// Nobody serves the model under these routing rules or this account's settings.
    NoEndpoints,
    /// A provider refused the schema.
    SchemaRefused,
    /// The input does not fit.
    ContextLength {
        /// Tokens that fit, if said.
        limit: Option<u64>,
        /// Tokens of the input alone, if said.
        input: Option<u64>,
    },
    /// The request was refused for another reason.
    BadRequest,
    /// 429 by OpenRouter itself.
    RateLimited,
    /// 429 by a provider's shared pool.
    UpstreamRateLimited,
    /// The day's free requests are used up.
    DailyQuota,
    /// 502, 503, 529: a provider is down or has too much to do.
    Overloaded,
    /// 500 and what else the server did wrong.
    ServerError,
    /// No reply in time, here or upstream.
    Timeout,
    /// No connection.
    Unreachable,
    /// The connection broke off.
    Cut,
    /// A reply that cannot be read.
    Garbled,
    /// This address does not speak OpenRouter's API.
    NotTheService,
    /// An answer with nothing in it.
    Empty,
    /// An answer cut at its token limit.
    Truncated,
    /// An answer that does not satisfy the schema.
    Invalid,
    /// The model declined.
    Declined,
}

impl FaultClass {
    /// The name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::OutOfCredits => "out_of_credits",
            Self::CannotAfford { .. } => "cannot_afford",
            Self::InFlightBudget => "in_flight_budget",
            Self::Moderated => "moderated",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown_model",
            Self::NoEndpointsForParameters => "no_endpoints_for_parameters",
            Self::NoEndpoints => "no_endpoints",
            Self::SchemaRefused => "schema_refused",
            Self::ContextLength { .. } => "context_length",
            Self::BadRequest => "bad_request",
            Self::RateLimited => "rate_limited",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::DailyQuota => "daily_quota",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Cut => "cut",
            Self::Garbled => "garbled",
            Self::NotTheService => "not_the_service",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Invalid => "invalid",
            Self::Declined => "declined",
        }
    }

    /// Whether the pace was the fault.
    pub fn is_rate_limit(&self) -> bool {
        matches!(self, Self::RateLimited | Self::UpstreamRateLimited | Self::DailyQuota | Self::InFlightBudget)
    }
}

impl Fault {
    /// A fault without a reply around it.
    pub fn new(class: FaultClass, message: impl Into<String>) -> Fault {
        Fault { class, message: message.into(), status: None, provider: None, come_back: None }
    }

    /// The same fault, with the provider that gave it.
    pub fn from_provider(self, provider: Option<&str>) -> Fault {
        Fault { provider: provider.map(str::to_owned), ..self }
    }

    /// The fault in a reply, if there is one. The answer inside a chat reply is looked at elsewhere.
    pub fn of(reply: &Reply, come_back: ComeBack) -> Option<Fault> {
        match reply {
            Reply::Chat(_) => None,
            Reply::Error { error, status, reply } => {
                let class = class_of(error, *status);
                let reason = error.reason();
                let provider = error.provider().or(reply.provider.as_deref()).map(str::to_owned);
                let message = match &provider {
                    Some(provider) => format!("{provider}: {reason}"),
                    None => reason,
                };
                let come_back = error.retry_after().or(come_back.wait());
                Some(Fault { class, message, status: Some(*status), provider, come_back })
            }
            Reply::Unreadable { status, excerpt, html } => Some(Fault {
                class: class_of_unreadable(*status),
                message: match (*html, excerpt.is_empty()) {
                    (_, true) => format!("HTTP {status} with an empty body"),
                    (true, _) => format!("HTTP {status} with a web page in place of a reply"),
                    (false, _) => format!("HTTP {status} with a body that is no reply: {excerpt}"),
                },
                status: Some(*status),
                provider: None,
                come_back: come_back.wait(),
            }),
        }
    }
}

fn class_of_unreadable(status: u16) -> FaultClass {
    match status {
        401 => FaultClass::Unauthorized,
        402 => FaultClass::OutOfCredits,
        404 | 405 => FaultClass::NotTheService,
        408 | 504 | 522 | 524 => FaultClass::Timeout,
        413 => FaultClass::ContextLength { limit: None, input: None },
        429 => FaultClass::RateLimited,
        502 | 503 | 529 => FaultClass::Overloaded,
        500..=599 => FaultClass::ServerError,
        400..=499 => FaultClass::BadRequest,
        _ => FaultClass::Garbled,
    }
}

fn class_of(error: &ErrorBody, status: u16) -> FaultClass {
    let reason = error.reason();
    let said = format!("{} {}", error.message, reason).to_ascii_lowercase();
    let has = |words: &str| said.contains(words);
    let step = error.text("failed_routing_step").unwrap_or_default();
    let source = error.text("limit_source").unwrap_or_default();
    let code = error.availability.as_ref().and_then(|a| a.get("code")).and_then(|code| code.as_str()).unwrap_or_default();
    match status {
        _ if has("maximum context length")
            || has("context_length_exceeded")
            || error.error_type.as_deref() == Some("context_length_exceeded") =>
        {
            context_length(&said)
        }
        401 => FaultClass::Unauthorized,
        402 if source == "openrouter_in_flight_budget" && error.text("reason") != Some("weight_exceeds_budget") => {
            FaultClass::InFlightBudget
        }
        402 => number_after(&said, "can only afford").map_or(FaultClass::OutOfCredits, |affordable| FaultClass::CannotAfford {
            affordable: u32::try_from(affordable).unwrap_or(u32::MAX),
        }),
        403 if has("key limit exceeded") || source.contains("budget") || source.contains("key_limit") => FaultClass::OutOfCredits,
        403 if has("moderation") || has("flagged") || has("blocked") || error.metadata.contains_key("flagged_input") => {
            FaultClass::Moderated
        }
        403 => FaultClass::Forbidden,
        400 | 404 if has("not a valid model") || code == "model_not_found" => FaultClass::UnknownModel,
        400 | 422 if is_about_schema(&said) => FaultClass::SchemaRefused,
        400 if has("content management policy") || has("content_policy") || has("safety system") => FaultClass::Moderated,
        404 if step == "Filter by Parameters" || has("requested parameters") => FaultClass::NoEndpointsForParameters,
        404 if step == "Filter by Tool Compatibility" || has("tool use") || has("tool_choice") => FaultClass::NoEndpointsForParameters,
        // a web server's own words, not OpenRouter's: the address is wrong
        404 if reason.trim().trim_end_matches('.').eq_ignore_ascii_case("not found") && error.metadata.is_empty() => {
            FaultClass::NotTheService
        }
        404 => FaultClass::NoEndpoints,
        408 | 504 | 522 | 524 => FaultClass::Timeout,
        413 => FaultClass::ContextLength { limit: None, input: None },
        429 if source == "openrouter_free_tier_daily" || has("per-day") => FaultClass::DailyQuota,
        429 if source == "upstream_provider_shared_pool" || error.provider().is_some() || code == "capacity_exhausted" => {
            FaultClass::UpstreamRateLimited
        }
        429 => FaultClass::RateLimited,
        502 | 503 | 529 => FaultClass::Overloaded,
        400..=499 => FaultClass::BadRequest,
        _ => FaultClass::ServerError,
    }
}

/// Providers word it in many ways; each names the schema or the response format and says that it is wrong.
fn is_about_schema(said: &str) -> bool {
    let about = ["schema", "response_format", "response format", "json_schema", "structured output", "grammar", "additionalproperties"];
    let wrong = [
        "invalid",
        "unsupported",
        "not support",
        "must be",
        "required to be",
        "too large",
        "too many",
        "recursive",
        "unavailable",
        "not permitted",
    ];
    about.iter().any(|word| said.contains(word)) && wrong.iter().any(|word| said.contains(word))
}

fn context_length(said: &str) -> FaultClass {
    let limit = number_after(said, "maximum context length is");
    let input = number_before(said, "of text input").or_else(|| number_before(said, "in the messages"));
    FaultClass::ContextLength { limit, input: input.or_else(|| number_after(said, "requested about")) }
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    let rest = text.split_once(words)?.1.trim_start();
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn number_before(text: &str, words: &str) -> Option<u64> {
    let before = text.split_once(words)?.0.trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_digit() && c != ',').map_or(0, |at| at + 1);
    before[start..].replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> FaultClass {
        Fault::of(&Reply::decode(status, body.as_bytes()), ComeBack::default()).expect("a fault").class
    }

    #[test]
    fn the_same_status_means_different_things() {
        let rate = |meta: &str| class(429, &format!(r#"{{"error":{{"code":429,"message":"Provider returned error","metadata":{meta}}}}}"#));
        assert_eq!(rate("{}"), FaultClass::RateLimited);
        assert_eq!(rate(r#"{"limit_source":"upstream_provider_shared_pool"}"#), FaultClass::UpstreamRateLimited);
        assert_eq!(rate(r#"{"provider_name":"Chutes","raw":"slow down"}"#), FaultClass::UpstreamRateLimited);
        assert_eq!(rate(r#"{"limit_source":"openrouter_free_tier_daily"}"#), FaultClass::DailyQuota);
        let credits = |meta: &str, text: &str| class(402, &format!(r#"{{"error":{{"code":402,"message":"{text}","metadata":{meta}}}}}"#));
        assert_eq!(credits("{}", "Insufficient credits"), FaultClass::OutOfCredits);
        assert_eq!(
            credits("{}", "You requested up to 4096 tokens, but can only afford 1,250."),
            FaultClass::CannotAfford { affordable: 1250 }
        );
        let held = r#"{"limit_source":"openrouter_in_flight_budget","reason":"in_flight_budget_exhausted"}"#;
        assert_eq!(credits(held, "wait"), FaultClass::InFlightBudget);
    }

    #[test]
    fn an_error_inside_a_success_is_an_error() {
        assert_eq!(class(200, r#"{"error":{"code":502,"message":"Provider returned error"}}"#), FaultClass::Overloaded);
        assert_eq!(class(200, r#"{"choices":[{"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#), FaultClass::RateLimited);
        assert_eq!(class(200, r#"{"error":{"code":"server_error","message":"x"}}"#), FaultClass::Overloaded);
    }

    #[test]
    fn the_schema_was_refused() {
        let raw = r#"{\"error\":{\"message\":\"invalid schema for response format: x: additionalProperties must be false\"}}"#;
        let body = format!(
            r#"{{"error":{{"code":400,"message":"Provider returned error","metadata":{{"raw":"{raw}","provider_name":"Groq"}}}}}}"#
        );
        let fault = Fault::of(&Reply::decode(400, body.as_bytes()), ComeBack::default()).unwrap();
        assert_eq!((fault.class, fault.provider.as_deref()), (FaultClass::SchemaRefused, Some("Groq")));
        assert_eq!(fault.message, "Groq: invalid schema for response format: x: additionalProperties must be false");
    }

    #[test]
    fn numbers_of_a_context_overflow() {
        let text = "This endpoint's maximum context length is 16385 tokens. However, you requested about 20000 tokens (19,000 of text input, 1000 in the output).";
        assert_eq!(
            class(400, &format!(r#"{{"error":{{"code":400,"message":"{text}"}}}}"#)),
            FaultClass::ContextLength { limit: Some(16_385), input: Some(19_000) }
        );
    }

    #[test]
    fn pages_and_noise_never_panic() {
        assert_eq!(class(524, "<!DOCTYPE html><title>524</title>"), FaultClass::Timeout);
        assert_eq!(class(200, ""), FaultClass::Garbled);
        assert_eq!(class(200, "[1,2"), FaultClass::Garbled);
        assert_eq!(class(404, "not found"), FaultClass::NotTheService);
        assert_eq!(class(503, "{}"), FaultClass::Overloaded);
        assert_eq!(class(400, r#"{"error":"just text"}"#), FaultClass::BadRequest);
    }
}
