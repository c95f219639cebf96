//! Data events into deltas for whoever watches, and into one reply for whoever waits.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::StreamError;
use super::calls::Calls;
use super::chunk::{Chunk, ChunkChoice, Fragment};
use super::details::Details;
use crate::reply::excerpt;
use crate::{ChatChoice, ChatMessage, ChatReply, ErrorBody, Reply, RouterMetadata, Usage};

/// What an event adds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// Text of the answer.
    Text {
        /// Of which answer; 0 unless several were asked for.
        choice: u64,
        /// The next piece.
        text: String,
    },
    /// Reasoning, where shown.
    Reasoning {
        /// Of which answer.
        choice: u64,
        /// The next piece.
        text: String,
    },
    /// Why the model declines.
    Refusal {
        /// Of which answer.
        choice: u64,
        /// The next piece.
        text: String,
    },
    /// A piece of a function call.
    ToolCallFragment {
        /// Of which answer.
        choice: u64,
        /// Which of its calls, counted from 0 in the order in which they began.
        call: usize,
        /// The call's id; with its first fragment.
        id: Option<String>,
        /// The function's name; with its first fragment.
        name: Option<String>,
        /// The next piece of its arguments. No piece at all means `{}`.
        arguments: String,
    },
    /// A citation or the parsed content of a file.
    Annotation {
        /// Of which answer.
        choice: u64,
        /// As it came.
        annotation: Value,
    },
    /// A picture.
    Image {
        /// Of which answer.
        choice: u64,
        /// As it came.
        image: Value,
    },
    /// An answer has ended; once for each. The stream has not: usage may follow.
    Finished {
        /// Which answer.
        choice: u64,
        /// `stop`, `length`, `tool_calls`, `content_filter`, `error` or something new.
        reason: String,
    },
    /// Tokens and cost.
    Usage(Box<Usage>),
    /// An error; nothing useful follows.
    Error(Box<ErrorBody>),
}

/// Puts a reply together from the data events of a stream. [`StreamReader`](super::StreamReader) feeds it from bytes.
#[derive(Debug)]
pub struct Assembler {
    id: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    service_tier: Option<String>,
    answers: BTreeMap<u64, Answer>,
    usage: Option<Usage>,
    error: Option<ErrorBody>,
    error_type: Option<String>,
    metadata: Option<Box<RouterMetadata>>,
    /// The start of the first event, shown when the stream turns out to be no answer.
    first: String,
    bytes: usize,
    limit: usize,
    done: bool,
}

/// One answer as far as it has come.
#[derive(Debug, Default)]
struct Answer {
    content: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
    details: Details,
    calls: Calls,
    annotations: Vec<Value>,
    images: Vec<Value>,
    audio: Map<String, Value>,
    logprobs: Map<String, Value>,
    finish_reason: Option<String>,
    native_finish_reason: Option<String>,
    error: Option<ErrorBody>,
}

impl Assembler {
    /// An assembler for events of at most so many bytes together.
    pub fn new(limit: usize) -> Assembler {
        Assembler {
            id: None,
            model: None,
            provider: None,
            service_tier: None,
            answers: BTreeMap::new(),
            usage: None,
            error: None,
            error_type: None,
            metadata: None,
            first: String::new(),
            bytes: 0,
            limit,
            done: false,
        }
    }

