//! One name's route: the door it goes through and what requests say there.

use std::collections::BTreeMap;
use std::sync::Arc;

use corsac_wire::header::{CATEGORIES, REFERER, TITLE, TITLE_LEGACY};

use super::door::{is_openrouter, same_server};
use super::profile::bare_openai_id;
use super::tables::{ListEntry, ModelTable, Profile};
use super::values::{HeaderText, Key};
use super::{Config, ConfigError, DEFAULT_BASE_URL, DoorOptions, Engine, Origin};
use crate::{App, Deadlines, Pace, RequestSettings, Route};

/// What a name leads to.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// A model's id.
    Id(&'a str),
    /// An alias of `[models]`.
    Alias(&'a str, &'a ModelTable),
    /// An entry of `[[model_list]]`.
    Entry(&'a ListEntry),
}

impl ListEntry {
    /// What the entry is called.
    pub(crate) fn name(&self) -> Option<&str> {
        self.model_name.as_deref().or(self.litellm_params.model.as_deref())
    }

    /// The model it leads to, as it is written.
    pub(crate) fn model(&self) -> &str {
        self.litellm_params.model.as_deref().or(self.model_name.as_deref()).unwrap_or_default()
    }
}

/// Makes routes and gathers the doors they go through.
pub(super) struct Journey<'a> {
    config: &'a Config,
    wanted: Option<String>,
    doors: Vec<DoorOptions>,
}

impl<'a> Journey<'a> {
    pub(super) fn new(config: &'a Config, wanted: Option<&str>) -> Journey<'a> {
        Journey { config, wanted: wanted.map(str::to_owned), doors: Vec::new() }
    }

    /// From here on, fallbacks add their own profiles of this name.
    pub(super) fn under(&mut self, wanted: Option<&str>) {
        self.wanted = wanted.map(str::to_owned);
    }

    pub(super) fn doors(&self) -> &[DoorOptions] {
        &self.doors
    }

    pub(super) fn into_doors(self) -> Vec<DoorOptions> {
        self.doors
    }

    /// The routes of the models asked first and of their fallbacks, each place once. `chosen` is the profile of the call.
    pub(super) fn routes(&mut self, first: &[Way<'a>], fallbacks: &[Way<'a>], chosen: Option<&Profile>) -> Result<Vec<Route>, ConfigError> {
        let mut routes: Vec<Route> = Vec::with_capacity(first.len() + fallbacks.len());
        for (place, way) in first.iter().chain(fallbacks).enumerate() {
            let own = match way {
                Way::Alias(_, model) if place >= first.len() => self.own_profile(model)?,
                _ if place < first.len() => chosen,
                _ => None,
            };
            let route = self.route(*way, chosen, own)?;
            if !routes.iter().any(|earlier| earlier.same_place(&route)) {
                routes.push(route);
            }
        }
        Ok(routes)
    }

    /// The route of models that are named by their id, but for the model.
    pub(super) fn by_id(&mut self, profile: Option<&Profile>) -> Route {
        let door = self.door(self.config.main_door());
        let timeout = profile.and_then(|profile| profile.timeout).map(|span| span.0);
        Route { request: Some(Arc::new(request(profile))), timeout, ..Route::through(door, "") }
    }

    /// The profile that a fallback adds: its own of the name that is wanted, else its default one.
    fn own_profile(&self, model: &'a ModelTable) -> Result<Option<&'a Profile>, ConfigError> {
        let of_wanted = self.wanted.as_deref().and_then(|name| model.profiles.get(name));
        let Some(name) = model.default_profile.as_deref().filter(|_| of_wanted.is_none()) else { return Ok(of_wanted) };
        let found = model.profiles.get(name).or_else(|| self.config.file.profiles.get(name));
        found.map(Some).ok_or_else(|| self.config.no_profile(name, Some(model)))
    }

    /// One route. What the model says of itself lies over the call's profile, and a profile of its own over both.
    fn route(&mut self, way: Way<'a>, chosen: Option<&Profile>, own: Option<&Profile>) -> Result<Route, ConfigError> {
        let (model, door, of_model, pace) = match way {
            Way::Id(id) => (id, self.config.main_door(), Profile::default(), Pace::default()),
            Way::Alias(alias, model) => {
                let of_model = Profile {
                    structured_output_strategy: model.structured_output_strategy,
                    structured_output_support: model.structured_output_support,
                    timeout: model.timeout,
                    ..Profile::default()
                };
                let pace = Pace { requests_per_minute: model.requests_per_minute, tokens_per_minute: model.tokens_per_minute };
                let id = model.id.as_deref().unwrap_or(Engine::Local.name());
                (id, self.config.door_of(Own::of_alias(alias, model))?, of_model, pace)
            }
            Way::Entry(entry) => {
                let params = &entry.litellm_params;
                let own = self.config.own_of_entry(entry);
                let to_openai = own.engine == Some(Engine::OpenAi);
                let pace = Pace { requests_per_minute: params.rpm, tokens_per_minute: params.tpm };
                let id = if to_openai { bare_openai_id(entry.model()) } else { entry.model() };
                (id, self.config.door_of(own)?, params.profile(), pace)
            }
        };
        // an entry of the list says all about itself; to an alias, the profile that was picked for it has the last word
        let last = own.filter(|_| !matches!(way, Way::Entry(_)));
        let layers = [chosen, Some(&of_model), last];
        let timeout = layers.iter().rev().flatten().find_map(|profile| profile.timeout).map(|span| span.0);
        let request = Some(Arc::new(request(layers.into_iter().flatten())));
        Ok(Route { model: model.into(), door: self.door(door), request, timeout, pace })
    }

    /// The place of a door, which is added if there is none like it.
    fn door(&mut self, door: DoorOptions) -> usize {
        self.doors.iter().position(|known| known.same_as(&door)).unwrap_or_else(|| {
            self.doors.push(door);
            self.doors.len() - 1
        })
    }
}

/// What requests say under some profiles, each laid over the ones before it.
fn request<'p>(profiles: impl IntoIterator<Item = &'p Profile>) -> RequestSettings {
    let mut request = RequestSettings::default();
    profiles.into_iter().for_each(|profile| profile.lay_over(&mut request));
    request
}

/// What a model says of its door.
struct Own<'a> {
    /// Who says it, for messages.
    place: String,
    engine: Option<Engine>,
    base_url: Option<&'a str>,
    key: Option<&'a Key>,
    key_variable: Option<&'a str>,
    headers: &'a BTreeMap<String, HeaderText>,
}

