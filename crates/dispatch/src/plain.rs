//! Plain HTTP for what is no question to a model, such as telling a collector of spans: the same connections, proxies and
//! certificates as everything else that leaves the process.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};

use crate::http::{HttpClient, LARGEST_REPLY, causes, client, reading};
use crate::{ExchangeError, HttpOptionsError};

/// Sends requests as they are.
#[derive(Clone)]
pub struct PlainHttp {
    client: HttpClient,
}

impl fmt::Debug for PlainHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainHttp")
    }
}

impl PlainHttp {
    /// Opens no connection yet; each will have to be made within this time.
    ///
    /// # Errors
    /// The system's certificates cannot be used.
    pub fn new(connect: Duration) -> Result<PlainHttp, HttpOptionsError> {
        Ok(PlainHttp { client: client(connect)? })
    }

    /// Sends a request and waits for the whole reply, whatever its status, but not longer than this. Needs a Tokio runtime.
    ///
    /// # Errors
    /// No connection, no whole reply in time, or one that is too large.
    pub async fn send(&self, request: http::Request<Bytes>, timeout: Duration) -> Result<http::Response<Bytes>, ExchangeError> {
        let to = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let sent = async {
            let reply = self.client.request(request.map(Full::new)).await.map_err(|error| {
                let why = causes(&error);
                if error.is_connect() { ExchangeError::Unreachable { to, why } } else { ExchangeError::Cut(why) }
            })?;
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, LARGEST_REPLY).collect().await.map_err(|error| reading(error.as_ref()))?;
            Ok(http::Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(timeout, sent).await.unwrap_or(Err(ExchangeError::Timeout(timeout)))
    }
}
