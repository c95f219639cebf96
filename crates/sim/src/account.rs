//! Who may ask, how often and for how much: keys, request limits, free quotas, credits and the
//! money in flight.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::config::{KeyConfig, LimitConfig, LimitHint, SimConfig, WindowKind};
use crate::money::PicoDollars;
use crate::reply::{SimReply, SimRequest};
use crate::wire_error;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller<'r> {
    Inference(&'r str),
    Management(&'r str),
    /// No key, and none is needed.
    Anonymous,
}

impl<'r> Caller<'r> {
    pub(crate) fn name(self) -> &'r str {
        match self {
            Caller::Inference(key) | Caller::Management(key) => key,
            Caller::Anonymous => "",
        }
    }
}

/// What a call will cost at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) prompt: PicoDollars,
    pub(crate) completion_price: PicoDollars,
    /// As asked for, else the longest answer of the model.
    pub(crate) max_tokens: u64,
}

impl Estimate {
    fn total(self) -> PicoDollars {
        self.prompt.plus(self.completion_price.times(self.max_tokens))
    }
}

/// Keys and counters of the account.
#[derive(Debug)]
pub(crate) struct Account {
    keys: KeyConfig,
    limits: LimitConfig,
    epoch_start_ms: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_key: HashMap<String, KeyState>,
    by_model: HashMap<String, Window>,
    free_minute: Window,
    free_day: (u64, u32),
    spent: PicoDollars,
    /// When each hold ends, and how much it holds.
    holds: Vec<(Duration, PicoDollars)>,
}

#[derive(Debug, Default)]
struct KeyState {
    window: Window,
    spent: PicoDollars,
}

/// Requests of the current minute.
#[derive(Debug, Default)]
struct Window {
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
    pub(crate) fn new(config: &SimConfig) -> Self {
        Self {
            keys: config.keys.clone(),
            limits: config.limits.clone(),
            epoch_start_ms: config.started_at_epoch_s.saturating_mul(1_000),
            state: Mutex::new(State::default()),
        }
    }

    pub(crate) fn reset(&self) {
        *self.state.lock() = State::default();
    }

