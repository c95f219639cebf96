//! From a configuration to an engine that can be asked, for programs: doors over HTTP, the ledger, the catalog, a run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use corsac_ledger::{EndState, Ledger, LedgerError, RunEnd, RunId, RunStart};
use serde_json::Value;

use crate::config::{Builder, ConfigError, DoorOptions, Engine, Resolved};
use crate::{Catalog, CatalogError, Clock, Dispatcher, Door, Exchange, HttpExchange, HttpOptionsError, Route, Settings, SystemClock, home};

/// The most requests under way at once behind a door.
const WINDOW: usize = 4_096;
/// A catalog older than this is fetched anew in the background.
const CATALOG_AGE_MS: i64 = 24 * 60 * 60 * 1_000;
/// The least time a request to an engine of this process may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// An engine that can be asked, and the run under which its calls are recorded.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The door to all models.
    pub dispatcher: Arc<Dispatcher>,
    /// What remembers.
    pub ledger: Ledger,
    /// The run; calls name it as their origin.
    pub run: RunId,
}

/// Why an engine cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address or a header cannot be used.
    #[error(transparent)]
    Http(#[from] HttpOptionsError),
    /// The ledger cannot be opened or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is nowhere to keep the ledger.
    #[error("there is no home folder to keep the ledger in: set CORSAC_HOME to a folder of yours, or give a ledger")]
    NoHome,
    /// A hosted model is asked without a key.
    #[error(
        "there is no key for OpenRouter: set OPENROUTER_API_KEY in the environment or in a .env file (keys are made at \
         https://openrouter.ai/settings/keys), or call key(…)"
    )]
    NoKey,
    /// An engine of this process, which is opened in another way.
    #[error("the engine {0} is not reached over HTTP: take the settings from into_parts() and open its exchange with Dispatcher::over(…)")]
    InProcess(Engine),
    /// An engine of this process cannot be opened.
    #[error("{0}")]
    NotOpened(String),
    /// A model is named without its author, and there is no catalog that knows it.
    #[error("{0}; without it, write models as author/name")]
    Catalog(#[from] CatalogError),
}

/// What an engine is opened with, beside its configuration.
#[derive(Debug, Clone)]
pub struct Opening {
    /// What remembers.
    pub ledger: Ledger,
    /// Where the catalog is kept; without one it is fetched in every process.
    pub home: Option<PathBuf>,
    /// Under what name the run is listed.
    pub command: String,
    /// What opens the engines of this process; without it there are none.
    pub in_process: Option<Arc<dyn InProcess>>,
}

impl Opening {
    /// Over a ledger, in the program's own name, without engines of this process.
    pub fn over(ledger: Ledger, home: Option<&Path>) -> Opening {
        Opening { ledger, home: home.map(Path::to_owned), command: program(), in_process: None }
    }
}

/// Opens engines that no address leads to: the embedded model and the simulator live in crates of their own.
pub trait InProcess: Send + Sync + fmt::Debug {
    /// What answers behind a door. May block: weights are read.
    ///
    /// # Errors
    /// Why nothing answers there, and what to do, for a person.
    fn open(&self, door: &DoorOptions) -> Result<InProcessDoor, String>;
}

/// An engine of this process.
#[derive(Debug)]
pub struct InProcessDoor {
    /// What answers.
    pub exchange: Arc<dyn Exchange>,
    /// The one chat model there is, where there is but one.
    pub model: Option<String>,
    /// The embedding model asked where none is named.
    pub embedding_model: Option<String>,
}

impl Builder {
    /// Opens the engine: connections, the ledger below `CORSAC_HOME`, the catalog that was kept, and a run that is recorded
    /// under the program's name.
    ///
    /// ```no_run
    /// use corsac_dispatch::Builder;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let lm = Builder::from_env()?
    ///     .model("openai/gpt-4o-mini")
    ///     .fallback("anthropic/claude-3-haiku")
    ///     .app("8-Bit Oracle", "https://8bitoracle.ai")
    ///     .build()
    ///     .await?;
    /// println!("asking {}", lm.dispatcher.address());
    /// lm.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OpenError`]: the configuration, the key, the ledger.
    pub async fn build(self) -> Result<Opened, OpenError> {
        let home = home::folder().ok_or(OpenError::NoHome)?;
        let ledger = Ledger::open(&home::ledger_file(&home))?;
        self.build_over(ledger, Some(&home)).await
    }

