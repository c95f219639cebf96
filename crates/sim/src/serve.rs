//! An endpoint answers: the answer is made, paid for, written in the form it was asked for, and remembered.

use std::time::Duration;

use crate::PicoDollars;
use crate::answer::{Answer, Prompt};
use crate::catalog::{CachePrices, Endpoint, Found, Model};
use crate::chat::Call;
use crate::completion_json::{Served, Usage};
use crate::config::UsageLayout;
use crate::counters::Answered;
use crate::fault::FaultKind;
use crate::fault_plan::{Act, Verdict};
use crate::generation::{Content, Record};
use crate::prompt_cache::CacheUse;
use crate::reply::{Receipt, SimBody, SimReply};
use crate::response_cache::Kept;
use crate::seed::{hash, mix};
use crate::spending::{Done, Estimate};
use crate::stream::Layout;

/// The longest answer where neither request nor endpoint says one.
const LONGEST_ANSWER: u64 = 16_384;

impl<'a> Call<'a> {
    /// The endpoint answers.
    pub(crate) fn serve(&mut self, found: Found<'_>, endpoint: &Endpoint, verdict: Option<Verdict<'_>>) -> SimReply {
        let world = self.world;
        let max_tokens = self.request.max_tokens.unwrap_or(endpoint.max_completion_tokens.unwrap_or(LONGEST_ANSWER));
        let prompt_tokens = self.need.text_tokens + self.need.tool_tokens;
        let is_byok = world.account.is_byok(endpoint);
        let charged = |price: PicoDollars| if is_byok { byok_fee(price) } else { price };
        let estimate = Estimate {
            prompt_tokens,
            prompt_price: charged(endpoint.prompt_price),
            completion_price: charged(endpoint.completion_price),
            max_tokens: max_tokens.saturating_mul(u64::from(self.request.count)),
        };
        let hold = match world.account.afford(self.caller, estimate, self.now) {
            Ok(hold) => hold,
            Err(reply) => return reply.after(self.refusal_time()),
        };
        let (content, fault) = match verdict.map(|verdict| verdict.act) {
            Some(Act::Content(content)) => (Some(content), None),
            Some(Act::Fault(kind)) => (None, Some(self.fitting(kind))),
            _ => (None, None),
        };
        let prompt =
            Prompt { request: self.request, model: found.model, endpoint, schemas: &world.schemas, seed: world.config.seed, max_tokens };
        let mut answers = prompt.answers(content);
        if let Some(kind) = fault {
            world.counters.fault(kind);
            answers.iter_mut().for_each(|answer| answer.spoil(kind, &prompt));
        }
        let cached = endpoint.cache_prices().map(|prices| {
            let used = world.prompt_cache.touch(found, &endpoint.tag, prices, self.request, self.now);
            (used, prices)
        });
        let usage = usage(&answers, prompt_tokens, endpoint, cached, is_byok);
        let delay = match fault {
            Some(FaultKind::Slow) => Duration::from_millis(world.config.slow_ms),
            _ => verdict.and_then(|verdict| verdict.latency).unwrap_or_else(|| self.latency()),
        };
        let model_name = found.model.served_name();
        let metadata = self.metadata(found, Some(endpoint));
        let served = Served {
            usage,
            metadata,
            fingerprint: (endpoint.slug == "openai").then(|| format!("fp_{:010x}", mix(found.index as u64) >> 24)),
            ..self.served(&model_name, &endpoint.provider)
        };
        let mut reply = self.written(&served, &answers, fault);
        let good = matches!(fault, None | Some(FaultKind::Slow));
        if let Some((key, wish)) = self.cached_as {
            reply = reply.with_header("x-openrouter-cache-status", "MISS").with_header("x-openrouter-cache-ttl", wish.ttl_s.to_string());
            if good {
                let (id, provider) = (served.id.clone(), endpoint.provider.clone());
                let kept = Kept { id, model: found.index, provider, answers: answers.clone(), since: self.now, ttl_s: wish.ttl_s };
                world.cache.keep(key, kept);
            }
        }
        let mut reply = reply.after(delay);
        reply.receipt = Some(Receipt { body_hash: self.body_hash, good });
        let end = self.now + reply.duration().unwrap_or(delay);
        let done = Done {
            model: found.index,
            provider: &endpoint.provider,
            cost: usage.cost(),
            byok_cost: usage.byok_fee.map_or_else(PicoDollars::default, |_| usage.upstream_cost()),
            prompt_tokens,
            completion_tokens: usage.completion_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            end,
        };
        world.account.settle(self.caller, hold, done, self.now);
        world.counters.answer(Answered {
            model: found.index,
            provider: &endpoint.provider,
            key: self.caller.name(),
            body_hash: self.body_hash,
            prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cost: usage.cost(),
            good,
        });
        self.remember(&served, found.index, &answers, (delay, end));
        reply
    }

