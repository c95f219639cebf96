//! Configuration: `corsac.toml`, the environment and `.env`, in one place and one order of precedence: what is given by
//! hand, then the environment, then `.env` upward from the working directory, then the file.
//!
//! Every setting is declared once, in `tables.rs`. From there come the structs a file is read into, the check of its names
//! and values, and the [reference page](reference).

mod builder;
mod check;
mod door;
mod environment;
mod node;
mod page;
mod profile;
mod resolve;
mod route;
mod schema;
mod tables;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corsac_policy::nearest;
use corsac_wire::Usd;
use secrecy::SecretString;
use serde::Deserialize;

pub use builder::Builder;
pub use door::{DoorOptions, Engine};
pub use environment::{Origin, Variables};
pub use page::{EXAMPLE, SettingInfo, reference, settings};
pub use resolve::Resolved;
pub use tables::{AppTable, ConfigFile, DeadlinesTable, ListEntry, LitellmParams, MemoryTable, ModelTable, Profile, ProviderTable};
pub use values::{HeaderText, Key, PluginEntry, Span, StrategyName, SupportName};

use crate::{App, HttpOptions, Settings};
use check::{check, is_category, told};
use environment::Lookup;
use node::Node;

/// Where OpenRouter is.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";
/// The model asked when none is named: cheap, quick, and it keeps to schemas.
pub const DEFAULT_MODEL: &str = "openai/gpt-4o-mini";

/// The embedding model asked when none is named.
pub const DEFAULT_EMBEDDING_MODEL: &str = "openai/text-embedding-3-small";

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened.
    #[error("the configuration {} cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file says something that is not understood.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
    /// No such profile.
    #[error("there is no profile {name:?}{hint}")]
    NoProfile {
        /// As it was named.
        name: String,
        /// The profiles there are.
        hint: String,
    },
    /// A value that does not fit.
    #[error("{0}")]
    Value(String),
}

/// All that is configured, with where it was found.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file's content; empty without a file.
    pub file: ConfigFile,
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// The key and where it was found.
    pub key: Option<(SecretString, Origin)>,
    /// The base URL and where it was found.
    pub base_url: (String, Origin),
    /// The app.
    pub app: App,
    /// What a person should be told once, although it stops nothing.
    pub warnings: Vec<String>,
    found: Found,
}

/// What variables say beside the key, the base URL and the app.
#[derive(Debug, Clone, Default)]
struct Found {
    model: Option<String>,
    embedding_model: Option<String>,
    fallbacks: Option<Vec<String>>,
    profile: Option<String>,
    budget: Option<Usd>,
    /// `OPENROUTER_API_KEY`, which goes to OpenRouter alone.
    openrouter_key: Option<(SecretString, Origin)>,
    /// `OPENROUTER_BASE_URL`.
    openrouter_base_url: Option<String>,
    /// Keys by the variables that the file names.
    keys: BTreeMap<String, (SecretString, Origin)>,
}

impl Config {
    /// Reads the configuration: the named file, else `corsac.toml` in the working directory or above it, else the one
    /// in `config_folder`.
    ///
    /// # Errors
    /// A named file that is missing, or a file or a variable that is not understood.
    pub fn load(
        named: Option<&Path>,
        folder: &Path,
        config_folder: Option<&Path>,
        environment: Variables<'_>,
    ) -> Result<Config, ConfigError> {
        let path = match named {
            Some(path) => Some(path.to_owned()),
            None => folder
                .ancestors()
                .map(|folder| folder.join("corsac.toml"))
                .chain(config_folder.map(|folder| folder.join("corsac.toml")))
                .find(|path| path.is_file()),
        };
        let file = path.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();
        Config::assemble(file, path, &Lookup::new(environment, folder))
    }

