//! What a model answers to a chat request, before it becomes JSON or a stream: a text, an instance of
//! the schema asked for, or a tool call; and how a fault spoils it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::catalog::{Endpoint, Model, Reasoning};
use crate::chat_request::{ChatRequest, ReasoningWish, Shape, ToolUse};
use crate::fault::FaultKind;
use crate::schema_answer::{Maker, violate};
use crate::seed::{Draw, hash, mix};
use crate::words::Words;

/// How many read schemas are kept.
const KEPT_SCHEMAS: usize = 512;

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) content: Option<String>,
    pub(crate) tool_call: Option<ToolCall>,
    pub(crate) reasoning: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: &'static str,
    pub(crate) native_finish: &'static str,
    /// The error inside a choice.
    pub(crate) error: Option<Value>,
    pub(crate) reasoning_tokens: u64,
    /// Reasoning included.
    pub(crate) completion_tokens: u64,
}

/// A call of a function.
#[derive(Debug)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON in a text.
    pub(crate) arguments: String,
}

/// Schemas that were read before, by the hash of their text.
#[derive(Debug, Default)]
pub(crate) struct Schemas(RwLock<HashMap<u64, Arc<Value>>>);

impl Schemas {
    /// The schema; none if the text is no JSON.
    pub(crate) fn read(&self, text: &str) -> Option<Arc<Value>> {
        let key = hash(0, text.as_bytes());
        if let Some(known) = self.0.read().get(&key) {
            return Some(Arc::clone(known));
        }
        let schema: Arc<Value> = Arc::new(serde_json::from_str(text).ok()?);
        let mut kept = self.0.write();
        if kept.len() >= KEPT_SCHEMAS {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&schema));
        Some(schema)
    }
}

/// Everything an answer is made from.
#[derive(Clone, Copy)]
pub(crate) struct Prompt<'a> {
    pub(crate) request: &'a ChatRequest<'a>,
    pub(crate) model: &'a Model,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) schemas: &'a Schemas,
    pub(crate) seed: u64,
    /// The longest answer in tokens.
    pub(crate) max_tokens: u64,
}

impl Prompt<'_> {
    /// Answers; `content` is what a rule fixed.
    pub(crate) fn answer(&self, content: Option<&str>) -> Answer {
        let text = self.request.last_user_text();
        let seed = hash(self.seed, text.as_bytes());
        let mut answer = match content {
            Some(content) => Answer { content: Some(content.to_owned()), ..Answer::default() },
            None => self.own_answer(text, seed),
        };
        let is_call = answer.tool_call.is_some();
        answer.finish = if is_call { "tool_calls" } else { "stop" };
        answer.reason(self, seed);
        answer.count();
        answer.cut_to(self.max_tokens);
        answer.native_finish = native_finish(&self.endpoint.slug, answer.finish);
        answer
    }

    fn own_answer(&self, text: &str, seed: u64) -> Answer {
        if let Some(tool_call) = self.tool_call(text, seed) {
            return Answer { tool_call: Some(tool_call), ..Answer::default() };
        }
        let content = match &self.request.shape {
            Shape::Schema { schema, .. } => {
                let made = self.schemas.read(schema).map(|schema| instance(&schema, text, seed)).unwrap_or_default();
                let content = made.to_string();
                // an endpoint without structured outputs takes the schema for a hint
                let hint_only = !self.endpoint.supports("structured_outputs") && !self.request.heals;
                if hint_only && mix(seed).is_multiple_of(2) { fenced(&content) } else { content }
            }
            Shape::Object => match self.described_schema() {
                Some(schema) => instance(&schema, text, seed).to_string(),
                None => json!({ "answer": plain_text(text, seed) }).to_string(),
            },
            Shape::Text => match self.described_schema() {
                Some(schema) => instance(&schema, text, seed).to_string(),
                None => plain_text(text, seed),
            },
        };
        Answer { content: Some(content), ..Answer::default() }
    }

    fn tool_call(&self, text: &str, seed: u64) -> Option<ToolCall> {
        let tools = &self.request.tools;
        let tool = match &self.request.tool_use {
            ToolUse::Never => return None,
            // a model that has its tool's result goes on to the answer
            ToolUse::Free if self.request.after_tool_result => return None,
            ToolUse::Named(name) => tools.iter().find(|tool| tool.name == *name)?,
            ToolUse::Free | ToolUse::Some => {
                let named = tools.iter().find(|tool| text.contains(tool.name.as_ref()));
                named.or_else(|| tools.get(Draw::new(seed).index(tools.len())))?
            }
        };
        let schema = tool.parameters.and_then(|text| self.schemas.read(text));
        let arguments = schema.map_or_else(|| json!({}), |schema| instance(&schema, text, seed));
        let prefix = if self.endpoint.slug == "anthropic" { "toolu_01" } else { "call_" };
        Some(ToolCall {
            id: format!("{prefix}{:016x}", mix(seed ^ 0x7001)),
            name: tool.name.clone().into_owned(),
            arguments: arguments.to_string(),
        })
    }

    /// A JSON Schema that stands in the prompt itself, as programs write it when nothing else works.
    fn described_schema(&self) -> Option<Value> {
        let texts: Vec<&str> = self.request.texts().collect();
        let mut candidates = texts.iter().rev().filter(|text| text.contains("\"properties\""));
        candidates.find_map(|text| {
            text.match_indices('{').take(64).find_map(|(at, _)| {
                let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
                values.next()?.ok().filter(|value| value.get("properties").is_some_and(Value::is_object))
            })
        })
    }
}

