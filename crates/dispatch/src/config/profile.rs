//! From what a profile says to what requests say.

use corsac_wire::{MaxPrice, ProviderPreferences, Reasoning};

use serde_json::{Map, Value, json};

use super::tables::{ConfigFile, LitellmParams, Profile, ProviderTable};
use super::values::SupportName;
use crate::RequestSettings;

impl Profile {
    /// A profile from JSON; null is one that says nothing.
    ///
    /// # Errors
    /// Unknown names, values of the wrong kind or out of range, settings that exclude each other.
    pub fn from_json(said: &Value) -> Result<Profile, String> {
        const NAME: &str = "this call";
        if said.is_null() || said.as_object().is_some_and(Map::is_empty) {
            return Ok(Profile::default());
        }
        let mut file = ConfigFile::from_json(&json!({"profiles": {NAME: said}}))?;
        Ok(file.profiles.remove(NAME).unwrap_or_default())
    }

    /// Lays this profile over settings: what it says takes the place of what they say. Reasoning, providers and plugins are
    /// taken as wholes, so that an effort never meets a budget from elsewhere.
    pub(crate) fn lay_over(&self, request: &mut RequestSettings) {
        fn put<T: Clone>(target: &mut Option<T>, value: &Option<T>) {
            if value.is_some() {
                target.clone_from(value);
            }
        }
        if self.reasoning_effort.is_some() || self.reasoning_max_tokens.is_some() {
            request.reasoning =
                Some(Reasoning { effort: self.reasoning_effort.clone(), max_tokens: self.reasoning_max_tokens, ..Reasoning::default() });
        }
        put(&mut request.temperature, &self.temperature);
        put(&mut request.top_p, &self.top_p);
        put(&mut request.top_k, &self.top_k);
        put(&mut request.min_p, &self.min_p);
        put(&mut request.top_a, &self.top_a);
        put(&mut request.frequency_penalty, &self.frequency_penalty);
        put(&mut request.presence_penalty, &self.presence_penalty);
        put(&mut request.repetition_penalty, &self.repetition_penalty);
        put(&mut request.seed, &self.seed);
        put(&mut request.logprobs, &self.logprobs);
        put(&mut request.top_logprobs, &self.top_logprobs);
        put(&mut request.max_tokens, &self.max_tokens);
        put(&mut request.verbosity, &self.verbosity);
        put(&mut request.service_tier, &self.service_tier);
        put(&mut request.session_id, &self.session_id);
        put(&mut request.user, &self.user);
        put(&mut request.strategy, &self.structured_output_strategy.map(Into::into));
        if let Some(support) = self.structured_output_support {
            request.must_support = support == SupportName::Required;
        }
        if !self.stop.is_empty() {
            request.stop.clone_from(&self.stop);
        }
        if !self.logit_bias.is_empty() {
            request.logit_bias.clone_from(&self.logit_bias);
        }
        if !self.plugins.is_empty() {
            request.plugins = self.plugins.iter().filter_map(|entry| entry.plugin()).collect();
        }
        for (name, value) in &self.extra_body {
            request.extra.insert(name.clone(), value.clone());
        }
        if let Some(provider) = &self.provider {
            request.provider = provider.preferences();
        }
    }
}

impl ProviderTable {
    /// As it is sent.
    fn preferences(&self) -> ProviderPreferences {
        let priced = self.max_prompt_price.is_some() || self.max_completion_price.is_some();
        let max_price = MaxPrice { prompt: self.max_prompt_price, completion: self.max_completion_price, ..MaxPrice::default() };
        ProviderPreferences {
            order: self.order.clone(),
            only: self.only.clone(),
            ignore: self.ignore.clone(),
            allow_fallbacks: self.allow_fallbacks,
            require_parameters: self.require_parameters,
            data_collection: self.data_collection.clone(),
            zdr: self.zdr,
            enforce_distillable_text: self.enforce_distillable_text,
            quantizations: self.quantizations.clone(),
            sort: self.sort,
            max_price: priced.then_some(max_price),
            preferred_min_throughput: self.preferred_min_throughput,
            preferred_max_latency: self.preferred_max_latency,
            ..ProviderPreferences::default()
        }
    }
}

/// How LiteLLM writes "the variable of this name".
const VARIABLE: &str = "os.environ/";
/// Prefixes by which LiteLLM names servers with OpenAI's API; they are no part of the model's id.
const OPENAI_PREFIXES: [&str; 2] = ["openai/", "hosted_vllm/"];

impl LitellmParams {
    /// The variable that holds the key, if the key is written so.
    pub(crate) fn key_variable(&self) -> Option<&str> {
        self.api_key.as_ref()?.expose().strip_prefix(VARIABLE).map(str::trim)
    }

    /// The profile of this entry, with LiteLLM's own names taken in.
    pub(crate) fn profile(&self) -> Profile {
        let max_tokens = self.profile.max_tokens.or(self.max_completion_tokens);
        Profile { max_tokens, ..self.profile.clone() }
    }

    /// Whether the model is asked as OpenRouter's by its own words: the prefix, or the provider named.
    pub(crate) fn names_openrouter(&self, model: &str) -> Option<bool> {
        match self.custom_llm_provider.as_deref() {
            Some(provider) => Some(provider == "openrouter"),
            None => model.starts_with("openrouter/").then_some(true),
        }
    }
}

/// The model's id at a server with OpenAI's API.
pub(crate) fn bare_openai_id(model: &str) -> &str {
    OPENAI_PREFIXES.iter().find_map(|prefix| model.strip_prefix(prefix)).unwrap_or(model)
}
