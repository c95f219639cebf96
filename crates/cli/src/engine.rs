//! From flags and configuration to a dispatcher: who answers, with which key, which models, at what price.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::config::{Config, DEFAULT_BASE_URL, DoorOptions, Engine as Kind, seconds};
use corsac_dispatch::telemetry::TelemetrySettings;
use corsac_dispatch::{App, Catalog, Clock, Dispatcher, Door, Exchange, HttpExchange, HttpOptions, Route, Settings, SystemClock};
use corsac_frame::{Asked, OperatorEstimate};
use corsac_ledger::Ledger;
use corsac_local::weights::{self, EMBEDDING_NAME, Progress, Pulled};
use corsac_local::{EmbeddingModel, EmbeddingOptions, LoadOptions, LocalError, LocalExchange, LocalModel, Places};
use corsac_sim::{SimConfig, SimExchange, Simulator};
use corsac_wire::catalog::Pricing;
use corsac_wire::{Usd, header};
use futures::FutureExt;
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::args::{Asking, EngineChoice};
use crate::exit::{Exit, Stop};
use crate::{home, screen};

/// The most requests under way at once over HTTP.
const HTTP_WINDOW: usize = 4_096;
/// A catalog older than this is fetched anew in the background.
const CATALOG_AGE_MS: i64 = 24 * 60 * 60 * 1_000;

/// Who will answer, decided from flags and configuration alone: nothing is opened yet.
pub(crate) struct Prepared {
    pub(crate) choice: EngineChoice,
    pub(crate) settings: Settings,
    pub(crate) doors: Vec<DoorOptions>,
    pub(crate) config: Config,
    /// Whom calls will ask.
    asked: Vec<Asked>,
    sim_script: Option<PathBuf>,
    /// Catalogs at hand, by door.
    catalogs: Vec<(usize, Arc<Catalog>)>,
    coming: Vec<(usize, JoinHandle<Option<Catalog>>)>,
}

/// An engine that can be asked.
pub(crate) struct Engine {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) name: &'static str,
    pub(crate) model: String,
    /// The catalogs on their way to the disk.
    pub(crate) coming: Option<JoinHandle<()>>,
}

/// Reads the configuration, with what the flags say of the app.
pub(crate) fn configuration(asking: &Asking) -> Result<Config, Stop> {
    let folder = std::env::current_dir()?;
    let config_folder = dirs::config_dir().map(|folder| folder.join("corsac"));
    let environment = |name: &str| std::env::var(name).ok();
    let mut config = Config::load(asking.config.as_deref(), &folder, config_folder.as_deref(), &environment)?;
    let by_default = config.app == App::corsac(config.app.categories.clone());
    if by_default && (asking.app_name.is_some() || asking.app_url.is_some()) {
        // an app of the user's own must not be counted under Corsac's name or address
        (config.app.name, config.app.url) = (None, None);
    }
    config.app.name = asking.app_name.clone().or(config.app.name);
    config.app.url = asking.app_url.clone().or(config.app.url);
    if let Some(model) = &asking.embedding_model {
        config.set_embedding_model(model);
    }
    Ok(config)
}