impl Answer {
    fn reason(&mut self, prompt: &Prompt<'_>, seed: u64) {
        let tokens = match (prompt.model.reasoning, prompt.request.reasoning) {
            (Reasoning::Never, _) | (_, ReasoningWish::Off) | (Reasoning::Optional, ReasoningWish::Unsaid) => return,
            (Reasoning::Mandatory, ReasoningWish::Unsaid) => 48,
            (_, ReasoningWish::On { tokens }) => tokens,
        };
        self.reasoning_tokens = tokens.min(400) / 2 + mix(seed ^ 0x0EA5) % (tokens.min(400) / 2 + 1);
        if !prompt.request.hide_reasoning {
            let about = Words::read(prompt.request.last_user_text(), &[]).phrase(seed, 4);
            self.reasoning = Some(format!("The question is about {about}. I look at what it says and answer that."));
        }
    }

    fn count(&mut self) {
        let characters = |text: &str| text.chars().count() as u64;
        let content = self.content.as_deref().map_or(0, characters);
        let call = self.tool_call.as_ref().map_or(0, |call| characters(&call.name) + characters(&call.arguments));
        self.completion_tokens = self.reasoning_tokens + (content + call).div_ceil(4);
    }

    /// Ends the answer where its tokens end.
    fn cut_to(&mut self, max_tokens: u64) {
        if self.completion_tokens <= max_tokens {
            return;
        }
        self.finish = "length";
        self.reasoning_tokens = self.reasoning_tokens.min(max_tokens);
        let left = usize::try_from((max_tokens - self.reasoning_tokens) * 4).unwrap_or(usize::MAX);
        if let Some(content) = &mut self.content {
            *content = content.chars().take(left).collect();
        }
        if let Some(call) = &mut self.tool_call {
            call.arguments = call.arguments.chars().take(left.saturating_sub(call.name.len())).collect();
        }
        self.completion_tokens = max_tokens;
    }

