//! What all calls of a dispatcher share: routes, what requests say, deadlines, money, memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corsac_ledger::Durability;
use corsac_policy::{Strategy, nearest};
use corsac_wire::catalog::Pricing;
use corsac_wire::{Plugin, ProviderPreferences, Reasoning, Usd};
use serde_json::{Map, Value};

use crate::CallSettings;
use crate::atlas::slug_of;
use crate::config::{DEFAULT_EMBEDDING_MODEL, DEFAULT_MODEL};

/// Settings of a dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where a call goes, then where it goes when that fails, in order. Never empty.
    pub routes: Vec<Route>,
    /// Where a call for an embedding goes, in order. No chat model is ever asked for one.
    pub embeddings: Vec<Route>,
    /// Routes by alias, for calls that name a model of their own.
    pub aliases: Aliases,
    /// Routes by profile, for calls that name a profile of their own.
    pub profiles: BTreeMap<String, UnderProfile>,
    /// What every request says beside its prompt, where its route has nothing of its own.
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
    /// Where endpoints of models are kept from one process to the next.
    pub catalog_folder: Option<PathBuf>,
    /// The start of the sequence that spreads waits.
    pub chance_seed: u64,
    /// Whether spans carry prompts and answers. Keys they never carry.
    pub trace_content: bool,
}

/// A model behind a door, one key at one base URL, with what differs there from the settings all routes share.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The model's id.
    pub model: Arc<str>,
    /// Which of the dispatcher's exchanges leads there, by its place.
    pub door: usize,
    /// What requests say here, in place of [`Settings::request`].
    pub request: Option<Arc<RequestSettings>>,
    /// The most time a request may take here, in place of [`Deadlines::request`].
    pub timeout: Option<Duration>,
    /// Limits of this route that are known beforehand, in place of [`Settings::pace`].
    pub pace: Pace,
}

impl Route {
    /// A model behind the first door.
    pub fn to(model: &str) -> Route {
        Route::through(0, model)
    }

    /// A model behind a door.
    pub fn through(door: usize, model: &str) -> Route {
        Route { model: model.into(), door, request: None, timeout: None, pace: Pace::default() }
    }

    /// Whether this is another way to the same model behind the same door.
    pub fn same_place(&self, other: &Route) -> bool {
        self.door == other.door && self.model == other.model
    }
}

/// What a call may name in place of the model that is asked by default.
#[derive(Debug, Clone)]
pub struct Aliases {
    /// By alias, its routes in order, or why it cannot be asked.
    pub routes: BTreeMap<String, Result<Arc<[Route]>, Arc<str>>>,
    /// The route of a model that is named by its id, but for the model.
    pub by_id: Route,
}

/// What is asked under a profile.
#[derive(Debug, Clone)]
pub struct UnderProfile {
    /// In place of [`Settings::routes`], or why nothing can be asked.
    pub routes: Result<Vec<Route>, Arc<str>>,
    /// In place of [`Settings::embeddings`], or why nothing can be asked.
    pub embeddings: Result<Vec<Route>, Arc<str>>,
    /// In place of [`Settings::aliases`].
    pub aliases: Aliases,
}

impl Aliases {
    /// The routes of a model by its alias or id.
    fn named(&self, model: &str, usual: &[Route]) -> Result<Vec<Route>, Arc<str>> {
        if let Some(named) = self.routes.get(model) {
            return Ok(named.clone()?.to_vec());
        }
        let known = usual.iter().find(|route| &*route.model == model).cloned();
        Ok(vec![known.unwrap_or_else(|| Route { model: model.into(), ..self.by_id.clone() })])
    }

    fn change_routes(&mut self, change: &mut impl FnMut(&mut Route)) {
        change(&mut self.by_id);
        for named in self.routes.values_mut().flatten() {
            let mut routes = named.to_vec();
            routes.iter_mut().for_each(&mut *change);
            *named = routes.into();
        }
    }
}

impl Default for Aliases {
    fn default() -> Aliases {
        Aliases { routes: BTreeMap::new(), by_id: Route::to("") }
    }
}

