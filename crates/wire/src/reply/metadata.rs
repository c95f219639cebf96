//! `openrouter_metadata`: how OpenRouter routed a request. It comes only where the request's headers asked for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lenient;

/// How a request was routed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterMetadata {
    /// The model asked for.
    #[serde(deserialize_with = "lenient::absent")]
    pub requested: Option<String>,
    /// `direct`, `auto`, `free`, `latest`, `alias`, `fallback` and more.
    #[serde(deserialize_with = "lenient::absent")]
    pub strategy: Option<String>,
    /// Where the request entered.
    #[serde(deserialize_with = "lenient::absent")]
    pub region: Option<String>,
    /// The same in a line for people.
    #[serde(deserialize_with = "lenient::absent")]
    pub summary: Option<String>,
    /// Which attempt answered, from 1; 0 when none reached a provider.
    #[serde(deserialize_with = "lenient::absent")]
    pub attempt: Option<u32>,
    /// Whether the caller's own provider key was used.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_byok: Option<bool>,
    /// The endpoints there were to choose from.
    #[serde(deserialize_with = "lenient::absent")]
    pub endpoints: RouterEndpoints,
    /// What was tried, in order.
    #[serde(deserialize_with = "lenient::entries")]
    pub attempts: Vec<RouterAttempt>,
    /// Guardrails, plugins and tools that touched the request or the reply, as they came.
    #[serde(deserialize_with = "lenient::entries")]
    pub pipeline: Vec<Value>,
    /// Milliseconds of generation.
    #[serde(deserialize_with = "lenient::absent")]
    pub generation_time: Option<f64>,
}

/// The endpoints there were to choose from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterEndpoints {
    /// How many.
    #[serde(deserialize_with = "lenient::absent")]
    pub total: Option<u32>,
    /// Which.
    #[serde(deserialize_with = "lenient::entries")]
    pub available: Vec<RouterEndpoint>,
}

/// An endpoint that could have been chosen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterEndpoint {
    /// The provider, by display name.
    #[serde(deserialize_with = "lenient::absent")]
    pub provider: Option<String>,
    /// The model it serves.
    #[serde(deserialize_with = "lenient::absent")]
    pub model: Option<String>,
    /// Whether it was chosen.
    #[serde(deserialize_with = "lenient::absent")]
    pub selected: bool,
}

/// One attempt at a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouterAttempt {
    /// The provider, by display name.
    #[serde(deserialize_with = "lenient::absent")]
    pub provider: Option<String>,
    /// The model it serves.
    #[serde(deserialize_with = "lenient::absent")]
    pub model: Option<String>,
    /// The HTTP status it gave.
    #[serde(deserialize_with = "lenient::absent")]
    pub status: Option<u16>,
}
