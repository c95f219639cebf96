//! What a model answers to a chat request, before it becomes JSON or a stream: a text, an instance of
//! the schema asked for, or a tool call; and how a fault spoils it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Value, json};

use crate::asked_fields::AskedFields;
use crate::catalog::{Endpoint, Model, Reasoning};
use crate::chat_request::{ChatRequest, ReasoningWish, Shape, Tool, ToolUse};
use crate::fault::FaultKind;
use crate::reasoning::{Form, Reasoned};
use crate::schema_answer::{Maker, violate};
use crate::seed::{Draw, hash, mix};
use crate::words::Words;

/// The most tools called at once.
const MOST_CALLS: usize = 4;
/// How much of what a tool said an answer repeats, in characters.
const QUOTED: usize = 200;
/// What a token is, everywhere in the simulator.
pub(crate) const CHARACTERS_A_TOKEN: usize = 4;
/// How many read schemas are kept.
const KEPT_SCHEMAS: usize = 512;

/// An answer: one choice of a reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) content: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) reasoning: Option<Reasoned>,
    pub(crate) refusal: Option<String>,
    pub(crate) finish: &'static str,
    pub(crate) native_finish: &'static str,
    /// The stop sequence that ended it.
    pub(crate) stopped_by: Option<String>,
    /// How many alternatives are told with each token; none = no probabilities.
    pub(crate) logprobs: Option<u32>,
    /// The error inside a choice.
    pub(crate) error: Option<Value>,
    pub(crate) reasoning_tokens: u64,
    /// Reasoning included.
    pub(crate) completion_tokens: u64,
}