/// Decides who answers.
pub(crate) fn prepare(asking: &Asking) -> Result<Prepared, Stop> {
    let config = configuration(asking)?;
    let mut resolved = config.resolve(asking.model.as_deref(), &asking.fallbacks, asking.profile.as_deref())?;
    let choice = match (asking.engine, resolved.engine) {
        (Some(choice), _) => choice,
        (None, Some(Kind::Local)) => EngineChoice::Local,
        (None, Some(Kind::Sim)) => EngineChoice::Sim,
        (None, Some(Kind::OpenRouter | Kind::OpenAi)) => EngineChoice::Openrouter,
        (None, None) if config.key.is_some() => EngineChoice::Openrouter,
        // who names a hosted model does not want another's answers
        (None, None) if asking.model.is_some() || !asking.fallbacks.is_empty() => EngineChoice::Openrouter,
        (None, None) => EngineChoice::Local,
    };
    resolved = match choice {
        EngineChoice::Local => {
            let mut local = resolved.behind(Kind::Local);
            if config.embedding_model().is_none() {
                local.settings.embeddings = vec![Route::to(EMBEDDING_NAME)];
            }
            local
        }
        EngineChoice::Sim => resolved.behind(Kind::Sim),
        EngineChoice::Openrouter => resolved,
    };
    let mut settings = resolved.settings;
    if let Some(budget) = &asking.budget {
        let ceiling = Usd::parse(budget.trim_start_matches('$')).map_err(|error| Stop::new(Exit::Usage, format!("--budget: {error}")))?;
        settings.ceilings.run = Some(ceiling);
    }
    if settings.ceilings.run.is_some_and(|ceiling| ceiling < Usd::ZERO) {
        return Err(Stop::new(Exit::Usage, "the budget must not be negative"));
    }
    if let Some(timeout) = asking.timeout {
        let timeout = seconds(timeout).map_err(|error| Stop::new(Exit::Usage, format!("--timeout: {error}")))?;
        settings.set_timeout(timeout);
    }
    settings.memory.fresh = asking.fresh;
    settings.trace_content = TelemetrySettings::wants_content(|name| std::env::var(name).ok());
    settings.catalog_folder = home::folder().ok().map(|folder| folder.join("catalog"));
    Ok(Prepared {
        choice,
        settings,
        doors: resolved.doors,
        asked: vec![Asked { settings: Arc::default(), vectors: false }],
        config,
        sim_script: asking.sim_script.clone(),
        catalogs: Vec::new(),
        coming: Vec::new(),
    })
}

impl Prepared {
    /// Tells whom a query asks. Names that lead nowhere are found here, before anything is opened.
    pub(crate) fn expect(&mut self, asked: Vec<Asked>) -> Result<(), Stop> {
        for one in &asked {
            self.routes_of(one).map_err(|why| Stop::new(Exit::Configuration, why.to_string()))?;
            let hosted = one.settings.model.as_deref().filter(|model| !self.config.aliases().any(|alias| alias == *model));
            if let (EngineChoice::Local, Some(model)) = (self.choice, hosted) {
                return Err(Stop::new(
                    Exit::Configuration,
                    format!(
                        "the query asks {model}, but here the embedded model answers: set OPENROUTER_API_KEY, or leave out model => '{model}'"
                    ),
                ));
            }
        }
        self.asked = asked;
        Ok(())
    }

    /// Where a call goes.
    fn routes_of(&self, asked: &Asked) -> Result<Vec<Route>, Arc<str>> {
        let (model, profile) = (asked.settings.model.as_deref(), asked.settings.profile.as_deref());
        match asked.vectors {
            true => self.settings.embedding_routes_for(model, profile),
            false => self.settings.routes_for(model, profile),
        }
    }

    /// The routes that calls take, each once.
    fn routes_in_use(&self, vectors: bool) -> Vec<Route> {
        let asked = self.asked.iter().filter(|asked| asked.vectors == vectors);
        let mut routes: Vec<Route> = Vec::new();
        for route in asked.filter_map(|asked| self.routes_of(asked).ok()).flatten() {
            if !routes.iter().any(|known| known.same_place(&route)) {
                routes.push(route);
            }
        }
        routes
    }

    fn leads_to(&self, door: usize, vectors: bool) -> bool {
        self.routes_in_use(vectors).iter().any(|route| route.door == door)
    }

    /// Prices of the models asked, and their ids as the catalog has them. Fetches the catalog only where a decision needs it.
    pub(crate) async fn price(&mut self, must_know: bool) -> Result<(), Stop> {
        if self.choice == EngineChoice::Sim {
            let exchange = self.sim_exchange()?;
            let failed = |error: corsac_dispatch::CatalogError| Stop::new(Exit::Failure, error.to_string());
            if self.leads_to(0, true) {
                self.take_embeddings(0, &Catalog::fetch_embeddings(&exchange, 0).await.map_err(failed)?)?;
            }
            let catalog = Catalog::fetch(&exchange, true, 0).await.map_err(failed)?;
            return self.take(0, catalog);
        }
        for door in 0..self.doors.len() {
            if self.doors[door].engine != Kind::OpenRouter {
                continue;
            }
            if self.asked.iter().any(|asked| !asked.vectors) {
                self.price_door(door, must_know).await?;
            }
            if self.leads_to(door, true) {
                self.price_embeddings(door, must_know).await?;
            }
        }
        Ok(())
    }

