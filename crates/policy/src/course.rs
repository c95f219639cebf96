//! What one call has been through so far, and what it may still try. A step of the remedy moves it on.

use crate::{FaultClass, Step, Strategy};

/// The bounds of a call.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many models may be tried.
    pub models: usize,
    /// How structure is asked for at first.
    pub strategy: Strategy,
    /// The answer's token limit at first.
    pub max_tokens: u32,
    /// The highest it may be raised to.
    pub max_tokens_cap: u32,
    /// The most requests for this call, waits for a rate limit not counted.
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { models: 1, strategy: Strategy::Text, max_tokens: 512, max_tokens_cap: 8_192, attempts: 12 }
    }
}

/// Where a call stands.
#[derive(Debug, Clone)]
pub struct Course {
    /// Which model is asked, by its place in the list.
    pub model: usize,
    /// How structure is asked for now.
    pub strategy: Strategy,
    /// The answer's token limit now.
    pub max_tokens: u32,
    /// Providers left out, by the names they gave themselves.
    pub ignored: Vec<String>,
    /// Whether more providers may be left out: not once that has left nobody.
    pub may_ignore: bool,
    /// Whether the temperature is no longer sent.
    pub without_temperature: bool,
    /// What was wrong with the last answer, to be shown to the model.
    pub correction: Option<String>,
    /// Requests sent.
    pub attempts: u32,
    /// Requests answered with 429.
    pub rate_limited: u32,
    /// Faults in a row at this model, strategy and provider set.
    pub repeats: u32,
    /// Whether the answer was asked for again with its error shown.
    pub corrected: bool,
    /// How often `max_tokens` was changed by a remedy.
    pub resized: u32,
    limits: Limits,
}

impl Course {
    /// The start of a call.
    pub fn new(limits: &Limits) -> Course {
        Course {
            model: 0,
            strategy: limits.strategy,
            max_tokens: limits.max_tokens,
            ignored: Vec::new(),
            may_ignore: true,
            without_temperature: false,
            correction: None,
            attempts: 0,
            rate_limited: 0,
            repeats: 0,
            corrected: false,
            resized: 0,
            limits: limits.clone(),
        }
    }

    /// Counts a request that came back with a fault.
    pub fn count(&mut self, fault: &FaultClass) {
        if fault.is_rate_limit() {
            self.rate_limited += 1;
        } else {
            self.attempts += 1;
            self.repeats += 1;
        }
    }

    /// Whether another model is left.
    pub fn has_next_model(&self) -> bool {
        self.model + 1 < self.limits.models
    }

    /// Whether the bound on requests is reached.
    pub fn is_spent(&self) -> bool {
        self.attempts >= self.limits.attempts
    }

    /// The highest token limit a remedy may set.
    pub fn max_tokens_cap(&self) -> u32 {
        self.limits.max_tokens_cap
    }

    /// Moves on by a step.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Retry { .. } | Step::GiveUp => {}
            Step::IgnoreProvider(provider) => {
                self.ignored.push(provider.clone());
            }
            Step::AllowProviders => {
                self.ignored.clear();
                self.may_ignore = false;
            }
            Step::DropTemperature => self.without_temperature = true,
            Step::NextStrategy(strategy) => {
                self.strategy = *strategy;
                self.correction = None;
                self.repeats = 0;
            }
            Step::MaxTokens(tokens) => {
                self.max_tokens = *tokens;
                self.resized += 1;
            }
            Step::AskAgain(error) => {
                self.correction = Some(error.clone());
                self.corrected = true;
            }
            Step::NextModel => {
                self.model += 1;
                self.strategy = self.limits.strategy;
                self.max_tokens = self.limits.max_tokens;
                self.ignored.clear();
                self.may_ignore = true;
                self.without_temperature = false;
                self.correction = None;
                self.rate_limited = 0;
                self.repeats = 0;
                self.corrected = false;
                self.resized = 0;
            }
        }
    }
}
