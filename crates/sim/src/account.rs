//! The account: who asks, and everything that is remembered of them. Limits on requests are in `limits`, money is in
//! `spending`, and what keys and credits look like on the wire in `key_routes`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;

use crate::calendar::{DAY_MS, ResetInterval, timestamp};
use crate::config::{KeyConfig, LimitConfig, SimConfig};
use crate::limits::Window;
use crate::money::PicoDollars;
use crate::reply::{SimReply, SimRequest};
use crate::seed::{hash, mix};
use crate::spending::{Activity, Hold, Spent};
use crate::wire_error;

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

/// Keys and counters of the account.
pub(crate) struct Account {
    pub(crate) keys: KeyConfig,
    pub(crate) limits: LimitConfig,
    pub(crate) seed: u64,
    epoch_start_ms: u64,
    pub(crate) state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) by_key: HashMap<String, KeyState>,
    pub(crate) by_model: HashMap<String, Window>,
    pub(crate) free_minute: Window,
    pub(crate) free_day: (u64, u32),
    pub(crate) spent: Spent,
    pub(crate) holds: Vec<Hold>,
    pub(crate) holds_made: u64,
    pub(crate) activity: Activity,
    /// Keys with terms of their own: those of the configuration, then those made by a management key.
    pub(crate) managed: Vec<ManagedKey>,
    pub(crate) keys_made: u64,
    /// Keys that were deleted.
    gone: HashSet<String>,
}

/// What is counted by key.
#[derive(Default)]
pub(crate) struct KeyState {
    pub(crate) window: Window,
    pub(crate) spent: Spent,
    /// What was paid to providers with keys of the caller's own.
    pub(crate) byok: Spent,
    pub(crate) last_used_ms: Option<u64>,
}

/// A key with a name, and terms of its own.
#[derive(Clone)]
pub(crate) struct ManagedKey {
    pub(crate) key: String,
    pub(crate) hash: String,
    pub(crate) terms: KeyTerms,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: Option<u64>,
}

/// What may be said of a key when it is made or changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyTerms {
    pub(crate) name: String,
    pub(crate) disabled: bool,
    pub(crate) limit: Option<PicoDollars>,
    pub(crate) reset: Option<ResetInterval>,
    pub(crate) include_byok: bool,
    pub(crate) expires_ms: Option<u64>,
}

impl Account {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let account = Self {
            keys: config.keys.clone(),
            limits: config.limits.clone(),
            seed: config.seed,
            epoch_start_ms: config.started_at_epoch_s.saturating_mul(1_000),
            state: Mutex::new(State::default()),
        };
        account.reset();
        account
    }

    pub(crate) fn reset(&self) {
        let configured = self.keys.accepted.iter().enumerate().map(|(index, key)| ManagedKey {
            key: key.clone(),
            hash: self.key_hash(key),
            terms: KeyTerms {
                name: format!("key {}", index + 1),
                limit: self.keys.key_limit_dollars,
                reset: self.keys.key_limit_reset,
                ..KeyTerms::default()
            },
            created_ms: self.epoch_start_ms,
            updated_ms: None,
        });
        *self.state.lock() = State { managed: configured.collect(), ..State::default() };
    }

    /// Milliseconds since 1970.
    pub(crate) fn epoch_ms(&self, now: Duration) -> u64 {
        self.epoch_start_ms.saturating_add(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    /// Days since 1970.
    pub(crate) fn day(&self, now: Duration) -> u64 {
        self.epoch_ms(now) / DAY_MS
    }

    /// When an interval ends, as a timestamp.
    pub(crate) fn next_reset(&self, interval: ResetInterval, now: Duration) -> String {
        timestamp(interval.next_day(self.day(now)) * DAY_MS)
    }

    /// Who a request comes from, or the 401.
    pub(crate) fn caller<'r>(&self, request: &'r SimRequest, now: Duration) -> Result<Caller<'r>, Box<SimReply>> {
        let refuse = |message: &str| Err(Box::new(wire_error::plain(401, message)));
        let Some(key) = request.key() else {
            return if self.keys.open {
                Ok(Caller::Anonymous)
            } else if request.header("authorization").is_some() {
                refuse("No auth credentials found")
            } else {
                refuse("Missing Authentication header")
            };
        };
        if self.keys.management.iter().any(|known| known == key) {
            return Ok(Caller::Management(key));
        }
        let state = self.state.lock();
        let known = match state.managed.iter().find(|managed| managed.key == key) {
            Some(managed) => !managed.terms.disabled && managed.terms.expires_ms.is_none_or(|expires_ms| expires_ms > self.epoch_ms(now)),
            None if state.gone.contains(key) => false,
            None => self.keys.open || (self.keys.accepted.is_empty() && key.starts_with(&self.keys.prefix)),
        };
        drop(state);
        if known { Ok(Caller::Inference(key)) } else { refuse("User not found.") }
    }

    /// What a key may spend in which interval.
    pub(crate) fn key_limit(&self, state: &State, key: &str) -> (Option<PicoDollars>, Option<ResetInterval>) {
        match state.managed.iter().find(|managed| managed.key == key) {
            Some(managed) => (managed.terms.limit, managed.terms.reset),
            None => (self.keys.key_limit_dollars, self.keys.key_limit_reset),
        }
    }

    /// Makes a key, and gives it back.
    pub(crate) fn make_key(&self, terms: KeyTerms, now: Duration) -> ManagedKey {
        let mut state = self.state.lock();
        state.keys_made += 1;
        let words = [1, 2, 3, 4].map(|part| format!("{:016x}", mix(self.seed ^ mix(state.keys_made * 8 + part))));
        let key = format!("sk-or-v1-{}", words.concat());
        let made = ManagedKey { hash: self.key_hash(&key), key, terms, created_ms: self.epoch_ms(now), updated_ms: None };
        state.managed.push(made.clone());
        made
    }

    /// Takes a key away; false if there is none with that hash.
    pub(crate) fn delete_key(&self, hash: &str) -> bool {
        let mut state = self.state.lock();
        let Some(place) = state.managed.iter().position(|managed| managed.hash == hash) else {
            return false;
        };
        let gone = state.managed.remove(place);
        state.gone.insert(gone.key);
        true
    }

    /// What stands for a key where the key itself must not stand.
    pub(crate) fn key_hash(&self, key: &str) -> String {
        [1, 2, 3, 4].map(|part| format!("{:016x}", hash(self.seed ^ part, key.as_bytes()))).concat()
    }
}

pub(crate) fn key_state<'s>(state: &'s mut State, key: &str) -> &'s mut KeyState {
    if !state.by_key.contains_key(key) {
        state.by_key.insert(key.to_owned(), KeyState::default());
    }
    state.by_key.entry(key.to_owned()).or_default()
}
