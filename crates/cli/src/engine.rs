//! From flags and configuration to a dispatcher: who answers, with which key, which models, at what price.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::config::{Config, DEFAULT_BASE_URL, Origin, seconds};
use corsac_dispatch::{App, Catalog, Clock, Dispatcher, Exchange, HttpExchange, HttpOptions, Route, Settings, SystemClock};
use corsac_ledger::Ledger;
use corsac_local::weights::{self, Progress};
use corsac_local::{LoadOptions, LocalExchange, LocalModel};
use corsac_sim::{SimConfig, SimExchange, Simulator};
use corsac_wire::catalog::Pricing;
use corsac_wire::{Usd, header};

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
    config: Config,
    sim_script: Option<PathBuf>,
    coming: Option<JoinHandle<Option<Catalog>>>,
}

/// An engine that can be asked.
pub(crate) struct Engine {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) name: &'static str,
    pub(crate) model: String,
    /// The catalog on its way to the disk.
    pub(crate) coming: Option<JoinHandle<()>>,
}

/// Decides who answers.
pub(crate) fn prepare(asking: &Asking) -> Result<Prepared, Stop> {
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
    let mut settings = config.settings(asking.profile.as_deref())?;
    if let Some(model) = &asking.model {
        settings.routes[0].model = model.as_str().into();
    }
    if !asking.fallbacks.is_empty() {
        settings.routes.truncate(1);
        settings.routes.extend(asking.fallbacks.iter().map(|model| Route::to(model)));
    }
    if let Some(budget) = &asking.budget {
        let ceiling = Usd::parse(budget.trim_start_matches('$')).map_err(|error| Stop::new(Exit::Usage, format!("--budget: {error}")))?;
        settings.ceilings.run = Some(ceiling);
    }
    if settings.ceilings.run.is_some_and(|ceiling| ceiling < Usd::ZERO) {
        return Err(Stop::new(Exit::Usage, "the budget must not be negative"));
    }
    if let Some(timeout) = asking.timeout {
        settings.deadlines.request = seconds(timeout).map_err(|error| Stop::new(Exit::Usage, format!("--timeout: {error}")))?;
    }
    settings.memory.fresh = asking.fresh;
    let choice = match (asking.engine, config.file.engine.as_deref()) {
        (Some(choice), _) => choice,
        (None, Some("openrouter")) => EngineChoice::Openrouter,
        (None, Some("local")) => EngineChoice::Local,
        (None, Some("sim")) => EngineChoice::Sim,
        (None, Some(other)) => {
            return Err(Stop::new(Exit::Configuration, format!("engine is {other:?}, but must be openrouter, local or sim")));
        }
        (None, None) if config.key.is_some() => EngineChoice::Openrouter,
        // who names a hosted model does not want another's answers
        (None, None) if asking.model.is_some() || !asking.fallbacks.is_empty() => EngineChoice::Openrouter,
        (None, None) => EngineChoice::Local,
    };
    Ok(Prepared { choice, settings, config, sim_script: asking.sim_script.clone(), coming: None })
}

impl Prepared {
    /// Prices of the models asked, and their ids as the catalog has them. Fetches the catalog only where a decision needs it.
    pub(crate) async fn price(&mut self, must_know: bool) -> Result<(), Stop> {
        match self.choice {
            EngineChoice::Local => Ok(()),
            EngineChoice::Sim => {
                let exchange = self.sim_exchange()?;
                let catalog = Catalog::fetch(&exchange, true, 0).await.map_err(|error| Stop::new(Exit::Failure, error.to_string()))?;
                self.resolve(&catalog)
            }
            EngineChoice::Openrouter => self.price_openrouter(must_know).await,
        }
    }

