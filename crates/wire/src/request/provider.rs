//! `provider`: which providers may serve, in what order and at what price.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Percentiles, Usd};

/// Routing preferences. Providers are named by slug (`amazon-bedrock`, `deepinfra/turbo`).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ProviderPreferences {
    /// Slugs tried first, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// The only slugs allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Slugs left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether other providers may serve when the preferred ones fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_fallbacks: Option<bool>,
    /// Whether every parameter of the body must be supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_parameters: Option<bool>,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_collection: Option<String>,
    /// Zero data retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zdr: Option<bool>,
    /// Whether the answers must be free to train other models with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforce_distillable_text: Option<bool>,
    /// Allowed quantizations. Models whose weights are closed have `unknown`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quantizations: Vec<String>,
    /// How providers are sorted, in place of spreading by price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Price limits in dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<MaxPrice>,
    /// Tokens a second below which an endpoint is put behind the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_min_throughput: Option<Threshold>,
    /// Seconds to the first token above which an endpoint is put behind the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_max_latency: Option<Threshold>,
    /// By slug, an object handed to that provider alone.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

impl ProviderPreferences {
    /// Whether nothing is set, so that the field need not be sent.
    pub fn is_default(&self) -> bool {
        *self == ProviderPreferences::default()
    }
}

/// `provider.sort`: a name alone, or with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    /// What counts.
    pub by: Option<SortBy>,
    /// Within what is sorted.
    pub partition: Option<Partition>,
}

/// What providers are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortBy {
    /// Cheapest first.
    Price,
    /// Most tokens a second first.
    Throughput,
    /// Quickest first token first.
    Latency,
    /// Best tool calling first.
    Exacto,
}

/// Within what providers are sorted when several models are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// Model after model, each with its providers sorted.
    Model,
    /// All endpoints of all models together.
    None,
}

impl From<SortBy> for Sort {
    fn from(by: SortBy) -> Sort {
        Sort { by: Some(by), partition: None }
    }
}

impl Serialize for Sort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Parts {
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<SortBy>,
            #[serde(skip_serializing_if = "Option::is_none")]
            partition: Option<Partition>,
        }
        match *self {
            Sort { by: Some(by), partition: None } => by.serialize(serializer),
            Sort { by, partition } => Parts { by, partition }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sort {
    /// Reads both forms. An unknown name is an error that lists the known ones.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sort, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            by: Option<SortBy>,
            partition: Option<Partition>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Sort;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("price, throughput, latency, exacto, or by and partition")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Sort, E> {
                SortBy::deserialize(name.into_deserializer()).map(Sort::from)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Sort, A::Error> {
                let parts = Parts::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Sort { by: parts.by, partition: parts.partition })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// `provider.max_price`: dollars per million tokens, and per piece for the rest.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MaxPrice {
    /// For a million tokens of input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Usd>,
    /// For a million tokens of output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<Usd>,
    /// For a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Usd>,
    /// For an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Usd>,
}

/// A bound that an endpoint's recent speed is held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Threshold {
    /// For the median.
    Median(f64),
    /// For some percentiles.
    At(Percentiles),
}
