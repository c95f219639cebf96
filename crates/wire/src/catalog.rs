//! The model catalog: `/models` and `/models/{id}/endpoints`. Only the id is required of an entry.

use serde::{Deserialize, Deserializer, Serialize};

use crate::Usd;

/// A list of models.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ModelList {
    /// The models.
    #[serde(default, deserialize_with = "readable_items")]
    pub data: Vec<Model>,
}

/// A model as listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// `author/slug[:variant]`.
    pub id: String,
    /// The id that never changes.
    pub canonical_slug: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// Tokens that fit, prompt and answer together.
    pub context_length: Option<u64>,
    /// What tokens cost.
    pub pricing: Pricing,
    /// The union over its endpoints.
    #[serde(deserialize_with = "null_as_default")]
    pub supported_parameters: Vec<String>,
    /// Limits of the endpoint served by default.
    #[serde(deserialize_with = "null_as_default")]
    pub top_provider: TopProvider,
}

/// Limits of the endpoint served by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopProvider {
    /// The most tokens an answer may have.
    pub max_completion_tokens: Option<u64>,
}

/// Prices in dollars per token. `-1` on the wire means that the price varies: it is read as unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pricing {
    /// Per prompt token.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Usd>,
    /// Per completion token.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub completion: Option<Usd>,
    /// Per request.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub request: Option<Usd>,
}

impl Pricing {
    /// What a request with so many tokens costs, if the prices are known.
    pub fn cost(&self, prompt_tokens: u64, completion_tokens: u64) -> Option<Usd> {
        let tokens = self.prompt?.times(prompt_tokens) + self.completion?.times(completion_tokens);
        Some(tokens + self.request.unwrap_or(Usd::ZERO))
    }
}

impl Model {
    /// Whether every token is free.
    pub fn is_free(&self) -> bool {
        self.pricing.prompt == Some(Usd::ZERO) && self.pricing.completion == Some(Usd::ZERO)
    }

    /// Whether some endpoint takes this parameter.
    pub fn supports(&self, parameter: &str) -> bool {
        self.supported_parameters.iter().any(|name| name == parameter)
    }
}

/// The endpoints of a model.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EndpointsReply {
    /// The model with its endpoints.
    pub data: ModelEndpoints,
}

/// A model with its endpoints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ModelEndpoints {
    /// The model's id.
    pub id: String,
    /// Who serves it.
    #[serde(deserialize_with = "readable_items")]
    pub endpoints: Vec<Endpoint>,
}

/// A provider serving a model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The provider's display name.
    pub provider_name: String,
    /// The provider's slug, with a variant after a slash.
    pub tag: Option<String>,
    /// Tokens that fit.
    pub context_length: Option<u64>,
    /// The most tokens an answer may have.
    pub max_completion_tokens: Option<u64>,
    /// What tokens cost.
    pub pricing: Pricing,
    /// Such as `fp8`.
    pub quantization: Option<String>,
    /// What it takes.
    #[serde(deserialize_with = "null_as_default")]
    pub supported_parameters: Vec<String>,
    /// Percent of the last 30 minutes.
    pub uptime_last_30m: Option<f64>,
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(Usd::deserialize(value).ok().filter(|price| *price >= Usd::ZERO))
}

fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// One entry that cannot be read must not cost the whole list.
fn readable_items<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = Option::<Vec<serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}
