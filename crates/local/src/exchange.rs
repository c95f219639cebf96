//! The embedded model behind the engine's exchange: it reads a chat request and replies as a provider would, so that
//! everything around the call is the same.

use std::fmt;

use async_trait::async_trait;
use corsac_dispatch::{Exchange, ExchangeError, RawReply, Request};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Finish, LocalError, LocalMessage, LocalModel, LocalRequest, Role};

/// The embedded model as an exchange.
pub struct LocalExchange {
    model: LocalModel,
}

impl fmt::Debug for LocalExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalExchange").field("model", &self.model.name()).finish()
    }
}

impl LocalExchange {
    /// Puts a loaded model behind the exchange.
    pub fn new(model: LocalModel) -> LocalExchange {
        LocalExchange { model }
    }

    /// The model's name, by which answers are recorded.
    pub fn name(&self) -> &str {
        self.model.name()
    }
}

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

#[async_trait]
impl Exchange for LocalExchange {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let Some(body) = request.body else {
            return Err(ExchangeError::Engine(format!("the embedded model has no {}", request.path)));
        };
        let chat: Chat = serde_json::from_slice(&body).map_err(|error| ExchangeError::Engine(error.to_string()))?;
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
        let answer = self.model.answer(asked).await.map_err(|error| match error {
            LocalError::PromptTooLong { .. } => ExchangeError::TooLong(error.to_string()),
            other => ExchangeError::Engine(other.to_string()),
        })?;
        let finish = match answer.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
        };
        let reply = json!({
            "model": self.model.name(),
            "choices": [{"message": {"role": "assistant", "content": answer.text}, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.completion_tokens,
                "prompt_tokens_details": {"cached_tokens": answer.reused_tokens},
            },
        });
        Ok(RawReply { status: 200, body: reply.to_string().into(), ..RawReply::default() })
    }

    fn engine(&self) -> &'static str {
        "local"
    }

    fn address(&self) -> String {
        format!("the embedded model {}", self.model.name())
    }

    /// Enough to keep the batches full; more would only wait longer.
    fn window(&self) -> usize {
        64
    }

    fn routes(&self) -> bool {
        false
    }
}
