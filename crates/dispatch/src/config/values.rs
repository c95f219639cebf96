//! The kinds of value that settings have beside plain text and numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use corsac_policy::Strategy;
use corsac_wire::{PdfEngine, Plugin};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// What is written in place of a secret.
const HIDDEN: &str = "[hidden]";

/// A key. It shows itself in no `Debug` and is written out nowhere.
#[derive(Clone)]
pub struct Key(SecretString);

impl Key {
    /// The key, for a request.
    pub(crate) fn secret(&self) -> SecretString {
        SecretString::from(self.0.expose_secret().trim().to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret().trim()
    }
}

impl<T: Into<String>> From<T> for Key {
    fn from(text: T) -> Key {
        Key(SecretString::from(text.into()))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        String::deserialize(deserializer).map(Key::from)
    }
}

/// The text of a header. It may be a secret of its own, so it shows itself in no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderText(String);

impl HeaderText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for HeaderText {
    fn from(text: T) -> HeaderText {
        HeaderText(text.into())
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A stretch of time: a number of seconds, or a text such as `90s`, `2m`, `12h`, `30d` or `4w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds; `None` for what is no span of time.
    pub(crate) fn seconds(seconds: f64) -> Option<Span> {
        Duration::try_from_secs_f64(seconds).ok().map(Span)
    }

    /// Reads a text; `None` if it names no span of time.
    pub fn parse(text: &str) -> Option<Span> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let number: f64 = text[..end].parse().ok()?;
        let seconds = match text[end..].trim() {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        Span::seconds(number * seconds)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Span {
        Span(duration)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let span = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_f64().and_then(Span::seconds),
            Value::String(text) => Span::parse(&text),
            _ => None,
        };
        span.ok_or_else(|| de::Error::custom("no span of time"))
    }
}

/// How structure is asked for at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyName {
    /// `response_format`.
    PreferResponseFormat,
    /// A forced tool call.
    PreferTools,
}

impl From<StrategyName> for Strategy {
    fn from(name: StrategyName) -> Strategy {
        match name {
            StrategyName::PreferResponseFormat => Strategy::ResponseFormat,
            StrategyName::PreferTools => Strategy::ForcedTool,
        }
    }
}

/// Whether a model has to take schemas or tools to be asked for structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportName {
    /// One that takes neither fails before anything is sent.
    Required,
    /// One that takes neither is asked in words.
    Preferred,
}

/// The plugins that can be named by their id alone.
pub(crate) const PLUGINS: [&str; 14] = [
    "response-healing",
    "file-parser",
    "web",
    "web-fetch",
    "context-compression",
    "moderation",
    "auto-router",
    "auto-beta-router",
    "pareto-router",
    "fusion",
    "alignment",
    "armor",
    "jev-router",
    "switchyard-router",
];

/// What reads documents.
pub(crate) const PDF_ENGINES: [&str; 4] = ["native", "mistral-ocr", "cloudflare-ai", "pdf-text"];

/// A plugin: its id, or a table with an id and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PluginEntry(pub Value);

impl PluginEntry {
    /// As it is sent. `engine` beside the id of `file-parser` is short for `pdf.engine`. `None` without an id.
    pub(crate) fn plugin(&self) -> Option<Plugin> {
        let mut plugin = match &self.0 {
            Value::String(id) => serde_json::json!({ "id": id }),
            other => other.clone(),
        };
        if let Some(table) = plugin.as_object_mut().filter(|table| table.get("id").and_then(Value::as_str) == Some("file-parser"))
            && let Some(engine) = table.shift_remove("engine")
        {
            let engine = serde_json::from_value::<PdfEngine>(engine.clone())
                .ok()
                .and_then(|known| serde_json::to_value(known).ok())
                .unwrap_or(engine);
            table.insert("pdf".to_owned(), serde_json::json!({ "engine": engine }));
        }
        Plugin::verbatim(plugin).ok()
    }
}

/// A list of texts, or one text by itself.
pub(crate) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}

/// Numbers by token id. Ids are names in TOML and JSON.
pub(crate) fn by_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u32, f64>, D::Error> {
    let named = BTreeMap::<String, f64>::deserialize(deserializer)?;
    named.into_iter().map(|(token, bias)| Ok((token.parse().map_err(de::Error::custom)?, bias))).collect()
}