    /// The reply that the response cache has, if it has one.
    pub(crate) fn cached_reply(&self) -> Option<SimReply> {
        let (key, wish) = self.cached_as?;
        let kept = self.world.cache.find(key, wish, self.now)?;
        let model_name = self.world.catalog.models.get(kept.model).map(Model::served_name)?;
        let served = Served { from_cache: true, ..self.served(&model_name, &kept.provider) };
        self.world.counters.cache_hit();
        let age_s = self.now.saturating_sub(kept.since).as_secs();
        let reply = self.written(&served, &kept.answers, None);
        Some(
            reply
                .with_header("x-openrouter-cache-status", "HIT")
                .with_header("x-openrouter-cache-age", age_s.to_string())
                .with_header("x-openrouter-cache-ttl", kept.ttl_s.saturating_sub(age_s).to_string())
                .with_header("x-openrouter-cache-source-id", kept.id),
        )
    }

    /// Who serves, under an id of its own; nothing used yet.
    fn served<'s>(&self, model: &'s str, provider: &'s str) -> Served<'s> {
        let created = self.world.account.epoch_ms(self.now) / 1_000;
        Served {
            id: generation_id(created, hash(self.world.config.seed, &self.number.to_le_bytes())),
            created,
            model,
            provider,
            fingerprint: None,
            usage: Usage::default(),
            from_cache: false,
            metadata: None,
        }
    }

    /// The answers as they go over the wire.
    fn written(&self, served: &Served<'_>, answers: &[Answer], fault: Option<FaultKind>) -> SimReply {
        let body = &self.http.body;
        let mut reply = if self.request.stream {
            let pieces = self.skin.stream(served, answers, body, self.layout(), fault);
            let body = if fault == Some(FaultKind::Cut) { SimBody::CutStream(pieces) } else { SimBody::Stream(pieces) };
            SimReply { body, ..SimReply::json_bytes(200, Vec::new()) }
                .with_header("content-type", "text/event-stream")
                .with_header("cache-control", "no-cache")
        } else {
            let mut bytes = self.skin.whole(served, answers, body);
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
        reply.finished = true;
        reply
    }

    fn remember(&self, served: &Served<'_>, model: usize, answers: &[Answer], (latency, end): (Duration, Duration)) {
        let first = answers.first();
        self.world.generations.add(
            Record {
                id: served.id.clone(),
                ready_at: end + Duration::from_millis(self.world.config.generation_delay_ms),
                created_ms: self.world.account.epoch_ms(self.now),
                model,
                provider: served.provider.to_owned(),
                usage: served.usage,
                streamed: self.request.stream,
                finish: first.map_or("stop", |answer| answer.finish),
                native_finish: first.map_or("stop", |answer| answer.native_finish),
                latency,
                kind: "completions",
                referer: self.http.header("http-referer").map(str::to_owned),
                user_agent: self.http.header("user-agent").map(str::to_owned),
                session: self.request.session.as_deref().map(str::to_owned),
                attempts: self.attempts.clone(),
            },
            Some(Content {
                input: self.http.body.clone(),
                completion: first.and_then(|answer| answer.content.clone()),
                reasoning: first.and_then(|answer| answer.reasoning.as_ref()).map(|reasoning| reasoning.text.clone()),
            }),
        );
    }

    /// The fault as far as it fits the way of answering: a body cannot end in the middle of a stream
    /// when there is no stream.
    fn fitting(&self, kind: FaultKind) -> FaultKind {
        match kind {
            FaultKind::TruncatedStream if !self.request.stream => FaultKind::Cut,
            FaultKind::MidstreamError | FaultKind::MidstreamErrorNoChoices | FaultKind::MidstreamErrorBare if !self.request.stream => {
                FaultKind::ChoiceError
            }
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
        Layout {
            usage,
            gap: Duration::from_millis(config.gap_ms),
            leading_comments: config.leading_comments,
            piece_bytes: config.piece_bytes,
            crlf: config.crlf,
            echoes: self.request.echoes,
        }
    }
}

/// What OpenRouter takes of a price that is paid with the caller's own key: a twentieth.
fn byok_fee(price: PicoDollars) -> PicoDollars {
    PicoDollars(price.0 / 20)
}

/// What all answers used; nothing is charged for what is empty or an error.
fn usage(answers: &[Answer], prompt_tokens: u64, endpoint: &Endpoint, cached: Option<(CacheUse, CachePrices)>, is_byok: bool) -> Usage {
    let completion_tokens = answers.iter().map(|answer| answer.completion_tokens).sum();
    let charged = completion_tokens > 0 && answers.iter().any(|answer| answer.finish != "error");
    let price = |amount| if charged { amount } else { PicoDollars::default() };
    let (CacheUse { read, written }, prompt_cost) = match cached {
        None => (CacheUse::default(), endpoint.prompt_price.times(prompt_tokens)),
        Some((used, prices)) => {
            let plain = endpoint.prompt_price.times(prompt_tokens.saturating_sub(used.read + used.written));
            let write = prices.write.unwrap_or_default().times(used.written);
            (used, plain.plus(prices.read.times(used.read)).plus(write))
        }
    };
    let mut usage = Usage {
        prompt_tokens,
        completion_tokens,
        reasoning_tokens: answers.iter().map(|answer| answer.reasoning_tokens).sum(),
        cached_tokens: read,
        cache_write_tokens: written,
        prompt_cost: price(prompt_cost),
        completion_cost: price(endpoint.completion_price.times(completion_tokens)),
        byok_fee: None,
    };
    usage.byok_fee = is_byok.then(|| byok_fee(usage.upstream_cost()));
    usage
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
