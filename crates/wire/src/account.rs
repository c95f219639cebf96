//! What the service knows of a key, an account and a single generation: `/key`, `/credits`, `/generation`.
//!
//! Every field may be missing: newer ones are not told by older servers, older ones go away. All stand under `data`, see
//! [`Reply::data`](crate::Reply::data).

use serde::{Deserialize, Serialize};

use crate::{Usd, lenient};

/// What `GET /key` tells of the key that asks. Days and weeks are UTC, weeks begin on Monday.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyInfo {
    /// The key's name, or the key with its middle left out.
    #[serde(deserialize_with = "lenient::absent")]
    pub label: Option<String>,
    /// What it may spend; absent without a limit.
    #[serde(deserialize_with = "lenient::absent")]
    pub limit: Option<Usd>,
    /// What is left of that.
    #[serde(deserialize_with = "lenient::absent")]
    pub limit_remaining: Option<Usd>,
    /// `daily`, `weekly` or `monthly`; absent for a limit once and for all.
    #[serde(deserialize_with = "lenient::absent")]
    pub limit_reset: Option<String>,
    /// Whether use of the caller's own provider keys counts for the limit.
    #[serde(deserialize_with = "lenient::absent")]
    pub include_byok_in_limit: Option<bool>,
    /// Spent in all.
    #[serde(deserialize_with = "lenient::absent")]
    pub usage: Option<Usd>,
    /// Spent today.
    #[serde(deserialize_with = "lenient::absent")]
    pub usage_daily: Option<Usd>,
    /// Spent this week.
    #[serde(deserialize_with = "lenient::absent")]
    pub usage_weekly: Option<Usd>,
    /// Spent this month.
    #[serde(deserialize_with = "lenient::absent")]
    pub usage_monthly: Option<Usd>,
    /// Spent in all through the caller's own provider keys.
    #[serde(deserialize_with = "lenient::absent")]
    pub byok_usage: Option<Usd>,
    /// Whether credits were never bought.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_free_tier: Option<bool>,
    /// Whether it manages keys; such a key cannot ask models.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_management_key: Option<bool>,
    /// The same under its older name.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_provisioning_key: Option<bool>,
    /// When it ends, as ISO 8601.
    #[serde(deserialize_with = "lenient::absent")]
    pub expires_at: Option<String>,
    /// Requests to free models in this UTC day, over all keys of the account.
    #[serde(deserialize_with = "lenient::absent")]
    pub free_model_daily_requests: Option<FreeRequests>,
    /// All budgets that bind it.
    #[serde(deserialize_with = "lenient::entries")]
    pub budgets: Vec<KeyBudget>,
    /// The one that binds first.
    #[serde(deserialize_with = "lenient::absent")]
    pub effective_budget: Option<KeyBudget>,
    /// The regions it may send data to.
    #[serde(deserialize_with = "lenient::entries")]
    pub allowed_data_regions: Vec<String>,
}

impl KeyInfo {
    /// Whether it manages keys, and so cannot ask models.
    pub fn manages_keys(&self) -> bool {
        self.is_management_key.or(self.is_provisioning_key) == Some(true)
    }
}

/// Requests to free models in a UTC day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FreeRequests {
    /// Made.
    #[serde(deserialize_with = "lenient::count")]
    pub used: Option<u64>,
    /// Allowed.
    #[serde(deserialize_with = "lenient::count")]
    pub limit: Option<u64>,
    /// Left.
    #[serde(deserialize_with = "lenient::count")]
    pub remaining: Option<u64>,
}

/// A budget that binds a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyBudget {
    /// `key_limit`, `api_key`, `member`, `workspace` and more.
    #[serde(deserialize_with = "lenient::absent")]
    pub scope: Option<String>,
    /// What may be spent.
    #[serde(deserialize_with = "lenient::absent")]
    pub limit_usd: Option<Usd>,
    /// What is spent.
    #[serde(deserialize_with = "lenient::absent")]
    pub spend_usd: Option<Usd>,
    /// What is left.
    #[serde(deserialize_with = "lenient::absent")]
    pub remaining_usd: Option<Usd>,
    /// `daily`, `weekly` or `monthly`.
    #[serde(deserialize_with = "lenient::absent")]
    pub reset_interval: Option<String>,
    /// When it begins anew, as ISO 8601.
    #[serde(deserialize_with = "lenient::absent")]
    pub resets_at: Option<String>,
    /// Whether use of the caller's own provider keys counts.
    #[serde(deserialize_with = "lenient::absent")]
    pub include_byok: Option<bool>,
}

/// What `GET /credits` tells of the account. Only a management key may ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Credits {
    /// Bought.
    #[serde(deserialize_with = "lenient::absent")]
    pub total_credits: Option<Usd>,
    /// Spent.
    #[serde(deserialize_with = "lenient::absent")]
    pub total_usage: Option<Usd>,
}