    /// The same over a ledger of one's own. `home` is where the catalog is kept; without one it is fetched in every process.
    ///
    /// # Errors
    /// [`OpenError`]: the configuration, the key, the ledger.
    pub async fn build_over(self, ledger: Ledger, home: Option<&Path>) -> Result<Opened, OpenError> {
        self.build_with(Opening::over(ledger, home)).await
    }

    /// The same with engines of this process. Without a key and without a model named, the embedded model answers, if it can
    /// be opened.
    ///
    /// # Errors
    /// [`OpenError`]: the configuration, the key, the ledger, an engine of this process.
    pub async fn build_with(self, opening: Opening) -> Result<Opened, OpenError> {
        let Opening { ledger, home, command, in_process } = opening;
        let embedding_is_named = self.names_embedding_model();
        let names_model = self.names_model();
        let mut resolved = self.into_parts()?;
        let keyless = resolved.engine.is_none() && resolved.doors.first().is_some_and(|door| door.key.is_none());
        if keyless && !names_model && in_process.is_some() {
            resolved.engine = Some(Engine::Local);
        }
        if let Some(engine) = resolved.engine.filter(|engine| !engine.is_remote()) {
            resolved = resolved.behind(engine);
        }
        let Resolved { mut settings, doors: options, .. } = resolved;
        settings.catalog_folder = home.as_deref().map(home::catalog_folder);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut doors = Vec::with_capacity(options.len());
        let mut catalogs = Vec::with_capacity(options.len());
        for (place, door) in options.iter().enumerate() {
            let is_asked = settings.routes.iter().any(|route| route.door == place);
            let exchange = match (&in_process, door.engine.is_remote()) {
                (_, true) => exchange(door, is_asked)?,
                (None, false) => return Err(OpenError::InProcess(door.engine)),
                (Some(opens), false) => {
                    let (opens, door) = (Arc::clone(opens), door.clone());
                    let opened = tokio::task::spawn_blocking(move || opens.open(&door)).await;
                    let opened = opened.map_err(|error| OpenError::NotOpened(error.to_string()))?.map_err(OpenError::NotOpened)?;
                    settings.take_in_process(place, &opened, embedding_is_named);
                    opened.exchange
                }
            };
            if exchange.routes() && is_asked {
                let file = home.as_deref().filter(|_| door.engine.is_remote()).map(|home| home::catalog_file(home, &exchange.address()));
                let kept = file.as_deref().and_then(|file| Catalog::kept(file, &exchange.address()));
                catalogs.push(CatalogOf { place, exchange: Arc::clone(&exchange), file, kept });
            }
            let key_label = door.engine.is_remote().then(|| door.key_label().into());
            doors.push(Door { exchange, key_label });
        }
        let engine = doors.first().map_or("openrouter", |door| door.exchange.engine()).to_owned();
        let has_ceiling = settings.ceilings != crate::Ceilings::default();
        for catalog in &mut catalogs {
            catalog.name_models(&mut settings, clock.epoch_ms()).await?;
        }
        settings.change_routes(|route| {
            // the catalog was not at hand to say so
            if let Some(bare) = route.model.strip_prefix("openrouter/").filter(|bare| bare.contains('/')) {
                route.model = bare.into();
            }
        });
        let model = settings.routes.first().map(|route| route.model.to_string()).unwrap_or_default();
        let dispatcher = Arc::new(Dispatcher::over(doors, ledger.clone(), Arc::clone(&clock), settings));
        for CatalogOf { place, exchange, file, kept } in catalogs {
            let now_ms = clock.epoch_ms();
            let is_old = kept.as_ref().is_none_or(|kept| now_ms.saturating_sub(kept.fetched_ms) > CATALOG_AGE_MS);
            let is_known = kept.is_some();
            if let Some(kept) = kept {
                dispatcher.learn_catalog(place, &kept);
            }
            if !is_old {
                continue;
            }
            let with_key = exchange.has_key();
            let coming = dispatcher.expect_catalog(place, async move {
                let catalog = Catalog::fetch(exchange.as_ref(), with_key, now_ms).await.ok()?;
                if let Some(file) = file {
                    // not being able to keep it costs one more fetch next time, nothing else
                    let _ = catalog.keep(&file);
                }
                Some(catalog)
            });
            if has_ceiling && !is_known {
                // under a ceiling the price of the first request must be known, or it goes alone
                coming.await;
            }
        }
        let run = ledger.start_run(RunStart {
            started_ms: clock.epoch_ms(),
            command,
            query: String::new(),
            settings: Value::Null,
            engine,
            model,
            pid: std::process::id(),
        })?;
        Ok(Opened { dispatcher, ledger, run })
    }
}

