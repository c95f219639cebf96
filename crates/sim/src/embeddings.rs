//! `POST /embeddings`: vectors in which texts with common words lie near each other.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::account::{Caller, Estimate};
use crate::chat::{fixed_reply, generation_id};
use crate::completion_json::Usage;
use crate::counters::Answered;
use crate::fault::FaultKind;
use crate::fault_plan::{Act, Answerer, Asked};
use crate::fault_reply::{self, Hit};
use crate::generation::Record;
use crate::reply::{Receipt, SimBody, SimReply, SimRequest};
use crate::seed::{Draw, hash, mix};
use crate::simulator::World;
use crate::wire_error;

const DIMENSIONS: usize = 1_536;
const MOST_DIMENSIONS: usize = 8_192;

#[derive(Deserialize)]
struct Body {
    model: String,
    input: Input,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
    Tokens(Vec<u64>),
    ManyTokens(Vec<Vec<u64>>),
    Parts(Vec<Value>),
}

impl Input {
    /// Each text, and how many tokens it has.
    fn texts(self) -> Vec<(String, u64)> {
        let counted = |text: String| {
            let tokens = (text.chars().count() as u64).div_ceil(4).max(1);
            (text, tokens)
        };
        let of_tokens = |tokens: Vec<u64>| {
            let words: Vec<String> = tokens.iter().map(|token| format!("token{token}")).collect();
            (words.join(" "), tokens.len() as u64)
        };
        match self {
            Input::One(text) => vec![counted(text)],
            Input::Many(texts) => texts.into_iter().map(counted).collect(),
            Input::Tokens(tokens) => vec![of_tokens(tokens)],
            Input::ManyTokens(lists) => lists.into_iter().map(of_tokens).collect(),
            Input::Parts(parts) => parts.iter().map(|part| counted(part.to_string())).collect(),
        }
    }
}

