//! The embedded models behind the engine's exchange: they read a request for chat or for embeddings and reply as a
//! provider would, so that everything around the call is the same.

mod chat;
mod embeddings;
mod part;

use std::fmt;

use async_trait::async_trait;
use corsac_dispatch::{Exchange, ExchangeError, RawReply, Request};

use self::embeddings::Asked;
use self::part::Part;
use crate::weights::EMBEDDING_NAME;
use crate::{EmbeddingModel, LocalError, LocalModel};

/// The embedded models as an exchange: one for chat, one for embeddings, or either alone.
///
/// A model that is given as a way to load it is loaded when it is first asked for. If that fails, who asks later tries
/// again.
pub struct LocalExchange {
    name: String,
    chat: Part<LocalModel>,
    embedding: Part<EmbeddingModel>,
}

impl fmt::Debug for LocalExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalExchange").field("model", &self.name).finish_non_exhaustive()
    }
}

impl LocalExchange {
    /// Puts a loaded chat model behind the exchange.
    pub fn new(model: LocalModel) -> LocalExchange {
        LocalExchange { name: model.name().to_owned(), chat: Part::Ready(model), embedding: Part::Absent }
    }

    /// As `new`, with a chat model that is loaded when it is first asked: its name, and what loads it.
    pub fn lazy(name: impl Into<String>, load: impl Fn() -> Result<LocalModel, LocalError> + Send + Sync + 'static) -> LocalExchange {
        LocalExchange { name: name.into(), chat: Part::late(load), embedding: Part::Absent }
    }

    /// An exchange that only embeds: no chat model is loaded, and a request for chat is told so.
    pub fn embeddings_only(load: impl Fn() -> Result<EmbeddingModel, LocalError> + Send + Sync + 'static) -> LocalExchange {
        LocalExchange { name: EMBEDDING_NAME.to_owned(), chat: Part::Absent, embedding: Part::late(load) }
    }

    /// Serves embeddings as well, by a model that is loaded when it is first asked for.
    pub fn with_embeddings(mut self, load: impl Fn() -> Result<EmbeddingModel, LocalError> + Send + Sync + 'static) -> LocalExchange {
        self.embedding = Part::late(load);
        self
    }

    /// The chat model's name, by which answers are recorded; the embedding model's where there is no other.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn embed(&self, body: &[u8]) -> Result<RawReply, ExchangeError> {
        let failed = |error: LocalError| ExchangeError::Engine(error.to_string());
        let mut asked = match Asked::read(body) {
            Ok(asked) => asked,
            Err(refused) => return Ok(refused.reply()),
        };
        let Some(model) = self.embedding.get().await.map_err(failed)? else {
            return Err(ExchangeError::Engine("no embedded embedding model is set up here; `corsac models pull` fetches one".to_owned()));
        };
        if let Err(refused) = asked.fits(&model) {
            return Ok(refused.reply());
        }
        let embedded = model.embed_in_line(std::mem::take(&mut asked.texts)).await.map_err(failed)?;
        let written = tokio::task::spawn_blocking(move || asked.reply(model.name(), &embedded)).await;
        match written {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(ExchangeError::Engine(error.to_string())),
            Err(error) => Err(ExchangeError::Engine(error.to_string())),
        }
    }
}

#[async_trait]
impl Exchange for LocalExchange {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let missing = || ExchangeError::Engine(format!("the embedded model has no {}", request.path));
        let body = request.body.as_ref().ok_or_else(missing)?;
        match request.path.trim_matches('/') {
            "embeddings" => self.embed(body).await,
            "chat/completions" => match self.chat.get().await {
                Ok(Some(model)) => chat::answer(&model, body).await,
                Ok(None) => {
                    Err(ExchangeError::Engine("the embedded engine was set up for embeddings alone, without a chat model".to_owned()))
                }
                Err(error) => Err(ExchangeError::Engine(error.to_string())),
            },
            _ => Err(missing()),
        }
    }

    fn engine(&self) -> &'static str {
        "local"
    }

    fn address(&self) -> String {
        format!("the embedded model {}", self.name)
    }

    /// Enough to keep the batches full; more would only wait longer.
    fn window(&self) -> usize {
        64
    }

    fn routes(&self) -> bool {
        false
    }

    fn context_tokens(&self) -> Option<u64> {
        match &self.chat {
            Part::Ready(model) => Some(model.context_tokens() as u64),
            Part::Absent | Part::Late(_) => None,
        }
    }
}
