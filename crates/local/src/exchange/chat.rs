//! Requests for chat, and replies as a provider gives them.

use corsac_dispatch::{ExchangeError, RawReply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Finish, LocalError, LocalMessage, LocalModel, LocalRequest, Role};

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    #[serde(default)]
    response_format: Value,
    max_tokens: usize,
    #[serde(default)]
    temperature: f32,
    #[serde(default)]
    seed: Option<i64>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

/// Has the model answer a request's body.
pub(crate) async fn answer(model: &LocalModel, body: &[u8]) -> Result<RawReply, ExchangeError> {
    let chat: Chat = serde_json::from_slice(body).map_err(|error| ExchangeError::Engine(error.to_string()))?;
    let messages = chat.messages.into_iter().map(|message| {
        let role = match message.role.as_str() {
            "system" => Role::System,
            "assistant" => Role::Assistant,
            _ => Role::User,
        };
        LocalMessage { role, content: message.content }
    });
    let asked = LocalRequest {
        messages: messages.collect(),
        schema: chat.response_format.pointer("/json_schema/schema").cloned(),
        max_tokens: chat.max_tokens,
        temperature: chat.temperature,
        seed: chat.seed.unwrap_or_default().unsigned_abs(),
    };
    let answer = model.answer(asked).await.map_err(|error| match error {
        LocalError::PromptTooLong { .. } => ExchangeError::TooLong(error.to_string()),
        other => ExchangeError::Engine(other.to_string()),
    })?;
    let finish = match answer.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    };
    let reply = json!({
        "model": model.name(),
        "choices": [{"message": {"role": "assistant", "content": answer.text}, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": answer.reused_tokens},
        },
    });
    Ok(RawReply { status: 200, body: reply.to_string().into(), ..RawReply::default() })
}
