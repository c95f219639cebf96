//! Variables: the environment, then the nearest `.env`. And where a value was found, for messages.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Variables by name: the environment, or a table in tests.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables Corsac reads, and what they mean: a part of the reference page.
pub(crate) const VARIABLES: [(&str, &str); 13] = [
    ("OPENROUTER_API_KEY", "the key for OpenRouter; wins over `api_key`, not over `api_key_env`"),
    ("OPENROUTER_BASE_URL", "in place of `base_url`"),
    ("CORSAC_MODEL", "in place of `model`"),
    ("CORSAC_FALLBACKS", "in place of `fallbacks` and of a profile's `models`; separated by commas"),
    ("CORSAC_EMBEDDING_MODEL", "in place of `embedding_model`"),
    ("CORSAC_PROFILE", "the profile used, in place of `default_profile`"),
    ("CORSAC_BUDGET", "in place of `budget`, in dollars"),
    ("CORSAC_APP_NAME", "in place of `name` in `[app]`"),
    ("CORSAC_APP_URL", "in place of `url` in `[app]`"),
    ("CORSAC_APP_CATEGORIES", "in place of `categories` in `[app]`; separated by commas"),
    ("CORSAC_HOME", "where the ledger and the catalog are kept"),
    ("CORSAC_LOCAL_MODEL", "a GGUF file in place of the built-in model"),
    ("CORSAC_LOCAL_EMBEDDING_MODEL", "a folder with `model.safetensors` and `vocab.txt` in place of the built-in embedding model"),
];

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Environment(String),
    /// A `.env` file.
    DotEnv(PathBuf),
    /// The configuration file.
    File(PathBuf),
    /// The program that uses Corsac.
    Code,
    /// Nowhere: Corsac's own choice.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "{name} in the environment"),
            Self::DotEnv(path) | Self::File(path) => write!(f, "{}", path.display()),
            Self::Code => f.write_str("the program"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// The environment with the nearest `.env` behind it. Empty values count as not given.
pub(crate) struct Lookup<'a> {
    environment: Variables<'a>,
    dot_env: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl<'a> Lookup<'a> {
    /// Looks for `.env` from a folder upward. One that cannot be read counts as none: it may belong to something else.
    pub(crate) fn new(environment: Variables<'a>, folder: &Path) -> Lookup<'a> {
        let path = folder.ancestors().map(|folder| folder.join(".env")).find(|path| path.is_file());
        let dot_env = path.and_then(|path| {
            let values = dotenvy::from_path_iter(&path).ok()?.filter_map(Result::ok).collect();
            Some((path, values))
        });
        Lookup { environment, dot_env }
    }

    pub(crate) fn get(&self, name: &str) -> Option<(String, Origin)> {
        let filled = |value: &String| !value.trim().is_empty();
        let given = (self.environment)(name).filter(filled).map(|value| (value, Origin::Environment(name.to_owned())));
        given.or_else(|| {
            let (path, values) = self.dot_env.as_ref()?;
            Some((values.get(name).filter(|value| filled(value))?.clone(), Origin::DotEnv(path.clone())))
        })
    }

    /// A key.
    pub(crate) fn secret(&self, name: &str) -> Option<(SecretString, Origin)> {
        self.get(name).map(|(key, origin)| (SecretString::from(key.trim().to_owned()), origin))
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|(value, _)| value.trim().to_owned())
    }

    /// The items of a value separated by commas.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.text(name)?;
        Some(value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }
}