    /// Takes a file's content and what variables say together.
    fn assemble(file: ConfigFile, path: Option<PathBuf>, variables: &Lookup<'_>) -> Result<Config, ConfigError> {
        let found = Found::new(&file, variables)?;
        let in_file = || path.clone().map_or(Origin::Code, Origin::File);
        let of_file = || file.api_key.as_ref().map(|key| (key.secret(), in_file()));
        let own_server = file.engine.as_deref() == Some(Engine::OpenAi.name());
        let key = match &file.api_key_env {
            Some(name) => found.keys.get(name).cloned(),
            // the key for OpenRouter is for OpenRouter
            None if own_server => of_file(),
            None => found.openrouter_key.clone().or_else(of_file),
        };
        let base_url = variables
            .get("OPENROUTER_BASE_URL")
            .filter(|_| !own_server)
            .map(|(url, origin)| (url.trim().to_owned(), origin))
            .or_else(|| file.base_url.clone().map(|url| (url, in_file())))
            .unwrap_or_else(|| (DEFAULT_BASE_URL.to_owned(), Origin::Default));
        let given = App {
            name: variables.text("CORSAC_APP_NAME").or_else(|| file.app.name.clone()),
            url: variables.text("CORSAC_APP_URL").or_else(|| file.app.url.clone()),
            categories: variables.list("CORSAC_APP_CATEGORIES").unwrap_or_else(|| file.app.categories.clone()),
        };
        if let Some(wrong) = given.categories.iter().find(|category| !is_category(category)) {
            let must = schema::Shape::Category;
            return Err(ConfigError::Value(format!("CORSAC_APP_CATEGORIES has {wrong:?}, but a category must be {must}")));
        }
        let mut warnings = Vec::new();
        if given.categories.len() > door::CATEGORIES {
            let sent = given.categories[..door::CATEGORIES].join(" and ");
            warnings.push(format!("OpenRouter takes two categories of an app, {} are given: {sent} are sent", given.categories.len()));
        }
        if let (Some(name), None) = (&file.api_key_env, &key) {
            warnings.push(format!("api_key_env names {name}, but neither the environment nor a .env file has it"));
        }
        let app = if given.name.is_none() && given.url.is_none() { App::corsac(given.categories) } else { given };
        let config = Config { file, path, key, base_url, app, warnings, found };
        if own_server && config.file.base_url.is_none() {
            return Err(config.wrong("engine = \"openai\" needs a base_url, such as base_url = \"http://127.0.0.1:8000/v1\""));
        }
        if config.file.timeout.is_some() && config.file.deadlines.request.is_some() {
            return Err(config.wrong("timeout and request in [deadlines] say the same in two ways: keep one of them"));
        }
        Ok(config)
    }

    /// The settings of a profile: the named one, else the default one, else none. [`Config::resolve`] gives the doors too.
    ///
    /// # Errors
    /// An unknown profile, or values that contradict each other.
    pub fn settings(&self, profile: Option<&str>) -> Result<Settings, ConfigError> {
        self.resolve(None, &[], profile).map(|resolved| resolved.settings)
    }

    /// Where and as whom to ask over HTTP, with so many requests under way at most.
    pub fn http_options(&self, window: usize) -> HttpOptions {
        self.main_door().http(window)
    }

    /// Takes the embedding model that is named by hand, before the environment's and the file's.
    pub fn set_embedding_model(&mut self, model: impl Into<String>) {
        self.found.embedding_model = Some(model.into());
    }

    /// The embedding model that is named somewhere: an alias or an id.
    pub fn embedding_model(&self) -> Option<&str> {
        self.found.embedding_model.as_deref().or(self.file.embedding_model.as_deref())
    }

    /// The aliases of models there are.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        let listed = self.file.model_list.iter().filter_map(|entry| entry.name());
        self.file.models.keys().map(String::as_str).chain(listed)
    }

    /// An error in the file, or in what a program says in its place.
    fn wrong(&self, why: impl Into<String>) -> ConfigError {
        match &self.path {
            Some(path) => ConfigError::Invalid { path: path.clone(), why: why.into() },
            None => ConfigError::Value(why.into()),
        }
    }

    fn no_profile(&self, name: &str, of_model: Option<&ModelTable>) -> ConfigError {
        let own = of_model.into_iter().flat_map(|model| model.profiles.keys());
        let known: Vec<&str> = own.chain(self.file.profiles.keys()).map(String::as_str).collect();
        let hint = match (nearest(name, known.iter().copied(), 1).first(), known.is_empty(), &self.path) {
            (_, true, None) => ": there is no corsac.toml that could define it".to_owned(),
            (_, true, Some(path)) => format!(": {} defines none", path.display()),
            (Some(near), ..) => format!("; did you mean {near}?"),
            (None, ..) => format!("; there are {}", known.join(", ")),
        };
        ConfigError::NoProfile { name: name.to_owned(), hint }
    }
}

