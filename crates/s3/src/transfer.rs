//! One request and its reply, tried again where the server or the network falters.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use time::OffsetDateTime;

use crate::sign::{self, Signed};
use crate::{Address, S3Error, Settings, reply};

pub(crate) type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// How often a request is made at most, and the first pause between two.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);
/// How long nothing may come.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of a reply that is no object.
const LARGEST_REPLY: usize = 16 << 20;

/// What is asked of a bucket.
pub(crate) struct Wanted<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a Address,
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: Bytes,
}

/// Connections to servers.
pub(crate) fn connections() -> Result<Connections, S3Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(Duration::from_secs(10)));
    let provider = rustls::crypto::ring::default_provider;
    // the machine's certificates; a bare container has none: then Mozilla's
    let roots = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider())
        .or_else(|_| HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider()).map_err(std::io::Error::other))
        .map_err(|error| S3Error::Settings(format!("TLS cannot be set up: {error}")))?;
    let https = roots.https_or_http().enable_http1().wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30)).build(https))
}

/// Where a request goes: the scheme, the host, and the path before the object's name.
fn place(settings: &Settings, bucket: &str) -> (String, String, String) {
    match &settings.endpoint {
        Some(endpoint) => {
            let host = endpoint.authority().map_or("", |authority| authority.as_str()).to_owned();
            let base = endpoint.path().trim_end_matches('/');
            (endpoint.scheme_str().unwrap_or("https").to_owned(), host, format!("{base}/{bucket}/"))
        }
        // a certificate for *.s3.… does not cover further dots
        None if bucket.contains('.') => ("https".to_owned(), format!("s3.{}.amazonaws.com", settings.region), format!("/{bucket}/")),
        None => ("https".to_owned(), format!("{bucket}.s3.{}.amazonaws.com", settings.region), "/".to_owned()),
    }
}

/// Makes a request until a reply comes that is worth reading; its head, with the body still to come.
pub(crate) async fn send(
    connections: &Connections,
    settings: &Settings,
    wanted: &Wanted<'_>,
    now: fn() -> OffsetDateTime,
) -> Result<http::Response<Incoming>, S3Error> {
    let failed = |detail: String| S3Error::Failed { address: wanted.address.to_string(), detail };
    let (scheme, host, base) = place(settings, &wanted.address.bucket);
    let path = format!("{base}{}", sign::path(&wanted.address.key));
    let query = sign::query(wanted.parameters);
    let uri = if query.is_empty() { format!("{scheme}://{host}{path}") } else { format!("{scheme}://{host}{path}?{query}") };
    let signed =
        Signed { method: wanted.method.as_str(), host: &host, path: &path, query: &query, body: &wanted.body, region: &settings.region };
    let mut pause = PAUSE;
    for attempt in 1..=TRIES {
        let mut request = Request::builder().method(wanted.method.clone()).uri(&uri).header("host", &host);
        for (name, value) in wanted.headers {
            request = request.header(*name, *value);
        }
        for (name, value) in sign::headers(&signed, settings.key.as_ref(), now()) {
            let value = http::HeaderValue::try_from(value);
            let mut value = value.map_err(|_| failed("a key has characters that no header can carry".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let request = request.body(Full::new(wanted.body.clone())).map_err(|error| failed(error.to_string()))?;
        let last = attempt == TRIES;
        match tokio::time::timeout(SILENCE, connections.request(request)).await {
            Ok(Ok(response)) if last || !worth_another_try(response.status()) => return Ok(response),
            Ok(Err(error)) if last => return Err(failed(format!("{host} cannot be reached: {}", innermost(&error)))),
            Err(_) if last => return Err(failed(format!("{host} does not reply within {} s", SILENCE.as_secs()))),
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(failed("it was not asked".to_owned()))
}

fn worth_another_try(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// What is at the bottom of an error: the layers above say nothing more.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The whole of a reply that is no object.
pub(crate) async fn text(address: &Address, response: http::Response<Incoming>) -> Result<(HeaderMap, String), S3Error> {
    let failed = |detail: String| S3Error::Failed { address: address.to_string(), detail };
    let (head, body) = response.into_parts();
    let body = http_body_util::Limited::new(body, LARGEST_REPLY).collect();
    let body = tokio::time::timeout(SILENCE, body).await.map_err(|_| failed("its reply stopped half-way".to_owned()))?;
    let body = body.map_err(|error| failed(format!("its reply stopped half-way: {error}")))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let detail = || reply::error(&text).unwrap_or_else(|| format!("HTTP {}", head.status.as_u16()));
    match head.status {
        // a reply that began well may end in an error
        status if status.is_success() => match reply::error(&text) {
            None => Ok((head.headers, text)),
            Some(detail) => Err(failed(detail)),
        },
        StatusCode::NOT_FOUND if detail().starts_with("NoSuchBucket") => Err(failed(detail())),
        StatusCode::NOT_FOUND => Err(S3Error::Missing { address: address.to_string() }),
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Err(S3Error::Changed { address: address.to_string() }),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::MOVED_PERMANENTLY | StatusCode::BAD_REQUEST => {
            Err(S3Error::Refused { address: address.to_string(), detail: detail() })
        }
        _ => Err(failed(detail())),
    }
}