    /// Embedding models stand in a list of their own. It is fetched where the price must be known, and kept.
    async fn price_embeddings(&mut self, door: usize, must_know: bool) -> Result<(), Stop> {
        let options = self.http_options(door)?;
        let address = options.base_url.trim_end_matches('/').to_owned();
        let file = home::catalog_file(&format!("{address}/embeddings"))?;
        let now_ms = SystemClock::new().epoch_ms();
        let kept = Catalog::kept(&file, &address);
        let is_young = kept.as_ref().is_some_and(|kept| now_ms - kept.fetched_ms <= CATALOG_AGE_MS);
        let known = kept.filter(|_| is_young || !must_know).filter(|kept| self.take_embeddings(door, kept).is_ok());
        if known.is_some() && is_young {
            return Ok(());
        }
        let exchange = HttpExchange::new(&options)?;
        let fetch = async move {
            let catalog = Catalog::fetch_embeddings(&exchange, now_ms).await.ok().filter(|catalog| !catalog.models.is_empty())?;
            // not being able to keep it costs one more fetch next time, nothing else
            let _ = catalog.keep(&file);
            Some(catalog)
        };
        if known.is_none() && must_know {
            return match fetch.await {
                Some(catalog) => self.take_embeddings(door, &catalog),
                None => Ok(()),
            };
        }
        tokio::spawn(fetch);
        Ok(())
    }

    /// Takes in the list of embedding models of a door.
    fn take_embeddings(&mut self, door: usize, catalog: &Catalog) -> Result<(), Stop> {
        self.take_ids(door, true, catalog).map_err(|stop| Stop::new(stop.exit, format!("embedding model: {}", stop.message)))
    }

    /// Models by their ids as they are listed, with their prices.
    fn take_ids(&mut self, door: usize, vectors: bool, catalog: &Catalog) -> Result<(), Stop> {
        let mut ids: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for route in self.routes_in_use(vectors).into_iter().filter(|route| route.door == door) {
            let id = catalog.resolve(&route.model).map_err(|error| Stop::new(Exit::Configuration, error.to_string()))?;
            if let Some(pricing) = catalog.pricing(&id) {
                self.settings.prices.insert(id.as_str().into(), pricing);
            }
            ids.insert(route.model, id.into());
        }
        self.rename(door, &ids);
        Ok(())
    }

    /// Models of a door that people and catalogs call differently.
    fn rename(&mut self, door: usize, ids: &HashMap<Arc<str>, Arc<str>>) {
        self.settings.change_routes(|route| {
            if let Some(id) = ids.get(&route.model).filter(|_| route.door == door) {
                route.model = Arc::clone(id);
            }
        });
        // a model that a call names by an id of its own becomes an alias for the id as it is listed
        let named: Vec<&str> = self.asked.iter().filter_map(|asked| asked.settings.model.as_deref()).collect();
        let Settings { aliases, profiles, .. } = &mut self.settings;
        for aliases in profiles.values_mut().map(|under| &mut under.aliases).chain([aliases]).filter(|aliases| aliases.by_id.door == door) {
            for (name, id) in named.iter().filter_map(|name| Some((*name, ids.get(*name)?))) {
                let by_id = Route { model: Arc::clone(id), ..aliases.by_id.clone() };
                aliases.routes.entry(name.to_owned()).or_insert_with(|| Ok([by_id].into()));
            }
        }
    }