    async fn price_openrouter(&mut self, must_know: bool) -> Result<(), Stop> {
        let file = home::catalog_file()?;
        let address = self.http_options()?.base_url.trim_end_matches('/').to_owned();
        let now_ms = SystemClock::new().epoch_ms();
        if let Some(kept) = Catalog::kept(&file, &address)
            && self.resolve(&kept).is_ok()
        {
            if now_ms - kept.fetched_ms > CATALOG_AGE_MS {
                self.refresh_in_background(file, now_ms)?;
            }
            return Ok(());
        }
        let needs_author = self.settings.routes.iter().any(|route| !route.model.trim_start_matches("openrouter/").contains('/'));
        let was_kept = Catalog::kept(&file, &address).is_some();
        if !(must_know || needs_author || was_kept) {
            self.strip_prefixes();
            return self.refresh_in_background(file, now_ms);
        }
        let exchange = HttpExchange::new(&self.http_options()?)?;
        match Catalog::fetch(&exchange, self.config.key.is_some(), now_ms).await {
            Ok(catalog) => {
                // not being able to keep it costs one more fetch next time, nothing else
                let _ = catalog.keep(&file);
                self.resolve(&catalog)
            }
            Err(error) if needs_author => Err(Stop::new(Exit::Failure, format!("{error}; without it, write models as author/name"))),
            Err(_) => {
                self.strip_prefixes();
                Ok(())
            }
        }
    }

    fn refresh_in_background(&mut self, file: PathBuf, now_ms: i64) -> Result<(), Stop> {
        let exchange = HttpExchange::new(&self.http_options()?)?;
        let with_key = self.config.key.is_some();
        self.coming = Some(tokio::spawn(async move {
            let catalog = Catalog::fetch(&exchange, with_key, now_ms).await.ok()?;
            // not being able to keep it costs one more fetch next time, nothing else
            let _ = catalog.keep(&file);
            Some(catalog)
        }));
        Ok(())
    }

    fn resolve(&mut self, catalog: &Catalog) -> Result<(), Stop> {
        for Route { model, .. } in &mut self.settings.routes {
            let id = catalog.resolve(model).map_err(|error| Stop::new(Exit::Configuration, error.to_string()))?;
            if let Some(pricing) = catalog.pricing(&id) {
                self.settings.prices.insert(id.as_str().into(), pricing);
            }
            *model = id.into();
        }
        Ok(())
    }

    fn strip_prefixes(&mut self) {
        for Route { model, .. } in &mut self.settings.routes {
            if let Some(bare) = model.strip_prefix("openrouter/").filter(|bare| bare.contains('/')) {
                *model = bare.into();
            }
        }
    }

    /// What the first model's tokens cost, if it is known.
    pub(crate) fn pricing(&self) -> Option<Pricing> {
        self.settings.prices.get(&self.settings.routes[0].model).copied()
    }

    fn http_options(&self) -> Result<HttpOptions, Stop> {
        let (base_url, origin) = &self.config.base_url;
        if !base_url.starts_with("http://") && !base_url.starts_with("https://") {
            return Err(Stop::new(
                Exit::Configuration,
                format!("the base URL {base_url:?} (from {origin}) must begin with http:// or https://"),
            ));
        }
        Ok(self.config.http_options(HTTP_WINDOW))
    }

    fn sim_exchange(&self) -> Result<SimExchange, Stop> {
        let simulator =
            Simulator::new(sim_config(self.sim_script.as_deref())?).map_err(|error| Stop::new(Exit::Usage, error.to_string()))?;
        let mut headers = Vec::new();
        headers.extend(self.config.app.url.clone().map(|url| (header::REFERER.to_owned(), url)));
        headers.extend(self.config.app.name.clone().map(|name| (header::TITLE.to_owned(), name)));
        Ok(SimExchange::new(simulator, SystemClock::new().epoch_ms(), headers))
    }

