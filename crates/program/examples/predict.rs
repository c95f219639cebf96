//! What a prediction costs in this process, engine and ledger on disk included: asks distinct questions of a server that is
//! there already, so many at once, and prints one line of JSON.
//!
//! `predict (disk|system|memory) BASE_URL (calls|evaluate) COUNT IN_FLIGHT`; `system` does not wait for the disk, `memory` has a ledger without
//! a file, which tells what keeping answers costs; `evaluate` measures the program on as many examples. `own_us_per_call` is the part of writing the prompt and
//! reading the reply. `crates/program/dspy/bench` runs it beside DSPy against the same server.
#![expect(clippy::print_stdout, reason = "the measurement is its output")]

#[path = "../../dispatch/examples/measured/mod.rs"]
mod measured;

use std::sync::Arc;
use std::time::Instant;

use corsac_ledger::{Durability, Ledger};
use corsac_program::evaluate::Exact;
use corsac_program::{Adapter, Context, Evaluate, Example, Lm, Predict, Signature, record};
use futures::stream::{StreamExt, TryStreamExt, iter};
use measured::{Wrong, peak_memory_mb, processor_time};

fn main() -> Result<(), Wrong> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kept, base_url, what, count, in_flight] = arguments.as_slice() else {
        return Err("usage: predict (disk|system|memory) BASE_URL (calls|evaluate) COUNT IN_FLIGHT".into());
    };
    let (count, in_flight): (u64, usize) = (count.parse()?, in_flight.parse()?);
    // connections are open and code is warm before the measurement starts
    let warm_up = count / 20;
    let folder = std::env::temp_dir().join(format!("predict-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // one thread, as `corsac eval` has
    let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let ledger = if kept == "memory" { Ledger::in_memory()? } else { Ledger::open(&folder.join("ledger.sqlite"))? };
        let (dispatcher, run) = measured::engine(base_url, ledger.clone(), "predict").await?;
        if kept == "system" {
            ledger.keep(Durability::System)?;
        }
        let lm = Lm::new(dispatcher, run).with_adapter(Adapter::Chat);
        let predict = Arc::new(Predict::new(Signature::parse("question -> answer")?));
        ask(&lm, &predict, 0..warm_up.max(1), in_flight).await?;
        let started = began.elapsed();
        let (begin, before) = (Instant::now(), processor_time());
        match what.as_str() {
            "evaluate" => evaluate(&lm, &predict, warm_up..warm_up + count).await?,
            _ => ask(&lm, &predict, warm_up..warm_up + count, in_flight).await?,
        }
        let took = begin.elapsed();
        let spent = processor_time().saturating_sub(before);
        println!(
            "{}",
            serde_json::json!({
                "client": format!("corsac, ledger {kept}"),
                "what": what,
                "calls": count,
                "in_flight": in_flight,
                "cpu_us_per_call": (spent.as_secs_f64() * 1e6 / count as f64).round(),
                "own_us_per_call": own_time(&lm, &predict)?,
                "calls_per_s": (count as f64 / took.as_secs_f64()).round(),
                "to_first_answer_ms": (started.as_secs_f64() * 1e3).round(),
                "peak_mb": peak_memory_mb(),
            })
        );
        Ok::<(), Wrong>(())
    });
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn question(number: u64) -> corsac_program::Record {
    record([("question", format!("What is number {number}?").into())])
}

async fn ask(lm: &Lm, predict: &Arc<Predict>, numbers: std::ops::Range<u64>, in_flight: usize) -> Result<(), Wrong> {
    let calls = numbers.map(|number| {
        let (lm, predict) = (lm.clone(), Arc::clone(predict));
        async move {
            let prediction = lm.run(&predict, &question(number)).await?;
            if prediction.text("answer") == Some("Rome") { Ok(()) } else { Err(Wrong::from(format!("{:?}", prediction.outputs))) }
        }
    });
    iter(calls).buffer_unordered(in_flight).try_for_each(|()| async { Ok(()) }).await
}

async fn evaluate(lm: &Lm, predict: &Arc<Predict>, numbers: std::ops::Range<u64>) -> Result<(), Wrong> {
    let example = |number| {
        let mut values = question(number);
        values.insert("answer".to_owned(), "Rome".into());
        Example::new(values, ["question"])
    };
    let evaluation = Evaluate::new(numbers.map(example).collect::<Vec<_>>()).run(&Context::new(lm), predict, &Exact::default()).await;
    let right = evaluation.interval(0).map(|interval| interval.mean);
    if right == Some(1.0) { Ok(()) } else { Err(format!("the answers score {right:?}").into()) }
}

/// Microseconds to write a prompt and read its reply, nothing asked.
fn own_time(lm: &Lm, predict: &Predict) -> Result<f64, Wrong> {
    const ROUNDS: u32 = 5_000;
    let cx = Context::new(lm);
    let before = processor_time();
    for number in 0..ROUNDS {
        let prompt = predict.prompt(&cx, &question(number.into()))?;
        let reply = "[[ ## answer ## ]]\nRome\n\n[[ ## completed ## ]]";
        let outputs = Adapter::Chat.read(predict.signature(), std::hint::black_box(reply))?;
        std::hint::black_box((prompt, outputs));
    }
    Ok((processor_time().saturating_sub(before).as_secs_f64() * 1e7 / f64::from(ROUNDS)).round() / 10.0)
}
