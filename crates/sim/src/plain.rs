//! The way of requests that are no conversation (embeddings, rerank): their endpoints are chosen and fail like those
//! of a chat, and one reply is billed for its input.

use std::time::Duration;

use crate::account::Caller;
use crate::catalog::{Endpoint, Found, Kind};
use crate::chat::fixed_reply;
use crate::chat_request::ProviderPreferences;
use crate::completion_json::Usage;
use crate::counters::Answered;
use crate::fault::FaultKind;
use crate::fault_plan::{Act, Answerer, Asked};
use crate::fault_reply::{self, Hit};
use crate::generation::Record;
use crate::reply::{Receipt, SimBody, SimReply};
use crate::routing::route_plain;
use crate::seed::{Draw, hash, mix};
use crate::serve::generation_id;
use crate::simulator::World;
use crate::spending::{Done, Estimate};
use crate::wire_error;

/// A request that is no conversation.
#[derive(Clone, Copy)]
pub(crate) struct PlainCall<'a> {
    pub(crate) world: &'a World,
    pub(crate) caller: Caller<'a>,
    pub(crate) asked: Asked<'a>,
    pub(crate) body_hash: u64,
    pub(crate) kind: Kind,
}

/// What it sends to a model.
pub(crate) struct Input<'p> {
    pub(crate) model: &'p str,
    pub(crate) preferences: &'p ProviderPreferences,
    /// The longest of its texts.
    pub(crate) longest: u64,
    pub(crate) tokens: u64,
}

/// An endpoint that answers.
pub(crate) struct Chosen<'a> {
    pub(crate) id: String,
    pub(crate) found: Found<'a>,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) usage: Usage,
    delay: Duration,
    spoiled: Option<FaultKind>,
    hold: Option<u64>,
}

impl<'a> PlainCall<'a> {
    /// The endpoint that answers, or the reply of whatever is in the way.
    pub(crate) fn choose(self, input: &Input<'_>) -> Result<Chosen<'a>, Box<SimReply>> {
        let world = self.world;
        let found = match world.catalog.find(input.model) {
            Some(found) if found.model.kind == self.kind => found,
            Some(_) => return Err(Box::new(wire_error::wrong_endpoint(input.model))),
            None => return Err(Box::new(wire_error::unknown_model(input.model))),
        };
        world.counters.asked(&found.model.id);
        let endpoints = route_plain(found, input.preferences, input.longest, Draw::new(self.body_hash))?;
        let mut trial = world.plan.trial(self.asked);
        let mut last = wire_error::plain(404, &format!("No endpoints found for {}.", input.model));
        for endpoint in endpoints {
            world.counters.tried(found.index, &endpoint.tag);
            if let Err(wait_s) = world.account.take_upstream(&found.model.id, self.asked.now) {
                last = wire_error::upstream_rate_limited(&found.model.id, &endpoint.provider, wait_s);
                continue;
            }
            let answerer = Answerer { model: &found.model.id, provider: &endpoint.provider, slug: &endpoint.slug };
            let verdict = trial.verdict(answerer);
            let asked_delay = verdict.and_then(|verdict| verdict.latency);
            let seed = world.config.seed ^ mix(self.asked.number);
            let mut delay = asked_delay.unwrap_or_else(|| world.config.latency_ms.pick(mix(seed)));
            let mut spoiled = None;
            match verdict.map(|verdict| (verdict.act, verdict.reach)) {
                Some((Act::Reply(fixed), _)) => return Err(Box::new(fixed_reply(fixed).after(delay))),
                Some((Act::Fault(kind), reach)) => {
                    world.counters.fault(kind);
                    let (model, account) = (Some(found.model), &world.account);
                    let hit = Hit { answerer, model, request: None, prompt_tokens: input.longest, account, now: self.asked.now };
                    if kind.refuses() && asked_delay.is_none() {
                        delay = world.config.refusal_ms.pick(mix(seed ^ 1));
                    }
                    if let Some(reply) = fault_reply::reply(kind, &hit) {
                        last = reply.after(delay);
                        if kind.falls_back() && reach == crate::fault_plan::Reach::Endpoint {
                            continue;
                        }
                        return Err(Box::new(last));
                    }
                    if kind == FaultKind::Slow {
                        delay = Duration::from_millis(world.config.slow_ms);
                    }
                    spoiled = Some(kind).filter(|kind| *kind != FaultKind::Slow);
                }
                _ => {}
            }
            let estimate = Estimate {
                prompt_tokens: input.tokens,
                prompt_price: endpoint.prompt_price,
                completion_price: endpoint.completion_price,
                max_tokens: 0,
            };
            let hold = world.account.afford(self.caller, estimate, self.asked.now)?;
            let created = world.account.epoch_ms(self.asked.now) / 1_000;
            let id = generation_id(created, hash(world.config.seed, &self.asked.number.to_le_bytes()));
            let usage = Usage { prompt_tokens: input.tokens, prompt_cost: estimate.prompt(), ..Usage::default() };
            return Ok(Chosen { id, found, endpoint, usage, delay, spoiled, hold });
        }
        Err(Box::new(last))
    }

    /// Books the answer and makes its reply out of the body.
    pub(crate) fn finish(self, chosen: Chosen<'_>, mut body: Vec<u8>, kind: &'static str) -> SimReply {
        let Chosen { id, found, endpoint, usage, delay, spoiled, hold } = chosen;
        let world = self.world;
        let now = self.asked.now;
        let cut = spoiled == Some(FaultKind::Cut);
        if cut {
            body.truncate(body.len() / 2);
        }
        let mut reply = SimReply::json_bytes(200, Vec::new()).with_header("x-generation-id", id.clone()).after(delay);
        if spoiled == Some(FaultKind::WrongContentType) {
            reply = reply.with_header("content-type", "text/plain; charset=utf-8");
        }
        reply.body = if cut { SimBody::CutAfter(body) } else { SimBody::Bytes(body) };
        // other ways to spoil an answer change a text, and there is none
        let good = !matches!(spoiled, Some(FaultKind::Cut | FaultKind::WrongContentType));
        reply.receipt = Some(Receipt { body_hash: self.body_hash, good });
        let (model, provider, cost) = (found.index, endpoint.provider.as_str(), usage.cost());
        let (prompt_tokens, completion_tokens) = (usage.prompt_tokens, 0);
        let byok_cost = crate::PicoDollars::default();
        let done = Done { model, provider, cost, byok_cost, prompt_tokens, completion_tokens, reasoning_tokens: 0, end: now + delay };
        world.account.settle(self.caller, hold, done, now);
        let (key, body_hash) = (self.caller.name(), self.body_hash);
        world.counters.answer(Answered { model, provider, key, body_hash, prompt_tokens, completion_tokens, cost, good });
        let record = Record {
            id,
            ready_at: now + delay + Duration::from_millis(world.config.generation_delay_ms),
            created_ms: world.account.epoch_ms(now),
            model,
            provider: provider.to_owned(),
            usage,
            streamed: false,
            finish: "stop",
            native_finish: "stop",
            latency: delay,
            kind,
            referer: self.asked.http.header("http-referer").map(str::to_owned),
            user_agent: self.asked.http.header("user-agent").map(str::to_owned),
            session: None,
            attempts: Vec::new(),
        };
        world.generations.add(record, None);
        reply
    }
}

/// A body as JSON of some type, or the 400.
pub(crate) fn read_body<'b, T: serde::Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Box<SimReply>> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = if error.is_data() { format!("Invalid input: {error}") } else { "Invalid JSON in request body".to_owned() };
        Box::new(wire_error::plain(400, &message))
    })
}