impl<'a> Own<'a> {
    fn of_alias(alias: &str, model: &'a ModelTable) -> Own<'a> {
        Own {
            place: format!("[models.{alias}]"),
            engine: model.engine.as_deref().and_then(Engine::of_name),
            base_url: model.base_url.as_deref(),
            key: model.api_key.as_ref(),
            key_variable: model.api_key_env.as_deref(),
            headers: &model.headers,
        }
    }
}

impl Config {
    /// The door to what no alias leads elsewhere.
    pub(super) fn main_door(&self) -> DoorOptions {
        let engine = self.file.engine.as_deref().and_then(Engine::of_name).unwrap_or(Engine::OpenRouter);
        let (key, key_origin) = self.key.clone().unzip();
        let headers = self.file.headers.iter().map(|(name, text)| (name.clone(), text.as_str().to_owned())).collect();
        let connect = self.file.deadlines.connect.map_or(Deadlines::default().connect, |span| span.0);
        DoorOptions { engine, base_url: self.base_url.0.clone(), key, key_origin, app: self.app.clone(), headers, connect }
    }

    fn own_of_entry<'a>(&self, entry: &'a ListEntry) -> Own<'a> {
        let params = &entry.litellm_params;
        let base_url = params.api_base.as_deref();
        let elsewhere = base_url.is_some_and(|url| !is_openrouter(url) && !same_server(url, &self.base_url.0));
        let engine = match params.names_openrouter(entry.model()) {
            Some(true) => Some(Engine::OpenRouter),
            Some(false) => Some(Engine::OpenAi),
            None => elsewhere.then_some(Engine::OpenAi),
        };
        Own {
            place: format!("the entry {:?} of model_list", entry.name().unwrap_or_default()),
            engine,
            base_url,
            key: params.api_key.as_ref().filter(|_| params.key_variable().is_none()),
            key_variable: params.key_variable(),
            headers: &params.extra_headers,
        }
    }

    /// The door of a model with an engine, an address, a key or headers of its own.
    fn door_of(&self, own: Own<'_>) -> Result<DoorOptions, ConfigError> {
        let main = self.main_door();
        let engine = own.engine.unwrap_or_else(|| match own.base_url {
            None => main.engine,
            Some(url) if main.engine.is_remote() && same_server(url, &main.base_url) => main.engine,
            Some(url) if is_openrouter(url) => Engine::OpenRouter,
            Some(_) => Engine::OpenAi,
        });
        if !engine.is_remote() {
            return Ok(DoorOptions { engine, base_url: String::new(), key: None, key_origin: None, headers: Vec::new(), ..main });
        }
        let base_url = match own.base_url {
            Some(url) => url.trim().to_owned(),
            None if main.engine == engine => main.base_url.clone(),
            None if engine == Engine::OpenRouter => self.found.openrouter_base_url.clone().unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()),
            None => return Err(self.wrong(format!("{} needs a base_url, since its engine is {engine}", own.place))),
        };
        // the keys and headers of one server are not shown to another
        let at_home = main.engine.is_remote() && same_server(&base_url, &main.base_url);
        let at_openrouter = is_openrouter(&base_url);
        let (key, key_origin) = match (own.key, own.key_variable) {
            (Some(key), _) => (Some(key.secret()), Some(self.path.clone().map_or(Origin::Code, Origin::File))),
            (None, Some(name)) => self.found.keys.get(name).cloned().unzip(),
            (None, None) if at_home => (main.key, main.key_origin),
            (None, None) if at_openrouter => self.found.openrouter_key.clone().unzip(),
            (None, None) => (None, None),
        };
        if let (Some(name), None) = (own.key_variable, &key) {
            return Err(self.wrong(format!("{} takes its key from {name}, but neither the environment nor a .env file has it", own.place)));
        }
        // who the app is may be known to all, and what speaks OpenRouter's API gets all headers
        let for_all = |name: &str| [REFERER, TITLE, TITLE_LEGACY, CATEGORIES].iter().any(|known| known.eq_ignore_ascii_case(name));
        let mut headers = main.headers;
        headers.retain(|(name, _)| at_home || (engine == main.engine && engine == Engine::OpenRouter) || for_all(name));
        for (name, text) in own.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), text.as_str().to_owned()));
        }
        let app = if engine == Engine::OpenRouter || at_home { main.app } else { App::default() };
        Ok(DoorOptions { engine, base_url, key, key_origin, app, headers, connect: main.connect })
    }
}
