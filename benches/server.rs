//! A server that answers every chat request with the same reply after a fixed time, in a process of its own, so that the
//! client's processor time can be told from the server's.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

/// What every request is answered with: a label that is also a text.
pub const REPLY: &str = r#"{"id":"gen-1790000000-AbCdEfGhIjKlMnOpQrSt","object":"chat.completion","created":1790000000,"model":"openai/gpt-4o-mini","provider":"OpenAI","system_fingerprint":null,"choices":[{"index":0,"finish_reason":"stop","native_finish_reason":"stop","logprobs":null,"message":{"role":"assistant","content":"{\"label\":\"positive\"}","refusal":null,"reasoning":null}}],"usage":{"prompt_tokens":61,"completion_tokens":6,"total_tokens":67,"cost":0.00001275,"is_byok":false,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#;

const SERVE: &str = "CORSAC_BENCH_SERVE_MS";

/// A server in a process of its own; it ends with this value.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts one that answers after so many milliseconds.
    pub fn start(milliseconds: u64) -> std::io::Result<Server> {
        let mut process = Command::new(std::env::current_exe()?).env(SERVE, milliseconds.to_string()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(std::io::Error::other)?;
        Ok(Server { process, address })
    }

    /// The base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // a server that is gone already needs no ending
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the process that was started as a server: serves, and never returns. Elsewhere it does nothing.
pub fn serve_if_asked() {
    let Some(delay) = std::env::var(SERVE).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis) else { return };
    let _ = rlimit::increase_nofile_limit(65_536);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let ended = runtime.block_on(serve(delay));
    std::process::exit(i32::from(ended.is_err()));
}

async fn serve(delay: Duration) -> std::io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(4_096)?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", listener.local_addr()?)?;
    output.flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| async move {
                // the request must be read before the connection can serve the next
                let _ = request.into_body().collect().await;
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                let mut response = Response::new(Full::new(Bytes::from_static(REPLY.as_bytes())));
                response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
                Ok::<_, Infallible>(response)
            });
            let _ =
                hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// User and system time of this process so far.
pub fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The most memory this process has held, in megabytes.
pub fn peak_memory_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
