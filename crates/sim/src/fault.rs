//! The kinds of trouble the simulator can make, each under one name; what they look like on the wire
//! is in `fault_reply`.

use std::fmt;
use std::str::FromStr;

macro_rules! fault_kinds {
    ($($variant:ident $name:literal $meaning:literal,)*) => {
        /// A kind of fault. The names in scripts and flags are in the table of the crate's front page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl FaultKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [FaultKind] = &[$(FaultKind::$variant,)*];

            /// The name in scripts, flags and counters.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(FaultKind::$variant => $name,)* }
            }

            /// What a caller gets, in one line.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(FaultKind::$variant => $meaning,)* }
            }
        }
    };
}

fault_kinds! {
    Http400 "http_400" "400 \"Invalid request parameters\"",
    Http413 "http_413" "413 request payload too large",
    Http422 "http_422" "422 invalid argument, said by the provider",
    Http500 "http_500" "500 with a masked message",
    Http502 "http_502" "502 \"Provider returned error\" with the upstream text in `raw`",
    Http503 "http_503" "503 with Retry-After",
    Http504 "http_504" "504 with error_type timeout",
    Http524 "http_524" "524 timed out, as JSON",
    Http524Html "http_524_html" "524 with an HTML page of the edge",
    Http529 "http_529" "529 provider overloaded",
    Http408 "http_408" "408 timed out",
    RateLimited "rate_limited" "429 of the platform itself, hints as `limits.hint` says",
    UpstreamRateLimited "upstream_rate_limited" "429 of the provider's shared pool, with Retry-After",
    FreePerDay "free_per_day" "429 daily quota of `:free` models used up",
    FreePerMinute "free_per_minute" "429 too many requests to `:free` models this minute",
    CapacityExhausted "capacity_exhausted" "429 all providers of the model at capacity",
    ErrorIn200 "error_in_200" "200 with a top-level error and no choices",
    ChoiceError "choice_error" "200 with choices[0].error and finish_reason error",
    EmptyStop "empty_stop" "200 with an empty answer, finish_reason stop, no completion tokens",
    ReasoningOnly "reasoning_only" "200 with reasoning but no content, finish_reason stop",
    Length "length" "200 with the answer cut in the middle, finish_reason length",
    MalformedJson "malformed_json" "200 with JSON content cut off or followed by prose, finish_reason stop",
    WrongSchema "wrong_schema" "200 with valid JSON that violates the schema asked for",
    FencedJson "fenced_json" "200 with the JSON inside a Markdown fence after a sentence",
    Refusal "refusal" "200 with message.refusal and no content",
    ContentFilter "content_filter" "200 with finish_reason content_filter",
    Hang "hang" "the connection stays open and nothing ever comes",
    Cut "cut" "the connection closes in the middle of the body",
    Slow "slow" "the answer comes after `slow_ms`",
    TruncatedStream "truncated_stream" "a stream that ends without finish_reason, usage or [DONE]",
    MidstreamError "midstream_error" "a stream that ends with an error chunk",
    MidstreamErrorNoChoices "midstream_error_no_choices" "a stream that ends with an error chunk whose choices are empty",
    MidstreamErrorBare "midstream_error_bare" "a stream that ends with an error and nothing around it",
    StalledStream "stalled_stream" "a stream of comments only",
    NoCredits402 "no_credits_402" "402 no credits left",
    InFlight402 "in_flight_402" "402 too much in flight for the balance, with Retry-After",
    CannotAfford402 "cannot_afford_402" "402 max_tokens larger than the balance affords",
    Weight402 "weight_402" "402 this request alone is more than may be in flight",
    KeyLimit402 "key_limit_402" "402 the key's own limit is used up",
    Moderation403 "moderation_403" "403 the input was flagged",
    Guardrail403 "guardrail_403" "403 blocked by a guardrail",
    KeyLimit403 "key_limit_403" "403 the key's own limit is used up",
    Budget403 "budget_403" "403 a budget is used up until `resets_at`",
    Region403 "region_403" "403 the model is not available in this region",
    Harness403 "harness_403" "403 the free model is for agentic harnesses only",
    Edge403Html "edge_403_html" "403 with an HTML page of the edge that blocks",
    Unauthorized401 "unauthorized_401" "401 unknown key",
    NoEndpoints404 "no_endpoints_404" "404 no endpoints for the model",
    ParameterFilter404 "parameter_filter_404" "404 no endpoint can handle the requested parameters",
    DataPolicy404 "data_policy_404" "404 no endpoints match the data policy",
    AllowedProviders404 "allowed_providers_404" "404 none of the allowed providers serves the model",
    Guardrail404 "guardrail_404" "404 no endpoints match guardrails and data policy",
    Privacy404 "privacy_404" "404 no endpoints match the data policy, in the newer form",
    ToolUse404 "tool_use_404" "404 no endpoints support tools",
    ToolChoice404 "tool_choice_404" "404 no endpoints support the tool_choice",
    ImageInput404 "image_input_404" "404 no endpoints support images",
    FreeEnded404 "free_ended_404" "404 the free variant has ended, with `fallback_models`",
    Deprecated404 "deprecated_404" "404 the model is gone, with `fallback_models`, and without `code`",
    UnknownModel400 "unknown_model_400" "400 not a valid model id",
    SchemaRefused400 "schema_refused_400" "400 \"Provider returned error\", `raw` says the schema is invalid",
    ContextLength400 "context_length_400" "400 prompt and max_tokens exceed the context",
    ReasoningMandatory400 "reasoning_mandatory_400" "400 reasoning cannot be disabled",
    ThoughtLost400 "thought_lost_400" "400 \"Provider returned error\": the reasoning of an earlier turn is missing",
    ToolEmptyArguments "tool_empty_arguments" "a tool call whose arguments are the empty string",
    EmptyBody "empty_body" "200 application/json without a single byte",
    ToolCallMissing "tool_call_missing" "finish_reason tool_calls without any tool call",
    GarbageBody "garbage_body" "200 application/json whose body is not JSON",
    WrongContentType "wrong_content_type" "a good answer labelled text/plain",
}

