//! OpenRouter's HTTP contract as types: requests, replies, errors and the catalog.
//!
//! Lenient in what it reads (every field may be missing, new fields and values appear without notice), exact in what it
//! writes. This crate opens no socket, reads no clock and knows no policy.
//!
//! ```
//! use corsac_wire::{ChatReply, Reply};
//!
//! let body = br#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"cost":0.00014}}"#;
//! let Reply::Chat(chat) = Reply::decode(200, body) else { panic!("not a chat reply") };
//! assert_eq!(chat.text(), Some("Hi"));
//! assert_eq!(chat.usage.and_then(|u| u.cost).map(|c| c.to_string()), Some("$0.00014".to_owned()));
//! ```

pub mod account;
pub mod catalog;
mod error;
pub mod header;
mod lenient;
mod percentiles;
mod reply;
mod request;
mod sse;
mod stream;
mod usd;

pub use error::{ErrorBody, ErrorCode, PreviousError};
pub use percentiles::Percentiles;
pub use reply::{
    ChatChoice, ChatMessage, ChatReply, CompletionTokens, CostDetails, Embedding, EmbeddingsFault, EmbeddingsReply, FunctionCall,
    PromptTokens, Reply, RouterAttempt, RouterEndpoint, RouterEndpoints, RouterMetadata, ServerToolUse, ToolCall, Usage,
};
pub use request::{
    CacheControl, CacheLife, ChatRequest, Content, EmbeddingsRequest, EncodingFormat, ImageUrl, InputAudio, InputFile, JsonSchemaFormat,
    MaxPrice, Message, Part, Partition, PdfEngine, Plugin, PluginError, ProviderPreferences, Reasoning, ResponseFormat, Role, Sort, SortBy,
    Threshold, Tool, ToolChoice, ToolFunction, VideoUrl, raw,
};
pub use sse::{EventTooLong, SseItem, SseParser};
pub use stream::{Assembler, Received, StreamError, StreamEvent, StreamLimits, StreamReader};
pub use usd::{Usd, UsdError};
