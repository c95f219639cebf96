//! `response_format`: the form an answer must have.

use serde::Serialize;
use serde_json::value::RawValue;

/// The form of the answer.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat<'a> {
    /// Any text.
    Text,
    /// Any JSON object. OpenAI refuses this unless a message contains the word "json".
    JsonObject,
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
