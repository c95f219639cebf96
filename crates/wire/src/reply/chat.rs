//! The body of a chat reply, as the wire has it: the official description leaves out fields that are always there.
//!
//! What every row needs (text, calls, usage) is read at once, by types. What a tool loop or a report may need stays as
//! the bytes it came in until it is asked for.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ChatMessage, RouterMetadata, Usage};
use crate::ErrorBody;

/// A chat completion. An error may stand inside although the status was 200.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatReply {
    /// The generation's id.
    pub id: Option<String>,
    /// The model that served.
    pub model: Option<String>,
    /// The provider that served, by display name.
    pub provider: Option<String>,
    /// The tier that served.
    pub service_tier: Option<String>,
    /// The answers; normally one.
    pub choices: Vec<ChatChoice>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
    /// An error in place of, or beside, choices.
    pub error: Option<Box<ErrorBody>>,
    /// How the request was routed, where that was asked for.
    pub openrouter_metadata: Option<Box<RouterMetadata>>,
    /// The class of an error, where it stands beside it.
    pub(crate) error_type: Option<String>,
}

/// One answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatChoice {
    /// `stop`, `length`, `tool_calls`, `content_filter`, `error` or something new.
    pub finish_reason: Option<String>,
    /// What the provider itself called it.
    pub native_finish_reason: Option<String>,
    /// The message.
    pub message: ChatMessage,
    /// An error that struck while generating.
    pub error: Option<Box<ErrorBody>>,
    /// The log probabilities of tokens, as they came.
    pub logprobs: Option<Box<RawValue>>,
}

impl ChatReply {
    /// Reads a reply whose fields may have unexpected types: what cannot be understood counts as absent.
    pub(crate) fn from_value(value: &Value) -> ChatReply {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let field = |key: &str| value.get(key).filter(|v| !v.is_null());
        ChatReply {
            id: text("id"),
            model: text("model"),
            provider: text("provider"),
            service_tier: text("service_tier"),
            choices: field("choices")
                .and_then(Value::as_array)
                .map(|list| list.iter().map(ChatChoice::from_value).collect())
                .unwrap_or_default(),
            usage: field("usage").map(Usage::from_value),
            error: field("error").map(ErrorBody::from_value).map(Box::new),
            openrouter_metadata: field("openrouter_metadata").and_then(|value| RouterMetadata::deserialize(value).ok()).map(Box::new),
            error_type: text("error_type"),
        }
    }

    /// The error in it: one of the whole reply, else one of the first choice.
    pub(crate) fn any_error(&self) -> Option<ErrorBody> {
        let of_choice = || self.choices.first().and_then(|choice| choice.error.clone());
        let mut error = *self.error.clone().or_else(of_choice)?;
        if error.error_type.is_none() {
            error.error_type.clone_from(&self.error_type);
        }
        Some(error)
    }

    /// The first choice's message.
    pub fn message(&self) -> Option<&ChatMessage> {
        self.choices.first().map(|choice| &choice.message)
    }

    /// The first choice's text.
    pub fn text(&self) -> Option<&str> {
        self.message()?.content.as_deref()
    }

    /// The arguments of the first call of a function, else of the first call there is.
    pub fn arguments(&self, function: &str) -> Option<&str> {
        let calls = &self.message()?.tool_calls;
        let call = calls.iter().find(|call| call.function.name.as_deref() == Some(function)).or_else(|| calls.first())?;
        call.function.arguments.as_deref()
    }
}

impl ChatChoice {
    fn from_value(value: &Value) -> ChatChoice {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let field = |key: &str| value.get(key).filter(|v| !v.is_null());
        ChatChoice {
            finish_reason: text("finish_reason"),
            native_finish_reason: text("native_finish_reason"),
            message: field("message").map(ChatMessage::from_value).unwrap_or_default(),
            error: field("error").map(ErrorBody::from_value).map(Box::new),
            logprobs: field("logprobs").and_then(|value| serde_json::value::to_raw_value(value).ok()),
        }
    }
}
