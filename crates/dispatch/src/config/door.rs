//! A door: an engine at an address, with a key and headers of its own. Two routes share one when all four are the same.

use std::fmt;
use std::time::Duration;

use corsac_wire::header;
use secrecy::{ExposeSecret, SecretString};

use super::environment::Origin;
use crate::{App, HttpOptions};

/// Who answers behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// OpenRouter, or what speaks its API.
    OpenRouter,
    /// A server with OpenAI's API: it knows nothing of providers, routing, plugins or prices.
    OpenAi,
    /// The embedded model.
    Local,
    /// The simulator.
    Sim,
}

impl Engine {
    /// The name in the configuration, in the ledger and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenRouter => "openrouter",
            Self::OpenAi => "openai",
            Self::Local => "local",
            Self::Sim => "sim",
        }
    }

    /// The engine of a name, if there is one.
    pub fn of_name(name: &str) -> Option<Engine> {
        [Self::OpenRouter, Self::OpenAi, Self::Local, Self::Sim].into_iter().find(|engine| engine.name() == name)
    }

    /// Whether it is asked over HTTP.
    pub fn is_remote(self) -> bool {
        matches!(self, Self::OpenRouter | Self::OpenAi)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What it takes to open a door.
#[derive(Clone)]
pub struct DoorOptions {
    /// Who answers.
    pub engine: Engine,
    /// Where, such as `https://openrouter.ai/api/v1`; empty for engines in this process.
    pub base_url: String,
    /// The key, if there is one.
    pub key: Option<SecretString>,
    /// Where the key was found, for messages.
    pub key_origin: Option<Origin>,
    /// The app that requests are counted for.
    pub app: App,
    /// Headers of the user's own; they win over all others.
    pub headers: Vec<(String, String)>,
    /// The most time until a connection stands.
    pub connect: Duration,
}

/// Keys shorter than this are shown not even in part.
const SHORTEST_KEY_SHOWN: usize = 20;
/// OpenRouter reads no more of them in one request.
pub(crate) const CATEGORIES: usize = 2;

impl DoorOptions {
    /// The same for HTTP, with so many requests under way at most.
    pub fn http(&self, window: usize) -> HttpOptions {
        let (app, headers) = attributed(&self.app, &self.headers);
        HttpOptions { base_url: self.base_url.clone(), key: self.key.clone(), app, headers, window, connect: self.connect }
    }

    /// A name for the key in the ledger and in messages: its last four characters at most, and only of a long one.
    pub fn key_label(&self) -> String {
        let Some(key) = &self.key else { return "no key".to_owned() };
        let characters: Vec<char> = key.expose_secret().trim().chars().collect();
        match characters.len() {
            length if length >= SHORTEST_KEY_SHOWN => {
                characters[length - 4..].iter().fold("…".to_owned(), |label, c| label + &c.to_string())
            }
            _ => "short key".to_owned(),
        }
    }

    pub(crate) fn same_as(&self, other: &DoorOptions) -> bool {
        let key = |door: &DoorOptions| door.key.as_ref().map(|key| key.expose_secret().trim().to_owned());
        let base = |door: &DoorOptions| door.base_url.trim().trim_end_matches('/').to_owned();
        self.engine == other.engine
            && base(self) == base(other)
            && key(self) == key(other)
            && self.app == other.app
            && self.headers == other.headers
    }
}

impl fmt::Debug for DoorOptions {
    /// Headers by name alone: their texts may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorOptions")
            .field("engine", &self.engine)
            .field("base_url", &self.base_url)
            .field("key", &self.key_label())
            .field("app", &self.app)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// The app as the user's headers would have it, so that all attribution headers say the same: who gives `X-Title` alone does
/// not want to be counted under another name in `X-OpenRouter-Title`. The headers themselves stay and win.
pub(crate) fn attributed(app: &App, headers: &[(String, String)]) -> (App, Vec<(String, String)>) {
    let header = |name: &str| headers.iter().rev().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, text)| text.clone());
    let url = header(header::REFERER);
    let name = header(header::TITLE).or_else(|| header(header::TITLE_LEGACY));
    let categories = header(header::CATEGORIES);
    let by_default = *app == App::corsac(app.categories.clone());
    let base = if by_default && (url.is_some() || name.is_some()) { (None, None) } else { (app.name.clone(), app.url.clone()) };
    let app = App {
        name: name.or(base.0),
        url: url.or(base.1),
        categories: match categories {
            Some(list) => list.split(',').map(|category| category.trim().to_owned()).collect(),
            None => app.categories.iter().take(CATEGORIES).cloned().collect(),
        },
    };
    (app, headers.to_vec())
}

/// Scheme, host and port of an address, by which two addresses lead to the same server.
pub(crate) fn server_of(address: &str) -> Option<(String, String, u16)> {
    let uri: http::Uri = address.trim().parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// Whether two addresses lead to the same server.
pub(crate) fn same_server(one: &str, other: &str) -> bool {
    server_of(one).is_some_and(|server| Some(server) == server_of(other))
}

/// Whether this is OpenRouter itself, in whatever region.
pub(crate) fn is_openrouter(address: &str) -> bool {
    server_of(address).is_some_and(|(scheme, host, _)| scheme == "https" && (host == "openrouter.ai" || host.ends_with(".openrouter.ai")))
}
