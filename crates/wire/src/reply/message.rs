//! The model's message: its text and calls by type, and the whole of it as JSON for whoever continues the conversation.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The model's message.
#[derive(Debug, Clone, Default)]
pub struct ChatMessage {
    /// Its text, parts joined.
    pub content: Option<String>,
    /// Why it declined.
    pub refusal: Option<String>,
    /// Its reasoning, where shown.
    pub reasoning: Option<String>,
    /// Function calls.
    pub tool_calls: Vec<ToolCall>,
    /// Every field whose letters count or that has no type here, as it came and in order.
    rest: Vec<(Cow<'static, str>, Box<RawValue>)>,
}

/// A function call by the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ToolCall {
    /// The call's id.
    pub id: Option<String>,
    /// Name and arguments.
    pub function: FunctionCall,
}

/// Name and arguments of a function call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FunctionCall {
    /// The function's name.
    pub name: Option<String>,
    /// JSON text; `{}` for a function without arguments, for which some models write nothing.
    #[serde(deserialize_with = "arguments")]
    pub arguments: Option<String>,
}

impl ChatMessage {
    /// Reads a message whose fields may have unexpected types: what cannot be understood counts as absent.
    pub(crate) fn from_value(value: &Value) -> ChatMessage {
        let mut message = ChatMessage::default();
        let mut other_reasoning = None;
        for (name, value) in value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let text = || value.as_str().map(str::to_owned);
            match Field::of(name) {
                Field::Role => message.take_role(text().unwrap_or_default()),
                Field::Content => message.take_content(Content::deserialize(value).unwrap_or_default()),
                Field::Refusal => message.refusal = text(),
                Field::Reasoning => message.reasoning = text(),
                Field::ReasoningContent => other_reasoning = text(),
                Field::ToolCalls => {
                    let calls = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    message.tool_calls = calls.iter().filter_map(|call| ToolCall::deserialize(call).ok()).collect();
                    message.keep("tool_calls", calls);
                }
                Field::Other(name) => message.keep(name, value),
            }
        }
        message.reasoning = message.reasoning.or(other_reasoning);
        message
    }

    /// The message as JSON, to be handed back in the next request with [`Message::Verbatim`](crate::Message::Verbatim):
    /// `reasoning_details`, calls, annotations and whatever else there is stand in it letter by letter as they came. Only
    /// what would be refused is put right: a role that is missing, and calls whose arguments are no JSON text.
    pub fn verbatim(&self) -> Box<RawValue> {
        to_raw_value(self).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// `reasoning_details` in order, as they came.
    pub fn reasoning_details(&self) -> Vec<Value> {
        self.list("reasoning_details")
    }

    /// `annotations`: citations and the parsed content of files, as they came.
    pub fn annotations(&self) -> Vec<Value> {
        self.list("annotations")
    }

    /// `images` that the model made, as they came.
    pub fn images(&self) -> Vec<Value> {
        self.list("images")
    }

    fn list(&self, name: &str) -> Vec<Value> {
        self.kept(name).and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
    }

    fn kept(&self, name: &str) -> Option<&RawValue> {
        self.rest.iter().rfind(|(key, _)| key == name).map(|(_, json)| json.as_ref())
    }

    fn keep(&mut self, name: impl Into<Cow<'static, str>>, value: &(impl Serialize + ?Sized)) {
        self.rest.extend(to_raw_value(value).ok().map(|json| (name.into(), json)));
    }

    /// The usual role is not worth keeping.
    fn take_role(&mut self, role: String) {
        if !matches!(role.as_str(), "" | "assistant") {
            self.keep("role", &role);
        }
    }

    fn take_content(&mut self, content: Content) {
        self.content = match content {
            Content::Text(text) => text,
            Content::Parts(parts) => {
                self.keep("content", &parts);
                Some(parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect())
            }
        };
    }
}

