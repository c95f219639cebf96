//! What the measurements beside the peers share: the engine as the command sets it up, and this process's own time and memory.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{App, Catalog, Ceilings, Dispatcher, HttpExchange, HttpOptions, Settings, SystemClock};
use corsac_ledger::{Ledger, RunId, RunStart};
use corsac_wire::Usd;

/// The allocator of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that ends a measurement.
pub(crate) type Wrong = Box<dyn Error + Send + Sync>;

/// The model that is asked for.
pub(crate) const MODEL: &str = "openai/gpt-4o-mini";
/// A key that no service knows.
pub(crate) const KEY: &str = "sk-or-v1-measured";

/// The engine with ceiling, catalog, pacer and memory on, and a run to ask in.
///
/// # Errors
/// The server cannot be reached, or the ledger not be written.
pub(crate) async fn engine(base_url: &str, ledger: Ledger, command: &str) -> Result<(Arc<Dispatcher>, RunId), Wrong> {
    let options = HttpOptions {
        base_url: base_url.to_owned(),
        key: Some(KEY.to_owned().into()),
        app: App::corsac(Vec::new()),
        headers: Vec::new(),
        window: 4_096,
        connect: Duration::from_secs(10),
    };
    let settings = Settings {
        ceilings: Ceilings { run: Some(Usd::from_pico(100_000_000_000_000)), ..Ceilings::default() },
        ..Settings::of_models([MODEL])
    };
    let run = ledger.start_run(RunStart {
        started_ms: 1,
        command: command.into(),
        query: String::new(),
        settings: serde_json::Value::Null,
        engine: "openrouter".into(),
        model: MODEL.into(),
        pid: std::process::id(),
    })?;
    let exchange = Arc::new(HttpExchange::new(&options)?);
    let catalog = Catalog::fetch(exchange.as_ref(), true, 1).await?;
    let dispatcher = Arc::new(Dispatcher::new(exchange, ledger, Arc::new(SystemClock::new()), settings));
    dispatcher.learn_catalog(0, &catalog);
    Ok((dispatcher, run))
}

/// User and system time of all threads of this process so far.
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory this process has held, in megabytes, where the system tells.
pub(crate) fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
}
