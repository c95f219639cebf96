//! `tools` and `tool_choice`: functions a model may or must call.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::CacheControl;

/// Something the model may call.
#[derive(Debug, Clone)]
pub enum Tool<'a> {
    /// A function of the caller.
    Function(ToolFunction<'a>),
    /// Anything else as JSON, such as a tool that OpenRouter runs itself (`{"type":"openrouter:web_search"}`).
    Verbatim(&'a RawValue),
}

/// A function's signature.
#[derive(Debug, Clone)]
pub struct ToolFunction<'a> {
    /// At most 64 of `a-zA-Z0-9_-`.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// JSON Schema of its arguments.
    pub parameters: &'a RawValue,
    /// Whether the provider must enforce the schema.
    pub strict: Option<bool>,
    /// Ends a stretch of the prompt that the provider caches.
    pub cache_control: Option<CacheControl>,
}

impl<'a> ToolFunction<'a> {
    /// A function with its arguments' schema.
    pub fn new(name: &'a str, description: &'a str, parameters: &'a RawValue) -> ToolFunction<'a> {
        ToolFunction { name, description, parameters, strict: None, cache_control: None }
    }
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let function = match self {
            Tool::Verbatim(tool) => return tool.serialize(serializer),
            Tool::Function(function) => function,
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("function", &Signature(function))?;
        if let Some(cache_control) = function.cache_control {
            map.serialize_entry("cache_control", &cache_control)?;
        }
        map.end()
    }
}

/// What stands under `function`.
struct Signature<'a>(&'a ToolFunction<'a>);

impl Serialize for Signature<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.0.name)?;
        if !self.0.description.is_empty() {
            map.serialize_entry("description", self.0.description)?;
        }
        map.serialize_entry("parameters", self.0.parameters)?;
        if let Some(strict) = self.0.strict {
            map.serialize_entry("strict", &strict)?;
        }
        map.end()
    }
}

/// Whether and which function the model must call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// None.
    None,
    /// As it sees fit.
    Auto,
    /// Some function.
    Required,
    /// This function.
    Function(&'a str),
}

impl Serialize for ToolChoice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Name<'a> {
            name: &'a str,
        }
        match self {
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Function(name) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "function")?;
                map.serialize_entry("function", &Name { name })?;
                map.end()
            }
        }
    }
}
