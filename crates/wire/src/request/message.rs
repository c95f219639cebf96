//! Messages of a conversation: spoken ones with text or parts, and ones passed on as they came.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One message.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Message<'a> {
    /// Somebody says something.
    Spoken {
        /// Who speaks.
        role: Role,
        /// What is said.
        content: Content<'a>,
        /// Which call a tool answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<&'a str>,
        /// Tells speakers of one role apart.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    /// A whole message as JSON, written unchanged: an earlier answer with its tool calls and `reasoning_details`, which
    /// providers take back only unmodified and in order.
    Verbatim(&'a RawValue),
}

impl<'a> Message<'a> {
    /// A message of a role.
    pub fn new(role: Role, content: impl Into<Content<'a>>) -> Message<'a> {
        Message::Spoken { role, content: content.into(), tool_call_id: None, name: None }
    }

    /// Instructions.
    pub fn system(content: impl Into<Content<'a>>) -> Message<'a> {
        Message::new(Role::System, content)
    }

    /// Instructions, as newer models of OpenAI call them.
    pub fn developer(content: impl Into<Content<'a>>) -> Message<'a> {
        Message::new(Role::Developer, content)
    }

    /// What the caller says.
    pub fn user(content: impl Into<Content<'a>>) -> Message<'a> {
        Message::new(Role::User, content)
    }

    /// What the model said, or is to go on with when it comes last.
    pub fn assistant(content: impl Into<Content<'a>>) -> Message<'a> {
        Message::new(Role::Assistant, content)
    }

    /// What a function that the model called gave.
    pub fn tool(tool_call_id: &'a str, content: impl Into<Content<'a>>) -> Message<'a> {
        Message::Spoken { role: Role::Tool, content: content.into(), tool_call_id: Some(tool_call_id), name: None }
    }
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, for newer models of OpenAI.
    Developer,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// A function's result.
    Tool,
}

/// What is said: text, or parts of several kinds.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Content<'a> {
    /// Text.
    Text(&'a str),
    /// Parts in order. Providers refuse text parts that are empty.
    Parts(Vec<Part<'a>>),
}

impl<'a> From<&'a str> for Content<'a> {
    fn from(text: &'a str) -> Content<'a> {
        Content::Text(text)
    }
}

impl<'a> From<&'a String> for Content<'a> {
    fn from(text: &'a String) -> Content<'a> {
        Content::Text(text)
    }
}

impl<'a> From<Vec<Part<'a>>> for Content<'a> {
    fn from(parts: Vec<Part<'a>>) -> Content<'a> {
        Content::Parts(parts)
    }
}

/// A part of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part<'a> {
    /// Text.
    Text {
        /// The text.
        text: &'a str,
        /// Ends a stretch of the prompt that the provider caches. Anthropic allows four in a request.
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl<'a>,
    },
    /// A document.
    File {
        /// The document.
        file: InputFile<'a>,
    },
    /// Sound.
    InputAudio {
        /// The sound.
        input_audio: InputAudio<'a>,
    },
    /// A film.
    VideoUrl {
        /// Where it is.
        video_url: VideoUrl<'a>,
    },
}

impl<'a> Part<'a> {
    /// Text.
    pub fn text(text: &'a str) -> Part<'a> {
        Part::Text { text, cache_control: None }
    }

    /// Text up to whose end the provider caches the prompt.
    pub fn cached_text(text: &'a str, cache_control: CacheControl) -> Part<'a> {
        Part::Text { text, cache_control: Some(cache_control) }
    }
}

/// A picture by address, or inline as a `data:` URL.
#[derive(Debug, Clone, Serialize)]
pub struct ImageUrl<'a> {
    /// The address.
    pub url: &'a str,
    /// `auto`, `low`, `high` or `original`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// A document by address, or inline as a `data:` URL.
#[derive(Debug, Clone, Serialize)]
pub struct InputFile<'a> {
    /// Its name.
    pub filename: &'a str,
    /// Its address or content.
    pub file_data: &'a str,
}

/// Sound, always inline.
#[derive(Debug, Clone, Serialize)]
pub struct InputAudio<'a> {
    /// Base64.
    pub data: &'a str,
    /// Such as `wav` or `mp3`.
    pub format: &'a str,
}

/// A film by address, or inline as a `data:` URL.
#[derive(Debug, Clone, Serialize)]
pub struct VideoUrl<'a> {
    /// The address.
    pub url: &'a str,
}

/// `cache_control`: lets a provider keep the prompt up to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename = "ephemeral")]
pub struct CacheControl {
    /// How long; providers choose when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<CacheLife>,
}

/// How long a provider keeps a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheLife {
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour, at a higher price for writing.
    #[serde(rename = "1h")]
    OneHour,
}
