//! A model as `/models` lists it. What it takes is the union over its endpoints: a parameter listed here need not be taken
//! by every provider.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use super::pricing::lift_overrides;
use super::{PriceOverride, Pricing};
use crate::{Usd, lenient};

/// A list of models.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ModelList {
    /// The models.
    #[serde(deserialize_with = "lenient::entries")]
    pub data: Vec<Model>,
    /// How many there are on all pages.
    #[serde(deserialize_with = "lenient::count")]
    pub total_count: Option<u64>,
    /// Where the next page is.
    #[serde(deserialize_with = "lenient::absent")]
    pub links: Links,
}

/// Where there is more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// The path of the next page.
    #[serde(deserialize_with = "lenient::absent")]
    pub next: Option<String>,
}

/// A model as listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Model {
    /// `author/slug[:variant]`.
    pub id: String,
    /// The id that never changes.
    #[serde(deserialize_with = "lenient::absent")]
    pub canonical_slug: Option<String>,
    /// The name for people.
    #[serde(deserialize_with = "lenient::absent")]
    pub name: Option<String>,
    /// What it is, for people.
    #[serde(deserialize_with = "lenient::absent")]
    pub description: Option<String>,
    /// When it was added, in seconds since 1970.
    #[serde(deserialize_with = "lenient::absent")]
    pub created: Option<i64>,
    /// Tokens that fit, prompt and answer together.
    #[serde(deserialize_with = "lenient::count")]
    pub context_length: Option<u64>,
    /// What goes in and comes out.
    #[serde(deserialize_with = "lenient::absent")]
    pub architecture: Architecture,
    /// What tokens cost.
    #[serde(deserialize_with = "lenient::absent")]
    pub pricing: Pricing,
    /// What they cost under conditions.
    #[serde(deserialize_with = "lenient::entries", skip_serializing_if = "Vec::is_empty")]
    pub price_overrides: Vec<PriceOverride>,
    /// The union over its endpoints.
    #[serde(deserialize_with = "lenient::entries")]
    pub supported_parameters: Vec<String>,
    /// What is used where a request says nothing.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Map::is_empty")]
    pub default_parameters: Map<String, Value>,
    /// How it reasons; absent for models that do not.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningSupport>,
    /// Limits of the endpoint served by default.
    #[serde(deserialize_with = "lenient::absent")]
    pub top_provider: TopProvider,
    /// Limits of a single request.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub per_request_limits: Option<PerRequestLimits>,
    /// The day on which it goes away, as `YYYY-MM-DD`; far in the future where none is known.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<String>,
    /// The day up to which it knows the world.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub knowledge_cutoff: Option<String>,
    /// The weights' place, where they are open.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub hugging_face_id: Option<String>,
    /// What an alias such as `~author/family-latest` stands for.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub alias_target: Option<AliasTarget>,
}

/// What goes in and comes out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Architecture {
    /// Such as `text+image->text`.
    #[serde(deserialize_with = "lenient::absent")]
    pub modality: Option<String>,
    /// `text`, `image`, `file`, `audio`, `video`.
    #[serde(deserialize_with = "lenient::entries")]
    pub input_modalities: Vec<String>,
    /// `text`, `image`, `embeddings` and more.
    #[serde(deserialize_with = "lenient::entries")]
    pub output_modalities: Vec<String>,
    /// The family of the tokenizer.
    #[serde(deserialize_with = "lenient::absent")]
    pub tokenizer: Option<String>,
    /// How conversations are written for it.
    #[serde(deserialize_with = "lenient::absent")]
    pub instruct_type: Option<String>,
}

/// Limits of the endpoint served by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopProvider {
    /// Tokens that fit.
    #[serde(deserialize_with = "lenient::count")]
    pub context_length: Option<u64>,
    /// The most tokens an answer may have.
    #[serde(deserialize_with = "lenient::count")]
    pub max_completion_tokens: Option<u64>,
    /// Whether inputs are looked at by moderation first.
    #[serde(deserialize_with = "lenient::absent")]
    pub is_moderated: Option<bool>,
}

/// How a model reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasoningSupport {
    /// Whether it always does: an effort of `none` is refused.
    #[serde(deserialize_with = "lenient::absent")]
    pub mandatory: bool,
    /// Whether it does where a request says nothing.
    #[serde(deserialize_with = "lenient::absent")]
    pub default_enabled: Option<bool>,
    /// How much where a request does not say.
    #[serde(deserialize_with = "lenient::absent")]
    pub default_effort: Option<String>,
    /// The efforts it takes, highest first; absent when it takes all.
    #[serde(deserialize_with = "lenient::absent")]
    pub supported_efforts: Option<Vec<String>>,
    /// Whether `reasoning.max_tokens` is taken.
    #[serde(deserialize_with = "lenient::absent")]
    pub supports_max_tokens: Option<bool>,
}

/// Limits of a single request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PerRequestLimits {
    /// Of its prompt.
    #[serde(deserialize_with = "lenient::count")]
    pub prompt_tokens: Option<u64>,
    /// Of its answer.
    #[serde(deserialize_with = "lenient::count")]
    pub completion_tokens: Option<u64>,
}

/// What an alias stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AliasTarget {
    /// The model's id.
    #[serde(deserialize_with = "lenient::absent")]
    pub slug: Option<String>,
    /// Its name for people.
    #[serde(deserialize_with = "lenient::absent")]
    pub name: Option<String>,
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

    /// Whether inputs are looked at by moderation first.
    pub fn is_moderated(&self) -> bool {
        self.top_provider.is_moderated == Some(true)
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Model, D::Error> {
        let mut entry = Value::deserialize(deserializer)?;
        lift_overrides(&mut entry);
        let model = Model::deserialize(entry).map_err(de::Error::custom)?;
        if model.id.is_empty() { Err(de::Error::missing_field("id")) } else { Ok(model) }
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Model::serialize(self, serializer)
    }
}
