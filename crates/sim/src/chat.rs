//! `POST /chat/completions`: from the request over models and endpoints to a reply, the way OpenRouter
//! goes: any error of a model leads to the next of `models`, any error of a provider to the next endpoint.

use std::time::Duration;

use serde_json::{Value, json};

use crate::account::{Caller, Estimate};
use crate::answer::Prompt;
use crate::catalog::{Endpoint, Found};
use crate::chat_request::{ChatRequest, Shape};
use crate::completion_json::{self, Served, Usage};
use crate::config::UsageLayout;
use crate::counters::Answered;
use crate::fault::FaultKind;
use crate::fault_plan::{Act, Answerer, Asked, Reach, Trial, Verdict};
use crate::fault_reply::{self, Hit};
use crate::generation::Record;
use crate::reply::{Receipt, SimBody, SimReply, SimRequest};
use crate::routing::{Need, route};
use crate::rule::FixedReply;
use crate::seed::{Draw, hash, mix};
use crate::simulator::World;
use crate::stream::{self, Layout};
use crate::strict_schema;
use crate::wire_error;

/// The longest answer where neither request nor endpoint says one.
const LONGEST_ANSWER: u64 = 16_384;

/// One chat request on its way.
struct Call<'a> {
    world: &'a World,
    http: &'a SimRequest,
    request: &'a ChatRequest<'a>,
    caller: Caller<'a>,
    number: u64,
    now: Duration,
    body_hash: u64,
    need: Need,
    /// What went wrong before, for `previous_errors`.
    previous: Vec<Value>,
    attempts: Vec<Value>,
}

/// How trying a model ended.
enum Tried {
    /// This is the reply, whatever other models there are.
    Done(SimReply),
    /// The next model may try.
    Failed(SimReply),
}

/// Answers a chat request.
pub(crate) fn chat(world: &World, http: &SimRequest, caller: Caller<'_>, asked: Asked<'_>, body_hash: u64) -> SimReply {
    if let Err(reply) = world.account.take_request(caller, asked.now) {
        return *reply;
    }
    let request = match ChatRequest::read(&http.body) {
        Ok(request) => request,
        Err(message) => return wire_error::plain(400, &message),
    };
    let mut models: Vec<Found<'_>> = Vec::with_capacity(request.wanted.len().max(1));
    for name in &request.wanted {
        match world.catalog.find(name) {
            Some(found) if !found.model.embeds => models.push(found),
            _ => return wire_error::unknown_model(name),
        }
    }
    if models.is_empty() {
        models.extend(world.catalog.models.first().and_then(|model| world.catalog.find(&model.id)));
    }
    let schema_characters = if let Shape::Schema { schema, .. } = &request.shape { schema.len() as u64 } else { 0 };
    let need = Need {
        text_tokens: request.text_characters.div_ceil(4) + 3 * request.message_count,
        tool_tokens: (request.tool_characters + schema_characters).div_ceil(4),
        max_tokens: request.max_tokens,
    };
    if let Some(first) = models.first() {
        world.counters.asked(&first.model.id);
    }
    let mut trial = world.plan.trial(Asked { stream: request.stream, ..asked });
    let mut call = Call {
        world,
        http,
        request: &request,
        caller,
        number: asked.number,
        now: asked.now,
        body_hash,
        need,
        previous: Vec::new(),
        attempts: Vec::new(),
    };
    let mut last = wire_error::plain(404, "No endpoints found");
    for found in models {
        match call.try_model(found, &mut trial) {
            Tried::Done(reply) => return reply,
            Tried::Failed(reply) => last = reply,
        }
    }
    let earlier = call.previous.len().saturating_sub(1);
    wire_error::add_previous(last, call.previous.get(..earlier).unwrap_or_default())
}

impl<'a> Call<'a> {
    fn try_model(&mut self, found: Found<'a>, trial: &mut Trial<'a>) -> Tried {
        if found.model.is_free()
            && let Err(reply) = self.world.account.take_free(self.now)
        {
            return self.fail(found, "openrouter", *reply);
        }
        let endpoints = match route(found, self.request, self.need, Draw::new(self.body_hash)) {
            Ok(endpoints) => endpoints,
            Err(reply) => return self.fail(found, "openrouter", *reply),
        };
        let mut last = wire_error::plain(404, &format!("No endpoints found for {}.", found.model.id));
        for endpoint in endpoints {
            self.world.counters.tried(found.index, &endpoint.tag);
            let answerer = answerer(found, endpoint);
            let verdict = trial.verdict(answerer);
            if let Some(tried) = verdict.as_ref().and_then(|verdict| self.judged(found, answerer, verdict)) {
                match tried {
                    (Reach::Endpoint, Tried::Failed(reply)) => last = reply,
                    (_, tried) => return tried,
                }
            } else if let Some(reply) = self.refused_by(found, endpoint) {
                let Tried::Failed(reply) = self.fail(found, &endpoint.slug, reply) else {
                    break;
                };
                last = reply;
            } else {
                return Tried::Done(self.serve(found, endpoint, verdict));
            }
            if self.request.preferences.allow_fallbacks == Some(false) {
                break;
            }
        }
        Tried::Failed(last)
    }