/// Answers a request for embeddings.
pub(crate) fn embed(world: &World, http: &SimRequest, caller: Caller<'_>, asked: Asked<'_>, body_hash: u64) -> SimReply {
    if let Err(reply) = world.account.take_request(caller, asked.now) {
        return *reply;
    }
    let body: Body = match serde_json::from_slice(&http.body) {
        Ok(body) => body,
        Err(error) if error.is_data() => {
            return wire_error::plain(400, &format!("Invalid input: {error}"));
        }
        Err(_) => return wire_error::plain(400, "Invalid JSON in request body"),
    };
    let Some(found) = world.catalog.find(&body.model).filter(|found| found.model.embeds) else {
        return wire_error::unknown_model(&body.model);
    };
    let Some(endpoint) = found.model.endpoints.first() else {
        return wire_error::plain(404, &format!("No endpoints found for {}.", body.model));
    };
    let dimensions = body.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        return wire_error::plain(400, &format!("dimensions: expected a number from 1 to {MOST_DIMENSIONS}"));
    }
    let texts = body.input.texts();
    if texts.is_empty() {
        return wire_error::plain(400, "input: Too small: expected at least one text");
    }
    let longest = texts.iter().map(|(_, tokens)| *tokens).max().unwrap_or(0);
    if longest > endpoint.context_length {
        return wire_error::context_length(endpoint.context_length, longest, 0, 0);
    }

    world.counters.asked(&found.model.id);
    world.counters.tried(found.index, &endpoint.tag);
    let answerer = Answerer { model: &found.model.id, provider: &endpoint.provider, slug: &endpoint.slug };
    let verdict = world.plan.trial(asked).verdict(answerer);
    let latency = || world.config.latency_ms.pick(mix(world.config.seed ^ mix(asked.number)));
    let mut delay = verdict.and_then(|verdict| verdict.latency).unwrap_or_else(latency);
    let mut cut = false;
    match verdict.map(|verdict| verdict.act) {
        Some(Act::Reply(fixed)) => return fixed_reply(fixed).after(delay),

        Some(Act::Fault(kind)) => {
            let (model, account) = (Some(found.model), &world.account);
            let hit = Hit { answerer, model, request: None, prompt_tokens: longest, account, now: asked.now };
            world.counters.fault(kind);
            if kind.refuses() && verdict.is_some_and(|verdict| verdict.latency.is_none()) {
                delay = world.config.refusal_ms.pick(mix(asked.number));
            }
            match fault_reply::reply(kind, &hit) {
                Some(reply) => return reply.after(delay),
                None if kind == FaultKind::Slow => delay = Duration::from_millis(world.config.slow_ms),
                None => cut = kind == FaultKind::Cut,
            }
        }
        _ => {}
    }
    let tokens: u64 = texts.iter().map(|(_, tokens)| tokens).sum();
    let cost = endpoint.prompt_price.times(tokens);
    let estimate = Estimate { prompt: cost, completion_price: endpoint.completion_price, max_tokens: 0 };
    if let Err(reply) = world.account.afford(caller, estimate, asked.now) {
        return *reply;
    }

    let created = world.account.epoch_ms(asked.now) / 1_000;
    let id = generation_id(created, hash(world.config.seed, &asked.number.to_le_bytes()));
    let base64 = body.encoding_format.as_deref() == Some("base64");
    let mut out = format!("{{\"id\":\"{id}\",\"object\":\"list\",\"model\":\"{}\",\"data\":[", found.model.id).into_bytes();
    for (index, (text, _)) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":").as_bytes());
        write_vector(&mut out, &vector(text, dimensions, world.config.seed), base64);
        out.push(b'}');
    }
    out.extend_from_slice(
        format!("],\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens},\"cost\":{cost},\"is_byok\":false}}}}").as_bytes(),
    );
    world.account.settle(caller, cost, None);
    world.counters.answer(Answered {
        model: found.index,
        provider: &endpoint.provider,
        key: caller.name(),
        body_hash,
        prompt_tokens: tokens,
        completion_tokens: 0,
        cost,
        good: !cut,
    });
    world.generations.add(Record {
        id: id.clone(),
        ready_at: asked.now + delay + Duration::from_millis(world.config.generation_delay_ms),
        created_ms: world.account.epoch_ms(asked.now),
        model: found.index,
        provider: endpoint.provider.clone(),
        usage: Usage { prompt_tokens: tokens, prompt_cost: cost, ..Usage::default() },
        streamed: false,
        finish: "stop",
        native_finish: "stop",
        latency: delay,
        referer: http.header("http-referer").map(str::to_owned),
    });
    let mut reply = SimReply::json_bytes(200, out).with_header("x-generation-id", id).after(delay);
    if cut && let SimBody::Bytes(bytes) = &mut reply.body {
        bytes.truncate(bytes.len() / 2);
        reply.body = SimBody::CutAfter(std::mem::take(bytes));
    }
    reply.receipt = Some(Receipt { body_hash, good: !cut });
    reply
}

/// A unit vector: every word adds to some places that its hash chooses.
fn vector(text: &str, dimensions: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0f32; dimensions];
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words.map(str::to_lowercase).chain(std::iter::once(String::new())) {
        let mut draw = Draw::new(hash(seed, word.as_bytes()));
        // the empty word keeps a text without words off the origin, and weighs little
        let weight = if word.is_empty() { 0.05 } else { 1.0 };
        for _ in 0..16 {
            if let Some(value) = values.get_mut(draw.index(dimensions)) {
                *value += if draw.next() & 1 == 0 { weight } else { -weight };
            }
        }
    }
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
    values
}

fn write_vector(out: &mut Vec<u8>, values: &[f32], as_base64: bool) {
    if as_base64 {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        out.push(b'"');
        out.extend_from_slice(base64(&bytes).as_bytes());
        out.push(b'"');
    } else if serde_json::to_writer(&mut *out, values).is_err() {
        out.extend_from_slice(b"[]");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(LETTERS[letter as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, vector};

    #[test]
    fn base64_pads() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn texts_with_common_words_are_near() {
        let near = |one: &str, other: &str| -> f32 { vector(one, 256, 1).iter().zip(vector(other, 256, 1)).map(|(a, b)| a * b).sum() };
        assert!((near("red shoes", "red shoes") - 1.0).abs() < 1e-5);
        assert!(near("red running shoes", "blue running shoes") > near("red running shoes", "quarterly tax report"));
    }
}
