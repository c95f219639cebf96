//! What a prediction costs in this process, engine and ledger on disk included: asks distinct questions of a server that is
//! there already, so many at once, and prints one line of JSON.
//!
//! `predict (disk|memory) BASE_URL COUNT IN_FLIGHT`; `memory` has a ledger without a file, which tells what keeping answers
//! costs. `own_us_per_call` is the part of writing the prompt and reading the reply. `crates/program/dspy/bench` runs it
//! beside DSPy against the same server.
#![expect(clippy::print_stdout, reason = "the measurement is its output")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corsac_dispatch::{App, Catalog, Dispatcher, HttpExchange, HttpOptions, Settings, SystemClock};
use corsac_ledger::{Ledger, RunStart};
use corsac_program::{Adapter, Context, Lm, Predict, Signature, record};
use futures::stream::{StreamExt, TryStreamExt, iter};

const MODEL: &str = "openai/gpt-4o-mini";
/// Calls before the measurement starts: connections are open, code is warm.
const WARM_UP: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kept, base_url, count, in_flight] = arguments.as_slice() else {
        return Err("usage: predict (disk|memory) BASE_URL COUNT IN_FLIGHT".into());
    };
    let (count, in_flight): (u64, usize) = (count.parse()?, in_flight.parse()?);
    let folder = std::env::temp_dir().join(format!("predict-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let ledger = if kept == "disk" { Ledger::open(&folder.join("ledger.sqlite"))? } else { Ledger::in_memory()? };
        let lm = open(base_url, ledger).await?;
        let predict = Predict::new(Signature::parse("question -> answer")?);
        ask(&lm, &predict, 0..WARM_UP, in_flight).await?;
        let (started, before) = (Instant::now(), processor_time());
        ask(&lm, &predict, WARM_UP..WARM_UP + count, in_flight).await?;
        let took = started.elapsed();
        let spent = processor_time().saturating_sub(before);
        println!(
            "{}",
            serde_json::json!({
                "client": format!("corsac, ledger {kept}"),
                "calls": count,
                "in_flight": in_flight,
                "cpu_us_per_call": (spent.as_secs_f64() * 1e6 / count as f64).round(),
                "own_us_per_call": own_time(&lm, &predict)?,
                "calls_per_s": (count as f64 / took.as_secs_f64()).round(),
            })
        );
        Ok::<(), Box<dyn Error>>(())
    });
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn open(base_url: &str, ledger: Ledger) -> Result<Lm, Box<dyn Error>> {
    let options = HttpOptions {
        base_url: base_url.to_owned(),
        key: Some("sk-or-v1-measured".to_owned().into()),
        app: App::corsac(Vec::new()),
        headers: Vec::new(),
        window: 4_096,
        connect: Duration::from_secs(10),
    };
    let run = ledger.start_run(RunStart {
        started_ms: 1,
        command: "predict".into(),
        query: String::new(),
        settings: serde_json::Value::Null,
        engine: "openrouter".into(),
        model: MODEL.into(),
        pid: std::process::id(),
    })?;
    let exchange = Arc::new(HttpExchange::new(&options)?);
    let catalog = Catalog::fetch(exchange.as_ref(), true, 1).await?;
    let dispatcher = Dispatcher::new(exchange, ledger, Arc::new(SystemClock::new()), Settings::of_models([MODEL]));
    dispatcher.learn_catalog(0, &catalog);
    Ok(Lm::new(Arc::new(dispatcher), run).with_adapter(Adapter::Chat))
}

async fn ask(lm: &Lm, predict: &Predict, numbers: std::ops::Range<u64>, in_flight: usize) -> Result<(), Box<dyn Error>> {
    let calls = numbers.map(|number| async move {
        let prediction = lm.run(predict, &record([("question", format!("What is number {number}?").into())])).await?;
        if prediction.text("answer") == Some("Rome") { Ok(()) } else { Err(format!("{:?}", prediction.outputs).into()) }
    });
    iter(calls).buffer_unordered(in_flight).try_for_each(|()| async { Ok(()) }).await
}

/// Microseconds to write a prompt and read its reply, nothing asked.
fn own_time(lm: &Lm, predict: &Predict) -> Result<f64, Box<dyn Error>> {
    const ROUNDS: u32 = 5_000;
    let cx = Context::new(lm);
    let before = processor_time();
    for number in 0..ROUNDS {
        let prompt = predict.prompt(&cx, &record([("question", format!("What is number {number}?").into())]))?;
        let reply = "[[ ## answer ## ]]\nRome\n\n[[ ## completed ## ]]";
        let outputs = Adapter::Chat.read(predict.signature(), std::hint::black_box(reply))?;
        std::hint::black_box((prompt, outputs));
    }
    Ok((processor_time().saturating_sub(before).as_secs_f64() * 1e7 / f64::from(ROUNDS)).round() / 10.0)
}

/// The processor time of all threads so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