impl Found {
    fn new(file: &ConfigFile, variables: &Lookup<'_>) -> Result<Found, ConfigError> {
        let secret = |name: &str| variables.secret(name);
        let budget = variables.text("CORSAC_BUDGET").map(|text| {
            let amount = Usd::parse(text.trim_start_matches('$')).ok().filter(|amount| *amount >= Usd::ZERO);
            amount.ok_or_else(|| ConfigError::Value(format!("CORSAC_BUDGET is {text:?}, but must be an amount of dollars such as 2.50")))
        });
        Ok(Found {
            model: variables.text("CORSAC_MODEL"),
            embedding_model: variables.text("CORSAC_EMBEDDING_MODEL"),
            fallbacks: variables.list("CORSAC_FALLBACKS").filter(|models| !models.is_empty()),
            profile: variables.text("CORSAC_PROFILE"),
            budget: budget.transpose()?,
            openrouter_key: secret("OPENROUTER_API_KEY"),
            openrouter_base_url: variables.text("OPENROUTER_BASE_URL"),
            keys: file.key_variables().filter_map(|name| Some((name.to_owned(), secret(name)?))).collect(),
        })
    }
}

impl ConfigFile {
    fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
        ConfigFile::parse(&text).map_err(|why| ConfigError::Invalid { path: path.to_owned(), why })
    }

    /// Reads the text of a file. The error says all that is wrong, each with its line and, for a wrong name, the nearest one.
    ///
    /// # Errors
    /// Text that is no TOML, unknown names, values of the wrong kind or out of range, settings that exclude each other.
    pub fn parse(text: &str) -> Result<ConfigFile, String> {
        let node = Node::from_toml(text).map_err(|broken| format!("line {}: {}", broken.line, broken.why))?;
        ConfigFile::checked(&node)
    }

    /// Takes the same settings from JSON.
    ///
    /// # Errors
    /// As for [`ConfigFile::parse`], without lines.
    pub fn from_json(value: &serde_json::Value) -> Result<ConfigFile, String> {
        ConfigFile::checked(&Node::from_json(value))
    }

    /// The variables that it names as holding keys.
    fn key_variables(&self) -> impl Iterator<Item = &str> {
        let of_models = self.models.values().filter_map(|model| model.api_key_env.as_deref());
        let of_list = self.model_list.iter().filter_map(|entry| entry.litellm_params.key_variable());
        of_models.chain(of_list).chain(self.api_key_env.as_deref())
    }

    fn checked(node: &Node) -> Result<ConfigFile, String> {
        let problems = check(node, &ConfigFile::TABLE);
        if !problems.is_empty() {
            return Err(told(&problems));
        }
        let file = ConfigFile::deserialize(node.to_json()).map_err(|error| error.to_string())?;
        let nameless = file.models.iter().find(|(_, model)| model.id.is_none() && model.engine.as_deref() != Some(Engine::Local.name()));
        let line =
            |place: Option<&node::Entry>| place.and_then(|entry| entry.line).map_or_else(String::new, |line| format!("line {line}: "));
        if let Some((alias, _)) = nameless {
            let place = node.entry("models").and_then(|models| models.node.entry(alias));
            return Err(format!("{}[models.{alias}] needs an id, such as id = \"openai/gpt-4o-mini\"", line(place)));
        }
        if file.model_list.iter().any(|entry| entry.litellm_params.model.is_none() && entry.model_name.is_none()) {
            return Err(format!("{}an entry of model_list needs litellm_params with a model", line(node.entry("model_list"))));
        }
        Ok(file)
    }
}

/// Seconds as a person writes them.
///
/// # Errors
/// Zero, less, or more than a day.
pub fn seconds(number: f64) -> Result<Duration, ConfigError> {
    if number > 0.0 && number <= 86_400.0 {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err(ConfigError::Value(format!("a timeout of {number} s makes no sense: give seconds above 0 and up to 86400")))
    }
}
