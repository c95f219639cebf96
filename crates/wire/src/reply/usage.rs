//! What a reply cost, in tokens and in dollars. Every part may be missing; tokens are counted by the model's own
//! tokenizer.

use serde::Deserialize;
use serde_json::Value;

use crate::{Usd, lenient};

/// Tokens and cost of a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, reasoning included.
    pub completion_tokens: u64,
    /// Both, as the service adds them up.
    pub total_tokens: Option<u64>,
    /// What OpenRouter charged. With the caller's own provider key this is OpenRouter's fee alone.
    pub cost: Option<Usd>,
    /// Whether the caller's own provider key paid upstream.
    pub is_byok: Option<bool>,
    /// What the prompt tokens were.
    pub prompt_tokens_details: Option<PromptTokens>,
    /// What the completion tokens were.
    pub completion_tokens_details: Option<CompletionTokens>,
    /// What was paid upstream.
    pub cost_details: Option<CostDetails>,
    /// What OpenRouter's own tools did.
    #[serde(alias = "server_tool_use_details")]
    pub server_tool_use: Option<ServerToolUse>,
}

/// Parts of the prompt tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PromptTokens {
    /// Read from the provider's cache.
    pub cached_tokens: Option<u64>,
    /// Written to the provider's cache.
    pub cache_write_tokens: Option<u64>,
    /// Of sound.
    pub audio_tokens: Option<u64>,
}

/// Parts of the completion tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CompletionTokens {
    /// Spent on reasoning. Has been seen larger than all completion tokens: it is never to be subtracted blindly.
    pub reasoning_tokens: Option<u64>,
    /// Of images.
    pub image_tokens: Option<u64>,
    /// Of sound.
    pub audio_tokens: Option<u64>,
}

/// What was paid to the provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CostDetails {
    /// In all.
    pub upstream_inference_cost: Option<Usd>,
    /// For the prompt.
    pub upstream_inference_prompt_cost: Option<Usd>,
    /// For the completion.
    pub upstream_inference_completions_cost: Option<Usd>,
    /// For OpenRouter's own tools.
    pub server_tool_cost: Option<Usd>,
}

/// What OpenRouter's own tools did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServerToolUse {
    /// Searches of the web.
    pub web_search_requests: Option<u64>,
}

impl Usage {
    /// Prompt tokens read from the provider's cache.
    pub fn cached_tokens(&self) -> u64 {
        self.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0)
    }

    /// Prompt tokens written to the provider's cache.
    pub fn cache_write_tokens(&self) -> u64 {
        self.prompt_tokens_details.and_then(|details| details.cache_write_tokens).unwrap_or(0)
    }

    /// Completion tokens spent on reasoning.
    pub fn reasoning_tokens(&self) -> u64 {
        self.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0)
    }

    /// What the provider was paid, where that is told. With the caller's own provider key it comes on top of
    /// [`Usage::cost`].
    pub fn upstream_inference_cost(&self) -> Option<Usd> {
        self.cost_details.and_then(|details| details.upstream_inference_cost)
    }

    /// Reads usage whose fields may have unexpected types.
    pub(crate) fn from_value(value: &Value) -> Usage {
        let count = |value: Option<&Value>| value.and_then(lenient::number).map(|number| number.max(0.0) as u64);
        let of = |value: &Value, key: &str| count(value.get(key));
        let money = |value: &Value, key: &str| value.get(key).and_then(|amount| Usd::deserialize(amount).ok());
        let part = |key: &str| value.get(key).filter(|part| part.is_object());
        Usage {
            prompt_tokens: of(value, "prompt_tokens").unwrap_or(0),
            completion_tokens: of(value, "completion_tokens").unwrap_or(0),
            total_tokens: of(value, "total_tokens"),
            cost: money(value, "cost"),
            is_byok: value.get("is_byok").and_then(Value::as_bool),
            prompt_tokens_details: part("prompt_tokens_details").map(|part| PromptTokens {
                cached_tokens: of(part, "cached_tokens"),
                cache_write_tokens: of(part, "cache_write_tokens"),
                audio_tokens: of(part, "audio_tokens"),
            }),
            completion_tokens_details: part("completion_tokens_details").map(|part| CompletionTokens {
                reasoning_tokens: of(part, "reasoning_tokens"),
                image_tokens: of(part, "image_tokens"),
                audio_tokens: of(part, "audio_tokens"),
            }),
            cost_details: part("cost_details").map(|part| CostDetails {
                upstream_inference_cost: money(part, "upstream_inference_cost"),
                upstream_inference_prompt_cost: money(part, "upstream_inference_prompt_cost"),
                upstream_inference_completions_cost: money(part, "upstream_inference_completions_cost"),
                server_tool_cost: money(part, "server_tool_cost"),
            }),
            server_tool_use: part("server_tool_use")
                .or_else(|| part("server_tool_use_details"))
                .map(|part| ServerToolUse { web_search_requests: of(part, "web_search_requests") }),
        }
    }
}
