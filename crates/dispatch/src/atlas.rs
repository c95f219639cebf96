//! What is known of the models behind a door: the catalog, the endpoints of a model, the providers' slugs. Kept in
//! memory, and on disk with its age; fetched when a decision needs it, refreshed in the background when it is old.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use corsac_ledger::Fingerprint;
use corsac_policy::{UnknownModel, nearest};
use corsac_wire::catalog::{Endpoint, EndpointsReply, Model};
use futures::future::{BoxFuture, Shared};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::exchange::{Exchange, Request};
use crate::{Catalog, Clock};

/// Endpoints older than this are fetched anew in the background; until then they decide as they are.
pub(crate) const ENDPOINTS_AGE_MS: i64 = 60 * 60 * 1_000;
/// A call waits no longer than this for the endpoints of its model; without them it is planned from what is known.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known behind one door.
pub(crate) struct Atlas {
    exchange: Arc<dyn Exchange>,
    clock: Arc<dyn Clock>,
    folder: Option<PathBuf>,
    models: RwLock<HashMap<String, Arc<Model>>>,
    endpoints: Mutex<HashMap<Arc<str>, Arc<Listed>>>,
    /// How often something that was known was replaced.
    version: AtomicU64,
    providers: OnceCell<HashMap<String, String>>,
    /// The catalog, while it is on its way.
    coming: Mutex<Option<Coming>>,
}

/// Ends when a catalog was taken in, or could not be had.
pub(crate) type Coming = Shared<BoxFuture<'static, ()>>;

/// The endpoints of one model as they were fetched, and when that was.
#[derive(Default)]
struct Listed {
    fetched: OnceCell<(Known, i64)>,
    is_refreshed: AtomicBool,
}

/// The endpoints of a model, where they could be had.
pub(crate) type Known = Option<Arc<Vec<Endpoint>>>;

/// Endpoints as kept on disk: the service's own words with a date.
#[derive(Serialize, Deserialize)]
struct Kept {
    fetched_ms: i64,
    reply: Value,
}

