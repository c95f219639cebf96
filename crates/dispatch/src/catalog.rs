//! The model catalog: fetched from the service, kept on disk with its age, usable offline when it is old.

use std::path::Path;
use std::time::Duration;

use corsac_policy::{UnknownModel, resolve};
use corsac_wire::catalog::{EndpointsReply, Model, ModelEndpoints, ModelList, Pricing};
use serde::{Deserialize, Serialize};

use crate::exchange::{Exchange, ExchangeError, Request};

/// The models there are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// The base URL it came from.
    pub address: String,
    /// When it was fetched, in milliseconds since 1970.
    pub fetched_ms: i64,
    /// The models.
    pub models: Vec<Model>,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The service did not give one.
    #[error("the model catalog could not be fetched from {address}: {why}")]
    Fetch {
        /// The base URL.
        address: String,
        /// What happened.
        why: String,
    },
}

const TIMEOUT: Duration = Duration::from_secs(15);

impl Catalog {
    /// Fetches the catalog: the models this key may use, or else all models.
    ///
    /// # Errors
    /// The service cannot be reached or gives no list.
    pub async fn fetch(exchange: &dyn Exchange, with_key: bool, now_ms: i64) -> Result<Catalog, CatalogError> {
        let paths: &[&'static str] = if with_key { &["models/user", "models"] } else { &["models"] };
        let mut why = String::new();
        for path in paths {
            match exchange.exchange(Request::get(*path, TIMEOUT)).await {
                Ok(reply) if reply.status == 200 => match serde_json::from_slice::<ModelList>(&reply.body) {
                    Ok(list) if !list.data.is_empty() => {
                        return Ok(Catalog { address: exchange.address(), fetched_ms: now_ms, models: list.data });
                    }
                    Ok(_) => why = "the list is empty".to_owned(),
                    Err(error) => why = format!("the list cannot be read: {error}"),
                },
                Ok(reply) => why = format!("HTTP {}", reply.status),
                Err(error @ (ExchangeError::Unreachable { .. } | ExchangeError::Timeout(_))) => {
                    why = error.to_string();
                    break;
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(CatalogError::Fetch { address: exchange.address(), why })
    }

    /// Fetches the embedding models, which stand in a list of their own.
    ///
    /// # Errors
    /// The service cannot be reached or gives no list.
    pub async fn fetch_embeddings(exchange: &dyn Exchange, now_ms: i64) -> Result<Catalog, CatalogError> {
        let failed = |why: String| CatalogError::Fetch { address: exchange.address(), why };
        let reply = exchange.exchange(Request::get("embeddings/models", TIMEOUT)).await.map_err(|error| failed(error.to_string()))?;
        if reply.status != 200 {
            return Err(failed(format!("HTTP {} for the embedding models", reply.status)));
        }
        let list: ModelList = serde_json::from_slice(&reply.body).map_err(|error| failed(format!("the list cannot be read: {error}")))?;
        Ok(Catalog { address: exchange.address(), fetched_ms: now_ms, models: list.data })
    }

    /// The endpoints of a model.
    ///
    /// # Errors
    /// The service cannot be reached or does not know the model.
    pub async fn endpoints(exchange: &dyn Exchange, model: &str) -> Result<ModelEndpoints, CatalogError> {
        let failed = |why: String| CatalogError::Fetch { address: exchange.address(), why };
        let path = format!("models/{model}/endpoints");
        let reply = exchange.exchange(Request::get(path, TIMEOUT)).await.map_err(|error| failed(error.to_string()))?;
        if reply.status != 200 {
            return Err(failed(format!("HTTP {} for {model}", reply.status)));
        }
        let endpoints: EndpointsReply = serde_json::from_slice(&reply.body).map_err(|error| failed(error.to_string()))?;
        Ok(endpoints.data)
    }

    /// The catalog kept on disk, if it came from this address and can be read.
    pub fn kept(file: &Path, address: &str) -> Option<Catalog> {
        let text = std::fs::read(file).ok()?;
        serde_json::from_slice::<Catalog>(&text).ok().filter(|catalog| catalog.address == address && !catalog.models.is_empty())
    }

    /// Keeps the catalog on disk. A catalog that cannot be kept is only fetched again next time.
    pub fn keep(&self, file: &Path) -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let beside = file.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        std::fs::rename(&beside, file)
    }

    /// The id of what a person wrote.
    ///
    /// # Errors
    /// [`UnknownModel`] with the nearest ids.
    pub fn resolve(&self, written: &str) -> Result<String, UnknownModel> {
        resolve(written, self.models.iter().map(|model| model.id.as_str()))
    }

    /// A model by its id; a variant such as `:nitro` counts as its base.
    pub fn model(&self, id: &str) -> Option<&Model> {
        let exact = self.models.iter().find(|model| model.id == id || model.canonical_slug.as_deref() == Some(id));
        exact.or_else(|| id.split_once(':').and_then(|(base, _)| self.models.iter().find(|model| model.id == base)))
    }

    /// What a model's tokens cost.
    pub fn pricing(&self, id: &str) -> Option<Pricing> {
        self.model(id).map(|model| model.pricing)
    }
}
