//! The simulator itself: one request and a time in, one reply out, no clock and no socket.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::account::{Account, Caller};
use crate::affinity::Affinity;
use crate::answer::Schemas;
use crate::catalog::{Catalog, Kind};
use crate::chat::{self, fixed_reply};
use crate::config::SimConfig;
use crate::counters::Counters;
use crate::error::SimError;
use crate::fault_plan::{Act, Answerer, Asked, FaultPlan};
use crate::fault_reply::{self, Hit};
use crate::generation::Generations;
use crate::money::PicoDollars;
use crate::plain::PlainCall;
use crate::prompt_cache::PromptCache;
use crate::query::{Query, decode};
use crate::reply::{Receipt, SimBody, SimReply, SimRequest};
use crate::response_cache::ResponseCache;
use crate::route::Route;
use crate::seed::hash;
use crate::seen::{Seen, SeenBody};
use crate::skin::Skin;
use crate::{catalog_json, embeddings, key_routes, model_list, rerank, wire_error};

/// OpenRouter, simulated. Clones share one state.
#[derive(Clone)]
pub struct Simulator(Arc<World>);

/// Everything a request may touch.
pub(crate) struct World {
    pub(crate) config: SimConfig,
    pub(crate) catalog: Catalog,
    pub(crate) plan: FaultPlan,
    pub(crate) account: Account,
    pub(crate) counters: Counters,
    pub(crate) schemas: Schemas,
    pub(crate) generations: Generations,
    pub(crate) affinity: Affinity,
    pub(crate) cache: ResponseCache,
    pub(crate) prompt_cache: PromptCache,
    inference_requests: AtomicU64,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the configuration may hold keys
        formatter.debug_struct("Simulator").field("seed", &self.0.config.seed).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Makes a simulator.
    ///
    /// # Errors
    /// [`SimError::Script`] when the configuration contradicts itself.
    pub fn new(config: SimConfig) -> Result<Self, SimError> {
        config.check().map_err(|complaint| SimError::Script { line: None, rule: complaint.rule, message: complaint.message })?;
        let catalog = Catalog::new(&config);
        Ok(Self(Arc::new(World {
            plan: FaultPlan::new(&config),
            account: Account::new(&config),
            counters: Counters::new(&catalog),
            schemas: Schemas::default(),
            generations: Generations::default(),
            affinity: Affinity::default(),
            cache: ResponseCache::default(),
            prompt_cache: PromptCache::default(),
            inference_requests: AtomicU64::new(0),
            catalog,
            config,
        })))
    }

    /// Answers a request that comes `now` after the start. Nothing is slept: the reply says when
    /// each part of it arrives.
    #[must_use]
    pub fn handle(&self, request: &SimRequest, now: Duration) -> SimReply {
        let reply = self.answer(request, now);
        let end = reply.duration().map_or(Duration::MAX, |duration| now + duration);
        if end > now {
            self.0.counters.virtual_flight(now, end);
        }
        reply
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.0.counters.snapshot()
    }

    /// What became of a request body; none if it never came. Bodies of inference are told apart, the first two million.
    #[must_use]
    pub fn body(&self, body: &[u8]) -> Option<SeenBody> {
        self.0.counters.body(self.fingerprint(body))
    }

    /// What became of every request body, by fingerprint.
    #[must_use]
    pub fn bodies(&self) -> Vec<SeenBody> {
        self.0.counters.bodies()
    }

    /// The fingerprint of a request body, as [`SeenBody`] has it.
    #[must_use]
    pub fn fingerprint(&self, body: &[u8]) -> u64 {
        hash(self.0.config.seed, body)
    }

    /// What a key was charged, exact.
    #[must_use]
    pub fn billed_to(&self, key: &str) -> PicoDollars {
        self.0.counters.spent_by(key)
    }