/// What is known of the models behind a door before it is used.
struct CatalogOf {
    place: usize,
    exchange: Arc<dyn Exchange>,
    file: Option<PathBuf>,
    kept: Option<Catalog>,
}

impl CatalogOf {
    /// Calls the models behind the door by their ids. A name without its author can only be read with the catalog, which is
    /// fetched for it where it was not kept.
    async fn name_models(&mut self, settings: &mut Settings, now_ms: i64) -> Result<(), OpenError> {
        let place = self.place;
        let lacks_author = |route: &Route| route.door == place && !route.model.trim_start_matches("openrouter/").contains('/');
        if self.kept.is_none() && settings.routes.iter().any(lacks_author) {
            let fetched = Catalog::fetch(self.exchange.as_ref(), self.exchange.has_key(), now_ms).await?;
            if let Some(file) = &self.file {
                // not being able to keep it costs one more fetch next time, nothing else
                let _ = fetched.keep(file);
            }
            self.kept = Some(fetched);
        }
        if let Some(kept) = &self.kept
            && settings.routes.iter().any(|route| route.door == place && kept.resolve(&route.model).is_err())
            && let Ok(fetched) = Catalog::fetch(self.exchange.as_ref(), self.exchange.has_key(), now_ms).await
        {
            // the model may be younger than what was kept
            if let Some(file) = &self.file {
                let _ = fetched.keep(file);
            }
            self.kept = Some(fetched);
        }
        let Some(kept) = &self.kept else { return Ok(()) };
        for route in settings.routes.iter().filter(|route| route.door == place) {
            kept.resolve(&route.model).map_err(|unknown| ConfigError::Value(unknown.to_string()))?;
        }
        settings.change_routes(|route| {
            // a name that only some calls give is refused when one of them does
            if let (true, Ok(known)) = (route.door == place && !route.model.is_empty(), kept.resolve(&route.model)) {
                route.model = known.into();
            }
        });
        Ok(())
    }
}

impl Settings {
    /// Calls the models behind a door of this process by the names they have there. One row after another through a small
    /// model takes a while, and no deadline is missed by waiting in line.
    fn take_in_process(&mut self, place: usize, opened: &InProcessDoor, embedding_is_named: bool) {
        if let (Some(name), false) = (&opened.embedding_model, embedding_is_named) {
            self.embeddings = vec![Route::through(place, name)];
        }
        let Some(name) = &opened.model else { return };
        let patience = self.deadlines.request.max(PATIENCE);
        self.change_routes(|route| {
            if route.door == place {
                route.timeout = Some(route.timeout.unwrap_or(patience).max(patience));
            }
        });
        let mut named = false;
        self.routes.retain_mut(|route| {
            if route.door != place {
                return true;
            }
            route.model = name.as_str().into();
            !std::mem::replace(&mut named, true)
        });
    }
}

impl Opened {
    /// Waits for what is under way and ends the run in the ledger. A run that is never ended is shown as broken off.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn finish(self) -> Result<(), LedgerError> {
        self.dispatcher.drain(std::time::Duration::from_secs(30)).await;
        let summary = self.dispatcher.tally().summary();
        let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state: EndState::Completed, rows: summary.answered, note: None };
        self.ledger.finish_run(&self.run, end).await
    }
}

fn exchange(door: &DoorOptions, is_asked: bool) -> Result<Arc<dyn Exchange>, OpenError> {
    match door.engine {
        Engine::OpenRouter => {
            let at_home = door.base_url.trim_end_matches('/') == crate::config::DEFAULT_BASE_URL;
            if is_asked && at_home && door.key.is_none() {
                return Err(OpenError::NoKey);
            }
            Ok(Arc::new(HttpExchange::new(&door.http(WINDOW))?))
        }
        Engine::OpenAi => Ok(Arc::new(HttpExchange::new(&door.http(WINDOW))?.openai_compatible())),
        engine @ (Engine::Local | Engine::Sim) => Err(OpenError::InProcess(engine)),
    }
}

/// The program's name, for the list of runs.
fn program() -> String {
    let path = std::env::current_exe().ok();
    path.as_deref().and_then(Path::file_stem).map_or_else(|| "program".to_owned(), |name| name.to_string_lossy().into_owned())
}