impl Credits {
    /// What is left; below zero when more was spent.
    pub fn balance(&self) -> Option<Usd> {
        Some(self.total_credits? - self.total_usage?)
    }
}

/// What `GET /generation` tells of one generation, some time after it has ended: until then it is a 404.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generation {
    /// Its id.
    #[serde(deserialize_with = "lenient::absent")]
    pub id: Option<String>,
    /// The provider's id for it.
    #[serde(deserialize_with = "lenient::absent")]
    pub upstream_id: Option<String>,
    /// When it was made, as ISO 8601.
    #[serde(deserialize_with = "lenient::absent")]
    pub created_at: Option<String>,
    /// The model that served.
    #[serde(deserialize_with = "lenient::absent")]
    pub model: Option<String>,
    /// The provider that served, by display name.
    #[serde(deserialize_with = "lenient::absent")]
    pub provider_name: Option<String>,
    /// `completions`, `embeddings` and more.
    #[serde(deserialize_with = "lenient::absent")]
    pub api_type: Option<String>,
    /// Whether it was streamed.
    #[serde(deserialize_with = "lenient::absent")]
    pub streamed: Option<bool>,
    /// Whether the caller went away.
    #[serde(deserialize_with = "lenient::absent")]
    pub cancelled: Option<bool>,
    /// Why it ended.
    #[serde(deserialize_with = "lenient::absent")]
    pub finish_reason: Option<String>,
    /// What the provider itself called that.
    #[serde(deserialize_with = "lenient::absent")]
    pub native_finish_reason: Option<String>,
    /// Milliseconds to the first token.
    #[serde(deserialize_with = "lenient::absent")]
    pub latency: Option<f64>,
    /// Milliseconds of generation.
    #[serde(deserialize_with = "lenient::absent")]
    pub generation_time: Option<f64>,
    /// Milliseconds of moderation.
    #[serde(deserialize_with = "lenient::absent")]
    pub moderation_latency: Option<f64>,
    /// Tokens read, by a tokenizer common to all models.
    #[serde(deserialize_with = "lenient::count")]
    pub tokens_prompt: Option<u64>,
    /// Tokens written, by the same.
    #[serde(deserialize_with = "lenient::count")]
    pub tokens_completion: Option<u64>,
    /// Tokens read, by the model's own tokenizer: these are billed.
    #[serde(deserialize_with = "lenient::count")]
    pub native_tokens_prompt: Option<u64>,
    /// Tokens written, by the model's own.
    #[serde(deserialize_with = "lenient::count")]
    pub native_tokens_completion: Option<u64>,
    /// Of these, spent on reasoning.
    #[serde(deserialize_with = "lenient::count")]
    pub native_tokens_reasoning: Option<u64>,
    /// Of those read, from the provider's cache.
    #[serde(deserialize_with = "lenient::count")]
    pub native_tokens_cached: Option<u64>,
    /// What was charged.
    #[serde(deserialize_with = "lenient::absent")]
    pub total_cost: Option<Usd>,
    /// What was charged, under its other name.
    #[serde(deserialize_with = "lenient::absent")]
    pub usage: Option<Usd>,
    /// What the cache saved.
    #[serde(deserialize_with = "lenient::absent")]
    pub cache_discount: Option<Usd>,
    /// What the caller's own provider key paid.
    #[serde(deserialize_with = "lenient::absent")]
    pub upstream_inference_cost: Option<Usd>,
    /// Whether the caller's own provider key was used.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_byok: Option<bool>,
    /// The tier that served.
    #[serde(deserialize_with = "lenient::absent")]
    pub service_tier: Option<String>,
    /// The session it was part of.
    #[serde(deserialize_with = "lenient::absent")]
    pub session_id: Option<String>,
    /// Every provider that was tried, in order.
    #[serde(deserialize_with = "lenient::entries")]
    pub provider_responses: Vec<ProviderResponse>,
}

impl Generation {
    /// What was charged.
    pub fn cost(&self) -> Option<Usd> {
        self.total_cost.or(self.usage)
    }
}

/// What one provider did with a generation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderResponse {
    /// The provider, by display name.
    #[serde(deserialize_with = "lenient::absent")]
    pub provider_name: Option<String>,
    /// The model it serves, by the id that never changes.
    #[serde(deserialize_with = "lenient::absent")]
    pub model_permaslug: Option<String>,
    /// The HTTP status it gave.
    #[serde(deserialize_with = "lenient::absent")]
    pub status: Option<u16>,
    /// Milliseconds.
    #[serde(deserialize_with = "lenient::absent")]
    pub latency: Option<f64>,
    /// Whether the caller's own provider key was used.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_byok: Option<bool>,
    /// Which endpoint.
    #[serde(deserialize_with = "lenient::absent")]
    pub endpoint_id: Option<String>,
}
