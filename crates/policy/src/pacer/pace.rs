//! One request after another at an even distance: a token bucket over given time.

use std::time::Duration;

/// A wait is never longer than this: the pace may have changed by then.
const LONGEST_WAIT: f64 = 60.0;

/// What may start now, at a pace that is named with each question.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    level: f64,
    at: Duration,
}

impl Bucket {
    pub(super) fn new(level: f64, at: Duration) -> Bucket {
        Bucket { level, at }
    }

    /// Takes an amount, or says when there will be enough. Amounts above what the bucket holds wait for a full one and
    /// leave a debt.
    pub(super) fn take(&mut self, now: Duration, amount: f64, per_second: f64, holds: f64) -> Result<(), Duration> {
        let at = self.ready(now, amount, per_second, holds);
        if at > now {
            return Err(at);
        }
        self.level -= amount;
        Ok(())
    }

    /// When there will be enough.
    pub(super) fn ready(&mut self, now: Duration, amount: f64, per_second: f64, holds: f64) -> Duration {
        self.level = (self.level + now.saturating_sub(self.at).as_secs_f64() * per_second).min(holds);
        self.at = self.at.max(now);
        let missing = amount.min(holds) - self.level;
        // a hair too little still counts: the time that was handed out was rounded
        if missing < 1e-6 {
            return now;
        }
        let wait = (missing / per_second.max(1e-9)).clamp(0.0, LONGEST_WAIT);
        now.saturating_add(Duration::try_from_secs_f64(wait).unwrap_or_default()).saturating_add(Duration::from_micros(1))
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&mut self, amount: f64) {
        self.level += amount;
    }
}
