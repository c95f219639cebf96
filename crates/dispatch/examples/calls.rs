//! What a call costs in the engine as a user has it: ledger on disk, ceiling, catalog, pacer and memory on. Asks distinct
//! questions, so many at once, and prints one line of JSON: processor time a call, calls a second, and the time added
//! to the server's own.
//!
//! `calls (corsac|corsac-in-memory|bare) BASE_URL COUNT IN_FLIGHT`, against the example `server`. `corsac-in-memory` has
//! a ledger without a file, which tells what waiting for the disk costs; `bare` is the floor: the same requests by nothing
//! but hyper.
#![expect(clippy::print_stdout, reason = "the measurement is its output")]

mod measured;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use corsac_dispatch::{Call, CallSettings, Contract, Dispatcher, Origin};
use corsac_ledger::{Ledger, RunId};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use measured::{KEY, MODEL, Wrong, peak_memory_mb, processor_time};

const SYSTEM: &str = "Do what the user's message asks. Reply with the result alone.";
/// Calls before the measurement starts: connections are open, code is warm.
const WARM_UP: u64 = 200;
/// What is still done after the last answer counts too.
const QUIET: Duration = Duration::from_millis(300);

/// How calls are made.
enum Way {
    Corsac { dispatcher: Arc<Dispatcher>, run: RunId, settings: Arc<CallSettings> },
    Bare { client: Box<Client<HttpConnector, Full<Bytes>>>, address: http::Uri },
}

fn main() -> Result<(), Wrong> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, base_url, count, in_flight] = arguments.as_slice() else {
        return Err("usage: calls (corsac|corsac-in-memory|bare) BASE_URL COUNT IN_FLIGHT".into());
    };
    let (count, in_flight): (u64, u64) = (count.parse()?, in_flight.parse()?);
    let folder = tempfile::tempdir()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let client = way.as_str();
        let way = Arc::new(match client {
            "corsac" => corsac(base_url, Ledger::open(&folder.path().join("ledger.sqlite"))?).await?,
            "corsac-in-memory" => corsac(base_url, Ledger::in_memory()?).await?,
            "bare" => bare(base_url)?,
            other => return Err(format!("{other:?} is no way to call").into()),
        });
        ask_all(&way, 0..WARM_UP, in_flight).await?;
        let (started, before) = (Instant::now(), processor_time());
        let mut added = ask_all(&way, WARM_UP..WARM_UP + count, in_flight).await?;
        let took = started.elapsed();
        tokio::time::sleep(QUIET).await;
        let spent = processor_time().saturating_sub(before);
        added.sort_by(f64::total_cmp);
        println!(
            "{}",
            serde_json::json!({
                "client": client,
                "calls": count,
                "in_flight": in_flight,
                "cpu_us_per_call": spent.as_secs_f64() * 1e6 / count as f64,
                "calls_per_s": count as f64 / took.as_secs_f64(),
                "p50_us": quantile(&added, 0.50),
                "p99_us": quantile(&added, 0.99),
                "peak_mb": peak_memory_mb(),
            })
        );
        Ok(())
    })
}

/// The engine as the command sets it up.
async fn corsac(base_url: &str, ledger: Ledger) -> Result<Way, Wrong> {
    let (dispatcher, run) = measured::engine(base_url, ledger, "calls").await?;
    Ok(Way::Corsac { dispatcher, run, settings: Arc::new(CallSettings { max_tokens: Some(512), ..CallSettings::default() }) })
}

fn bare(base_url: &str) -> Result<Way, Wrong> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Box::new(Client::builder(TokioExecutor::new()).build(connector));
    Ok(Way::Bare { client, address: format!("{base_url}/chat/completions").parse()? })
}

impl Way {
    /// Asks one question of its own; returns the answer.
    async fn ask(&self, row: u64) -> Result<String, Wrong> {
        let question = format!("Say in one word: review {row} of a product that came on time and works as it should");
        match self {
            Way::Corsac { dispatcher, run, settings } => {
                let call = Call {
                    origin: Origin { run: run.clone(), operator: "semantic_map".into(), row },
                    system: SYSTEM.into(),
                    user: question,
                    contract: Contract::Text,
                    settings: Arc::clone(settings),
                };
                let answer = Arc::clone(dispatcher).ask_to_the_end(call).await?;
                Ok(answer.value.as_str().unwrap_or_default().to_owned())
            }
            Way::Bare { client, address } => {
                let messages = serde_json::json!([{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]);
                let body = serde_json::json!({"model": MODEL, "messages": messages, "max_tokens": 512, "temperature": 0.0});
                let request = http::Request::post(address.clone())
                    .header(CONTENT_TYPE, "application/json")
                    .header(AUTHORIZATION, format!("Bearer {KEY}"))
                    .body(Full::new(Bytes::from(serde_json::to_vec(&body)?)))?;
                let reply = client.request(request).await?.into_body().collect().await?.to_bytes();
                let reply: serde_json::Value = serde_json::from_slice(&reply)?;
                Ok(reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned())
            }
        }
    }
}

/// Asks for every row, so many at once; returns the microseconds that each call took beyond the server's own time.
async fn ask_all(way: &Arc<Way>, rows: std::ops::Range<u64>, in_flight: u64) -> Result<Vec<f64>, Wrong> {
    let next = Arc::new(AtomicU64::new(rows.start));
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (way, next, end) = (Arc::clone(way), Arc::clone(&next), rows.end);
        askers.spawn(async move {
            let mut added = Vec::new();
            loop {
                let row = next.fetch_add(1, Ordering::Relaxed);
                if row >= end {
                    return Ok::<_, Wrong>(added);
                }
                let started = Instant::now();
                let answer = way.ask(row).await?;
                added.push(started.elapsed().as_secs_f64() * 1e6 - held(&answer)?);
            }
        });
    }
    let mut added = Vec::new();
    while let Some(done) = askers.join_next().await {
        added.extend(done??);
    }
    Ok(added)
}

/// How long the server says it held the request, in microseconds.
fn held(answer: &str) -> Result<f64, Wrong> {
    let number = answer.strip_prefix("held ").and_then(|rest| rest.strip_suffix(" us"));
    Ok(number.ok_or_else(|| format!("not the server's answer: {answer:?}"))?.parse()?)
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.max(1) - 1).copied()
}
