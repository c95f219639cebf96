//! The configuration out of a program: the same settings as in the file, on the same way to routes and doors.

use std::path::Path;

use corsac_ledger::Durability;
use corsac_wire::Usd;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::environment::Lookup;
use super::{Config, ConfigError, ConfigFile, Engine, ModelTable, Origin, Profile, Resolved, Span};
use crate::App;

/// Gathers what a program says; what it leaves out comes from where it began.
///
/// ```
/// use corsac_dispatch::Builder;
///
/// let parts = Builder::new()
///     .key("sk-or-v1-0123456789abcdef")
///     .model("openai/gpt-4o-mini")
///     .fallback("anthropic/claude-3-haiku")
///     .app("8-Bit Oracle", "https://8bitoracle.ai")
///     .into_parts()?;
/// let models: Vec<&str> = parts.settings.routes.iter().map(|route| &*route.model).collect();
/// assert_eq!(models, ["openai/gpt-4o-mini", "anthropic/claude-3-haiku"]);
/// assert_eq!(parts.doors[0].key_label(), "…cdef");
/// # Ok::<(), corsac_dispatch::config::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    config: Config,
    engine: Option<Engine>,
    model: Option<String>,
    fallbacks: Vec<String>,
    profile: Option<String>,
    own_app: App,
    budget: Option<Usd>,
    fresh: bool,
    wrong: Option<String>,
}

/// The name under which a profile stands that is given as a value.
const GIVEN: &str = "given in code";

impl Builder {
    /// Begins with nothing: no file, no environment.
    pub fn new() -> Builder {
        let file = ConfigFile::default();
        Builder::of(Config {
            base_url: (super::DEFAULT_BASE_URL.to_owned(), Origin::Default),
            app: App::corsac(Vec::new()),
            key: None,
            path: None,
            warnings: Vec::new(),
            found: super::Found::default(),
            file,
        })
    }

    /// Begins with the environment, `.env` and `corsac.toml`, looked for from the working directory upward.
    ///
    /// # Errors
    /// A file or a variable that is not understood.
    pub fn from_env() -> Result<Builder, ConfigError> {
        let folder = std::env::current_dir().map_err(|error| ConfigError::Value(format!("there is no working directory: {error}")))?;
        Config::load(None, &folder, None, &|name| std::env::var(name).ok()).map(Builder::of)
    }