impl<'de> Deserialize<'de> for ChatMessage {
    /// An ordinary message, which has text and nothing besides, is read without keeping a byte twice.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChatMessage, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = ChatMessage;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message or null")
            }
            fn visit_unit<E: de::Error>(self) -> Result<ChatMessage, E> {
                Ok(ChatMessage::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChatMessage, A::Error> {
                let (mut message, mut other_reasoning) = (ChatMessage::default(), None);
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Role => message.take_role(map.next_value()?),
                        Field::Content => message.take_content(map.next_value()?),
                        Field::Refusal => message.refusal = map.next_value()?,
                        Field::Reasoning => message.reasoning = map.next_value()?,
                        Field::ReasoningContent => other_reasoning = map.next_value()?,
                        Field::ToolCalls => {
                            let json: Box<RawValue> = map.next_value()?;
                            let calls = serde_json::from_str::<Option<Vec<ToolCall>>>(json.get()).map_err(de::Error::custom)?;
                            message.tool_calls = calls.unwrap_or_default();
                            message.rest.push((Cow::Borrowed("tool_calls"), json));
                        }
                        Field::Other(name) => {
                            let json: Option<Box<RawValue>> = map.next_value()?;
                            message.rest.extend(json.map(|json| (Cow::Owned(name), json)));
                        }
                    }
                }
                message.reasoning = message.reasoning.or(other_reasoning);
                Ok(message)
            }
        }
        deserializer.deserialize_any(Fields)
    }
}

impl Serialize for ChatMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.kept("role").is_none() {
            map.serialize_entry("role", "assistant")?;
        }
        if self.kept("content").is_none() {
            map.serialize_entry("content", &self.content)?;
        }
        for (name, text) in [("refusal", &self.refusal), ("reasoning", &self.reasoning)] {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        for (name, json) in &self.rest {
            match name.as_ref() {
                "tool_calls" => map.serialize_entry(name, &with_arguments(json))?,
                _ => map.serialize_entry(name, json)?,
            }
        }
        map.end()
    }
}

/// The names of a message's fields.
enum Field {
    Role,
    Content,
    Refusal,
    Reasoning,
    ReasoningContent,
    ToolCalls,
    Other(String),
}

impl Field {
    fn of(name: &str) -> Field {
        match name {
            "role" => Field::Role,
            "content" => Field::Content,
            "refusal" => Field::Refusal,
            "reasoning" => Field::Reasoning,
            "reasoning_content" => Field::ReasoningContent,
            "tool_calls" => Field::ToolCalls,
            other => Field::Other(other.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Field, E> {
                Ok(Field::of(name))
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

/// `content`: a string, null, or a list of parts.
enum Content {
    Text(Option<String>),
    Parts(Vec<Value>),
}

impl Default for Content {
    fn default() -> Content {
        Content::Text(None)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Content, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, parts or null")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(Some(text.to_owned())))
            }
            fn visit_string<E: de::Error>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(Some(text)))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
                Ok(Content::Text(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The text of a delta's `content`, parts joined.
pub(crate) fn joined_text(content: &Value) -> Option<String> {
    let mut message = ChatMessage::default();
    message.take_content(Content::deserialize(content).ok()?);
    message.content
}

/// The calls letter by letter if each has arguments, else with those put right that have none.
fn with_arguments(calls: &RawValue) -> Box<RawValue> {
    #[derive(Deserialize)]
    struct Call {
        function: Function,
    }
    #[derive(Deserialize)]
    struct Function {
        arguments: String,
    }
    let whole = serde_json::from_str::<Vec<Call>>(calls.get());
    if whole.is_ok_and(|calls| calls.iter().all(|call| !call.function.arguments.trim().is_empty())) {
        return calls.to_owned();
    }
    let mut calls: Value = serde_json::from_str(calls.get()).unwrap_or_default();
    for call in calls.as_array_mut().into_iter().flatten() {
        if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut) {
            let text = function.get("arguments").and_then(|given| arguments(given).ok()).flatten();
            function.insert("arguments".to_owned(), Value::from(text.unwrap_or_else(|| "{}".to_owned())));
        }
    }
    to_raw_value(&calls).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Arguments are JSON text; an object where a provider does not keep to the contract, and nothing for no arguments.
pub(crate) fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => Some("{}".to_owned()),
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}
