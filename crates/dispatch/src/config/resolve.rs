//! From names to an order: which models are asked one after another, with which profile, and the settings around them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use corsac_ledger::Durability;

use super::profile::bare_openai_id;
use super::route::{Journey, Way};
use super::tables::{ListEntry, Profile};
use super::{Config, ConfigError, DEFAULT_EMBEDDING_MODEL, DEFAULT_MODEL, DoorOptions, Engine, Span};
use crate::settings::Aliases;
use crate::{Ceilings, Deadlines, Memory, Route, Settings, UnderProfile};

/// Settings, and the doors that their routes name by place. The first door is the first route's.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What a dispatcher is made with.
    pub settings: Settings,
    /// What its exchanges are made with. Never empty.
    pub doors: Vec<DoorOptions>,
    /// The engine of the model asked first, where something names one. Else it is OpenRouter with a key and the embedded
    /// model without.
    pub engine: Option<Engine>,
}

impl Resolved {
    /// The same with everything behind one door of another engine, such as the simulator.
    #[must_use]
    pub fn behind(mut self, engine: Engine) -> Resolved {
        self.doors.truncate(1);
        self.doors.iter_mut().for_each(|door| door.engine = engine);
        self.engine = Some(engine);
        self.settings.change_routes(|route| route.door = 0);
        self
    }
}

impl Config {
    /// The routes and doors of a model, its fallbacks and a profile, each an alias or an id as given by hand; what is not
    /// given comes from the environment, then from the file.
    ///
    /// # Errors
    /// An unknown profile, or an alias that cannot be asked: a key that is nowhere, an engine without an address.
    pub fn resolve(&self, model: Option<&str>, fallbacks: &[String], profile: Option<&str>) -> Result<Resolved, ConfigError> {
        let wanted = profile.or(self.found.profile.as_deref());
        let ways = self.ways(self.first_model(model, wanted));
        let mut journey = Journey::new(self, wanted);
        let routes = self.usual(&mut journey, &ways, fallbacks, wanted)?;
        let engine = match ways.first() {
            Some(Way::Alias(..) | Way::Entry(_)) => journey.doors().first().map(|door| door.engine),
            Some(Way::Id(_)) | None => self.file.engine.as_deref().and_then(Engine::of_name),
        };
        let embeddings = self.embedded(&mut journey, wanted)?;
        let aliases = self.aliased(&mut journey, wanted);
        let mut profiles = BTreeMap::new();
        let of_models = self.file.models.values().flat_map(|model| model.profiles.keys());
        for name in self.file.profiles.keys().chain(of_models) {
            let wanted = Some(name.as_str());
            journey.under(wanted);
            let told = |error: ConfigError| Arc::from(error.to_string());
            let ways = self.ways(self.first_model(model, wanted));
            let under = UnderProfile {
                routes: self.usual(&mut journey, &ways, fallbacks, wanted).map_err(told),
                embeddings: self.embedded(&mut journey, wanted).map_err(told),
                aliases: self.aliased(&mut journey, wanted),
            };
            profiles.entry(name.clone()).or_insert(under);
        }
        let routed = Settings { routes, embeddings, aliases, profiles, ..Settings::default() };
        Ok(Resolved { settings: self.settings_around(routed), doors: journey.into_doors(), engine })
    }

    /// The name of the model asked first.
    fn first_model<'a>(&'a self, given: Option<&'a str>, wanted: Option<&str>) -> &'a str {
        let of_profile = || wanted.or(self.file.default_profile.as_deref()).and_then(|name| self.file.profiles.get(name)?.model.as_deref());
        let listed = || self.file.model_list.first().and_then(ListEntry::name);
        let by_file = || of_profile().or(self.file.model.as_deref()).or_else(listed);
        given.or(self.found.model.as_deref()).or_else(by_file).unwrap_or(DEFAULT_MODEL)
    }

    /// The routes of calls that name no model.
    fn usual<'a>(
        &'a self,
        journey: &mut Journey<'a>,
        ways: &[Way<'a>],
        fallbacks: &'a [String],
        wanted: Option<&str>,
    ) -> Result<Vec<Route>, ConfigError> {
        let chosen = self.profile_of(ways, wanted)?;
        journey.routes(ways, &self.fallbacks_of(fallbacks, chosen, ways), chosen)
    }