impl fmt::Debug for Atlas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atlas").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Atlas {
    /// Nothing known yet. `folder` is where endpoints are kept from one process to the next.
    pub(crate) fn new(exchange: Arc<dyn Exchange>, clock: Arc<dyn Clock>, folder: Option<PathBuf>) -> Atlas {
        Atlas {
            exchange,
            clock,
            folder,
            models: RwLock::default(),
            endpoints: Mutex::default(),
            version: AtomicU64::new(0),
            providers: OnceCell::new(),
            coming: Mutex::new(None),
        }
    }

    /// A catalog is on its way: who asks for a model that is not known yet waits for it.
    pub(crate) fn expect(&self, coming: Coming) {
        *self.coming.lock() = Some(coming);
    }

    /// Why there is no model of this id, where that is certain: there is a catalog, which does not know it, and the service
    /// names nobody who serves it. Everybody who asks for it shares what is fetched to find out.
    pub(crate) async fn unknown(self: &Arc<Self>, id: &Arc<str>) -> Option<UnknownModel> {
        if !self.exchange.routes() || !is_listed(id) || self.model(id).is_some() {
            return None;
        }
        let coming = self.coming.lock().clone();
        if let Some(coming) = coming {
            coming.await;
        }
        if self.models.read().is_empty() || self.model(id).is_some() || self.endpoints(id).await.is_some() {
            return None;
        }
        let models = self.models.read();
        Some(UnknownModel { id: id.to_string(), nearest: nearest(id, models.keys().map(String::as_str), 3) })
    }

    /// Takes in a catalog.
    pub(crate) fn learn(&self, catalog: &Catalog) {
        let mut models = self.models.write();
        for model in &catalog.models {
            let entry = Arc::new(model.clone());
            models.insert(model.id.clone(), Arc::clone(&entry));
            if let Some(slug) = &model.canonical_slug {
                models.entry(slug.clone()).or_insert(entry);
            }
        }
        drop(models);
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// What the catalog says of a model; a variant such as `:nitro` counts as its base.
    pub(crate) fn model(&self, id: &str) -> Option<Arc<Model>> {
        let models = self.models.read();
        models.get(id).or_else(|| id.split_once(':').and_then(|(base, _)| models.get(base))).cloned()
    }

    /// Changes whenever a decision might be another one because something was fetched anew.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Who serves a model, if that can be had in reasonable time. What is old, or was kept by an earlier process and is
    /// old, is used at once and refreshed behind.
    pub(crate) async fn endpoints(self: &Arc<Self>, model: &Arc<str>) -> Known {
        if !self.exchange.routes() || !is_listed(model) {
            return None;
        }
        let listed = Arc::clone(self.endpoints.lock().entry(Arc::clone(model)).or_default());
        let fetched = listed.fetched.get_or_init(|| async {
            match self.kept(model) {
                Some((endpoints, fetched_ms)) => (Some(endpoints), fetched_ms),
                None => (self.fetch(model).await, self.clock.epoch_ms()),
            }
        });
        let (known, fetched_ms) = fetched.await.clone();
        if self.clock.epoch_ms().saturating_sub(fetched_ms) > ENDPOINTS_AGE_MS && !listed.is_refreshed.swap(true, Ordering::Relaxed) {
            let (this, model, before) = (Arc::clone(self), Arc::clone(model), known.clone());
            tokio::spawn(async move { this.refresh(model, before).await });
        }
        known
    }

    /// Fetches the endpoints of a model anew. When they cannot be had, those from before go on counting, for as long again.
    async fn refresh(&self, model: Arc<str>, before: Known) {
        let known = self.fetch(&model).await.or(before);
        let fetched = OnceCell::new_with(Some((known, self.clock.epoch_ms())));
        self.endpoints.lock().insert(model, Arc::new(Listed { fetched, is_refreshed: AtomicBool::new(false) }));
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    async fn fetch(&self, model: &str) -> Known {
        let base = model.split_once(':').filter(|(_, variant)| is_routing(variant)).map_or(model, |(base, _)| base);
        let reply = self.exchange.exchange(Request::get(format!("models/{base}/endpoints"), PATIENCE)).await.ok()?;
        if reply.status != 200 {
            return None;
        }
        let said: Value = serde_json::from_slice(&reply.body).ok()?;
        let endpoints = read_endpoints(&said)?;
        if let Some(file) = self.file(model) {
            // what cannot be kept is only fetched again next time
            let _ = keep(&file, &Kept { fetched_ms: self.clock.epoch_ms(), reply: said });
        }
        Some(endpoints)
    }

    fn kept(&self, model: &str) -> Option<(Arc<Vec<Endpoint>>, i64)> {
        let text = std::fs::read(self.file(model)?).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        Some((read_endpoints(&kept.reply)?, kept.fetched_ms))
    }

    fn file(&self, model: &str) -> Option<PathBuf> {
        let name = Fingerprint::of([self.exchange.address().as_bytes(), model.as_bytes()]).to_string();
        Some(self.folder.as_ref()?.join(format!("{name}.json")))
    }

    /// The slug of a provider that was named as replies name it.
    pub(crate) async fn slug(&self, name: &str) -> String {
        let known = self.providers.get_or_init(|| providers(self.exchange.as_ref())).await;
        known.get(name).cloned().unwrap_or_else(|| slug_of(name))
    }
}

/// Whether the catalog can list who serves it: aliases, presets and routers choose their model themselves.
fn is_listed(model: &str) -> bool {
    model.contains('/') && !model.contains('@') && !model.starts_with('~') && !model.starts_with("openrouter/")
}

/// Variants that only change how endpoints are sorted; others, such as `:free`, have endpoints of their own.
fn is_routing(variant: &str) -> bool {
    matches!(variant, "nitro" | "floor" | "exacto" | "online")
}

fn read_endpoints(said: &Value) -> Known {
    let reply = EndpointsReply::deserialize(said).ok()?;
    (!reply.data.endpoints.is_empty()).then(|| Arc::new(reply.data.endpoints))
}

fn keep(file: &Path, kept: &Kept) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, serde_json::to_vec(kept)?)?;
    std::fs::rename(&beside, file)
}

async fn providers(exchange: &dyn Exchange) -> HashMap<String, String> {
    if !exchange.routes() {
        return HashMap::new();
    }
    let Ok(reply) = exchange.exchange(Request::get("providers", PATIENCE)).await else { return HashMap::new() };
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
    use super::*;

    #[test]
    fn slugs_are_guessed_from_names() {
        assert_eq!(slug_of("Amazon Bedrock"), "amazon-bedrock");
        assert_eq!(slug_of("Z.AI"), "z-ai");
        assert_eq!(slug_of("Google AI Studio"), "google-ai-studio");
    }

    #[test]
    fn routers_and_presets_have_no_endpoints_of_their_own() {
        assert!(is_listed("openai/gpt-4o-mini") && is_listed("a/b:free"));
        assert!(!is_listed("openrouter/auto") && !is_listed("~openai/gpt-latest") && !is_listed("@preset/x") && !is_listed("mine"));
    }
}
