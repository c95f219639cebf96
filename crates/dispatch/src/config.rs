//! Configuration: `corsac.toml`, the environment and `.env`, in one place and one order of precedence: what is given by
//! hand, then the environment, then `.env` upward from the working directory, then the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use corsac_policy::{Strategy, nearest};
use corsac_wire::{MaxPrice, ProviderPreferences, Reasoning, Sort, Usd};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{App, Ceilings, Deadlines, HttpOptions, RequestSettings, Route, Settings};

/// Where OpenRouter is.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";
/// The model asked when none is named: cheap, quick, and it keeps to schemas.
pub const DEFAULT_MODEL: &str = "openai/gpt-4o-mini";

/// What `corsac.toml` may say. Unknown names are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// The OpenRouter key; the environment is a better place for it.
    api_key: Option<HiddenText>,
    /// In place of [`DEFAULT_BASE_URL`].
    pub base_url: Option<String>,
    /// `openrouter`, `local` or `sim`.
    pub engine: Option<String>,
    /// The profile used when none is named.
    pub default_profile: Option<String>,
    /// The ceiling of every run, in dollars.
    pub budget: Option<Usd>,
    /// The app that requests are counted for.
    pub app: AppTable,
    /// Headers sent with every request; they win over Corsac's own.
    pub headers: BTreeMap<String, String>,
    /// Named settings.
    pub profiles: BTreeMap<String, Profile>,
    /// The model asked.
    pub model: Option<String>,
    /// Its fallbacks in order.
    pub fallbacks: Vec<String>,
    /// Seconds one request may take.
    pub timeout: Option<f64>,
}

/// The app, as the file words it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppTable {
    /// Its name.
    pub name: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// At most two categories.
    pub categories: Vec<String>,
}

/// Named settings of a model call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// The model asked.
    pub model: Option<String>,
    /// Its fallbacks in order.
    #[serde(alias = "fallbacks")]
    pub models: Vec<String>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Sampling seed.
    pub seed: Option<i64>,
    /// The answer's token limit.
    pub max_tokens: Option<u32>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    pub reasoning_effort: Option<String>,
    /// Tokens for reasoning; not together with an effort.
    pub reasoning_max_tokens: Option<u32>,
    /// `prefer_response_format` or `prefer_tools`.
    pub structured_output_strategy: Option<StrategyName>,
    /// Routing.
    pub provider: Option<ProviderTable>,
    /// Seconds one request may take.
    pub timeout: Option<f64>,
}

/// How structure is asked for at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyName {
    /// `response_format`.
    PreferResponseFormat,
    /// A forced tool call.
    PreferTools,
}

/// Routing preferences, as the file words them. Providers are named by slug.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderTable {
    /// Tried first, in this order.
    pub order: Vec<String>,
    /// The only ones allowed.
    pub only: Vec<String>,
    /// Left out; `exclude` means the same.
    #[serde(alias = "exclude")]
    pub ignore: Vec<String>,
    /// `price`, `throughput`, `latency` or `exacto`.
    pub sort: Option<Sort>,
    /// Allowed quantizations.
    pub quantizations: Vec<String>,
    /// `allow` or `deny`.
    pub data_collection: Option<String>,
    /// Zero data retention.
    pub zdr: Option<bool>,
    /// Dollars per million prompt tokens.
    pub max_prompt_price: Option<Usd>,
    /// Dollars per million completion tokens.
    pub max_completion_price: Option<Usd>,
    /// Whether every parameter must be supported.
    pub require_parameters: Option<bool>,
    /// Whether others may serve when the preferred ones fail.
    pub allow_fallbacks: Option<bool>,
}

/// A key that shows itself in no `Debug`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct HiddenText(String);