/// A call of a function.
#[derive(Clone, Debug)]
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
    /// Answers, as often as the request asks for; `content` is what a rule fixed.
    pub(crate) fn answers(&self, content: Option<&str>) -> Vec<Answer> {
        let text = self.text();
        let asked = self.request.seed.filter(|_| self.endpoint.supports("seed"));
        let mut seed = hash(self.seed, text.as_bytes());
        if let Some(asked) = asked {
            seed = mix(seed ^ mix(asked.cast_unsigned().wrapping_add(1)));
        }
        (0..u64::from(self.request.count))
            .map(|index| self.answer(content, &text, if index == 0 { seed } else { mix(seed ^ index) }))
            .collect()
    }

    /// What the answer is about: the last words of the user, and what tools have said since.
    fn text(&self) -> Cow<'_, str> {
        let user = self.request.last_user_text();
        let said: Vec<&str> = self.request.talk.tool_results().collect();
        if said.is_empty() { Cow::Borrowed(user) } else { Cow::Owned(format!("{user}\n{}", said.join("\n"))) }
    }

    fn answer(&self, content: Option<&str>, text: &str, seed: u64) -> Answer {
        let mut answer = match content {
            Some(content) => Answer { content: Some(content.to_owned()), ..Answer::default() },
            None => self.own_answer(text, seed),
        };
        answer.finish = if answer.tool_calls.is_empty() { "stop" } else { "tool_calls" };
        answer.logprobs = self.request.logprobs.filter(|_| self.endpoint.supports("logprobs"));
        if self.endpoint.supports("stop") {
            answer.stop_at(&self.request.stops);
        }
        answer.reason(self, text, seed);
        answer.count();
        answer.cut_to(self.max_tokens);
        answer.native_finish = native_finish(&self.endpoint.slug, &answer);
        answer
    }

    fn own_answer(&self, text: &str, seed: u64) -> Answer {
        let tool_calls = self.tool_calls(text, seed);
        if !tool_calls.is_empty() {
            return Answer { tool_calls, ..Answer::default() };
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
                None => json!({ "answer": self.plain_text(text, seed) }).to_string(),
            },
            Shape::Text => match (self.asked_fields(text), self.described_schema()) {
                (Some(fields), _) => fields.write(&instance(&fields.schema, &fields.about, seed)),
                (None, Some(schema)) => instance(&schema, text, seed).to_string(),
                (None, None) => self.plain_text(text, seed),
            },
        };
        Answer { content: Some(content), ..Answer::default() }
    }

    /// What is called: the tools whose names stand in the text, else one of them; where the model is free and the text
    /// asks for two things, the same tool for each.
    fn tool_calls(&self, text: &str, seed: u64) -> Vec<ToolCall> {
        let tools = &self.request.tools;
        let several = self.request.parallel_tools;
        let chosen: Vec<&Tool<'_>> = match &self.request.tool_use {
            ToolUse::Never => return Vec::new(),
            // a model that has its tools' results goes on to the answer
            ToolUse::Free if self.request.talk.after_tool_result => return Vec::new(),
            ToolUse::Named(name) => tools.iter().filter(|tool| tool.name == *name).take(1).collect(),
            ToolUse::Free | ToolUse::Some => {
                let named: Vec<&Tool<'_>> =
                    tools.iter().filter(|tool| text.contains(tool.name.as_ref())).take(if several { MOST_CALLS } else { 1 }).collect();
                if named.is_empty() { tools.get(Draw::new(seed).index(tools.len())).into_iter().collect() } else { named }
            }
        };
        if let ([tool], ToolUse::Free, true, Some((one, other))) = (&chosen[..], &self.request.tool_use, several, text.split_once(" and "))
        {
            return vec![self.tool_call(tool, one, seed), self.tool_call(tool, other, mix(seed ^ 1))];
        }
        (0u64..).zip(chosen).map(|(index, tool)| self.tool_call(tool, text, if index == 0 { seed } else { mix(seed ^ index) })).collect()
    }

    fn tool_call(&self, tool: &Tool<'_>, text: &str, seed: u64) -> ToolCall {
        let schema = tool.parameters.and_then(|text| self.schemas.read(text));
        let arguments = schema.map_or_else(|| json!({}), |schema| instance(&schema, text, seed));
        let prefix = if self.endpoint.slug == "anthropic" { "toolu_01" } else { "call_" };
        ToolCall {
            id: format!("{prefix}{:016x}", mix(seed ^ 0x7001)),
            name: tool.name.clone().into_owned(),
            arguments: arguments.to_string(),
        }
    }

    /// Some words of the text; after tools, what they said.
    fn plain_text(&self, text: &str, seed: u64) -> String {
        let said: Vec<String> = self.request.talk.tool_results().map(|said| said.chars().take(QUOTED).collect()).collect();
        if said.is_empty() { plain_text(text, seed) } else { format!("The tools say: {}", said.join("; ")) }
    }

    /// Fields that a program asks for in a text.
    fn asked_fields(&self, text: &str) -> Option<AskedFields> {
        AskedFields::of(text, self.request.talk.texts())
    }

    /// A JSON Schema that stands in the prompt itself, as programs write it when nothing else works.
    fn described_schema(&self) -> Option<Value> {
        let mut candidates = self.request.talk.texts().rev().filter(|text| text.contains("\"properties\""));
        candidates.find_map(|text| {
            text.match_indices('{').take(64).find_map(|(at, _)| {
                let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
                values.next()?.ok().filter(|value| value.get("properties").is_some_and(Value::is_object))
            })
        })
    }
}

impl Answer {
    fn reason(&mut self, prompt: &Prompt<'_>, text: &str, seed: u64) {
        let tokens = match (prompt.model.reasoning, prompt.request.reasoning) {
            (Reasoning::Never, _) | (_, ReasoningWish::Off) | (Reasoning::Optional, ReasoningWish::Unsaid) => return,
            (Reasoning::Mandatory, ReasoningWish::Unsaid) => 48,
            (_, ReasoningWish::On { tokens }) => tokens,
        };
        self.reasoning_tokens = tokens.min(400) / 2 + mix(seed ^ 0x0EA5) % (tokens.min(400) / 2 + 1);
        if !prompt.request.hide_reasoning {
            let about = Words::read(text, &[]).phrase(seed, 4);
            let thought = format!("The question is about {about}. I look at what it says and answer that.");
            self.reasoning = Some(Reasoned::new(thought, Form::of(prompt.model, prompt.endpoint), prompt.seed));
        }
    }

    /// Ends the text before the first of the stop sequences.
    fn stop_at(&mut self, stops: &[String]) {
        let Some(content) = &mut self.content else {
            return;
        };
        let first = stops.iter().filter_map(|stop| Some((content.find(stop.as_str())?, stop))).min_by_key(|(at, _)| *at);
        if let Some((at, stop)) = first {
            content.truncate(at);
            self.stopped_by = Some(stop.clone());
        }
    }

