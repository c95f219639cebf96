//! Limits that the user knows: kept from the first request on, evenly, and never exceeded.

use std::time::Duration;

use super::minute::{MINUTE, Minute};
use super::pace::Bucket;

/// Limits of one scope, a minute. `None`, and what is not a positive number, is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PaceLimits {
    /// Requests a minute.
    pub requests_per_minute: Option<f64>,
    /// Tokens a minute, in and out.
    pub tokens_per_minute: Option<f64>,
}

/// A tenth of a minute's worth may start at once: small jobs do not wait, and a server that counts over less than a
/// minute is not overrun.
const BURST_SHARE: f64 = 0.1;

#[derive(Debug, Clone)]
pub(super) struct Known {
    requests: Option<(f64, Bucket)>,
    tokens: Option<(f64, Bucket)>,
}

impl Known {
    pub(super) fn new(limits: PaceLimits) -> Known {
        let limit = |per_minute: Option<f64>| {
            let per_minute = per_minute.filter(|limit| limit.is_finite() && *limit > 0.0)?;
            Some((per_minute, Bucket::new(holds(per_minute), Duration::ZERO)))
        };
        Known { requests: limit(limits.requests_per_minute), tokens: limit(limits.tokens_per_minute) }
    }

    /// When a request of so many tokens may start; a request with more tokens than a minute lets through starts when
    /// nothing else is counted.
    pub(super) fn ready(&mut self, now: Duration, tokens: u64, minute: &Minute) -> Duration {
        let mut at = now;
        if let Some((limit, bucket)) = &mut self.requests {
            let most = (*limit as u64).max(1);
            if minute.requests() >= most {
                at = at.max(minute.requests_at_most(most - 1));
            }
            at = at.max(bucket.ready(now, 1.0, per_second(*limit), holds(*limit)));
        }
        if let Some((limit, bucket)) = &mut self.tokens {
            let left = (*limit as u64).saturating_sub(tokens);
            if minute.tokens() > left {
                at = at.max(minute.tokens_at_most(left));
            }
            at = at.max(bucket.ready(now, tokens as f64, per_second(*limit), holds(*limit)));
        }
        at
    }

    /// A request starts that was found ready.
    pub(super) fn take(&mut self, now: Duration, tokens: u64) {
        if let Some((limit, bucket)) = &mut self.requests {
            let _ = bucket.take(now, 1.0, per_second(*limit), holds(*limit));
        }
        if let Some((limit, bucket)) = &mut self.tokens {
            let _ = bucket.take(now, tokens as f64, per_second(*limit), holds(*limit));
        }
    }

    /// A request used fewer tokens than it took, or more.
    pub(super) fn used(&mut self, estimated: u64, used: u64) {
        if let Some((_, bucket)) = &mut self.tokens {
            bucket.give_back(estimated as f64 - used as f64);
        }
    }

    /// A request never left.
    pub(super) fn unsent(&mut self, tokens: u64) {
        if let Some((_, bucket)) = &mut self.requests {
            bucket.give_back(1.0);
        }
        self.used(tokens, 0);
    }
}

fn per_second(per_minute: f64) -> f64 {
    per_minute / MINUTE.as_secs_f64()
}

fn holds(per_minute: f64) -> f64 {
    (per_minute * BURST_SHARE).max(1.0)
}
