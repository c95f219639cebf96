//! The seam to the outside: one request, one reply, whole or as it comes. Behind it stands HTTP, the embedded model, or
//! a simulator.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use corsac_wire::header::ComeBack;
use futures::stream::{BoxStream, StreamExt};

/// A request below the base URL.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST` with a body, `GET` without one.
    pub body: Option<Bytes>,
    /// The path below the base URL, without a leading slash, such as `chat/completions`.
    pub path: Cow<'static, str>,
    /// The most time the whole exchange may take.
    pub timeout: Duration,
    /// The most time until the head of the reply.
    pub first_byte: Duration,
}

impl Request {
    /// A `GET`.
    pub fn get(path: impl Into<Cow<'static, str>>, timeout: Duration) -> Request {
        Request { body: None, path: path.into(), timeout, first_byte: timeout }
    }

    /// A `POST` of JSON.
    pub fn post(path: impl Into<Cow<'static, str>>, body: Bytes, timeout: Duration) -> Request {
        Request { body: Some(body), path: path.into(), timeout, first_byte: timeout }
    }

    /// The same with a deadline for the head of the reply.
    #[must_use]
    pub fn first_byte(mut self, first_byte: Duration) -> Request {
        self.first_byte = first_byte.min(self.timeout);
        self
    }
}

/// A whole reply.
#[derive(Debug, Clone, Default)]
pub struct RawReply {
    /// The HTTP status.
    pub status: u16,
    /// When to come back, by the headers.
    pub come_back: ComeBack,
    /// The generation's id, by the headers.
    pub generation_id: Option<String>,
    /// The service's clock, in milliseconds since 1970, by the headers.
    pub date_ms: Option<i64>,
    /// The body.
    pub body: Bytes,
}

/// A reply whose body comes piece by piece.
pub struct OpenReply {
    /// The reply without its body.
    pub head: RawReply,
    /// The pieces of the body, split anywhere.
    pub body: BoxStream<'static, Result<Bytes, ExchangeError>>,
}

impl fmt::Debug for OpenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReply").field("head", &self.head).finish_non_exhaustive()
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// No connection could be made.
    #[error("no connection to {to}: {why}")]
    Unreachable {
        /// Host and port.
        to: String,
        /// What the system said.
        why: String,
    },
    /// No whole reply in time.
    #[error("no reply within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The connection broke off.
    #[error("the connection broke off: {0}")]
    Cut(String),
    /// The reply was larger than any reply should be.
    #[error("the reply was larger than {0} MiB")]
    TooLarge(usize),
    /// The input does not fit the embedded model.
    #[error("{0}")]
    TooLong(String),
    /// The engine itself failed.
    #[error("{0}")]
    Engine(String),
}

/// One request, one reply.
#[async_trait]
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Sends a request and waits for the whole reply. Dropping the future gives the request up.
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError>;

    /// Sends a request and hands its reply on as it comes. `timeout` ends with the head of the reply; who reads the body
    /// watches it. Dropping the body gives the request up.
    async fn open(&self, request: Request) -> Result<OpenReply, ExchangeError> {
        let mut head = self.exchange(request).await?;
        let body = std::mem::take(&mut head.body);
        Ok(OpenReply { head, body: futures::stream::once(async move { Ok(body) }).boxed() })
    }

    /// The engine's name: `openrouter`, `openai`, `local` or `sim`.
    fn engine(&self) -> &'static str;

    /// Where it leads, for messages: a base URL or the name of a file. Never a secret.
    fn address(&self) -> String;

    /// The most requests worth having under way at once.
    fn window(&self) -> usize;

    /// Tokens that a prompt and its answer may have together, where all models here share one bound.
    fn context_tokens(&self) -> Option<u64> {
        None
    }

    /// Whether providers, routing and prices mean anything here.
    fn routes(&self) -> bool {
        true
    }

    /// Whether the catalog can be asked for what a key may use.
    fn has_key(&self) -> bool {
        true
    }
}