    /// Takes the data of an event and appends what it means to `events`. After `[DONE]` nothing counts any more.
    ///
    /// # Errors
    /// It is no JSON object, or there is too much of it.
    pub fn accept(&mut self, data: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), StreamError> {
        if self.done || data.trim_ascii().is_empty() {
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > self.limit {
            return Err(StreamError::TooLong { limit: self.limit });
        }
        let Some(chunk) = Chunk::read(data) else {
            return Err(StreamError::Garbled { excerpt: excerpt(data).0 });
        };
        if self.first.is_empty() {
            self.first = excerpt(data).0;
        }
        self.add(chunk, events);
        Ok(())
    }

    /// Says that `[DONE]` has come.
    pub fn done(&mut self) {
        self.done = true;
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn error(&self) -> Option<&ErrorBody> {
        self.error.as_ref().or_else(|| self.answers.values().find_map(|answer| answer.error.as_ref()))
    }

    fn add(&mut self, chunk: Chunk, events: &mut Vec<StreamEvent>) {
        // who served is told by the event that begins the answer: those before it may tell of attempts that failed,
        // those after it are not always right
        if self.answers.is_empty() {
            for (known, told) in [
                (&mut self.id, chunk.id),
                (&mut self.model, chunk.model),
                (&mut self.provider, chunk.provider),
                (&mut self.service_tier, chunk.service_tier),
            ] {
                *known = told.or(known.take());
            }
        }
        for choice in chunk.choices {
            let index = choice.index;
            self.answers.entry(index).or_default().add(index, choice, events);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
            events.push(StreamEvent::Usage(Box::new(usage)));
        }
        if let Some(error) = chunk.error {
            events.push(StreamEvent::Error(Box::new(error.clone())));
            self.error.get_or_insert(error);
        }
        self.error_type = self.error_type.take().or(chunk.error_type);
        self.metadata = chunk.metadata.or(self.metadata.take());
    }

    /// What has come so far.
    pub fn partial(&self) -> ChatReply {
        ChatReply {
            id: self.id.clone(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            service_tier: self.service_tier.clone(),
            choices: self.answers.values().map(Answer::choice).collect(),
            usage: self.usage,
            error: self.error.clone().map(Box::new),
            openrouter_metadata: self.metadata.clone(),
            error_type: self.error_type.clone(),
        }
    }

    /// The reply, now that nothing follows. An error in the stream is a [`Reply::Error`], with what came before it.
    ///
    /// # Errors
    /// [`StreamError::Truncated`] when neither `[DONE]` nor an error nor the end of every answer has come.
    pub fn finish(self) -> Result<Reply, StreamError> {
        let ended = !self.answers.is_empty() && self.answers.values().all(|answer| answer.finish_reason.is_some());
        let reply = self.partial();
        if !self.done && !ended && self.error().is_none() {
            return Err(StreamError::Truncated { reply: Box::new(reply) });
        }
        Ok(Reply::of(200, reply, self.first.as_bytes()))
    }
}

impl Answer {
    fn add(&mut self, choice: u64, chunk: ChunkChoice, events: &mut Vec<StreamEvent>) {
        let shown = chunk.reasoning.clone().unwrap_or_else(|| chunk.reasoning_details.iter().filter_map(shown_text).collect());
        if !shown.is_empty() {
            events.push(StreamEvent::Reasoning { choice, text: shown });
        }
        append(&mut self.reasoning, chunk.reasoning);
        chunk.reasoning_details.into_iter().for_each(|piece| self.details.add(piece));
        if let Some(text) = chunk.content.clone().filter(|text| !text.is_empty()) {
            events.push(StreamEvent::Text { choice, text });
        }
        append(&mut self.content, chunk.content);
        if let Some(text) = chunk.refusal.clone().filter(|text| !text.is_empty()) {
            events.push(StreamEvent::Refusal { choice, text });
        }
        append(&mut self.refusal, chunk.refusal);
        for fragment in chunk.tool_calls {
            let call = self.calls.add(&fragment);
            let Fragment { id, name, arguments, .. } = fragment;
            events.push(StreamEvent::ToolCallFragment { choice, call, id, name, arguments });
        }
        events.extend(chunk.annotations.iter().cloned().map(|annotation| StreamEvent::Annotation { choice, annotation }));
        self.annotations.extend(chunk.annotations);
        events.extend(chunk.images.iter().cloned().map(|image| StreamEvent::Image { choice, image }));
        self.images.extend(chunk.images);
        for (key, value) in chunk.audio {
            extend(&mut self.audio, key, value);
        }
        for (key, value) in chunk.logprobs {
            extend(&mut self.logprobs, key, value);
        }
        if let Some(error) = chunk.error {
            events.push(StreamEvent::Error(Box::new(error.clone())));
            self.error.get_or_insert(error);
        }
        if let Some(reason) = chunk.finish_reason {
            if self.finish_reason.is_none() {
                events.push(StreamEvent::Finished { choice, reason: reason.clone() });
            }
            // usage repeats a reason; what breaks off after it is the truth
            if self.finish_reason.is_none() || reason == "error" {
                self.finish_reason = Some(reason);
                self.native_finish_reason = chunk.native_finish_reason.or(self.native_finish_reason.take());
            }
        }
    }

    fn choice(&self) -> ChatChoice {
        let logprobs = (!self.logprobs.is_empty()).then(|| serde_json::value::to_raw_value(&self.logprobs).ok()).flatten();
        ChatChoice {
            finish_reason: self.finish_reason.clone(),
            native_finish_reason: self.native_finish_reason.clone(),
            message: ChatMessage::from_value(&self.message()),
            error: self.error.clone().map(Box::new),
            logprobs,
        }
    }

    /// The message as an unstreamed reply has it.
    fn message(&self) -> Value {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);
        let mut message = Map::new();
        let mut put = |key: &str, value: Value, there: bool| {
            if there {
                message.insert(key.to_owned(), value);
            }
        };
        put("role", Value::from("assistant"), true);
        put("content", text(&self.content), true);
        put("refusal", text(&self.refusal), self.refusal.is_some());
        put("reasoning", text(&self.reasoning), self.reasoning.is_some());
        put("reasoning_details", self.details.json(), !self.details.is_empty());
        put("tool_calls", self.calls.json(), !self.calls.is_empty());
        put("annotations", Value::from(self.annotations.clone()), !self.annotations.is_empty());
        put("images", Value::from(self.images.clone()), !self.images.is_empty());
        put("audio", Value::from(self.audio.clone()), !self.audio.is_empty());
        Value::Object(message)
    }
}

fn append(whole: &mut Option<String>, piece: Option<String>) {
    if let Some(piece) = piece {
        match whole {
            Some(text) => text.push_str(&piece),
            None => *whole = Some(piece),
        }
    }
}

/// What of a piece of reasoning is meant to be read.
fn shown_text(detail: &Map<String, Value>) -> Option<&str> {
    detail.get("text").or_else(|| detail.get("summary")).and_then(Value::as_str)
}

/// Joins what is streamed in pieces: lists of log probabilities, sound and its transcript. Of the rest the last counts.
fn extend(whole: &mut Map<String, Value>, key: String, piece: Value) {
    match (whole.get_mut(&key), piece) {
        (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
        (Some(Value::String(text)), Value::String(more)) if matches!(key.as_str(), "data" | "transcript") => text.push_str(&more),
        (Some(_), Value::Null) => {}
        (_, piece) => {
            whole.insert(key, piece);
        }
    }
}