    async fn price_door(&mut self, door: usize, must_know: bool) -> Result<(), Stop> {
        let options = self.http_options(door)?;
        let address = options.base_url.trim_end_matches('/').to_owned();
        let file = home::catalog_file(&address)?;
        let now_ms = SystemClock::new().epoch_ms();
        let kept = Catalog::kept(&file, &address);
        let was_kept = kept.is_some();
        if let Some(kept) = kept {
            let fetched_ms = kept.fetched_ms;
            if self.take(door, kept).is_ok() {
                if now_ms - fetched_ms > CATALOG_AGE_MS {
                    self.refresh_in_background(door, file, now_ms)?;
                }
                return Ok(());
            }
        }
        let mut used = self.routes_in_use(false).into_iter().filter(|route| route.door == door);
        let needs_author = used.any(|route| !route.model.trim_start_matches("openrouter/").contains('/'));
        if !(must_know || needs_author || was_kept) {
            self.strip_prefixes(door);
            return self.refresh_in_background(door, file, now_ms);
        }
        let exchange = HttpExchange::new(&options)?;
        match Catalog::fetch(&exchange, options.key.is_some(), now_ms).await {
            Ok(catalog) => {
                // not being able to keep it costs one more fetch next time, nothing else
                let _ = catalog.keep(&file);
                self.take(door, catalog)
            }
            Err(error) if needs_author => Err(Stop::new(Exit::Failure, format!("{error}; without it, write models as author/name"))),
            Err(_) => {
                self.strip_prefixes(door);
                Ok(())
            }
        }
    }

    fn refresh_in_background(&mut self, door: usize, file: PathBuf, now_ms: i64) -> Result<(), Stop> {
        let options = self.http_options(door)?;
        let exchange = HttpExchange::new(&options)?;
        let with_key = options.key.is_some();
        let coming = tokio::spawn(async move {
            let catalog = Catalog::fetch(&exchange, with_key, now_ms).await.ok()?;
            // not being able to keep it costs one more fetch next time, nothing else
            let _ = catalog.keep(&file);
            Some(catalog)
        });
        self.coming.push((door, coming));
        Ok(())
    }

    /// Takes in the catalog of a door: the ids of its models as they are listed, and their prices.
    fn take(&mut self, door: usize, catalog: Catalog) -> Result<(), Stop> {
        self.take_ids(door, false, &catalog)?;
        self.catalogs.push((door, Arc::new(catalog)));
        Ok(())
    }

    fn strip_prefixes(&mut self, door: usize) {
        let used = self.routes_in_use(false).into_iter().chain(self.routes_in_use(true));
        let bare = |model: &Arc<str>| model.strip_prefix("openrouter/").filter(|bare| bare.contains('/')).map(Arc::from);
        let ids = used.filter(|route| route.door == door).filter_map(|route| Some((Arc::clone(&route.model), bare(&route.model)?)));
        self.rename(door, &ids.collect());
    }

    /// The models that are asked, for people.
    pub(crate) fn models_shown(&self) -> String {
        let mut shown: Vec<String> = Vec::new();
        for routes in self.asked.iter().filter_map(|asked| self.routes_of(asked).ok()) {
            let models = routes.iter().map(|route| route.model.as_ref()).collect::<Vec<&str>>().join(" → ");
            if !shown.contains(&models) {
                shown.push(models);
            }
        }
        shown.join(", ")
    }

    /// The route that an operator's calls take first.
    pub(crate) fn first_route(&self, estimate: &OperatorEstimate) -> Option<Route> {
        let asked = Asked { settings: Arc::clone(&estimate.settings), vectors: estimate.contract.is_embedding() };
        self.routes_of(&asked).ok()?.into_iter().next()
    }

    /// What a model's tokens cost, if it is known.
    pub(crate) fn pricing(&self, model: &str) -> Option<Pricing> {
        self.settings.prices.get(model).copied()
    }

    pub(crate) fn http_options(&self, door: usize) -> Result<HttpOptions, Stop> {
        let options = self.doors[door].http(HTTP_WINDOW);
        if !options.base_url.starts_with("http://") && !options.base_url.starts_with("https://") {
            let origin =
                if options.base_url == self.config.base_url.0 { format!(" (from {})", self.config.base_url.1) } else { String::new() };
            return Err(Stop::new(
                Exit::Configuration,
                format!("the base URL {:?}{origin} must begin with http:// or https://", options.base_url),
            ));
        }
        Ok(options)
    }

