//! The way of an inference: from the request over models and endpoints to a reply, as OpenRouter goes: any error of
//! a model leads to the next of `models`, any error of a provider to the next endpoint.

use std::time::Duration;

use serde_json::{Value, json};

use crate::account::Caller;
use crate::affinity::session_hash;
use crate::catalog::{Endpoint, Found};
use crate::chat_request::{ChatRequest, ReasoningWish, Shape};
use crate::fault::FaultKind;
use crate::fault_plan::{Act, Answerer, Asked, Reach, Trial, Verdict};
use crate::fault_reply::{self, Hit};
use crate::reasoning;
use crate::reply::{SimReply, SimRequest};
use crate::response_cache::CacheWish;
use crate::routing::{Need, route};
use crate::rule::FixedReply;
use crate::seed::{Draw, hash, mix};
use crate::simulator::World;
use crate::skin::Skin;
use crate::strict_schema;
use crate::wire_error;

/// One inference on its way.
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) http: &'a SimRequest,
    pub(crate) skin: Skin,
    pub(crate) request: &'a ChatRequest<'a>,
    pub(crate) caller: Caller<'a>,
    pub(crate) number: u64,
    pub(crate) now: Duration,
    pub(crate) body_hash: u64,
    pub(crate) need: Need,
    /// Under which key the response cache keeps the answer, where it is asked to.
    pub(crate) cached_as: Option<(u64, CacheWish)>,
    /// What went wrong before, for `previous_errors`.
    previous: Vec<Value>,
    pub(crate) attempts: Vec<Value>,
}

/// How trying a model ended.
enum Tried {
    /// This is the reply, whatever other models there are.
    Done(SimReply),
    /// The next model may try.
    Failed(SimReply),
}

/// Answers an inference in the form it was asked for.
pub(crate) fn infer(world: &World, http: &SimRequest, skin: Skin, caller: Caller<'_>, asked: Asked<'_>, body_hash: u64) -> SimReply {
    let reply = run(world, http, skin, caller, asked, body_hash);
    if reply.finished { reply } else { skin.dress(reply) }
}

fn run(world: &World, http: &SimRequest, skin: Skin, caller: Caller<'_>, asked: Asked<'_>, body_hash: u64) -> SimReply {
    let refuse = |message: &str| wire_error::plain(400, message);
    if let Err(reply) = world.account.take_request(caller, asked.now) {
        return *reply;
    }
    let body = match skin.read(&http.body) {
        Ok(body) => body,
        Err(message) => return refuse(&message),
    };
    let mut request = match ChatRequest::read(&body) {
        Ok(request) => request,
        Err(message) => return refuse(&message),
    };
    request.session = request.session.or_else(|| http.header("x-session-id").map(Into::into));
    let mut models: Vec<Found<'_>> = Vec::with_capacity(request.wanted.len().max(1));
    for name in &request.wanted {
        match world.catalog.find(name) {
            Some(found) if found.model.chats() => models.push(found),
            Some(_) => return wire_error::wrong_endpoint(name),
            None => return wire_error::unknown_model(name),
        }
    }
    if models.is_empty() {
        models.extend(world.catalog.models.first().and_then(|model| world.catalog.find(&model.id)));
    }
    if let Some(first) = models.first() {
        world.counters.asked(&first.model.id);
    }
    let schema_characters = if let Shape::Schema { schema, .. } = &request.shape { schema.len() as u64 } else { 0 };
    let need = Need {
        text_tokens: request.talk.characters.div_ceil(4) + 3 * request.talk.messages + request.talk.media_tokens,
        tool_tokens: (request.tool_characters + schema_characters).div_ceil(4),
        max_tokens: request.max_tokens,
    };
    let cached_as = CacheWish::of(http).map(|wish| (hash(hash(body_hash, caller.name().as_bytes()), &[skin as u8]), wish));
    let mut trial = world.plan.trial(Asked { stream: request.stream, ..asked });
    let mut call = Call {
        world,
        http,
        skin,
        request: &request,
        caller,
        number: asked.number,
        now: asked.now,
        body_hash,
        need,
        cached_as,
        previous: Vec::new(),
        attempts: Vec::new(),
    };
    if let Some(reply) = call.cached_reply() {
        return reply;
    }
    let mut last = wire_error::plain(404, "No endpoints found");
    for found in &models {
        match call.try_model(*found, &mut trial) {
            Tried::Done(reply) => return reply,
            Tried::Failed(reply) => last = reply,
        }
    }
    if last.finished {
        return last;
    }
    let earlier = call.previous.len().saturating_sub(1);
    let reply = wire_error::add_previous(last, call.previous.get(..earlier).unwrap_or_default());
    wire_error::add_router_metadata(reply, models.last().and_then(|found| call.metadata(*found, None)))
}

