//! The body of a chat reply, as the wire has it: the official description leaves out fields that are always there.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{ErrorBody, Usd};

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
    /// The answers; normally one.
    pub choices: Vec<ChatChoice>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
    /// An error in place of, or beside, choices.
    pub error: Option<ErrorBody>,
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
    pub error: Option<ErrorBody>,
}

/// The model's message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatMessage {
    /// Its text, parts joined.
    #[serde(deserialize_with = "text_or_parts")]
    pub content: Option<String>,
    /// Why it declined.
    pub refusal: Option<String>,
    /// Its reasoning, where shown.
    pub reasoning: Option<String>,
    /// Function calls.
    #[serde(deserialize_with = "null_as_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A function call by the model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ToolCall {
    /// The call's id.
    pub id: Option<String>,
    /// Name and arguments.
    pub function: FunctionCall,
}

/// Name and arguments of a function call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FunctionCall {
    /// The function's name.
    pub name: Option<String>,
    /// JSON text; an object when a provider does not keep to the contract.
    #[serde(deserialize_with = "text_or_json")]
    pub arguments: Option<String>,
}

/// Tokens and cost of a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, reasoning included.
    pub completion_tokens: u64,
    /// What OpenRouter charged.
    pub cost: Option<Usd>,
    /// Whether the caller's own provider key paid upstream.
    pub is_byok: Option<bool>,
    /// What the prompt tokens were.
    pub prompt_tokens_details: Option<PromptTokens>,
    /// What the completion tokens were.
    pub completion_tokens_details: Option<CompletionTokens>,
}

/// Parts of the prompt tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PromptTokens {
    /// Read from the provider's cache.
    pub cached_tokens: Option<u64>,
}

/// Parts of the completion tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CompletionTokens {
    /// Spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Prompt tokens read from the provider's cache.
    pub fn cached_tokens(&self) -> u64 {
        self.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0)
    }
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
            choices: field("choices")
                .and_then(Value::as_array)
                .map(|list| list.iter().map(ChatChoice::from_value).collect())
                .unwrap_or_default(),
            usage: field("usage").map(Usage::from_value),
            error: field("error").map(ErrorBody::from_value),
        }
    }

    /// The first choice's text.
    pub fn text(&self) -> Option<&str> {
        self.choices.first()?.message.content.as_deref()
    }

    /// The arguments of the first call of a function; an empty text means no arguments.
    pub fn arguments(&self, function: &str) -> Option<&str> {
        let calls = &self.choices.first()?.message.tool_calls;
        let call = calls.iter().find(|call| call.function.name.as_deref() == Some(function)).or_else(|| calls.first())?;
        call.function.arguments.as_deref().map(|text| if text.trim().is_empty() { "{}" } else { text })
    }
}

impl ChatChoice {
    fn from_value(value: &Value) -> ChatChoice {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        ChatChoice {
            finish_reason: text("finish_reason"),
            native_finish_reason: text("native_finish_reason"),
            message: value.get("message").and_then(|message| ChatMessage::deserialize(message).ok()).unwrap_or_default(),
            error: value.get("error").filter(|error| !error.is_null()).map(ErrorBody::from_value),
        }
    }
}

impl Usage {
    fn from_value(value: &Value) -> Usage {
        let count = |key: &str| value.get(key).and_then(Value::as_f64).map_or(0, |n| n.max(0.0) as u64);
        Usage {
            prompt_tokens: count("prompt_tokens"),
            completion_tokens: count("completion_tokens"),
            cost: value.get("cost").and_then(|cost| Usd::deserialize(cost).ok()),
            is_byok: value.get("is_byok").and_then(Value::as_bool),
            prompt_tokens_details: value.get("prompt_tokens_details").and_then(|details| PromptTokens::deserialize(details).ok()),
            completion_tokens_details: value
                .get("completion_tokens_details")
                .and_then(|details| CompletionTokens::deserialize(details).ok()),
        }
    }
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolCall>, D::Error> {
    Ok(Option::<Vec<ToolCall>>::deserialize(deserializer)?.unwrap_or_default())
}

/// `content` is a string, null, or a list of parts of which the texts are joined.
fn text_or_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Content;
    impl<'de> Visitor<'de> for Content {
        type Value = Option<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text, parts or null")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }
        fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
            Ok(Some(text))
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
            let mut joined = String::new();
            while let Some(part) = parts.next_element::<Value>()? {
                joined.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
            Ok(Some(joined))
        }
    }
    deserializer.deserialize_any(Content)
}

fn text_or_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}