    /// Notes a failure.
    fn fail(&mut self, found: Found<'_>, slug: &str, reply: SimReply) -> Tried {
        self.previous.push(json!({ "provider": slug, "code": error_code(&reply), "status": reply.status }));
        self.attempts.push(json!({ "provider": slug, "model": found.model.id, "status": reply.status }));
        Tried::Failed(reply)
    }

    /// What a verdict means when it is not an answer.
    fn judged(&mut self, found: Found<'a>, answerer: Answerer<'a>, verdict: &Verdict<'_>) -> Option<(Reach, Tried)> {
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
        Some((verdict.reach, self.fail(found, answerer.slug, reply)))
    }

    /// Why this endpoint does not answer although nobody scripted it.
    fn refused_by(&self, found: Found<'_>, endpoint: &Endpoint) -> Option<SimReply> {
        if let Err(wait_s) = self.world.account.take_upstream(&found.model.id, self.now) {
            return Some(wire_error::upstream_rate_limited(&found.model.id, &endpoint.provider, wait_s));
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

    fn latency(&self) -> Duration {
        self.world.config.latency_ms.pick(mix(self.world.config.seed ^ mix(self.number)))
    }

    /// How long a refusal takes: nobody computes an answer for it.
    fn refusal_time(&self) -> Duration {
        self.world.config.refusal_ms.pick(mix(self.world.config.seed ^ mix(!self.number)))
    }

    /// The endpoint answers.
    fn serve(&mut self, found: Found<'_>, endpoint: &Endpoint, verdict: Option<Verdict<'_>>) -> SimReply {
        let longest = endpoint.max_completion_tokens.unwrap_or(LONGEST_ANSWER);
        let max_tokens = self.request.max_tokens.unwrap_or(longest);
        let prompt_tokens = self.need.text_tokens + self.need.tool_tokens;
        let estimate =
            Estimate { prompt: endpoint.prompt_price.times(prompt_tokens), completion_price: endpoint.completion_price, max_tokens };
        let costs = endpoint.prompt_price.0 + endpoint.completion_price.0 > 0;
        if costs && let Err(reply) = self.world.account.afford(self.caller, estimate, self.now) {
            return *reply;
        }
        let (content, fault) = match verdict.map(|verdict| verdict.act) {
            Some(Act::Content(content)) => (Some(content), None),
            Some(Act::Fault(kind)) => (None, Some(self.fitting(kind))),
            _ => (None, None),
        };
        let prompt = Prompt {
            request: self.request,
            model: found.model,
            endpoint,
            schemas: &self.world.schemas,
            seed: self.world.config.seed,
            max_tokens,
        };
        let mut answer = prompt.answer(content);
        if let Some(kind) = fault {
            self.world.counters.fault(kind);
            answer.spoil(kind, &prompt);
        }
        // nothing is charged for an answer that is empty or an error
        let charged = answer.completion_tokens > 0 && answer.finish != "error";
        let price = |amount| {
            if charged { amount } else { crate::PicoDollars::default() }
        };
        let usage = Usage {
            prompt_tokens,
            completion_tokens: answer.completion_tokens,
            reasoning_tokens: answer.reasoning_tokens,
            prompt_cost: price(estimate.prompt),
            completion_cost: price(endpoint.completion_price.times(answer.completion_tokens)),
        };
        let delay = match fault {
            Some(FaultKind::Slow) => Duration::from_millis(self.world.config.slow_ms),
            _ => verdict.and_then(|verdict| verdict.latency).unwrap_or_else(|| self.latency()),
        };
        let created = self.world.account.epoch_ms(self.now) / 1_000;
        let model_name = found.model.served_name();
        let id_hash = hash(self.world.config.seed, &self.number.to_le_bytes());
        let served = Served {
            id: generation_id(created, id_hash),
            created,
            model: &model_name,
            provider: &endpoint.provider,
            fingerprint: (endpoint.slug == "openai").then(|| format!("fp_{:010x}", mix(found.index as u64) >> 24)),
            usage,
            metadata: self.metadata(found, endpoint),
        };
        let mut reply = if self.request.stream {
            let pieces = stream::render(&served, &answer, self.layout(), fault);
            let body = if fault == Some(FaultKind::Cut) { SimBody::CutStream(pieces) } else { SimBody::Stream(pieces) };
            SimReply { body, ..SimReply::json_bytes(200, Vec::new()) }
                .with_header("content-type", "text/event-stream")
                .with_header("cache-control", "no-cache")
        } else {
            let mut bytes = completion_json::render(&served, &answer);
            if fault == Some(FaultKind::Cut) {
                bytes.truncate(bytes.len() / 2);
                SimReply { body: SimBody::CutAfter(bytes), ..SimReply::json_bytes(200, Vec::new()) }
            } else {
                SimReply::json_bytes(200, bytes)
            }
        };
        if fault == Some(FaultKind::WrongContentType) {
            reply = reply.with_header("content-type", "text/plain; charset=utf-8");
        }
        reply.headers.push(("x-generation-id".to_owned(), served.id.clone()));
        let mut reply = reply.after(delay);

        let end = self.now + reply.duration().unwrap_or(delay);
        self.world.account.settle(self.caller, usage.cost(), Some((estimate, end)));
        let good = matches!(fault, None | Some(FaultKind::Slow));
        self.world.counters.answer(Answered {
            model: found.index,
            provider: &endpoint.provider,
            key: self.caller.name(),
            body_hash: self.body_hash,
            prompt_tokens,
            completion_tokens: answer.completion_tokens,
            cost: usage.cost(),
            good,
        });
        reply.receipt = Some(Receipt { body_hash: self.body_hash, good });
        self.world.generations.add(Record {
            id: served.id,
            ready_at: end + Duration::from_millis(self.world.config.generation_delay_ms),
            created_ms: self.world.account.epoch_ms(self.now),
            model: found.index,
            provider: endpoint.provider.clone(),
            usage,
            streamed: self.request.stream,
            finish: answer.finish,
            native_finish: answer.native_finish,
            latency: delay,
            referer: self.http.header("http-referer").map(str::to_owned),
        });
        reply
    }

    /// The fault as far as it fits the way of answering: a body cannot end in the middle of a stream
    /// when there is no stream.
    fn fitting(&self, kind: FaultKind) -> FaultKind {
        match kind {
            FaultKind::TruncatedStream if !self.request.stream => FaultKind::Cut,
            FaultKind::MidstreamError if !self.request.stream => FaultKind::ChoiceError,
            kind => kind,
        }
    }

    fn layout(&self) -> Layout {
        let config = &self.world.config.stream;
        let usage = match config.usage_layout {
            UsageLayout::Seeded => match mix(self.body_hash ^ self.number) % 3 {
                0 => UsageLayout::WithChoice,
                1 => UsageLayout::EmptyChoices,
                _ => UsageLayout::OnFinish,
            },
            settled => settled,
        };
        Layout { usage, gap: Duration::from_millis(config.gap_ms), leading_comments: config.leading_comments }
    }

    /// `openrouter_metadata`, for those who asked for it.
    fn metadata(&self, found: Found<'_>, endpoint: &Endpoint) -> Option<Value> {
        let wish = self.http.header("x-openrouter-metadata").or_else(|| self.http.header("x-openrouter-experimental-metadata"))?;
        if wish != "enabled" {
            return None;
        }
        let available: Vec<Value> = found
            .model
            .endpoints
            .iter()
            .map(|known| json!({ "provider": known.provider, "model": found.model.id, "selected": known.tag == endpoint.tag }))
            .collect();
        let mut attempts = self.attempts.clone();
        attempts.push(json!({ "provider": endpoint.slug, "model": found.model.id, "status": 200 }));
        let requested = self.request.wanted.first().map_or(found.model.id.as_str(), String::as_str);
        Some(json!({
            "requested": requested,
            "strategy": if attempts.len() > 1 { "fallback" } else { "direct" },
            "region": null,
            "summary": format!("available={}, selected={}", available.len(), endpoint.provider),
            "attempt": attempts.len(),
            "is_byok": false,
            "endpoints": { "total": available.len(), "available": available },
            "attempts": attempts,
        }))
    }
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
    let reply = match &fixed.body {
        Value::String(text) => SimReply::json_bytes(fixed.status, text.clone().into_bytes()).with_header("content-type", "text/plain"),
        value => SimReply::json(fixed.status, value),
    };
    fixed.headers.iter().fold(reply, |reply, (name, value)| reply.with_header(&name.to_lowercase(), value.clone()))
}

/// `gen-<unix seconds>-<20 letters and digits>`.
pub(crate) fn generation_id(created: u64, id_hash: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = format!("gen-{created}-");
    let (mut low, mut high) = (id_hash, mix(id_hash));
    for place in 0..20 {
        let source = if place < 10 { &mut low } else { &mut high };
        let letter = usize::try_from(*source % 62).unwrap_or(0);
        id.push(char::from(LETTERS[letter]));
        *source /= 62;
    }
    id
}
