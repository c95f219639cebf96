//! The body of `POST /chat/completions`, a field of the contract each.
//!
//! What is `None` or empty is not sent. Fields stand in the order in which they are declared here
//! ([`ChatRequest::FIELDS`]), because OpenRouter's response cache hashes a body with its property order.

mod embeddings;
mod format;
mod message;
mod plugin;
mod provider;
mod reasoning;
mod tool;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use embeddings::{EmbeddingsRequest, EncodingFormat};
pub use format::{JsonSchemaFormat, ResponseFormat};
pub use message::{CacheControl, CacheLife, Content, ImageUrl, InputAudio, InputFile, Message, Part, Role, VideoUrl};
pub use plugin::{PdfEngine, Plugin, PluginError};
pub use provider::{MaxPrice, Partition, ProviderPreferences, Sort, SortBy, Threshold};
pub use reasoning::Reasoning;
pub use tool::{Tool, ToolChoice, ToolFunction};

/// A chat request. Take what is not needed from `ChatRequest::default()`.
///
/// ```
/// use corsac_wire::{ChatRequest, Message};
///
/// let request = ChatRequest {
///     model: "openai/gpt-4o-mini",
///     messages: vec![Message::user("Hello")],
///     max_tokens: Some(64),
///     ..ChatRequest::default()
/// };
/// assert_eq!(
///     String::from_utf8_lossy(&request.to_json()),
///     r#"{"model":"openai/gpt-4o-mini","messages":[{"role":"user","content":"Hello"}],"max_tokens":64}"#
/// );
/// ```
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChatRequest<'a> {
    /// `author/slug[:variant]`; empty for the account's default.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub model: &'a str,
    /// Fallback models in order; `model` is tried first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub models: &'a [String],
    /// The conversation.
    pub messages: Vec<Message<'a>>,
    /// The most tokens the answer may have. Without it the credit check counts the model's whole output limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The same under the newer name, which some endpoints take alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// Sampling temperature, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sample among so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// The least probability, relative to the likeliest token, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Like `min_p`, by the square of the likeliest token's probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_a: Option<f64>,
    /// Against tokens by how often they came, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Against tokens that came at all, -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Against tokens of the input, above 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Sampling seed, where the provider takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Texts before which the answer ends; at most four.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub stop: &'a [String],
    /// Token ids of the model's own tokenizer with a bias of -100 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<&'a BTreeMap<u32, f64>>,
    /// Whether to give the log probability of each token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// For so many likeliest tokens at each place, at most 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u8>,
    /// How much the model may reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// `low`, `medium`, `high`, `xhigh` or `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a str>,
    /// The form of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat<'a>>,
    /// Functions the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    /// Whether and which it must call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may make several calls at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Routing preferences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a ProviderPreferences>,
    /// What OpenRouter does with request and reply on the way.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub plugins: &'a [Plugin],
    /// `auto`, `default`, `flex`, `priority` and more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'a str>,
    /// Keeps requests that belong together at one provider and together in logs; at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// A stable, hashed name of the end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// At most 16 pairs, names of at most 64 and values of at most 512 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a BTreeMap<String, String>>,
    /// Lets the provider cache the prompt up to its last block that can be cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl>,
    /// Whether the reply comes as a stream of events.
    #[serde(skip_serializing_if = "is_false")]
    pub stream: bool,
    /// Fields this type does not have, sent as they are after all others. Those it has are left out here.
    #[serde(flatten, serialize_with = "extra_fields")]
    pub extra: Option<&'a Map<String, Value>>,
}

impl ChatRequest<'_> {
    /// The fields of a body in the order in which they are written.
    pub const FIELDS: [&'static str; 32] = [
        "model",
        "models",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "top_a",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "reasoning",
        "verbosity",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "provider",
        "plugins",
        "service_tier",
        "session_id",
        "user",
        "metadata",
        "cache_control",
        "stream",
    ];

    /// The body as it is sent.
    pub fn to_json(&self) -> Vec<u8> {
        written(self)
    }
}

/// Serialising these types cannot fail: maps have text or numbers as keys and nothing here returns an error of its own.
/// Should it ever, the empty body is refused by the service and recorded like any fault.
fn written(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn extra_fields<S: Serializer>(extra: &Option<&Map<String, Value>>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (name, value) in extra.iter().flat_map(|fields| fields.iter()) {
        if !ChatRequest::FIELDS.contains(&name.as_str()) {
            map.serialize_entry(name, value)?;
        }
    }
    map.end()
}

/// Writes a JSON value out once, so that each request only copies it.
pub fn raw(value: &Value) -> Arc<RawValue> {
    match serde_json::value::to_raw_value(value) {
        Ok(raw) => raw.into(),
        Err(_) => RawValue::NULL.to_owned().into(),
    }
}
