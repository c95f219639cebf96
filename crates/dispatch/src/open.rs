//! From a configuration to an engine that can be asked, for programs: doors over HTTP, the ledger, the catalog, a run.

use std::path::Path;
use std::sync::Arc;

use corsac_ledger::{EndState, Ledger, LedgerError, RunEnd, RunId, RunStart};
use serde_json::Value;

use crate::config::{Builder, ConfigError, DoorOptions, Engine, Resolved};
use crate::{Catalog, Clock, Dispatcher, Door, Exchange, HttpExchange, HttpOptionsError, SystemClock, home};

/// The most requests under way at once behind a door.
const WINDOW: usize = 4_096;
/// A catalog older than this is fetched anew in the background.
const CATALOG_AGE_MS: i64 = 24 * 60 * 60 * 1_000;

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
        let Resolved { mut settings, doors: options, .. } = self.into_parts()?;
        settings.catalog_folder = home.map(home::catalog_folder);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut doors = Vec::with_capacity(options.len());
        let mut catalogs = Vec::with_capacity(options.len());
        for (place, door) in options.iter().enumerate() {
            let is_asked = settings.routes.iter().any(|route| route.door == place);
            let exchange = exchange(door, is_asked)?;
            if door.engine == Engine::OpenRouter && is_asked {
                let file = home.map(|home| home::catalog_file(home, &exchange.address()));
                catalogs.push((
                    place,
                    Arc::clone(&exchange),
                    file.clone(),
                    file.and_then(|file| Catalog::kept(&file, &exchange.address())),
                ));
            }
            doors.push(Door { exchange, key_label: Some(door.key_label().into()) });
        }
        let engine = doors.first().map_or("openrouter", |door| door.exchange.engine()).to_owned();
        let has_ceiling = settings.ceilings != crate::Ceilings::default();
        for (place, _, _, kept) in &catalogs {
            let Some(kept) = kept else { continue };
            for route in settings.routes.iter_mut().filter(|route| route.door == *place) {
                let known = kept.resolve(&route.model).map_err(|unknown| ConfigError::Value(unknown.to_string()))?;
                route.model = known.into();
            }
        }
        for route in &mut settings.routes {
            // the catalog was not at hand to say so
            if let Some(bare) = route.model.strip_prefix("openrouter/").filter(|bare| bare.contains('/')) {
                route.model = bare.into();
            }
        }
        let model = settings.routes.first().map(|route| route.model.to_string()).unwrap_or_default();
        let dispatcher = Arc::new(Dispatcher::over(doors, ledger.clone(), Arc::clone(&clock), settings));
        for (place, exchange, file, kept) in catalogs {
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
            let learner = Arc::clone(&dispatcher);
            let coming = tokio::spawn(async move {
                let Ok(catalog) = Catalog::fetch(exchange.as_ref(), with_key, now_ms).await else { return };
                if let Some(file) = file {
                    // not being able to keep it costs one more fetch next time, nothing else
                    let _ = catalog.keep(&file);
                }
                learner.learn_catalog(place, &catalog);
            });
            if has_ceiling && !is_known {
                // under a ceiling the price of the first request must be known, or it goes alone
                let _ = coming.await;
            }
        }
        let run = ledger.start_run(RunStart {
            started_ms: clock.epoch_ms(),
            command: program(),
            query: String::new(),
            settings: Value::Null,
            engine,
            model,
            pid: std::process::id(),
        })?;
        Ok(Opened { dispatcher, ledger, run })
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