    /// Begins with a file.
    ///
    /// # Errors
    /// A file or a variable that is not understood.
    pub fn from_file(path: &Path) -> Result<Builder, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        Config::load(Some(path), folder, None, &|name| std::env::var(name).ok()).map(Builder::of)
    }

    /// Begins with the settings of a file as JSON, and no environment.
    ///
    /// # Errors
    /// Settings that are not understood.
    pub fn from_json(settings: &Value) -> Result<Builder, ConfigError> {
        let file = ConfigFile::from_json(settings).map_err(ConfigError::Value)?;
        Config::assemble(file, None, &Lookup::new(&|_| None, Path::new(""))).map(Builder::of)
    }

    /// Begins with a configuration that is loaded.
    pub fn of(config: Config) -> Builder {
        Builder {
            config,
            engine: None,
            model: None,
            fallbacks: Vec::new(),
            profile: None,
            own_app: App::default(),
            budget: None,
            fresh: false,
            wrong: None,
        }
    }

    /// Settings in the form of the file, over those that are there: what they say takes the place of what was said, and
    /// headers, models and profiles join those of other names. What is wrong with them is said by [`Builder::into_parts`].
    #[must_use]
    pub fn settings(self, settings: &Value) -> Builder {
        match ConfigFile::from_json(settings) {
            Ok(file) => self.lay(file),
            Err(why) => Builder { wrong: Some(why), ..self },
        }
    }

    fn lay(mut self, given: ConfigFile) -> Builder {
        fn put<T>(target: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *target = value;
            }
        }
        if let Some(name) = given.engine.as_deref() {
            self.engine = Engine::of_name(name);
        }
        if let Some(url) = given.base_url {
            self = self.base_url(url);
        }
        if let Some(variable) = given.api_key_env {
            let folder = std::env::current_dir().unwrap_or_default();
            self.config.key = Lookup::new(&|name| std::env::var(name).ok(), &folder).secret(&variable);
            if self.config.key.is_none() {
                self.wrong = Some(format!("api_key_env names {variable}, but neither the environment nor a .env file has it"));
            }
        }
        if let Some(key) = given.api_key {
            self = self.key(key.secret());
        }
        put(&mut self.model, given.model);
        if !given.fallbacks.is_empty() {
            self.fallbacks = given.fallbacks;
        }
        if let Some(model) = given.embedding_model {
            self.config.set_embedding_model(model);
        }
        put(&mut self.profile, given.default_profile);
        put(&mut self.budget, given.budget);
        put(&mut self.own_app.name, given.app.name);
        put(&mut self.own_app.url, given.app.url);
        if !given.app.categories.is_empty() {
            self.own_app.categories = given.app.categories;
        }
        if let Some(timeout) = given.timeout.or(given.deadlines.request) {
            self = self.timeout(timeout);
        }
        let file = &mut self.config.file;
        put(&mut file.day_budget, given.day_budget);
        put(&mut file.key_budget, given.key_budget);
        put(&mut file.memory.max_age, given.memory.max_age);
        put(&mut file.memory.namespace, given.memory.namespace);
        put(&mut file.memory.durability, given.memory.durability);
        put(&mut file.deadlines.connect, given.deadlines.connect);
        put(&mut file.deadlines.first_byte, given.deadlines.first_byte);
        put(&mut file.deadlines.idle, given.deadlines.idle);
        put(&mut file.deadlines.call, given.deadlines.call);
        file.headers.extend(given.headers);
        file.models.extend(given.models);
        file.profiles.extend(given.profiles);
        if !given.model_list.is_empty() {
            file.model_list = given.model_list;
        }
        self
    }

    /// The key.
    #[must_use]
    pub fn key(mut self, key: impl Into<SecretString>) -> Builder {
        self.config.key = Some((key.into(), Origin::Code));
        self
    }

    /// Where the engine is.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Builder {
        let url = url.into();
        self.config.file.base_url = Some(url.clone());
        self.config.base_url = (url, Origin::Code);
        self
    }

    /// Who answers. A server with OpenAI's API needs a [`base_url`](Builder::base_url), and is shown no key but one that is
    /// given here.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Builder {
        self.engine = Some(engine);
        self
    }

    /// The model asked first: an alias or an id.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Builder {
        self.model = Some(model.into());
        self
    }

    /// One more model to ask when the ones before it fail: an alias or an id.
    #[must_use]
    pub fn fallback(mut self, model: impl Into<String>) -> Builder {
        self.fallbacks.push(model.into());
        self
    }

    /// The app that requests are counted for: its name and address.
    #[must_use]
    pub fn app(mut self, name: impl Into<String>, url: impl Into<String>) -> Builder {
        (self.own_app.name, self.own_app.url) = (Some(name.into()), Some(url.into()));
        self
    }

    /// What the app is, by at most two of OpenRouter's categories.
    #[must_use]
    pub fn categories<T: Into<String>>(mut self, categories: impl IntoIterator<Item = T>) -> Builder {
        self.own_app.categories = categories.into_iter().map(Into::into).collect();
        self
    }

    /// A header for every request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, text: impl Into<String>) -> Builder {
        self.config.file.headers.insert(name.into(), text.into().into());
        self
    }

    /// The settings of every call.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Builder {
        self.profile = Some(GIVEN.to_owned());
        self.define_profile(GIVEN, profile)
    }

    /// The profile of this name, of the file's or one that is defined here.
    #[must_use]
    pub fn use_profile(mut self, name: impl Into<String>) -> Builder {
        self.profile = Some(name.into());
        self
    }

    /// A profile under a name.
    #[must_use]
    pub fn define_profile(mut self, name: impl Into<String>, profile: Profile) -> Builder {
        self.config.file.profiles.insert(name.into(), profile);
        self
    }

    /// A model under an alias.
    #[must_use]
    pub fn define_model(mut self, alias: impl Into<String>, model: ModelTable) -> Builder {
        self.config.file.models.insert(alias.into(), model);
        self
    }

    /// Models in the order in which they are tried, in LiteLLM's form: a list of objects with `model_name` and
    /// `litellm_params`. The first is asked first, unless a model is named. What is wrong with it is said by
    /// [`Builder::into_parts`].
    #[must_use]
    pub fn model_list(mut self, list: &Value) -> Builder {
        match ConfigFile::from_json(&json!({ "model_list": list })) {
            Ok(file) => self.config.file.model_list = file.model_list,
            Err(why) => self.wrong = Some(why),
        }
        self
    }

    /// Whether a model is named somewhere: by hand, in the environment, in the file.
    pub(crate) fn names_model(&self) -> bool {
        let file = &self.config.file;
        let in_file = file.model.is_some() || !file.fallbacks.is_empty() || !file.model_list.is_empty();
        let by_hand = self.model.is_some() || !self.fallbacks.is_empty();
        by_hand || in_file || self.config.found.model.is_some()
    }

    /// Whether the embedding model is named somewhere.
    pub(crate) fn names_embedding_model(&self) -> bool {
        self.config.embedding_model().is_some()
    }

    /// The ceiling of the run.
    #[must_use]
    pub fn budget(mut self, ceiling: Usd) -> Builder {
        self.budget = Some(ceiling);
        self
    }

    /// The ceiling of all runs together in one UTC day.
    #[must_use]
    pub fn day_budget(mut self, ceiling: Usd) -> Builder {
        self.config.file.day_budget = Some(ceiling);
        self
    }

    /// The ceiling of one key in one UTC day.
    #[must_use]
    pub fn key_budget(mut self, ceiling: Usd) -> Builder {
        self.config.file.key_budget = Some(ceiling);
        self
    }

    /// The most time one request may take.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Span>) -> Builder {
        self.config.file.timeout = Some(timeout.into());
        self.config.file.deadlines.request = None;
        self
    }

    /// Answers older than this are asked anew.
    #[must_use]
    pub fn max_age(mut self, age: impl Into<Span>) -> Builder {
        self.config.file.memory.max_age = Some(age.into());
        self
    }

    /// Answers count only within this namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Builder {
        self.config.file.memory.namespace = Some(namespace.into());
        self
    }

    /// What an answer outlives once it was given out.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Builder {
        self.config.file.memory.durability = Some(if durability == Durability::System { "system" } else { "disk" }.to_owned());
        self
    }

    /// Asks anew although the answer is known.
    #[must_use]
    pub fn fresh(mut self) -> Builder {
        self.fresh = true;
        self
    }

    /// The settings and doors, without opening anything.
    ///
    /// # Errors
    /// What [`ConfigFile::parse`] and [`Config::resolve`] refuse.
    pub fn into_parts(self) -> Result<Resolved, ConfigError> {
        if let Some(why) = self.wrong {
            return Err(ConfigError::Value(why));
        }
        let mut config = self.config;
        if let Some(engine) = self.engine {
            let before = config.file.engine.replace(engine.name().to_owned());
            if engine == Engine::OpenAi && before.as_deref() != Some(engine.name()) {
                // what was found before is for another server
                config.key = config.key.filter(|(_, origin)| *origin == Origin::Code);
                if config.base_url.1 != Origin::Code {
                    return Err(ConfigError::Value("a server with OpenAI's API needs a base_url: call base_url(…) too".to_owned()));
                }
            }
        }
        Builder::check(&config.file)?;
        // a model that was defined here may name a variable that the file did not
        let folder = std::env::current_dir().unwrap_or_default();
        let variables = Lookup::new(&|name| std::env::var(name).ok(), &folder);
        let missing = config.file.key_variables().filter(|name| !config.found.keys.contains_key(*name));
        let keys: Vec<_> = missing.filter_map(|name| Some((name.to_owned(), variables.secret(name)?))).collect();
        config.found.keys.extend(keys);
        let App { name, url, categories } = self.own_app;
        if name.is_some() || url.is_some() {
            config.app = App { name, url, categories: config.app.categories };
        }
        if !categories.is_empty() {
            config.app.categories = categories;
        }
        let mut resolved = config.resolve(self.model.as_deref(), &self.fallbacks, self.profile.as_deref())?;
        resolved.settings.ceilings.run = self.budget.or(resolved.settings.ceilings.run);
        resolved.settings.memory.fresh |= self.fresh;
        Ok(resolved)
    }

    /// Values that a program gives are held against the same tables as those of a file.
    fn check(file: &ConfigFile) -> Result<(), ConfigError> {
        let written = serde_json::to_value(file).map_err(|error| ConfigError::Value(error.to_string()))?;
        ConfigFile::from_json(&written).map(drop).map_err(ConfigError::Value)
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}
