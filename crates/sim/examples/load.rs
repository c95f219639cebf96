//! How fast the simulator answers: in process on one thread, and through a socket with keep-alive.
//! `cargo run -p corsac-sim --example load -- [CONNECTIONS] [ANSWERS]`.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use corsac_sim::{SimConfig, SimRequest, Simulator, listen, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "sk-or-v1-load";
const SCHEMA: &str = r#","response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":{"type":"object","properties":{"label":{"enum":["positive","negative","neutral"]}},"required":["label"],"additionalProperties":false}}}"#;

fn body(number: usize, extra: &str) -> String {
    format!(
        r#"{{"model":"openai/gpt-4o-mini","max_tokens":64,"messages":[{{"role":"user","content":"Review {number}: good shoes, fast delivery"}}]{extra}}}"#
    )
}

fn in_process(extra: &str, answers: usize) -> Result<f64, Box<dyn Error>> {
    let simulator = Simulator::new(SimConfig::default())?;
    let started = Instant::now();
    for number in 0..answers {
        let request = SimRequest::post("/api/v1/chat/completions", KEY, body(number, extra));
        if simulator.handle(&request, Duration::ZERO).status != 200 {
            return Err("an answer failed".into());
        }
    }
    Ok(per_second(answers, started.elapsed()))
}

fn per_second(answers: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure to read")]
    let answers = answers as f64;
    answers / took.as_secs_f64()
}

/// One connection that asks again and again.
async fn ask(port: u16, answers: usize, extra: &'static str) -> std::io::Result<()> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.set_nodelay(true)?;
    let mut buffer = vec![0u8; 16 * 1024];
    for number in 0..answers {
        let body = body(number, extra);
        let request = format!(
            "POST /api/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // every body ends with the usage object and its own brace
        while !buffer[..filled].ends_with(b"}}}") {
            let read = connection.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
        }
    }
    Ok(())
}

/// Processor time of the calling thread in seconds, where the system tells it.
fn thread_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let connections: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let answers: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let mut out = std::io::stdout();
    for (name, extra) in [("plain", ""), ("schema", SCHEMA)] {
        let speed = in_process(extra, answers)?;
        writeln!(out, "{name:6}  in process, one thread   {speed:>9.0} answers/s")?;
    }
    for (name, extra) in [("plain", ""), ("schema", SCHEMA)] {
        let simulator = Simulator::new(SimConfig::default())?;
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // the server has a thread of its own, so that its processor time can be told from the client's
        let server = std::thread::spawn(move || -> Option<f64> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let listener = listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).ok()?;
                tell.send(listener.local_addr().ok()?.port()).ok()?;
                tokio::select! {
                    _ = serve(simulator, listener) => None,
                    _ = stopped => thread_seconds(),
                }
            })
        });
        let port = told.recv()?;
        let started = Instant::now();
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let each = answers / connections;
            let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(ask(port, each, extra))).collect();
            for task in tasks {
                task.await??;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        let took = started.elapsed();
        let _sent = stop.send(());
        let processor = server.join().ok().flatten().unwrap_or_default();
        let done = answers / connections * connections;
        writeln!(
            out,
            "{name:6}  {connections} connections         {:>9.0} answers/s, {:.1} µs of server processor each",
            per_second(done, took),
            processor * 1e6 / per_second(done, Duration::from_secs(1))
        )?;
    }
    Ok(())
}