impl FaultKind {
    /// True for a reply with status 400 to 499 that needs no answer to be waited for.
    pub(crate) fn refuses(self) -> bool {
        use FaultKind as Kind;
        matches!(
            self,
            Kind::RateLimited
                | Kind::UpstreamRateLimited
                | Kind::FreePerDay
                | Kind::CapacityExhausted
                | Kind::NoCredits402
                | Kind::InFlight402
                | Kind::CannotAfford402
                | Kind::Moderation403
                | Kind::Guardrail403
                | Kind::KeyLimit403
                | Kind::Unauthorized401
                | Kind::NoEndpoints404
                | Kind::ParameterFilter404
                | Kind::DataPolicy404
                | Kind::SchemaRefused400
                | Kind::ContextLength400
                | Kind::ReasoningMandatory400
                | Kind::Http400
                | Kind::Http413
                | Kind::Http422
                | Kind::FreePerMinute
                | Kind::Weight402
                | Kind::KeyLimit402
                | Kind::Budget403
                | Kind::Region403
                | Kind::Harness403
                | Kind::Edge403Html
                | Kind::AllowedProviders404
                | Kind::Guardrail404
                | Kind::Privacy404
                | Kind::ToolUse404
                | Kind::ToolChoice404
                | Kind::ImageInput404
                | Kind::FreeEnded404
                | Kind::Deprecated404
                | Kind::UnknownModel400
                | Kind::ThoughtLost400
        )
    }

    /// True for what a provider or an upstream does, so that OpenRouter would go on to the next
    /// endpoint or to the next model of `models`.
    pub(crate) fn falls_back(self) -> bool {
        use FaultKind as Kind;
        matches!(
            self,
            Kind::Http502
                | Kind::Http503
                | Kind::Http504
                | Kind::Http529
                | Kind::Http408
                | Kind::UpstreamRateLimited
                | Kind::CapacityExhausted
                | Kind::Moderation403
                | Kind::NoEndpoints404
                | Kind::ParameterFilter404
                | Kind::DataPolicy404
                | Kind::SchemaRefused400
                | Kind::ContextLength400
                | Kind::ReasoningMandatory400
                | Kind::Http422
                | Kind::FreePerMinute
                | Kind::FreePerDay
                | Kind::Region403
                | Kind::Harness403
                | Kind::AllowedProviders404
                | Kind::Guardrail404
                | Kind::Privacy404
                | Kind::ToolUse404
                | Kind::ToolChoice404
                | Kind::ImageInput404
                | Kind::FreeEnded404
                | Kind::Deprecated404
                | Kind::ThoughtLost400
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(kind) = Self::ALL.iter().find(|kind| kind.name() == text) {
            return Ok(*kind);
        }
        let nearest = Self::ALL.iter().max_by_key(|kind| shared_pairs(kind.name(), text));
        let hint = nearest.map_or_else(String::new, |kind| format!("; did you mean `{kind}`?"));
        Err(format!("`{text}` is not a kind of fault{hint}"))
    }
}

/// How many two-letter pairs of `name` also stand in `text`: enough to find a misspelt name.
fn shared_pairs(name: &str, text: &str) -> usize {
    let pairs = |word: &str| word.as_bytes().array_windows::<2>().copied().collect::<Vec<_>>();
    let wanted = pairs(text);
    pairs(name).iter().filter(|pair| wanted.contains(pair)).count()
}

impl<'de> serde::Deserialize<'de> for FaultKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for FaultKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::FaultKind;

    #[test]
    fn every_name_reads_back() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse::<FaultKind>().unwrap(), *kind);
        }
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest() {
        let message = "http502".parse::<FaultKind>().unwrap_err();
        assert_eq!(message, "`http502` is not a kind of fault; did you mean `http_502`?");
    }

    #[test]
    fn the_front_page_lists_every_kind() {
        let page = include_str!("lib.rs");
        for kind in FaultKind::ALL {
            let row = format!("//! | `{}` | {} |", kind.name(), kind.meaning());
            assert!(page.contains(&row), "missing in the crate docs: {row}");
        }
    }
}
