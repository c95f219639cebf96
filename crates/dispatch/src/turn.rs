//! A turn of a conversation that the caller holds: messages given whole, functions the model may call.

use std::sync::Arc;

use corsac_wire::raw;
use serde_json::Value;
use serde_json::value::RawValue;

/// What is sent in place of a system and a user part.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The conversation so far, each message as JSON. An earlier answer goes back as it came, with its tool calls and
    /// `reasoning_details`.
    pub(crate) messages: Vec<Arc<RawValue>>,
    /// The functions the model may call, as the API words them.
    pub(crate) tools: Vec<Arc<RawValue>>,
    /// `"auto"`, `"none"`, `"required"` or one function.
    pub(crate) tool_choice: Option<Value>,
    /// All of it as text, which two equal turns share.
    text: Arc<str>,
}

impl Turn {
    /// A turn of these messages.
    pub fn new(messages: &[Value]) -> Turn {
        Turn::with_tools(messages, &[], None)
    }

    /// A turn in which the model may call functions.
    pub fn with_tools(messages: &[Value], tools: &[Value], tool_choice: Option<Value>) -> Turn {
        let messages: Vec<Arc<RawValue>> = messages.iter().map(raw).collect();
        let tools: Vec<Arc<RawValue>> = tools.iter().map(raw).collect();
        let mut text = String::new();
        for message in &messages {
            text.push_str(message.get());
            text.push('\n');
        }
        for tool in &tools {
            text.push_str(tool.get());
            text.push('\n');
        }
        text.extend(tool_choice.iter().map(Value::to_string));
        Turn { messages, tools, tool_choice, text: text.into() }
    }

    /// All of it as text: what two equal turns share, and what is counted as its prompt.
    pub fn text(&self) -> &str {
        &self.text
    }
}
