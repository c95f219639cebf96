//! A whole reply to a chat request: whatever came back, decoded without assuming that it is JSON or that 200 means success.

mod chat;
mod embeddings;
mod message;
mod metadata;
mod usage;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use chat::{ChatChoice, ChatReply};
pub use embeddings::{Embedding, EmbeddingsFault, EmbeddingsReply};
pub use message::{ChatMessage, FunctionCall, ToolCall};
pub(crate) use message::{arguments, joined_text};
pub use metadata::{RouterAttempt, RouterEndpoint, RouterEndpoints, RouterMetadata};
pub use usage::{CompletionTokens, CostDetails, PromptTokens, ServerToolUse, Usage};

use crate::ErrorBody;

/// What came back.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A chat completion with at least one choice and no error beside it.
    Chat(ChatReply),
    /// An error, whatever the status was. Usage and provider stand in the reply where they were given.
    Error {
        /// The error.
        error: ErrorBody,
        /// The status that counts: the code in the body, else that of HTTP.
        status: u16,
        /// The reply around it.
        reply: Box<ChatReply>,
    },
    /// Not JSON, or JSON that is no reply.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// The start of the body, as text on one line.
        excerpt: String,
        /// Whether it looks like an HTML page, as edge servers send.
        html: bool,
    },
}

impl Reply {
    /// Decodes a reply by its status and body.
    pub fn decode(status: u16, body: &[u8]) -> Reply {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        // one look at all bytes is cheaper than one at each string; bytes that are no text are replaced
        let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
        match serde_json::from_str::<ChatReply>(&text) {
            Ok(reply) => Reply::of(status, reply, body),
            Err(_) => match serde_json::from_str::<Value>(&text) {
                Ok(value @ Value::Object(_)) => Reply::of(status, ChatReply::from_value(&value), body),
                _ => Reply::unreadable(status, body),
            },
        }
    }

    /// Reads what stands under `data` in a reply that is no chat, such as [`KeyInfo`](crate::account::KeyInfo) in that of
    /// `GET /key`.
    ///
    /// # Errors
    /// An error, or a body in which there is no such thing, as the [`Reply`] that it is.
    pub fn data<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, Box<Reply>> {
        #[derive(Deserialize)]
        struct Envelope<T> {
            data: T,
        }
        let read = serde_json::from_slice::<Envelope<T>>(body).ok().filter(|_| status < 400);
        read.map(|envelope| envelope.data).ok_or_else(|| Box::new(Reply::failure(status, body)))
    }

    /// The error in a body, or that it cannot be read: never an answer.
    fn failure(status: u16, body: &[u8]) -> Reply {
        match Reply::decode(status, body) {
            Reply::Chat(_) => Reply::unreadable(status, body),
            failure => failure,
        }
    }

    /// What a reply means: its error if it has one, an answer only if it has a choice.
    pub(crate) fn of(status: u16, reply: ChatReply, body: &[u8]) -> Reply {
        if let Some(error) = reply.any_error() {
            let said = error.status().filter(|code| *code >= 400).or((status >= 400).then_some(status));
            let status = said.or_else(|| error.status_of_type()).unwrap_or(502);
            return Reply::Error { error, status, reply: Box::new(reply) };
        }
        if reply.choices.is_empty() || status >= 400 {
            return Reply::unreadable(status, body);
        }
        Reply::Chat(reply)
    }

    pub(crate) fn unreadable(status: u16, body: &[u8]) -> Reply {
        let (excerpt, html) = excerpt(body);
        Reply::Unreadable { status, excerpt, html }
    }
}

/// The start of a body as text on one line, and whether it looks like a web page.
pub(crate) fn excerpt(body: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(&body[..body.len().min(600)]);
    let html = text.trim_start().starts_with('<');
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (line.chars().take(200).collect(), html)
}
