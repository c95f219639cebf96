//! The whole engine under virtual time against trouble drawn from seeds. Whatever the service does: every call ends, no
//! ceiling is passed, no answer is paid twice, requests are bounded, the books agree; and the same seed runs the same way.
//!
//! `CORSAC_SEEDS=5000` runs more of them, `CORSAC_SEED=17` runs one and prints what it went through.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{Ask, Ceilings, Deadlines, Dispatcher, Outcome, Settings, VirtualClock};
use corsac_ledger::{CallFilter, CallView, Ledger, RunId, RunStart};
use corsac_policy::Limits;
use corsac_sim::{Seen, SimConfig, SimExchange, Simulator};
use corsac_wire::Usd;
use futures::future::join_all;

use crate::world::{FALLBACK, PRIMARY, START_MS, classification};

/// Calls of one seed, every fourth a repetition of another.
const CALLS: u64 = 48;
/// Whatever happens, a run is over by then.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);

fn replay(seed: u64) -> String {
    format!("replay with: CORSAC_SEED={seed} cargo test -p corsac-dispatch --test it seeds -- --nocapture")
}

/// What one seed came to.
struct Trace {
    outcomes: Vec<String>,
    calls: Vec<CallView>,
    seen: Seen,
    spent: Usd,
    ceiling: Option<Usd>,
    took: Duration,
}

fn run(seed: u64) -> Trace {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let simulator = Simulator::new(SimConfig::random(seed)).unwrap();
        let exchange = SimExchange::new(simulator.clone(), START_MS, vec![("X-OpenRouter-Title".into(), "Seeds".into())]);
        let ledger = Ledger::in_memory().unwrap();
        let run = begin(&ledger);
        let ceiling = seed.is_multiple_of(3).then(|| Usd::from_pico(100_000_000 * (1 + i64::try_from(seed % 17).unwrap())));
        let models: &[&str] = if seed.is_multiple_of(4) { &[PRIMARY] } else { &[PRIMARY, FALLBACK] };
        let settings = Settings {
            ceilings: Ceilings { run: ceiling, ..Ceilings::default() },
            deadlines: Deadlines { request: Duration::from_secs(60), call: Duration::from_secs(3_600), ..Deadlines::default() },
            chance_seed: seed,
            ..Settings::of_models(models.iter().copied())
        };
        let clock = Arc::new(VirtualClock::at(START_MS));
        let dispatcher = Arc::new(Dispatcher::new(Arc::new(exchange), ledger.clone(), clock, settings));
        let calm = SimExchange::new(Simulator::new(SimConfig::default()).unwrap(), START_MS, Vec::new());
        let catalog = corsac_dispatch::Catalog::fetch(&calm, true, START_MS).await.unwrap();
        dispatcher.learn_catalog(0, &catalog);
        let start = tokio::time::Instant::now();
        let asked = (0..CALLS).map(|row| {
            let text = format!("text number {}", if row % 4 == 3 { row - 3 } else { row });
            let call = classification(&run, row, &text);
            let dispatcher = Arc::clone(&dispatcher);
            async move { dispatcher.ask(call).await }
        });
        let outcomes: Vec<Outcome> = tokio::time::timeout(LONGEST, join_all(asked))
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: some call has not ended after {LONGEST:?}; {}", replay(seed)));
        let took = start.elapsed();
        ledger.flush().await.unwrap();
        let words = |outcome: &Outcome| match outcome {
            Ok(answer) => format!("{} by {:?}", answer.value, answer.provider),
            Err(failure) => format!("{}: {}", failure.kind, failure.message),
        };
        Trace {
            outcomes: outcomes.iter().map(words).collect(),
            calls: ledger.calls(&run, CallFilter::All, None, 10_000).unwrap(),
            seen: simulator.seen(),
            spent: dispatcher.tally().summary().cost,
            ceiling,
            took,
        }
    })
}

fn begin(ledger: &Ledger) -> RunId {
    ledger
        .start_run(RunStart {
            started_ms: START_MS,
            command: "seeds".into(),
            query: String::new(),
            settings: serde_json::Value::Null,
            engine: "sim".into(),
            model: PRIMARY.into(),
            pid: 1,
        })
        .unwrap()
}

/// What must hold of every seed.
fn check(seed: u64, trace: &Trace) {
    let blame = |what: String| format!("seed {seed}: {what}; {}", replay(seed));
    assert_eq!(trace.outcomes.len() as u64, CALLS, "{}", blame("a call was lost".into()));
    if let Some(ceiling) = trace.ceiling {
        assert!(trace.spent <= ceiling, "{}", blame(format!("{} spent of {ceiling}", trace.spent)));
    }
    let recorded: Usd = trace.calls.iter().map(|call| call.cost()).sum();
    assert_eq!(recorded, trace.spent, "{}", blame("the ledger and the tally disagree".into()));
    assert_eq!(trace.seen.repeated_answers, 0, "{}", blame("an answer was paid twice".into()));
    let most = Limits { routes: vec![Default::default(); 2], ..Limits::default() }.most_requests();
    for call in &trace.calls {
        let attempts = u32::try_from(call.attempts.len()).unwrap();
        assert!(attempts <= most, "{}", blame(format!("{attempts} requests for one call")));
        for attempt in &call.attempts {
            let explained = attempt.fault.is_none() || attempt.remedy.as_deref().is_some_and(|remedy| remedy.contains(": "));
            assert!(explained, "{}", blame(format!("no reason: {attempt:?}")));
        }
    }
}

/// What two runs of a seed share.
fn shape(trace: &Trace) -> (Vec<String>, BTreeSet<String>, Duration) {
    let calls = trace.calls.iter().map(|call| {
        let steps: Vec<String> = call.attempts.iter().map(|attempt| format!("{:?} {:?}", attempt.fault, attempt.remedy)).collect();
        format!("{} {} {steps:?}", call.row, call.cost())
    });
    (trace.outcomes.clone(), calls.collect(), trace.took)
}

fn asked_for(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.trim().parse().ok()
}

#[test]
fn whatever_the_service_does() {
    if let Some(seed) = asked_for("CORSAC_SEED") {
        let trace = run(seed);
        println!("{:#?}", SimConfig::random(seed));
        for (row, outcome) in trace.outcomes.iter().enumerate() {
            println!("{row:>3}  {outcome}");
        }
        for call in &trace.calls {
            for attempt in &call.attempts {
                println!("{:>3}  {} {:?} {:?} {:?}", call.row, attempt.model_asked, attempt.http_status, attempt.fault, attempt.remedy);
            }
        }
        println!("{} spent of {:?} in {:?}", trace.spent, trace.ceiling, trace.took);
        check(seed, &trace);
        return;
    }
    let seeds = asked_for("CORSAC_SEEDS").unwrap_or(500);
    let (mut answered, mut asked) = (0, 0);
    for seed in 0..seeds {
        let trace = run(seed);
        check(seed, &trace);
        answered += trace.outcomes.iter().filter(|words| words.starts_with('"') || words.starts_with('{')).count();
        asked += trace.outcomes.len();
        if seed % 10 == 0 {
            assert!(shape(&run(seed)) == shape(&trace), "seed {seed} ran another way the second time; {}", replay(seed));
        }
    }
    println!("{answered} of {asked} calls answered over {seeds} seeds");
    assert!(answered * 2 > asked, "{answered} of {asked}");
}