    fn count(&mut self) {
        let characters = |text: &str| text.chars().count() as u64;
        let content = self.content.as_deref().map_or(0, characters);
        let calls: u64 = self.tool_calls.iter().map(|call| characters(&call.name) + characters(&call.arguments)).sum();
        self.completion_tokens = self.reasoning_tokens + (content + calls).div_ceil(CHARACTERS_A_TOKEN as u64);
    }

    /// Ends the answer where its tokens end.
    fn cut_to(&mut self, max_tokens: u64) {
        if self.completion_tokens <= max_tokens {
            return;
        }
        self.finish = "length";
        self.stopped_by = None;
        self.reasoning_tokens = self.reasoning_tokens.min(max_tokens);
        let left = (max_tokens - self.reasoning_tokens) * CHARACTERS_A_TOKEN as u64;
        let mut left = usize::try_from(left).unwrap_or(usize::MAX);
        if let Some(content) = &mut self.content {
            *content = content.chars().take(left).collect();
        }
        self.tool_calls.retain_mut(|call| {
            if left == 0 {
                return false;
            }
            left = left.saturating_sub(call.name.len());
            call.arguments = call.arguments.chars().take(left).collect();
            left = left.saturating_sub(call.arguments.chars().count());
            true
        });
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
                self.tool_calls.iter_mut().for_each(|call| call.arguments.clear());
            }
            FaultKind::ReasoningOnly => {
                let reasoning = self.reasoning.take().unwrap_or_else(|| {
                    let thought = "I thought about it until there was no room left for an answer.".to_owned();
                    Reasoned::new(thought, Form::of(prompt.model, prompt.endpoint), prompt.seed)
                });
                let tokens = self.completion_tokens.max(1);
                *self = Self {
                    reasoning: Some(reasoning),
                    finish: "stop",
                    reasoning_tokens: tokens,
                    completion_tokens: tokens,
                    ..Self::default()
                };
            }
            FaultKind::ToolCallMissing => {
                *self = Self {
                    content: Some(String::new()),
                    finish: "tool_calls",
                    completion_tokens: self.completion_tokens,
                    ..Self::default()
                };
            }
            FaultKind::FencedJson => self.each_text(fenced),
            FaultKind::MalformedJson => self.each_text(malformed),
            FaultKind::WrongSchema => self.violate(prompt),
            _ => {}
        }
        self.native_finish = match kind {
            // the provider knows of no tool call
            FaultKind::ToolCallMissing => "MALFORMED_FUNCTION_CALL",
            _ => native_finish(&prompt.endpoint.slug, self),
        };
    }

    fn each_text(&mut self, change: fn(&str) -> String) {
        if !self.tool_calls.is_empty() {
            self.tool_calls.iter_mut().for_each(|call| call.arguments = change(&call.arguments));
        } else if let Some(content) = &mut self.content {
            *content = change(content);
        }
        self.count();
    }

    fn violate(&mut self, prompt: &Prompt<'_>) {
        let wrong = |schema: Option<&str>, text: &str| {
            let schema = schema.and_then(|text| prompt.schemas.read(text)).unwrap_or_default();
            let answer = serde_json::from_str(text).unwrap_or(Value::Null);
            violate(&schema, answer).to_string()
        };
        for call in &mut self.tool_calls {
            let tool = prompt.request.tools.iter().find(|tool| tool.name == call.name);
            call.arguments = wrong(tool.and_then(|tool| tool.parameters), &call.arguments);
        }
        if let Some(content) = &mut self.content {
            let schema = if let Shape::Schema { schema, .. } = &prompt.request.shape { Some(*schema) } else { None };
            *content = wrong(schema, content);
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

fn native_finish(slug: &str, answer: &Answer) -> &'static str {
    match (slug, answer.finish) {
        ("anthropic" | "amazon-bedrock", "stop") if answer.stopped_by.is_some() => "stop_sequence",
        ("anthropic" | "amazon-bedrock", "stop") => "end_turn",
        ("anthropic" | "amazon-bedrock", "tool_calls") => "tool_use",
        ("anthropic" | "amazon-bedrock", "length") => "max_tokens",
        ("google-ai-studio" | "google-vertex", "stop" | "tool_calls") => "STOP",
        ("google-ai-studio" | "google-vertex", "length") => "MAX_TOKENS",
        (_, finish) => finish,
    }
}
