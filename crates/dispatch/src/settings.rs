//! What all calls of a dispatcher share: routes, what requests say, deadlines, money, memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corsac_policy::Strategy;
use corsac_wire::catalog::Pricing;
use corsac_wire::{ProviderPreferences, Reasoning, Usd};

/// Settings of a dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a call goes, then where it goes when that fails, in order. Never empty.
    pub routes: Vec<Route>,
    /// What every request says beside its prompt.
    pub request: RequestSettings,
    /// How long to wait for what.
    pub deadlines: Deadlines,
    /// What may be spent.
    pub ceilings: Ceilings,
    /// Which earlier answers count.
    pub memory: Memory,
    /// Limits that are known beforehand.
    pub pace: Pace,
    /// What tokens cost, by model.
    pub prices: HashMap<Arc<str>, Pricing>,
    /// The start of the sequence that spreads waits.
    pub chance_seed: u64,
}

/// A model behind a door: one key at one base URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// The model's id.
    pub model: Arc<str>,
    /// Which of the dispatcher's exchanges leads there, by its place.
    pub door: usize,
}

impl Route {
    /// A model behind the first door.
    pub fn to(model: &str) -> Route {
        Route { model: model.into(), door: 0 }
    }
}

/// What every request says beside its prompt. `None` is not sent.
#[derive(Debug, Clone)]
pub struct RequestSettings {
    /// Routing preferences.
    pub provider: ProviderPreferences,
    /// How much the model may reason.
    pub reasoning: Option<Reasoning>,
    /// Sampling temperature where a call names none. Sent unless nobody takes it.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling seed.
    pub seed: Option<i64>,
    /// The answer's token limit where a call names none; else it is taken from the schema.
    pub max_tokens: Option<u32>,
    /// How structure is asked for at first; `None` leaves it to what the endpoints take.
    pub strategy: Option<Strategy>,
}

impl Default for RequestSettings {
    fn default() -> RequestSettings {
        RequestSettings {
            provider: ProviderPreferences::default(),
            reasoning: None,
            temperature: Some(0.0),
            top_p: None,
            seed: None,
            max_tokens: None,
            strategy: None,
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// The whole of one request.
    pub request: Duration,
    /// Until the head of a reply.
    pub first_byte: Duration,
    /// Between two data events of a stream; comments do not count.
    pub idle: Duration,
    /// A call over all its requests and waits.
    pub call: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines {
            request: Duration::from_secs(120),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            call: Duration::from_secs(1_800),
        }
    }
}

/// What may be spent. `None` sets no ceiling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// By this dispatcher.
    pub run: Option<Usd>,
    /// In one UTC day, by everybody who shares the ledger.
    pub day: Option<Usd>,
    /// With one key in one UTC day, by everybody who shares the ledger.
    pub key: Option<Usd>,
}

/// Which earlier answers count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Ask anew although the answer is known.
    pub fresh: bool,
    /// Answers older than this do not count.
    pub max_age: Option<Duration>,
    /// Answers count only within one namespace; empty is the common one.
    pub namespace: String,
}

/// Limits that are known beforehand, for each route.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Requests a minute.
    pub requests_per_minute: Option<f64>,
    /// Tokens a minute, in and out.
    pub tokens_per_minute: Option<f64>,
}

impl Settings {
    /// Settings for a model and its fallbacks behind one door.
    pub fn of_models<'a>(models: impl IntoIterator<Item = &'a str>) -> Settings {
        Settings { routes: models.into_iter().map(Route::to).collect(), ..Settings::default() }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            routes: vec![Route::to("openai/gpt-4o-mini")],
            request: RequestSettings::default(),
            deadlines: Deadlines::default(),
            ceilings: Ceilings::default(),
            memory: Memory::default(),
            pace: Pace::default(),
            prices: HashMap::new(),
            chance_seed: 0x5EED,
        }
    }
}
