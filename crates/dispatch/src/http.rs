//! The exchange over HTTP: pooled connections, HTTP/2 where offered, attribution headers on every request.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use corsac_wire::header::{self, ComeBack};
use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret, SecretString};

use crate::exchange::{Exchange, ExchangeError, OpenReply, RawReply, Request};
use crate::key_gap::KeyGap;
use crate::proxy::ProxyConnector;

/// The app a request is counted for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct App {
    /// Its name.
    pub name: Option<String>,
    /// Its address; without one, OpenRouter counts nothing.
    pub url: Option<String>,
    /// At most two categories.
    pub categories: Vec<String>,
}

impl App {
    /// Corsac itself: whom requests are counted for when nobody says otherwise.
    pub fn corsac(categories: Vec<String>) -> App {
        App { name: Some("Corsac".to_owned()), url: Some(env!("CARGO_PKG_REPOSITORY").to_owned()), categories }
    }
}

/// Where and as whom to ask.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Such as `https://openrouter.ai/api/v1`.
    pub base_url: String,
    /// The key; some servers of one's own need none.
    pub key: Option<SecretString>,
    /// The app.
    pub app: App,
    /// Headers of the user's own; they win over ours.
    pub headers: Vec<(String, String)>,
    /// The most requests under way at once.
    pub window: usize,
    /// The most time until a connection stands.
    pub connect: Duration,
}

/// What is wrong with the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpOptionsError {
    /// Not an address.
    #[error("{0:?} is no base URL: it must look like https://openrouter.ai/api/v1")]
    BaseUrl(String),
    /// Not sendable as a header.
    #[error("the {0} has characters that no HTTP header can carry")]
    Header(String),
    /// The system's certificates cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// What sends all of our requests.
pub(crate) type HttpClient = Client<HttpsConnector<ProxyConnector>, Full<Bytes>>;

/// OpenRouter, or whatever speaks its API, over HTTP.
pub struct HttpExchange {
    client: HttpClient,
    base_url: String,
    host: String,
    chat: Uri,
    headers: HeaderMap,
    key: Option<SecretString>,
    window: usize,
    engine: &'static str,
    own_headers: Vec<String>,
}

impl fmt::Debug for HttpExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExchange").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

const CHAT: &str = "chat/completions";
pub(crate) const LARGEST_REPLY: usize = 32 << 20;

impl HttpExchange {
    /// Prepares to ask; opens no connection yet.
    ///
    /// # Errors
    /// A base URL or a header that cannot be used.
    pub fn new(options: &HttpOptions) -> Result<HttpExchange, HttpOptionsError> {
        let base_url = options.base_url.trim().trim_end_matches('/').to_owned();
        let bad_url = || HttpOptionsError::BaseUrl(options.base_url.clone());
        let base: Uri = base_url.parse().map_err(|_| bad_url())?;
        let host = base.authority().ok_or_else(bad_url)?.to_string();
        if !matches!(base.scheme_str(), Some("http" | "https")) || base.query().is_some() {
            return Err(bad_url());
        }
        let client = client(options.connect)?;
        Ok(HttpExchange {
            client,
            chat: format!("{base_url}/{CHAT}").parse().map_err(|_| bad_url())?,
            headers: headers(options)?,
            key: options.key.clone(),
            host,
            base_url,
            window: options.window,
            engine: "openrouter",
            own_headers: options.headers.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// Sends and waits for the head of the reply.
    async fn head(&self, request: Request) -> Result<http::Response<hyper::body::Incoming>, ExchangeError> {
        let uri = if request.path == CHAT {
            self.chat.clone()
        } else {
            format!("{}/{}", self.base_url, request.path)
                .parse()
                .map_err(|_| ExchangeError::Engine(format!("{} is no path", request.path)))?
        };
        let first_byte = request.first_byte;
        let mut message = http::Request::new(Full::new(request.body.clone().unwrap_or_default()));
        *message.method_mut() = if request.body.is_some() { Method::POST } else { Method::GET };
        *message.uri_mut() = uri;
        *message.headers_mut() = self.headers.clone();
        let response = tokio::time::timeout(first_byte, self.client.request(message));
        response.await.map_err(|_| ExchangeError::Timeout(first_byte))?.map_err(|error| self.sending(&error))
    }

    async fn send(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let (head, body) = self.head(request).await?.into_parts();
        let body = Limited::new(body, LARGEST_REPLY).collect().await.map_err(|error| reading(error.as_ref()))?.to_bytes();
        Ok(RawReply { body: without_key(self.key.as_ref(), body), ..told(&head) })
    }

    /// The headers of every request as a person may see them: never the key.
    pub fn shown_headers(&self) -> Vec<(String, String)> {
        let shown = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        let attribution = [header::REFERER, header::TITLE, header::TITLE_LEGACY, header::CATEGORIES];
        let told = |name: &HeaderName| attribution.iter().any(|known| name.as_str().eq_ignore_ascii_case(known));
        let own = |name: &HeaderName| self.own_headers.iter().any(|own| name.as_str().eq_ignore_ascii_case(own));
        let set = |(name, _): (&HeaderName, &HeaderValue)| (name.to_string(), "[set]".to_owned());
        let first = self.headers.iter().filter(|(name, _)| told(name)).map(shown);
        // a header of the user's own may be a secret
        first.chain(self.headers.iter().filter(|(name, _)| own(name) && !told(name)).map(set)).collect()
    }

    /// The same for a server that speaks OpenAI's API but knows nothing of providers, routing and prices.
    #[must_use]
    pub fn openai_compatible(self) -> HttpExchange {
        HttpExchange { engine: "openai", ..self }
    }

    fn sending(&self, error: &hyper_util::client::legacy::Error) -> ExchangeError {
        if error.is_connect() {
            ExchangeError::Unreachable { to: self.host.clone(), why: causes(error) }
        } else {
            ExchangeError::Cut(causes(error))
        }
    }
}

#[async_trait]
impl Exchange for HttpExchange {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.send(request)).await.unwrap_or(Err(ExchangeError::Timeout(timeout)))
    }

    async fn open(&self, request: Request) -> Result<OpenReply, ExchangeError> {
        let timeout = request.timeout;
        let reply = tokio::time::timeout(timeout, self.head(request)).await.unwrap_or(Err(ExchangeError::Timeout(timeout)))?;
        let (head, body) = reply.into_parts();
        let pieces = Limited::new(body, LARGEST_REPLY).into_data_stream();
        let mut gap = KeyGap::new(self.key.as_ref());
        // a key may be split over two pieces, so a piece that ends like the beginning of one waits for the next
        let pieces = pieces.map(Some).chain(futures::stream::once(std::future::ready(None))).filter_map(move |piece| {
            std::future::ready(match piece {
                Some(Ok(bytes)) => Some(Ok(gap.push(bytes))),
                Some(Err(error)) => Some(Err(reading(error.as_ref()))),
                None => gap.rest().map(Ok),
            })
        });
        Ok(OpenReply { head: told(&head), body: pieces.boxed() })
    }

    fn engine(&self) -> &'static str {
        self.engine
    }