    /// Opens the engine: finds the key, or loads the embedded model, which is fetched first if it is not there.
    pub(crate) async fn open(mut self, ledger: Ledger) -> Result<Engine, Stop> {
        let exchange: Arc<dyn Exchange> = match self.choice {
            EngineChoice::Openrouter => {
                self.check_key()?;
                Arc::new(HttpExchange::new(&self.http_options()?)?)
            }
            EngineChoice::Sim => Arc::new(self.sim_exchange()?),
            EngineChoice::Local => {
                let local =
                    tokio::task::spawn_blocking(open_local).await.map_err(|error| Stop::new(Exit::Failure, error.to_string()))??;
                self.settings.routes = vec![Route::to(local.name())];
                // one row after another through a small model takes a while; no deadline is missed by waiting in line
                self.settings.deadlines.request = self.settings.deadlines.request.max(Duration::from_secs(600));
                Arc::new(local)
            }
        };
        let name = exchange.engine();
        let model = self.settings.routes[0].model.to_string();
        let models: Vec<Arc<str>> = self.settings.routes.iter().map(|route| Arc::clone(&route.model)).collect();
        let dispatcher = Arc::new(Dispatcher::new(exchange, ledger, Arc::new(SystemClock::new()), self.settings));
        let coming = self.coming.map(|coming| {
            let dispatcher = Arc::clone(&dispatcher);
            tokio::spawn(async move {
                if let Ok(Some(catalog)) = coming.await {
                    dispatcher.learn_prices(models.into_iter().filter_map(|model| Some((Arc::clone(&model), catalog.pricing(&model)?))));
                }
            })
        });
        Ok(Engine { dispatcher, name, model, coming })
    }

    fn check_key(&self) -> Result<(), Stop> {
        let own_server = self.config.base_url.1 != Origin::Default && self.config.base_url.0 != DEFAULT_BASE_URL;
        match &self.config.key {
            Some(_) => Ok(()),
            None if own_server => Ok(()),
            None => Err(Stop::new(
                Exit::Configuration,
                "there is no key for OpenRouter. Set OPENROUTER_API_KEY in the environment or in a .env file (keys are made at \
                 https://openrouter.ai/settings/keys), or ask the embedded model with --engine local",
            )),
        }
    }

    /// Where the key was found, for messages. Never the key.
    pub(crate) fn key_origin(&self) -> Option<String> {
        self.config.key.as_ref().map(|(_, origin)| origin.to_string())
    }
}

/// The simulator's configuration out of a script.
pub(crate) fn sim_config(script: Option<&std::path::Path>) -> Result<SimConfig, Stop> {
    let mut config = match script {
        None => SimConfig::default(),
        Some(path) => {
            let unreadable =
                |error: std::io::Error| Stop::new(Exit::Usage, format!("the script {} cannot be read: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            SimConfig::from_script(&text).map_err(|error| Stop::new(Exit::Usage, format!("{}: {error}", path.display())))?
        }
    };
    if config.started_at_epoch_s == SimConfig::default().started_at_epoch_s {
        // unless a script sets a date, its clock is ours: else the times at which limits reset would look wrong
        config.started_at_epoch_s = SystemClock::new().epoch_ms().unsigned_abs() / 1_000;
    }
    Ok(config)
}

fn open_local() -> Result<LocalExchange, Stop> {
    let named = std::env::var_os("CORSAC_LOCAL_MODEL").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(path) = named.as_deref().filter(|path| !path.is_file()) {
        return Err(Stop::new(Exit::Configuration, format!("CORSAC_LOCAL_MODEL names {}, and there is no such file", path.display())));
    }
    let folder = home::weights_folder()?;
    let path = match weights::locate(named.as_deref(), &folder) {
        Some(path) => path,
        None => {
            screen::note("There is no key (OPENROUTER_API_KEY), so the embedded model answers. It is fetched once.");
            pull(&folder)?
        }
    };
    let model = LocalModel::load(&path, LoadOptions::default()).map_err(|error| Stop::new(Exit::Failure, error.to_string()))?;
    Ok(LocalExchange::new(model))
}

/// Fetches the embedded model and shows how far it is.
pub(crate) fn pull(folder: &std::path::Path) -> Result<PathBuf, Stop> {
    let watched = screen::is_watched();
    let pulled = weights::pull(folder, |progress| match progress {
        Progress::Stage(text) => screen::note(&text),
        Progress::Bytes { done, total } if watched => screen::redraw(&format!("{} of {} MB", done / 1_000_000, total / 1_000_000)),
        Progress::Bytes { .. } => {}
    });
    if watched {
        screen::clear();
    }
    Ok(pulled.map_err(|error| Stop::new(Exit::Failure, error.to_string()))?.path)
}