impl fmt::Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

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

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Environment(&'static str),
    /// A `.env` file.
    DotEnv(PathBuf),
    /// The configuration file.
    File(PathBuf),
    /// Nowhere: Corsac's own choice.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "{name} in the environment"),
            Self::DotEnv(path) => write!(f, "{}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
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
}

/// Variables by name: the environment, or a table in tests.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Config {
    /// Reads the configuration: the named file, else `corsac.toml` in the working directory or above it, else the one
    /// in `config_folder`.
    ///
    /// # Errors
    /// A named file that is missing, or a file that is not understood.
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
        let dot_env = DotEnv::find(folder);
        let variable = |name: &'static str| -> Option<(String, Origin)> {
            let given = environment(name).map(|value| (value, Origin::Environment(name)));
            let given = given.filter(|(value, _)| !value.trim().is_empty());
            given.or_else(|| dot_env.as_ref().and_then(|env| Some((env.get(name)?, Origin::DotEnv(env.path.clone())))))
        };
        let in_file = || path.clone().map_or(Origin::Default, Origin::File);
        let key = variable("OPENROUTER_API_KEY").or_else(|| file.api_key.clone().map(|key| (key.0, in_file())));
        let base_url = variable("OPENROUTER_BASE_URL")
            .or_else(|| file.base_url.clone().map(|url| (url, in_file())))
            .unwrap_or_else(|| (DEFAULT_BASE_URL.to_owned(), Origin::Default));
        let text = |name| variable(name).map(|(value, _)| value);
        let categories =
            text("CORSAC_APP_CATEGORIES").map(|list| list.split(',').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect());
        let given = App {
            name: text("CORSAC_APP_NAME").or_else(|| file.app.name.clone()),
            url: text("CORSAC_APP_URL").or_else(|| file.app.url.clone()),
            categories: categories.unwrap_or_else(|| file.app.categories.clone()),
        };
        let app = if given.name.is_none() && given.url.is_none() { App::corsac(given.categories) } else { given };
        let key = key.map(|(key, origin)| (SecretString::from(key.trim().to_owned()), origin));
        Ok(Config { file, path, key, base_url, app })
    }

    /// The settings of a profile: the named one, else the default one, else none.
    ///
    /// # Errors
    /// An unknown profile, or values that contradict each other.
    pub fn settings(&self, profile: Option<&str>) -> Result<Settings, ConfigError> {
        let name = profile.or(self.file.default_profile.as_deref());
        let chosen = match name {
            Some(name) => Some(self.file.profiles.get(name).ok_or_else(|| self.no_profile(name))?),
            None => None,
        };
        let empty = Profile::default();
        let profile = chosen.unwrap_or(&empty);
        let model = profile.model.clone().or_else(|| self.file.model.clone()).unwrap_or_else(|| DEFAULT_MODEL.to_owned());
        let fallbacks = if profile.models.is_empty() { &self.file.fallbacks } else { &profile.models };
        let defaults = Settings::default();
        let temperature = profile.temperature.or(defaults.request.temperature);
        if let Some(degrees) = temperature.filter(|t| !(0.0..=2.0).contains(t)) {
            return Err(ConfigError::Value(format!("temperature is {degrees}, but must lie between 0 and 2")));
        }
        Ok(Settings {
            routes: std::iter::once(&model).chain(fallbacks).map(|model| Route::to(model)).collect(),
            request: RequestSettings {
                provider: profile.provider.as_ref().map(ProviderTable::preferences).transpose()?.unwrap_or_default(),
                reasoning: profile.reasoning()?,
                temperature,
                top_p: profile.top_p,
                seed: profile.seed,
                max_tokens: profile.max_tokens,
                strategy: profile.structured_output_strategy.map(|name| match name {
                    StrategyName::PreferTools => Strategy::ForcedTool,
                    StrategyName::PreferResponseFormat => Strategy::ResponseFormat,
                }),
            },
            deadlines: Deadlines {
                request: profile.timeout.or(self.file.timeout).map(seconds).transpose()?.unwrap_or(defaults.deadlines.request),
                ..defaults.deadlines
            },
            ceilings: Ceilings { run: self.file.budget, ..defaults.ceilings },
            ..defaults
        })
    }

    /// Where and as whom to ask over HTTP, with so many requests under way at most.
    pub fn http_options(&self, window: usize) -> HttpOptions {
        HttpOptions {
            base_url: self.base_url.0.clone(),
            key: self.key.as_ref().map(|(key, _)| key.clone()),
            app: self.app.clone(),
            headers: self.file.headers.clone().into_iter().collect(),
            window,
        }
    }

    fn no_profile(&self, name: &str) -> ConfigError {
        let known: Vec<&str> = self.file.profiles.keys().map(String::as_str).collect();
        let hint = match (nearest(name, known.iter().copied(), 1).first(), known.is_empty(), &self.path) {
            (_, true, None) => ": there is no corsac.toml that could define it".to_owned(),
            (_, true, Some(path)) => format!(": {} defines none", path.display()),
            (Some(near), ..) => format!("; did you mean {near}?"),
            (None, ..) => format!("; there are {}", known.join(", ")),
        };
        ConfigError::NoProfile { name: name.to_owned(), hint }
    }
}

