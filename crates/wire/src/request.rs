//! The body of `POST /chat/completions`. Fields stand in a fixed order, because OpenRouter's response cache hashes the
//! body with its property order; what is `None` is not sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Usd;

/// A chat request.
#[derive(Debug, Clone, Serialize)]
pub struct ChatRequest<'a> {
    /// `author/slug[:variant]`.
    pub model: &'a str,
    /// Fallback models in order; `model` is tried first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub models: &'a [String],
    /// The conversation.
    pub messages: Vec<Message<'a>>,
    /// Always sent: without it the credit check counts the model's whole output limit.
    pub max_tokens: u32,
    /// Sampling temperature, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling seed, where the provider takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// How much the model may reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// The form of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat<'a>>,
    /// Functions the model may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    /// Which function it must call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Routing preferences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a ProviderPreferences>,
}

/// One message.
#[derive(Debug, Clone, Serialize)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: &'a str,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
}

/// `response_format` of type `json_schema`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat<'a> {
    /// JSON that satisfies a schema.
    JsonSchema {
        /// The schema with its name.
        json_schema: JsonSchemaFormat<'a>,
    },
}

/// The schema of a `json_schema` response format.
#[derive(Debug, Clone, Serialize)]
pub struct JsonSchemaFormat<'a> {
    /// At most 64 of `a-zA-Z0-9_-`.
    pub name: &'a str,
    /// Whether the provider must enforce it.
    pub strict: bool,
    /// The schema, already written out.
    pub schema: &'a RawValue,
}

/// A function the model may call.
#[derive(Debug, Clone, Serialize)]
pub struct Tool<'a> {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function.
    pub function: ToolFunction<'a>,
}

/// A function's signature.
#[derive(Debug, Clone, Serialize)]
pub struct ToolFunction<'a> {
    /// At most 64 of `a-zA-Z0-9_-`.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// JSON Schema of its arguments.
    pub parameters: &'a RawValue,
}

/// A forced function call.
#[derive(Debug, Clone, Serialize)]
pub struct ToolChoice<'a> {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function to call.
    pub function: ToolName<'a>,
}

/// A function by name.
#[derive(Debug, Clone, Serialize)]
pub struct ToolName<'a> {
    /// Its name.
    pub name: &'a str,
}

/// `reasoning`: an effort or a token budget, not both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// Tokens that may be spent on reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// `provider`: which providers may serve, in what order and at what price.
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
    /// Allowed quantizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quantizations: Vec<String>,
    /// How providers are sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Price limits in dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<MaxPrice>,
}

/// `provider.sort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Cheapest first.
    Price,
    /// Most tokens a second first.
    Throughput,
    /// Quickest first token first.
    Latency,
    /// Best tool calling first.
    Exacto,
}

/// `provider.max_price`, in dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MaxPrice {
    /// For input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Usd>,
    /// For output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<Usd>,
}

impl ProviderPreferences {
    /// Whether nothing is set, so that the field need not be sent.
    pub fn is_default(&self) -> bool {
        *self == ProviderPreferences::default()
    }
}

/// Writes a JSON value out once, so that each request only copies it.
pub fn raw(value: &serde_json::Value) -> Arc<RawValue> {
    match serde_json::value::to_raw_value(value) {
        Ok(raw) => raw.into(),
        Err(_) => RawValue::NULL.to_owned().into(),
    }
}