    /// Makes the answer as wrong as the fault says.
    pub(crate) fn spoil(&mut self, kind: FaultKind, prompt: &Prompt<'_>) {
        match kind {
            FaultKind::ChoiceError => {
                self.cut_to(self.completion_tokens / 2);
                self.finish = "error";
                self.error = Some(json!({
                    "code": 502,
                    "message": "The provider disconnected before the answer was complete",
                    "metadata": { "error_type": "provider_unavailable", "provider_name": prompt.endpoint.provider },
                }));
            }
            FaultKind::EmptyStop => {
                *self = Self { content: Some(String::new()), finish: "stop", ..Self::default() };
            }
            FaultKind::Length => self.cut_to((self.completion_tokens / 2).max(1)),
            FaultKind::Refusal => {
                let refusal = Some("I can't help with that.".to_owned());
                *self = Self { refusal, finish: "stop", completion_tokens: 7, ..Self::default() };
            }
            FaultKind::ContentFilter => {
                self.cut_to(self.completion_tokens / 3);
                self.finish = "content_filter";
            }
            FaultKind::ToolEmptyArguments => {
                if let Some(call) = &mut self.tool_call {
                    call.arguments.clear();
                }
            }
            FaultKind::FencedJson => self.each_text(fenced),
            FaultKind::MalformedJson => self.each_text(malformed),
            FaultKind::WrongSchema => self.violate(prompt),
            _ => {}
        }
        self.native_finish = if self.finish == "error" { "error" } else { native_finish(&prompt.endpoint.slug, self.finish) };
    }

    fn each_text(&mut self, change: fn(&str) -> String) {
        if let Some(call) = &mut self.tool_call {
            call.arguments = change(&call.arguments);
        } else if let Some(content) = &mut self.content {
            *content = change(content);
        }
        self.count();
    }

    fn violate(&mut self, prompt: &Prompt<'_>) {
        let tool = self.tool_call.as_ref().and_then(|call| prompt.request.tools.iter().find(|tool| tool.name == call.name));
        let schema = match (&prompt.request.shape, tool) {
            (_, Some(tool)) => tool.parameters,
            (Shape::Schema { schema, .. }, None) => Some(*schema),
            _ => None,
        };
        let schema = schema.and_then(|text| prompt.schemas.read(text)).unwrap_or_default();
        let wrong = |text: &str| {
            let answer = serde_json::from_str(text).unwrap_or(Value::Null);
            violate(&schema, answer).to_string()
        };
        if let Some(call) = &mut self.tool_call {
            call.arguments = wrong(&call.arguments);
        } else if let Some(content) = &mut self.content {
            *content = wrong(content);
        }
        self.count();
    }
}

fn instance(schema: &Value, text: &str, seed: u64) -> Value {
    let mut labels = Vec::new();
    collect_labels(schema, &mut labels);
    let words = Words::read(text, &labels);
    Maker::new(schema, &words, text, seed).make()
}

/// Every choice of every enum: in a prompt they are labels, not opinions.
fn collect_labels(schema: &Value, labels: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "enum" {
                    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                    labels.extend(texts.map(str::to_lowercase));
                } else {
                    collect_labels(value, labels);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_labels(item, labels)),
        _ => {}
    }
}

fn plain_text(text: &str, seed: u64) -> String {
    let words = Words::read(text, &[]);
    let mut draw = Draw::new(seed);
    let phrase = words.phrase(draw.next(), 6);
    let opening = ["This is about", "In short:", "It speaks of", "The main point is"];
    format!("{} {phrase}.", opening.get(draw.index(opening.len())).copied().unwrap_or("In short:"))
}

fn fenced(content: &str) -> String {
    format!("Here is the answer you asked for:\n\n```json\n{content}\n```")
}

/// Cut off in the middle, or followed by prose; the length decides, so that the same text fails the same way.
fn malformed(content: &str) -> String {
    let length = content.chars().count();
    if length.is_multiple_of(2) {
        content.chars().take((length * 2 / 3).max(1)).collect()
    } else {
        format!("{content}\n}} I hope this helps!")
    }
}

fn native_finish(slug: &str, finish: &'static str) -> &'static str {
    match (slug, finish) {
        ("anthropic" | "amazon-bedrock", "stop") => "end_turn",
        ("anthropic" | "amazon-bedrock", "tool_calls") => "tool_use",
        ("anthropic" | "amazon-bedrock", "length") => "max_tokens",
        ("google-ai-studio" | "google-vertex", "stop" | "tool_calls") => "STOP",
        ("google-ai-studio" | "google-vertex", "length") => "MAX_TOKENS",
        _ => finish,
    }
}