impl ConfigFile {
    fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
        ConfigFile::parse(&text).map_err(|why| ConfigError::Invalid { path: path.to_owned(), why })
    }

    /// Reads the text of a file. The error says what is wrong and where, and names the nearest setting.
    ///
    /// # Errors
    /// Text that is no TOML, unknown names, values of the wrong kind.
    pub fn parse(text: &str) -> Result<ConfigFile, String> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().to_owned();
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            // the library's own picture of the place would show the line, and a line may hold a key
            match unknown_name(&message) {
                Some((wrong, known)) => match nearest(&wrong, known.iter().map(String::as_str), 1).first() {
                    Some(near) => format!("line {line}: there is no setting {wrong:?}; did you mean {near}?"),
                    None => format!("line {line}: there is no setting {wrong:?}; there are {}", known.join(", ")),
                },
                None => format!("line {line}: {message}"),
            }
        })
    }
}

/// The wrong name and the right ones out of ``unknown field `a`, expected one of `b`, `c` ``.
fn unknown_name(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (wrong, rest) = rest.split_once('`')?;
    Some((wrong.to_owned(), rest.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
}

impl Profile {
    fn reasoning(&self) -> Result<Option<Reasoning>, ConfigError> {
        match (&self.reasoning_effort, self.reasoning_max_tokens) {
            (Some(_), Some(_)) => {
                Err(ConfigError::Value("reasoning_effort and reasoning_max_tokens say the same in two ways: keep one of them".to_owned()))
            }
            (None, None) => Ok(None),
            (effort, max_tokens) => {
                const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
                if let Some(wrong) = effort.as_deref().filter(|effort| !EFFORTS.contains(effort)) {
                    return Err(ConfigError::Value(format!("reasoning_effort is {wrong:?}, but must be one of {}", EFFORTS.join(", "))));
                }
                Ok(Some(Reasoning { effort: effort.clone(), max_tokens, ..Reasoning::default() }))
            }
        }
    }
}

impl ProviderTable {
    fn preferences(&self) -> Result<ProviderPreferences, ConfigError> {
        if let Some(wrong) = self.data_collection.as_deref().filter(|value| !matches!(*value, "allow" | "deny")) {
            return Err(ConfigError::Value(format!("data_collection is {wrong:?}, but must be allow or deny")));
        }
        let prices = self.max_prompt_price.is_some() || self.max_completion_price.is_some();
        Ok(ProviderPreferences {
            order: self.order.clone(),
            only: self.only.clone(),
            ignore: self.ignore.clone(),
            allow_fallbacks: self.allow_fallbacks,
            require_parameters: self.require_parameters,
            data_collection: self.data_collection.clone(),
            zdr: self.zdr,
            quantizations: self.quantizations.clone(),
            sort: self.sort,
            max_price: prices.then_some(MaxPrice {
                prompt: self.max_prompt_price,
                completion: self.max_completion_price,
                ..MaxPrice::default()
            }),
            ..ProviderPreferences::default()
        })
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

/// The nearest `.env`, of which only OpenRouter's and Corsac's variables are read.
struct DotEnv {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl DotEnv {
    fn find(folder: &Path) -> Option<DotEnv> {
        let path = folder.ancestors().map(|folder| folder.join(".env")).find(|path| path.is_file())?;
        let entries = dotenvy::from_path_iter(&path).ok()?;
        let ours = |name: &str| name.starts_with("OPENROUTER_") || name.starts_with("CORSAC_");
        let values = entries.filter_map(Result::ok).filter(|(name, value)| ours(name) && !value.trim().is_empty()).collect();
        Some(DotEnv { path, values })
    }

    fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn load(folder: &Path, environment: &[(&str, &str)]) -> Config {
        let get = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::load(None, folder, None, &get).unwrap()
    }

    #[test]
    fn the_environment_wins_over_dot_env_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(folder.path().join("corsac.toml"), "api_key = 'from-file'\n[app]\nname = 'Mine'\n").unwrap();
        let source = |config: &Config| config.key.as_ref().map(|(key, origin)| (key.expose_secret().to_owned(), origin.clone()));
        assert_eq!(source(&load(&below, &[])), Some(("from-file".into(), Origin::File(folder.path().join("corsac.toml")))));
        std::fs::write(folder.path().join("a/.env"), "OPENROUTER_API_KEY=from-env-file\nOTHER=1\nCORSAC_APP_URL='https://x.y'\n").unwrap();
        let config = load(&below, &[]);
        assert_eq!(source(&config), Some(("from-env-file".into(), Origin::DotEnv(folder.path().join("a/.env")))));
        assert_eq!((config.app.name.as_deref(), config.app.url.as_deref()), (Some("Mine"), Some("https://x.y")));
        let config = load(&below, &[("OPENROUTER_API_KEY", "from-environment")]);
        assert_eq!(source(&config), Some(("from-environment".into(), Origin::Environment("OPENROUTER_API_KEY"))));
        assert!(!format!("{config:?}").contains("from-"), "{config:?}");
    }

    #[test]
    fn wrong_names_are_named() {
        let error = ConfigFile::parse("model = 'a/b'\n[profiles.x.provider]\nexclud = ['Azure']\n").unwrap_err();
        assert_eq!(error, "line 3: there is no setting \"exclud\"; did you mean exclude?");
        let error = ConfigFile::parse("api_key = sk-or-secret\n").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_profile_becomes_settings() {
        let text = "model = 'a/b'\n[profiles.careful]\nmodels = ['c/d']\nreasoning_effort = 'low'\nstructured_output_strategy = 'prefer_tools'\n\
                    [profiles.careful.provider]\nexclude = ['azure']\nmax_prompt_price = 5\nsort = 'latency'\n\
                    [profiles.both]\nreasoning_effort = 'low'\nreasoning_max_tokens = 5\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("corsac.toml"), text).unwrap();
        let config = load(folder.path(), &[]);
        let settings = config.settings(Some("careful")).unwrap();
        assert_eq!(settings.routes, [Route::to("a/b"), Route::to("c/d")]);
        assert_eq!(settings.request.strategy, Some(Strategy::ForcedTool));
        assert_eq!(
            serde_json::to_string(&settings.request.provider).unwrap(),
            r#"{"ignore":["azure"],"sort":"latency","max_price":{"prompt":"5"}}"#
        );
        assert!(config.settings(Some("both")).unwrap_err().to_string().contains("keep one"));
        assert_eq!(config.settings(Some("carefull")).unwrap_err().to_string(), "there is no profile \"carefull\"; did you mean careful?");
    }
}