/// What every request says beside its prompt. What is `None` or empty is not sent.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSettings {
    /// Routing preferences.
    pub provider: ProviderPreferences,
    /// How much the model may reason.
    pub reasoning: Option<Reasoning>,
    /// Sampling temperature where a call names none. Sent unless nobody takes it.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sample among so many tokens.
    pub top_k: Option<u32>,
    /// The least probability, as a share of the likeliest token's.
    pub min_p: Option<f64>,
    /// The same, as a share of the likeliest token's square.
    pub top_a: Option<f64>,
    /// Against tokens by how often they came.
    pub frequency_penalty: Option<f64>,
    /// Against tokens that came at all.
    pub presence_penalty: Option<f64>,
    /// Against tokens of the input.
    pub repetition_penalty: Option<f64>,
    /// Sampling seed.
    pub seed: Option<i64>,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// Bias by token id.
    pub logit_bias: BTreeMap<u32, f64>,
    /// Whether log probabilities are wanted.
    pub logprobs: Option<bool>,
    /// For so many tokens at each place.
    pub top_logprobs: Option<u8>,
    /// How long-winded the answer may be.
    pub verbosity: Option<String>,
    /// The class of service.
    pub service_tier: Option<String>,
    /// What keeps requests together at one provider.
    pub session_id: Option<String>,
    /// The end user's stable name.
    pub user: Option<String>,
    /// What OpenRouter does on the way.
    pub plugins: Vec<Plugin>,
    /// Fields beyond these, as they are sent.
    pub extra: Map<String, Value>,
    /// The answer's token limit where a call names none; else it is taken from the schema.
    pub max_tokens: Option<u32>,
    /// How structure is asked for at first; `None` leaves it to what the endpoints take.
    pub strategy: Option<Strategy>,
    /// Whether a model that, by the catalog, takes neither schemas nor tools fails for structure before anything is sent,
    /// rather than being asked in words.
    pub must_support: bool,
}

impl RequestSettings {
    /// Whether an answer of this provider, by display name or slug, still counts: it is not left out, and it is among the
    /// only ones where some are named. A preference for a part of a provider (`deepinfra/turbo`) leaves the provider in.
    pub fn lets_answer(&self, provider: &str) -> bool {
        let provider = slug_of(provider);
        let base = |slug: &str| slug_of(slug.split('/').next().unwrap_or(slug));
        let left_out = self.provider.ignore.iter().any(|ignored| slug_of(ignored) == provider);
        let only = &self.provider.only;
        !left_out && (only.is_empty() || only.iter().any(|allowed| base(allowed) == base(&provider)))
    }
}

impl Default for RequestSettings {
    fn default() -> RequestSettings {
        RequestSettings {
            provider: ProviderPreferences::default(),
            reasoning: None,
            temperature: Some(0.0),
            top_p: None,
            top_k: None,
            min_p: None,
            top_a: None,
            frequency_penalty: None,
            presence_penalty: None,
            repetition_penalty: None,
            seed: None,
            stop: Vec::new(),
            logit_bias: BTreeMap::new(),
            logprobs: None,
            top_logprobs: None,
            verbosity: None,
            service_tier: None,
            session_id: None,
            user: None,
            plugins: Vec::new(),
            extra: Map::new(),
            max_tokens: None,
            strategy: None,
            must_support: false,
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until a connection stands.
    pub connect: Duration,
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
            connect: Duration::from_secs(10),
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
    /// What an answer outlives once it was given out.
    pub durability: Durability,
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
    /// Where such calls go first, vectors elsewhere than the others.
    pub(crate) fn first_route(&self, settings: &CallSettings, vectors: bool) -> Option<Route> {
        let (model, profile) = (settings.model.as_deref(), settings.profile.as_deref());
        let routes = if vectors { self.embedding_routes_for(model, profile) } else { self.routes_for(model, profile) };
        routes.ok()?.into_iter().next()
    }

    /// Settings for a model and its fallbacks behind one door.
    pub fn of_models<'a>(models: impl IntoIterator<Item = &'a str>) -> Settings {
        Settings { routes: models.into_iter().map(Route::to).collect(), ..Settings::default() }
    }

    /// What requests of a route say.
    pub fn request_of<'a>(&'a self, route: &'a Route) -> &'a RequestSettings {
        route.request.as_deref().unwrap_or(&self.request)
    }

    /// What requests of a call say at a route: the call's own words over the route's.
    pub fn request_for<'a>(&'a self, call: &CallSettings, route: &'a Route) -> Cow<'a, RequestSettings> {
        let usual = self.request_of(route);
        let Some(said) = &call.said else { return Cow::Borrowed(usual) };
        let mut own = usual.clone();
        said.lay_over(&mut own);
        Cow::Owned(own)
    }

    /// The most time a request of a route may take.
    pub fn timeout_of(&self, route: &Route) -> Duration {
        route.timeout.unwrap_or(self.deadlines.request)
    }

    /// The limits of a route that are known beforehand.
    pub fn pace_of(&self, route: &Route) -> Pace {
        Pace {
            requests_per_minute: route.pace.requests_per_minute.or(self.pace.requests_per_minute),
            tokens_per_minute: route.pace.tokens_per_minute.or(self.pace.tokens_per_minute),
        }
    }

    /// Changes every route there is, also those that only calls with a model or a profile of their own take.
    pub fn change_routes(&mut self, mut change: impl FnMut(&mut Route)) {
        self.routes.iter_mut().chain(&mut self.embeddings).for_each(&mut change);
        self.aliases.change_routes(&mut change);
        for under in self.profiles.values_mut() {
            let routes = under.routes.iter_mut().chain(&mut under.embeddings);
            routes.flatten().for_each(&mut change);
            under.aliases.change_routes(&mut change);
        }
    }

    /// Sets the most time any request may take, over what routes have of their own.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.deadlines.request = timeout;
        self.change_routes(|route| route.timeout = None);
    }