    fn sim_exchange(&self) -> Result<SimExchange, Stop> {
        let simulator =
            Simulator::new(sim_config(self.sim_script.as_deref())?).map_err(|error| Stop::new(Exit::Usage, error.to_string()))?;
        let mut headers = Vec::new();
        headers.extend(self.config.app.url.clone().map(|url| (header::REFERER.to_owned(), url)));
        headers.extend(self.config.app.name.clone().map(|name| (header::TITLE.to_owned(), name)));
        Ok(SimExchange::new(simulator, SystemClock::new().epoch_ms(), headers))
    }

    /// Opens what leads to the models.
    pub(crate) async fn open_doors(&mut self) -> Result<Vec<Door>, Stop> {
        let mut doors = Vec::with_capacity(self.doors.len());
        for place in 0..self.doors.len() {
            let engine = self.doors[place].engine;
            let exchange: Arc<dyn Exchange> = match engine {
                Kind::OpenRouter => {
                    // doors that no route leads through need no key until somebody asks for them
                    if self.leads_to(place, false) || self.leads_to(place, true) {
                        self.check_key(place)?;
                    }
                    Arc::new(HttpExchange::new(&self.http_options(place)?)?)
                }
                Kind::OpenAi => Arc::new(HttpExchange::new(&self.http_options(place)?)?.openai_compatible()),
                Kind::Sim => Arc::new(self.sim_exchange()?),
                Kind::Local => Arc::new(self.open_local(place).await?),
            };
            let key_label = engine.is_remote().then(|| self.doors[place].key_label().into());
            doors.push(Door { exchange, key_label });
        }
        Ok(doors)
    }

    async fn open_local(&mut self, place: usize) -> Result<LocalExchange, Stop> {
        let (chat, vectors) = (self.leads_to(place, false), self.leads_to(place, true));
        let opened = tokio::task::spawn_blocking(move || open_local(chat, vectors)).await;
        let local = opened.map_err(|error| Stop::new(Exit::Failure, error.to_string()))??;
        for route in self.settings.embeddings.iter_mut().filter(|route| route.door == place) {
            route.timeout = Some(route.timeout.unwrap_or(self.settings.deadlines.request).max(Duration::from_secs(600)));
        }
        let mut named = false;
        self.settings.routes.retain_mut(|route| {
            if route.door != place {
                return true;
            }
            route.model = local.name().into();
            // one row after another through a small model takes a while; no deadline is missed by waiting in line
            route.timeout = Some(route.timeout.unwrap_or(self.settings.deadlines.request).max(Duration::from_secs(600)));
            !std::mem::replace(&mut named, true)
        });
        Ok(local)
    }

    /// Opens the engine: finds the key, or loads the embedded model, which is fetched first if it is not there.
    pub(crate) async fn open(mut self, ledger: Ledger) -> Result<Engine, Stop> {
        let doors = self.open_doors().await?;
        let routes = [self.routes_in_use(false), self.routes_in_use(true)].concat();
        let first = routes.first().ok_or_else(|| Stop::new(Exit::Configuration, "there is no model to ask"))?;
        let name = doors.get(first.door).map_or("", |door| door.exchange.engine());
        let model = first.model.to_string();
        let dispatcher = Arc::new(Dispatcher::over(doors, ledger, Arc::new(SystemClock::new()), self.settings));
        let (catalogs, coming) = (self.catalogs, self.coming);
        for (door, catalog) in &catalogs {
            dispatcher.learn_catalog(*door, catalog);
        }
        let comes =
            |(door, coming): (usize, JoinHandle<Option<Catalog>>)| dispatcher.expect_catalog(door, coming.map(|fetched| fetched.ok()?));
        let coming: Vec<_> = coming.into_iter().map(comes).collect();
        let coming = (!coming.is_empty()).then(|| tokio::spawn(join_all(coming).map(drop)));
        Ok(Engine { dispatcher, name, model, coming })
    }