    /// The route of the embedding model. Under a profile, its preferences among providers count here too.
    fn embedded<'a>(&'a self, journey: &mut Journey<'a>, wanted: Option<&str>) -> Result<Vec<Route>, ConfigError> {
        let ways = self.ways(self.embedding_model().unwrap_or(DEFAULT_EMBEDDING_MODEL));
        let chosen = self.profile_of(&ways, wanted).or_else(|_| self.profile_of(&ways, None))?;
        let mut routes = journey.routes(&ways, &[], chosen)?;
        let to_openai = |route: &Route| journey.doors().get(route.door).is_some_and(|door| door.engine == Engine::OpenAi);
        if let (None, [route]) = (self.embedding_model(), routes.as_mut_slice())
            && to_openai(route)
        {
            route.model = bare_openai_id(DEFAULT_EMBEDDING_MODEL).into();
        }
        Ok(routes)
    }

    /// What a name leads to: an alias, the entries of the list that share it, or itself as an id.
    pub(super) fn ways<'a>(&'a self, name: &'a str) -> Vec<Way<'a>> {
        if let Some((alias, model)) = self.file.models.get_key_value(name) {
            return vec![Way::Alias(alias, model)];
        }
        let entries = |named: &dyn Fn(&ListEntry) -> bool| -> Vec<Way<'a>> {
            self.file.model_list.iter().filter(|entry| named(entry)).map(Way::Entry).collect()
        };
        let mut ways = entries(&|entry| entry.name() == Some(name));
        if ways.is_empty() {
            ways = entries(&|entry| entry.model() == name);
        }
        if ways.is_empty() { vec![Way::Id(name)] } else { ways }
    }

    /// What is asked when the first model fails: what is given by hand, else in the environment, else in the profile; else
    /// the rest of the list and then the file's fallbacks.
    fn fallbacks_of<'a>(&'a self, given: &'a [String], profile: Option<&'a Profile>, first: &[Way<'a>]) -> Vec<Way<'a>> {
        let filled = |names: &'a [String]| Some(names).filter(|names| !names.is_empty());
        let named = filled(given).or(self.found.fallbacks.as_deref()).or_else(|| profile.and_then(|profile| filled(&profile.models)));
        if let Some(names) = named {
            return names.iter().flat_map(|name| self.ways(name)).collect();
        }
        let asked = |entry: &ListEntry| first.iter().any(|way| matches!(way, Way::Entry(other) if std::ptr::eq(*other, entry)));
        let rest = self.file.model_list.iter().filter(|entry| !asked(entry)).map(Way::Entry);
        rest.chain(self.file.fallbacks.iter().flat_map(|name| self.ways(name))).collect()
    }

    /// The profile of the model asked first: the one wanted, else the alias's default one, else the file's.
    fn profile_of<'a>(&'a self, ways: &[Way<'a>], wanted: Option<&str>) -> Result<Option<&'a Profile>, ConfigError> {
        let model = match ways {
            [Way::Alias(_, model)] => Some(*model),
            _ => None,
        };
        let default = || model.and_then(|model| model.default_profile.as_deref()).or(self.file.default_profile.as_deref());
        let Some(name) = wanted.or_else(default) else { return Ok(None) };
        let found = model.and_then(|model| model.profiles.get(name)).or_else(|| self.file.profiles.get(name));
        found.map(Some).ok_or_else(|| self.no_profile(name, model))
    }

    /// The routes of all names that a call may ask for. A profile that only the first model has is no error here.
    fn aliased<'a>(&'a self, journey: &mut Journey<'a>, wanted: Option<&str>) -> Aliases {
        let mut aliases = Aliases::default();
        for alias in self.aliases() {
            let ways = self.ways(alias);
            let chosen = self.profile_of(&ways, wanted).or_else(|_| self.profile_of(&ways, None));
            let routes = chosen.and_then(|chosen| {
                let fallbacks = chosen.map(|profile| profile.models.as_slice()).unwrap_or_default();
                let fallbacks: Vec<Way<'a>> = fallbacks.iter().flat_map(|name| self.ways(name)).collect();
                journey.routes(&ways, &fallbacks, chosen)
            });
            aliases.routes.insert(alias.to_owned(), routes.map(Into::into).map_err(|error| error.to_string().into()));
        }
        let shared = wanted.or(self.file.default_profile.as_deref()).and_then(|name| self.file.profiles.get(name));
        aliases.by_id = journey.by_id(shared);
        aliases
    }

    /// The settings around the routes. What the first route says is what all say unless they have something of their own.
    fn settings_around(&self, mut routed: Settings) -> Settings {
        let file = &self.file;
        let defaults = Settings::default();
        let or = |given: Option<Span>, default: Duration| given.map_or(default, |span| span.0);
        let deadline = or(file.timeout.or(file.deadlines.request), defaults.deadlines.request);
        let request = routed.routes.first().and_then(|route| route.request.as_deref().cloned()).unwrap_or_default();
        let timeout = routed.routes.first().and_then(|route| route.timeout).unwrap_or(deadline);
        routed.change_routes(|route| {
            route.request = route.request.take().filter(|own| **own != request);
            route.timeout = Some(route.timeout.unwrap_or(deadline)).filter(|own| *own != timeout);
        });
        Settings {
            request,
            deadlines: Deadlines {
                connect: or(file.deadlines.connect, defaults.deadlines.connect),
                first_byte: or(file.deadlines.first_byte, defaults.deadlines.first_byte),
                idle: or(file.deadlines.idle, defaults.deadlines.idle),
                call: or(file.deadlines.call, defaults.deadlines.call),
                request: timeout,
            },
            ceilings: Ceilings { run: self.found.budget.or(file.budget), day: file.day_budget, key: file.key_budget },
            memory: Memory {
                fresh: defaults.memory.fresh,
                max_age: file.memory.max_age.map(|span| span.0),
                namespace: file.memory.namespace.clone().unwrap_or_default(),
                durability: match file.memory.durability.as_deref() {
                    Some("system") => Durability::System,
                    Some(_) => Durability::Disk,
                    None => defaults.memory.durability,
                },
            },
            ..routed
        }
    }
}
