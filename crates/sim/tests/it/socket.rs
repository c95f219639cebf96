//! The simulator behind a real loopback socket, spoken to by a bare client.

use std::time::Duration;

use corsac_sim::{FaultKind, SimConfig, Simulator, listen, serve};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{KEY, question};

/// Serves a script on a free port.
async fn started(script: &str) -> (Simulator, u16) {
    let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(simulator.clone(), listener));
    (simulator, port)
}

/// Sends a chat request and leaves the connection open.
async fn send(port: u16, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

/// All that comes until the server closes.
async fn receive(mut connection: TcpStream) -> String {
    let mut bytes = Vec::new();
    // a connection that dies in the middle may end as an error; what came before it counts
    let _ended = connection.read_to_end(&mut bytes).await;
    // one character a byte, so that lengths can be compared
    bytes.into_iter().map(char::from).collect()
}

fn status_of(reply: &str) -> u16 {
    reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Whether the message is whole, by its own framing.
fn is_whole(reply: &str) -> bool {
    let Some((head, body)) = reply.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => length.parse() == Ok(body.chars().count()),
        None => body.ends_with("0\r\n\r\n"),
    }
}

#[tokio::test]
async fn every_fault_reaches_the_wire() {
    for kind in FaultKind::ALL.iter().copied() {
        let (simulator, port) = started(&format!("slow_ms = 1\n[[rule]]\nfault = '{kind}'\ntimes = 1")).await;
        let mut body = question("openai/gpt-4o-mini");
        let needs_stream = kind.name().contains("stream") && kind != FaultKind::UpstreamRateLimited;
        body["stream"] = json!(needs_stream);
        let mut connection = send(port, &body).await;
        match kind {
            FaultKind::Hang => {
                while simulator.seen().by_status.is_empty() {
                    tokio::task::yield_now().await;
                }
                // another call comes and goes while this one hangs
                assert_eq!(status_of(&receive(send(port, &body).await).await), 200);
                assert!(connection.read_u8().now_or_never().is_none(), "something came");
            }
            FaultKind::StalledStream => {
                let mut head = [0u8; 15];
                connection.read_exact(&mut head).await.unwrap();
                assert_eq!(&head, b"HTTP/1.1 200 OK");
            }
            FaultKind::Cut => {
                let reply = receive(connection).await;
                assert!(reply.contains("\"choices\"") || reply.contains("\"id\""), "{reply}");
                assert!(!is_whole(&reply), "{reply}");
            }
            _ => {
                let reply = receive(connection).await;
                let name = kind.name();
                let digits: Vec<u16> = name.split('_').filter_map(|part| part.parse().ok()).collect();
                let wanted = digits.first().copied().unwrap_or(match kind {
                    FaultKind::RateLimited
                    | FaultKind::UpstreamRateLimited
                    | FaultKind::FreePerDay
                    | FaultKind::FreePerMinute
                    | FaultKind::CapacityExhausted => 429,
                    _ => 200,
                });
                assert_eq!(status_of(&reply), wanted, "{name}: {reply}");
                assert!(is_whole(&reply), "{name}: {reply}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_has_no_end() {
    let (_, port) = started("[[rule]]\nfault = 'cut'").await;
    let mut body = question("openai/gpt-4o-mini");
    body["stream"] = json!(true);
    let reply = receive(send(port, &body).await).await;
    assert!(reply.contains("data: {") && !reply.contains("[DONE]") && !is_whole(&reply), "{reply}");
}

#[tokio::test]
async fn answers_and_streams_arrive_whole() {
    let (simulator, port) = started("").await;
    let mut body = question("openai/gpt-4o-mini");
    let plain = receive(send(port, &body).await).await;
    assert!(is_whole(&plain) && plain.contains("x-generation-id: gen-"), "{plain}");
    body["stream"] = json!(true);
    let stream = receive(send(port, &body).await).await;
    assert!(is_whole(&stream) && stream.contains("data: [DONE]"), "{stream}");
    assert_eq!(simulator.seen().by_status[&200], 2);
}

#[tokio::test]
async fn hundreds_are_in_flight_at_once() {
    const CALLS: u64 = 400;
    let (simulator, port) = started("[[rule]]\nfault = 'hang'").await;
    let mut connections = Vec::new();
    for _ in 0..CALLS {
        connections.push(send(port, &question("openai/gpt-4o-mini")).await);
    }
    while simulator.seen().concurrent_peak < CALLS {
        tokio::task::yield_now().await;
    }
    drop(connections);
    assert_eq!(simulator.seen().requests, CALLS);
}

#[tokio::test]
async fn latency_is_waited_for() {
    let (_, port) = started("latency_ms = 30").await;
    let started = tokio::time::Instant::now();
    let reply = receive(send(port, &question("openai/gpt-4o-mini")).await).await;
    assert_eq!(status_of(&reply), 200);
    // a lower bound holds on the slowest machine
    assert!(started.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_noticed() {
    let (simulator, port) = started("[stream]\ngap_ms = 20").await;
    let mut body = question("openai/gpt-4o-mini");
    body["stream"] = json!(true);
    let mut connection = send(port, &body).await;
    let mut head = [0u8; 15];
    connection.read_exact(&mut head).await.unwrap();
    drop(connection);
    while simulator.seen().abandoned == 0 {
        tokio::task::yield_now().await;
    }
    receive(send(port, &body).await).await;
    let seen = simulator.seen();
    assert_eq!((seen.abandoned, seen.billed_answers, seen.repeated_answers), (1, 2, 0));
}
