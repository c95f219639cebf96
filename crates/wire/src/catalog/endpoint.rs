//! An endpoint: a provider serving a model, with the limits, prices and recent health of its own.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::pricing::lift_overrides;
use super::{PriceOverride, Pricing};
use crate::{Percentiles, lenient};

/// The endpoints of a model.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct EndpointsReply {
    /// The model with its endpoints.
    pub data: ModelEndpoints,
}

/// Endpoints of many models, as `/endpoints/zdr` lists them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointList {
    /// The endpoints.
    #[serde(deserialize_with = "lenient::entries")]
    pub data: Vec<Endpoint>,
}

/// A model with its endpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelEndpoints {
    /// The model's id.
    #[serde(deserialize_with = "lenient::absent")]
    pub id: String,
    /// The model's name for people.
    #[serde(deserialize_with = "lenient::absent")]
    pub name: Option<String>,
    /// Who serves it.
    #[serde(deserialize_with = "lenient::entries")]
    pub endpoints: Vec<Endpoint>,
}

/// A provider serving a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Endpoint {
    /// The provider's display name.
    #[serde(deserialize_with = "lenient::absent")]
    pub provider_name: String,
    /// The provider's slug; a variant, region or service tier after a slash.
    #[serde(deserialize_with = "lenient::absent")]
    pub tag: Option<String>,
    /// The model's id.
    #[serde(deserialize_with = "lenient::absent")]
    pub model_id: Option<String>,
    /// Tokens that fit.
    #[serde(deserialize_with = "lenient::count")]
    pub context_length: Option<u64>,
    /// The most tokens an answer may have.
    #[serde(deserialize_with = "lenient::count")]
    pub max_completion_tokens: Option<u64>,
    /// The most tokens a prompt may have.
    #[serde(deserialize_with = "lenient::count")]
    pub max_prompt_tokens: Option<u64>,
    /// What tokens cost.
    #[serde(deserialize_with = "lenient::absent")]
    pub pricing: Pricing,
    /// What they cost under conditions.
    #[serde(deserialize_with = "lenient::entries", skip_serializing_if = "Vec::is_empty")]
    pub price_overrides: Vec<PriceOverride>,
    /// Such as `fp8`; `unknown` where the weights are closed.
    #[serde(deserialize_with = "lenient::absent")]
    pub quantization: Option<String>,
    /// What it takes.
    #[serde(deserialize_with = "lenient::entries")]
    pub supported_parameters: Vec<String>,
    /// Which values of `tool_choice` it takes, where that is told.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub supports_tool_choice: Option<ToolChoiceSupport>,
    /// Whether it caches prompts unasked.
    #[serde(deserialize_with = "lenient::absent")]
    pub supports_implicit_caching: Option<bool>,
    /// 0 when all is well; the further below, the worse. What each number means is not documented.
    #[serde(deserialize_with = "lenient::absent")]
    pub status: Option<i64>,
    /// Percent of requests answered in the last 5 minutes; refusals for the rate do not count.
    #[serde(deserialize_with = "percent")]
    pub uptime_last_5m: Option<f64>,
    /// The same of the last 30 minutes.
    #[serde(deserialize_with = "percent")]
    pub uptime_last_30m: Option<f64>,
    /// The same of the last day.
    #[serde(deserialize_with = "percent")]
    pub uptime_last_1d: Option<f64>,
    /// Time to the first token in the last 30 minutes, as it came: see [`Endpoint::latency`]. Not told without a key.
    #[serde(deserialize_with = "percentiles")]
    pub latency_last_30m: Option<Percentiles>,
    /// Tokens a second in the last 30 minutes. Not told without a key.
    #[serde(deserialize_with = "percentiles")]
    pub throughput_last_30m: Option<Percentiles>,
    /// The service tier that a request must ask for by name, where there is one.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
}

/// Which values of `tool_choice` are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolChoiceSupport {
    /// `none`.
    #[serde(deserialize_with = "lenient::absent")]
    pub none: bool,
    /// `auto`.
    #[serde(deserialize_with = "lenient::absent")]
    pub auto: bool,
    /// `required`.
    #[serde(deserialize_with = "lenient::absent")]
    pub required: bool,
    /// A function by name.
    #[serde(deserialize_with = "lenient::absent")]
    pub function: bool,
}

impl Endpoint {
    /// Whether it takes this parameter.
    pub fn supports(&self, parameter: &str) -> bool {
        self.supported_parameters.iter().any(|name| name == parameter)
    }

    /// The provider's slug without variant, region or tier.
    pub fn slug(&self) -> Option<&str> {
        self.tag.as_deref().and_then(|tag| tag.split('/').next()).filter(|slug| !slug.is_empty())
    }

    /// The median time to the first token. The unit on the wire is milliseconds by the description and seconds by its
    /// example: no first token takes less than 20 ms, and no median is 20 s, so the number tells which it is.
    pub fn latency(&self) -> Option<Duration> {
        let median = self.latency_last_30m?.p50.filter(|median| (0.0..1e9).contains(median))?;
        Some(Duration::from_secs_f64(if median < 20.0 { median } else { median / 1_000.0 }))
    }

    /// The median of tokens a second.
    pub fn throughput(&self) -> Option<f64> {
        self.throughput_last_30m?.p50
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
        let mut entry = Value::deserialize(deserializer)?;
        lift_overrides(&mut entry);
        Endpoint::deserialize(entry).map_err(de::Error::custom)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Endpoint::serialize(self, serializer)
    }
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(lenient::number(&Value::deserialize(deserializer)?).filter(|percent| (0.0..=100.0).contains(percent)))
}

/// An object of percentiles; a number alone is the median.
fn percentiles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Percentiles>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let of = |key: &str| value.get(key).and_then(lenient::number);
    let read = match &value {
        Value::Object(_) => Percentiles { p50: of("p50"), p75: of("p75"), p90: of("p90"), p99: of("p99") },
        other => Percentiles { p50: lenient::number(other), ..Percentiles::default() },
    };
    Ok(Some(read).filter(|read| *read != Percentiles::default()))
}
