//! A server for measuring clients: it answers every chat completion after the time its path names, such as 20 ms under
//! `/20/api/v1`, and says in the answer how long it held the request, so that a client can take that off. It lists its one
//! model, too.
//!
//! `cargo run -p corsac-dispatch --example server` prints its address and serves until it is ended. `GET /count` tells
//! how many chat requests there were.
#![expect(clippy::print_stdout, reason = "the address is its output")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const PARAMETERS: [&str; 9] =
    ["max_tokens", "temperature", "top_p", "seed", "stop", "tools", "tool_choice", "response_format", "structured_outputs"];

static ASKED: AtomicU64 = AtomicU64::new(0);

// one thread: on a small machine the client under measurement needs the rest
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(4_096)?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // how a connection ends is the client's business
        tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // the body is read before the time starts; a client that went away in the middle hears nothing anyhow
    let _ = body.collect().await;
    let started = Instant::now();
    let path = head.uri.path();
    let (status, text) = match (&head.method, delay(path)) {
        (&Method::POST, Some(delay)) => {
            ASKED.fetch_add(1, Ordering::Relaxed);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            (StatusCode::OK, completion(started.elapsed()))
        }
        (&Method::GET, _) if path == "/count" => (StatusCode::OK, ASKED.load(Ordering::Relaxed).to_string()),
        (&Method::GET, _) if path.ends_with("/models") || path.ends_with("/models/user") => (StatusCode::OK, models()),
        (&Method::GET, _) if path.ends_with("/endpoints") => (StatusCode::OK, endpoints()),
        _ => (StatusCode::NOT_FOUND, r#"{"error":{"message":"not served here","code":404}}"#.to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The time a chat path names in its first part.
fn delay(path: &str) -> Option<Duration> {
    let (milliseconds, rest) = path.trim_start_matches('/').split_once('/')?;
    rest.ends_with("chat/completions").then(|| milliseconds.parse().ok().map(Duration::from_millis))?
}

fn models() -> String {
    serde_json::json!({"data": [{
        "id": "openai/gpt-4o-mini",
        "canonical_slug": "openai/gpt-4o-mini",
        "name": "OpenAI: GPT-4o-mini",
        "context_length": 128_000,
        "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
        "supported_parameters": PARAMETERS,
        "top_provider": {"context_length": 128_000, "max_completion_tokens": 16_384, "is_moderated": true},
    }]})
    .to_string()
}

fn endpoints() -> String {
    let endpoint = |provider: &str, tag: &str| {
        serde_json::json!({
            "name": format!("{provider} | openai/gpt-4o-mini"),
            "provider_name": provider,
            "tag": tag,
            "context_length": 128_000,
            "max_completion_tokens": 16_384,
            "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
            "status": 0,
            "supported_parameters": PARAMETERS,
            "uptime_last_30m": 99.9,
        })
    };
    serde_json::json!({"data": {"id": "openai/gpt-4o-mini", "endpoints": [endpoint("OpenAI", "openai"), endpoint("Azure", "azure")]}})
        .to_string()
}

fn completion(held: Duration) -> String {
    let held = held.as_micros();
    format!(
        r#"{{"id":"gen-1790000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion","created":1790000000,"model":"openai/gpt-4o-mini","provider":"OpenAI","system_fingerprint":null,"choices":[{{"index":0,"finish_reason":"stop","native_finish_reason":"stop","logprobs":null,"message":{{"role":"assistant","content":"held {held} us","refusal":null,"reasoning":null}}}}],"usage":{{"prompt_tokens":61,"completion_tokens":6,"total_tokens":67,"cost":0.00001275,"is_byok":false,"prompt_tokens_details":{{"cached_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0}}}}}}"#
    )
}
