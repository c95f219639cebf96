//! Replies name providers by display name, routing wants slugs. The list that maps one to the other is fetched once,
//! when the first provider has to be left out.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::Exchange;
use crate::exchange::Request;

/// Display name → slug.
#[derive(Debug, Default)]
pub(crate) struct ProviderSlugs {
    known: OnceCell<HashMap<String, String>>,
}

impl ProviderSlugs {
    pub(crate) async fn of(&self, names: &[String], exchange: &dyn Exchange) -> Vec<String> {
        if names.is_empty() || !exchange.routes() {
            return Vec::new();
        }
        let known = self.known.get_or_init(|| fetch(exchange)).await;
        names.iter().map(|name| known.get(name).cloned().unwrap_or_else(|| slug_of(name))).collect()
    }
}

async fn fetch(exchange: &dyn Exchange) -> HashMap<String, String> {
    let Ok(reply) = exchange.exchange(Request::get("providers", Duration::from_secs(5))).await else { return HashMap::new() };
    let list: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let entries = list.get("data").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |entry: &Value| Some((entry.get("name")?.as_str()?.to_owned(), entry.get("slug")?.as_str()?.to_owned()));
    entries.iter().filter_map(pair).collect()
}

/// `Amazon Bedrock` → `amazon-bedrock`, `Z.AI` → `z-ai`: right for most, when the list cannot be had.
pub(crate) fn slug_of(name: &str) -> String {
    let dashed: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() || c == '/' { c } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::slug_of;

    #[test]
    fn slugs_are_guessed_from_names() {
        assert_eq!(slug_of("Amazon Bedrock"), "amazon-bedrock");
        assert_eq!(slug_of("Z.AI"), "z-ai");
        assert_eq!(slug_of("Google AI Studio"), "google-ai-studio");
    }
}
