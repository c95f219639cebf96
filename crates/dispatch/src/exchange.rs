//! The seam to the outside: one request, one reply. Behind it stands HTTP, the embedded model, or a simulator.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use corsac_wire::header::ComeBack;

/// A request below the base URL.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST` with a body, `GET` without one.
    pub body: Option<Bytes>,
    /// The path below the base URL, without a leading slash, such as `chat/completions`.
    pub path: &'static str,
    /// The most time the whole exchange may take.
    pub timeout: Duration,
}

impl Request {
    /// A `GET`.
    pub fn get(path: &'static str, timeout: Duration) -> Request {
        Request { body: None, path, timeout }
    }

    /// A `POST` of JSON.
    pub fn post(path: &'static str, body: Bytes, timeout: Duration) -> Request {
        Request { body: Some(body), path, timeout }
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
    /// The body.
    pub body: Bytes,
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

    /// The engine's name: `openrouter`, `local` or `sim`.
    fn engine(&self) -> &'static str;

    /// Where it leads, for messages: a base URL or the name of a file. Never a secret.
    fn address(&self) -> String;

    /// The most requests worth having under way at once.
    fn window(&self) -> usize;

    /// Whether providers, routing and prices mean anything here.
    fn routes(&self) -> bool {
        true
    }
}