    fn address(&self) -> String {
        self.base_url.clone()
    }

    fn window(&self) -> usize {
        self.window
    }

    fn routes(&self) -> bool {
        self.engine == "openrouter"
    }

    fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

/// Pooled connections, each made within this time, through the environment's proxy, trusting the machine's certificates.
pub(crate) fn client(connect: Duration) -> Result<HttpClient, HttpOptionsError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect));
    // the machine's certificates, so that a company's own proxy is trusted; a bare container has none: then Mozilla's
    let roots = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls_provider())
        .or_else(|_| HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls_provider()).map_err(std::io::Error::other));
    let https = roots
        .map_err(|error| HttpOptionsError::Tls(error.to_string()))?
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(ProxyConnector::from_environment(connector));
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .http2_adaptive_window(true)
        .build(https))
}

/// A server may echo what it was sent; the key must reach no message, ledger or result from there.
fn without_key(key: Option<&SecretString>, body: Bytes) -> Bytes {
    let mut gap = KeyGap::new(key);
    let first = gap.push(body);
    match gap.rest() {
        Some(rest) => [first, rest].concat().into(),
        None => first,
    }
}

/// What the head of a reply says.
fn told(head: &http::response::Parts) -> RawReply {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    RawReply {
        status: head.status.as_u16(),
        come_back: if head.status.is_success() { ComeBack::default() } else { ComeBack::read(text, epoch_ms()) },
        generation_id: text(header::GENERATION_ID).map(str::to_owned),
        date_ms: text("date").and_then(header::date_ms),
        body: Bytes::new(),
    }
}

fn rustls_provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// The date is needed only to read `X-RateLimit-Reset` and dated `Retry-After` headers of replies.
fn epoch_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn headers(options: &HttpOptions) -> Result<HeaderMap, HttpOptionsError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("corsac/", env!("CARGO_PKG_VERSION"))));
    if let Some(key) = &options.key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret().trim()))
            .map_err(|_| HttpOptionsError::Header("API key".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let mut put = |name: &str, value: &str| -> Result<(), HttpOptionsError> {
        let bad = || HttpOptionsError::Header(format!("header {name}"));
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        headers.insert(field, HeaderValue::from_str(value).or_else(|_| HeaderValue::from_bytes(value.as_bytes())).map_err(|_| bad())?);
        Ok(())
    };
    if let Some(url) = &options.app.url {
        put(header::REFERER, url)?;
    }
    if let Some(name) = &options.app.name {
        put(header::TITLE, name)?;
        put(header::TITLE_LEGACY, name)?;
    }
    if !options.app.categories.is_empty() {
        put(header::CATEGORIES, &options.app.categories.join(","))?;
    }
    for (name, value) in &options.headers {
        put(name, value)?;
    }
    Ok(headers)
}

pub(crate) fn reading(error: &(dyn Error + Send + Sync + 'static)) -> ExchangeError {
    if error.is::<http_body_util::LengthLimitError>() {
        ExchangeError::TooLarge(LARGEST_REPLY >> 20)
    } else {
        ExchangeError::Cut(causes(error))
    }
}

/// The causes of an error on one line, innermost last, each said once.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next: Option<&(dyn Error + 'static)> = error.source().or(Some(error));
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    said.join(": ")
}
