//! Measures the ledger on this machine: calls recorded and answers recalled, per second of the clock and per
//! microsecond of processor time (all threads, the filling of the records included).
//!
//! `cargo run -p corsac-ledger --example throughput -- [FOLDER] [CALLS] [IN_FLIGHT]`
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use corsac_ledger::*;
use corsac_wire::Usd;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let calls: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let in_flight: u64 = arguments.next().map_or(Ok(1_024), |text| text.parse())?;
    let path = folder.join(format!("ledger-throughput-{}.db", std::process::id()));
    let outcome = measure(&path, calls, in_flight);
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        // The log is gone already when the last connection closed in order.
        drop(std::fs::remove_file(name));
    }
    outcome
}

fn measure(path: &std::path::Path, calls: u64, in_flight: u64) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let ledger = Ledger::open(path)?;
    let run = ledger.start_run(RunStart {
        started_ms: 0,
        command: "throughput".into(),
        query: String::new(),
        settings: Default::default(),
        engine: "none".into(),
        model: "none".into(),
        pid: std::process::id(),
    })?;

    let names = Arc::new(Names::new());
    let clock = Clock::start();
    runtime.block_on(record_all(&ledger, &run, &names, 0..calls, in_flight, false))?;
    clock.print("recorded (call + attempt + answer)", calls);

    let clock = Clock::start();
    let mut found = 0u64;
    for row in 0..calls {
        found += u64::from(ledger.recall(fingerprint(row))?.is_some());
    }
    clock.print("recalled, all there", found);

    let clock = Clock::start();
    for row in calls..2 * calls {
        found += u64::from(ledger.recall(fingerprint(row))?.is_some());
    }
    clock.print("recalled, none there", calls);

    let clock = Clock::start();
    runtime.block_on(record_all(&ledger, &run, &names, 2 * calls..3 * calls, in_flight, true))?;
    clock.print("recalled in vain, then recorded", calls);

    let clock = Clock::start();
    for row in 0..calls {
        ledger.note(names.call(&run, row, false));
    }
    runtime.block_on(ledger.flush())?;
    clock.print("noted (from memory)", calls);

    // Rows in batches as an engine sees them, each with one of a thousand values.
    let clock = Clock::start();
    for batch in (0..10 * calls).step_by(8_192) {
        let mut rows = vec![Vec::new(); 1_000];
        for row in batch..(batch + 8_192).min(10 * calls) {
            rows[(row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % 1_000].push(row);
        }
        (0..).zip(&rows).for_each(|(question, rows)| ledger.note_rows(&run, fingerprint(question), rows));
    }
    runtime.block_on(ledger.flush())?;
    clock.print("rows told by number", 10 * calls);

    let clock = Clock::start();
    let looks = 5u64;
    for row in 0..looks {
        assert!(!ledger.calls_of_row(&run, None, row)?.is_empty());
    }
    clock.print("calls of a row", looks);

    let clock = Clock::start();
    runtime.block_on(hold_all(&ledger, calls / 4, in_flight))?;
    clock.print("held and released", calls / 4);

    let clock = Clock::start();
    for _ in 0..1_000 {
        assert!(ledger.measured_output(&names.operator, &names.model, None)?.is_some());
    }
    clock.print("measured sizes read", 1_000);

    let clock = Clock::start();
    let mut seen = 0u64;
    ledger.each_call(&run, CallFilter::All, |_| {
        seen += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    clock.print("listed (with attempts and answer)", seen);

    let summary = ledger.run(run.as_str())?;
    println!("file {} MB, {} calls, {} answered, {}", std::fs::metadata(path)?.len() >> 20, summary.calls, summary.answered, summary.cost);
    assert_eq!(found, calls);
    Ok(())
}

/// Records an answer for each of these rows, so many at a time, each after a look whether it is known if `with_recall`.
async fn record_all(
    ledger: &Ledger,
    run: &RunId,
    names: &Arc<Names>,
    rows: std::ops::Range<u64>,
    in_flight: u64,
    with_recall: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..in_flight {
        let (ledger, run, names, rows) = (ledger.clone(), run.clone(), names.clone(), rows.clone());
        tasks.spawn(async move {
            for row in (rows.start + lane..rows.end).step_by(usize::try_from(in_flight).unwrap_or(1)) {
                if !with_recall || ledger.recall(fingerprint(row))?.is_none() {
                    ledger.record(names.call(&run, row, true)).await?;
                }
            }
            Ok::<_, LedgerError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Sets money aside and gives it back, so often, so many at a time.
async fn hold_all(ledger: &Ledger, count: u64, in_flight: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..in_flight {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            for _ in (lane..count).step_by(usize::try_from(in_flight).unwrap_or(1)) {
                let amount = Usd::from_pico(1);
                let request = HoldRequest {
                    scope: Scope::day(1_790_000_000_000),
                    amount,
                    at_least: amount,
                    ceiling: Usd::from_pico(i64::MAX),
                    now_ms: 1_790_000_000_000,
                    pid: std::process::id(),
                };
                let hold = ledger.hold(request).await?;
                ledger.release(hold.id(), Usd::ZERO).await?;
            }
            Ok::<_, HoldError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Names that an engine would hold once.
struct Names {
    operator: Arc<str>,
    model: Arc<str>,
    provider: Arc<str>,
    strategy: Arc<str>,
}

impl Names {
    fn new() -> Names {
        Names {
            operator: "semantic_classify".into(),
            model: "openai/gpt-4o-mini".into(),
            provider: "OpenAI".into(),
            strategy: "response_format".into(),
        }
    }

    fn call(&self, run: &RunId, row: u64, is_answered: bool) -> CallRecord {
        let cost = Usd::from_pico(14_250_000);
        let usage = Usage { prompt_tokens: 180, completion_tokens: 12, cached_tokens: 128, ..Usage::default() };
        let moment = 1_790_000_000_000 + row as i64;
        let answer = || StoredAnswer {
            body: format!("{{\"section\":\"delivery\",\"mood\":\"bad\",\"number\":{row}}}"),
            model: self.model.clone(),
            provider: Some(self.provider.clone()),
            cost,
            usage,
            created_ms: moment,
            repaired: false,
        };
        let attempt = || AttemptRecord {
            started_ms: moment,
            duration_ms: 640,
            model_asked: self.model.clone(),
            model_served: Some(self.model.clone()),
            provider: Some(self.provider.clone()),
            strategy: self.strategy.clone(),
            http_status: Some(200),
            fault: None,
            message: None,
            remedy: None,
            usage,
            cost,
            cost_source: CostSource::Reported,
            generation_id: Some(format!("gen-1790000000-{row:020}")),
            ..AttemptRecord::default()
        };
        CallRecord {
            run: run.clone(),
            fingerprint: fingerprint(row),
            operator: self.operator.clone(),
            row,
            input: format!(
                "Parcel {row} came four days late, the box was open and nobody answers the telephone. {}",
                "No reply. ".repeat(6)
            ),
            schema: None,
            outcome: if is_answered { CallOutcome::Answered(answer()) } else { CallOutcome::FromMemory },
            attempts: if is_answered { vec![attempt()] } else { Vec::new() },
        }
    }
}

fn fingerprint(row: u64) -> Fingerprint {
    Fingerprint::of([&row.to_le_bytes()[..]])
}

struct Clock {
    start: Instant,
    processor_ticks: u64,
}

impl Clock {
    fn start() -> Clock {
        Clock { start: Instant::now(), processor_ticks: processor_ticks() }
    }

    fn print(self, what: &str, count: u64) {
        let seconds = self.start.elapsed().as_secs_f64();
        let count = count as f64;
        // Linux counts in hundredths of a second here.
        let micros = (processor_ticks() - self.processor_ticks) as f64 * 10_000.0;
        println!("{what:<36} {:>9.0}/s  {:>6.2} µs processor each", count / seconds, micros / count);
    }
}

/// User and system time of this process (fields 14 and 15 of `/proc/self/stat`), 0 where there is no such file.
fn processor_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}