impl<'a> Call<'a> {
    fn try_model(&mut self, found: Found<'a>, trial: &mut Trial<'a>) -> Tried {
        if found.model.is_free()
            && let Err(reply) = self.world.account.take_free(self.now)
        {
            return self.fail(found, None, *reply);
        }
        let mut endpoints = match route(found, self.request, self.need, Draw::new(self.body_hash)) {
            Ok(endpoints) => endpoints,
            Err(reply) => return self.fail(found, None, reply.after(self.refusal_time())),
        };
        let session = self.session(found);
        if self.request.preferences.order.is_none() && self.request.preferences.sort.is_none() {
            self.world.affinity.arrange(found.index, &mut endpoints, session, self.now);
        }
        // whoever brings a key of their own is sent where it opens, whatever the order
        endpoints.sort_by_key(|endpoint| !self.world.account.is_byok(endpoint));
        let mut last = wire_error::plain(404, &format!("No endpoints found for {}.", found.model.id));
        for endpoint in endpoints {
            self.world.counters.tried(found.index, &endpoint.tag);
            let answerer = answerer(found, endpoint);
            let verdict = trial.verdict(answerer);
            if let Some(tried) = verdict.as_ref().and_then(|verdict| self.judged(found, endpoint, verdict)) {
                match tried {
                    (Reach::Endpoint, Tried::Failed(reply)) => last = reply,
                    (_, tried) => return tried,
                }
            } else if let Some(reply) = self.refused_by(found, endpoint) {
                let Tried::Failed(reply) = self.fail(found, Some(endpoint), reply.after(self.refusal_time())) else {
                    break;
                };
                last = reply;
            } else {
                if let Some(session) = session {
                    self.world.affinity.stick(session, &endpoint.tag, self.now);
                }
                return Tried::Done(self.serve(found, endpoint, verdict));
            }
            if self.request.preferences.allow_fallbacks == Some(false) {
                break;
            }
        }
        Tried::Failed(last)
    }

    fn session(&self, found: Found<'_>) -> Option<u64> {
        let session = self.request.session.as_deref()?;
        Some(session_hash(self.caller.name(), found.index, session))
    }

    /// Notes a failure, of an endpoint or of routing itself.
    fn fail(&mut self, found: Found<'_>, endpoint: Option<&Endpoint>, reply: SimReply) -> Tried {
        let slug = endpoint.map_or("openrouter", |endpoint| endpoint.slug.as_str());
        self.previous.push(json!({ "provider": slug, "code": error_code(&reply), "status": reply.status }));
        if let Some(endpoint) = endpoint {
            self.attempts.push(json!({ "provider": endpoint.provider, "model": found.model.id, "status": reply.status }));
        }
        Tried::Failed(reply)
    }

    /// What a verdict means when it is not an answer.
    fn judged(&mut self, found: Found<'a>, endpoint: &'a Endpoint, verdict: &Verdict<'_>) -> Option<(Reach, Tried)> {
        let answerer = answerer(found, endpoint);
        let (reply, falls_back, refuses) = match verdict.act {
            Act::Answer | Act::Content(_) => return None,
            Act::Fault(kind) => {
                let hit = Hit {
                    answerer,
                    model: Some(found.model),
                    request: Some(self.request),
                    prompt_tokens: self.need.text_tokens,
                    account: &self.world.account,
                    now: self.now,
                };
                // a stream that stalls is a hang to whoever asked for no stream
                let kind = if kind == FaultKind::StalledStream && !self.request.stream { FaultKind::Hang } else { kind };
                let reply = fault_reply::reply(kind, &hit)?;
                self.world.counters.fault(kind);
                (reply, kind.falls_back(), kind.refuses())
            }
            Act::Reply(fixed) => (fixed_reply(fixed), fixed.status >= 400, (400..500).contains(&fixed.status)),
        };
        let reply = reply.after(verdict.latency.unwrap_or_else(|| if refuses { self.refusal_time() } else { self.latency() }));
        if verdict.reach == Reach::Request || !falls_back {
            return Some((Reach::Request, Tried::Done(reply)));
        }
        if reply.status >= 500 || reply.status == 429 {
            self.world.affinity.failed(found.index, &endpoint.tag, self.now);
        }
        Some((verdict.reach, self.fail(found, Some(endpoint), reply)))
    }