    /// Milliseconds since 1970.
    pub(crate) fn epoch_ms(&self, now: Duration) -> u64 {
        self.epoch_start_ms.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    /// Who a request comes from, or the 401.
    pub(crate) fn caller<'r>(&self, request: &'r SimRequest) -> Result<Caller<'r>, Box<SimReply>> {
        let Some(key) = request.key() else {
            return if self.keys.open {
                Ok(Caller::Anonymous)
            } else if request.header("authorization").is_some() {
                Err(Box::new(wire_error::plain(401, "No auth credentials found")))
            } else {
                Err(Box::new(wire_error::plain(401, "Missing Authentication header")))
            };
        };
        if self.keys.management.iter().any(|known| known == key) {
            return Ok(Caller::Management(key));
        }
        let known = self.keys.open
            || if self.keys.accepted.is_empty() {
                key.starts_with(&self.keys.prefix)
            } else {
                self.keys.accepted.iter().any(|accepted| accepted == key)
            };
        if known { Ok(Caller::Inference(key)) } else { Err(Box::new(wire_error::plain(401, "User not found."))) }
    }

    /// Counts an inference request of a key, or says 429.
    pub(crate) fn take_request(&self, caller: Caller<'_>, now: Duration) -> Result<(), Box<SimReply>> {
        let Some(limit) = self.limit_at(now) else {
            return Ok(());
        };
        let at_ms = self.epoch_ms(now);
        let mut state = self.state.lock();
        let taken = key_state(&mut state, caller).window.take(self.limits.window, limit, at_ms);
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
            LimitHint::None | LimitHint::RetryAfter => reply,
        };
        match self.limits.hint {
            LimitHint::RetryAfter | LimitHint::Both => {
                reply.with_header("retry-after", reset_ms.saturating_sub(at_ms).div_ceil(1_000).to_string())
            }
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
        let day = at_ms / DAY_MS;
        let mut state = self.state.lock();
        if state.free_day.0 != day {
            state.free_day = (day, 0);
        }
        if state.free_day.1 >= self.limits.free_per_day {
            return Err(Box::new(self.free_per_day(now)));
        }
        let per_minute = self.limits.free_per_minute;
        if let Err(reset_ms) = state.free_minute.take(WindowKind::Fixed, per_minute, at_ms) {
            let message = "Rate limit exceeded: free-models-per-min. ";
            return Err(Box::new(wire_error::free_quota(message, per_minute, reset_ms, None)));
        }
        state.free_day.1 += 1;
        Ok(())
    }

    /// The 429 of the daily quota.
    pub(crate) fn free_per_day(&self, now: Duration) -> SimReply {
        let limit = self.limits.free_per_day;
        let message = if limit >= 1_000 {
            "Rate limit exceeded: free-models-per-day-high-balance. "
        } else {
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
        };
        let reset_ms = (self.epoch_ms(now) / DAY_MS + 1) * DAY_MS;
        wire_error::free_quota(message, limit, reset_ms, Some("openrouter_free_tier_daily"))
    }

    /// Whether the account affords a call; the money is held until [`Account::settle`] says how long.
    pub(crate) fn afford(&self, caller: Caller<'_>, estimate: Estimate, now: Duration) -> Result<(), Box<SimReply>> {
        if self.keys.credits_dollars.is_none() && self.keys.key_limit_dollars.is_none() && self.limits.in_flight_dollars.is_none() {
            return Ok(());
        }
        let mut state = self.state.lock();
        if let Some(limit) = self.keys.key_limit_dollars
            && key_state(&mut state, caller).spent >= limit
        {
            return Err(Box::new(wire_error::key_limit()));
        }
        if let Some(credits) = self.keys.credits_dollars {
            let balance = credits.minus(state.spent);
            if balance == PicoDollars::default() {
                return Err(Box::new(wire_error::no_credits()));
            }
            if estimate.total() > balance {
                let left = balance.minus(estimate.prompt);
                let affordable = left.0.checked_div(estimate.completion_price.0).unwrap_or(0);
                return Err(Box::new(wire_error::cannot_afford(estimate.max_tokens, affordable)));
            }
        }
        if let Some(budget) = self.limits.in_flight_dollars {
            if estimate.total() > budget {
                return Err(Box::new(wire_error::weight_exceeds_budget()));
            }
            state.holds.retain(|(end, _)| *end > now);
            let held = state.holds.iter().fold(estimate.total(), |sum, (_, amount)| sum.plus(*amount));
            if held > budget {
                let next = state.holds.iter().map(|(end, _)| *end).min().unwrap_or(now);
                let wait_s = next.saturating_sub(now).as_secs_f64().ceil().max(1.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least one, rounded")]
                return Err(Box::new(wire_error::in_flight(wait_s as u64)));
            }
        }
        Ok(())
    }

    /// Books what a call cost, and holds its estimate until it ends.
    pub(crate) fn settle(&self, caller: Caller<'_>, cost: PicoDollars, estimate: Option<(Estimate, Duration)>) {
        let mut state = self.state.lock();
        state.spent = state.spent.plus(cost);
        let key = key_state(&mut state, caller);
        key.spent = key.spent.plus(cost);
        if let Some((estimate, end)) = estimate.filter(|_| self.limits.in_flight_dollars.is_some()) {
            state.holds.push((end, estimate.total()));
        }
    }

    /// `GET /key`.
    pub(crate) fn key_info(&self, caller: Caller<'_>, now: Duration) -> SimReply {
        let key = caller.name();
        let mut state = self.state.lock();
        let spent = key_state(&mut state, caller).spent;
        let used = if state.free_day.0 == self.epoch_ms(now) / DAY_MS { state.free_day.1 } else { 0 };
        drop(state);
        let tail: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
        let limit = self.keys.key_limit_dollars;
        let management = matches!(caller, Caller::Management(_));
        let data = json!({
            "label": format!("sk-or-v1-sim...{tail}"),
            "limit": limit.map(number),
            "limit_reset": null,
            "limit_remaining": limit.map(|limit| number(limit.minus(spent))),
            "include_byok_in_limit": false,
            "usage": number(spent),
            "usage_daily": number(spent),
            "usage_weekly": number(spent),
            "usage_monthly": number(spent),
            "byok_usage": 0,
            "byok_usage_daily": 0,
            "byok_usage_weekly": 0,
            "byok_usage_monthly": 0,
            "is_free_tier": self.limits.free_per_day < 1_000,
            "is_management_key": management,
            "is_provisioning_key": management,
            "expires_at": null,
            "creator_user_id": "user_simulated",
            "organization_id": null,
            "workspace_id": null,
            "allowed_data_regions": ["global"],
            "free_model_daily_requests": {
                "used": used,
                "limit": self.limits.free_per_day,
                "remaining": self.limits.free_per_day.saturating_sub(used),
            },
            "budgets": [],
            "effective_budget": null,
            "rate_limit": {
                "requests": -1,
                "interval": "10s",
                "note": "This field is deprecated and safe to ignore.",
            },
        });
        SimReply::json(200, &json!({ "data": data }))
    }

    /// `GET /credits`.
    pub(crate) fn credits(&self, caller: Caller<'_>) -> SimReply {
        if matches!(caller, Caller::Inference(_)) {
            return wire_error::plain(403, "Only management keys can perform this operation");
        }
        let spent = self.state.lock().spent;
        let total = self.keys.credits_dollars.unwrap_or(PicoDollars(1_000_000_000_000_000));
        SimReply::json(200, &json!({ "data": { "total_credits": number(total), "total_usage": number(spent) } }))
    }
}

fn key_state<'s>(state: &'s mut State, caller: Caller<'_>) -> &'s mut KeyState {
    let name = caller.name();
    if !state.by_key.contains_key(name) {
        state.by_key.insert(name.to_owned(), KeyState::default());
    }
    state.by_key.entry(name.to_owned()).or_default()
}

/// An amount as a JSON number.
fn number(amount: PicoDollars) -> Value {
    amount.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}
