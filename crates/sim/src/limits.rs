//! How often may be asked: by key, by the providers of a model, and the quotas of free models.

use std::collections::VecDeque;
use std::time::Duration;

use crate::account::{Account, Caller, key_state};
use crate::calendar::{DAY_MS, http_date};
use crate::config::{LimitHint, WindowKind};
use crate::reply::SimReply;
use crate::wire_error;

const MINUTE_MS: u64 = 60_000;

/// Requests of the current minute.
#[derive(Debug, Default)]
pub(crate) struct Window {
    minute: u64,
    count: u32,
    times_ms: VecDeque<u64>,
}

impl Window {
    /// Counts a request at a time; the error is when the next one fits.
    fn take(&mut self, kind: WindowKind, limit: u32, at_ms: u64) -> Result<(), u64> {
        match kind {
            WindowKind::Fixed => {
                let minute = at_ms / MINUTE_MS;
                if self.minute != minute {
                    (self.minute, self.count) = (minute, 0);
                }
                if self.count >= limit {
                    return Err((minute + 1) * MINUTE_MS);
                }
                self.count += 1;
            }
            WindowKind::Sliding => {
                while self.times_ms.front().is_some_and(|first| first + MINUTE_MS <= at_ms) {
                    self.times_ms.pop_front();
                }
                if self.times_ms.len() >= limit as usize {
                    return Err(self.times_ms.front().map_or(at_ms, |first| first + MINUTE_MS));
                }
                self.times_ms.push_back(at_ms);
            }
        }
        Ok(())
    }
}

impl Account {
    /// Counts an inference request of a key, or says 429.
    pub(crate) fn take_request(&self, caller: Caller<'_>, now: Duration) -> Result<(), Box<SimReply>> {
        let Some(limit) = self.limit_at(now) else {
            return Ok(());
        };
        let at_ms = self.epoch_ms(now);
        let mut state = self.state.lock();
        let taken = key_state(&mut state, caller.name()).window.take(self.limits.window, limit, at_ms);
        drop(state);
        taken.map_err(|reset_ms| Box::new(self.rate_limited(limit, reset_ms, at_ms)))
    }

    fn limit_at(&self, now: Duration) -> Option<u32> {
        let changed = self.limits.schedule.iter().rev().find(|change| change.at_s <= now.as_secs());
        changed.map(|change| change.requests_per_minute).or(self.limits.requests_per_minute)
    }

    /// The platform's 429, as much of it told as configured.
    pub(crate) fn rate_limited(&self, limit: u32, reset_ms: u64, at_ms: u64) -> SimReply {
        let reply = wire_error::plain(429, "Rate limit exceeded");
        let reply = match self.limits.hint {
            LimitHint::Reset | LimitHint::Both => reply
                .with_header("x-ratelimit-limit", limit.to_string())
                .with_header("x-ratelimit-remaining", "0")
                .with_header("x-ratelimit-reset", reset_ms.to_string()),
            LimitHint::None | LimitHint::RetryAfter | LimitHint::Date => reply,
        };
        match self.limits.hint {
            LimitHint::RetryAfter | LimitHint::Both => {
                reply.with_header("retry-after", reset_ms.saturating_sub(at_ms).div_ceil(1_000).to_string())
            }
            LimitHint::Date => reply.with_header("retry-after", http_date(reset_ms.next_multiple_of(1_000))),
            LimitHint::None | LimitHint::Reset => reply,
        }
    }

    /// The platform's 429 for a fault: reset at the next full minute.
    pub(crate) fn rate_limited_now(&self, now: Duration) -> SimReply {
        let at_ms = self.epoch_ms(now);
        self.rate_limited(self.limit_at(now).unwrap_or(60), (at_ms / MINUTE_MS + 1) * MINUTE_MS, at_ms)
    }

    /// Counts a request to the providers of a model; the error is how many seconds to wait.
    pub(crate) fn take_upstream(&self, model: &str, now: Duration) -> Result<(), u64> {
        if self.limits.model_requests_per_minute.is_empty() {
            return Ok(());
        }
        let Some(limit) = self.limits.model_requests_per_minute.get(model).copied() else {
            return Ok(());
        };
        let at_ms = self.epoch_ms(now);
        let mut state = self.state.lock();
        let window = state.by_model.entry(model.to_owned()).or_default();
        let taken = window.take(self.limits.window, limit, at_ms);
        taken.map_err(|reset_ms| reset_ms.saturating_sub(at_ms).div_ceil(1_000))
    }

    /// Counts a request to a `:free` model, or says 429.
    pub(crate) fn take_free(&self, now: Duration) -> Result<(), Box<SimReply>> {
        let at_ms = self.epoch_ms(now);
        let day = self.day(now);
        let mut state = self.state.lock();
        if state.free_day.0 != day {
            state.free_day = (day, 0);
        }
        if state.free_day.1 >= self.limits.free_per_day {
            return Err(Box::new(self.free_per_day(now)));
        }
        let per_minute = self.limits.free_per_minute;
        if let Err(reset_ms) = state.free_minute.take(WindowKind::Fixed, per_minute, at_ms) {
            return Err(Box::new(free_minute_used(per_minute, reset_ms)));
        }
        state.free_day.1 += 1;
        Ok(())
    }

    /// The 429 of the quota of a minute.
    pub(crate) fn free_per_minute(&self, now: Duration) -> SimReply {
        free_minute_used(self.limits.free_per_minute, (self.epoch_ms(now) / MINUTE_MS + 1) * MINUTE_MS)
    }

    /// The 429 of the daily quota.
    pub(crate) fn free_per_day(&self, now: Duration) -> SimReply {
        let limit = self.limits.free_per_day;
        let message = if limit >= 1_000 {
            "Rate limit exceeded: free-models-per-day-high-balance. "
        } else {
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
        };
        let reset_ms = (self.day(now) + 1) * DAY_MS;
        wire_error::free_quota(message, limit, reset_ms, Some("openrouter_free_tier_daily"))
    }
}

fn free_minute_used(limit: u32, reset_ms: u64) -> SimReply {
    wire_error::free_quota("Rate limit exceeded: free-models-per-min. ", limit, reset_ms, None)
}