    /// Why this endpoint does not answer although nobody scripted it.
    fn refused_by(&self, found: Found<'_>, endpoint: &Endpoint) -> Option<SimReply> {
        if let Err(wait_s) = self.world.account.take_upstream(&found.model.id, self.now) {
            return Some(wire_error::upstream_rate_limited(&found.model.id, &endpoint.provider, wait_s));
        }
        let invalid = |message: &str| {
            let raw = json!({ "error": { "message": message, "type": "invalid_request_error", "param": "messages", "code": null } });
            wire_error::from_provider(400, &endpoint.provider, &raw.to_string(), "invalid_request")
        };
        if let Some(message) = &self.request.talk.broken_tools {
            return Some(invalid(message));
        }
        let reasons = found.model.reasons(matches!(self.request.reasoning, ReasoningWish::On { .. }));
        if reasons && !self.request.hide_reasoning && self.request.reasoning != ReasoningWish::Off {
            let seed = self.world.config.seed;
            if let Some(reply) = reasoning::refusal(&self.request.talk.tool_turns, found.model, endpoint, seed) {
                return Some(reply);
            }
        }
        let is_openai = matches!(endpoint.slug.as_str(), "openai" | "azure");
        if is_openai && matches!(self.request.shape, Shape::Object) && !self.request.talk.texts().any(says_json) {
            return Some(invalid("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."));
        }
        let Shape::Schema { schema, strict: true, .. } = &self.request.shape else {
            return None;
        };
        if !self.world.config.strict_schemas || !endpoint.supports("structured_outputs") {
            return None;
        }
        let schema = self.world.schemas.read(schema)?;
        let why = strict_schema::refusal(&schema, endpoint.schema_dialect)?;
        Some(fault_reply::schema_refused(&endpoint.provider, Some(self.request), &why))
    }

    pub(crate) fn latency(&self) -> Duration {
        self.world.config.latency_ms.pick(mix(self.world.config.seed ^ mix(self.number)))
    }

    /// How long a refusal takes: nobody computes an answer for it.
    pub(crate) fn refusal_time(&self) -> Duration {
        self.world.config.refusal_ms.pick(mix(self.world.config.seed ^ mix(!self.number)))
    }

    /// `openrouter_metadata`, for those who asked for it; without an endpoint nobody answered.
    pub(crate) fn metadata(&self, found: Found<'_>, served: Option<&Endpoint>) -> Option<Value> {
        let wish = self.http.header("x-openrouter-metadata").or_else(|| self.http.header("x-openrouter-experimental-metadata"))?;
        if wish != "enabled" {
            return None;
        }
        let is_selected = |known: &Endpoint| served.is_some_and(|endpoint| endpoint.tag == known.tag);
        let endpoints = found.model.endpoints.iter();
        let available: Vec<Value> =
            endpoints.map(|known| json!({ "provider": known.provider, "model": found.model.id, "selected": is_selected(known) })).collect();
        let mut attempts = self.attempts.clone();
        attempts.extend(served.map(|endpoint| json!({ "provider": endpoint.provider, "model": found.model.id, "status": 200 })));
        let requested = self.request.wanted.first().map_or(found.model.id.as_str(), String::as_str);
        let strategy = match requested {
            _ if attempts.len() > 1 => "fallback",
            "openrouter/auto" => "auto",
            "openrouter/free" => "free",
            name if name.starts_with('~') => "latest",
            name if name != found.model.id && !name.starts_with(&format!("{}:", found.model.id)) => "alias",
            _ => "direct",
        };
        let selected = served.map_or("none", |endpoint| endpoint.provider.as_str());
        let healed = json!([{ "type": "response_healing", "name": "response-healing" }]);
        Some(json!({
            "requested": requested,
            "strategy": strategy,
            "region": null,
            "summary": format!("available={}, selected={selected}", available.len()),
            "attempt": attempts.len(),
            "is_byok": served.is_some_and(|endpoint| self.world.account.is_byok(endpoint)),
            "endpoints": { "total": available.len(), "available": available },
            "attempts": attempts,
            "pipeline": if self.request.heals { healed } else { json!([]) },
        }))
    }
}

fn says_json(text: &str) -> bool {
    text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"))
}

fn answerer<'a>(found: Found<'a>, endpoint: &'a Endpoint) -> Answerer<'a> {
    Answerer { model: &found.model.id, provider: &endpoint.provider, slug: &endpoint.slug }
}

/// The short name of an error, for `previous_errors`.
fn error_code(reply: &SimReply) -> String {
    let body: Value = serde_json::from_slice(&reply.body_bytes()).unwrap_or_default();
    let named = ["/error/availability/code", "/error/metadata/error_type", "/error/error_type"]
        .iter()
        .find_map(|path| body.pointer(path)?.as_str());
    named.unwrap_or("provider_error").to_owned()
}

/// A reply as a script wrote it.
pub(crate) fn fixed_reply(fixed: &FixedReply) -> SimReply {
    let mut reply = match &fixed.body {
        Value::String(text) => SimReply::json_bytes(fixed.status, text.clone().into_bytes()).with_header("content-type", "text/plain"),
        value => SimReply::json(fixed.status, value),
    };
    reply.finished = true;
    fixed.headers.iter().fold(reply, |reply, (name, value)| reply.with_header(&name.to_lowercase(), value.clone()))
}
