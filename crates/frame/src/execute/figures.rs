//! What one call of a plan came to while its query ran: rows, calls, failures, requests, dollars, and how long calls took.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use corsac_dispatch::{Outcome, Source};
use corsac_wire::Usd;

/// What one call of a query came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperatorFigures {
    /// Rows it was given.
    pub rows: u64,
    /// Calls for which a model was asked, whatever came of them.
    pub asked: u64,
    /// Calls whose answer was known from an earlier run.
    pub from_memory: u64,
    /// Rows that took what became of another row's call, here or elsewhere in the query.
    pub shared: u64,
    /// Rows with nothing to ask: NULL, blank, or not within the call's guard.
    pub nothing_to_ask: u64,
    /// Rows that ended without a value although there was something to ask.
    pub failed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests beyond the first of a call.
    pub retried: u64,
    /// What the calls cost.
    pub cost: Usd,
    /// The time within which half of the asked calls ended, waiting for their turn included. `None` where none was asked.
    pub median: Option<Duration>,
    /// The time within which 99 of 100 asked calls ended.
    pub p99: Option<Duration>,
}

/// The figures while they grow; every operator over the same plan adds to them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    figures: OperatorFigures,
    times: Times,
}

impl Figures {
    pub(crate) fn read(&self) -> OperatorFigures {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        OperatorFigures { median: sums.times.within(0.5), p99: sums.times.within(0.99), ..sums.figures }
    }

    /// A row came in.
    pub(super) fn row(&self, has_something_to_ask: bool) {
        self.add(|figures| {
            figures.rows += 1;
            figures.nothing_to_ask += u64::from(!has_something_to_ask);
        });
    }

    /// Rows took what became of another row's call.
    pub(super) fn shared(&self, rows: u64) {
        self.add(|figures| figures.shared += rows);
    }

    /// Rows ended without a value.
    pub(super) fn failed(&self, rows: u64) {
        self.add(|figures| figures.failed += rows);
    }

    /// A call ended.
    pub(super) fn ended(&self, outcome: &Outcome, took: Duration) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = &mut sums.figures;
        let (attempts, cost, source) = match outcome {
            Ok(answer) => (answer.attempts, answer.cost, answer.source),
            // what failed without a request was not asked
            Err(failure) if failure.attempts == 0 => return,
            Err(failure) => (failure.attempts, failure.cost, Source::Asked),
        };
        figures.cost += cost;
        match source {
            Source::Memory => figures.from_memory += 1,
            Source::Shared => figures.shared += 1,
            Source::Asked => {
                figures.asked += 1;
                figures.requests += u64::from(attempts);
                figures.retried += u64::from(attempts.saturating_sub(1));
                sums.times.add(took);
            }
        }
    }

    fn add(&self, change: impl FnOnce(&mut OperatorFigures)) {
        change(&mut self.sums.lock().unwrap_or_else(PoisonError::into_inner).figures);
    }
}

/// Times by their magnitude, eight steps to a doubling, so that a share of them is known to a tenth without keeping each.
#[derive(Debug, Default)]
struct Times {
    counts: Vec<u64>,
    count: u64,
}

const STEPS: f64 = 8.0;

impl Times {
    fn add(&mut self, took: Duration) {
        let microseconds = took.as_micros().max(1) as f64;
        let step = (microseconds.log2() * STEPS).ceil() as usize;
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.count += 1;
    }

    /// The time within which this share of all ended.
    fn within(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        })?;
        Some(Duration::from_micros((step as f64 / STEPS).exp2() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_times_are_known_to_a_tenth() {
        let mut times = Times::default();
        assert_eq!(times.within(0.5), None);
        (1..=1_000).for_each(|milliseconds| times.add(Duration::from_millis(milliseconds)));
        for (share, expected) in [(0.5, 0.500), (0.99, 0.990), (0.001, 0.001), (1.0, 1.0)] {
            let seconds = times.within(share).unwrap().as_secs_f64();
            assert!((expected * 0.999..=expected * 1.1).contains(&seconds), "{share}: {seconds}");
        }
        assert!(times.counts.len() < 200, "{}", times.counts.len());
    }

    #[test]
    fn a_time_of_nothing_is_a_microsecond() {
        let mut times = Times::default();
        times.add(Duration::ZERO);
        assert_eq!(times.within(0.99), Some(Duration::from_micros(1)));
    }
}
