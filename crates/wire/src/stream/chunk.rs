//! One data event of a stream by its parts. What has an unexpected type counts as absent, what is unknown is passed over.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::reply::{arguments, joined_text};
use crate::{ErrorBody, RouterMetadata, Usage};

/// A data event.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) service_tier: Option<String>,
    pub(super) choices: Vec<ChunkChoice>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<ErrorBody>,
    pub(super) error_type: Option<String>,
    pub(super) metadata: Option<Box<RouterMetadata>>,
}

/// What an event adds to one answer.
#[derive(Debug, Default)]
pub(super) struct ChunkChoice {
    pub(super) index: u64,
    pub(super) finish_reason: Option<String>,
    pub(super) native_finish_reason: Option<String>,
    pub(super) error: Option<ErrorBody>,
    pub(super) logprobs: Map<String, Value>,
    pub(super) content: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) reasoning_details: Vec<Map<String, Value>>,
    pub(super) tool_calls: Vec<Fragment>,
    pub(super) annotations: Vec<Value>,
    pub(super) images: Vec<Value>,
    pub(super) audio: Map<String, Value>,
}

/// A piece of a function call. Identifier and name come with the first one of a call.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    pub(super) index: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: String,
}

impl Chunk {
    /// The event, if it is a JSON object. Bytes that are no UTF-8 are replaced, as event streams are read.
    pub(super) fn read(data: &[u8]) -> Option<Chunk> {
        let read = serde_json::from_slice(data).or_else(|_| serde_json::from_str(&String::from_utf8_lossy(data)));
        let Ok(Value::Object(mut event)) = read else { return None };
        let metadata = take(&mut event, "openrouter_metadata");
        Some(Chunk {
            id: text(&mut event, "id"),
            model: text(&mut event, "model"),
            provider: text(&mut event, "provider"),
            service_tier: text(&mut event, "service_tier"),
            choices: objects(&mut event, "choices").enumerate().map(|(place, choice)| ChunkChoice::read(place, choice)).collect(),
            usage: take(&mut event, "usage").filter(Value::is_object).map(|usage| Usage::from_value(&usage)),
            error: take(&mut event, "error").map(|error| ErrorBody::from_value(&error)),
            error_type: text(&mut event, "error_type"),
            metadata: metadata.and_then(|metadata| RouterMetadata::deserialize(metadata).ok()).map(Box::new),
        })
    }
}

impl ChunkChoice {
    fn read(place: usize, mut choice: Map<String, Value>) -> ChunkChoice {
        // a whole message where a delta should be is read as one large delta
        let mut delta = object(&mut choice, "delta").or_else(|| object(&mut choice, "message")).unwrap_or_default();
        ChunkChoice {
            index: choice.get("index").and_then(Value::as_u64).unwrap_or(place as u64),
            finish_reason: text(&mut choice, "finish_reason"),
            native_finish_reason: text(&mut choice, "native_finish_reason"),
            error: take(&mut choice, "error").map(|error| ErrorBody::from_value(&error)),
            logprobs: object(&mut choice, "logprobs").unwrap_or_default(),
            content: take(&mut delta, "content").and_then(|content| joined_text(&content)),
            refusal: text(&mut delta, "refusal"),
            reasoning: text(&mut delta, "reasoning").or_else(|| text(&mut delta, "reasoning_content")),
            reasoning_details: objects(&mut delta, "reasoning_details").collect(),
            tool_calls: objects(&mut delta, "tool_calls").map(Fragment::read).collect(),
            annotations: list(&mut delta, "annotations"),
            images: list(&mut delta, "images"),
            audio: object(&mut delta, "audio").unwrap_or_default(),
        }
    }
}

impl Fragment {
    fn read(mut call: Map<String, Value>) -> Fragment {
        let mut function = object(&mut call, "function").unwrap_or_default();
        let arguments = match take(&mut function, "arguments") {
            Some(Value::String(text)) => text,
            // a whole object where a piece of text should be
            Some(other) => arguments(other).ok().flatten().unwrap_or_default(),
            None => String::new(),
        };
        Fragment {
            index: call.get("index").and_then(Value::as_u64),
            id: text(&mut call, "id").filter(|id| !id.is_empty()),
            kind: text(&mut call, "type").filter(|kind| !kind.is_empty()),
            name: text(&mut function, "name").filter(|name| !name.is_empty()),
            arguments,
        }
    }
}

fn take(object: &mut Map<String, Value>, key: &str) -> Option<Value> {
    object.get_mut(key).map(Value::take).filter(|value| !value.is_null())
}

fn text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.get_mut(key) {
        Some(Value::String(text)) => Some(std::mem::take(text)),
        _ => None,
    }
}

fn object(from: &mut Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    match take(from, key) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn list(object: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match take(object, key) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn objects(object: &mut Map<String, Value>, key: &str) -> impl Iterator<Item = Map<String, Value>> + use<> {
    list(object, key).into_iter().filter_map(|item| match item {
        Value::Object(object) => Some(object),
        _ => None,
    })
}
