//! Requests as the simulator gets them and replies as it gives them, free of any HTTP library.

use std::time::Duration;

/// One HTTP request.
#[derive(Clone, Debug, Default)]
pub struct SimRequest {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query, with or without `/api/v1` before it.
    pub path: String,
    /// Headers, names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl SimRequest {
    /// A GET with a key.
    #[must_use]
    pub fn get(path: &str, key: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {key}"))],
            body: Vec::new(),
        }
    }

    /// A POST of a JSON text with a key.
    #[must_use]
    pub fn post(path: &str, key: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::get(path, key);
        request.method = "POST".to_owned();
        request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        request.body = body.into();
        request
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn key(&self) -> Option<&str> {
        let value = self.header("authorization")?;
        let (scheme, key) = value.split_once(' ')?;
        let key = key.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
    }
}

/// One HTTP reply, and when it comes.
#[derive(Clone, Debug)]
pub struct SimReply {
    /// How long after the request status and headers come.
    pub delay: Duration,
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: SimBody,
    pub(crate) receipt: Option<Receipt>,
    /// It has the form it was asked for, or a script wrote it out: nothing is to be changed any more.
    pub(crate) finished: bool,
}

/// What an answer was counted as, so that it can be counted as abandoned when nobody waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) body_hash: u64,
    pub(crate) good: bool,
}

/// A body and how it arrives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SimBody {
    /// All at once.
    Bytes(Vec<u8>),
    /// In pieces, each after a gap.
    Stream(Vec<(Duration, Vec<u8>)>),
    /// In pieces, each after a gap; then the connection dies.
    CutStream(Vec<(Duration, Vec<u8>)>),
    /// Never: not even the status comes.
    Hang,
    /// These bytes, then the connection dies.
    CutAfter(Vec<u8>),
}

impl SimReply {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::json_bytes(status, body.to_string().into_bytes())
    }

    pub(crate) fn json_bytes(status: u16, body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { delay: Duration::ZERO, status, headers, body: SimBody::Bytes(body), receipt: None, finished: false }
    }

    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The value of a header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Everything that arrives of the body, in one piece.
    #[must_use]
    pub fn body_bytes(&self) -> Vec<u8> {
        match &self.body {
            SimBody::Bytes(bytes) | SimBody::CutAfter(bytes) => bytes.clone(),
            SimBody::Stream(pieces) | SimBody::CutStream(pieces) => pieces.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect(),
            SimBody::Hang => Vec::new(),
        }
    }

    /// From the request to the last byte; none if it never ends.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        match &self.body {
            SimBody::Bytes(_) | SimBody::CutAfter(_) => Some(self.delay),
            SimBody::Stream(pieces) | SimBody::CutStream(pieces) => Some(self.delay + pieces.iter().map(|(gap, _)| *gap).sum::<Duration>()),
            SimBody::Hang => None,
        }
    }
}
