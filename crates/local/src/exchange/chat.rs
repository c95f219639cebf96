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
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    temperature: f32,
    #[serde(default)]
    seed: Option<i64>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

/// What a message says: a text, or parts that are all text.
fn text(content: &Value) -> Result<String, ExchangeError> {
    let part = |part: &Value| match part {
        Value::String(text) => Ok(text.clone()),
        part => match part.get("text") {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(ExchangeError::Engine("the embedded model reads text alone, but a message holds something else".to_owned())),
        },
    };
    match content {
        Value::Null => Ok(String::new()),
        Value::Array(parts) => parts.iter().map(part).collect(),
        content => part(content),
    }
}

/// Has the model answer a request's body.
pub(crate) async fn answer(model: &LocalModel, body: &[u8]) -> Result<RawReply, ExchangeError> {
    let chat: Chat = serde_json::from_slice(body).map_err(|error| ExchangeError::Engine(error.to_string()))?;
    let messages = chat.messages.into_iter().map(|message| {
        let role = match message.role.as_str() {
            "system" | "developer" => Role::System,
            "assistant" => Role::Assistant,
            _ => Role::User,
        };
        Ok(LocalMessage { role, content: text(&message.content)? })
    });
    let asked = LocalRequest {
        messages: messages.collect::<Result<_, ExchangeError>>()?,
        schema: chat.response_format.pointer("/json_schema/schema").cloned(),
        // without a limit, whatever the context leaves
        max_tokens: chat.max_tokens.or(chat.max_completion_tokens).unwrap_or(usize::MAX),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_texts_in_every_dress() {
        for (content, said) in [
            (json!("hi"), "hi"),
            (Value::Null, ""),
            (json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {}}]), "ab"),
        ] {
            assert_eq!(text(&content).unwrap(), said);
        }
        for content in [json!([{"type": "image_url", "image_url": {}}]), json!(7), json!({})] {
            assert!(text(&content).unwrap_err().to_string().contains("text alone"), "{content}");
        }
    }
}