    /// Notes that the caller of a reply went away before the reply came. It stays billed: a request without a stream
    /// cannot be taken back.
    pub fn abandon(&self, reply: &SimReply) {
        if let Some(receipt) = reply.receipt {
            self.0.counters.abandon(receipt);
        }
    }

    /// Everything as freshly made: counters, limits, spending, rules. Only the time goes on.
    pub fn reset(&self) {
        let world = &self.0;
        world.counters.reset();
        world.account.reset();
        world.plan.reset();
        world.generations.reset();
        world.affinity.reset();
        world.cache.reset();
        world.prompt_cache.reset();
        world.inference_requests.store(0, Ordering::Relaxed);
    }

    /// Ids of the models in the catalog.
    pub fn model_ids(&self) -> impl Iterator<Item = &str> {
        self.0.catalog.models.iter().map(|model| model.id.as_str())
    }

    /// The same as `handle`, for a server that counts what is in flight by itself.
    pub(crate) fn answer(&self, request: &SimRequest, now: Duration) -> SimReply {
        let world = &self.0;
        let path = request.path.strip_prefix("/api/v1").unwrap_or(&request.path);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        let route = Route::of(&request.method, path);
        match route {
            Route::SimSeen => return sim_seen(&self.seen()),
            Route::SimReset => {
                self.reset();
                return SimReply::json_bytes(200, b"{}".to_vec());
            }
            _ => {}
        }
        let is_inference = route.is_inference();
        let body_hash = hash(world.config.seed, &request.body);
        let body = is_inference.then_some((body_hash, route == Route::Infer(Skin::Chat)));
        world.counters.request(request, route.label(), body);
        let caller = world.account.caller(request, now);
        let reply = match caller {
            Err(reply) if route.needs_key() => match route {
                Route::Infer(skin) => skin.dress(*reply),
                _ => *reply,
            },
            caller => {
                let number = if is_inference {
                    world.inference_requests.fetch_add(1, Ordering::Relaxed) + 1
                } else {
                    world.inference_requests.load(Ordering::Relaxed)
                };
                let asked = Asked { number, path, is_inference, http: request, stream: false, now };
                let known = matches!(caller, Ok(Caller::Inference(_) | Caller::Management(_)));
                let caller = caller.unwrap_or(Caller::Anonymous);
                let plain = |kind| PlainCall { world, caller, asked, body_hash, kind };
                match route {
                    _ if is_inference && matches!(caller, Caller::Management(_)) => {
                        wire_error::plain(403, "Management keys cannot be used for inference")
                    }
                    Route::Infer(skin) => chat::infer(world, request, skin, caller, asked, body_hash),
                    Route::Embeddings => embeddings::embed(plain(Kind::Embeddings)),
                    Route::Rerank => rerank::rerank(plain(Kind::Rerank)),
                    _ => self.scripted(asked).unwrap_or_else(|| {
                        let look = LookUp { query: Query(query), caller, known, now };
                        self.look_up(route, &look, request)
                    }),
                }
            }
        };
        let status = if matches!(reply.body, SimBody::Hang) { 0 } else { reply.status };
        world.counters.reply(status, is_inference.then_some(now.as_secs() / 60));
        if status >= 400 {
            count_limit_source(&world.counters, &reply);
        }
        reply
    }

    /// What the rules have for a request that is no inference.
    fn scripted(&self, asked: Asked<'_>) -> Option<SimReply> {
        let world = &self.0;
        if world.plan.is_empty() {
            return None;
        }
        let verdict = world.plan.trial(asked).verdict(Answerer::default())?;
        let reply = match verdict.act {
            Act::Reply(fixed) => fixed_reply(fixed),
            Act::Fault(kind) => {
                let answerer = Answerer { model: "the catalog", provider: "OpenRouter", slug: "openrouter" };
                let account = &world.account;
                let hit = Hit { answerer, model: None, request: None, prompt_tokens: 0, account, now: asked.now };
                let reply = fault_reply::reply(kind, &hit)?;
                world.counters.fault(kind);
                reply
            }
            Act::Content(_) | Act::Answer => return None,
        };
        Some(reply.after(verdict.latency.unwrap_or_default()))
    }

