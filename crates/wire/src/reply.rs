//! A whole reply to a chat request: whatever came back, decoded without assuming that it is JSON or that 200 means success.

use serde_json::Value;

use crate::{ChatReply, ErrorBody};

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
        let reply = match serde_json::from_slice::<ChatReply>(body) {
            Ok(reply) => reply,
            Err(_) => match serde_json::from_slice::<Value>(body) {
                Ok(value @ Value::Object(_)) => ChatReply::from_value(&value),
                _ => return Reply::unreadable(status, body),
            },
        };
        let choice_error = || reply.choices.first().and_then(|choice| choice.error.clone());
        if let Some(error) = reply.error.clone().or_else(choice_error) {
            let status = error.status().filter(|code| *code >= 400).unwrap_or(if status >= 400 { status } else { 502 });
            return Reply::Error { error, status, reply: Box::new(reply) };
        }
        if reply.choices.is_empty() || status >= 400 {
            return Reply::unreadable(status, body);
        }
        Reply::Chat(reply)
    }

    fn unreadable(status: u16, body: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(&body[..body.len().min(600)]);
        let html = text.trim_start().starts_with('<');
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Reply::Unreadable { status, excerpt: line.chars().take(200).collect(), html }
    }
}
