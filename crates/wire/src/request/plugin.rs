//! `plugins`: what OpenRouter does with a request and its reply on the way.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};

/// A plugin with its settings. Known ones have a constructor, every other passes as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Plugin(Value);

/// JSON that is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a plugin is an object with an id, such as {{\"id\": \"response-healing\"}}")]
pub struct PluginError;

/// What reads the text of a PDF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PdfEngine {
    /// The model itself, where it can.
    Native,
    /// Text recognition by Mistral, priced by the page.
    MistralOcr,
    /// Text extraction by Cloudflare, free of charge.
    #[serde(alias = "pdf-text")]
    CloudflareAi,
}

impl Plugin {
    /// Repairs the syntax of JSON answers; it cannot repair a cut or a violated schema, and does nothing for streams.
    pub fn response_healing() -> Plugin {
        Plugin(json!({"id": "response-healing"}))
    }

    /// Reads documents that stand in messages.
    pub fn file_parser(engine: PdfEngine) -> Plugin {
        Plugin(json!({"id": "file-parser", "pdf": {"engine": engine}}))
    }

    /// Any plugin as JSON.
    ///
    /// # Errors
    /// It is no object, or has no text as its `id`.
    pub fn verbatim(plugin: Value) -> Result<Plugin, PluginError> {
        let id = plugin.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        if id.is_some() { Ok(Plugin(plugin)) } else { Err(PluginError) }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        self.0.get("id").and_then(Value::as_str).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Plugin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plugin, D::Error> {
        Plugin::verbatim(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