    fn look_up(&self, route: Route<'_>, look: &LookUp<'_>, request: &SimRequest) -> SimReply {
        let World { catalog, account, generations, .. } = &*self.0;
        let LookUp { query, caller, known, now } = *look;
        if route.is_for_managers()
            && let Some(refusal) = key_routes::management_only(caller)
        {
            return refusal;
        }
        let with_id = |found: &dyn Fn(&str) -> SimReply| match query.get("id") {
            Some(id) => found(&id),
            None => wire_error::plain(400, "id: Required"),
        };
        match route {
            Route::Models => model_list::models(catalog, &query, "/api/v1/models", account.epoch_ms(now)),
            Route::ModelsOfUser => model_list::models(catalog, &query, "/api/v1/models/user", account.epoch_ms(now)),
            Route::ModelsCount => model_list::count(catalog, &query, account.epoch_ms(now)),
            Route::EmbeddingModels => model_list::embedding_models(catalog, &query),
            Route::Endpoints(id) => catalog_json::endpoints(catalog, &decode(id), known),
            Route::ZeroRetention => catalog_json::zero_retention_endpoints(catalog),
            Route::Model(id) => catalog_json::model(catalog, &decode(id)),
            Route::Providers => catalog_json::providers(),
            Route::Key => key_routes::key_info(account, caller, now),
            Route::Credits => key_routes::credits(account),
            Route::Keys => key_routes::list(account, &query, now),
            Route::MakeKey => key_routes::create(account, &request.body, now),
            Route::OneKey(hash) => key_routes::get(account, hash, now),
            Route::ChangeKey(hash) => key_routes::update(account, hash, &request.body, now),
            Route::DeleteKey(hash) => key_routes::delete(account, hash),
            Route::Activity => key_routes::activity(account, catalog, &query, now),
            Route::Generation => with_id(&|id| generations.find(id, catalog, now)),
            Route::GenerationContent => with_id(&|id| generations.content(id, now)),
            Route::WrongMethod => wire_error::plain(405, "Method Not Allowed"),
            Route::Infer(_) | Route::Embeddings | Route::Rerank | Route::SimSeen | Route::SimReset | Route::Unknown => {
                wire_error::plain(404, "Not Found")
            }
        }
    }

    pub(crate) fn enter(&self) {
        self.0.counters.enter();
    }

    pub(crate) fn leave(&self) {
        self.0.counters.leave();
    }
}

/// What a look-up knows of its request.
#[derive(Clone, Copy)]
struct LookUp<'r> {
    query: Query<'r>,
    caller: Caller<'r>,
    /// Whether the request came with a key.
    known: bool,
    now: Duration,
}

/// Notes which limit refused a request, where the reply says so.
fn count_limit_source(counters: &Counters, reply: &SimReply) {
    let SimBody::Bytes(bytes) = &reply.body else {
        return;
    };
    let source = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    if let Some(source) = source.as_ref().and_then(|body| body.pointer("/error/metadata/limit_source")?.as_str()) {
        counters.limit_source(source);
    }
}

/// A reply on its way: dropped before it is done, its caller has gone.
pub(crate) struct Delivery {
    simulator: Simulator,
    receipt: Option<Receipt>,
}

impl Delivery {
    pub(crate) fn new(simulator: &Simulator, reply: &SimReply) -> Self {
        Self { simulator: simulator.clone(), receipt: reply.receipt }
    }

    pub(crate) fn done(mut self) {
        self.receipt = None;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt {
            self.simulator.0.counters.abandon(receipt);
        }
    }
}

fn sim_seen(seen: &Seen) -> SimReply {
    match serde_json::to_vec(seen) {
        Ok(bytes) => SimReply::json_bytes(200, bytes),
        Err(_) => wire_error::plain(500, "the counters cannot be written"),
    }
}
