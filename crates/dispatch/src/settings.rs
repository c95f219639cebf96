//! What all calls of a dispatcher share: models, routing, sampling, deadlines, money.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corsac_policy::Strategy;
use corsac_wire::catalog::Pricing;
use corsac_wire::{ProviderPreferences, Reasoning, Usd};

/// Settings of a dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The model, then its fallbacks in order. Never empty.
    pub models: Vec<Arc<str>>,
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
    /// How structure is asked for at first.
    pub strategy: Strategy,
    /// The most time one request may take.
    pub request_timeout: Duration,
    /// The most time a call may take over all its requests and waits.
    pub call_deadline: Duration,
    /// The ceiling in dollars for all calls together.
    pub budget: Option<Usd>,
    /// What tokens cost, by model.
    pub prices: HashMap<Arc<str>, Pricing>,
    /// Whether to ask anew although the answer is known.
    pub fresh: bool,
    /// The start of the sequence that spreads waits.
    pub chance_seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            models: vec!["openai/gpt-4o-mini".into()],
            provider: ProviderPreferences::default(),
            reasoning: None,
            temperature: Some(0.0),
            top_p: None,
            seed: None,
            max_tokens: None,
            strategy: Strategy::ResponseFormat,
            request_timeout: Duration::from_secs(120),
            call_deadline: Duration::from_secs(1_800),
            budget: None,
            prices: HashMap::new(),
            fresh: false,
            chance_seed: 0x5EED,
        }
    }
}
