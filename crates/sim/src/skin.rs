//! The ways one and the same inference is asked for and answered: chat, the older text completions, and the shapes of
//! Anthropic's Messages and OpenAI's Responses. Each reads its body into a chat request and writes the answer in its
//! own form; everything between is the same.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::completion_json::{self, Served};
use crate::fault::FaultKind;
use crate::reply::{SimBody, SimReply};
use crate::stream::{self, Layout, Pieces};
use crate::{messages_reply, messages_request, responses_reply, responses_request, text_completion};

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skin {
    Chat,
    Completions,
    Messages,
    Responses,
}

impl Skin {
    /// The body as a chat request; the error is the message of a 400.
    pub(crate) fn read(self, body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
        let translate = match self {
            Skin::Chat => return Ok(Cow::Borrowed(body)),
            Skin::Completions => text_completion::to_chat,
            Skin::Messages => messages_request::to_chat,
            Skin::Responses => responses_request::to_chat,
        };
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
            return Err("Invalid JSON in request body".to_owned());
        };
        Ok(Cow::Owned(translate(fields)?.to_string().into_bytes()))
    }

    /// The whole body of an answer.
    pub(crate) fn whole(self, served: &Served<'_>, answers: &[Answer], body: &[u8]) -> Vec<u8> {
        match self {
            Skin::Chat => completion_json::render(served, answers),
            Skin::Completions => text_completion::render(served, answers),
            Skin::Messages => messages_reply::render(served, answers),
            Skin::Responses => responses_reply::render(served, answers, body),
        }
    }

    /// The pieces of a streamed answer.
    pub(crate) fn stream(self, served: &Served<'_>, answers: &[Answer], body: &[u8], layout: Layout, fault: Option<FaultKind>) -> Pieces {
        match self {
            Skin::Chat => stream::render(served, answers, body, layout, fault),
            Skin::Completions => stream::paced(text_completion::events(served, answers, fault), layout),
            Skin::Messages => stream::paced(messages_reply::events(served, answers, fault), layout),
            Skin::Responses => stream::paced(responses_reply::events(served, answers, body, fault), layout),
        }
    }

    /// An error of the chat envelope in this skin's own. What is no such error, like a page of the edge, stays as it is.
    pub(crate) fn dress(self, reply: SimReply) -> SimReply {
        let wrap: fn(&Value, u16) -> Value = match self {
            Skin::Chat | Skin::Completions => return reply,
            Skin::Messages => messages_reply::error,
            Skin::Responses => responses_reply::error,
        };
        let SimBody::Bytes(bytes) = &reply.body else {
            return reply;
        };
        let Some(body) = serde_json::from_slice::<Value>(bytes).ok().filter(|body| body.get("error").is_some_and(Value::is_object)) else {
            return reply;
        };
        if self == Skin::Responses && error_type(&body) == Some("context_length_exceeded") {
            let body = responses_reply::too_long();
            return SimReply { status: 200, body: SimBody::Bytes(body.to_string().into_bytes()), ..reply };
        }
        let dressed = wrap(&body, reply.status).to_string().into_bytes();
        SimReply { body: SimBody::Bytes(dressed), ..reply }
    }
}

/// The stable name of an error, wherever the envelope has it.
pub(crate) fn error_type(body: &Value) -> Option<&str> {
    ["/error/error_type", "/error/metadata/error_type"].iter().find_map(|path| body.pointer(path)?.as_str())
}

/// The stable name of an error by its status.
pub(crate) fn error_type_of(status: u16) -> &'static str {
    match status {
        400 | 405 => "invalid_request",
        401 => "authentication",
        402 => "payment_required",
        403 => "permission_denied",
        404 => "not_found",
        408 | 504 | 524 => "timeout",
        413 => "payload_too_large",
        422 => "unprocessable",
        429 => "rate_limit_exceeded",
        502 => "provider_unavailable",
        503 | 529 => "provider_overloaded",
        _ => "server",
    }
}

/// An event of a stream that names its events.
pub(crate) fn named_event(name: &str, data: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

/// Moves a field under another name.
pub(crate) fn rename(fields: &mut serde_json::Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.shift_remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// The error of the first answer that has one, as an error body.
pub(crate) fn answer_error(answers: &[Answer]) -> Option<Value> {
    answers.iter().find_map(|answer| answer.error.as_ref()).map(|error| json!({ "error": error }))
}
