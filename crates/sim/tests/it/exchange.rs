//! The simulator behind the engine's exchange, under paused time.

use std::time::Duration;

use bytes::Bytes;
use corsac_dispatch::{Exchange, ExchangeError, Request};
use corsac_sim::{SimConfig, SimExchange, Simulator};

use crate::question;

fn exchange(script: &str) -> SimExchange {
    let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
    SimExchange::new(simulator, 1_795_305_600_000, Vec::new())
}

fn request(timeout: Duration) -> Request {
    Request::post("chat/completions", Bytes::from(question("openai/gpt-4o").to_string()), timeout)
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_is_counted_and_still_pays() {
    let exchange = exchange("latency_ms = 5000");
    let error = exchange.exchange(request(Duration::from_secs(2))).await.unwrap_err();
    assert_eq!(error, ExchangeError::Timeout(Duration::from_secs(2)));
    assert_eq!(exchange.exchange(request(Duration::from_secs(20))).await.unwrap().status, 200);
    let seen = exchange.simulator().seen();
    assert_eq!((seen.abandoned, seen.billed_answers, seen.repeated_answers), (1, 2, 0));
    let body = exchange.simulator().body(question("openai/gpt-4o").to_string().as_bytes()).unwrap();
    assert_eq!((body.good, body.delivered()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn one_simulator_serves_several_keys_at_one_time() {
    let first = exchange("[limits]\nrequests_per_minute = 1\n[[rule]]\napi_key = 'sk-or-blocked'\nfault = 'key_limit_403'");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let other = first.with_key("sk-or-other");
    let status = |exchange: SimExchange| async move { exchange.exchange(request(Duration::from_secs(9))).await.unwrap().status };
    assert_eq!([status(first.clone()).await, status(first.clone()).await, status(other).await], [200, 429, 200]);
    assert_eq!(status(first.with_key("sk-or-blocked")).await, 403);
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_piece_by_piece_and_counts_once_it_is_whole() {
    use futures::StreamExt;
    let exchange = exchange("latency_ms = 200\n[stream]\ngap_ms = 50\npiece_bytes = 300");
    let mut body = question("openai/gpt-4o");
    body["stream"] = serde_json::json!(true);
    let ask = || Request::post("chat/completions", Bytes::from(body.to_string()), Duration::from_secs(60));
    let start = tokio::time::Instant::now();
    let mut opened = exchange.open(ask()).await.unwrap();
    assert_eq!((opened.head.status, start.elapsed()), (200, Duration::from_millis(200)));
    let mut pieces = Vec::new();
    while let Some(piece) = opened.body.next().await {
        pieces.push(piece.unwrap());
    }
    assert!(pieces.len() > 3 && pieces.concat().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(start.elapsed(), Duration::from_millis(200) + Duration::from_millis(50) * (u32::try_from(pieces.len()).unwrap() - 1));
    assert_eq!(exchange.simulator().seen().abandoned, 0);
    // whoever leaves in the middle was not delivered to, but is billed
    let mut opened = exchange.open(ask()).await.unwrap();
    opened.body.next().await.unwrap().unwrap();
    drop(opened);
    let seen = exchange.simulator().seen();
    assert_eq!((seen.abandoned, seen.billed_answers, seen.repeated_answers), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_ends_as_an_error_and_a_slow_head_as_a_timeout() {
    use futures::StreamExt;
    let cut = exchange("[[rule]]\nfault = 'cut'").open(request(Duration::from_secs(9))).await.unwrap();
    let pieces: Vec<Result<Bytes, ExchangeError>> = cut.body.collect().await;
    assert!(matches!(pieces[..], [Ok(_), Err(ExchangeError::Cut(_))]), "{pieces:?}");
    let slow = exchange("latency_ms = 8000").open(request(Duration::from_secs(60)).first_byte(Duration::from_secs(3))).await;
    assert_eq!(slow.unwrap_err(), ExchangeError::Timeout(Duration::from_secs(3)));
}