    /// Tells a dispatcher what the catalogs at hand say.
    pub(crate) fn teach(&self, dispatcher: &Dispatcher) {
        for (door, catalog) in &self.catalogs {
            dispatcher.learn_catalog(*door, catalog);
        }
    }

    fn check_key(&self, place: usize) -> Result<(), Stop> {
        let door = &self.doors[place];
        if door.key.is_some() || door.base_url.trim_end_matches('/') != DEFAULT_BASE_URL {
            return Ok(());
        }
        Err(Stop::new(
            Exit::Configuration,
            "there is no key for OpenRouter. Set OPENROUTER_API_KEY in the environment or in a .env file (keys are made at \
             https://openrouter.ai/settings/keys), or ask the embedded model with --engine local",
        ))
    }

    /// Where the key was found, for messages. Never the key.
    pub(crate) fn key_origin(&self) -> Option<String> {
        self.config.key.as_ref().map(|(_, origin)| origin.to_string())
    }
}

/// The simulator's configuration out of a script. Unless the script sets a date, its clock is ours: else the times at which
/// limits reset would look wrong.
pub(crate) fn sim_config(script: Option<&Path>) -> Result<SimConfig, Stop> {
    let now_s = SystemClock::new().epoch_ms().unsigned_abs() / 1_000;
    SimConfig::load(script, now_s).map_err(|error| Stop::new(Exit::Usage, error.to_string()))
}

/// The embedded models that calls need.
fn open_local(chat: bool, vectors: bool) -> Result<LocalExchange, Stop> {
    let places = places(chat, vectors)?;
    let chat = if chat { Some(LocalExchange::new(open_chat(&places)?)) } else { None };
    if !vectors {
        // without either, only aliases that nobody asks lead here
        return Ok(chat.unwrap_or_else(|| LocalExchange::embeddings_only(|| Err(LocalError::Stopped))));
    }
    let folder = locate_or_pull_embedding(&places)?;
    let load = move || EmbeddingModel::load(&folder, EmbeddingOptions::default());
    Ok(match chat {
        Some(chat) => chat.with_embeddings(load),
        None => LocalExchange::embeddings_only(load),
    })
}

fn places(for_chat: bool, for_vectors: bool) -> Result<Places, Stop> {
    let places = Places::needed(home::folder().ok().as_deref(), for_chat, for_vectors);
    places.map_err(|error| Stop::new(Exit::Configuration, error.to_string()))
}

fn locate_or_pull_embedding(places: &Places) -> Result<PathBuf, Stop> {
    match places.located_embedding() {
        Some(path) => Ok(path),
        None => {
            screen::note(&format!("The embedded embedding model ({EMBEDDING_NAME}) answers. It is fetched once."));
            pull_embedding(places.cache())
        }
    }
}

fn open_chat(places: &Places) -> Result<LocalModel, Stop> {
    let path = match places.located_chat() {
        Some(path) => path,
        None => {
            screen::note("There is no key (OPENROUTER_API_KEY), so the embedded model answers. It is fetched once.");
            pull(places.cache())?
        }
    };
    LocalModel::load(&path, LoadOptions::default()).map_err(|error| Stop::new(Exit::Failure, error.to_string()))
}

/// Fetches the embedded chat model and shows how far it is.
pub(crate) fn pull(folder: &Path) -> Result<PathBuf, Stop> {
    pulled(|show| weights::pull(folder, show))
}

/// Fetches the embedded embedding model and shows how far it is.
pub(crate) fn pull_embedding(folder: &Path) -> Result<PathBuf, Stop> {
    pulled(|show| weights::pull_embedding(folder, show))
}

fn pulled(pull: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<Pulled, LocalError>) -> Result<PathBuf, Stop> {
    let watched = screen::is_watched();
    let pulled = pull(&mut |progress| match progress {
        Progress::Stage(text) => screen::note(&text),
        Progress::Bytes { done, total } if watched => screen::redraw(&format!("{} of {} MB", done / 1_000_000, total / 1_000_000)),
        Progress::Bytes { .. } => {}
    });
    if watched {
        screen::clear();
    }
    Ok(pulled.map_err(|error| Stop::new(Exit::Failure, error.to_string()))?.path)
}
