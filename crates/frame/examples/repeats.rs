//! Measures the operator alone: many rows with few distinct texts, answered at once, written to Parquet.
//! `cargo run -p corsac-frame --example repeats -- 1000000 1000` prints rows per second and the peak of memory. With `told`
//! behind it every row is told to a ledger on disk, so that the call behind it can be found.

use std::sync::Arc;
use std::time::Instant;

use corsac_dispatch::{Answer, Ask, Call, Outcome, Source};
use corsac_frame::{Format, Session, SessionOptions, Target, write};
use corsac_ledger::{Fingerprint, Ledger, RunId, RunStart};
use corsac_wire::Usd;

#[derive(Debug)]
struct AtOnce {
    told: Option<(Ledger, RunId)>,
}

#[async_trait::async_trait]
impl Ask for AtOnce {
    async fn ask(&self, _call: Call) -> Outcome {
        Ok(Answer {
            value: Arc::new(serde_json::json!({"label": "positive"})),
            model: "at/once".into(),
            provider: None,
            cost: Usd::ZERO,
            attempts: 1,
            source: Source::Asked,
            usage: Default::default(),
        })
    }

    fn window(&self) -> usize {
        512
    }

    fn entry_of(&self, call: &Call) -> Option<Fingerprint> {
        self.told.as_ref().map(|_| Fingerprint::of([call.system.as_bytes(), call.user.as_bytes()]))
    }

    fn note_rows(&self, _run: &RunId, entry: Fingerprint, rows: &[u64]) {
        if let Some((ledger, run)) = &self.told {
            ledger.note_rows(run, entry, rows);
        }
    }
}

fn peak_memory_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let distinct: u64 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let start = RunStart {
        started_ms: 0,
        command: "repeats".into(),
        query: String::new(),
        settings: serde_json::json!({}),
        engine: "at once".into(),
        model: "at/once".into(),
        pid: std::process::id(),
    };
    let folder = std::env::temp_dir();
    let file = folder.join(format!("corsac-repeats-{}.db", std::process::id()));
    let ledger = Ledger::open(&file)?;
    let run = ledger.start_run(start)?;
    let told = (arguments.next().as_deref() == Some("told")).then(|| (ledger.clone(), run.clone()));
    let session = Session::new(Arc::new(AtOnce { told }), run, SessionOptions::default());
    let sql = format!(
        "SELECT value, t, semantic_classify(t, ['positive', 'negative']) AS mood FROM (
             SELECT value, concat('a review of some length, as people write them, number ', value % {distinct}) AS t
             FROM generate_series(1, {rows}))"
    );
    let out = folder.join(format!("corsac-repeats-{}.parquet", std::process::id()));
    let before = Instant::now();
    let stream = session.plan(&sql).await?.stream().await?;
    let written = write(stream, Format::Parquet, Target::File(out.clone())).await?;
    ledger.flush().await?;
    let seconds = before.elapsed().as_secs_f64();
    drop(ledger);
    for left in [out, file.clone(), file.with_extension("db-wal"), file.with_extension("db-shm")] {
        // what is not there needs no removing
        let _ = std::fs::remove_file(left);
    }
    println!(
        "{} rows, {} calls: {seconds:.2} s, {:.0} rows/s, {} bytes, peak memory {} MB",
        written.rows,
        session.progress().calls_finished(),
        written.rows as f64 / seconds,
        written.bytes,
        peak_memory_megabytes().unwrap_or(0)
    );
    Ok(())
}
