//! Time as a seam: the wall clock for the ledger, and a monotonic one that stands still under tokio's paused time.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A clock.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970.
    fn epoch_ms(&self) -> i64;

    /// Time since the clock was made. Never runs backwards.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock. Its monotonic part is tokio's, so that tests can pause it.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn epoch_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock whose date follows tokio's paused time from a fixed moment.
#[derive(Debug)]
pub struct VirtualClock {
    start: Instant,
    epoch_ms: i64,
}

impl VirtualClock {
    /// A clock that starts now and calls it `epoch_ms`.
    pub fn at(epoch_ms: i64) -> VirtualClock {
        VirtualClock { start: Instant::now(), epoch_ms }
    }
}

impl Clock for VirtualClock {
    fn epoch_ms(&self) -> i64 {
        self.epoch_ms.saturating_add(i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