    /// The routes of a call, in order: of the model it names, an alias or an id, and then the others; under the profile it
    /// names.
    ///
    /// # Errors
    /// The alias cannot be asked, or there is no such profile: why, for a person.
    pub fn routes_for(&self, model: Option<&str>, profile: Option<&str>) -> Result<Vec<Route>, Arc<str>> {
        let (usual, aliases) = match self.under(profile)? {
            Some(under) => (under.routes.as_ref().map_err(Arc::clone), &under.aliases),
            None => (Ok(&self.routes), &self.aliases),
        };
        let Some(model) = model else { return usual.cloned() };
        // a profile of the model's own is none of the others'
        let usual = usual.unwrap_or(&self.routes);
        let mut routes = aliases.named(model, usual)?;
        for route in usual {
            if !routes.iter().any(|earlier| earlier.same_place(route)) {
                routes.push(route.clone());
            }
        }
        Ok(routes)
    }

    /// The routes of a call for an embedding: those of the model named alone, since vectors of different models have nothing
    /// to do with each other; else those of [`Settings::embeddings`].
    ///
    /// # Errors
    /// The alias cannot be asked, or there is no such profile: why, for a person.
    pub fn embedding_routes_for(&self, model: Option<&str>, profile: Option<&str>) -> Result<Vec<Route>, Arc<str>> {
        let (usual, aliases) = match self.under(profile)? {
            Some(under) => (under.embeddings.as_ref().map_err(Arc::clone)?, &under.aliases),
            None => (&self.embeddings, &self.aliases),
        };
        let Some(model) = model else { return Ok(usual.clone()) };
        let mut routes = aliases.named(model, usual)?;
        routes.truncate(1);
        Ok(routes)
    }

    fn under(&self, profile: Option<&str>) -> Result<Option<&UnderProfile>, Arc<str>> {
        let Some(name) = profile else { return Ok(None) };
        self.profiles.get(name).map(Some).ok_or_else(|| {
            let known = self.profiles.keys().map(String::as_str);
            match (nearest(name, known.clone(), 1).first(), self.profiles.is_empty()) {
                (_, true) => format!("there is no profile {name:?}: corsac.toml defines none").into(),
                (Some(near), _) => format!("there is no profile {name:?}; did you mean {near}?").into(),
                (None, _) => format!("there is no profile {name:?}; there are {}", known.collect::<Vec<_>>().join(", ")).into(),
            }
        })
    }

    /// The alias most like a name that no catalog knows.
    pub fn nearest_alias(&self, name: &str) -> Option<String> {
        nearest(name, self.aliases.routes.keys().map(String::as_str), 1).into_iter().next()
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            routes: vec![Route::to(DEFAULT_MODEL)],
            embeddings: vec![Route::to(DEFAULT_EMBEDDING_MODEL)],
            aliases: Aliases::default(),
            profiles: BTreeMap::new(),
            request: RequestSettings::default(),
            deadlines: Deadlines::default(),
            ceilings: Ceilings::default(),
            memory: Memory::default(),
            pace: Pace::default(),
            prices: HashMap::new(),
            catalog_folder: None,
            chance_seed: 0x5EED,
            trace_content: false,
        }
    }
}
